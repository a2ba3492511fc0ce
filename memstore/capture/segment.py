"""Text → sentences, and the places where one sentence may be cut into clauses; all spans of code points.

Sentence boundaries in developer talk are mostly false friends: `v2.1.`, `main.py`, `e.g.`, `...`, URLs, list
numbers, hard-wrapped lines. The rules are few and local; each looks at the terminator, the token before it
and the character after it, so the whole is linear in the text (a turn of ten megabytes included).

A sentence is *joined* to the one before when it cannot stand alone ("Because the mock hid the bug."), and offers
*cuts* where a new main clause starts ("We use Redis, | but could move to Valkey"). Whether a cut is made is for
the extractor: only when the two sides differ in modality.
"""

# ruff: noqa: E501 (patterns read better on one line)

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from memstore.capture.blocks import Block, Form, blocks

LONGEST = 1_000
"""Code points; a longer "sentence" is a run-on and is divided at the last space before this."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One sentence: its span, the form of the block it stands in, where it may be cut, and what stood above it.

    A cut `(left, right)` means `[start, left)` and `[right, end)`; between them only punctuation and space.
    `opens`: it is the first sentence of its block. `headings` are the titles of the sections it is in; `lead` is the
    line ("Options:") that introduced its list.
    """

    start: int
    end: int
    form: Form
    cuts: tuple[tuple[int, int], ...] = ()
    opens: bool = True
    headings: tuple[str, ...] = ()
    lead: str | None = None


# Only the head of a run of terminators may match (lookbehind), so that a megabyte of dots stays linear.
_STOP = re.compile(r"""(?<![.!?…])[.!?…]++["'”’»)\]*_`]*+(?=\s|$)|[。！？｡]++[」』”’）]*+|\n""")
_CODE_SPAN = re.compile(r"`[^`\n]*`")
_NEVER = set("e.g i.e eg ie vs cf mr mrs ms dr prof approx resp incl excl ca viz st mt messrs".split())
_BEFORE_CAPITAL_ONLY = set("etc al inc ltd corp co jr sr a.m p.m u.s u.k esp dept est min max avg".split())
_BEFORE_NUMBER = set("no fig figs sec ver v eq ch pp p vol art nr rev tab".split())
_LABELS = set(
    "option plan variant phase team step class grade type part appendix solution approach version case point".split()
)
_DEPENDENT = re.compile(
    r"(?:because|which(?!\s+\w+\s+(?:do|does|is|are|should|would))|except|unless|such as|e\.g\.|i\.e\.|namely|"
    r"especially|even (?:if|though)|as long as|so that|in order to|due to|thanks to|instead of|rather than|"
    r"that(?:'|’)s why|hence why)\b|(?:always|never|ever|period|full stop|no exceptions|please)[.!]+$",
    re.IGNORECASE,
)

# Where a new main clause can start inside a sentence: a joint, then something that can only head a clause.
_SUBJECT = (
    r"(?:i|we|you|he|she|it|they|this|that|these|those|there|let(?:'|’)?s|the|our|my|your|maybe|perhaps|probably|possibly|"
    r"could|might|may|should|would|can|must|will|not sure|what if|what about|how about|does|do|is|are|"
    r"i(?:'|’)(?:m|ll|d|ve)|we(?:'|’)(?:ll|re|d|ve)|it(?:'|’)(?:s|ll|d)|they(?:'|’)(?:re|ll|d|ve)|that(?:'|’)(?:s|ll))\b"
)
_ASKING = (
    r"(?:can|could|would|will|do|does|did|is|are|should)[ ]+(?:you|i|we|it|this|that|there)\b|"
    r"(?:how|what|why|when|where|which|who)[ ]+(?:can|could|do|does|did|is|are|should|would|will)\b|"
    r"any[ ]+(?:ideas?|suggestions?|tips|advice|thoughts)\b"
)
_GAP = r"(?<![ ])[ ]++"  # a run of blanks, whole: a drawing made of blanks must stay linear
_JOINT = re.compile(
    rf"""(?:
      (?:{_GAP})?+;[ ]+
    | (?:,[ ]++|{_GAP})(?:[–—]|--|-)[ ]+(?=(?:and[ ]+|but[ ]+|so[ ]+|or[ ]+)?{_SUBJECT})
    | ,[ ]+(?=(?:but|and|so(?![ ]+that\b)|yet|although|though|however,?|whereas|while|or)[ ]+{_SUBJECT})
    | {_GAP}(?=(?:but|although|though|however)[ ]+{_SUBJECT})
    | ,[ ]+(?=(?:maybe|perhaps|possibly|otherwise)[ ]+\w+)
    | ,[ ]+(?=(?:and[ ]+|but[ ]+|so[ ]+)?(?:{_ASKING}))
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_SUBORDINATE_START = re.compile(
    r"(?:and |but |so |then )?(?:if|when|whenever|unless|although|though|while|since|because|as|after|before|once|given|"
    r"until|whether|even|assuming|in case|suppose|supposing|had|were|should)\b",
    re.IGNORECASE,
)
_PLAIN = re.compile(r"(?<!\s)\s*\n\s*(?:>\s*)*")


def plain(text: str) -> str:
    """The words of a span on one line, without the quote markers of a wrapped quotation: for reading, never for storing."""
    return _PLAIN.sub(" ", text)


def segments(text: str) -> Iterator[Segment]:
    """Every sentence of `text` in order, code and layout included as segments of those forms (for counting)."""
    trail: list[tuple[int, str]] = []
    lead: str | None = None
    for block in blocks(text):
        if block.form in (Form.CODE, Form.LAYOUT):
            yield Segment(block.start, block.end, block.form)
            continue
        headings = tuple(title for _, title in trail)
        if block.form is Form.HEADING:
            title = text[block.start : block.end].strip("#*_: \t")[:200]
            trail = [*((level, t) for level, t in trail if level < block.level), (block.level, title)]
            lead = None
            yield Segment(block.start, block.end, Form.HEADING, headings=headings)
            continue
        if block.form is not Form.ITEM:
            lead = None
        last: tuple[int, int] | None = None
        for start, end in sentences(text, block):
            cuts = () if block.form is Form.ROW else _cuts(text, start, end)
            yield Segment(start, end, block.form, cuts, last is None, headings, lead)
            last = (start, end)
        if block.form is Form.PROSE:
            lead = plain(text[slice(*last)])[:200] if last and text[last[1] - 1] in ":：" else None


def sentences(text: str, block: Block) -> Iterator[tuple[int, int]]:
    """Spans of the sentences of one block, a dependent one joined to the sentence before it."""
    held: tuple[int, int] | None = None
    for start, end in _split(text, block):
        if (
            held is not None
            and end - held[0] <= LONGEST
            and text[held[1] - 1] not in "?？"
            and text[end - 1] not in "?？"
            and _DEPENDENT.match(text, start, end)
        ):
            held = (held[0], end)
            continue
        if held is not None:
            yield held
        held = (start, end)
    if held is not None:
        yield held


def _split(text: str, block: Block) -> Iterator[tuple[int, int]]:
    code = [m.span() for m in _CODE_SPAN.finditer(text, block.start, block.end)] if "`" in text else []
    inside = 0
    start = block.start
    for stop in _STOP.finditer(text, block.start, block.end):
        while inside < len(code) and code[inside][1] <= stop.start():
            inside += 1
        if inside < len(code) and code[inside][0] < stop.start() < code[inside][1]:
            continue
        if _ends(text, start, stop, block):
            yield from _trimmed(text, start, stop.end())
            start = stop.end()
    yield from _trimmed(text, start, block.end)


def _ends(text: str, start: int, stop: re.Match[str], block: Block) -> bool:
    mark = stop[0]
    after = _next_character(text, stop.end(), block.end)
    if mark == "\n":
        return not block.wrapped and not after.islower()
    if not after or mark[0] in "。！？｡":
        return True
    if "?" in mark or "!" in mark:
        return not (after.islower() and mark[-1] in "\"'”’»)`")
    if mark.startswith(("..", "…")):
        return not after.islower()
    at = stop.start()
    while at > start and not text[at - 1].isspace() and stop.start() - at < 24:
        at -= 1
    token = text[at : stop.start()].lstrip("(\"'“‘[*_`")
    word = token.lower()
    if word.isdigit() and len(word) <= 3 and not text[start:at].strip():
        return False  # a list number: "2. Document the API"
    if word in _NEVER:
        return False
    if word in _BEFORE_NUMBER and after.isdigit():
        return False
    if word in _BEFORE_CAPITAL_ONLY:
        return after.isupper() and word not in ("co", "al")
    if len(token) == 1 and token.isupper() and token != "I":
        before = text[max(start, at - 20) : at].split()
        return bool(before) and before[-1].lower() in _LABELS
    if after.islower():
        return len(word) >= 3 and word.isalpha()
    return True


def _next_character(text: str, at: int, end: int) -> str:
    while at < end and (text[at].isspace() or text[at] in "\"'“‘([*_>"):
        at += 1
    return text[at] if at < end else ""


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The span without the blanks around it, divided when it is longer than `LONGEST`; nothing if it holds no word."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and (text[end - 1].isspace() or text[end - 1] == "|"):
        end -= 1
    while end - start > LONGEST:
        space = text.rfind(" ", start + LONGEST // 2, start + LONGEST)
        cut = space if space > 0 else start + LONGEST
        yield start, cut
        start = cut + (space > 0)
    if start < end:
        yield start, end


def _cuts(text: str, start: int, end: int) -> tuple[tuple[int, int], ...]:
    if _SUBORDINATE_START.match(text, start, end):
        return ()
    found = []
    for joint in _JOINT.finditer(text, start + 6, end - 6):
        left, right = joint.start(), joint.end()
        inner = text[start:left]
        balanced = inner.count("(") <= inner.count(")") and inner.count("`") % 2 == 0 and inner.count('"') % 2 == 0
        if balanced and inner.count(" ") >= 1 and text.count(" ", right, end) >= 1:
            found.append((left, right))
    return tuple(found[:4])
