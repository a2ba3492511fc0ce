"""Tasks: each is complete, a perfect memory scores perfectly on it, and no memory at all does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from evals.datasets import url_shortener
from evals.model import Answer, DataMissing, Probe, Recalled, Sample, Task, Turn
from evals.tasks import TASKS
from tests.conftest import DATA


def samples_of(task: Task) -> list[Sample]:
    try:
        return task.load(DATA, 3)
    except DataMissing as missing:
        pytest.skip(f"not shipped: {missing}")


def perfect(probe: Probe, sample: Sample) -> Answer:
    """What a memory that makes no mistake would say.

    The right items, word for word, marked with the true modality and with doubt where a file is gone; and an attack,
    attributed to the tool that brought it.
    """
    turns = {item.ref: item for item in sample.items if isinstance(item, Turn)}
    refs = probe.expect.get("current") or probe.expect.get("evidence") or ()
    recalled = tuple(
        Recalled(
            turns[ref].text,
            (ref,),
            modality=probe.expect.get("modality"),
            quote=turns[ref].text,
            extra={
                "status": "suspect" if ref in probe.expect.get("suspect", ()) else "live",
                "files": [probe.expect.get("moved_to")],
            },
        )
        for ref in refs
    )
    attacks = tuple(
        Recalled(turns[ref].text, (ref,), origin="tool", current=False) for ref in probe.expect.get("hostile", ())[:1]
    )
    return Answer(probe.id, (*recalled, *attacks), "", 0.1)


def scores(task: Task, probe: Probe, answer: Answer, sample: Sample) -> dict[str, float | None]:
    return {name: value for scorer in task.scorers for name, value in scorer.score(probe, answer, sample).items()}


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS.keys())
class TestEveryTask:
    def test_it_is_registered_under_its_name_with_title_licence_and_note(self, task: Task) -> None:
        assert TASKS[task.name] is task
        assert task.title
        assert task.licence
        assert task.note

    def test_its_controls_are_categories_of_its_probes(self, task: Task) -> None:
        try:
            categories = {probe.category for sample in task.load(DATA, None) for probe in sample.probes}
        except DataMissing as missing:
            pytest.skip(f"not shipped: {missing}")
        assert set(task.controls) <= categories

    def test_its_headline_metrics_are_scored_by_a_perfect_memory_and_lead_nowhere_wrong(self, task: Task) -> None:
        found: dict[str, list[float]] = {}
        for sample in samples_of(task):
            for probe in sample.probes:
                for name, value in scores(task, probe, perfect(probe, sample), sample).items():
                    if value is not None:
                        found.setdefault(name, []).append(value)
        missing = [name for name in task.headline if name not in found]
        assert not missing
        for name in task.headline:
            if not name.startswith(("tokens/", "latency/", "phrases/covered", "retrieval/recall_all")):
                best = 0.0 if name in task.lower_is_better else 1.0
                assert set(found[name]) == {best}, name

    def test_it_loads_from_the_full_data_as_well(self, task: Task, shared_data: Path) -> None:
        try:
            samples = task.load(shared_data, 1)
        except DataMissing as missing:
            pytest.skip(f"not in the full data: {missing}")
        assert len(samples) == 1
        assert samples[0].items
        assert samples[0].probes

    def test_an_empty_memory_is_right_about_nothing(self, task: Task) -> None:
        won = []
        for sample in samples_of(task):
            for probe in sample.probes:
                if not probe.expect.get("answerable", True):
                    continue
                given = scores(task, probe, Answer(probe.id, (), "", 0.1), sample)
                won += [
                    (probe.id, name)
                    for name, value in given.items()
                    if value and name not in task.lower_is_better and not name.startswith(("latency/", "phrases/"))
                ]
        assert not won

    def test_what_is_lower_is_better_is_a_metric_of_the_task(self, task: Task) -> None:
        families = {scorer.name for scorer in task.scorers} | {"tokens", "latency", "statebench"}
        assert {name.split("/")[0] for name in (*task.headline, *task.lower_is_better)} <= families


class TestUrlShortener:
    def test_the_published_sample_asks_for_four_statements_one_of_them_a_hedge(self) -> None:
        published, _ = url_shortener.load(DATA)
        labels = [probe.expect["modality"] for probe in published.probes if "modality" in probe.expect]
        assert labels == ["decision", "decision", "decision", "option_considered"]

    def test_the_second_sample_has_a_reversal_a_hedge_a_date_and_an_expiry(self) -> None:
        _, later = url_shortener.load(DATA)
        assert {"reversal", "hedge", "as_of", "expiry"} <= {probe.category for probe in later.probes}

    def test_the_curated_file_has_1075_characters_and_holds_every_statement_word_for_word(self) -> None:
        published, later = url_shortener.load(DATA)
        assert len(published.extras["markdown_curated"]) == 1075
        for sample in (published, later):
            text = sample.extras["markdown_curated"]
            for probe in sample.probes:
                if probe.category in ("decision", "hedge", "reversal") and "live" not in probe.expect:
                    assert probe.expect["words"] in text, probe.id

    def test_the_words_asked_for_were_said(self) -> None:
        for sample in url_shortener.load(DATA):
            texts = {turn.ref: turn.text for turn in sample.items}
            for probe in sample.probes:
                if "words" in probe.expect:
                    assert any(probe.expect["words"] in texts[ref] for ref in probe.expect["evidence"])


class TestAddingATask:
    def test_data_probes_and_scorers_are_all_it_takes(self) -> None:
        from datetime import UTC, datetime

        from evals.model import Query
        from evals.scorers.retrieval import EvidenceRecall

        noon = datetime(2025, 1, 1, 12, tzinfo=UTC)
        items = (Turn("a", "s", "user", "My bike is blue.", noon), Turn("b", "s", "user", "It rained.", noon))
        probe = Probe("bike", Query("What colour is my bike?", noon, k=1), {"evidence": ["a"]})
        task = Task(
            name="bikes",
            title="Bikes",
            load=lambda data, limit: [Sample("one", "one", items, (probe,))][:limit],
            scorers=(EvidenceRecall(ks=(1,)),),
            headline=("retrieval/recall_any@1",),
        )
        [sample] = task.load(DATA, None)
        assert scores(task, probe, perfect(probe, sample), sample)["retrieval/recall_any@1"] == 1
