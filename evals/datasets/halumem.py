"""HaluMem: long dialogues of twenty invented users, with questions whose gold is memory points of known sessions.

The evidence of a question is memory points; a point belongs to the sessions that list it, so evidence is whole
sessions. Boundary questions ask for what was never said: they are the control. Its licence forbids shipping any of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from evals.datasets.files import Source, locate, read_jsonl, wrong_format
from evals.model import Probe, Query, Sample, Turn

SOURCE = Source(
    folder="halumem",
    title="HaluMem (Chen et al. 2025)",
    patterns=("HaluMem-Medium.jsonl", "HaluMem-Long.jsonl", "*.jsonl"),
    where="https://huggingface.co/datasets/IAAR-Shanghai/HaluMem",
    licence="CC BY-NC-ND 4.0: evaluation input only, never shipped",
    ships=False,
)
NEVER_SAID = "Memory Boundary"


def load(data: Path, limit: int | None = None) -> list[Sample]:
    path = locate(data, SOURCE)[0]
    try:
        return [_sample(row) for row in list(read_jsonl(path))[:limit]]
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise wrong_format(path, SOURCE, f"{type(error).__name__}: {error}") from error


def _sample(row: Mapping[str, Any]) -> Sample:
    turns: list[Turn] = []
    sessions_of: dict[str, list[str]] = defaultdict(list)
    asked: list[Mapping[str, Any]] = []
    for number, session in enumerate(row["sessions"]):
        name = f"s{number}"
        for position, said in enumerate(session["dialogue"]):
            at = _date(said["timestamp"]) + timedelta(milliseconds=position)
            turns.append(Turn(f"{name}_{position + 1}", name, said["role"], said["content"], at))
        for point in session.get("memory_points") or ():
            sessions_of[point["memory_content"]].append(name)
        asked += session.get("questions") or ()
    # Everything is held before anything is asked, so a question is asked when the last session is over.
    now = max(turn.at for turn in turns) + timedelta(days=1)
    user = str(row["uuid"])
    probes = [_probe(f"{user}/{n}", q, now, sessions_of) for n, q in enumerate(asked)]
    return Sample(user, user, tuple(turns), tuple(probes))


def _probe(
    name: str,
    question: Mapping[str, Any],
    now: datetime,
    sessions_of: Mapping[str, list[str]],
) -> Probe:
    points = [point["memory_content"] for point in question.get("evidence") or ()]
    right = list(dict.fromkeys(session for point in points for session in sessions_of.get(point, ())))
    expect: dict[str, Any] = {"answer": str(question["answer"]), "sessions": right}
    if question.get("question_type") == NEVER_SAID:
        expect |= {"answerable": False, "sessions": []}
    return Probe(name, Query(question["question"], now), expect, str(question.get("question_type", "")))


def _date(text: str) -> datetime:
    return datetime.strptime(text, "%b %d, %Y, %H:%M:%S").replace(tzinfo=UTC)
