"""What policy refused to decide comes back undecided: both sides, together, and the line says which may not replace."""

from __future__ import annotations

from datetime import timedelta

import pytest

from memstore import Conflict, MemoryStore, Status
from memstore.recall import render
from tests.conftest import Clock

STANDS, CONTESTS = "We deploy with Ansible.", "Terraform rolls out everything."


@pytest.fixture
def sides(memory: MemoryStore) -> tuple[str, str]:
    """What the user decided, and what an assistant said under the same key later."""
    stands = memory.remember(STANDS, modality="decision", key="deploy")
    contests = memory.remember(CONTESTS, modality="decision", key="deploy", origin="assistant")
    assert contests.conflicts
    for number in range(9):
        memory.remember(f"Ansible and Chef were compared in talk {number}.", modality="observation")
    return stands.id, contests.id


class TestConflictsComeBackTogether:
    @pytest.mark.parametrize("query", ["deploy with Ansible", "Terraform rolls out"])
    def test_by_the_words_of_either_side(self, memory: MemoryStore, sides: tuple[str, str], query: str) -> None:
        found = memory.recall(query, k=2)
        assert {r.fact_id for r in found} == set(sides)

    def test_the_line_of_the_weaker_says_what_it_does_not_replace(
        self, memory: MemoryStore, sides: tuple[str, str]
    ) -> None:
        (weaker,) = memory.recall("Terraform rolls out", k=1)
        assert weaker.contests == (STANDS,)
        assert render.line(weaker).endswith(f"{CONTESTS} (does not replace: «{STANDS}»)")
        stronger = memory.recall("deploy with Ansible", k=1)[0]
        assert stronger.contests == ()

    def test_a_filter_holds_for_the_other_side_too(self, memory: MemoryStore, sides: tuple[str, str]) -> None:
        doubt = memory.remember("Is Ansible what we deploy with?", modality="question", key="deploy")
        assert doubt.conflicts
        assert doubt.id not in {r.fact_id for r in memory.recall("deploy with Ansible", modality="decision")}
        assert doubt.id in {r.fact_id for r in memory.recall("deploy with Ansible", k=2)}

    def test_until_somebody_settles_it(self, memory: MemoryStore, sides: tuple[str, str], clock: Clock) -> None:
        before = clock()
        memory.confirm(sides[0])
        assert CONTESTS not in {r.text for r in memory.recall("deploy with Ansible", k=2)}
        assert memory.recall("Terraform rolls out", k=1)[0].contests == ()
        assert {r.fact_id for r in memory.recall("deploy with Ansible", k=2, as_of=before)} == set(sides)

    def test_what_was_withdrawn_or_is_past_its_time_contests_nothing(
        self, memory: MemoryStore, sides: tuple[str, str], clock: Clock
    ) -> None:
        memory.retract(sides[1], reason="it was a mistake")
        assert CONTESTS not in {r.text for r in memory.recall("deploy with Ansible", k=2)}
        aged = memory.remember(
            "Salt rolls out everything.", modality="decision", key="deploy", origin="assistant", ttl=timedelta(hours=1)
        )
        assert aged.id in {r.fact_id for r in memory.recall("deploy with Ansible", k=2)}
        clock.advance(hours=2)
        assert aged.id not in {r.fact_id for r in memory.recall("deploy with Ansible", k=2)}

    def test_a_conflict_read_out_of_weaker_words_is_heard_with_them_only(self, memory: MemoryStore) -> None:
        stands = memory.remember(STANDS, modality="decision")
        turn = memory.record(CONTESTS, role="assistant", session="s")
        memory.capture()
        (contests,) = memory.facts(source=turn)
        assert isinstance(memory.supersede(stands, contests, reason="it reads like one", source=turn), Conflict)
        assert [r.text for r in memory.recall("deploy with Ansible")] == [STANDS]
        assert [r.text for r in memory.recall("Terraform rolls out")] == [CONTESTS, STANDS]

    def test_whoever_contests_at_every_turn_fills_no_answer(self, memory: MemoryStore, sides: tuple[str, str]) -> None:
        with memory.transaction():
            for number in range(30):
                said = memory.remember(f"Nomad {number} does it.", modality="decision", origin="assistant")
                assert isinstance(memory.supersede(sides[0], said, reason="so I say"), Conflict)
        found = memory.recall("deploy with Ansible", k=5)
        assert sum("Nomad" in r.text for r in found) == 1
        assert {r.status for r in found} == {Status.LIVE}
