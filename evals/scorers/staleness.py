"""Staleness: is what is given as current what is current at the time asked about?

An item marked as history (`current=False`) cannot mislead and is passed over. Of the rest, the first that is among
the right or the outdated items decides:

- `staleness/stale_first`: it is outdated (unscored if neither kind came back);
- `staleness/current_first`: it is right (0 also where neither came back, as the question stays unanswered);
- `staleness/resurrected`: an outdated item came back as current, at any rank;
- `staleness/as_of`, `staleness/head`, `staleness/head_depth…`: `current_first` on questions about a past date, and on
  chains of replacements by their length;
- `staleness/over_invalidated`: something that still holds came back marked as history only.

What asks for the first is unscored for an arm that does not rank. Where one ranks, only the first k distinct source
items count, k being how many were asked for: to point at everything, or to hand over the whole conversation as one
line, uses up the ranks it claims.
"""

from __future__ import annotations

from evals.model import Answer, Probe, Sample
from evals.scorers.retrieval import ranked_refs
from evals.scorers.source import attributed

DEEP = 4


class Staleness:
    name = "staleness"

    def score(self, probe: Probe, answer: Answer, sample: Sample) -> dict[str, float | None]:
        expect = probe.expect
        current, stale = set(expect.get("current") or ()), set(expect.get("stale") or ())
        live = set(expect.get("live") or current)
        if answer.error:
            return {}
        scores: dict[str, float | None] = {}
        ranks = set(ranked_refs(answer, sample)[: probe.query.k if answer.ranked else None])
        back = [(item.current, ranks & set(refs)) for item, refs in attributed(answer, sample)]
        given = [refs for is_current, refs in back if is_current]
        if stale:
            # One item may rest on several sources: it is outdated only if none of them still holds.
            verdicts = [bool(refs & current) for refs in given if refs & (current | stale)]
            scores["staleness/resurrected"] = float(not all(verdicts))
            scores["staleness/stale_first"] = float(not verdicts[0]) if verdicts and answer.ranked else None
            if current:
                first = float(bool(verdicts) and verdicts[0]) if answer.ranked else None
                scores["staleness/current_first"] = first
                asks = expect.get("asks")
                if asks in ("as_of", "head"):
                    scores[f"staleness/{asks}"] = first
                if asks == "head":
                    depth = int(expect.get("depth", 1))
                    scores[f"staleness/head_depth{depth if depth < DEEP else f'{DEEP}+'}"] = first
        if live:
            marks = [is_current for is_current, refs in back if refs & live]
            scores["staleness/over_invalidated"] = float(not any(marks)) if marks else None
        return scores
