"""Does a new statement replace, amend, confirm or contradict one that is held? Offline, from the words alone.

The candidates are given (the store finds them by their shared words); each is compared with the new statement:

- **a changed value**: one type and unit, words in common around it ("snack budget to $65" … "to $75");
- **a named predecessor**: "moved from X to Y", "no longer X", "instead of X", where the held statement speaks of X;
- **a flipped polarity**: the same words, once negated;
- **one part exchanged**: the same sentence but for one name;
- **a state that excludes the other**: of one subject, "passed" … "failed"; or the time left until one thing, told anew;
- **a title used again**: two numbered documents under one title ("ADR 12: …", "ADR 45: …"; "Format 1.1", "Format 1.2"),
  or one that names the number it replaces ("supersedes ADR 12"): never certain; between documents, little else counts;
- **what was, in the words before**: in one turn, "the limit was 30. The actual limit is 60";
- **another subject**: what is said of another name, number or identifier ("Locker 100", "Locker 101") is no certain update;
- **more or less of one subject**: "the API" and "the search API", "10 days for new customers": no certain update either;
- **the same again**: a confirmation, or with "also", an amendment.

Confidence is a logistic score of what was seen. At `CERTAIN` and above, a proposal may retire what it
replaces, if policy allows it. Below, it is a *possible* update: recorded, shown, ranked, and retiring nothing. Retiring
wrongly is the worse error, so the bar is set by over-invalidation on text without updates, not by recall.
"""

# ruff: noqa: E501 (patterns read better on one line)

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

from memstore.capture import cues, editions
from memstore.capture.states import State, counts_down, identifiers, opposed, states, tells_state
from memstore.capture.subjects import Subject, labels, subject, title
from memstore.capture.values import Value, comparable, content, stem, values
from memstore.model import Modality

CERTAIN = 0.8
_UNSURE = math.log((CERTAIN - 0.01) / (1.01 - CERTAIN))
"""The score just below `CERTAIN`."""
POSSIBLE = 0.25
"""Proposals below this are not made."""


class Relation(StrEnum):
    """What a new statement does to a held one. Only the first and the last can retire it."""

    REPLACES = "replaces"
    AMENDS = "amends"
    CONFIRMS = "confirms"
    CONTRADICTS = "contradicts"


@dataclass(frozen=True, slots=True)
class Statement:
    """What detection needs of a fact or a claim.

    `event` keeps sentences of one turn from updating each other; `about` are words that the text leans on
    (its antecedent), which count as its context but hold no value of its own; `replaces` are the words of an earlier
    statement that whoever extracted it took it to replace. `document` says that a document speaks, whose title the
    text may be; `heading` is the first line of that document.
    """

    id: str
    text: str
    modality: Modality
    said_at: datetime
    event: str = ""
    about: str = ""
    replaces: str = ""
    document: bool = False
    heading: str = ""


@dataclass(frozen=True, slots=True)
class Proposal:
    """The new statement stands in `relation` to the held one `old`. `why` names what was seen, strongest first."""

    old: str
    relation: Relation
    confidence: float
    why: tuple[str, ...]

    @property
    def certain(self) -> bool:
        """Enough to retire, where the relation retires and policy allows."""
        return self.confidence >= CERTAIN


Rarity = Callable[[str], float]
"""Stem → how much sharing it tells, in [0, 1]. The store can give one from its document frequencies."""


@lru_cache(maxsize=1 << 16)
def by_shape(word: str) -> float:
    """Rarity without a corpus: long words and identifiers tell more than short ones."""
    if any(c.isdigit() or c in "._/-" for c in word):
        return 1.0
    return min(1.0, 0.4 + 0.1 * len(word))


def proposals(new: Statement, held: Iterable[Statement], rarity: Rarity = by_shape) -> list[Proposal]:
    """Every proposal of at least `POSSIBLE` confidence, the surest first. `held` statements must have been said before."""
    mine = _Reading.of(new, rarity)
    others = [old for old in held if old.id != new.id]
    before = [old for old in others if old.said_at <= new.said_at and not (old.event and old.event == new.event)]
    earlier = editions.editions(new, before)
    found = []
    if earlier:  # a title alone is never certain: two meetings may have one title
        last = max(earlier, key=lambda old: old.said_at)
        why = f"the title of {last.text.partition(':')[0]!r} again"
        found.append(Proposal(last.id, Relation.REPLACES, CERTAIN - 0.01, (why,)))
    for old, words in editions.named(new, before):
        found.append(Proposal(old.id, Relation.REPLACES, CERTAIN - 0.01, (f"{words!r} names it",)))
    found += _corrected(new, [old for old in others if old.event and old.event == new.event])
    for old in before:
        if old in earlier or editions.another(new, old):
            continue
        proposal = _compare(mine, _Reading.of(old, rarity), rarity)
        if proposal is not None and new.document and old.document and proposal.relation in _RETIRING:
            # Each document speaks of its own matter: short of what would be certain of one speaker, likeness tells nothing,
            # and of two numbers of one series it never does.
            if not proposal.certain or mine.subject.words != subject(old.text).words or editions.one_series(new, old):
                continue
            proposal = replace(proposal, confidence=CERTAIN - 0.01)
        if proposal is not None and proposal.confidence >= POSSIBLE:
            found.append(proposal)
    return sorted(found, key=lambda p: -p.confidence)


def telling(text: str) -> bool:
    """Whether a text holds anything by which it could update another: a value, a cue of change, a negation, a title."""
    told = cues.CUE.search(text) or cues.NEGATED.search(text) or cues.STILL.search(text) or title(text)
    return bool(told or tells_state(text) or values(text, ""))


# --- reading ------------------------------------------------------------------------------------------------------------

_RETIRING = frozenset({Relation.REPLACES, Relation.CONTRADICTS})
_OPEN = frozenset({Modality.OPTION_CONSIDERED, Modality.HYPOTHESIS, Modality.QUESTION})


@dataclass(frozen=True, slots=True)
class _Reading:
    """A statement with what comparison looks at taken out once. `former` are values it says no longer hold."""

    statement: Statement
    stems: tuple[str, ...]
    weight: float
    values: tuple[Value, ...]
    former: tuple[Value, ...]
    negated: bool
    names: frozenset[str]
    subject: Subject
    labels: Mapping[str, set[str]]

    @classmethod
    def of(cls, statement: Statement, rarity: Rarity) -> _Reading:
        stems, held, former, negated, names = _read(statement.text, statement.about)
        about, named = subject(statement.text), labels(statement.text, held)
        return cls(statement, stems, _weight(stems, rarity), held, former, negated, names, about, named)


@lru_cache(maxsize=4096)
def _read(text: str, about: str) -> tuple[tuple[str, ...], tuple[Value, ...], tuple[Value, ...], bool, frozenset[str]]:
    """Stems, values, former values, polarity and names of a text. Remembered: a held fact is a candidate many times."""
    stems = tuple(dict.fromkeys(content(text) + content(about)))
    every = values(text, about)
    former = tuple(v for v in every if _was(text, v, len(every) > 1))
    former += tuple(v for v in values(about) if _was(about, v, True))
    names = frozenset(stem(m) for m in cues.NAME.findall(text[1:])) & frozenset(stems)
    return stems, tuple(v for v in every if v not in former), former, bool(cues.NEGATED.search(text)), names


def _was(text: str, value: Value, others: bool) -> bool:
    """Does the text say that the value has been left: "from 30 days (to 60)", "it used to be 8080"?"""
    return others and bool(cues.FORMER.search(text[max(0, value.start - 40) : value.start]))


# --- comparing ----------------------------------------------------------------------------------------------------------


def _sure(score: float) -> float:
    return 1 / (1 + math.exp(-score))


def _value_score(new: _Reading, old: _Reading, now: Value, was: Value, seen: _Common, rarity: Rarity) -> float:
    """Log-odds that `now` is the newer value of what `was` measures.

    Weights: logistic regression on pairs of statements of long chats (leave one chat out; positives are annotated
    value updates), rounded, and rescaled by reading the best-ranked pairs, most of which are updates nobody had annotated.
    What tells: how much of the words around the two values is the same, and a word of change right before the new one.
    """
    mine, theirs = now.about | now.unit, was.about | was.unit
    near = _weight(mine & theirs, rarity) / max(0.8, _weight(mine | theirs, rarity))
    text = new.statement.text
    cue_near = bool(cues.CUE.search(text[max(0, now.start - 45) : now.start]))
    aim = _is_aim(text, now) != _is_aim(old.statement.text, was)
    agreed = sum(any(comparable(v, w) and v.canonical == w.canonical for w in old.values) for v in new.values)
    return (
        -4.4 + 0.19 * min(seen.shared, 5.0) + 1.8 * seen.cover + 3.6 * near + 0.3 * bool(seen.cue) + 2.1 * cue_near
        + 1.5 * (cue_near and new.subject.of_one(old.subject))
        + 0.4 * bool(now.unit & was.unit) + 1.0 * min(agreed, 2) + 3.0 * _names_former(new, was) - 1.5 * aim
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Common:
    """What two statements share: stems, their summed rarity, that as part of the poorer statement, and the cue."""

    stems: tuple[str, ...]
    shared: float
    cover: float
    cue: re.Match[str] | None


def _weight(words: Iterable[str], rarity: Rarity) -> float:
    return sum(map(rarity, words))


def _compare(new: _Reading, old: _Reading, rarity: Rarity) -> Proposal | None:
    stems = tuple(s for s in new.stems if s in old.stems)
    if (not stems and not new.former and not new.statement.replaces) or _other_thing(new, old):
        return None
    if _same(new, old):
        return Proposal(old.statement.id, Relation.CONFIRMS, 0.98, ("the same words",))
    shared = _weight(stems, rarity)
    seen = _Common(stems, shared, shared / max(0.5, min(new.weight, old.weight)), _first(cues.CUE, new.statement.text))
    offers = [*_by_value(new, old, seen, rarity)]
    settled = new.statement.modality not in _OPEN
    if settled:
        offers += [*_by_polarity(new, old, seen), *_by_exchange(new, old, seen)]
        offers += [*_by_head(new, old), *_by_hint(new, old), *_by_state(new, old, seen)]
    named = [*_by_name(new, old, seen), *_by_cancelling(new, old, rarity), *_by_quotation(new, old)] if settled else []
    named += _by_time_left(new, old, seen) if settled else []
    if not offers and not named:
        offers = [*_by_addition(new, old, seen)]
    if new.subject.differs(old.subject):  # of another thing, likeness is never certain: only what names the old one is
        offers = [(relation, min(score, _UNSURE), why) for relation, score, why in offers]
    offers += named
    if not offers:
        return None
    relation, score, why = max(offers, key=lambda o: o[1])
    confidence = _sure(score)
    if new.statement.modality in _OPEN:
        confidence = min(confidence, CERTAIN - 0.01)  # a hedge or a question settles nothing
    return Proposal(old.statement.id, relation, round(confidence, 4), why)


def _other_thing(new: _Reading, old: _Reading) -> bool:
    """Each speaks of its own numbered thing: "PEP 215 is final" says nothing of PEP 216, unless it names it as former."""
    left = {value.canonical for value in new.former}
    theirs = old.labels
    return any(n.isdisjoint(theirs[it]) and left.isdisjoint(theirs[it]) for it, n in new.labels.items() if it in theirs)


def _corrected(new: Statement, held: Iterable[Statement]) -> Iterable[Proposal]:
    """What the same turn said that a thing *was*, where this says what it really is: a correction says both."""
    yield from _told_over(new, held)
    now = cues.IS.match(new.text)
    if now is None or not cues.REALLY.search(new.text[: now.end()]) or new.modality in _OPEN:
        return
    subject = set(content(cues.REALLY.sub(" ", now["subject"])))
    for old in held:
        was = cues.WAS.match(old.text)
        if was is not None and subject and subject == set(content(was["subject"])):
            yield Proposal(old.id, Relation.REPLACES, 0.9, (f"{was[0].strip()!r} gives way to {now[0].strip()!r}",))


def _told_over(new: Statement, held: Iterable[Statement]) -> Iterable[Proposal]:
    """A turn that tells how a plan changed: "it was first to be Friday, then Thursday. The final date is Monday"."""
    if new.modality in _OPEN or not cues.FINAL.search(new.text):
        return
    mine = [value for value in values(new.text) if not _was(new.text, value, True)]
    words = set(content(new.text))
    for old in held:
        if old.said_at == new.said_at and cues.AT_FIRST.search(old.text) and not cues.FINAL.search(old.text):
            for was in values(old.text, old.about):
                now = next((v for v in mine if comparable(v, was) and v.canonical != was.canonical), None)
                # A plan has one date, and many figures: of two of those, something must say that they are of one thing.
                if now is not None and (was.type in ("date", "clock") or words & set(content(old.text))):
                    why = f"first {old.text[was.start : was.end].strip()}, in the end {new.text[now.start : now.end].strip()}"
                    yield Proposal(old.id, Relation.REPLACES, 0.85, (why,))
                    break


_Offer = tuple[Relation, float, tuple[str, ...]]


def _by_value(new: _Reading, old: _Reading, seen: _Common, rarity: Rarity) -> Iterable[_Offer]:
    for now, was in _changed(new, old):
        around = (now.about | now.unit) & (was.about | was.unit)
        if around or _names_former(new, was):
            score = _value_score(new, old, now, was, seen, rarity)
            if score > _UNSURE and not _names_former(new, was) and _narrower(new, old, now, was):
                score = min(score, _UNSURE)
            words = f"{old.statement.text[was.start : was.end].strip()} became {new.statement.text[now.start : now.end].strip()}"
            yield Relation.REPLACES, score, (words, *_shown(around, seen.cue))


def _by_name(new: _Reading, old: _Reading, seen: _Common) -> Iterable[_Offer]:
    """A predecessor named by the new statement is a choice of the old one."""
    for match in cues.PREDECESSOR.finditer(new.statement.text):
        gone = content(match["old"])
        named = sum(g in old.stems for g in gone) / len(gone) if gone else 0.0
        if named >= 0.5:
            chosen = 0.8 if old.statement.modality is Modality.DECISION else -0.8
            score = -2.6 + 3.0 * named + 1.2 * seen.cover + 0.25 * min(seen.shared, 5.0) + chosen
            if new.subject.differs(old.subject) and old.subject.words.isdisjoint(gone):  # "Test 13 no longer fails"
                score = min(score, _UNSURE)
            yield Relation.REPLACES, score, (f"{match[0].strip()!r} names what it replaces", *_shown(seen.stems, None))


def _by_cancelling(new: _Reading, old: _Reading, rarity: Rarity) -> Iterable[_Offer]:
    """What the new statement calls off is what the old one speaks of, whole, and more than a common word."""
    match = _first(cues.CANCELLED, new.statement.text)
    if match and not _first(cues.SUPPOSED, new.statement.text) and not _first(cues.RETRACTED, old.statement.text):
        gone = content(match["subject"])
        told = _weight(gone, rarity)
        if gone and told >= 1.5 and all(g in old.stems for g in gone):
            yield Relation.REPLACES, 0.4 + 0.7 * min(told, 3.0), (f"{match[0].strip()!r} calls it off",)


def _by_quotation(new: _Reading, old: _Reading) -> Iterable[_Offer]:
    """The old statement is quoted, and said not to hold."""
    if _first(cues.UNDONE, new.statement.text):
        held = " ".join(content(old.statement.text))
        for match in cues.QUOTED.finditer(new.statement.text):
            quoted = content(match[1])
            outside = new.statement.text[: match.start()] + new.statement.text[match.end() :]
            if len(quoted) >= 3 and " ".join(quoted) in held and cues.UNDONE.search(outside):
                yield Relation.REPLACES, 2.2, (f"it quotes {match[1][:60]!r} and says that it does not hold",)


def _by_hint(new: _Reading, old: _Reading) -> Iterable[_Offer]:
    """Whoever extracted the new statement took it to replace these words: a hint, never enough to retire anything."""
    gone = content(new.statement.replaces)
    if len(gone) >= 2 and all(g in old.stems for g in gone):
        yield Relation.REPLACES, 0.5, ("its extractor took it to replace this",)


def _by_head(new: _Reading, old: _Reading) -> Iterable[_Offer]:
    """Another kind of the same thing is chosen: "switch to weekly syncs" where "daily syncs" were."""
    match = _first(cues.NEW_CHOICE, new.statement.text)
    chosen = content(match["to"] or match["use"]) if match else []
    if len(chosen) >= 2 and not set(chosen[:-1]) & set(old.stems):
        words = content(old.statement.text)
        head = chosen[-1]
        if head in words[1:] and words[words.index(head) - 1] not in new.stems:
            score = 1.6 if old.statement.modality is Modality.DECISION else 0.0
            was = f"{words[words.index(head) - 1]} {head}"
            yield Relation.REPLACES, score, (f"{was!r} became {' '.join(chosen)!r}",)


def _by_state(new: _Reading, old: _Reading, seen: _Common) -> Iterable[_Offer]:
    """One thing cannot be in both states: it passed, then it failed. Of a single common word, many may be meant."""
    if old.statement.modality not in _OPEN:
        both = _opposed(new, old)
        if both is not None and not any(state.over for state in both):
            of = both[0].subject
            score = 2.0 if of.names or len(of.words) > 1 or seen.cue else 1.0
            it = both[1].subject  # "Alice's request" may be another than "Alice's request for leave"
            more = of.words != it.words and not (of.names and of.names == it.names) and not seen.cue
            if more or both[0].may_hold_beside(both[1]):
                score = min(score, _UNSURE)
            yield Relation.REPLACES, score, (f"another state of {' '.join(sorted(of.words))}",)


_OF_ANYTHING = frozenset(content(
    "due deadline scheduled starts begins ends closes today tomorrow minute mins hour hrs day days week month left"
))  # fmt: skip
"""What is said of any time left, and tells of no one thing: a review and a launch of one project are both scheduled."""


def _by_time_left(new: _Reading, old: _Reading, seen: _Common) -> Iterable[_Offer]:
    """The time left until one thing, told anew: what was left before is not what is left now."""
    one, other = new.statement.text, old.statement.text
    if counts_down(one) and counts_down(other):
        both = identifiers(one) & identifiers(other)
        alone = identifiers(one) ^ identifiers(other)
        more = [s for s in seen.stems if s not in both and s not in _OF_ANYTHING]
        if more and both and not alone:
            yield Relation.REPLACES, 1.8, ("the time left, told anew", *_shown(seen.stems, None))
        elif len(more) >= 2 and not alone and not new.subject.differs(old.subject):
            yield Relation.REPLACES, 1.0, ("the time left, told anew", *_shown(seen.stems, None))


def _by_polarity(new: _Reading, old: _Reading, seen: _Common) -> Iterable[_Offer]:
    if new.negated != old.negated and _alike(new, old, seen) >= 0.6 and not _value_clash(new, old):
        changed = bool(seen.cue or _first(cues.RETRACTED, new.statement.text))
        score = -3.4 + 3.2 * _alike(new, old, seen) + 0.2 * min(seen.shared, 5.0) + 1.4 * changed
        relation = Relation.REPLACES if changed else Relation.CONTRADICTS
        yield relation, score, ("the same words, negated", *_shown(seen.stems, seen.cue))


def _by_exchange(new: _Reading, old: _Reading, seen: _Common) -> Iterable[_Offer]:
    """One name for another in otherwise the same words: "We use Redis for storage" → "We use Postgres for storage"."""
    gained = [s for s in new.stems if s not in old.stems]
    lost = [s for s in old.stems if s not in new.stems]
    one_for_one = len(gained) == len(lost) == 1 and len(new.stems) >= 3 and new.negated == old.negated
    attribute = set(seen.stems) - new.subject.words - {new.subject.verb}  # "alice has *role* admin … *role* viewer"
    of_one = bool(seen.cue and attribute and new.subject.same(old.subject))
    chosen = one_for_one and (of_one or (_chosen(new, gained[0]) and _chosen(old, lost[0])))
    if chosen and not _value_clash(new, old):
        score = -1.6 + 0.3 * min(seen.shared, 5.0) + 2.4 * bool(seen.cue)
        relation = Relation.REPLACES if seen.cue else Relation.CONTRADICTS
        yield relation, score, (f"{lost[0]!r} became {gained[0]!r}", *_shown(seen.stems, seen.cue))


def _alike(new: _Reading, old: _Reading, seen: _Common) -> float:
    """Shared rarity as part of what either says; 0 when too little is shared to tell."""
    return seen.shared / max(0.5, new.weight + old.weight - seen.shared) if len(seen.stems) >= 2 else 0.0


def _chosen(reading: _Reading, word: str) -> bool:
    """Is the word a name, or the object of a verb of choice, so that one of its kind excludes the other?"""
    if word in reading.names:
        return True
    return any(stem(m[1]) == word for m in cues.CHOICE.finditer(reading.statement.text))


def _by_addition(new: _Reading, old: _Reading, seen: _Common) -> Iterable[_Offer]:
    if seen.cover >= 0.8 and len(seen.stems) >= 3 and new.negated == old.negated:
        if _first(cues.ALSO, new.statement.text):
            yield Relation.AMENDS, 4 * seen.cover - 2.6, ("adds to it", *_shown(seen.stems, None))
        elif _first(cues.STILL, new.statement.text):
            yield Relation.CONFIRMS, 4 * seen.cover - 2.6, ("says it still holds", *_shown(seen.stems, None))


def _opposed(new: _Reading, old: _Reading) -> tuple[State, State] | None:
    mine, theirs = (states(side.statement.text, side.statement.about) for side in (new, old))
    return opposed(mine, theirs) if mine and theirs else None


def _same(new: _Reading, old: _Reading) -> bool:
    """Word for word the same but for case, punctuation and function words; values and polarity included."""
    return (
        bool(new.stems)
        and new.stems == old.stems
        and new.negated == old.negated
        and not _value_clash(new, old)
        and _opposed(new, old) is None  # "up" and "down" are function words elsewhere
        and (new.statement.modality in _OPEN) == (old.statement.modality in _OPEN)
    )


def _changed(new: _Reading, old: _Reading) -> list[tuple[Value, Value]]:
    """Pairs of comparable values that differ, where neither side has the other's value as well."""
    pairs = []
    for now in new.values:
        if any(comparable(now, v) and now.canonical == v.canonical for v in old.values):
            continue
        for was in old.values:
            if comparable(now, was) and not any(
                comparable(was, v) and was.canonical == v.canonical for v in new.values
            ):
                pairs.append((now, was))
    return pairs


def _value_clash(new: _Reading, old: _Reading) -> bool:
    return [v.canonical for v in new.values] != [v.canonical for v in old.values]


def _names_former(new: _Reading, was: Value) -> bool:
    """The new statement says what the value used to be, and that is the held one."""
    return any(comparable(v, was) and v.canonical == was.canonical for v in new.former)


def _narrower(new: _Reading, old: _Reading, now: Value, was: Value) -> bool:
    """Is one of them said of less, with no word of change: of "the search API" and "the API", or "for new customers"?"""
    text = new.statement.text
    mine, theirs = cues.LIMITED.search(text, now.end), cues.LIMITED.search(old.statement.text, was.end)
    if cues.CUE.search(text[: mine.start()] if mine else text):
        return False
    if new.subject.words and old.subject.words and new.subject.words != old.subject.words:
        return True
    limits = ((limit, by) for limit, by in ((mine, old), (theirs, new)) if limit is not None)
    return any(not set(content(limit["of"])) <= set(by.stems) for limit, by in limits)


def _is_aim(text: str, value: Value) -> bool:
    """A goal is no measurement: "keep it under 120 MB" and "it is at 110 MB" can both hold."""
    return bool(cues.AIM.search(text[max(0, value.start - 40) : value.start]))


@lru_cache(maxsize=1 << 14)
def _first(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """Where a pattern first stands in a text. Remembered: each text is compared with many."""
    return pattern.search(text)


def _shown(words: Iterable[str], cue: re.Match[str] | None) -> tuple[str, ...]:
    both = ", ".join(sorted(words)[:6])
    return tuple(filter(None, (f"both speak of {both}" if both else "", f"cue {cue[0]!r}" if cue else "")))
