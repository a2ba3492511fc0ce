"""What a statement is about, read from its opening: "Locker 100 holds the red maps" speaks of locker 100.

A statement about another thing updates nothing, however alike the rest of its words. So what stands before the verb is
read as the subject: its words, and the designators that tell one thing from another of its kind (a number after its
noun, an identifier, a single letter). No grammar is known: where no verb is recognised, or the subject is "we" or
"it", there is no subject to compare, and the words decide as they did.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from memstore.capture.values import Value, content, stem, telling_stem

_REACH = 10
"""Words before the verb that are still read as the subject."""

_TOKEN = re.compile(r"#?\w[\w’'./+#-]*\w|\w")
_VERB = frozenset(
    """is are was were be been has have had does do did will would can could should shall must may might cannot isn't
    aren't wasn't weren't hasn't doesn't won't became went got came cost took ran held led""".split()
)
_SPEAKER = frozenset("i we you they he she it there let let's i'm i've we're we've i'd we'd i'll we'll it's".split())
_AFTER_A_NOUN = frozenset("of is are was were has have had will would can could should must may might".split())
_BETWEEN = frozenset("no number nr and".split())
"""What may stand between a noun and its number: "room no. 4", "lockers 3 and 4"."""

_FINITE = re.compile(r"[a-z]{2,}(?:ed|(?<![sui])s)")
_QUALIFIER = frozenset(
    """actual actually current currently correct correction latest real original previous initial final old
    longer""".split()
)
_MONTH = re.compile(r"(?i)(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?$")
_TITLE = re.compile(r"(?P<label>[^\W\d_][\w’'-]*?)[\s#-]*(?P<number>\d[\w.]*)\s*[:–—]\s*(?P<title>\S.*?)[\s.]*")
_NOTICE = re.compile(
    r"(?:\W*(?:note|update|fyi|reminder|heads[ -]up|correction|info|alert|critical|urgent|important|warning|status|"
    r"news|nb|ps|edit)\s*:\s*)+",
    re.IGNORECASE,
)
"""What announces a statement is no part of its subject: "Update: the port is 80"."""
_NUMBER = re.compile(r"v?\d{1,3}")
_WORDS = re.compile(r"\w+")
_LABEL = re.compile(r"([^\W\d_][\w’'-]*)\s+(?:no\.?\s*|number\s+|#)?#?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Subject:
    """`words` are stems and designators, `names` the designators alone; `verb` begins at `end`, 0 without one."""

    words: frozenset[str]
    names: frozenset[str]
    verb: str
    end: int

    def same(self, other: Subject) -> bool:
        """Both say with one verb something of one thing."""
        return bool(self.words) and (self.words, self.verb) == (other.words, other.verb)

    def of_one(self, other: Subject) -> bool:
        """Both are about one thing that has a name, or more than one word to it."""
        return self.words == other.words and (bool(self.names) or len(self.words) > 1)

    def differs(self, other: Subject) -> bool:
        """Each is about a thing that the other does not speak of. Without a subject, nothing can be told."""
        if not self.words or not other.words:
            return False
        if self.names and other.names and self.names != other.names:
            return True
        return not (self.words <= other.words or other.words <= self.words)


_NONE = Subject(frozenset(), frozenset(), "", 0)


@lru_cache(maxsize=4096)
def subject(text: str) -> Subject:
    """The subject of the first clause of `text`."""
    announced = _NOTICE.match(text)
    start = announced.end() if announced else 0
    tokens = list(_TOKEN.finditer(text, start, start + 400))
    words: list[str] = []
    names: set[str] = set()
    before = ""  # what the token before this one was: "noun", "name", or nothing that a number could belong to
    for place, token in enumerate(tokens[:_REACH]):
        gap = text[tokens[place - 1].end() : token.start()] if place else ""
        short = place > 0 and tokens[place - 1][0].lower() in _BETWEEN  # "no. 4"
        if any(mark in gap for mark in ("!?;(" if short else ".!?;(")):
            return _NONE
        if "," in gap and not names:
            words, before = [], ""  # "In the end, the port is": what leads up to it is no subject
        word = token[0]
        following = tokens[place + 1][0].lower() if place + 1 < len(tokens) else ""
        if words and _is_verb(word, following):
            return Subject(frozenset(words), frozenset(names), stem(word), token.start())
        if not words and word.lower().replace("’", "'") in _VERB | _SPEAKER:
            return _NONE
        if word.lower() in _BETWEEN:
            continue
        before = _kind(word, before)
        if before == "name":
            names.add(word.lstrip("#").lower())
            words.append(word.lstrip("#").lower())
        elif before == "noun":
            words.append(telling_stem(word))
    return _NONE


def _kind(word: str, before: str) -> str:
    """Does a word of the subject name the thing ("100", "v1", "B"), or say of what kind it is? Empty for neither."""
    bare = word.lstrip("#")
    if bare[:1].isdigit() or (len(bare) == 1 and bare.isupper() and before):
        return "name" if before or word.startswith("#") else ""
    if any(letter.isdigit() for letter in bare):
        return "name"
    if _MONTH.fullmatch(word) or word.lower() in _QUALIFIER or not telling_stem(word):
        return ""
    return "noun"


def _is_verb(word: str, following: str) -> bool:
    lowered = word.lower().replace("’", "'")
    if lowered in _VERB:
        return True
    return word.islower() and bool(_FINITE.fullmatch(lowered)) and following not in _AFTER_A_NOUN


def labels(text: str, found: Iterable[Value]) -> dict[str, set[str]]:
    """The numbers that name a thing rather than measure it: {"pep": {"215"}} in "PEP 215 is final".

    A number that stands right after the noun it belongs to is read as a name where it has no unit of its own, and
    in the subject whatever follows; right after the verb it is a value ("seats 10"). "Port 8080" is a name too: that
    it moved has to be said in words.
    """
    end = subject(text).end
    named: dict[str, set[str]] = {}
    for value in found:
        before = _LABEL.search(text, max(0, value.start - 40), value.start) if value.type == "count" else None
        if before is None or before.start(1) == end > 0:
            continue
        after = _TOKEN.search(text, value.end, value.end + 40)
        bare = after is None or not telling_stem(after[0]) or not text[value.end : after.start()].isspace()
        if (bare or value.end < end) and (label := telling_stem(before[1])):
            named.setdefault(label, set()).add(value.canonical)
    return named


def title(text: str) -> tuple[str, str, tuple[str, ...]] | None:
    """(kind of document, its number, the words of its title) of "RFC 12: Some title"; None for any other text."""
    match = _TITLE.fullmatch(text.strip())
    if match is None or len(set(content(match["title"]))) < 2:
        return None
    return match["label"].casefold(), match["number"].casefold(), tuple(_WORDS.findall(match["title"].casefold()))


def unversioned(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words of a title without the version it ends in: "Package metadata 1.2", "Hash functions, version 2".

    A number alone is no version: "Response to RFC 28", "Phase 2".
    """
    numbers = 0
    while numbers < len(words) and _NUMBER.fullmatch(words[-1 - numbers]):
        numbers += 1
    rest = words[: len(words) - numbers]
    told = rest and rest[-1] in ("version", "edition", "revision")
    if numbers == 1 and not told and not words[-1].startswith("v"):
        return words
    return rest[:-1] if numbers and told else rest
