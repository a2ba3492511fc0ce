"""Data frames hold what the log holds: every score once, unscored as NaN, every recollection in its order."""

from __future__ import annotations

from pathlib import Path

import pytest

from evals import log
from evals.analysis import labels_df, recollections_df, runs_df, samples_df, tokens_df
from evals.arms.bm25 import BM25
from evals.arms.full_context import FullContext
from evals.runner import Plan, run
from evals.tasks import TASKS


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> log.RunLog:
    path = tmp_path_factory.mktemp("analysis") / "case.jsonl"
    return run(Plan((TASKS["url_shortener"],), (BM25, FullContext), Path()), path)


def test_means_of_the_samples_are_the_means_of_the_run(result: log.RunLog) -> None:
    summary = runs_df(result).set_index(["arm", "metric"])["mean"]
    means = samples_df(result).groupby(["arm", "metric"]).value.mean()
    assert len(means) == len(summary)
    for key, mean in means.items():
        assert summary[key] == pytest.approx(mean, nan_ok=True)


def test_unscored_is_nan_and_not_zero(result: log.RunLog) -> None:
    rows = samples_df(result)
    unranked = rows[(rows.arm == "full_context") & (rows.metric == "retrieval/recall_any@5")]
    assert len(unranked) > 0
    assert unranked.value.isna().all()


def test_recollections_keep_order_and_words(result: log.RunLog) -> None:
    rows = recollections_df(result.path)
    hedge = rows[(rows.arm == "bm25") & (rows.probe == "published/hedge")]
    assert list(hedge["rank"]) == list(range(1, len(hedge) + 1))
    assert hedge[hedge.hit].text.str.contains("We could refresh the TTL").any()


def test_labels_and_tokens_are_there(result: log.RunLog) -> None:
    assert set(labels_df([result]).got) == {"unmarked"}
    tokens = tokens_df(result)
    assert set(tokens.counter) == {"chars/4"}
    assert (tokens.source_tokens > 0).all()
