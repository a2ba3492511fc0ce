"""The benchmarks run, in a size that proves nothing but that they measure what they say."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from evals.benchmarks import ledger


def test_the_ledger_benchmark_writes_by_hand_what_the_store_wrote(tmp_path: Path) -> None:
    run = CliRunner().invoke(ledger.main, ["--facts", "300", "--single", "50", "--dir", str(tmp_path)])
    assert run.exit_code == 0, run.output
    figures = json.loads(run.stdout)
    assert figures["bulk_import"]["n"] == 300
    assert figures["durable_remember"]["speed_ratio"] > 0
    assert figures["bytes_per_fact_beyond_its_text"] > 0
