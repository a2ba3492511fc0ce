"""What each arm answered to each question, as plain rows: for `memeval show`, `--json` and the HTML drill-down."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from evals.log import ProbeRecord, RunLog, SampleRecord


def answers(run: RunLog, *, task: str = "", arm: str = "", probe: str = "") -> Iterator[dict[str, Any]]:
    """One row for each probe and arm, restricted to what is named."""
    for sample in run.samples:
        if (task and sample.task != task) or (arm and sample.arm != arm):
            continue
        for p in sample.probes:
            if not probe or p.id == probe:
                yield _row(sample, p)


def _row(sample: SampleRecord, p: ProbeRecord) -> dict[str, Any]:
    return {
        "task": sample.task,
        "arm": sample.arm,
        "sample": sample.sample,
        "epoch": sample.epoch,
        "status": sample.status,
        "reason": sample.reason,
        "probe": p.id,
        "category": p.category,
        "question": p.question,
        "now": p.now,
        "expect": dict(p.expect),
        "scores": dict(p.scores),
        "injected_characters": len(p.answer.injected),
        "recalled": [
            {
                "text": r.text,
                "modality": r.modality,
                "current": r.current,
                "refs": list(r.refs),
                "quote": r.quote,
                "confidence": r.confidence,
            }
            for r in p.answer.recalled
        ],
        "latency_ms": p.answer.latency_ms,
        "error": p.answer.error,
    }
