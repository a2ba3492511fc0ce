"""Invariants 1, 2, 6, 7, 9, 10, 12 and 13: the store and a naive memory are driven side by side, and never disagree.

Hypothesis draws the steps: every public operation, facts and events and moments drawn from what is there. After each
step the transitions that the store wrote are the ones expected, and every status, head, expiry, quote and recall is
the naive memory's; then one earlier moment is drawn, and everything is asked again as of that moment.

    pytest tests/test_ledger_machine.py           a short run
    make soak                                     at least 10,000 steps
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from memstore import Conflict, Event, MemoryStore, Modality, Origin, Span
from memstore.capture.extract import Claim, Extraction
from memstore.errors import UsageError
from memstore.ledger import transitions
from memstore.model import Fact, Kind, Recollection, Transition
from tests.ledger import invariants
from tests.ledger.naive import Happening, Held, Log, Naive, Nonsense, Said

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
SCOPES = ("default", "acme")
WORD = "memo"  # every text holds it, so that one query can find every fact
Answer = TypeVar("Answer")


class EveryLine:
    """An extractor as plain as can be: each line is an observation of whoever said it."""

    name, version, portion, beside = "lines", "1", 1_000_000, False

    def extract(self, events: Sequence[Event], before: Sequence[Event] = ()) -> Extraction:
        return Extraction(
            tuple(
                Claim(
                    match[0], Modality.OBSERVATION, 0.9, (), Kind.PROJECT, event.origin,
                    (Span(event.id, match.start(), match.end()),),
                )
                for event in events
                for match in re.finditer(r"[^\n]+", event.text)
            ),
            {},
        )  # fmt: skip


few = st.sampled_from(["memo alpha", "Memo, ALPHA!", "memo beta", "memo gamma"])
odd = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r"), max_size=12).map(
    lambda t: f"memo {t}"
)
nul = st.just("memo \x00 with a NUL \U0001f600 inside")
texts = st.one_of(few, few, odd, nul)
speeches = st.lists(texts, min_size=1, max_size=3).map("\n".join)
modalities = st.sampled_from(["decision", "decision", "observation", "hypothesis", "option_considered", "question"])
origins = st.sampled_from(["user", "user", "user", "assistant", "tool", "document", "system"])
keys = st.sampled_from([None, None, "limit", "owner"])
scopes = st.sampled_from(["default", "default", "default", "acme"])
spells = st.integers(-90, 90).map(lambda days: timedelta(days=days))
moments = st.one_of(st.none(), st.none(), spells.map(lambda spell: START + spell))
lifetimes = st.sampled_from([None, None, None, timedelta(days=1), timedelta(days=20)])


class SideBySide(RuleBasedStateMachine):
    """One store, one naive memory, one clock."""

    steps = 0

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="memstore-"))
        self.naive = Naive(START)
        self.naive.tick()  # opening the store writes to it
        self.store = MemoryStore(
            self.folder / "memory.db", clock=lambda: self.naive.now, extractor=EveryLine()
        )  # fmt: skip
        self.read_to = 0

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.folder)

    # --- both at once ---------------------------------------------------------------------------------------------

    def both(self, naive: Callable[[], Answer], store: Callable[[], object]) -> tuple[Answer, object] | None:
        """Do a step on both sides. None if it makes no sense, which the store must say, too."""
        try:
            expected = naive()
        except Nonsense:
            with pytest.raises(UsageError):
                store()
            return None
        result = store()
        self.transitions_are_the_expected_ones()
        return expected, result

    def transitions_are_the_expected_ones(self) -> None:
        with self.store.ledger.reading() as db:
            rows = db.execute("SELECT pk FROM transitions WHERE pk > ? ORDER BY pk", (self.read_to,)).fetchall()
            written = transitions.read(db, [row[0] for row in rows])
        self.read_to = rows[-1][0] if rows else self.read_to
        expected = [h for h in self.naive.happenings if not h.id]
        assert [record.change for record in written] == [h.change for h in expected]
        for record, happening in zip(written, expected, strict=True):
            happening.id = record.id
            for ids, held in ((record.old, happening.old), (record.new, happening.new)):
                for id_, fact in zip(ids, sorted(held, key=lambda f: f.number), strict=True):
                    fact.id = fact.id or id_
                    assert fact.id == id_
            assert isinstance(record, Conflict) is happening.refused
            assert record.at == happening.at
            if isinstance(record, Transition):
                assert record.reverts == (happening.target.id if happening.target else None)

    def a_fact(self, data: st.DataObject, scope: str | None = None) -> Held:
        return data.draw(st.sampled_from([f for f in self.naive.facts if scope in (None, f.scope)]))

    def some_facts(self, data: st.DataObject) -> list[Held]:
        return data.draw(st.lists(st.sampled_from(self.naive.facts), min_size=1, max_size=2, unique=True))

    def maybe_event(self, data: st.DataObject) -> Said | None:
        return data.draw(st.one_of(st.none(), st.sampled_from(self.naive.events or [None])))

    def a_moment(self, data: st.DataObject) -> datetime:
        """An earlier recorded time, exactly or in between."""
        times = sorted({h.at for h in self.naive.happenings} | {f.recorded_at for f in self.naive.facts} | {START})
        return data.draw(st.sampled_from(times)) + data.draw(
            st.sampled_from([timedelta(0), timedelta(microseconds=-1)])
        )

    # --- steps ----------------------------------------------------------------------------------------------------

    @rule(by=st.sampled_from([timedelta(0), timedelta(seconds=1), timedelta(hours=30), timedelta(days=15),
                              timedelta(seconds=-5)]))  # fmt: skip
    def time_passes(self, by: timedelta) -> None:
        self.naive.now += by

    @rule(text=speeches, origin=origins, ref=st.sampled_from([None, "1", "2", "3"]), scope=scopes, at=moments,
          session=st.sampled_from(["s1", "s2"]))  # fmt: skip
    def record(self, text: str, origin: str, ref: str | None, scope: str, at: datetime | None, session: str) -> None:
        done = self.both(
            lambda: self.naive.record(scope, session, ref, origin, at, text),
            lambda: self.store.record(text, role=origin, session=session, ref=ref, scope=scope, at=at),
        )
        if done:
            said, event = done
            assert isinstance(event, Event)
            said.id = said.id or event.id
            assert (event.id, event.text, event.at, event.origin) == (said.id, said.text, said.at, said.origin)

    @rule(data=st.data(), text=texts, modality=modalities, key=keys, scope=scopes, at=moments, ttl=lifetimes,
          origin=st.none() | origins, valid_from=moments, valid_to=moments, sourced=st.booleans())  # fmt: skip
    def remember(self, data: st.DataObject, text: str, modality: str, key: str | None, scope: str,
                 at: datetime | None, ttl: timedelta | None, origin: str | None, valid_from: datetime | None,
                 valid_to: datetime | None, sourced: bool) -> None:  # fmt: skip
        source = self.maybe_event(data) if sourced else None
        premises = self.some_facts(data) if self.naive.facts and data.draw(st.integers(0, 3)) == 0 else []
        last = source.text.split("\n")[-1] if source is not None else ""
        if WORD in last and data.draw(st.booleans()):  # of a turn that was partly forgotten, the word may be masked
            text = last
        done = self.both(
            lambda: self.naive.remember(
                text, scope, modality, source=source, origin=origin, key=key, at=at, valid_from=valid_from,
                valid_to=valid_to, ttl=ttl, premises=premises,
            ),
            lambda: self.store.remember(
                text, scope=scope, modality=modality, source=source and source.id, origin=origin, key=key, at=at,
                valid_from=valid_from, valid_to=valid_to, ttl=ttl, depends_on=[p.id for p in premises],
            ),
        )  # fmt: skip
        if done:
            held, fact = done
            assert isinstance(fact, Fact)
            held.id = fact.id
            said = held.pointers[0][0]
            said.id = said.id or fact.provenance[0].event_id
            self.fact_is(fact, held, self.naive.log(), None)
            refused = [h.id for h in self.naive.happenings if h.refused and held in [*h.old, *h.new]]
            assert [c.id for c in fact.conflicts] == refused

    @precondition(lambda self: self.naive.facts)
    @rule(data=st.data(), change=st.sampled_from(["supersede", "supersede", "supersede", "amend"]))
    def supersede_or_amend(self, data: st.DataObject, change: str) -> None:
        old, new, source = self.some_facts(data), self.some_facts(data), self.maybe_event(data)
        name = {"supersede": "superseded", "amend": "amended"}[change]
        self.both(
            lambda: self.naive.change(name, old, new, source, None),
            lambda: getattr(self.store, change)(
                [f.id for f in old], [f.id for f in new], reason="because", source=source and source.id,
                scope=old[0].scope,
            ),
        )  # fmt: skip

    @precondition(lambda self: self.naive.facts)
    @rule(data=st.data(), change=st.sampled_from(["retract", "confirm", "flag", "flag", "revalidate"]))
    def change(self, data: st.DataObject, change: str) -> None:
        old, source = self.some_facts(data), self.maybe_event(data)
        name = {"retract": "retracted", "confirm": "confirmed", "flag": "flagged", "revalidate": "revalidated"}[change]
        by = data.draw(st.one_of(st.none(), origins)) if change == "retract" else None
        extra = {"origin": by} if change == "retract" else {}
        self.both(
            lambda: self.naive.change(name, old, [], source, by),
            lambda: getattr(self.store, change)(
                [f.id for f in old], reason="because", source=source and source.id, scope=old[0].scope, **extra
            ),
        )

    @precondition(lambda self: self.naive.facts)
    @rule(data=st.data(), verdict=st.sampled_from(["used", "wrong", "stale"]), by=st.one_of(st.none(), origins))
    def feedback(self, data: st.DataObject, verdict: str, by: str | None) -> None:
        old, source = self.some_facts(data), self.maybe_event(data)
        self.both(
            lambda: self.naive.change(verdict, old, [], source, by),
            lambda: self.store.feedback(
                [f.id for f in old], verdict, source=source and source.id, origin=by, scope=old[0].scope
            ),
        )

    @precondition(lambda self: self.naive.happenings)
    @rule(data=st.data(), by=st.sampled_from(["user", "user", "user", "assistant"]))
    def revert(self, data: st.DataObject, by: str) -> None:
        latest = self.naive.happenings[-8:]  # the recent ones, so that reversals of reversals come about
        target = data.draw(st.sampled_from(latest) | st.sampled_from(self.naive.happenings))
        self.both(
            lambda: self.naive.revert(target, by),
            lambda: self.store.revert(target.id, reason="a mistake", origin=by, scope=scope_of(target)),
        )

    @rule(scope=scopes)
    def capture(self, scope: str) -> None:
        before = len(self.naive.facts)
        done = self.both(lambda: self.naive.capture(scope), lambda: self.store.capture(scope=scope))
        assert done is not None
        (made, corroborated), report = done
        assert (report.facts, report.corroborated) == (made, corroborated)
        new = self.naive.facts[before:]
        for fact, held in zip(self.store.facts(scope=list(SCOPES))[-len(new) :] if new else [], new, strict=True):
            assert held.id in ("", fact.id)
            held.id = fact.id
        assert self.store.capture(scope=scope).events == 0

    @precondition(lambda self: self.naive.facts and len(self.naive.facts) > 4)
    @rule(data=st.data(), what=st.sampled_from(["fact", "fact", "event", "session", "scope"]))
    def forget(self, data: st.DataObject, what: str) -> None:
        fact = self.a_fact(data)
        events = self.naive.events
        chosen: list[Said] = []
        if what == "scope" and data.draw(st.integers(0, 3)):
            what = "event"  # a whole scope now and then is enough
        if what == "event":
            chosen = [data.draw(st.sampled_from([e for e in events if e.scope == fact.scope]))]
        elif what == "session":
            session = data.draw(st.sampled_from(["s1", "s2"]))
            chosen = [e for e in events if (e.scope, e.session) == (fact.scope, session) and not e.gone]
            if not chosen:
                return
        elif what == "scope":
            chosen = [e for e in events if e.scope == fact.scope and not e.gone]
        call = {
            "fact": lambda: self.store.forget([fact.id], scope=fact.scope),
            "event": lambda: self.store.forget([e.id for e in chosen], scope=fact.scope),
            "session": lambda: self.store.forget(session=chosen[0].session, scope=fact.scope),
            "scope": lambda: self.store.forget(everything=True, scope=fact.scope),
        }[what]
        done = self.both(lambda: self.naive.forget([fact] if what == "fact" else [], chosen), call)
        assert done is not None
        doomed, certificate = done
        assert set(certificate.facts) == {f.id for f in doomed}
        assert set(certificate.events) == {e.id for e in chosen}
        assert not certificate.pending

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = MemoryStore(self.store.ledger.path, clock=lambda: self.naive.now, extractor=EveryLine())

    @rule()
    def rebuild(self) -> None:
        self.store.rebuild()
        self.naive.tick()

    # --- what is asked after each ---------------------------------------------------------------------------------

    @invariant()
    def the_store_is_sound(self) -> None:
        SideBySide.steps += 1
        invariants.verify_finds_nothing(self.store)
        invariants.every_quote_is_in_its_event(self.store, SCOPES)

    @invariant()
    def events_are_verbatim(self) -> None:
        for said in self.naive.events:
            if said.id:
                assert self.store.event(said.id, scope=said.scope).text == said.text

    @invariant()
    def now_agrees(self) -> None:
        self.answers_agree(self.naive.log(), None)

    @rule(data=st.data())
    def then_agrees(self, data: st.DataObject) -> None:
        as_of = self.a_moment(data)
        self.answers_agree(self.naive.log(as_of), as_of)

    @rule(data=st.data(), key=st.sampled_from(["limit", "owner"]), scope=scopes, valid=moments, past=st.booleans())
    def keys_agree(self, data: st.DataObject, key: str, scope: str, valid: datetime | None, past: bool) -> None:
        as_of = self.a_moment(data) if past else None
        expected = self.naive.get(scope, key, as_of or self.naive.now, as_of, valid)
        found = self.store.get(key, scope=scope, as_of=as_of, valid_at=valid)
        assert (found and found.id) == (expected and expected.id)

    @rule(data=st.data(), valid_at=spells, scope=scopes, past=st.booleans())
    def the_world_agrees(self, data: st.DataObject, valid_at: timedelta, scope: str, past: bool) -> None:
        as_of = self.a_moment(data) if past else None
        log = self.naive.log(as_of)
        expected = {f.id for f in self.naive.held(as_of, scope) if log.true_at(f, START + valid_at)}
        found = self.asked(as_of=as_of, valid_at=START + valid_at, scope=scope)
        assert {r.fact_id for r in found} == expected

    def asked(self, **of: Any) -> list[Recollection]:
        """Everything recalled. Nothing is booked: a booking is a write, which moves the clock of the ledger."""
        return self.store.recall(WORD, k=10_000, purpose=None, **of)

    def answers_agree(self, log: Log, as_of: datetime | None) -> None:
        now = as_of or self.naive.now
        held = self.naive.held(as_of)
        facts = self.store.facts(scope=list(SCOPES), as_of=as_of)
        assert [f.id for f in facts] == [h.id for h in held]
        statuses = {}
        for fact, known in zip(facts, held, strict=True):
            self.fact_is(fact, known, log, as_of)
            story = self.store.history(fact, as_of=as_of)
            assert set(story.heads) == {h.id for h in log.heads(known)}
            statuses[known.id] = log.status(known, now)
            assert story.statuses[known.id] == statuses[known.id]
        for scope in SCOPES:
            here = [h.id for h in held if h.scope == scope]
            found = self.asked(scope=scope, as_of=as_of)
            current = [r.fact_id for r in found if r.status in ("live", "suspect")]
            assert sorted(current) == sorted(i for i in here if statuses[i] in ("live", "suspect"))
            rest = [r.fact_id for r in found if r.fact_id not in current]
            assert sorted(rest) == sorted(i for i in here if statuses[i] == "expired")
            assert all(r.status == statuses[r.fact_id] for r in found)
            kept = {r.fact_id for r in self.asked(scope=scope, as_of=as_of, current_only=True)}
            assert kept == set(current)

    def fact_is(self, fact: Fact, held: Held, log: Log, as_of: datetime | None) -> None:
        assert (fact.scope, fact.key, fact.text, fact.modality, fact.origin) == (
            held.scope, held.key, held.text, held.modality, Origin(held.origin),
        )  # fmt: skip
        assert (fact.said_at, fact.recorded_at, fact.valid_from, fact.valid_to, fact.expires_at) == (
            held.said_at, held.recorded_at, held.valid_from, held.valid_to, log.expires(held),
        )  # fmt: skip
        pointers = {
            (event.id, start, end, event.text[start:end])
            for event, start, end, since in held.pointers
            if as_of is None or since is None or since.at <= as_of
        }
        assert {(p.event_id, p.start, p.end, p.quote) for p in fact.provenance} == pointers


def scope_of(happening: Happening) -> str:
    everyone: Iterable[Held] = [*happening.old, *happening.new]
    return next(iter(everyone)).scope


def test_the_store_and_a_naive_memory_never_disagree(long: bool) -> None:
    SideBySide.steps = 0
    examples, steps = (250, 60) if long else (20, 25)
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        SideBySide,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=not long,
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(f"{SideBySide.steps:,} steps, no disagreement")
    if long:
        assert SideBySide.steps >= 10_000
