"""Confidence is monotone in each of its inputs, says what it is made of, and admits when it knows nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.campaigns.confidence import Outcome, fit, predict, report
from memstore import SIGNS, Evidence, MemoryStore
from memstore.coherence.confidence import _model, confidence

START = datetime(2026, 1, 1, tzinfo=UTC)

evidences = st.builds(
    Evidence,
    modality_probability=st.floats(0, 1),
    authority=st.integers(0, 2),
    sources=st.integers(1, 30),
    confirmations=st.integers(0, 30),
    replaces=st.booleans(),
    verified=st.booleans(),
    spent=st.floats(0, 1),
    doubts=st.integers(0, 9),
    contested=st.integers(0, 9),
)
FAVOURABLE = {
    "modality_probability": lambda e, by: min(1.0, e.modality_probability + by),
    "authority": lambda e, by: min(2, e.authority + 1),
    "sources": lambda e, by: e.sources + 1,
    "confirmations": lambda e, by: e.confirmations + 1,
    "replaces": lambda e, by: True,
    "verified": lambda e, by: True,
    "spent": lambda e, by: max(0.0, e.spent - by),
    "doubts": lambda e, by: max(0, e.doubts - 1),
    "contested": lambda e, by: max(0, e.contested - 1),
}


@settings(deadline=None)
@given(evidences, st.sampled_from(sorted(FAVOURABLE)), st.floats(0, 1))
def test_what_speaks_for_a_fact_never_lowers_its_confidence(evidence: Evidence, name: str, by: float) -> None:
    better = replace(evidence, **{name: FAVOURABLE[name](evidence, by)})
    assert confidence(better).probability >= confidence(evidence).probability - 1e-12


@settings(deadline=None)
@given(evidences)
def test_it_is_a_probability_and_its_parts_add_up(evidence: Evidence) -> None:
    found = confidence(evidence)
    assert 0 < found.probability < 1
    assert set(found.contributions) <= set(SIGNS)
    model = _model()
    exact = predict({"intercept": model.intercept, "weights": dict(model.weights)}, evidence)
    assert found.probability == pytest.approx(exact, abs=2e-3)


def test_the_shipped_weights_have_the_signs_they_must_have_and_were_fitted() -> None:
    model = _model()
    assert set(model.weights) == set(SIGNS)
    assert all(weight * SIGNS[name] >= 0 for name, weight in model.weights.items())
    assert model.outcomes > 500


@settings(deadline=None, max_examples=20)
@given(st.lists(st.tuples(evidences, st.booleans()), min_size=4, max_size=30))
def test_a_fit_holds_every_weight_to_its_sign_whatever_the_outcomes(found) -> None:
    _, weights = fit([Outcome(evidence, right, "c", 0.0) for evidence, right in found])
    assert all(weight * SIGNS[name] >= 0 for name, weight in weights.items())


def test_a_fit_finds_what_matters_and_its_report_tells_how_well() -> None:
    outcomes = [
        Outcome(Evidence(contested=contested), (number % 10 < 8) != bool(contested), f"c{number % 7}", 0.5)
        for number in range(200)
        for contested in (0, 1)
    ]
    intercept, weights = fit(outcomes)
    assert weights["contested"] < -1
    shown = report({"intercept": intercept, "weights": weights}, outcomes, outcomes)
    assert shown["n"] == 400
    assert shown["ece"] < 0.05
    assert shown["brier"] < shown["brier_best_constant"]


class TestInTheStore:
    @pytest.fixture
    def memory(self, tmp_path: Path) -> MemoryStore:
        return MemoryStore(tmp_path / "m.db", clock=lambda: START)

    def test_a_fact_said_once_says_that_its_history_is_insufficient(self, memory) -> None:
        memory.remember("Redis holds the sessions", modality="decision")
        (found,) = memory.recall("redis")
        assert str(found.why["confidence"]).startswith("insufficient history")

    def test_doubt_lowers_it_and_confirmation_raises_it_with_the_reason_shown(self, memory) -> None:
        fact = memory.remember("Redis holds the sessions", modality="decision")
        plain = memory.recall("redis")[0].confidence
        memory.flag(fact, reason="is it?")
        (doubted,) = memory.recall("redis")
        assert doubted.confidence < plain
        assert doubted.why["contributions"]["doubted"] < 0
        memory.confirm(fact)
        assert memory.recall("redis")[0].confidence >= plain
        assert memory.recall("redis")[0].confidence == memory.explain(fact).confidence

    def test_an_unsettled_replacement_lowers_it_until_somebody_settles(self, memory) -> None:
        fact = memory.remember("we use Redis", modality="decision", key="store")
        plain = memory.explain(fact).confidence
        memory.remember("we might use Valkey", modality="hypothesis", key="store")
        assert memory.explain(fact).confidence < plain
        memory.confirm(fact)
        assert memory.explain(fact).confidence >= plain

    def test_it_never_rises_while_a_lifetime_runs_out(self, memory) -> None:
        fact = memory.remember("the build passes", modality="observation", ttl=timedelta(days=1))
        values = [memory.explain(fact, now=START + timedelta(hours=h)).confidence for h in (0, 6, 12, 23, 30)]
        assert values == sorted(values, reverse=True)

    def test_a_file_that_changed_lowers_it_in_the_same_answer(self, tmp_path) -> None:
        (tmp_path / "a.py").write_text("def f():\n    return 1\n")
        memory = MemoryStore(tmp_path / "m.db", root=tmp_path, clock=lambda: START)
        memory.remember("f() in a.py gives one", modality="observation")
        plain = memory.recall("gives one")[0].confidence
        (tmp_path / "a.py").write_text("def f():\n    return 2\n")
        assert memory.recall("gives one")[0].confidence < plain
