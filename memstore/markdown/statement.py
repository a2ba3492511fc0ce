"""Facts as list items of a Markdown file, and statements read back from one, whoever wrote them.

    - [DECIDED · 2026-03-01] We use Redis for storage. <!-- f_0q3k7v9w2xm4nb6tzd -->
    - [option, not decided · 2026-03-01 · user] We could refresh the TTL on each access. <!-- f_… -->
    - [observed · 2026-03-02] according to document docs/adr-7.md, not binding: «The API is versioned.» <!-- f_… -->

The words stand as they were said; lines after the first are indented by two spaces, so that nothing in them can begin
an item of its own. Only `<!--` is written as an entity: the mark at the end of an item names its fact, and words may
not forge one. What people write beside that is read as they mean it: an item or a paragraph is a statement, one that
opens with `[DECIDED]`, `[option]`, `[guess]`, `[question]` or `[observed]` says what it claims to be. Headings, code,
tables, quotations and comments are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from memstore.markdown.memory import points_at
from memstore.model import Fact, Modality, Status
from memstore.policy import authority, binding
from memstore.recall.render import LABELS

_MARK = re.compile(r"[ \t]*<!-- (f_[0-9a-z]{18}) -->[ \t]*")
_HEAD = re.compile(r"\[\s*(?P<label>[\w, ]+?)\s*(?:·[^\]\n]*)?\](?:\s+|$)")
_QUOTED = re.compile(r"according to (?:document|tool) [^\n]*?, not binding: «(?P<words>.*)»\s*", re.DOTALL)
_ITEM = re.compile(r"(?P<indent>[ \t]*)(?:[-*+]|\d{1,9}[.)])[ \t]+(?=\S)")
_FENCE = re.compile(r"[ \t]*(?P<fence>`{3,}|~{3,})")
_LEFT_ALONE = re.compile(r"[ \t]*(?:#{1,6}(?:\s|$)|>|\||<|(?:[-*_][ \t]*){3,}$|=+[ \t]*$)")

_NAMES = {
    **{label.casefold(): modality for modality, label in LABELS.items()},
    **{modality.value: modality for modality in Modality},
    "option": Modality.OPTION_CONSIDERED,
    "question": Modality.QUESTION,
}


@dataclass(frozen=True, slots=True)
class Piece:
    """Some lines of a file, as they stand in it. `words` is None for what is no statement.

    `mark` is the id of the fact that the lines show, `label` what they claim to be, where they say so.
    """

    raw: str
    words: str | None = None
    label: Modality | None = None
    mark: str | None = None


def item(fact: Fact, status: Status) -> str:
    """The list item that shows a fact."""
    standing = [LABELS[fact.modality], f"{fact.said_at:%Y-%m-%d}"]
    if status is not Status.LIVE:
        standing.append(status.value.upper())
    words = fact.text.strip().replace("<!--", "&lt;!--")
    if authority(fact.origin) < 1:
        pointer = fact.provenance[0]
        source = " ".join((pointer.ref or pointer.session).split()).replace("<", "‹").replace(">", "›")
        words = f"according to {fact.origin} {source}, not binding: «{words}»"
    elif not binding(fact.modality, fact.origin):
        standing.append(fact.origin.value)
    lines = f"[{' · '.join(standing)}] {words}".split("\n")
    said = "\n".join([lines[0], *(f"  {line}" if line.strip() else "" for line in lines[1:])])
    return f"- {said} <!-- {fact.id} -->\n"


def statement(fact: Fact) -> Piece:
    """The item that shows a fact, as it would be read back."""
    return _read(item(fact, Status.LIVE))


def same_words(one: Piece, other: Piece) -> bool:
    """Whether two statements say the same in the same words, however they are spaced."""
    return (one.words or "").split() == (other.words or "").split()


def pieces(body: str) -> list[Piece]:
    """A file's body cut into statements and what stands between them; put together it is the body again."""
    found = [_read(raw) if stated else Piece(raw) for raw, stated in _blocks(re.findall(r"[^\n]*\n|[^\n]+", body))]
    assert "".join(piece.raw for piece in found) == body
    return found


def _read(raw: str) -> Piece:
    """One statement: its bullet, indentation, mark and head taken off."""
    mark = _MARK.search(raw)
    text = raw[: mark.start()] + raw[mark.end() :] if mark else raw
    bullet = _ITEM.match(text)
    width = bullet.end() if bullet else 0
    first, *rest = text[width:].split("\n")
    text = "\n".join([first, *(_dedented(line, 2 if width < 3 else width) for line in rest)]).strip()
    head = _HEAD.match(text)
    label = _NAMES.get(" ".join(head["label"].casefold().split())) if head else None
    if head and label:
        text = text[head.end() :]
    quoted = _QUOTED.fullmatch(text)
    words = (quoted["words"].strip() if quoted else "") or text
    words = words.replace("&lt;!--", "<!--").strip()
    return Piece(raw, words, label, mark[1] if mark else None) if words else Piece(raw)


def _dedented(line: str, width: int) -> str:
    indent = len(line) - len(line.lstrip(" "))
    return line[min(indent, width) :]


def _blocks(lines: list[str]) -> Iterator[tuple[str, bool]]:
    """Runs of lines, and whether each is a statement."""
    at = 0
    while at < len(lines):
        line = lines[at]
        fence = _FENCE.match(line)
        if fence:
            end = at + 1
            while end < len(lines) and not lines[end].lstrip().startswith(fence["fence"]):
                end += 1
            end = min(end + 1, len(lines))
        elif not line.strip() or _LEFT_ALONE.match(line) or points_at(line) or _underlined(lines, at):
            end = at + 1 + (0 if not line.strip() or _LEFT_ALONE.match(line) or points_at(line) else 1)
        else:
            end = _end(lines, at)
            yield "".join(lines[at:end]), True
            at = end
            continue
        yield "".join(lines[at:end]), False
        at = end


def _underlined(lines: list[str], at: int) -> bool:
    """Whether a line is a heading by being underlined."""
    return at + 1 < len(lines) and re.fullmatch(r"=+\s*|-{2,}\s*", lines[at + 1]) is not None


def _end(lines: list[str], at: int) -> int:
    """The line after a statement that begins at `at`: after its mark; else where its paragraph or item ends."""
    listed = _ITEM.match(lines[at])
    inside = len(listed["indent"]) + 2 if listed else 0
    end = at
    while True:
        if _MARK.search(lines[end]):
            return end + 1
        end += 1
        if end == len(lines):
            return end
        following = next((n for n in range(end, len(lines)) if lines[n].strip()), len(lines))
        indented = listed and following < len(lines) and lines[following].startswith((" " * inside, "\t"))
        if indented:
            end = following
        elif following > end or _begins(lines[end]):
            return end


def _begins(line: str) -> bool:
    """Whether a line that is not indented ends the paragraph before it."""
    return bool(_ITEM.match(line) or _FENCE.match(line) or _LEFT_ALONE.match(line))
