"""Posting lists say what the full-text table said, however often they were gathered, split and thinned out."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memstore import MemoryStore
from memstore.index import lexical, lists
from memstore.index.arrays import ARRAYS
from memstore.index.columns import LISTS, Engine
from memstore.index.kept import Kept, kept
from memstore.index.places import STATEMENT_BITS, TURN_BITS

NOW = datetime(2026, 3, 18, tzinfo=UTC)
ENGINES = (LISTS, ARRAYS)
WORDS = ("apples", "running", "Zürich", "don't", "x_y", "cache")
QUERIES = ("Where are the apples?", "who runs in Zürich", "x_y cache", "what don't we run?")


def fill(path: Path, sessions: int = 3) -> MemoryStore:
    memory = MemoryStore(path, clock=lambda: NOW)
    for number in range(90):
        said = " ".join(word for place, word in enumerate(WORDS) if number % (place + 2) == 0)
        memory.record(
            f"Statement {number} has {said}. It is number {number}.",
            role="user",
            session=f"s{number % sessions}",
            at=NOW - timedelta(days=90 - number),
        )
    memory.capture()
    return memory


def answers(memory: MemoryStore) -> list[list[tuple[str, float]]]:
    return [[(r.text, r.score) for r in memory.recall(query, k=8, now=NOW)] for query in QUERIES]


@pytest.fixture
def often(monkeypatch) -> None:
    """Gather after every dozen facts, into rows of seven places."""
    monkeypatch.setattr(lists, "_WAITING", 12)
    monkeypatch.setattr(lists, "_ROW", 7)
    monkeypatch.setattr(lexical, "_ASKED_EVERY", 1)


class TestGathering:
    def test_answers_do_not_depend_on_what_was_gathered(self, tmp_path: Path, often: None, monkeypatch) -> None:
        with fill(tmp_path / "gathered.db") as gathered:
            db = gathered.ledger.connection
            assert db.execute("SELECT count(*) FROM lists").fetchone()[0] > len(WORDS)
            told = answers(gathered)
            assert gathered.verify() == []
            gathered.rebuild()
            assert answers(gathered) == told
        monkeypatch.setattr(lists, "_WAITING", 10_000)
        with fill(tmp_path / "waiting.db") as waiting:
            assert waiting.ledger.connection.execute("SELECT count(*) FROM lists").fetchone()[0] == 0
            assert answers(waiting) == told

    @pytest.mark.parametrize("most", [0, 1, 11, 12, 30, 1000])
    def test_rare_words_have_the_places_that_all_words_have(self, tmp_path: Path, often: None, most: int) -> None:
        words = ["apples", "zürich", "x_y", "cache", "running", "number", "17", "nothing"]
        with fill(tmp_path / "m.db") as memory, memory.ledger.reading() as db:
            every = [sorted(one) for one in lexical.postings(db, kept(db), words)]
            rare = [sorted(one) for one in lexical.rare(db, words, most)]
        assert rare == [one for one in every if len(one) <= most]

    def test_words_with_one_stem_have_the_same_places_asked_together_or_alone(
        self, tmp_path: Path, often: None
    ) -> None:
        words = ["apple", "apples", "running", "runs"]
        with fill(tmp_path / "a.db") as memory, memory.ledger.reading() as db:
            alone = [list(lexical.postings(db, Kept(""), [word])[0]) for word in words]
            assert [list(one) for one in lexical.postings(db, Kept(""), words)] == alone
            assert alone[0] == alone[1] != []

    def test_forgotten_words_leave_the_lists(self, tmp_path: Path, often: None) -> None:
        with fill(tmp_path / "m.db") as memory:
            memory.forget([fact for fact in memory.facts() if "apples" in fact.text], reason="asked to")
            db = memory.ledger.connection
            assert list(lexical.postings(db, kept(db), ["apples"])[0]) == []
            assert db.execute("SELECT count(*) FROM lists WHERE word = 'appl'").fetchone()[0] == 0
            assert memory.verify() == []

    @pytest.mark.parametrize("damage", [
        "UPDATE lists SET places = x'00'",
        "UPDATE lists SET places = zeroblob(800)",
        "UPDATE lists SET first = first + 5, turns = 9000, sessions = 0",
        "DELETE FROM lists WHERE length(word) % 2 = 0",
        "DROP TABLE lists",
    ])  # fmt: skip
    def test_damage_costs_recall_never_truth_and_rebuild_mends_all(
        self, tmp_path: Path, often: None, damage: str
    ) -> None:
        with fill(tmp_path / "m.db") as memory:
            told = answers(memory)
            held = {fact.text for fact in memory.facts()}
            memory.ledger.connection.execute(damage)
            assert {text for answer in answers(memory) for text, _ in answer} <= held
            memory.rebuild()
            assert answers(memory) == told

    def test_a_list_that_lost_places_is_a_problem_that_verify_names(self, tmp_path: Path, often: None) -> None:
        with fill(tmp_path / "m.db") as memory:
            memory.ledger.connection.execute("DELETE FROM lists WHERE word = ''")
            assert [problem.record for problem in memory.verify()] == ["words"]


PLACES = st.lists(
    st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(0, 3)).map(
        lambda place: (place[0] << TURN_BITS | place[1]) << STATEMENT_BITS | place[2]
    ),
    unique=True,
    max_size=60,
)


class _Transaction:
    def __init__(self) -> None:
        self.db = sqlite3.connect(":memory:")
        self.execute = self.db.execute
        self.db.execute(lists.CREATE[0])


@settings(max_examples=60, deadline=None)
@given(
    written=st.lists(PLACES.filter(bool), max_size=4),
    new=PLACES,
    row=st.integers(1, 9),
    engine=st.sampled_from(ENGINES),
)
def test_a_list_is_the_set_of_places_written_to_it(
    written: list[list[int]], new: list[int], row: int, engine: Engine
) -> None:
    tx = _Transaction()
    whole, lists._ROW = lists._ROW, row
    try:
        for places in written:
            lists._insert(tx, "word", sorted(places))  # type: ignore[arg-type]
    finally:
        lists._ROW = whole
    held = lists.read(tx.db, "word", engine).with_new(sorted(new))
    expected = sorted({*new, *(place for places in written for place in places)})
    turns = {place >> STATEMENT_BITS for place in expected}
    assert list(held) == expected
    assert (len(held), held.turns) == (len(expected), len(turns))
    assert held.sessions == len({turn >> TURN_BITS for turn in turns})
    assert list(held.each_turn()) == sorted(turns)
    sessions = engine.distinct(engine.column([1, 3, 4]))
    hits = engine.hits([held.places], sessions, lists.SESSION_BITS, STATEMENT_BITS)
    assert hits.of(sorted(turns)) == [(0, at) for at in expected if at >> lists.SESSION_BITS in (1, 3, 4)]
    assert hits.by_group().tolist() == [sum(turn >> TURN_BITS == one for turn in turns) for one in (1, 3, 4)]
