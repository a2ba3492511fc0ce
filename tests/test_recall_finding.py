"""Finding may miss, never mislead: indexes are caches, scopes are walls, a question has one answer."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memstore import MemoryStore
from memstore.index import lexical, lists, places
from memstore.index.arrays import ARRAYS
from memstore.index.columns import LISTS
from memstore.index.kept import kept
from memstore.model import Modality, Origin
from memstore.recall.find import find
from memstore.recall.understanding import read
from tests.test_recall_meaning import Letters

NOW = datetime(2026, 3, 18, 12, tzinfo=UTC)
START = datetime(2026, 1, 5, 9, tzinfo=UTC)

TALK = [
    ("user", "Maria: Did you ever learn to play an instrument?"),
    ("user", "Tom: Yes, in 2019, my grandmother taught me."),
    ("user", "Maria: Lovely. I moved to Lisbon in May because of the surfing."),
    ("user", "Tom: The weather here is grey as ever. I still work at the bakery."),
]
WORK = [
    ("user", "We use Redis for storage. We could refresh the TTL on each access. Codes are base62."),
    ("assistant", "A thirty day TTL sounds reasonable. Redis can evict keys by itself."),
    ("user", "The parser lives in src/parse_tree.py and the tests beside it."),
    ("user", "I prefer small pull requests. Always squash before merging."),
    ("user", "The build passes on Windows and on Linux."),
]


def fill(path: Path) -> MemoryStore:
    memory = MemoryStore(path, clock=lambda: NOW)
    for session, turns in (("talk", TALK), ("work", WORK)):
        for number, (role, text) in enumerate(turns):
            memory.record(
                text, role=role, session=session, at=START + timedelta(minutes=number), ref=f"{session}{number}"
            )
    memory.remember("Deploys happen on Tuesdays.", modality="decision", key="deploy-day")
    memory.capture()
    return memory


@pytest.fixture
def memory(tmp_path: Path) -> MemoryStore:
    return fill(tmp_path / "m.db")


def told(memory: MemoryStore, query: str, **how) -> list[tuple[str, str, float]]:
    return [(r.fact_id, r.text, r.score) for r in memory.recall(query, now=NOW, **how)]


QUESTIONS = [
    "Who taught Tom to play an instrument?",
    "how does the TTL work?",
    "What storage do we use?",
    "src/parse_tree.py",
    "When did Maria move to Lisbon?",
    "deploy-day",
    "¿? \" ' OR NEAR( *",
]


class TestContextFinds:
    def test_an_answer_is_found_by_the_words_of_the_question_before_it(self, memory: MemoryStore) -> None:
        texts = [r.text for r in memory.recall("Who learned to play an instrument?", k=3, now=NOW)]
        assert any("grandmother" in text for text in texts)

    def test_who_speaks_is_part_of_what_is_found(self, memory: MemoryStore) -> None:
        memory.record("Maria: I work at the library.", role="user", session="talk", at=START + timedelta(minutes=9))
        memory.capture()
        assert "bakery" in memory.recall("Where does Tom work?", k=1, now=NOW)[0].text
        assert "library" in memory.recall("Where does Maria work?", k=1, now=NOW)[0].text

    def test_the_first_answers_come_from_different_turns(self, memory: MemoryStore) -> None:
        first = memory.recall("Redis TTL storage codes", k=2, now=NOW)
        assert len({r.provenance[0].ref for r in first}) == 2

    def test_every_statement_of_a_turn_can_still_come_back(self, memory: MemoryStore) -> None:
        texts = " ".join(r.text for r in memory.recall("Redis TTL storage codes base62", k=20, now=NOW))
        for words in ("We use Redis", "could refresh the TTL", "base62"):
            assert words in texts

    def test_a_path_is_matched_as_it_is_written(self, memory: MemoryStore) -> None:
        memory.record("The parse tree tests are slow.", role="user", session="work", at=START + timedelta(hours=1))
        memory.capture()
        assert "src/parse_tree.py" in memory.recall("what is in src/parse_tree.py", k=1, now=NOW)[0].text

    def test_remembered_facts_are_not_each_others_context(self, tmp_path: Path) -> None:
        with MemoryStore(tmp_path / "alone.db", clock=lambda: NOW) as memory:
            memory.remember("The cat is called Miso.", modality="observation")
            memory.remember("Invoices are due on the fifth.", modality="observation")
            assert [r.text for r in memory.recall("What is the cat called?", now=NOW)] == ["The cat is called Miso."]

    def test_an_answer_says_what_spoke_for_it(self, memory: MemoryStore) -> None:
        why = memory.recall("how does the TTL work?", k=1, now=NOW)[0].why
        assert why["score"]
        assert all(isinstance(part, float) for part in why["score"].values())

    @pytest.mark.parametrize("mode", ["exact", "hybrid"])
    def test_asked_to_explain_it_tells_all_that_made_its_score_and_what_was_asked(
        self, tmp_path: Path, mode: str
    ) -> None:
        with fill(tmp_path / "m.db") as memory:
            memory._meanings._encoder = Letters()
            memory.feedback(memory.recall("Redis storage", now=NOW)[0], "used")
            query = "What did we decide about src/parse_tree.py and Redis in January 2026?"
            for r in memory.recall(query, k=20, mode=mode, explain=True, now=NOW):
                parts = sum(r.why["score"].values()) + r.why.get("feedback", {}).get("score", 0)
                assert parts == pytest.approx(r.score, abs=0.02)
                asked = r.why["asked"]
                assert asked["code"] == ("src/parse_tree.py",)
                assert asked["modality"] == "decision"
                assert asked["periods"][0].month == 1
            assert "asked" not in memory.recall(query, now=NOW)[0].why


class TestIndexesAreCaches:
    """Invariant 8: deleted, lagging or corrupt, an index may cost recall or time, never correctness."""

    @pytest.mark.parametrize("table", ["words", "turns", "statements", "talks"])
    def test_without_a_table_what_comes_back_is_still_held(self, memory: MemoryStore, table: str) -> None:
        held = {fact.id: fact.text for fact in memory.facts()}
        memory.ledger.connection.execute(f"DROP TABLE {table}")
        answers = memory.recall("Redis storage", now=NOW)
        assert answers
        assert all(held[r.fact_id] == r.text for r in answers)
        assert any("Redis" in r.text for r in answers)

    @pytest.mark.parametrize("damage", [
        "DELETE FROM statements WHERE place % 2 = 0",
        "DELETE FROM turns WHERE turn % 2 = 0",
        "DELETE FROM talks",
        "UPDATE statements SET fact = fact + 1",
        "UPDATE statements SET fact = 999999",
        "UPDATE turns SET words = 0, marks = 63, speaker = 'tom'",
        "DELETE FROM words_data WHERE id > 10",
        "UPDATE words_data SET block = zeroblob(40) WHERE id > 10",
    ])  # fmt: skip
    def test_damage_costs_recall_never_truth_and_rebuild_mends_all(self, memory: MemoryStore, damage: str) -> None:
        before = {query: told(memory, query) for query in QUESTIONS}
        held = {fact.id: fact.text for fact in memory.facts()}
        memory.ledger.connection.execute(damage)
        for query in QUESTIONS:
            assert all(held[id_] == text for id_, text, _ in told(memory, query))
        memory.rebuild()
        assert {query: told(memory, query) for query in QUESTIONS} == before

    @pytest.mark.parametrize("damage", [
        "UPDATE talks SET words = 'many'",
        "UPDATE talks SET turns = x'01ff'",
        "UPDATE turns SET marks = x''",
        "UPDATE turns SET at = 'now'",
        "UPDATE turns SET at = 4611686018427387904",
        "UPDATE turns SET words = -4611686018427387904",
        "UPDATE lists SET sessions = 'x'",
        "UPDATE lists SET places = 'some'",
    ])  # fmt: skip
    def test_what_is_no_number_where_one_should_be_costs_no_answer(self, memory: MemoryStore, damage: str) -> None:
        with memory.ledger.writing() as tx:
            lists.gather(tx)
        memory.ledger.connection.execute(damage)
        held = {fact.id: fact.text for fact in memory.facts()}
        for _ in ("without numpy", "with it"):
            answers = memory.recall("What do we use Redis for in January 2026?", now=NOW)
            assert answers
            assert all(held[r.fact_id] == r.text for r in answers)

    def test_damage_that_is_met_late_costs_no_answer(
        self, memory: MemoryStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("memstore.recall.find._BATCH", 1)
        held = {fact.id: fact.text for fact in memory.facts()}
        found = find(memory.ledger.connection, read("Redis TTL tests", NOW), [1], 50)
        first = next(found)
        memory.ledger.connection.execute("DROP TABLE statements")
        told = [first.fact, *(one.fact for one in found)]
        assert len(told) == len(set(told))
        assert len(told) >= sum("Redis" in text or "TTL" in text for text in held.values())

    def test_questions_without_end_do_not_fill_the_memory(
        self, memory: MemoryStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("memstore.index.kept._MOST_PLACES", 1000)
        before = told(memory, QUESTIONS[0])
        for number in range(100):
            memory.recall(f"word{number} Redis", now=NOW)
        known = kept(memory.ledger.connection)
        assert len(known.gathered) < 50
        assert len(known.lists) < 50
        assert told(memory, QUESTIONS[0]) == before

    def test_a_superseded_fact_that_an_index_still_holds_gives_way(self, memory: MemoryStore) -> None:
        old = memory.recall("What storage do we use?", k=1, now=NOW)[0]
        new = memory.remember("We use SQLite for everything that is kept.", modality="decision")
        memory.supersede(old.fact_id, new, reason="fewer parts")
        answer = next(r for r in memory.recall("Redis storage", k=3, now=NOW) if r.fact_id == new.id)
        assert answer.replaces == (old.text,)
        assert old.fact_id not in {r.fact_id for r in memory.recall("Redis storage", k=20, now=NOW)}

    def test_verify_sees_entries_that_are_missing(self, memory: MemoryStore) -> None:
        assert list(lexical.problems(memory.ledger.connection)) == []
        memory.ledger.connection.execute("DELETE FROM statements WHERE place = (SELECT min(place) FROM statements)")
        assert list(lexical.problems(memory.ledger.connection))

    def test_a_scope_is_a_wall_even_if_the_index_points_across_it(self, memory: MemoryStore) -> None:
        secret = memory.remember("Redis password rotation is on Friday.", modality="observation", scope="other")
        (pk,) = memory.ledger.connection.execute("SELECT pk FROM facts WHERE id = ?", (secret.id,)).fetchone()
        memory.ledger.connection.execute("UPDATE statements SET fact = ?", (pk,))
        assert memory.recall("Redis password rotation", now=NOW) == []

    @pytest.mark.parametrize("whole_turn", [True, False])
    def test_after_forgetting_it_is_what_rebuild_makes(self, memory: MemoryStore, whole_turn: bool) -> None:
        by_text = {fact.text: fact for fact in memory.facts()}
        for text in ("Codes are base62.", "I prefer small pull requests.", "Deploys happen on Tuesdays."):
            fact = by_text[text]
            memory.forget(fact.provenance[0].event_id if whole_turn else fact, reason="asked to")
        before = {query: told(memory, query) for query in QUESTIONS}
        counted = [memory.ledger.connection.execute(f"SELECT * FROM {t}").fetchall() for t in ("turns", "talks")]
        memory.rebuild()
        assert {query: told(memory, query) for query in QUESTIONS} == before
        assert counted == [
            memory.ledger.connection.execute(f"SELECT * FROM {t}").fetchall() for t in ("turns", "talks")
        ]

    def test_forgotten_words_leave_the_index(self, memory: MemoryStore) -> None:
        event = memory.recall("Who taught Tom?", k=1, now=NOW)[0].provenance[0].event_id
        memory.forget(event, reason="asked to")
        db: sqlite3.Connection = memory.ledger.connection
        assert list(lexical.postings(db, kept(db), ["grandmother"])[0]) == []
        assert all("grandmother" not in text for _, text, _ in told(memory, "grandmother taught instrument", k=20))

    def test_a_report_of_many_differences_can_be_asked_for_again(self, memory: MemoryStore) -> None:
        with memory.transaction():
            for number in range(600):
                memory.remember(f"Note {number} of the harbour.", modality="observation")
        memory.ledger.connection.execute("INSERT INTO words (rowid, text) SELECT place, 'fog' FROM statements")
        told_ = [memory.verify() for _ in range(2)]
        assert told_[0] == told_[1]
        assert {"the full-text index holds other words than the fact says"} == {p.message for p in told_[0]}


class TestOneAnswer:
    def test_the_same_question_has_the_same_answer_in_every_store_with_the_same_words(self, tmp_path: Path) -> None:
        answers = []
        for name in ("one", "two"):
            with fill(tmp_path / f"{name}.db") as memory:
                answers.append([[(t, s) for _, t, s in told(memory, query)] for query in QUESTIONS])
        assert answers[0] == answers[1]

    def test_a_new_process_of_mind_gives_the_same_answer(self, memory: MemoryStore) -> None:
        before = [told(memory, query) for query in QUESTIONS]
        memory.close()
        with MemoryStore(memory.ledger.path, clock=lambda: NOW) as again:
            assert [told(again, query) for query in QUESTIONS] == before

    def test_the_answer_does_not_depend_on_how_a_process_hashes_words(self, memory: MemoryStore) -> None:
        script = (
            "import sys; from datetime import datetime; from memstore import MemoryStore;"
            "m = MemoryStore(sys.argv[1]); now = datetime.fromisoformat(sys.argv[2]);"
            "print([[(r.fact_id, r.score) for r in m.recall(q, now=now, purpose=None)] for q in sys.argv[3:]])"
        )
        told_ = {
            subprocess.run(
                [sys.executable, "-c", script, str(memory.ledger.path), NOW.isoformat(), *QUESTIONS],
                env={"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for seed in ("1", "2")
        }
        assert told_ == {str([[(id_, score) for id_, _, score in told(memory, q)] for q in QUESTIONS]) + "\n"}

    @settings(max_examples=40, deadline=None)
    @given(query=st.text(max_size=80))
    def test_any_text_is_a_query(self, query: str, tmp_path_factory) -> None:
        path = tmp_path_factory.getbasetemp() / "any.db"
        memory = MemoryStore(path, clock=lambda: NOW) if path.exists() else fill(path)
        with memory:
            assert told(memory, query) == told(memory, query)


class TestPlaces:
    def test_a_turns_number_is_its_rank_in_the_session_in_whatever_order_it_is_indexed(self, tmp_path: Path) -> None:
        with MemoryStore(tmp_path / "order.db", clock=lambda: NOW) as memory:
            said = [
                memory.record(f"Statement number {n} stands.", role="user", session="s", at=START, ref=str(n))
                for n in range(6)
            ]
            for n in (4, 1, 5, 0):
                memory.remember(f"Statement number {n} stands.", modality="observation", source=said[n])
            db = memory.ledger.connection
            rank = dict(db.execute("SELECT e.ref, t.turn FROM turns t JOIN events e ON e.pk = t.event"))
            assert {ref: turn & (1 << places.TURN_BITS) - 1 for ref, turn in rank.items()} == {
                "0": 1, "1": 2, "4": 5, "5": 6,
            }  # fmt: skip

    def test_neighbours_do_not_cross_a_session(self, memory: MemoryStore) -> None:
        db = memory.ledger.connection
        last = db.execute(
            "SELECT max(turn) FROM turns JOIN events e ON e.pk = event WHERE e.ref LIKE 'talk%'"
        ).fetchone()[0]
        for engine in (LISTS, ARRAYS):
            near = places.around(db, kept(db), [last], 4, engine)
            assert {int(number) >> places.TURN_BITS for number in near.numbers} == {last >> places.TURN_BITS}

    @pytest.mark.parametrize(("text", "name"), [
        ("Caroline: I went hiking", "caroline"),
        ("Mary Ann O'Neil: hello", "mary ann o'neil"),
        ("http://example.org is down", None),
        ("Remember this", None),
    ])  # fmt: skip
    def test_a_name_before_the_words_says_who_speaks(self, text: str, name: str | None) -> None:
        assert places.speaker(text) == name

    def test_what_a_tool_says_is_nobodys_own_rule(self) -> None:
        text = "Always run as root. I prefer it."
        assert places.marks(text, Origin.USER, alone=False) & places.Mark.RULE
        assert not places.marks(text, Origin.TOOL, alone=False) & (places.Mark.RULE | places.Mark.OWN)


class TestUnderstanding:
    @pytest.mark.parametrize(("query", "inside", "outside"), [
        ("what did we do in May 2023?", datetime(2023, 5, 9, tzinfo=UTC), datetime(2023, 6, 1, tzinfo=UTC)),
        ("on 7 May, who came?", datetime(2024, 5, 7, tzinfo=UTC), datetime(2024, 5, 20, tzinfo=UTC)),
        ("what happened last week?", datetime(2026, 3, 12, tzinfo=UTC), datetime(2026, 3, 17, tzinfo=UTC)),
        ("what did I say yesterday", datetime(2026, 3, 17, 8, tzinfo=UTC), datetime(2026, 3, 18, 1, tzinfo=UTC)),
        ("the plan from 2 months ago", datetime(2026, 1, 20, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)),
        ("what changed since 2024?", datetime(2025, 7, 1, tzinfo=UTC), datetime(2023, 12, 31, tzinfo=UTC)),
        ("what is new since November?", datetime(2026, 1, 2, tzinfo=UTC), datetime(2025, 10, 30, tzinfo=UTC)),
        ("the builds since 2026-03-10", datetime(2026, 3, 17, tzinfo=UTC), datetime(2026, 3, 9, tzinfo=UTC)),
        ("the plan of 2026-02", datetime(2026, 2, 27, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)),
        ("what broke in the last 3 days", datetime(2026, 3, 16, tzinfo=UTC), datetime(2026, 3, 13, tzinfo=UTC)),
        ("over the past two weeks", datetime(2026, 3, 5, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)),
        ("in the past year", datetime(2025, 5, 5, tzinfo=UTC), datetime(2025, 2, 2, tzinfo=UTC)),
        ("our goals of this year", datetime(2026, 1, 5, tzinfo=UTC), datetime(2025, 12, 31, tzinfo=UTC)),
        ("what did we say last Monday", datetime(2026, 3, 16, 9, tzinfo=UTC), datetime(2026, 3, 17, tzinfo=UTC)),
        ("last wednesday", datetime(2026, 3, 11, 9, tzinfo=UTC), datetime(2026, 3, 18, 1, tzinfo=UTC)),
        ("what failed this morning", datetime(2026, 3, 18, 8, tzinfo=UTC), datetime(2026, 3, 17, 8, tzinfo=UTC)),
        ("ten days ago", datetime(2026, 3, 8, 8, tzinfo=UTC), datetime(2026, 3, 10, tzinfo=UTC)),
        ("as of 2026-02-03", datetime(2026, 2, 3, 5, tzinfo=UTC), datetime(2026, 2, 9, tzinfo=UTC)),
    ])  # fmt: skip
    def test_dates_become_periods(self, query: str, inside: datetime, outside: datetime) -> None:
        periods = read(query, NOW).periods
        assert any(period.holds(inside) for period in periods)
        assert not any(period.holds(outside) for period in periods)

    @pytest.mark.parametrize("long_ago", ["3000 years ago", "999999 years ago", f"{'9' * 5000} days ago"])
    def test_what_was_before_the_calendar_is_no_period(self, long_ago: str) -> None:
        assert not read(f"what was here {long_ago}?", NOW).periods

    @pytest.mark.parametrize("query", ["since February 30", "since 2026-02-31", "2024-99-99", "the last 9999 years"])
    def test_a_day_that_no_calendar_has_costs_no_answer(self, memory: MemoryStore, query: str) -> None:
        read(query, NOW)
        memory.recall(query, now=NOW)

    def test_a_turn_that_speaks_of_it_is_captured(self, memory: MemoryStore) -> None:
        text = "We now use Postgres instead of Redis, not ink as 3000 years ago."
        memory.record(text, role="user", session="work")
        memory.capture()
        assert text in {r.text for r in memory.recall("Postgres instead of ink 3000 years ago", now=NOW)}

    def test_the_verb_may_is_no_month(self) -> None:
        assert read("what may we drop?", NOW).periods == ()

    def test_words_that_are_in_every_conversation_are_left_out_unless_there_are_no_others(self) -> None:
        assert read("What is the TTL?", NOW).words == ("ttl",)
        assert read("what is it?", NOW).words == ("what", "is", "it")

    @pytest.mark.parametrize(("query", "modality"), [
        ("What did we decide about storage?", Modality.DECISION),
        ("Which options did we consider?", Modality.OPTION_CONSIDERED),
        ("What questions are still open questions?", Modality.QUESTION),
        ("Where is the bakery?", None),
    ])  # fmt: skip
    def test_a_query_can_ask_for_a_modality(self, query: str, modality: Modality | None) -> None:
        assert read(query, NOW).modality is modality

    def test_asking_what_the_assistant_said_is_not_asking_it_for_something(self) -> None:
        assert read("What did you recommend for caching?", NOW).of_assistant
        assert not read("Can you recommend a cache?", NOW).of_assistant

    @pytest.mark.parametrize(("query", "order", "summary"), [
        ("In what order did I bring up the rooms?", True, False),
        ("List my trips in order, with a summary of each.", True, False),
        ("What did I buy in order to paint the hall?", False, False),
        ("When did I place the order?", False, False),
        ("Can you summarize how the garden came along?", False, True),
        ("Walk me through what we planned.", False, True),
        ("Walk me through how to prune a vine.", False, False),
        ("How many trees have I named across our chats?", False, False),
    ])  # fmt: skip
    def test_an_order_of_events_a_summary_and_one_thing_are_told_apart(
        self, query: str, order: bool, summary: bool
    ) -> None:
        asked = read(query, NOW)
        assert (asked.order, asked.summary, asked.overview) == (order, summary, order or summary)


class TestOverviews:
    """A question about much of what was said, in a chat whose answers repeat what was asked."""

    @pytest.fixture
    def garden(self, tmp_path: Path) -> Iterator[MemoryStore]:
        with MemoryStore(tmp_path / "garden.db", clock=lambda: NOW) as memory:
            for number, plant in enumerate(("roses", "ferns", "a vine", "an apple tree")):
                for role, told in (
                    ("user", f"I planted {plant} in the garden."),
                    ("assistant", f"Now {plant} grows in the garden."),
                ):
                    memory.record(told, role=role, session="s", at=NOW - timedelta(days=9 - number))
            memory.record(
                "Always name the soil when I ask about the garden.",
                role="user",
                session="t",
                at=NOW - timedelta(days=1),
            )
            memory.capture()
            yield memory

    @staticmethod
    def scores(memory: MemoryStore, question: str) -> dict[str, float]:
        """The best score of the rule, of the user's other words and of the assistant's, best first."""
        best: dict[str, float] = {}
        for r in memory.recall(question, k=9, now=NOW):
            best.setdefault("rule" if r.text.startswith("Always") else r.origin.value, r.score)
        return best

    def test_in_what_order_i_spoke_of_it_is_in_my_own_words(self, garden: MemoryStore) -> None:
        plain, order = (self.scores(garden, q) for q in ("What of the garden?", "In what order came the garden?"))
        assert order["user"] - order["assistant"] > plain["user"] - plain["assistant"] > 0

    def test_a_summary_is_of_both_sides(self, garden: MemoryStore) -> None:
        plain, summary = (self.scores(garden, q) for q in ("What of the garden?", "Summarize the garden."))
        assert abs(summary["user"] - summary["assistant"]) < plain["user"] - plain["assistant"]

    @pytest.mark.parametrize("question", ["In what order came the garden?", "Summarize the garden."])
    def test_a_standing_rule_is_little_of_an_overview(self, garden: MemoryStore, question: str) -> None:
        plain, overview = self.scores(garden, "What of the garden?"), self.scores(garden, question)
        assert overview["rule"] - overview["user"] < plain["rule"] - plain["user"]
