"""Claude's advice on what waits for review: held to the words it was shown, and carried out within policy alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from memstore import Concern, MemoryStore, Remedy, Status
from tests.test_capture_claude import AT, Scripted, error, reply

OLD, NEW = "Links expire after 30 days.", "The links of customers expire after 60 days."


def advised(
    remedy: str, facts: list[str], *, quote: str = "60 days", sure: float = 0.95, item: int = 0
) -> dict[str, Any]:
    return {
        "item": item, "remedy": remedy, "facts": facts, "evidence": [quote], "reason": "it says so", "confidence": sure,
    }  # fmt: skip


class Case:
    """A store with one possible update in it, and Claude scripted to say something about that."""

    def __init__(self, tmp_path: Path, origin: str = "user") -> None:
        self.path = tmp_path / "memory.db"
        memory = MemoryStore(self.path)
        self.old = memory.remember(OLD, modality="observation", origin=origin, key="a")
        self.new = memory.remember(NEW, modality="observation", origin=origin, key="b")
        from memstore.ledger import facts, transitions
        from memstore.model import Change

        with memory.ledger.writing() as tx:
            old, new = facts.pks_of(tx.db, [self.old.id, self.new.id])
            transitions.append(
                tx, scope=1, change=Change.SUPERSEDED, old=[old], new=[new], reason="30 became 60", refusal="unsure",
                possible=True,
            )  # fmt: skip
        memory.close()

    def told(self, *advice: object) -> tuple[MemoryStore, Scripted]:
        api = Scripted(reply({"advice": list(advice)}))
        return MemoryStore(self.path, claude=api.claude), api

    @property
    def ids(self) -> list[str]:
        return [self.old.id, self.new.id]


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


class TestReview:
    def test_the_limit_of_calls_holds_for_every_process_and_recall_is_not_charged_for_review(self, case) -> None:
        for chosen, asked in ((False, 1), (False, 0), (True, 1)):
            answer = reply({"chosen": [1]} if chosen else {"advice": [advised("replace", case.ids)]})
            api = Scripted(answer, calls_per_session=1)
            with MemoryStore(case.path, clock=lambda: AT, claude=api.claude) as memory:
                if chosen:
                    memory.recall("links", mode="select")
                else:
                    assert [item.advice is not None for item in memory.review(advise=True)] == [bool(asked)]
            assert len(api.requests) == asked

    def test_advice_comes_with_its_evidence_and_changes_nothing(self, case) -> None:
        memory, api = case.told(advised("replace", case.ids))
        (item,) = memory.review(advise=True)
        assert item.concern is Concern.POSSIBLE_UPDATE
        assert item.advice is not None
        assert (item.advice.remedy, item.advice.evidence) == (Remedy.REPLACE, ("60 days",))
        assert memory.status(case.old) is Status.LIVE
        sent = json.loads(api.requests[0]["messages"][0]["content"])
        assert [shown["text"] for shown in sent[0]["statements"]] == [OLD, NEW]
        assert [entry.purpose for entry in memory.usage() if "haiku" in entry.model] == ["judge"]

    def test_nothing_is_sent_unless_it_is_asked_for(self, case) -> None:
        memory, api = case.told(advised("replace", case.ids))
        assert memory.review()[0].advice is None
        memory.consolidate(dry_run=True)
        assert api.requests == []

    @pytest.mark.parametrize(
        "advice",
        [
            advised("replace", [], quote="after 90 days"),  # words that it was not shown
            advised("replace", [], item=7),
            advised("leave", []),
            advised("retract", ["f_of_another_item"]),
            advised("replace", [], sure=3.0),
            {"item": 0},
            "replace it",
        ],
    )
    def test_advice_that_quotes_nothing_or_is_not_as_asked_is_dropped(self, case, advice) -> None:
        memory, _ = case.told(advice)
        assert memory.review(advise=True)[0].advice is None
        assert memory.consolidate().advised == ()

    def test_without_an_answer_the_list_is_as_it_was(self, case) -> None:
        api = Scripted(error(529, "overloaded_error"))
        memory = MemoryStore(case.path, claude=api.claude)
        assert [item.advice for item in memory.review(advise=True)] == [None]


class TestConsolidate:
    def test_a_certain_replacement_is_carried_out_with_its_evidence_and_can_be_reverted(self, case) -> None:
        memory, _ = case.told(advised("replace", case.ids))
        assert memory.consolidate().advised == ((case.old.id, case.new.id),)
        assert memory.status(case.old) is Status.SUPERSEDED
        (change,) = memory.history(case.old).transitions
        assert "Claude" in change.reason
        assert "60 days" in change.reason
        memory.revert(change, reason="another product")
        assert memory.status(case.old) is Status.LIVE
        assert memory.verify() == []

    @pytest.mark.parametrize(
        ("advice", "why"),
        [
            (("replace", 0.6), "it is not certain"),
            (("confirm", 1.0), "nobody may confirm for a person"),
            (("retract", 1.0), "an assistant withdraws nothing that a user said"),
        ],
    )
    def test_what_is_not_certain_or_not_its_to_say_stays_a_proposal(self, case, advice, why) -> None:
        remedy, sure = advice
        memory, _ = case.told(advised(remedy, case.ids, sure=sure))
        report = memory.consolidate()
        assert (report.advised, report.proposed) == ((), 1), why
        assert [memory.status(fact) for fact in case.ids] == [Status.LIVE, Status.LIVE]

    def test_what_a_document_said_may_be_withdrawn(self, tmp_path) -> None:
        case = Case(tmp_path, origin="document")
        memory, _ = case.told(advised("retract", [case.old.id], quote="30 days"))
        assert memory.consolidate().advised == ((case.old.id,),)
        assert [memory.status(fact) for fact in case.ids] == [Status.RETRACTED, Status.LIVE]

    def test_what_somebody_settled_while_claude_was_asked_is_left_alone(self, case) -> None:
        other = MemoryStore(case.path)

        class Meanwhile(Scripted):
            def _answer(self, request: Any) -> Any:
                other.retract(case.old, reason="gone")
                return super()._answer(request)

        memory = MemoryStore(case.path, claude=Meanwhile(reply({"advice": [advised("replace", case.ids)]})).claude)
        assert memory.consolidate().advised == ()
        assert memory.status(case.old) is Status.RETRACTED
