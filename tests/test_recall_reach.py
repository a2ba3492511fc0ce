"""What may be said is found however much lies before it that may not, and whatever is asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from memstore import MemoryStore, Modality, Status
from memstore.errors import UsageError
from memstore.recall.tokens import Counter
from memstore.recall.understanding import LONGEST, read
from tests.conftest import NOON, Clock, ticking
from tests.test_recall_meaning import Letters

PLAN = "Redis is the cache of the shop, says the plan that everybody signed."
QUERY = "Redis cache hit"
MANY = 150


@pytest.fixture
def memory(tmp_path: Path, clock: Clock) -> MemoryStore:
    return MemoryStore(tmp_path / "memory.db", clock=clock, encoder=Letters())


def flood(memory: MemoryStore, **given: object) -> list:
    """Statements that answer the question better than the plan does."""
    given = {"modality": "decision", **given}
    with memory.transaction():
        return [memory.remember(f"Redis cache hit {number}.", **given) for number in range(MANY)]


@pytest.mark.parametrize("mode", ["exact", "hybrid"])
class TestNothingLiveIsHiddenByWhatIsNot:
    """Invariant 7 must not be kept by keeping silent."""

    def test_behind_what_was_withdrawn(self, memory: MemoryStore, mode: str) -> None:
        memory.remember(PLAN, modality="decision")
        memory.retract(flood(memory), reason="a test run")
        assert [r.text for r in memory.recall(QUERY, mode=mode)] == [PLAN]

    def test_behind_what_is_of_another_modality(self, memory: MemoryStore, mode: str) -> None:
        memory.remember(PLAN, modality="decision")
        flood(memory, modality="observation", ttl=None)
        found = memory.recall(QUERY, modality="decision", mode=mode)
        assert [(r.text, r.modality) for r in found] == [(PLAN, Modality.DECISION)]

    def test_behind_what_is_past_its_time(self, memory: MemoryStore, mode: str) -> None:
        memory.remember(PLAN, modality="decision")
        flood(memory, ttl=timedelta(minutes=1))
        later = NOON + timedelta(days=9)
        assert [r.text for r in memory.recall(QUERY, now=later, current_only=True, mode=mode)] == [PLAN]

    def test_behind_what_was_not_known_yet(self, memory: MemoryStore, clock: Clock, mode: str) -> None:
        memory.remember(PLAN, modality="decision")
        then = clock()
        flood(memory)
        assert [r.text for r in memory.recall(QUERY, as_of=then, mode=mode)] == [PLAN]

    def test_behind_what_was_not_true_yet(self, memory: MemoryStore, mode: str) -> None:
        memory.remember(PLAN, modality="decision", valid_from=datetime(2025, 1, 1, tzinfo=UTC))
        flood(memory)
        found = memory.recall(QUERY, valid_at=datetime(2025, 6, 1, tzinfo=UTC), mode=mode)
        assert [r.text for r in found] == [PLAN]


@pytest.mark.parametrize("mode", ["exact", "hybrid"])
def test_what_hides_behind_more_than_anybody_looks_at_is_read_in_the_facts(
    memory: MemoryStore, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setattr("memstore.recall.answer._WIDER", 1)
    memory.remember(PLAN, modality="decision")
    then = memory.ledger.clock()
    flood(memory, modality="observation", ttl=timedelta(minutes=1))
    later = NOON + timedelta(days=9)
    for narrowed in ({"modality": "decision"}, {"current_only": True}, {"as_of": then}):
        assert [r.text for r in memory.recall(QUERY, now=later, mode=mode, **narrowed)] == [PLAN]
    assert len(memory.recall(QUERY, k=1000, now=later, mode=mode)) == MANY + 1


class TestWhoAsksForMuchGetsIt:
    def test_everything_that_holds_the_words_comes_back_and_the_first_answers_stay_first(
        self, memory: MemoryStore
    ) -> None:
        flood(memory)
        everything = [r.fact_id for r in memory.recall(QUERY, k=10**9)]
        assert len(set(everything)) == MANY
        for k in (1, 5, 20, 100):
            assert [r.fact_id for r in memory.recall(QUERY, k=k)] == everything[:k]

    def test_no_statement_of_a_long_turn_is_out_of_reach(self, memory: MemoryStore) -> None:
        said = [f"Redis cache hit {number}." for number in range(MANY)]
        turn = memory.record(" ".join(said), role="user", session="s")
        with memory.transaction():
            for text in said:
                memory.remember(text, modality="decision", source=turn)
        assert memory.recall("Redis cache hit 149")[0].text == said[149]
        assert len(memory.recall(QUERY, k=1000)) == MANY


class TestAKeyThatChangedAThousandTimes:
    @pytest.fixture
    def counter(self, memory: MemoryStore) -> MemoryStore:
        with memory.transaction():
            for number in range(1000):
                memory.remember(f"The counter of visits stands at {number}.", modality="observation", key="visits")
        return memory

    @pytest.mark.parametrize("query", ["visits", "counter of visits"])
    def test_its_fact_comes_back_in_a_small_budget_quoting_a_few_of_those_it_replaced(
        self, counter: MemoryStore, query: str
    ) -> None:
        (found,) = counter.recall(query, budget=60)
        assert found.text == "The counter of visits stands at 999."
        assert found.tokens <= 60
        assert "and 997 more before" in counter.context(query, budget=100)

    def test_what_it_replaced_gives_way_to_the_budget_before_it_does(self, counter: MemoryStore) -> None:
        (found,) = counter.recall("counter of visits", budget=20)
        assert (found.text, found.replaces) == ("The counter of visits stands at 999.", ())

    def test_a_statement_that_was_said_again_replaced_nothing(self, memory: MemoryStore) -> None:
        for _ in range(3):
            memory.remember("We use Redis.", modality="decision", key="storage")
        assert [(r.text, r.replaces) for r in memory.recall("Redis")] == [("We use Redis.", ())]


class TestAnyTextIsAQuestion:
    @pytest.mark.parametrize("query", [
        pytest.param("a_b " + "deadbeef" * 50_000, id="a long key"),
        pytest.param("you " * 100_000, id="you and you"),
        pytest.param("/" * 400_000 + "a", id="slashes"),
        pytest.param("Redis " + "x y z. " * 1_500_000, id="ten megabytes"),
        pytest.param(" ".join(f"w{number}" for number in range(100_000)), id="a hundred thousand words"),
    ])  # fmt: skip
    def test_of_whatever_length(self, memory: MemoryStore, query: str) -> None:
        """Each of these once took minutes, and more than four times as many for twice the length."""
        memory.remember("We use Redis for storage.", modality="decision")
        for mode in ("exact", "hybrid"):
            memory.recall(query, mode=mode)

    def test_it_is_read_from_its_beginning(self) -> None:
        assert read("x " * LONGEST + "late", NOON).words == ("x",)

    @pytest.mark.parametrize("query", ["Redis \ud800", "\udfff", "Redis\x00", "", " \n", "what is it"])
    @pytest.mark.parametrize("mode", ["exact", "hybrid"])
    def test_with_whatever_in_it(self, memory: MemoryStore, query: str, mode: str) -> None:
        memory.remember("We use Redis for storage.", modality="decision")
        found = memory.recall(query, mode=mode)
        assert bool(found) or "Redis" not in query

    @pytest.mark.parametrize("given", [
        {"query": None}, {"query": b"Redis"}, {"query": "Redis", "k": 2.5}, {"query": "Redis", "k": "5"},
        {"query": "Redis", "k": 0}, {"query": "Redis", "budget": 1.5}, {"query": "Redis", "budget": -1},
        {"query": "Redis", "modality": 5}, {"query": "Redis", "scope": 5}, {"query": "Redis", "mode": None},
    ])  # fmt: skip
    def test_what_is_no_question_is_refused_in_one_line(self, memory: MemoryStore, given: dict) -> None:
        with pytest.raises(UsageError) as refused:
            memory.recall(**given)
        assert "\n" not in str(refused.value)

    def test_a_number_of_a_notebook_is_a_number(self, memory: MemoryStore) -> None:
        flood(memory)
        assert len(memory.recall(QUERY, k=np.int64(3))) == 3

    @pytest.mark.parametrize("text", ["Die Hauptstraße ist gesperrt.", "The ﬁle is gone.", "Η Οδός είναι κλειστή."])
    def test_its_words_are_found_as_they_are_written(self, memory: MemoryStore, text: str) -> None:
        memory.remember(text, modality="observation")
        assert [r.text for r in memory.recall(text.split()[1])] == [text]
        memory.ledger.connection.execute("DROP TABLE words")
        assert [r.text for r in memory.recall(text.split()[1])] == [text]


class TestABudgetIsKept:
    @pytest.mark.parametrize("padding", range(4))
    def test_by_the_block_as_a_whole(self, memory: MemoryStore, padding: int) -> None:
        with memory.transaction():
            for number in range(25):
                memory.remember(f"Redis note {number:02d}{'x' * padding}", modality="decision")
        for budget in range(40, 400, 7):
            assert memory.counter.count(memory.context("Redis note", budget=budget)) <= budget

    def test_by_a_counter_to_which_a_block_is_more_than_its_lines(self, tmp_path: Path) -> None:
        breaks = Counter("lines squared", lambda text: len(text.split("\n")) ** 2)
        with MemoryStore(tmp_path / "m.db", clock=ticking(), counter=breaks) as memory:
            for number in range(9):
                memory.remember(f"Redis note {number}", modality="decision")
            assert memory.context("Redis note", budget=30).count("Redis note") == 3
            assert {r.status for r in memory.recall("Redis note")} == {Status.LIVE}


def test_a_turn_of_dots_beside_an_answer_is_read_once(memory: MemoryStore) -> None:
    """A sentence used to be looked for from every one of them: a hundred thousand dots took half an hour."""
    for number, text in enumerate(("We have a plan. Which cache do we use? " + "." * 100_000 + "x", "Yes, that one.")):
        turn = memory.record(text, role="user", session="s", ref=str(number))
        memory.remember(text[:15].strip(), modality="decision", source=turn)
    (answer, *_) = [r for r in memory.recall("Yes, that one.") if r.text.startswith("Yes")]
    assert answer.beside is not None
    assert answer.beside.text == "Which cache do we use?"
