"""LongMemEval's official retrieval metrics, computed as its published script does, and named as theirs.

The corpus is the user turns; a session is found when a turn of it that holds the answer is, and the cut widens until k
sessions are in it. The other user turns of that session count as another session, as the published script calls them
by another name: finding the right session by the wrong turn is a hit of `retrieval/session_recall…` alone.
`recall_any` and `recall_all` are two metrics. Their nDCG divides rank 2 by log2(2) = 1, that is, not at all; it is
kept as published under `longmemeval/…`, and used for nothing else. Questions without an evidence turn by the user
are left out, as they are there; what the official script ranks is the whole corpus, so that what an arm did not bring
back counts here as ranked last.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from evals.model import Answer, Probe, Sample
from evals.scorers.retrieval import ranked_refs
from evals.scorers.source import turns

TURN_KS = (5, 10, 50)
SESSION_KS = (5, 10)
METRICS = tuple(
    f"longmemeval/{level}_{measure}@{k}"
    for level, ks in (("turn", TURN_KS), ("session", SESSION_KS))
    for k in ks
    for measure in ("recall_any", "recall_all", "ndcg_any")
)


class OfficialRetrieval:
    name = "longmemeval"

    def score(self, probe: Probe, answer: Answer, sample: Sample) -> dict[str, float | None]:
        corpus = [ref for ref, turn in turns(sample).items() if turn.role == "user"]
        held = set(corpus)
        correct = [ref for ref in probe.expect.get("evidence") or () if ref in held]
        if not correct or answer.error:
            return {}
        if not answer.ranked:
            return dict.fromkeys(METRICS)
        ranking = [ref for ref in ranked_refs(answer, sample) if ref in held]
        scores: dict[str, float | None] = {}
        for k in TURN_KS:
            recall_any, recall_all, ndcg = evaluate_retrieval(ranking, correct, corpus, k)
            scores[f"longmemeval/turn_recall_any@{k}"] = recall_any
            scores[f"longmemeval/turn_recall_all@{k}"] = recall_all
            scores[f"longmemeval/turn_ndcg_any@{k}"] = ndcg

        def named(refs: Sequence[str]) -> list[str]:
            """Refs with the turns of an evidence session that do not hold the answer under another session's name."""
            within = {_session(ref) for ref in correct}
            return [ref if ref in correct or _session(ref) not in within else f"noans-{ref}" for ref in refs]

        for k in SESSION_KS:
            recall_any, recall_all, ndcg = evaluate_sessions(named(ranking), correct, named(corpus), k)
            scores[f"longmemeval/session_recall_any@{k}"] = recall_any
            scores[f"longmemeval/session_recall_all@{k}"] = recall_all
            scores[f"longmemeval/session_ndcg_any@{k}"] = ndcg
        return scores


def evaluate_retrieval(
    ranking: Sequence[str], correct: Sequence[str], corpus: Sequence[str], k: int
) -> tuple[float, float, float]:
    """(recall_any, recall_all, nDCG) at k. `corpus` names one document per entry, and may name one repeatedly."""
    found = set(ranking[:k])
    recall_any = float(any(ref in found for ref in correct))
    recall_all = float(all(ref in found for ref in correct))
    gains = [float(ref in set(correct)) for ref in ranking[:k]]
    ideal = sorted((float(ref in set(correct)) for ref in corpus), reverse=True)[:k]
    best = _dcg(ideal)
    return recall_any, recall_all, _dcg(gains) / best if best else 0.0


def evaluate_sessions(
    ranking: Sequence[str], correct: Sequence[str], corpus: Sequence[str], k: int
) -> tuple[float, float, float]:
    """The same by session, the cut widened until it holds k distinct sessions or all there are."""
    sessions = [_session(ref) for ref in ranking]
    cut = k
    while cut <= len(corpus) and len(set(sessions[:cut])) < k:
        cut += 1
    return evaluate_retrieval(sessions, list({_session(ref) for ref in correct}), [_session(r) for r in corpus], cut)


def _session(ref: str) -> str:
    return ref.rpartition("_")[0]


def _dcg(gains: Sequence[float]) -> float:
    """As published: gains[0] + Σ gains[i] / log2(i + 1), where the second item is not discounted."""
    return sum(gain / (math.log2(rank) if rank > 1 else 1.0) for rank, gain in enumerate(gains, 1))
