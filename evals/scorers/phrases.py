"""Required and forbidden phrases in what came back, with the traps of the published rule taken out.

`phrases/covered` is the share of the required phrases that came back *of those that the items ever say*: a memory
cannot bring back what was never said. `phrases/forbidden` is the share of forbidden phrases given as current; phrases
that are also required, or never appeared, are dropped, and a negated or withdrawn mention is none. `statebench/…` are
the benchmark's own rules, applied to the recalled text instead of a model's response, for comparison with published
figures and for nothing else.
"""

from __future__ import annotations

from collections.abc import Callable

from evals.datasets.phrases import asserts, contains_phrase, says
from evals.model import Answer, Probe, Sample, Turn


class Phrases:
    name = "phrases"

    def score(self, probe: Probe, answer: Answer, sample: Sample) -> dict[str, float | None]:
        required = probe.expect.get("must_mention") or ()
        forbidden = [p for p in probe.expect.get("must_not_mention") or () if p not in required]
        if answer.error or not (required or forbidden):
            return {}
        said = [item.text for item in sample.items if isinstance(item, Turn)]
        reachable = [phrase for phrase in required if any(says(text, phrase) for text in said)]
        sayable = [phrase for phrase in forbidden if any(asserts(text, phrase) for text in said)]
        given = [item.text for item in answer.recalled if item.current]
        everything = "\n".join(item.text for item in answer.recalled)
        return {
            "phrases/covered": _share(reachable, given, says),
            "phrases/forbidden": _share(sayable, given, asserts),
            "phrases/clean": float(not any(asserts(t, p) for p in sayable for t in given)) if sayable else None,
            "phrases/reachable": len(reachable) / len(required) if required else None,
            "statebench/must_mention": (
                sum(contains_phrase(everything, p) for p in required) / len(required) if required else None
            ),
            "statebench/sfrr": float(any(contains_phrase(everything, p) for p in forbidden)) if forbidden else None,
        }


def _share(phrases: list[str], texts: list[str], test: Callable[[str, str], bool]) -> float | None:
    if not phrases:
        return None
    return sum(any(test(text, phrase) for text in texts) for phrase in phrases) / len(phrases)
