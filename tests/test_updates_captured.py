"""Updates found in what was captured: certain ones retire what they replace, the rest are noted, none is silent."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from memstore import Concern, MemoryStore, Modality, Status
from memstore.capture.updates import Relation, Statement, proposals

START = datetime(2026, 1, 1, tzinfo=UTC)


def told(tmp_path: Path, *turns: tuple[str, str]) -> MemoryStore:
    memory = MemoryStore(tmp_path / "memory.db", clock=lambda: START + timedelta(days=len(turns)))
    for number, (role, text) in enumerate(turns):
        memory.record(text, role=role, session="s1", ref=str(number), at=START + timedelta(days=number))
    memory.capture()
    return memory


def status(memory: MemoryStore, text: str) -> Status:
    (fact,) = [fact for fact in memory.facts() if fact.text == text]
    return memory.status(fact)


class TestUpdatesInConversation:
    def test_a_changed_value_retires_the_old_one_and_can_be_reverted(self, tmp_path: Path) -> None:
        memory = told(tmp_path, ("user", "Links expire after 30 days."), ("user", "Links now expire after 60 days."))
        assert status(memory, "Links expire after 30 days.") is Status.SUPERSEDED
        first = memory.recall("when do links expire?")[0]
        assert (first.text, first.replaces) == ("Links now expire after 60 days.", ("Links expire after 30 days.",))
        (change,) = memory.history(first.fact_id).transitions
        assert "30" in change.reason or "60" in change.reason
        memory.revert(change, reason="it was about another product")
        assert status(memory, "Links expire after 30 days.") is Status.LIVE

    def test_what_another_scope_says_of_the_same_hides_no_update(self, tmp_path: Path) -> None:
        memory = told(tmp_path, ("user", "Links expire after 30 days."))
        for days in range(40, 80):
            memory.record(f"Links expire after {days} days.", role="user", session=f"s{days}", at=START, scope="other")
        memory.capture(scope="other")
        memory.record("Links now expire after 90 days.", role="user", session="s2", at=START + timedelta(days=1))
        memory.capture()
        assert status(memory, "Links expire after 30 days.") is Status.SUPERSEDED

    def test_a_tool_that_says_otherwise_is_a_conflict_and_retires_nothing(self, tmp_path: Path) -> None:
        memory = told(tmp_path, ("user", "Links expire after 30 days."), ("tool", "Links now expire after 60 days."))
        assert status(memory, "Links expire after 30 days.") is Status.LIVE
        assert [clash.refusal for clash in memory.conflicts()] == ["tool has less authority than user"]

    @pytest.mark.parametrize(
        "later",
        [
            "Links might expire after 60 days instead.",
            "Should links expire after 60 days now?",
            "The cache keeps entries for 60 days now.",
            "My sister's lease ends after 60 days.",
        ],
    )
    def test_a_guess_a_question_and_another_subject_retire_nothing(self, tmp_path: Path, later: str) -> None:
        memory = told(tmp_path, ("user", "Links expire after 30 days."), ("user", later))
        assert status(memory, "Links expire after 30 days.") is Status.LIVE

    def test_statements_about_things_that_are_numbered_leave_each_other_alone(self, tmp_path: Path) -> None:
        texts = [
            f"{thing} {number} is {state}."
            for thing, state in (("PEP", "final"), ("Server", "down"))
            for number in range(3, 9)
        ]
        memory = told(tmp_path, *(("document", text) for text in texts), *(("user", text) for text in texts))
        assert {memory.status(fact, now=START) for fact in memory.facts()} == {Status.LIVE}

    def test_a_change_told_in_a_question_is_noted_and_retires_no_decision(self, tmp_path: Path) -> None:
        memory = told(
            tmp_path,
            ("user", "We decided on a snack budget of $65."),
            ("user", "Which drinks can you suggest for the snack budget of $75?"),
        )
        assert status(memory, "We decided on a snack budget of $65.") is Status.LIVE
        (waiting,) = memory.review()
        assert waiting.concern == "possible_update"
        assert any("may not supersede a decision" in reason for reason in waiting.reasons)

    def test_everything_that_was_done_verifies(self, tmp_path: Path) -> None:
        memory = told(
            tmp_path,
            ("user", "The snack budget is $65."),
            ("user", "I raised the snack budget to $75."),
            ("user", "The snack budget is now $80, no longer $75."),
        )
        assert memory.verify() == []


class TestCorrectionsInOneTurn:
    def test_what_was_gives_way_to_what_the_same_turn_says_it_really_is(self) -> None:
        was = Statement("a", "The limit was: 30 requests a minute.", Modality.OBSERVATION, START, event="e")
        now = replace(was, id="b", text="The ACTUAL limit is: 60 requests a minute.")
        (proposal,) = proposals(now, [was])
        assert (proposal.old, proposal.relation, proposal.certain) == ("a", Relation.REPLACES, True)
        assert proposals(replace(now, modality=Modality.HYPOTHESIS), [was]) == []

    @pytest.mark.parametrize(
        "turn",
        [
            "The limit was 30 requests a minute. The quota is now 60 requests a minute.",
            "The limit was 30 requests a minute. The limit is documented for requests.",
            "The limit was 30 requests a minute. Perhaps the limit is now 60 requests.",
            "The limit was 30 requests a minute. Is the limit now 60 requests?",
        ],
    )
    def test_another_thing_a_plain_statement_and_a_guess_correct_nothing(self, tmp_path, turn) -> None:
        assert status(told(tmp_path, ("user", turn)), "The limit was 30 requests a minute.") is Status.LIVE

    @pytest.mark.parametrize(
        ("first", "then"),
        [
            ("The original release date was June 3.", "The final release date is June 17."),
            ("We first planned the demo for Tuesday.", "We ended up with Thursday for the demo."),
            ("Originally the review was at 3 pm.", "It is now at 5 pm."),
            ("The rollout was initially set for May 2.", "We settled on May 9."),
        ],
    )
    def test_a_plan_as_it_first_was_gives_way_to_what_it_came_to(self, tmp_path, first, then) -> None:
        memory = told(tmp_path, ("user", f"{first} {then}"))
        assert (status(memory, first), status(memory, then)) == (Status.SUPERSEDED, Status.LIVE)

    @pytest.mark.parametrize(
        ("first", "then"),
        [
            ("Initial draft of the report: May 3.", "Final review of the report: May 20."),
            ("The initial deployment is on March 25.", "Final testing with the users runs until April 16."),
            ("Originally the review was at 3 pm.", "But Alice can only come at 5 pm."),
            ("The rollout was initially set for May 2.", "But May 9 is a holiday."),
            ("The first release was on May 3.", "The final release will be on June 9."),
            ("The initial draft was due on May 3.", "The final draft is due on May 20."),
            ("The first exam was at 9 am.", "The final exam is at 2 pm."),
        ],
    )
    def test_the_first_and_the_last_of_many_steps_and_another_thing_leave_it(self, tmp_path, first, then) -> None:
        assert status(told(tmp_path, ("user", f"{first} {then}")), first) is Status.LIVE


class TestPossibleUpdates:
    """What was seen and is not certain is marked as such, and waits for somebody."""

    def said_twice(self, tmp_path: Path) -> MemoryStore:
        return told(
            tmp_path, ("document", "ADR 7: Keep sessions in Redis."), ("document", "ADR 12: Keep sessions in Redis.")
        )

    def test_a_document_with_the_title_of_an_earlier_one_may_replace_it_and_retires_nothing(self, tmp_path) -> None:
        memory = self.said_twice(tmp_path)
        (clash,) = memory.conflicts()
        assert clash.possible
        assert [memory.fact(fact).text for fact in (*clash.old, *clash.new)] == [
            "ADR 7: Keep sessions in Redis.",
            "ADR 12: Keep sessions in Redis.",
        ]
        assert {memory.status(fact) for fact in memory.facts()} == {Status.LIVE}
        assert [item.concern for item in memory.review()] == [Concern.POSSIBLE_UPDATE]

    @pytest.mark.parametrize(
        ("role", "earlier", "later"),
        [
            ("document", "ADR 7: Keep sessions in Redis.", "ADR 12: Keep sessions in Postgres."),
            ("document", "ADR 7: Keep 3 sessions in Redis.", "ADR 12: Keep 4 sessions in Redis."),
            ("document", "ADR 7: Sessions.", "ADR 12: Sessions."),
            ("document", "ADR 7: Keep sessions in Redis.", "Task 12: Keep sessions in Redis."),
            ("user", "Sprint 7: all tests of the gateway pass.", "Sprint 8: all tests of the gateway pass."),
        ],
    )
    def test_another_title_number_or_speaker_is_no_new_edition(self, tmp_path, role, earlier, later) -> None:
        memory = told(tmp_path, (role, earlier), (role, later))
        assert not [clash for clash in memory.conflicts() if "title" in clash.reason]

    def test_only_the_latest_edition_is_taken_for_replaced(self, tmp_path) -> None:
        memory = told(tmp_path, *(("document", f"ADR {number}: Keep sessions in Redis.") for number in (1, 5, 9)))
        pairs = [(memory.fact(c.old[0]).text[:5], memory.fact(c.new[0]).text[:5]) for c in memory.conflicts()]
        assert pairs == [("ADR 1", "ADR 5"), ("ADR 5", "ADR 9")]

    def test_two_documents_retire_nothing_of_each_other_by_likeness(self, tmp_path) -> None:
        memory = told(
            tmp_path, ("document", "Links expire after 30 days."), ("document", "Links now expire after 60 days.")
        )
        assert status(memory, "Links expire after 30 days.") is Status.LIVE
        assert [clash.possible for clash in memory.conflicts()] == [True]

    def test_it_is_still_one_after_export_and_import(self, tmp_path) -> None:
        self.said_twice(tmp_path).export(tmp_path / "out.jsonl")
        other = MemoryStore(tmp_path / "other.db")
        other.import_(tmp_path / "out.jsonl")
        assert [clash.possible for clash in other.conflicts()] == [True]

    def test_a_store_of_before_the_mark_gains_it(self, tmp_path) -> None:
        memory = self.said_twice(tmp_path)
        memory.close()
        with closing(sqlite3.connect(tmp_path / "memory.db")) as db, db:
            db.execute("ALTER TABLE transitions DROP COLUMN possible")
            db.execute("DELETE FROM _sqlite_migrations WHERE name = '0003_possible_updates'")
            db.execute("PRAGMA user_version = 2")
        again = MemoryStore(tmp_path / "memory.db")
        assert [clash.possible for clash in again.conflicts()] == [True]
        assert again.verify() == []

    def test_a_conflict_that_policy_made_is_not_one(self, tmp_path) -> None:
        memory = told(tmp_path, ("user", "Links expire after 30 days."), ("tool", "Links now expire after 60 days."))
        assert [clash.possible for clash in memory.conflicts()] == [False]

    def test_titles_of_one_series_say_nothing_of_each_other_unless_one_is_named(self, tmp_path) -> None:
        memory = told(
            tmp_path,
            ("document", "ADR 7: The echo option of telnet."),
            ("document", "ADR 12: The status option of telnet."),
        )
        assert memory.conflicts() == []
        assert {memory.status(fact) for fact in memory.facts()} == {Status.LIVE}
