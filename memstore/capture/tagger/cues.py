"""The words that carry a stance, and where in the sentence they stand.

A cue is a named pattern; what it says depends on its clause. "We should cache it" settles something;
in "if we should cache it, reads get faster" the same words are a condition, and in "Ann suggested we
should cache it" they are hers. So a sentence is cut into clauses, each clause gets a role (`main`,
`condition`, `dependent`, `reported`), and a cue is reported with its role and with the words it
matched: the evidence from which `rules.py` weighs a modality, and from which every tagger explains
itself. Pure Python, no model, no state.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import pairwise
from re import _parser  # type: ignore[attr-defined]  # no public way to see what a pattern is made of
from string import ascii_lowercase, ascii_uppercase
from typing import Any

#: Longer text is judged by its beginning and its end, where main clauses stand.
MAX_CHARS = 1200

_Pattern = re.Pattern[str]


def _read(table: str) -> dict[str, _Pattern]:
    """The cue table: `name = pattern` lines, with the named lists put in where they are referred to."""
    lists: dict[str, str] = {}
    found: dict[str, _Pattern] = {}
    for line in table.splitlines():
        name, equals, pattern = line.partition(" = ")
        if line.startswith("#") or not equals:
            continue
        for mark, words in lists.items():
            pattern = pattern.replace(mark, words)
        if name.startswith("<"):
            lists[name] = pattern
        else:
            found[name] = re.compile(pattern)
    return found


PATTERNS = _read(resources.files("memstore.capture.tagger").joinpath("cues.txt").read_text(encoding="utf-8"))

_CLAUSE, _CONDITION, _DEPENDENT, _REPORTED, _SETTLED = (
    PATTERNS.pop(name) for name in ("@clause", "@condition", "@dependent", "@reported!", "@settled")
)
#: Patterns that look at capitals see the text as it is; the others see it lower-cased, which is twice as fast,
#: and with straight apostrophes.
_CASED = {name: pattern for name, pattern in PATTERNS.items() if name.endswith("!")}
_LOWER = str.maketrans(ascii_uppercase + "’", ascii_lowercase + "'")


def _needed(parsed: Iterable[Any]) -> tuple[str, ...]:
    """Strings of which every match of a parsed pattern holds at least one; () where nothing can be said."""
    best: tuple[str, ...] = ()
    run = ""
    for operation, argument in [*parsed, (None, None)]:
        if operation is _parser.LITERAL:
            run += chr(argument)
            continue
        found: tuple[str, ...] = (run,) if run else ()
        run = ""
        if operation is _parser.BRANCH:
            each = [_needed(branch) for branch in argument[1]]
            if all(each):
                strings = {string for needed in each for string in needed}
                shortest = tuple(s for s in strings if not any(o in s for o in strings if o != s))
                found = max(found, shortest, key=_selective)
        elif operation is _parser.SUBPATTERN or (operation is _parser.MAX_REPEAT and argument[0] > 0):
            found = max(found, _needed(argument[-1]), key=_selective)
        best = max(best, found, key=_selective)
    return best


def _selective(needed: tuple[str, ...]) -> int:
    """How much a search for these strings rules out: the shortest of them counts."""
    return min(map(len, needed), default=0)


#: Most patterns are not in most sentences, and looking for a plain string is twenty times faster than searching for
#: a pattern: the strings that a pattern cannot do without, where they are telling enough to be looked for first.
_NEEDED = {
    name: needed if _selective(needed) > 1 else ()
    for name, pattern in PATTERNS.items()
    for needed in [() if name in _CASED else _needed(_parser.parse(pattern.pattern))]
}


@dataclass(frozen=True, slots=True)
class Cue:
    """One piece of evidence: which cue, in what kind of clause, and the words of the sentence it matched."""

    name: str
    role: str
    words: str
    start: int


@dataclass(frozen=True, slots=True)
class Clause:
    """`[start, end)` of the text, and what it does there: main, condition, dependent or reported."""

    start: int
    end: int
    role: str


def clauses(text: str) -> list[Clause]:
    """Cut a sentence into clauses. A condition ends where its main clause begins; the rest of a report is reported."""
    lower = text.translate(_LOWER)
    cuts = [0, *(m.end() for m in _CLAUSE.finditer(lower)), len(text)]
    found = []
    for start, end in pairwise(cuts):
        piece = lower[start:end]
        if not piece.strip():
            continue
        if _CONDITION.match(piece):
            role = "condition"
            comma = piece.find(", ")
            if comma > 0:  # "if X, Y": the main clause follows the comma
                found.append(Clause(start, start + comma + 1, role))
                start, role = start + comma + 1, "main"
        elif _REPORTED.search(text, start, end):
            role = "reported"
        elif _DEPENDENT.match(piece):
            role = "dependent"
        else:
            role = "main"
        found.append(Clause(start, end, role))
    return found


_BLANKS = re.compile(r"\s{9,}")


def clip(text: str) -> str:
    """What of a text is judged: of a very long one its beginning and its end; a run of blanks as one, for patterns that
    look for blanks would begin anew at each."""
    text = _BLANKS.sub(" ", text)
    if len(text) <= MAX_CHARS:
        return text
    return text[: MAX_CHARS // 2] + " … " + text[-MAX_CHARS // 2 :]


def find_cues(text: str) -> list[Cue]:
    """Every cue in the sentence, at most once per clause role, in the order of the patterns."""
    parts = clauses(text)
    last_main = max((c.start for c in parts if c.role == "main"), default=0)
    lower = text.translate(_LOWER)
    found: list[Cue] = []
    for name, pattern in PATTERNS.items():
        needed = _NEEDED[name]
        if needed:
            for string in needed:  # a plain loop: this is where the time goes
                if string in lower:
                    break
            else:
                continue
        cased = name in _CASED
        match = pattern.search(text if cased else lower)
        seen: set[str] = set()
        while match is not None:
            start, end = match.span()
            role = next((c.role for c in parts if c.start <= start < c.end), "main")
            if role == "main" and start >= last_main and len(parts) > 1:
                role = "last"
            if role not in seen:
                seen.add(role)
                found.append(Cue(name.rstrip("!"), role, " ".join(text[start:end].split()), start))
            if len(parts) == 1:
                break  # there is no second role to find it in
            match = pattern.search(text if cased else lower, max(end, start + 1))
    return found


def left_open(text: str, cues: Sequence[Cue]) -> bool:
    """Whether the sentence ends on a negated decision ("we have not decided on it yet").

    "We have not decided, so we keep the old one" does not: there the last clause settles something.
    """
    roles = {cue.role for cue in cues if cue.name == "undecided"}
    return "last" in roles or ("main" in roles and len(clauses(text)) == 1)


def settled(text: str, cues: Sequence[Cue]) -> bool:
    """Whether the last main clause says in so many words that something was decided ("…, but I've decided against it").

    Deciding is over once it is done, so such a clause holds a choice whatever is weighed beside it. The clause has to
    open with it: "the style we decided on" and "considering we've decided" speak of something else.
    """
    if not any(cue.name == "decided" for cue in cues):
        return False
    main = [clause for clause in clauses(text) if clause.role == "main"]
    last = text.translate(_LOWER)[main[-1].start : main[-1].end] if main else ""
    return _SETTLED.match(last) is not None and not last.rstrip().endswith("?")
