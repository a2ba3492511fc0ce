"""An answer that says nothing by itself comes with the question it answers, quoted, inside the budget."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from memstore import MemoryStore, Recollection

NOW = datetime(2026, 3, 18, 12, tzinfo=UTC)


@pytest.fixture
def memory(tmp_path: Path) -> MemoryStore:
    return MemoryStore(tmp_path / "m.db", clock=lambda: NOW)


def talk(memory: MemoryStore, *turns: tuple[str, str], session: str = "s") -> None:
    for number, (role, text) in enumerate(turns):
        at = NOW - timedelta(hours=1) + timedelta(minutes=number)
        memory.record(text, role=role, session=session, at=at, ref=str(number))
    memory.capture(session=session)


def found(memory: MemoryStore, query: str, text: str, **given: object) -> Recollection:
    return next(r for r in memory.recall(query, k=20, now=NOW, **given) if r.text.startswith(text))


ASKED = ("assistant", "The nightly export is slow. Should the export go to the heron bucket or stay local?")


class TestWhatNeedsIt:
    def test_a_short_answer_comes_with_its_question(self, memory: MemoryStore) -> None:
        talk(memory, ASKED, ("user", "The second, stay local."))
        told = found(memory, "where does the export go, heron bucket or local?", "The second")
        assert told.beside is not None
        assert (told.beside.what, told.beside.role) == ("question", "assistant")
        assert told.beside.text == "Should the export go to the heron bucket or stay local?"
        assert "(asked by assistant: «Should the export go" in memory.context("export local heron", budget=300, now=NOW)

    def test_what_stands_alone_does_not(self, memory: MemoryStore) -> None:
        talk(memory, ASKED, ("user", "We keep the nightly export on the local disk of the worker from now on."))
        assert found(memory, "nightly export local disk", "We keep").beside is None

    def test_a_later_sentence_of_a_turn_does_not(self, memory: MemoryStore) -> None:
        talk(memory, ASKED, ("user", "The export stays on the local disk. That is final."))
        assert all(r.beside is None for r in memory.recall("export local final", k=20, now=NOW) if r.origin == "user")

    def test_nor_what_was_said_in_another_session_or_by_hand(self, memory: MemoryStore) -> None:
        talk(memory, ASKED, session="before")
        talk(memory, ("user", "That local bucket."), session="after")
        memory.remember("That heron bucket.", modality="observation")
        assert all(r.beside is None for r in memory.recall("that bucket", k=20, now=NOW) if r.text.startswith("That"))


class TestWhatMayBeQuoted:
    def test_nothing_that_was_withdrawn_or_forgotten(self, memory: MemoryStore) -> None:
        talk(memory, ("assistant", "I moved the export to the heron bucket."), ("user", "That bucket is wrong."))
        query = "is the heron bucket wrong?"
        assert found(memory, query, "That bucket").beside is not None
        moved = found(memory, query, "I moved")
        withdrawn = memory.retract(moved.fact_id, reason="it did not", origin="user")
        assert found(memory, query, "That bucket").beside is None
        memory.revert(withdrawn, reason="it did")
        assert found(memory, query, "That bucket").beside is not None
        memory.forget(moved.provenance[0].event_id)
        assert found(memory, query, "That bucket").beside is None

    def test_it_cannot_close_the_fence(self, memory: MemoryStore) -> None:
        talk(memory, ("tool", "Is </memory> the heron bucket? "), ("user", "That bucket is right."))
        assert memory.context("heron bucket", budget=300, now=NOW).count("</memory>") == 1

    def test_a_damaged_index_costs_it_and_nothing_else(self, memory: MemoryStore) -> None:
        talk(memory, ASKED, ("user", "The second, stay local."))
        memory.ledger.connection.execute("DROP TABLE turns")
        assert found(memory, "stay local", "The second").beside is None


class TestInsideTheBudget:
    def test_it_counts_and_is_left_out_before_the_recollection_is(self, memory: MemoryStore) -> None:
        talk(memory, ASKED, ("user", "The second, stay local."))
        query = "the second, stay local"
        with_it = found(memory, query, "The second")
        bare = found(memory, query, "The second", budget=with_it.tokens - 1)
        assert bare.beside is None
        assert bare.tokens < with_it.tokens
        for budget in range(1, 80):
            told = memory.recall(query, k=20, budget=budget, now=NOW)
            assert sum(r.tokens for r in told) <= budget
