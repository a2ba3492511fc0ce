"""The benchmarks run, in a size that proves nothing but that they measure what they say."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from evals.benchmarks import ledger, recall


def test_the_ledger_benchmark_writes_by_hand_what_the_store_wrote(tmp_path: Path) -> None:
    run = CliRunner().invoke(ledger.main, ["--facts", "300", "--single", "50", "--dir", str(tmp_path)])
    assert run.exit_code == 0, run.output
    figures = json.loads(run.stdout)
    assert figures["bulk_import"]["n"] == 300
    assert figures["durable_remember"]["speed_ratio"] > 0
    assert figures["bytes_per_fact_beyond_its_text"] > 0


def test_the_recall_benchmark_asks_every_size_in_a_process_of_its_own(tmp_path: Path) -> None:
    arguments = ["--facts", "150", "300", "--questions", "3", "--dir", str(tmp_path)]
    run = CliRunner().invoke(recall.main, [*arguments, "--only", "memstore exact", "--only", "fts5"])
    assert run.exit_code == 0, run.output
    rows = [line.split(" | ") for line in run.output.splitlines() if line.startswith(("| memstore", "| fts5"))]
    assert [(row[0], row[1]) for row in rows] == [
        ("| memstore exact", "150"), ("| memstore exact", "300"), ("| fts5", "150"), ("| fts5", "300"),
    ]  # fmt: skip
    assert all(float(row[2].split()[0]) > 0 for row in rows)
    assert all(float(row[-1].strip(" |")) > 0 for row in rows[:2])


def test_a_conversation_said_again_is_another_with_the_same_spans() -> None:
    event = {"id": "e_1", "session": "s", "text": "Caroline: I saw Melanie. Caroline waved."}
    fact = {"id": "f_1", "text": "I saw Melanie.", "provenance": [{"event": "e_1", "start": 10, "end": 24}]}
    other = {"id": "e_2", "session": "s", "text": "Melanie: Hello."}
    ((one, (held,)), _) = recall.again([(event, [fact]), (other, [])], 1)
    assert one["text"][held["provenance"][0]["start"] : held["provenance"][0]["end"]] == held["text"]
    assert "Caroline" not in one["text"]
    assert "Melanie" not in held["text"]
    assert held["provenance"][0]["event"] == one["id"] != "e_1"
