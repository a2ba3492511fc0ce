"""What ranking computes for all candidates at once, on columns and packed lists, is what its definition says.

The definition is written out here for one turn at a time, over the statements themselves: BM25 of the turn, with the
turn before it, with two on either side, and of its session.
"""

from __future__ import annotations

import random
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from memstore import MemoryStore
from memstore.index import columns, lexical, lists
from memstore.index.arrays import ARRAYS
from memstore.index.columns import LISTS, Engine
from memstore.index.places import TURN_BITS, Mark
from memstore.recall import evidence, weights
from memstore.recall.understanding import Query, read

NOW = datetime(2026, 3, 18, tzinfo=UTC)
WORDS = "harbour lantern orchid velvet copper meadow puzzle walnut cinder ribbon saddle turnip 2024 9".split()
QUERIES = ("Where is the copper lantern?", "orchid, walnut and ribbon", "a summary of meadow 9 so far", "saddle")


def fill(path: Path, seed: int) -> MemoryStore:
    """Talks whose words are drawn so that some are rare; with a hundred gathered places and more that wait."""
    memory, rng = MemoryStore(path, clock=lambda: NOW), random.Random(seed)
    with memory.transaction():
        for number in range(70):
            said = [
                f"{' '.join(rng.choices(WORDS, weights=range(1, len(WORDS) + 1), k=rng.randint(2, 9)))}."
                for _ in range(rng.randint(1, 3))
            ]
            event = memory.record(
                " ".join(said),
                role=rng.choice(["user", "user", "assistant"]),
                session=f"s{number // 9 if number < 60 else number}",
                at=NOW - timedelta(hours=90 - number),
            )
            for sentence in said:
                memory.remember(sentence, modality="observation", source=event, origin=event.origin, ttl=None)
    return memory


def bm25(idf: float, count: int, words: float, mean: float) -> float:
    k, b = evidence.K1, evidence.B
    return 0.1 * (k + 1) * idf * count / (count + k * (1 - b + b * words / mean)) if count else 0.0


def statements(memory: MemoryStore) -> dict[int, list[set[str]]]:
    """{turn: the stems of each of its statements}."""
    db = memory.ledger.connection
    found = db.execute("SELECT s.place, f.text FROM statements s JOIN facts f ON f.pk = s.fact").fetchall()
    held: dict[int, list[set[str]]] = {}
    for (place, _), said in zip(found, lists.stems(db, [text for _, text in found]), strict=True):
        held.setdefault(place >> lists.STATEMENT_BITS, []).append(set(said))
    return held


def naive(memory: MemoryStore, held: dict[int, list[set[str]]], query: Query) -> dict[int, dict[str, float]]:
    """{turn: its lexical numbers}, from every statement there is."""
    db = memory.ledger.connection
    turns = dict(db.execute("SELECT turn, words FROM turns"))
    stems = dict(zip(query.words, lists.stems(db, query.words), strict=True))
    mean = sum(turns.values()) / len(turns)
    sessions = {turn >> TURN_BITS for turn in turns}
    every = db.execute("SELECT max(pk) FROM sessions").fetchone()[0]
    found = {}
    for turn, words in turns.items():
        of_session = [one for one in turns if one >> TURN_BITS == turn >> TURN_BITS]
        number = dict.fromkeys(("turn", "pair", "around", "session", "cover", "cover_pair"), 0.0)
        possible = 0.0
        for word in query.words:
            if len(stems[word]) != 1:
                continue

            def count(one: int, stem: str = stems[word][0]) -> int:
                return sum(stem in statement for statement in held.get(one, ()))

            holders = [one for one in turns if count(one)]
            if not holders:
                continue
            idf = evidence.rarity(len(holders), len(turns))
            possible += idf
            own, before = count(turn), count(turn - 1)
            around = sum(count(turn + step) for step in range(-2, 3))
            spoken = sum(bool(count(one)) for one in of_session)
            number["turn"] += bm25(idf, own, words, mean)
            number["pair"] += bm25(idf, own + before, (words + turns.get(turn - 1, 0)) / 2, mean)
            number["around"] += bm25(idf, around, sum(turns.get(turn + step, 0) for step in range(-2, 3)) / 5, mean)
            number["session"] += bm25(
                evidence.rarity(len({one >> TURN_BITS for one in holders}), every),
                spoken,
                sum(turns[one] for one in of_session),
                sum(turns.values()) / len(sessions),
            )
            number["cover"] += idf * bool(own)
            number["cover_pair"] += idf * bool(own + before)
        number["cover"] /= possible or 1
        number["cover_pair"] /= possible or 1
        found[turn] = number
    return found


def in_chats(memory: MemoryStore) -> dict[int, bool]:
    """{turn: whether it, the one before or the one after is somebody's whose words are not a user's own}."""
    marks = dict(memory.ledger.connection.execute("SELECT turn, marks FROM turns"))
    return {turn: any(not marks.get(one, Mark.OWN) & Mark.OWN for one in range(turn - 1, turn + 2)) for turn in marks}


@pytest.mark.parametrize("engine", [LISTS, ARRAYS])
@pytest.mark.parametrize("seed", [1, 2])
def test_scores_are_what_their_definition_says(tmp_path: Path, monkeypatch, engine: Engine, seed: int) -> None:
    seen: dict[str, tuple[evidence.Field, list[tuple[float, int]]]] = {}
    scores = evidence.Field.scores

    def listen(self, *given):
        seen["last"] = (self, scores(self, *given))
        return seen["last"][1]

    monkeypatch.setattr(evidence.Field, "scores", listen)
    monkeypatch.setattr(columns, "engine", lambda: engine)
    monkeypatch.setattr(lists, "_WAITING", 100)
    monkeypatch.setattr(lists, "_ROW", 7)
    monkeypatch.setattr(lexical, "_ASKED_EVERY", 16)
    with fill(tmp_path / "m.db", seed) as memory:
        held = statements(memory)
        for text in QUERIES:
            query = read(text, NOW)
            expected = naive(memory, held, query)
            chats = in_chats(memory)
            assert memory.recall(text, k=12, now=NOW)
            field, scored = seen["last"]
            assert len(scored) > 30
            for score, turn in scored:
                numbers = field.numbers(turn)
                lexical_numbers = {name: numbers[name] for name in expected[turn]}
                assert lexical_numbers == pytest.approx(expected[turn], abs=1e-9), (text, turn)
                of = weights.EXACT.of[chats[turn]]
                assert score == pytest.approx(sum(value * of[name] for name, value in numbers.items()), abs=2e-6)
            assert scored == sorted(scored, key=lambda one: (-one[0], one[1]))


def test_both_engines_give_the_same_answers(tmp_path: Path, monkeypatch) -> None:
    with fill(tmp_path / "m.db", 7) as memory:
        answers = []
        for engine in (LISTS, ARRAYS):
            monkeypatch.setattr(columns, "engine", lambda engine=engine: engine)
            answers.append([memory.recall(text, k=20, now=NOW) for text in QUERIES])
        assert answers[0] == answers[1]


class TestWhatIsKept:
    def test_answers_follow_what_other_connections_write_and_forget(self, tmp_path: Path) -> None:
        path = tmp_path / "m.db"
        with fill(path, 5) as asked, MemoryStore(path, clock=lambda: NOW) as other:
            question = "Where is the copper lantern?"
            asked.recall(question, now=NOW)
            for number in range(3):
                text = f"Copper lantern number {number} hangs low."
                other.remember(text, modality="observation", session=f"s{number}", at=NOW)
                with MemoryStore(path, clock=lambda: NOW) as fresh:
                    told = asked.recall(question, k=40, now=NOW)
                    assert told == fresh.recall(question, k=40, now=NOW)
                    assert any(f"number {number}" in r.text for r in told)
            other.forget([fact for fact in other.facts() if "lantern" in fact.text.lower()], reason="asked to")
            with MemoryStore(path, clock=lambda: NOW) as fresh:
                told = asked.recall(question, k=12, now=NOW)
                assert told == fresh.recall(question, k=12, now=NOW)
                assert not any("lantern" in r.text.lower() for r in told)

    def test_what_was_undone_does_not_stay(self, tmp_path: Path) -> None:
        with fill(tmp_path / "m.db", 5) as memory:
            question = "Where is the copper zebra?"
            before = memory.recall(question, k=12, now=NOW)
            with suppress(ZeroDivisionError), memory.transaction():
                memory.remember("The copper zebra is in the meadow.", modality="observation", at=NOW)
                assert "zebra" in memory.recall(question, now=NOW)[0].text
                1 / 0  # noqa: B018
            memory.remember("Nothing of that kind.", modality="observation", at=NOW)
            assert [r.fact_id for r in memory.recall(question, k=12, now=NOW)] == [r.fact_id for r in before]
