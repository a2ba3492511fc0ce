"""Text → blocks: which lines are a paragraph, a heading, a list item, a table row, a quotation, or code.

A reader of chat, Markdown and tool output in one pass over the lines; every block is a span of code points.
It is deliberately not a Markdown parser: hostile and half-written text must still give every word back,
so an unclosed fence hides nothing and indentation alone never makes prose into code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Form(StrEnum):
    """What a block is on the page."""

    PROSE = "prose"
    ITEM = "item"
    QUOTE = "quote"
    ROW = "row"
    HEADING = "heading"
    CODE = "code"
    LAYOUT = "layout"


@dataclass(frozen=True, slots=True)
class Block:
    """`[start, end)` code points of one form. `level`: a heading's depth; `wrapped`: its lines are one paragraph."""

    form: Form
    start: int
    end: int
    level: int = 0
    wrapped: bool = False


_FENCE = re.compile(r"[ \t]{0,12}(?:>[ \t]?)?(?:[-*+][ \t]+)?(`{3,}|~{3,})([^`\n]*)$")
_PROSE_FENCES = {"text", "txt", "markdown", "md", "plain", "plaintext", "quote"}
_HEADING = re.compile(r"[ ]{0,3}(#{1,6})[ \t]+(?=\S)")
_UNDERLINE = re.compile(r"[ ]{0,3}(={3,}|-{3,})[ \t]*$")
_RULE = re.compile(r"[ \t]*(?:[-=_*~#+|:.][ \t]*){3,}$")
_ITEM = re.compile(r"[ \t]*(?:[-*+•‣◦–][ \t]+|\(?\d{1,3}[.)][ \t]+|\(?[a-zA-Z][.)][ \t]+)(?:\[[ xX]\][ \t]+)?(?=\S)")
_QUOTE = re.compile(r"[ \t]{0,3}>[> \t]*")
_ROW = re.compile(r"[ \t]*\|(?=.*\|)")
_BOLD_HEADING = re.compile(r"[ \t]*(?:\*\*|__)([^*_\n]{2,80}?):?(?:\*\*|__):?[ \t]*$")

# Lines whose form leaves no doubt.
_MACHINE_LINE = re.compile(
    r"""[ \t]*(?:\#include|\#!|@@\s|diff\s--git|index\s[0-9a-f]{6,}|---\s[ab]/|\+\+\+\s[ab]/|at\s+[\w.$<>]+\(|
      File\s"[^"]+",\sline\s\d|Traceback\s\(most|[-drwxlst]{10}[.+@]?\s)""",
    re.VERBOSE,
)
# One line of source, listing or log, unless it reads as prose. Each alternative is anchored and linear.
_CODE_LINE = re.compile(
    r"""[ \t]*(?:
      (?:\$\s|>>>\s|C:\\)
    | (?:def|class|fn|func|function|struct|enum|impl|interface|public|private|protected|static|const|let|var|package|
         async|export|using|namespace|type|val)\s[^.!?]{0,200}[({=;:]\s*(?:[^\s].{0,120})?$
    | (?:import|from)\s+["'\w.{}*@/-]+(?:\s+import\s.*|\s+from\s.*|;)?$
    | (?:return|yield|raise|throw|await|elif|else\s*if|if|for|while|switch|case|try|catch|except)\b[^?]{0,200}[{;:]$
    | \d{1,6}(?:→|\t|:[ ]{2,})
    | [+-](?:[ ]{2,}|\t|[^\s\w*(`"'].{0,200}[;{}()]$)
    | [\w.$\[\]"'-]+\s*(?:=|:=|\+=|->)\s*[^=\s].{0,300}$
    | [\w.]+\([^\s].{0,200}\)[;{]?$
    | [\]})]+[;,)]*$
    | </?[a-zA-Z][^<>]{0,200}>.{0,400}</?[a-zA-Z][^<>]{0,100}>$
    | (?:\.{0,2}/)?(?:[\w.@+-]+/)+[\w.@+-]*(?::\d+)*:?$
    )""",
    re.VERBOSE,
)
_WORD = re.compile(r"[^\W\d_]{2,}")


def looks_like_code(line: str) -> bool:
    """True for one line of source, diff, listing or log: what the repository or a command can give again.

    Judged by form alone. Lines with sentence punctuation and ordinary words are prose even inside a listing,
    so that words hidden among code are still captured.
    """
    stripped = line.strip()
    if not stripped:
        return False
    if _MACHINE_LINE.match(stripped):
        return True
    if len(stripped) <= 600 and _CODE_LINE.match(stripped):
        return not _reads_as_prose(stripped, 0.88)
    letters = sum(map(str.isalpha, stripped)) + sum(map(str.isspace, stripped))
    return letters < 0.55 * len(stripped) and not _reads_as_prose(stripped, 0.72)


def _reads_as_prose(line: str, ordinary: float) -> bool:
    words = _WORD.findall(line)
    plain = sum(w.islower() or w.istitle() for w in words)
    return len(words) >= 5 and plain >= 0.7 * len(words) and _ordinary(line) >= ordinary


def _ordinary(line: str) -> float:
    return sum(c.isalpha() or c in " ,.'’" for c in line) / max(1, len(line))


def blocks(text: str) -> Iterator[Block]:
    """Every block of `text`, in order; between them lie only blank space and list or quote markers."""
    lines = _lines(text)
    fences = _closing_fences(text, lines)
    paragraph: list[tuple[int, int]] = []
    form = Form.PROSE
    i = 0
    while i < len(lines):
        start, end = lines[i]
        if start == end and not paragraph:
            i += 1
            continue
        line = text[start:end]
        if i in fences:
            yield from _flush(paragraph, form, text)
            paragraph = []
            close, prose = fences[i]
            if close > i + 1:
                body = (lines[i + 1][0], lines[close - 1][1])
                if prose:
                    yield from (
                        Block(b.form, b.start + body[0], b.end + body[0], b.level, b.wrapped)
                        for b in blocks(text[body[0] : body[1]])
                    )
                else:
                    yield Block(Form.CODE, *body)
            i = close + 1
            form = Form.PROSE
            continue
        opened = _open(line)
        if opened is not None or not line.strip():
            underlined = len(paragraph) == 1 and form is Form.PROSE and _UNDERLINE.match(line)
            if underlined:
                yield Block(Form.HEADING, *paragraph[0], level=1 if "=" in line else 2)
                paragraph = []
                i += 1
                continue
            continues = opened is not None and opened[0] is Form.QUOTE and form is Form.QUOTE and paragraph
            if not continues:
                yield from _flush(paragraph, form, text)
                paragraph = []
                form = Form.PROSE
        if opened is None:
            if line.strip():
                lead = len(line) - len(line.lstrip())
                paragraph.append((start + lead, end))
        else:
            kind, inset, level = opened
            if kind in (Form.HEADING, Form.ROW, Form.LAYOUT):
                if kind is Form.HEADING or kind is Form.ROW or line.strip():
                    yield Block(kind, start + inset, end, level)
            elif start + inset < end:
                form = kind
                paragraph.append((start + inset, end))
        i += 1
    yield from _flush(paragraph, form, text)


def _lines(text: str) -> list[tuple[int, int]]:
    spans, at = [], 0
    while at <= len(text):
        stop = text.find("\n", at)
        stop = len(text) if stop < 0 else stop
        end = stop
        while end > at and text[end - 1] in "\r \t":
            end -= 1
        spans.append((at, end))
        at = stop + 1
    return spans


def _closing_fences(text: str, lines: list[tuple[int, int]]) -> dict[int, tuple[int, bool]]:
    """Line of each opening fence → (line of its close, whether its body is prose). Unclosed fences are absent."""
    marks = []
    for number, (start, end) in enumerate(lines):
        if "```" in text[start : min(end, start + 40)] or "~~~" in text[start : min(end, start + 40)]:
            match = _FENCE.match(text[start:end])
            if match:
                marks.append((number, match[1], match[2].strip().lower()))
    pairs: dict[int, tuple[int, bool]] = {}
    at = 0
    while at < len(marks):
        number, mark, info = marks[at]
        for later in range(at + 1, len(marks)):
            other, closing, extra = marks[later]
            if closing[0] == mark[0] and len(closing) >= len(mark) and not extra:
                pairs[number] = (other, info in _PROSE_FENCES)
                at = later
                break
        at += 1
    return pairs


def _open(line: str) -> tuple[Form, int, int] | None:
    """(form, width of the marker, heading level) when the line starts a block of its own; None for running text."""
    heading = _HEADING.match(line)
    if heading:
        return Form.HEADING, heading.end(), len(heading[1])
    if _RULE.match(line) and not _WORD.search(line):
        return Form.LAYOUT, 0, 0
    if _ROW.match(line):
        return Form.ROW, len(line) - len(line.lstrip(" \t|")), 0
    bold = _BOLD_HEADING.match(line)
    if bold:
        return Form.HEADING, bold.start(1), 6
    quote = _QUOTE.match(line)
    if quote and quote.end():
        return Form.QUOTE, quote.end(), 0
    item = _ITEM.match(line)
    if item:
        inner = _QUOTE.match(line[item.end() :])
        if inner and inner.end():
            return Form.QUOTE, item.end() + inner.end(), 0
        return Form.ITEM, item.end(), 0
    return None


def _flush(paragraph: list[tuple[int, int]], form: Form, text: str) -> Iterator[Block]:
    """One block a paragraph, its code lines set apart; lines that are not one wrapped paragraph stand alone."""
    if not paragraph:
        return
    widths = [end - start for start, end in paragraph]
    # Hard-wrapped text has several lines of much the same width; chat has one thought a line.
    wrapped = form is Form.QUOTE or (len(paragraph) > 1 and max(widths) <= 130 and min([*widths[:-1], 999]) >= 40)
    run: tuple[int, int] | None = None
    for start, end in paragraph:
        if looks_like_code(text[start:end]):
            if run:
                yield Block(form, *run, wrapped=wrapped)
                run = None
            yield Block(Form.CODE, start, end)
        else:
            run = (run[0] if run else start, end)
    if run:
        yield Block(form, *run, wrapped=wrapped)
