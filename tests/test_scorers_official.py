"""Official metrics of published benchmarks: ours equal theirs where theirs are sound, and say where they are not."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from evals.model import Recalled, Sample, Turn
from evals.scorers import longmemeval
from evals.scorers.locomo import OfficialRecall
from tests.test_scorers import NOW, SAMPLE, answer, probe


class TestOfficialLongMemEval:
    CORPUS = tuple(f"s{session}_{turn}" for session in range(8) for turn in (1, 3, 5))

    def test_rank_two_is_not_discounted_in_their_ndcg(self) -> None:
        first = longmemeval.evaluate_retrieval(["s1_1"], ["s1_1"], self.CORPUS, 5)
        second = longmemeval.evaluate_retrieval(["s0_1", "s1_1"], ["s1_1"], self.CORPUS, 5)
        third = longmemeval.evaluate_retrieval(["s0_1", "s0_3", "s1_1"], ["s1_1"], self.CORPUS, 5)
        assert first == second == (1.0, 1.0, 1.0)
        assert third[2] < 1

    def test_it_equals_the_published_script(self, shared_data: Path) -> None:
        script = (shared_data / "longmemeval_subset/official_scorer/eval_utils.py").read_text()
        official: dict[str, Any] = {}
        # numpy 2 has no asfarray; asarray of floats is what it did.
        exec(script.replace("np.asfarray(relevances)", "np.asarray(relevances, dtype=float)"), official)
        dice = random.Random(7)
        for _ in range(200):
            ranking = dice.sample(range(len(self.CORPUS)), len(self.CORPUS))
            correct = dice.sample(self.CORPUS, dice.randint(1, 4))
            names = [self.CORPUS[i] for i in ranking]
            for k in (1, 3, 5, 10):
                theirs = official["evaluate_retrieval"](ranking, correct, list(self.CORPUS), k)
                assert longmemeval.evaluate_retrieval(names, correct, self.CORPUS, k) == pytest.approx(theirs)
                theirs = official["evaluate_retrieval_turn2session"](ranking, correct, list(self.CORPUS), k)
                assert longmemeval.evaluate_sessions(names, correct, self.CORPUS, k) == pytest.approx(theirs)

    def test_the_right_session_by_the_wrong_turn_is_no_hit_of_theirs(self) -> None:
        """Their script renames the turns of an evidence session that do not hold the answer."""
        said = [Turn(ref, ref[:2], "user", f"words of {ref}", NOW) for ref in self.CORPUS]
        sample = Sample("x", "x", tuple(said), ())
        asked = probe(evidence=["s1_3"])
        by_another_turn = longmemeval.OfficialRetrieval().score(asked, answer(Recalled("x", ("s1_1",))), sample)
        by_its_turn = longmemeval.OfficialRetrieval().score(asked, answer(Recalled("x", ("s1_3",))), sample)
        assert by_another_turn["longmemeval/session_recall_all@5"] == 0
        assert by_its_turn["longmemeval/session_recall_all@5"] == 1


class TestOfficialLoCoMo:
    def test_it_is_the_share_of_the_evidence_among_the_first_k(self) -> None:
        asked = probe(evidence=["t0", "t3"])
        found = OfficialRecall().score(asked, answer("t3", "t1", "t2", "t4", "t5", "t0"), SAMPLE)
        assert found == {"locomo/recall@5": 0.5, "locomo/recall@10": 1.0}

    def test_without_evidence_it_is_unscored_where_theirs_is_one(self) -> None:
        assert set(OfficialRecall().score(probe(), answer("t3"), SAMPLE).values()) == {None}
