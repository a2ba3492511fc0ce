"""MemoryAgentBench: long contexts fed in pieces, then questions; its four competencies are four files.

A row is one `context` with `questions`, and acceptable `answers` for each. Conflict_Resolution (fact consolidation) is
a numbered list of facts in which a later one replaces an earlier one: every fact is an item, in its order. Other
contexts are fed in paragraphs of at most 2,000 characters. There is no evidence in the gold: what can be scored
without a model is whether an acceptable answer stands in what came back.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from evals.datasets.files import Source, locate, read_rows, wrong_format
from evals.model import EvalError, Probe, Query, Sample, Turn

SOURCE = Source(
    folder="memoryagentbench",
    title="MemoryAgentBench (Hu et al. 2025)",
    # As published, a parquet file for each competency, which together are the set; else one of them, converted.
    patterns=(
        "data/*-of-*.parquet",
        "*-of-*.parquet",
        "Conflict_Resolution*",
        "Accurate_Retrieval*",
        "Long_Range_Understanding*",
        "Test_Time_Learning*",
    ),
    where="https://huggingface.co/datasets/ai-hyz/MemoryAgentBench",
    licence="MIT",
    ships=False,
)
START = datetime(2025, 1, 1, tzinfo=UTC)
LONGEST = 2000
FACT = re.compile(r"^\d+\.\s+")


def load(data: Path, limit: int | None = None) -> list[Sample]:
    samples: list[Sample] = []
    for path in locate(data, SOURCE):
        try:
            rows = _parquet(path) if path.suffix == ".parquet" else read_rows(path)
            samples += [_sample(f"{path.stem.split('-')[0]}/{n}", row) for n, row in enumerate(rows[:limit])]
        except (KeyError, TypeError, ValueError) as error:
            raise wrong_format(path, SOURCE, f"{type(error).__name__}: {error}") from error
    return samples[:limit]


def _parquet(path: Path) -> list[dict[str, Any]]:
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        raise EvalError(f"{path}: reading parquet needs `pip install pyarrow`, or convert it to JSON lines") from None
    return parquet.read_table(path).to_pylist()


def _sample(name: str, row: Mapping[str, Any]) -> Sample:
    turns = tuple(
        Turn(f"c{n}", "context", "user", text, START + timedelta(minutes=n))
        for n, text in enumerate(pieces(row["context"]))
    )
    if len(row["questions"]) != len(row["answers"]):
        raise ValueError("questions and answers do not align")
    now = START + timedelta(minutes=len(turns))
    kind = str((row.get("metadata") or row).get("source", name.split("/")[0]))
    probes = tuple(
        Probe(f"{name}/{n}", Query(str(question), now), {"answers": _accepted(answers)}, kind)
        for n, (question, answers) in enumerate(zip(row["questions"], row["answers"], strict=True))
    )
    return Sample(name, name, turns, probes)


def _accepted(answers: Any) -> list[str]:
    return [str(answer) for answer in (answers if isinstance(answers, list) else [answers])]


def pieces(context: str) -> Iterable[str]:
    """Numbered facts one by one; anything else in paragraphs packed up to a limit."""
    packed = ""
    for line in context.splitlines():
        if FACT.match(line):
            if packed:
                yield packed
                packed = ""
            yield FACT.sub("", line).strip()
            continue
        for part in [line] if len(line) <= LONGEST else textwrap.wrap(line, LONGEST, break_on_hyphens=False):
            if not part.strip():
                continue
            if packed and len(packed) + len(part) > LONGEST:
                yield packed
                packed = ""
            packed = f"{packed}\n{part}" if packed else part
    if packed:
        yield packed
