"""The documentation of the harness is run: the task that it adds as an example works as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from evals.arms.bm25 import BM25
from evals.arms.recency import Recency
from evals.runner import Plan, run

README = Path(__file__).resolve().parent.parent / "evals" / "README.md"


def test_the_task_in_the_docs_tells_a_memory_that_serves_yesterday_s_truth(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    made: dict[str, Any] = {}
    exec(code, made)
    done = run(Plan((made["TASK"],), (BM25, Recency), Path()), tmp_path / "bikes.jsonl").footer["scores"]["bikes"]
    assert done["recency"]["retrieval/recall_any@1"]["mean"] == 1.0
    assert done["bm25"]["staleness/stale_first"]["mean"] == 1.0
