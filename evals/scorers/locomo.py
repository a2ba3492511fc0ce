"""LoCoMo's official recall of evidence, computed as its published script does, and named as theirs.

The share of a question's evidence turns that are among the first k turns brought back: neither `recall_any` nor
`recall_all`. Questions without evidence count as 1 there, which is no recall of anything: here they are unscored. The
official script compares ids as they are published, so that mistyped ones are never found; here they are mended first
(`evals.datasets.locomo`). Its answer metric, a stemmed F1 of a model's answer, takes a model and is not computed.
"""

from __future__ import annotations

from evals.model import Answer, Probe, Sample
from evals.scorers.retrieval import ranked_refs

KS = (5, 10)


class OfficialRecall:
    name = "locomo"

    def score(self, probe: Probe, answer: Answer, sample: Sample) -> dict[str, float | None]:
        evidence = probe.expect.get("evidence") or ()
        if not evidence or answer.error or not answer.ranked:
            return {f"locomo/recall@{k}": None for k in KS}
        ranking = ranked_refs(answer, sample)
        return {f"locomo/recall@{k}": sum(ref in ranking[:k] for ref in evidence) / len(evidence) for k in KS}
