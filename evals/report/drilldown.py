"""The questions of a run as data for the page: what was asked, what every arm gave, and the turns it came from.

The page carries at most 60 questions of a task, evenly spaced, and the first 700 characters of a text: enough to judge
by, small enough to open. The log holds all of it, and `memeval show` prints it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evals.log import ProbeRecord, RunLog, SampleRecord

QUESTIONS = 60
CHARACTERS = 700
RECALLED = 5


def questions(run: RunLog, columns: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """{texts, tasks: [{name, asked, questions}]}; texts are interned and referred to by position."""
    texts: dict[str, int] = {}

    def intern(text: str) -> int:
        cut = text if len(text) <= CHARACTERS else text[:CHARACTERS] + " …"
        return texts.setdefault(cut, len(texts))

    tasks = []
    for name in run.header["tasks"]:
        by_question: dict[tuple[str, str], list[tuple[SampleRecord, ProbeRecord]]] = {}
        for sample in run.samples:
            if sample.task == name and sample.epoch == 0:
                for probe in sample.probes:
                    by_question.setdefault((sample.sample, probe.id), []).append((sample, probe))
        keys = sorted(by_question)
        step = max(1.0, len(keys) / QUESTIONS)
        shown = [keys[int(i * step)] for i in range(min(len(keys), QUESTIONS))]
        rows = [_question(by_question[key], columns[name], intern) for key in shown]
        tasks.append({"name": name, "asked": len(keys), "questions": rows})
    return {"texts": list(texts), "tasks": tasks}


def _question(given: Sequence[tuple[SampleRecord, ProbeRecord]], columns: Sequence[str], intern: Any) -> dict[str, Any]:
    sample, probe = given[0]
    sources = {ref: source for s, _ in given for ref, source in s.sources.items()}
    pointed = {ref for _, p in given for r in p.answer.recalled[:RECALLED] for ref in r.refs}
    gold = [ref for ref in probe.expect.get("evidence") or () if ref in sources]
    stale = [ref for ref in probe.expect.get("stale") or () if ref in sources]
    return {
        "id": probe.id,
        "sample": sample.sample,
        "category": probe.category,
        "question": intern(probe.question),
        "now": probe.now[:10],
        "evidence": gold,
        "stale": stale,
        "expect": _expected(probe),
        "sources": {
            ref: [s["role"], s["at"][:16].replace("T", " "), s["session"], intern(s["text"])]
            for ref, s in sources.items()
            if ref in pointed or ref in gold or ref in stale
        },
        "arms": [_given(s, p, columns, intern) for s, p in given],
    }


def _given(sample: SampleRecord, probe: ProbeRecord, columns: Sequence[str], intern: Any) -> dict[str, Any]:
    return {
        "arm": sample.arm,
        "status": sample.status,
        "reason": sample.reason,
        "ranked": probe.answer.ranked,
        "injected": len(probe.answer.injected),
        "count": len(probe.answer.recalled),
        "scores": {c: round(v, 3) for c in columns if (v := probe.scores.get(c)) is not None},
        "recalled": [
            [intern(r.text), r.modality, r.current, list(r.refs), r.confidence and round(r.confidence, 2)]
            for r in probe.answer.recalled[:RECALLED]
        ],
    }


def _expected(probe: ProbeRecord) -> dict[str, str]:
    said = {k: str(probe.expect[k])[:CHARACTERS] for k in ("words", "answer", "modality") if probe.expect.get(k)}
    if said.get("answer") == said.get("words"):
        said.pop("answer", None)
    return said
