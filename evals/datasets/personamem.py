"""PersonaMem: what a user came to prefer, over many sessions, asked as a choice of four answers.

Two files of one size belong together: `questions_32k.csv` and `shared_contexts_32k.jsonl` (128k, 1M likewise). A
question may only see its context up to `end_index_in_shared_context`. The system message of a context states the
persona outright; it is left out, as a memory is to learn it from what was said.
"""

from __future__ import annotations

import ast
import csv
import io
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from evals.datasets.files import Source, locate, read_jsonl, read_text, wrong_format
from evals.model import Probe, Query, Sample, Turn

SOURCE = Source(
    folder="personamem",
    title="PersonaMem (Jiang et al. 2025)",
    patterns=("questions_32k.csv", "questions_128k.csv", "questions_1M.csv"),
    where="https://huggingface.co/datasets/bowen-upenn/PersonaMem",
    licence="MIT",
    ships=False,
)
START = datetime(2025, 1, 1, tzinfo=UTC)


def load(data: Path, limit: int | None = None) -> list[Sample]:
    path = locate(data, SOURCE)[0]
    beside = path.with_name(path.name.replace("questions_", "shared_contexts_")).with_suffix(".jsonl")
    try:
        contexts = {key: messages for line in read_jsonl(beside) for key, messages in line.items()}
        asked: dict[tuple[str, int], list[Mapping[str, str]]] = defaultdict(list)
        for row in csv.DictReader(io.StringIO(read_text(path), newline="")):
            asked[row["shared_context_id"], int(row["end_index_in_shared_context"])].append(row)
        return [_sample(key, end, contexts[key][:end], rows) for (key, end), rows in list(asked.items())[:limit]]
    except (KeyError, TypeError, ValueError, SyntaxError, csv.Error) as error:
        raise wrong_format(path, SOURCE, f"{type(error).__name__}: {error}") from error


def _sample(context: str, end: int, messages: Sequence[Mapping[str, str]], rows: Sequence[Mapping[str, str]]) -> Sample:
    turns = tuple(
        Turn(f"m{n}", "context", message["role"], message["content"], START + timedelta(minutes=n))
        for n, message in enumerate(messages)
        if message["role"] != "system"
    )
    now = START + timedelta(minutes=end + 1)
    return Sample(f"{context}-{end}", context, turns, tuple(_probe(row, now) for row in rows))


def _probe(row: Mapping[str, str], now: datetime) -> Probe:
    options = _options(row["all_options"])
    right = row["correct_answer"].strip()
    letters = [option.strip()[:3] for option in options]
    if right[:3] not in letters:
        raise ValueError(f"the answer {right[:3]!r} of {row['question_id']} is none of its options")
    expect: dict[str, Any] = {"options": options, "choice": letters.index(right[:3])}
    return Probe(row["question_id"], Query(row["user_question_or_message"], now), expect, row["question_type"])


def _options(text: str) -> list[str]:
    """The published column holds a list, written as JSON or as Python."""
    try:
        return [str(option) for option in json.loads(text)]
    except json.JSONDecodeError:
        return [str(option) for option in ast.literal_eval(text)]
