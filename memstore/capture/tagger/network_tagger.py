"""The tagger everyone gets: the shipped network over words and cues, calibrated, explained by cues.

A decision is said only above a threshold, chosen so that few hedges pass for decisions (MODEL_CARD.md says how
few), and never of a sentence that ends by saying that nothing is decided: negation is what small networks see worst.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from memstore.capture.tagger.cue_tagger import MODALITIES, CueTagger, choose, features
from memstore.capture.tagger.cues import clip, find_cues, left_open
from memstore.capture.tagger.network import Network
from memstore.capture.tagger.tag import Tag

MODEL = Path(str(resources.files("memstore.capture.tagger"))) / "model.npz"

_NEVER = 2.0


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
            modality = choose(row, _NEVER if left_open(text, found) else self._threshold)
            tags.append(
                Tag(
                    modality,
                    row[MODALITIES.index(modality)],
                    dict(zip(MODALITIES, row, strict=True)),
                    self._explainer.why(found, modality),
                )
            )
        return tags
