"""A tagger that knows nothing but cues: a log-linear model over them, in pure Python.

Each cue, and each cue in its clause role, adds its weight to every modality; the weights were fitted on
labelled sentences (see MODEL_CARD.md). It is small enough to read (`cues.json`), so it is also what
explains: the words it names are those whose cues spoke for the modality that was chosen, by whomever.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from memstore.capture.tagger.cues import Cue, clip, find_cues
from memstore.capture.tagger.tag import Tag
from memstore.model import Modality

MODALITIES = tuple(Modality)
_DECISION = MODALITIES.index(Modality.DECISION)
#: How many words or phrases an explanation names at most.
MAX_WORDS = 3


def features(text: str, cues: Sequence[Cue]) -> set[str]:
    """What the cue model sees of a sentence: cues, cues by clause role, and a coarse length."""
    names = {name for cue in cues for name in (cue.name, f"{cue.name}@{cue.role}")}
    names.add("short" if len(text) < 40 else "long" if len(text) > 160 else "middling")
    return names


@dataclass(frozen=True)
class CueTagger:
    """`weights[feature]` adds to the five modalities' scores, in the order of `Modality`."""

    version: str
    weights: dict[str, list[float]]
    bias: list[float]
    decision_threshold: float

    def tag(self, texts: Sequence[str]) -> list[Tag]:
        return [self._tag(clip(text)) for text in texts]

    def _tag(self, text: str) -> Tag:
        cues = find_cues(text)
        scores = list(self.bias)
        for name in features(text, cues):
            for i, weight in enumerate(self.weights.get(name, ())):
                scores[i] += weight
        top = max(scores)
        exponents = [math.exp(score - top) for score in scores]
        probabilities = [e / sum(exponents) for e in exponents]
        modality = choose(probabilities, self.decision_threshold)
        chosen = MODALITIES.index(modality)
        return Tag(
            modality, probabilities[chosen], dict(zip(MODALITIES, probabilities, strict=True)), self.why(cues, modality)
        )

    def why(self, cues: Sequence[Cue], modality: Modality) -> tuple[str, ...]:
        """The words whose cues speak most for `modality`, strongest first; none that speaks against it."""
        strength: dict[str, float] = {}
        index = MODALITIES.index(modality)
        for cue in cues:
            if not cue.words:
                continue
            for name in (cue.name, f"{cue.name}@{cue.role}"):
                row = self.weights.get(name)
                if row:
                    strength[cue.words] = strength.get(cue.words, 0.0) + row[index] - sum(row) / len(row)
        ranked = sorted(strength, key=lambda words: -strength[words])
        return tuple(words for words in ranked[:MAX_WORDS] if strength[words] > 0.1)


def choose(probabilities: Sequence[float], decision_threshold: float) -> Modality:
    """A decision where its probability reaches the threshold; else the most probable of the others."""
    if probabilities[_DECISION] >= decision_threshold:
        return Modality.DECISION
    return max((m for m in MODALITIES if m is not Modality.DECISION), key=lambda m: probabilities[MODALITIES.index(m)])


def load_cue_tagger() -> CueTagger:
    """The cue model that ships with the package."""
    table = json.loads(resources.files("memstore.capture.tagger").joinpath("cues.json").read_text(encoding="utf-8"))
    return CueTagger(table["version"], table["weights"], table["bias"], table["decision_threshold"])
