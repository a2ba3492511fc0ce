"""The tagger everyone gets: the shipped network over words and cues, calibrated, explained by cues.

A decision is said only above a threshold, chosen so that few hedges pass for decisions (MODEL_CARD.md says how
few). It is never said of a sentence that ends by saying that nothing is decided, for negation is what small networks
see worst; nor of bare news, for taken as a decision yesterday's build would be believed for ever. It is always said of
one that ends by saying that something was decided: small networks weigh all that stands before it, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from memstore.capture.tagger.cue_tagger import MODALITIES, CueTagger, choose, features
from memstore.capture.tagger.cues import clip, find_cues, left_open, settled
from memstore.capture.tagger.network import Network
from memstore.capture.tagger.tag import Tag
from memstore.model import Modality
from memstore.policy import only_news

MODEL = Path(str(resources.files("memstore.capture.tagger"))) / "model.npz"

_DECISION = MODALITIES.index(Modality.DECISION)
_SAID_SO = 0.9
"""How probable one is where the last clause says that one was made: 21 of 22 such training sentences hold one."""


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
            if left_open(text, found) or only_news(text):
                row = _with_decision(row, 0.0)
            elif settled(text, found):
                row = _with_decision(row, max(_SAID_SO, row[_DECISION]))
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


def _with_decision(row: list[float], probability: float) -> list[float]:
    """The probabilities once it is known how probable a decision is: the others keep their proportions."""
    others = sum(row) - row[_DECISION]
    left = (1.0 - probability) / others if others else 0.0
    return [probability if i == _DECISION else p * left for i, p in enumerate(row)]
