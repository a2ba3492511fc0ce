"""The tagger everyone gets: the shipped network over words and cues, calibrated, explained by cues.

A decision is said only above a threshold, chosen so that few hedges pass for decisions (MODEL_CARD.md says how
few). It is never said of a sentence that ends by saying that nothing is decided, for negation is what small networks
see worst; nor of bare news, for taken as a decision yesterday's build would be believed for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from memstore.capture.tagger.cue_tagger import MODALITIES, CueTagger, choose, features
from memstore.capture.tagger.cues import clip, find_cues, is_news, left_open
from memstore.capture.tagger.network import Network
from memstore.capture.tagger.tag import Tag
from memstore.model import Modality

MODEL = Path(str(resources.files("memstore.capture.tagger"))) / "model.npz"

_DECISION = MODALITIES.index(Modality.DECISION)


class NetworkTagger:
    """Tags sentences with the network in `model`; `explainer` names the words that spoke for the choice."""

    def __init__(self, explainer: CueTagger, model: Path = MODEL) -> None:
        self._explainer = explainer
        self._network = Network(model)
        settings = self._network.settings
        self.version: str = settings["version"]
        self._threshold: float = settings["decision_threshold"]

    def tag(self, texts: Sequence[str]) -> list[Tag]:
        if not texts:
            return []
        judged = [clip(text) for text in texts]
        cues = [find_cues(text) for text in judged]
        names = [features(text, found) for text, found in zip(judged, cues, strict=True)]
        probabilities = self._network.probabilities(judged, names).tolist()
        tags = []
        for text, found, row in zip(judged, cues, probabilities, strict=True):
            if left_open(text, found) or is_news(text):
                row = _without_decision(row)
            modality = choose(row, self._threshold)
            tags.append(
                Tag(
                    modality,
                    row[MODALITIES.index(modality)],
                    dict(zip(MODALITIES, row, strict=True)),
                    self._explainer.why(found, modality),
                )
            )
        return tags


def _without_decision(row: list[float]) -> list[float]:
    """The probabilities once it is known that nothing is decided: those of the others, given that."""
    others = sum(row) - row[_DECISION]
    return [0.0 if i == _DECISION else p / others for i, p in enumerate(row)]
