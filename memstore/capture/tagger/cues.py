"""The words that carry a stance, and where in the sentence they stand.

A cue is a named pattern; what it says depends on its clause. "We should cache it" settles something;
in "if we should cache it, reads get faster" the same words are a condition, and in "Ann suggested we
should cache it" they are hers. So a sentence is cut into clauses, each clause gets a role (`main`,
`condition`, `dependent`, `reported`), and a cue is reported with its role and with the words it
matched: the evidence from which `cue_tagger.py` weighs a modality, and from which every tagger explains
itself. Pure Python, no model, no state.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import pairwise
from re import _parser  # type: ignore[attr-defined]  # no public way to see what a pattern is made of
from string import ascii_lowercase, ascii_uppercase
from typing import Any

#: Longer text is judged by its beginning and its end, where main clauses stand.
MAX_CHARS = 1200

_Pattern = re.Pattern[str]
_Triple = tuple[str, str, str]


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
LOWER = str.maketrans(ascii_uppercase + "’", ascii_lowercase + "'")

#: Strings that stand side by side in a pattern are joined ("can you", "could you" …) while they are at most so many.
_MOST_JOINED = 64
_ZERO_WIDTH = (_parser.AT, _parser.ASSERT, _parser.ASSERT_NOT)


def _needed(parsed: Iterable[Any]) -> set[str]:
    """Strings of which every match of a parsed pattern holds at least one; the empty set where nothing can be said."""
    best: set[str] = set()
    joined = {""}
    for operation, argument in [*parsed, (None, None)]:
        if operation in _ZERO_WIDTH:
            continue
        exact = _exactly(operation, argument)
        if exact and len(joined) * len(exact) <= _MOST_JOINED:
            joined = {before + after for before in joined for after in exact}
            continue
        found = [best, joined]
        if operation is _parser.BRANCH:
            each = [_needed(branch) for branch in argument[1]]
            found.append(set().union(*each) if all(each) else set())
        elif operation is _parser.SUBPATTERN or (operation is _parser.MAX_REPEAT and argument[0] > 0):
            once = _sequence(argument[-1])
            found.append({before + after for before in joined for after in once} if once else _needed(argument[-1]))
        best = max(found, key=_selective)
        joined = exact or {""}
    return best


def _exactly(operation: Any, argument: Any) -> set[str]:
    """All that one item of a parsed pattern can match, where that is few strings; else the empty set."""
    if operation is _parser.LITERAL:
        return {chr(argument)}
    if operation is _parser.IN and all(kind is _parser.LITERAL for kind, _ in argument):
        return {chr(code) for _, code in argument}
    if operation is _parser.BRANCH:
        each = [_sequence(branch) for branch in argument[1]]
        return set().union(*each) if all(each) else set()
    if operation is _parser.MAX_REPEAT and argument[:2] == (0, 1):
        inner = _sequence(argument[-1])
        return inner | {""} if inner else inner
    return set()


def _sequence(items: Iterable[Any]) -> set[str]:
    """The same of items in a row."""
    strings = {""}
    for operation, argument in items:
        if operation not in _ZERO_WIDTH:
            exact = _exactly(operation, argument)
            if not 0 < len(strings) * len(exact) <= _MOST_JOINED:
                return set()
            strings = {before + after for before in strings for after in exact}
    return strings


def _shortest(strings: Iterable[str]) -> list[str]:
    """Without those that hold another: where the shorter is not, the longer is not."""
    kept: list[str] = []
    for string in sorted(strings, key=len):
        if not any(shorter in string for shorter in kept):
            kept.append(string)
    return kept


def _selective(needed: set[str]) -> int:
    """How much a search for these strings rules out: the shortest counts; a lone letter or blank is everywhere."""
    return min((len(s) if len(s) > 1 else int(bool(s.strip()) and not s.isalnum()) for s in needed), default=0)


def _plain_strings() -> dict[str, list[str]]:
    """For each pattern that cannot do without some of few strings, these, lower-cased."""
    found = {name: _needed(_parser.parse(pattern.pattern)) for name, pattern in PATTERNS.items()}
    return {name: _shortest(s.translate(LOWER) for s in needed) for name, needed in found.items() if _selective(needed)}


class Sieve:
    """Which patterns are worth a search in a text. Most are not, and plain strings are found much faster.

    A string is looked for only where three of its letters in a row, the ones that fewest of the strings share, are in
    the text: one look at all triples of the text spares hundreds.
    """

    def __init__(self, needed: Mapping[str, Sequence[str]], names: Sequence[str]) -> None:
        self._names = names
        common = Counter(triple for strings in needed.values() for string in strings for triple in _triples(string))
        self._always = [i for i, name in enumerate(names) if name not in needed]
        wanting: dict[str, list[int]] = {}
        for name, strings in needed.items():
            for string in strings:
                wanting.setdefault(string, []).append(names.index(name))
        self._short = [(string, found) for string, found in wanting.items() if len(string) < 3]
        self._long: dict[_Triple, list[tuple[str, list[int]]]] = {}
        for string, found in wanting.items():
            if len(string) >= 3:
                rarest = min(_triples(string), key=lambda triple: (common[triple], triple))
                self._long.setdefault(rarest, []).append((string, found))
        self._triples = frozenset(self._long)

    def passed(self, lower: str) -> list[str]:
        """The names of the patterns that may match, in their order."""
        possible = set(self._always)
        for string, wanting in self._short:
            if string in lower:
                possible.update(wanting)
        for triple in self._triples.intersection(_triples(lower)):
            for string, wanting in self._long[triple]:
                if string in lower:
                    possible.update(wanting)
        return [self._names[i] for i in sorted(possible)]


def _triples(text: str) -> Iterable[_Triple]:
    return zip(text, text[1:], text[2:], strict=False)


SIEVE = Sieve(_plain_strings(), list(PATTERNS))


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
    lower = text.translate(LOWER)
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
    lower = text.translate(LOWER)
    found: list[Cue] = []
    for name in SIEVE.passed(lower):
        pattern = PATTERNS[name]
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
    last = text.translate(LOWER)[main[-1].start : main[-1].end] if main else ""
    return _SETTLED.match(last) is not None and not last.rstrip().endswith("?")
