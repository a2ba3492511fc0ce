"""What an answer costs to read, by the counter that needs no model: characters ÷ 4, rounded up, as published.

`tokens/…` here count only the text handed over; what an arm spends to write, compress or judge is booked by the arm
itself. Latency is one machine's: compare it within a run, not between machines.
"""

from __future__ import annotations

from evals.model import Answer, Probe, Sample

COUNTER = "chars/4"


def tokens(text: str) -> int:
    return -(-len(text) // 4)


class Cost:
    name = "cost"

    def score(self, probe: Probe, answer: Answer, sample: Sample) -> dict[str, float | None]:
        if answer.error:
            return {}
        return {
            "tokens/recalled": float(sum(tokens(item.text) for item in answer.recalled)),
            "tokens/injected": float(tokens(answer.injected)),
            "latency/recall_ms": answer.latency_ms,
        }
