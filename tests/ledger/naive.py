"""A memory in plain Python: a list of what happened, replayed for every answer. Slow, and hard to get wrong.

It shares no code with the store but the nouns of `memstore.model`. The machine in `test_ledger_machine` asks both
the same, after every step. What makes no sense raises `Nonsense` here and UsageError there, and changes nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

RANK = {"system": 2, "user": 2, "assistant": 1, "document": 0, "tool": 0}
UNSEATS = {
    "decision": {"decision", "observation", "hypothesis", "option_considered", "question"},
    "observation": {"observation", "hypothesis", "question"},
    "hypothesis": {"hypothesis", "question"},
    "option_considered": {"option_considered", "question"},
    "question": {"question"},
}
CLAIM = {"question": 0, "option_considered": 1, "hypothesis": 2, "observation": 3, "decision": 4}


class Nonsense(Exception):
    """What the store must refuse with a UsageError, changing nothing."""


@dataclass(eq=False)
class Said:
    """An event. `gone`: forgotten whole; `touched`: some of its words were blanked."""

    scope: str
    session: str
    ref: str | None
    origin: str
    at: datetime
    text: str
    waiting: bool
    id: str = ""
    gone: bool = False
    touched: bool = False


@dataclass(eq=False)
class Happening:
    """A transition, or a refusal of one. Facts by identity; `number` is its place in the log."""

    number: int
    change: str
    old: list[Held]
    new: list[Held]
    at: datetime
    refused: bool = False
    target: Happening | None = None
    said_at: datetime | None = None
    id: str = ""


@dataclass(eq=False)
class Held:
    """A fact, and (event, start, end, the happening that added it) for each of its pointers."""

    scope: str
    key: str | None
    text: str
    modality: str
    kind: str
    origin: str
    said_at: datetime
    recorded_at: datetime
    valid_from: datetime
    valid_to: datetime | None
    ttl: timedelta | None
    pointers: list[tuple[Said, int, int, Happening | None]]
    premises: list[Held]
    number: int
    id: str = ""
    forgotten: bool = False


def wording(text: str) -> str:
    return re.sub(r"[^\w]+", " ", unicodedata.normalize("NFKC", text).casefold()).strip() or text


def allowed(new: tuple[str, str], old: tuple[str, str]) -> bool:
    """Invariant 6, by (modality, origin)."""
    return RANK[new[1]] >= RANK[old[1]] and old[0] in UNSEATS[new[0]]


@dataclass
class Log:
    """What had happened by a moment, and what follows from it."""

    happenings: Sequence[Happening]
    _counts: dict[Happening, bool] = field(default_factory=dict)

    def counts(self, happening: Happening) -> bool:
        """A happening counts unless it was refused, or a reversal of it counts."""
        if happening not in self._counts:
            self._counts[happening] = not happening.refused and not any(
                self.counts(later) for later in self.happenings if later.target is happening
            )
        return self._counts[happening]

    def of(self, fact: Held) -> list[Happening]:
        return [h for h in self.happenings if fact in h.old and h.change != "reverted" and self.counts(h)]

    def successors(self, fact: Held) -> list[Held]:
        return [new for h in self.of(fact) if h.change == "superseded" for new in h.new]

    def after(self, fact: Held) -> set[Held]:
        """Everything that replaced a fact, directly or in the end."""
        found: set[Held] = set()
        ahead = [fact]
        while ahead:
            for new in self.successors(ahead.pop()):
                if new not in found:
                    found.add(new)
                    ahead.append(new)
        return found

    def heads(self, fact: Held) -> set[Held]:
        return {new for new in {fact} | self.after(fact) if not self.successors(new)}

    def state(self, fact: Held) -> str:
        """The standing of a fact without the clock, and without its premises."""
        if fact.forgotten:
            return "forgotten"
        changes = [h.change for h in self.of(fact)]
        if "retracted" in changes:
            return "retracted"
        if "superseded" in changes:
            return "superseded"
        return "suspect" if self._flagged(fact) else "live"

    def _flagged(self, fact: Held) -> list[Happening]:
        flags: list[Happening] = []
        for h in self.of(fact):
            if h.change in ("flagged", "wrong", "stale"):
                flags.append(h)
            elif h.change in ("confirmed", "revalidated"):
                flags = []
        return flags

    def expires(self, fact: Held) -> datetime | None:
        if fact.ttl is None:
            return None
        alive = [fact.said_at, *(h.said_at or h.at for h in self.of(fact) if h.change == "confirmed")]
        return max(alive) + fact.ttl

    def doubted(self, fact: Held) -> bool:
        """Whether a premise, however far down, fell after the last time anybody vouched for what rests on it."""
        return self._rests_on_fallen(fact, -1, set())

    def _rests_on_fallen(self, fact: Held, vouched: int, seen: set[tuple[Held, int]]) -> bool:
        vouched = max([vouched, *(h.number for h in self.of(fact) if h.change in ("confirmed", "revalidated"))])
        if (fact, vouched) in seen:
            return False
        seen.add((fact, vouched))
        return any(
            self._fell(below) > vouched or self._rests_on_fallen(below, vouched, seen)
            for below in [*fact.premises, *self._stand_ins(fact)]
        )

    def _fell(self, premise: Held) -> int:
        if self._stand_ins(premise):
            return -1
        falls = [h for h in self.of(premise) if h.change in ("superseded", "retracted", "forgotten")]
        return max((h.number for h in falls or self._flagged(premise)), default=-1)

    def _stand_ins(self, fact: Held) -> set[Held]:
        """The heads that say the same as a fact that gave way to them. Of forgotten words nobody can tell."""
        heads = self.heads(fact)
        same = all((h.modality, wording(h.text)) == (fact.modality, wording(fact.text)) for h in heads)
        return heads if fact not in heads and fact.text and same else set()

    def status(self, fact: Held, now: datetime) -> str:
        state = self.state(fact)
        if state in ("forgotten", "retracted", "superseded"):
            return state
        expires = self.expires(fact)
        if expires is not None and expires <= now:
            return "expired"
        return "suspect" if state == "suspect" or self.doubted(fact) else "live"

    def true_at(self, fact: Held, moment: datetime) -> bool:
        ends = [new.valid_from for new in self.successors(fact)]
        ends += [fact.valid_to] if fact.valid_to else []
        gone = self.state(fact) in ("forgotten", "retracted")
        return not gone and fact.valid_from <= moment and all(moment < end for end in ends)


class Naive:
    """The whole memory. `now` is the clock, `last` the latest recorded time."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.last: datetime | None = None
        self.events: list[Said] = []
        self.facts: list[Held] = []
        self.happenings: list[Happening] = []

    # --- asking ---------------------------------------------------------------------------------------------------

    def log(self, as_of: datetime | None = None) -> Log:
        return Log([h for h in self.happenings if as_of is None or h.at <= as_of])

    def held(self, as_of: datetime | None = None, scope: str | None = None) -> list[Held]:
        """Facts that are not forgotten, recorded by a moment."""
        return [
            f
            for f in self.facts
            if not f.forgotten and (as_of is None or f.recorded_at <= as_of) and scope in (None, f.scope)
        ]

    def get(
        self, scope: str, key: str, now: datetime, as_of: datetime | None, valid_at: datetime | None
    ) -> Held | None:
        log = self.log(as_of)
        holders = [f for f in self.held(as_of, scope) if f.key == key]
        if valid_at is None:
            holders = [f for f in holders if log.status(f, now) in ("live", "suspect")]
        else:
            holders = [f for f in holders if log.true_at(f, valid_at)]
        return max(holders, key=lambda f: (RANK[f.origin], CLAIM[f.modality], f.recorded_at, f.number), default=None)

    # --- telling --------------------------------------------------------------------------------------------------

    def tick(self) -> datetime:
        self.last = self.now if self.last is None else max(self.last, self.now)
        return self.last

    def _next(self) -> datetime:
        return self.now if self.last is None else max(self.last, self.now)

    def record(
        self,
        scope: str,
        session: str,
        ref: str | None,
        origin: str,
        at: datetime | None,
        text: str,
        waiting: bool = True,
    ) -> Said:
        said_at = at or self._next()
        for event in self.events:
            same_place = (event.scope, event.session, event.ref) == (scope, session, ref)
            if same_place and ref is not None:
                if not (event.gone or event.touched) and event.text != text:
                    raise Nonsense("other words under a ref")
                self.tick()
                return event
            same = (event.origin, event.at, event.text) == (origin, said_at, text)
            if same_place and same and not (event.gone or event.touched):
                self.tick()
                return event
        self.tick()
        self.events.append(Said(scope, session, ref, origin, said_at, text, waiting))
        return self.events[-1]

    def remember(
        self,
        text: str,
        scope: str,
        modality: str,
        *,
        source: Said | None = None,
        origin: str | None = None,
        key: str | None = None,
        at: datetime | None = None,
        valid_from: datetime | None = None,
        valid_to: datetime | None = None,
        ttl: timedelta | None = None,
        premises: Sequence[Held] = (),
    ) -> Held:
        if source is not None and (source.scope != scope or source.gone):
            raise Nonsense("a source that cannot be pointed at")
        if source is not None and origin is not None and RANK[origin] > RANK[source.origin]:
            raise Nonsense("more authority than the source has")
        if any(p.scope != scope for p in premises):
            raise Nonsense("a premise of another scope")
        said_at = at or (source.at if source is not None else self._next())
        start_true = valid_from or said_at
        if valid_to is not None and valid_to <= start_true:
            raise Nonsense("never true")
        if source is None:
            source = self.record(scope, "remember", None, origin or "user", at, text, waiting=False)
            by = origin or "user"
        else:
            by = origin or source.origin
        begin = source.text.find(text)
        span = (source, begin, begin + len(text)) if begin >= 0 else (source, 0, len(source.text))
        return self._add(
            Held(scope, key, text, modality, "project", by, said_at, self.tick(), start_true, valid_to, ttl,
                 [(*span, None)], list(premises), len(self.facts)), source
        )  # fmt: skip

    def _add(self, fact: Held, source: Said) -> Held:
        holders = [
            f
            for f in self.held(scope=fact.scope)
            if fact.key and f.key == fact.key and self.log().state(f) in ("live", "suspect")
        ]
        self.facts.append(fact)
        for old in holders:
            before, after = (old, fact) if old.said_at <= fact.said_at else (fact, old)
            refused = not allowed((after.modality, after.origin), (before.modality, before.origin))
            self._happen("superseded", [before], [after], source, refused=refused)
        return fact

    def _happen(
        self,
        change: str,
        old: Iterable[Held],
        new: Iterable[Held] = (),
        source: Said | None = None,
        *,
        refused: bool = False,
        target: Happening | None = None,
    ) -> Happening:
        said_at = None if source is None else source.at
        number = len(self.happenings)
        self.happenings.append(Happening(number, change, list(old), list(new), self.tick(), refused, target, said_at))
        return self.happenings[-1]

    def change(self, change: str, old: list[Held], new: list[Held], source: Said | None, by: str | None) -> Happening:
        """supersede, amend, retract, confirm, flag, revalidate, feedback: happens, is refused, or makes no sense."""
        everyone = [*old, *new]
        if not old or (change in ("superseded", "amended") and not new):
            raise Nonsense("nothing named")
        if len({f.scope for f in everyone}) > 1 or any(f.forgotten for f in everyone):
            raise Nonsense("not within reach")
        if source is not None and source.scope != old[0].scope:
            raise Nonsense("on the word of an event of another scope")
        if set(old) & set(new):
            raise Nonsense("itself")
        refused = False
        if change == "superseded":
            log = self.log()
            if any(log.after(n) & set(old) or log.state(n) == "retracted" for n in new):
                raise Nonsense("a circle, or a withdrawn successor")
            refused = not all(allowed((n.modality, n.origin), (o.modality, o.origin)) for o in old for n in new)
        elif change in ("retracted", "wrong", "stale"):
            speaker = by or (source.origin if source is not None else "user")
            refused = any(RANK[speaker] < RANK[o.origin] for o in old)
        return self._happen(change, old, new, source, refused=refused)

    def revert(self, target: Happening, by: str) -> Happening:
        log = self.log()
        if target.change == "forgotten" or target.refused or not log.counts(target):
            raise Nonsense("nothing to revert")
        refused = any(RANK[by] < RANK[f.origin] for f in [*target.old, *target.new])
        undone = Happening(len(self.happenings), "reverted", target.old, target.new, self._next(), refused, target)
        after = Log([*self.happenings, undone])
        if any(fact in after.after(fact) for fact in self.facts):
            raise Nonsense("a circle")
        return self._happen("reverted", target.old, target.new, refused=refused, target=target)

    def capture(self, scope: str) -> tuple[int, int]:
        """Every line of a waiting event is an observation of its speaker; (made, corroborated)."""
        made = corroborated = 0
        waiting = [e for e in self.events if e.waiting and e.scope == scope]
        if waiting:
            self.tick()
        sessions = list(dict.fromkeys(e.session for e in waiting))
        said: dict[Held, tuple[datetime, Happening]] = {}
        for event in sorted(waiting, key=lambda e: sessions.index(e.session)):
            event.waiting = False
            for match in re.finditer(r"[^\n]+", event.text):
                outcome = self._take(event, match.start(), match.end(), match[0], said)
                made += outcome == "made"
                corroborated += outcome == "corroborated"
        return made, corroborated

    def _take(self, event: Said, start: int, end: int, text: str, said: dict[Held, tuple[datetime, Happening]]) -> str:
        """`said`: when this capture last heard a fact again. Within the hour that is one confirmation."""
        for fact in self.facts:
            here = any(pointer[:3] == (event, start, end) for pointer in fact.pointers)
            if here and not fact.forgotten and wording(fact.text) == wording(text):
                return "known"
        log = self.log()
        for fact in self.held(scope=event.scope):
            same = (wording(fact.text), fact.modality, fact.kind, fact.origin, fact.key)
            if same == (wording(text), "observation", "project", event.origin, None) and (
                log.state(fact) in ("live", "suspect")
            ):
                if any(pointer[0] is event for pointer in fact.pointers):
                    return "said twice in one turn"
                at, since = said.get(fact, (None, None))
                if at is None or since is None or abs(event.at - at) >= timedelta(hours=1):
                    since = self._happen("confirmed", [fact], (), event)
                    said[fact] = (event.at, since)
                fact.pointers.append((event, start, end, since))
                return "corroborated"
        self._add(
            Held(event.scope, None, text, "observation", "project", event.origin, event.at, self.tick(), event.at, None,
                 timedelta(weeks=13), [(event, start, end, None)], [], len(self.facts)), event
        )  # fmt: skip
        return "made"

    # --- forgetting -----------------------------------------------------------------------------------------------

    def forget(self, facts: Iterable[Held] = (), events: Iterable[Said] = ()) -> set[Held]:
        events = list(events)
        named = self._overlapping(set(facts))
        founded = {f for f in self.facts if any(e in events and since is None for e, _, _, since in f.pointers)}
        doomed = {f for f in named | founded if not f.forgotten}
        for fact in named & doomed:
            for event, start, end, _ in fact.pointers:
                event.text = event.text[:start] + "█" * (end - start) + event.text[end:]
                event.touched = True
        for fact in doomed - named:
            for event, _, _, since in fact.pointers:
                if since is not None and event not in events:
                    event.waiting = True
        for event in events:
            event.text, event.gone, event.waiting = "", True, False
        for fact in self.facts:
            fact.pointers = [p for p in fact.pointers if not (p[0] in events and p[3] is not None)]
        for fact in doomed:
            fact.forgotten, fact.text, fact.key = True, "", None
        self.tick()
        if doomed:
            self._happen("forgotten", sorted(doomed, key=lambda f: f.number))
        return doomed

    def _overlapping(self, found: set[Held]) -> set[Held]:
        while True:
            more = {
                other
                for fact in found
                for event, start, end, _ in fact.pointers
                for other in self.facts
                if any(e is event and s < end and start < t for e, s, t, _ in other.pointers)
            } - found
            if not more:
                return found
            found = found | more
