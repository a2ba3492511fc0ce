"""Whether an answer can be read off what came back, without a model.

`answer/in_context`: one of the acceptable answers stands in the recalled text, as whole words. It is what a perfect
reader could not do better than, and says nothing of a reader that is not. `answer/choice_by_overlap`: of the options,
the one with most of its words in what came back; a weak reader, fixed and the same for every arm. Chance is 1 in 4.
"""

from __future__ import annotations

from evals.datasets.phrases import says
from evals.model import Answer, Probe, Sample
from evals.scorers.source import words


class AnswerInContext:
    name = "answer"

    def score(self, probe: Probe, answer: Answer, sample: Sample) -> dict[str, float | None]:
        accepted = probe.expect.get("answers") or ()
        if not accepted or answer.error:
            return {}
        return {"answer/in_context": float(any(says(item.text, one) for item in answer.recalled for one in accepted))}


class ChoiceByOverlap:
    name = "answer"

    def score(self, probe: Probe, answer: Answer, sample: Sample) -> dict[str, float | None]:
        options = probe.expect.get("options") or ()
        if not options or answer.error:
            return {}
        if not answer.recalled:
            return {"answer/choice_by_overlap": 0.0}
        told = {word for item in answer.recalled for word in words(item.text)}
        shares = [sum(word in told for word in words(option)) / max(1, len(words(option))) for option in options]
        return {"answer/choice_by_overlap": float(shares.index(max(shares)) == probe.expect["choice"])}
