"""Sentences labelled with one of the five modalities, each recorded as something a user said.

The labels are by two language models working apart by one guide, kept where they agreed (92.7 %, κ = .91): they are
not human labels. Sentences come from developer chats (BEAM), from RFCs and decision records, and from code review.
They are dealt into samples of about 25, so that a memory holds several at once. A sentence is asked for in
its own words: what is measured is what comes back, not whether it can be found. As a control each sample is also asked
for sentences of another one, which nobody said here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from evals.datasets.files import Source, locate, read_jsonl, wrong_format
from evals.model import Probe, Query, Sample, Turn

SOURCE = Source(
    folder="modality",
    title="the labelled modality sentences",
    patterns=("dev.jsonl", "test*.jsonl", "[!t]*.jsonl", "*.jsonl"),
    where="this repository's data/modality (rows of CC BY-SA 4.0, Apache-2.0 and MIT sources; see its README)",
    licence="CC BY-SA 4.0 (beam rows); Apache-2.0 / MIT (rfc_adr rows); code_review rows are not redistributed",
    ships=True,
)

MODALITIES = ("decision", "option_considered", "hypothesis", "question", "observation")
PER_SAMPLE = 25
NEVER_SAID = 3
START = datetime(2025, 1, 6, 9, tzinfo=UTC)


def sentences(data: Path) -> list[Mapping[str, Any]]:
    """Rows of `source`, `doc`, `text` and `label`, each sentence once."""
    seen: dict[str, Mapping[str, Any]] = {}
    for path in locate(data, SOURCE):
        for row in read_jsonl(path):
            if "text" not in row or row.get("label") not in MODALITIES:
                raise wrong_format(path, SOURCE, f"a row needs `text` and a `label` out of {', '.join(MODALITIES)}")
            seen.setdefault(row["text"], row)
    return list(seen.values())


def load(data: Path, limit: int | None = None) -> list[Sample]:
    rows = sentences(data)
    number_of = max(1, round(len(rows) / PER_SAMPLE))
    # Dealt like cards, as the file may be sorted by source or label.
    blocks = [rows[first::number_of] for first in range(number_of)]
    return [
        _sample(f"modality-{number:02}", block, blocks[number - 1][:NEVER_SAID] if len(blocks) > 1 else [])
        for number, block in enumerate(blocks[:limit])
    ]


def _sample(name: str, rows: list[Mapping[str, Any]], elsewhere: list[Mapping[str, Any]]) -> Sample:
    turns, probes = [], []
    asked = START + timedelta(minutes=10 * len(rows))
    for number, row in enumerate(rows):
        ref = f"m{number}"
        turns.append(Turn(ref, "s1", "user", row["text"], START + timedelta(minutes=10 * number)))
        expect = {"evidence": [ref], "words": row["text"], "modality": row["label"]}
        query = Query(row["text"], now=asked, k=5)
        probes.append(Probe(f"{name}/{number}", query, expect, str(row.get("source", "")).split(":")[0]))
    for number, row in enumerate(elsewhere):
        query = Query(row["text"], now=asked, k=5)
        probes.append(Probe(f"{name}/never-{number}", query, {"answerable": False}, "control_never_said"))
    return Sample(name, name, tuple(turns), tuple(probes))
