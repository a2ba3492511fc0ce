"""Reports are given, and their effect is measured, as the campaign says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from evals.campaigns import feedback
from evals.model import Probe, Query, Sample, Turn

START = datetime(2026, 1, 5, tzinfo=UTC)
SAID = (
    "The cake is ready.",
    "The movie night at the lake is on Friday.",
    "We move it to Sunday, the movie night.",
    "The bakery closes at noon.",
)


def sample() -> Sample:
    turns = tuple(Turn(str(n), "s", "user", text, START + timedelta(days=n)) for n, text in enumerate(SAID))
    now = START + timedelta(days=9)
    probes = (
        Probe(
            "night",
            Query("When is the movie night at the lake?", now),
            {"evidence": ["2"], "current": ["2"], "stale": ["1"]},
        ),
        Probe("closes", Query("When does the bakery close?", now), {"evidence": ["3"]}),
        Probe("none", Query("What is the capital of Peru?", now), {}),
    )
    return Sample("one", "one", turns, probes)


def test_what_was_called_stale_gives_way_and_other_questions_are_measured_beside_it(tmp_path: Path) -> None:
    asked, reports = feedback.ask(sample(), tmp_path, 0.0)
    assert reports == 2
    assert [(one.probe, one.reported) for one in asked] == [("night", True), ("closes", False)]
    night = feedback.table(asked, reported=True)["current first"]
    assert (night[0].mean, night[1].mean, night[2].difference.mean) == (0.0, 1.0, 1.0)
    others = feedback.table(asked, reported=False)
    assert others["any@5"][2].losses == 0
    assert "current first" not in others
