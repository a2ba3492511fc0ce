"""Reports on what was recalled: they move rank and confidence, never past what policy allows, and can be undone."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memstore import Change, Concern, Conflict, Evidence, MemoryStore, Status, Transition
from memstore.coherence.confidence import confidence
from memstore.errors import UsageError
from memstore.ledger.connection import SCHEMA_VERSION
from memstore.ledger.standing import Standing, State
from memstore.recall import feedback
from tests.conftest import ticking

FEEDBACK = ", 'used', 'wrong', 'stale'"


def remembered(memory: MemoryStore, **given: str):
    return memory.remember("The staging server is heron.", modality="decision", **given)


class TestReportsMoveRankAndConfidence:
    def test_of_two_equal_answers_the_one_that_helped_comes_first(self, memory: MemoryStore) -> None:
        first, second = (
            memory.remember(f"The staging server of team {name} is heron.", modality="decision") for name in ("a", "b")
        )
        for favoured in (second, first):
            for _ in range(4 if favoured is first else 1):
                memory.feedback(favoured, "used")
            assert memory.recall("staging server heron")[0].fact_id == favoured.id

    def test_what_is_called_stale_or_wrong_comes_later_and_is_marked(self, memory: MemoryStore) -> None:
        first, second = (
            memory.remember(f"The staging server of team {name} is heron.", modality="decision") for name in ("a", "b")
        )
        top = memory.recall("staging server heron")[0].fact_id
        memory.feedback(top, "stale", reason="it was moved on Tuesday")
        found = memory.recall("staging server heron")
        assert [r.fact_id for r in found] == [other.id for other in (first, second) if other.id != top] + [top]
        assert found[1].status is Status.SUSPECT
        assert found[1].why["doubts"] == ("it was moved on Tuesday",)
        assert found[1].why["feedback"]["complaints"] == 1
        assert found[1].confidence < found[0].confidence

    def test_confirming_answers_a_complaint(self, memory: MemoryStore) -> None:
        fact = remembered(memory)
        before = memory.recall("staging server")[0]
        memory.feedback(fact, "wrong")
        memory.confirm(fact)
        after = memory.recall("staging server")[0]
        assert (after.status, after.score) == (Status.LIVE, before.score)

    @given(uses=st.integers(0, 40), complaints=st.integers(0, 40), more=st.integers(1, 40))
    def test_more_use_never_lowers_and_one_more_complaint_never_raises(
        self, uses: int, complaints: int, more: int
    ) -> None:
        def gain(uses: int, complaints: int) -> float:
            return feedback.gain(Standing(State.LIVE, None, 0, complaints=complaints, uses=uses))

        def sure(uses: int, complaints: int) -> float:
            return confidence(Evidence(uses=uses, doubts=complaints)).probability

        for measure in (gain, sure):
            assert measure(uses + more, complaints) >= measure(uses, complaints)
            assert measure(uses, complaints + more) <= measure(uses, complaints)
        assert gain(1, 0) > gain(0, 0) > gain(0, 1)
        assert sure(1, 0) > sure(0, 0) > sure(0, 1)

    def test_a_thousand_reports_move_no_further_than_seven(self) -> None:
        seven, many = (feedback.gain(Standing(State.LIVE, None, 0, uses=count)) for count in (7, 1000))
        assert seven == many


class TestAnAgentThatReportsWithoutEnd:
    """Whoever may report may do it at every turn: it moves no more than seven reports do, and costs no more."""

    def test_its_praise_is_kept_as_far_as_it_counts(self, memory: MemoryStore) -> None:
        fact = remembered(memory)
        reports = [memory.feedback(fact, "used", origin="tool") for _ in range(50)]
        assert len({one.id for one in reports}) == len(memory.history(fact).transitions) == 7
        assert memory.recall("staging server")[0].why["feedback"]["used"] == 7
        memory.revert(reports[-1], reason="it was luck")
        assert memory.recall("staging server")[0].why["feedback"]["used"] == 6
        assert memory.feedback(fact, "used").id not in {one.id for one in reports}

    def test_its_refused_complaints_are_too_until_somebody_looks(self, memory: MemoryStore) -> None:
        fact = remembered(memory)
        for _ in range(50):
            assert isinstance(memory.feedback(fact, "wrong", origin="assistant"), Conflict)
        assert len(memory.conflicts()) == 7
        memory.confirm(fact)
        memory.feedback(fact, "wrong", origin="assistant")
        assert len(memory.conflicts()) == 8

    def test_what_it_says_of_several_facts_is_kept_for_those_of_which_it_counts(self, memory: MemoryStore) -> None:
        first, second = remembered(memory), memory.remember("Codes are base62.", modality="decision")
        for _ in range(9):
            memory.feedback(first, "used")
        memory.feedback([first, second], "used")
        assert [len(memory.history(one).transitions) for one in (first, second)] == [7, 1]

    def test_no_number_of_refused_replacements_takes_trust_further_down_than_three(self, memory: MemoryStore) -> None:
        fact = remembered(memory)
        sure = []
        for number in range(12):
            page = memory.remember(f"The staging server is host {number}.", modality="decision", origin="tool")
            assert isinstance(memory.supersede(fact, page, reason="so it says"), Conflict)
            sure.append(memory.explain(fact).confidence)
        assert sure[0] > sure[1] > sure[2] == sure[11]


class TestWhoMayComplain:
    """Invariants 5 and 10: a report from below casts no doubt on what a user said, and is kept all the same."""

    @pytest.mark.parametrize("verdict", ["wrong", "stale"])
    @pytest.mark.parametrize("by", ["assistant", "tool", "document"])
    def test_a_weaker_word_is_recorded_as_a_conflict_and_changes_nothing(
        self, memory: MemoryStore, verdict: str, by: str
    ) -> None:
        fact = remembered(memory)
        before = memory.recall("staging server")[0]
        refused = memory.feedback(fact, verdict, origin=by)
        assert isinstance(refused, Conflict)
        assert refused.change is Change(verdict)
        after = memory.recall("staging server")[0]
        assert (after.status, after.score, after.confidence) == (before.status, before.score, before.confidence)
        assert memory.conflicts() == [refused]
        assert Concern.CONFLICT in {item.concern for item in memory.review()}

    def test_a_source_lends_no_more_authority_than_it_has(self, memory: MemoryStore) -> None:
        fact = remembered(memory)
        page = memory.record("The staging server has changed.", role="tool", session="s")
        assert isinstance(memory.feedback(fact, "stale", source=page), Conflict)
        said = memory.record("No, we moved off heron.", role="user", session="s")
        assert isinstance(memory.feedback(fact, "stale", source=said), Transition)

    def test_an_assistant_may_doubt_what_an_assistant_said(self, memory: MemoryStore) -> None:
        fact = remembered(memory, origin="assistant")
        assert isinstance(memory.feedback(fact, "wrong", origin="assistant"), Transition)
        assert memory.status(fact) is Status.SUSPECT

    def test_what_a_user_called_wrong_no_weaker_word_calls_right(self, memory: MemoryStore) -> None:
        fact = remembered(memory)
        memory.feedback(fact, "wrong", reason="I never said that")
        refused = memory.confirm(fact, origin="assistant")
        assert isinstance(refused, Conflict)
        assert memory.status(fact) is Status.SUSPECT
        assert isinstance(memory.confirm(fact), Transition)
        assert memory.status(fact) is Status.LIVE
        memory.flag(fact, reason="its file changed")
        assert isinstance(memory.confirm(fact, origin="assistant"), Transition)

    def test_praise_of_what_no_longer_holds_does_not_bring_it_back(self, memory: MemoryStore) -> None:
        old = remembered(memory, key="staging")
        memory.remember("The staging server is osprey.", modality="decision", key="staging")
        for _ in range(20):
            memory.feedback(old, "used")
        assert [r.text for r in memory.recall("staging server heron")] == ["The staging server is osprey."]


class TestReportsAreRecords:
    def test_they_are_dated_can_be_undone_and_are_seen_as_of_then(self, memory: MemoryStore) -> None:
        fact = remembered(memory)
        before = memory.ledger.clock()
        reported = memory.feedback(fact, "stale")
        between = memory.ledger.clock()
        memory.revert(reported, reason="it was another server")
        assert memory.status(fact) is Status.LIVE
        assert [memory.status(fact, as_of=moment) for moment in (before, between)] == [Status.LIVE, Status.SUSPECT]
        assert [t.change for t in memory.history(fact).transitions] == [Change.STALE, Change.REVERTED]

    def test_they_travel_with_an_export(self, memory: MemoryStore, tmp_path: Path) -> None:
        fact = remembered(memory)
        memory.feedback(fact, "used")
        memory.feedback(fact, "wrong")
        memory.feedback(fact, "stale", origin="tool")
        memory.export(tmp_path / "x.jsonl")
        with MemoryStore(tmp_path / "other.db", clock=lambda: memory.ledger.clock.now) as other:
            other.import_(tmp_path / "x.jsonl")
            assert other.history(fact) == memory.history(fact)
            assert other.verify() == []
            assert other.recall("staging server")[0].score == memory.recall("staging server")[0].score

    def test_only_the_three_words_are_taken(self, memory: MemoryStore) -> None:
        with pytest.raises(UsageError, match="used, wrong, stale"):
            memory.feedback(remembered(memory), "great")

    def test_a_store_of_the_schema_before_takes_them_too(self, memory: MemoryStore, tmp_path: Path) -> None:
        fact = remembered(memory)
        memory.close()
        path = tmp_path / "memory.db"
        db = sqlite3.connect(path)
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_master SET sql = replace(sql, ?, ?)", (FEEDBACK, ""))
        db.execute("DELETE FROM _sqlite_migrations WHERE name = '0004_feedback'")
        db.execute("PRAGMA user_version = 3")
        db.commit()
        db.close()
        with MemoryStore(path, clock=ticking()) as again:
            assert isinstance(again.feedback(fact, "used"), Transition)
            assert again.verify() == []
            assert again.ledger.connection.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION
