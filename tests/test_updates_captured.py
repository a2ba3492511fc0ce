"""Updates found in what was captured: certain ones retire what they replace, the rest are noted, none is silent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from memstore import MemoryStore, Status

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

    def test_everything_that_was_done_verifies(self, tmp_path: Path) -> None:
        memory = told(
            tmp_path,
            ("user", "The snack budget is $65."),
            ("user", "I raised the snack budget to $75."),
            ("user", "The snack budget is now $80, no longer $75."),
        )
        assert memory.verify() == []
