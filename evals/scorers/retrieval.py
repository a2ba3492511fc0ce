"""Evidence recall: whether the items that hold the answer came back, and how high.

`retrieval/recall_any@k` asks for one of them among the first k, `retrieval/recall_all@k` for every one: the two are
never mixed. k counts distinct source items in the order they came back, so that one recollection that names the whole
conversation uses up the ranks it claims. `retrieval/recall_any@500tok` cuts at a number of tokens instead (characters
÷ 4): arms that bring back sentences and arms that bring back whole turns are compared at what a reader pays; there too
no more than the items that were asked for count. Unscored where a question has no evidence, where the arm does not
rank, and where the haystack holds no more than k items, as any order would then do.
"""

from __future__ import annotations

from collections.abc import Sequence

from evals.model import Answer, Probe, Sample, Turn
from evals.scorers.cost import tokens
from evals.scorers.source import attributed, turns


class EvidenceRecall:
    name = "retrieval"

    def __init__(self, ks: Sequence[int] = (1, 5, 10), budgets: Sequence[int] = ()) -> None:
        self.ks = tuple(ks)
        self.budgets = tuple(budgets)

    def score(self, probe: Probe, answer: Answer, sample: Sample) -> dict[str, float | None]:
        scores: dict[str, float | None] = {f"{self.name}/recall_any@{k}": None for k in self.ks}
        scores |= {f"{self.name}/recall_all@{k}": None for k in self.ks}
        scores |= {f"{self.name}/recall_any@{budget}tok": None for budget in self.budgets}
        scores |= {f"{self.name}/mrr": None}
        evidence = set(probe.expect.get("evidence") or ())
        if not evidence or answer.error or not answer.ranked:
            return scores
        ranking = ranked_refs(answer, sample)
        haystack = sum(isinstance(item, Turn) for item in sample.items)
        for k in self.ks:
            if haystack > k:
                found = evidence & set(ranking[:k])
                scores[f"{self.name}/recall_any@{k}"] = float(bool(found))
                scores[f"{self.name}/recall_all@{k}"] = float(found == evidence)
        for budget in self.budgets:
            found = evidence & set(ranking[: probe.query.k]) & set(affordable(answer, sample, budget))
            scores[f"{self.name}/recall_any@{budget}tok"] = float(bool(found))
        ranks = [rank for rank, ref in enumerate(ranking, 1) if ref in evidence]
        scores[f"{self.name}/mrr"] = 1 / ranks[0] if ranks else 0.0
        return scores


def affordable(answer: Answer, sample: Sample, budget: int) -> list[str]:
    """The source items of the leading recollections that fit into a budget of tokens, up to the first that does not."""
    refs: list[str] = []
    spent = 0
    for item, of in attributed(answer, sample):
        spent += tokens(item.text)
        if spent > budget:
            break
        refs += of
    return refs


class SessionRecall:
    """The same for whole sessions, where the gold names no turn: k counts distinct sessions."""

    name = "retrieval"

    def __init__(self, ks: Sequence[int] = (1, 5)) -> None:
        self.ks = tuple(ks)

    def score(self, probe: Probe, answer: Answer, sample: Sample) -> dict[str, float | None]:
        wanted = set(probe.expect.get("sessions") or ())
        if not wanted or answer.error:
            return {}
        session_of = {ref: turn.session for ref, turn in turns(sample).items()}
        ranking = list(dict.fromkeys(session_of[ref] for ref in ranked_refs(answer, sample) if ref in session_of))
        scores: dict[str, float | None] = {f"retrieval/session_recall_any@{k}": None for k in self.ks}
        scores |= {f"retrieval/session_recall_all@{k}": None for k in self.ks}
        for k in self.ks:
            if answer.ranked and len(set(session_of.values())) > k:
                found = wanted & set(ranking[:k])
                scores[f"retrieval/session_recall_any@{k}"] = float(bool(found))
                scores[f"retrieval/session_recall_all@{k}"] = float(found == wanted)
        return scores


def ranked_refs(answer: Answer, sample: Sample) -> list[str]:
    """Distinct source items, best first."""
    return list(dict.fromkeys(ref for _, refs in attributed(answer, sample) for ref in refs))
