"""Doubt travels from a premise that fell to what was concluded from it, with its path, and is cleared as it came."""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memstore import Fact, MemoryStore, Status
from memstore.ledger import transitions
from tests.conftest import ticking


def chain(memory: MemoryStore, length: int) -> list[Fact]:
    """Facts of which each was concluded from the one before."""
    held = [memory.remember("Redis holds the sessions", modality="decision")]
    while len(held) < length:
        held.append(memory.remember(f"conclusion {len(held)}", modality="observation", depends_on=held[-1]))
    return held


def suspects(memory: MemoryStore, held: list[Fact]) -> list[int]:
    return [at for at, fact in enumerate(held) if memory.status(fact) is Status.SUSPECT]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=16))
def test_the_ends_of_many_chains_are_the_ends_of_each(pairs: list[tuple[int, int]]) -> None:
    edges: dict[int, list[int]] = {fact: [] for fact in range(9)}
    for one, other in pairs:
        old, new = sorted((one, other))
        if old != new and new not in edges[old]:
            edges[old].append(new)
    together = transitions.heads_of_each(edges, edges)
    assert {fact: set(ends) for fact, ends in together.items()} == {f: set(transitions.heads(edges, f)) for f in edges}


def test_a_circle_that_a_hand_in_the_file_made_ends_the_walk() -> None:
    assert transitions.heads_of_each({1: [2], 2: [1, 3], 3: []}, [1, 2, 3])[3] == [3]


def test_the_story_of_a_long_chain_costs_in_proportion_to_its_length(memory: MemoryStore) -> None:
    steps = {}
    for length in (50, 200):
        with memory.transaction():
            held = [
                memory.remember(f"The cap is {n}.", modality="decision", session=str(length)) for n in range(length)
            ]
            for old, new in pairwise(held):
                memory.supersede(old, new, reason="raised")
        steps[length] = worked(memory, lambda held=held: memory.history(held[0]))
        assert memory.history(held[length // 2]).heads == (held[-1].id,)
    assert all(many < 6 * few for few, many in zip(steps[50], steps[200], strict=True)), steps


def worked(memory: MemoryStore, ask: Callable[[], object]) -> tuple[int, int, int]:
    """(statements, hundreds of steps of SQLite's machine, calls of Python functions) that an answer takes."""
    statements: list[str] = []
    ticks: list[int] = []
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += 1

    db = memory.ledger.connection
    db.set_trace_callback(statements.append)
    db.set_progress_handler(lambda: ticks.append(1), 100)
    sys.setprofile(count)
    try:
        ask()
    finally:
        sys.setprofile(None)
        db.set_trace_callback(None)
        db.set_progress_handler(None, 100)
    return len(statements), len(ticks), calls


class TestCarrying:
    @pytest.mark.parametrize("fall", ["supersede", "retract", "flag", "forget"])
    def test_conclusions_become_suspect_transitively_when_a_premise_falls(self, memory, fall) -> None:
        held = chain(memory, 4)
        other = memory.remember("nothing to do with it", modality="observation")
        if fall == "supersede":
            memory.supersede(held[0], memory.remember("Postgres holds them", modality="decision"), reason="moved")
        elif fall == "forget":
            memory.forget(held[0])
        else:
            getattr(memory, fall)(held[0], reason="wrong")
        assert suspects(memory, held)[-3:] == [1, 2, 3]
        assert memory.status(other) is Status.LIVE

    def test_the_path_is_shown_wherever_the_fact_is(self, memory) -> None:
        held = chain(memory, 3)
        memory.retract(held[0], reason="wrong")
        (found,) = memory.recall("conclusion 2", k=1)
        assert found.status is Status.SUSPECT
        (doubt,) = found.why["doubts"]
        assert "«Redis holds the sessions», which is retracted" in doubt
        assert " ← ".join(fact.id for fact in reversed(held)) in doubt
        assert memory.explain(held[2]).why["doubts"] == (doubt,)
        assert memory.explain(held[2]).status is Status.SUSPECT
        assert "SUSPECT" in memory.context("conclusion 2", budget=200)
        assert memory.stats()["status"]["suspect"] == 2
        assert memory.facts(status="suspect") == held[1:]
        assert memory.facts(status="live") == []

    def test_of_a_long_path_and_a_long_premise_both_ends_are_told(self, memory) -> None:
        premise = memory.remember("Redis holds the sessions. " + "And so on. " * 500, modality="observation")
        held = [premise]
        for number in range(40):
            text = f"conclusion {number}"
            held.append(memory.remember(text, modality="observation", depends_on=held[-1]))
        memory.retract(premise, reason="wrong")
        (doubt,) = memory.explain(held[-1]).why["doubts"]
        assert doubt.startswith("rests on «Redis holds the sessions.")
        assert f"({held[-1].id} ← " in doubt
        assert f" ← … 29 more … ← {held[5].id} ← " in doubt
        assert doubt.endswith(f" ← {premise.id})")
        assert len(doubt) < 1000

    def test_a_premise_replaced_by_the_same_statement_has_not_fallen(self, memory) -> None:
        first, conclusion = chain(memory, 2)
        again = memory.remember("redis holds the sessions.", modality="decision")
        memory.supersede(first, again, reason="duplicate")
        assert memory.status(conclusion) is Status.LIVE
        memory.retract(again, reason="wrong")
        assert memory.status(conclusion) is Status.SUSPECT
        assert again.id in memory.explain(conclusion).why["doubts"][0]

    def test_what_adds_to_a_premise_does_not_unseat_it(self, memory) -> None:
        first, conclusion = chain(memory, 2)
        memory.amend(first, memory.remember("and the queue", modality="decision"), reason="more")
        assert memory.status(conclusion) is Status.LIVE


class TestClearing:
    def test_revalidating_the_premise_clears_the_conclusions(self, memory) -> None:
        held = chain(memory, 3)
        memory.flag(held[0], reason="is it?")
        memory.revalidate(held[0], reason="it is")
        assert suspects(memory, held) == []

    def test_undoing_the_fall_clears_it(self, memory) -> None:
        held = chain(memory, 3)
        fall = memory.retract(held[0], reason="wrong")
        memory.revert(fall, reason="was right")
        assert suspects(memory, held) == []

    def test_replacing_the_conclusion_clears_what_follows_from_it_only_when_it_is_rederived(self, memory) -> None:
        held = chain(memory, 3)
        memory.retract(held[0], reason="wrong")
        better = memory.remember("conclusion 1, on other grounds", modality="observation")
        memory.supersede(held[1], better, reason="rederived")
        assert memory.status(better) is Status.LIVE
        assert memory.status(held[2]) is Status.SUSPECT

    def test_confirming_a_conclusion_clears_it_and_what_rests_on_it_until_the_next_fall(self, memory) -> None:
        held = chain(memory, 4)
        memory.flag(held[0], reason="is it?")
        memory.confirm(held[1])
        assert suspects(memory, held) == [0]
        memory.flag(held[0], reason="really?")
        assert suspects(memory, held) == [0, 1, 2, 3]

    def test_as_of_shows_the_doubt_that_was_held_then(self, memory) -> None:
        held = chain(memory, 2)
        before = memory.ledger.clock()
        memory.flag(held[0], reason="is it?")
        during = memory.ledger.clock()
        memory.revalidate(held[0], reason="it is")
        assert [memory.status(held[1], as_of=at) for at in (before, during)] == [Status.LIVE, Status.SUSPECT]
        assert memory.status(held[1]) is Status.LIVE


@settings(max_examples=60, deadline=None)
@given(data=st.data(), size=st.integers(2, 12))
def test_a_fact_is_doubted_exactly_when_a_fallen_premise_reaches_it(tmp_path_factory, data, size: int) -> None:
    """Against the plain definition: reachability from what fell, over premises nobody vouched for since."""
    memory = MemoryStore(tmp_path_factory.mktemp("doubt") / "memory.db", clock=ticking())
    below: list[list[int]] = []
    held: list[Fact] = []
    with memory.transaction():
        for at in range(size):
            below.append(data.draw(st.lists(st.integers(0, at - 1), max_size=3, unique=True)) if at else [])
            premises = [held[premise] for premise in below[at]]
            held.append(memory.remember(f"fact {at}", modality="observation", depends_on=premises))
        actions = data.draw(
            st.lists(st.tuples(st.sampled_from(["flag", "retract", "confirm"]), st.integers(0, size - 1)), max_size=8)
        )
        fell: dict[int, int] = {}
        vouched: dict[int, int] = {}
        gone: set[int] = set()
        for moment, (action, at) in enumerate(actions, 1):
            getattr(memory, action)(held[at], reason="so")
            if action == "confirm":
                vouched[at] = moment
                if at not in gone:
                    fell.pop(at, None)
            elif action == "retract":
                gone.add(at)
                fell[at] = moment
            elif at not in gone:
                fell[at] = moment
    reaching: list[set[int]] = []
    for at in range(size):
        through = {moment for premise in below[at] for moment in reaching[premise]}
        mine = {moment for moment in through if moment > vouched.get(at, 0)}
        reaching.append(mine | ({fell[at]} if at in fell else set()))
    for at in range(size):
        if at not in gone:
            assert (memory.status(held[at]) is Status.SUSPECT) == bool(reaching[at]), (below, actions, at)
