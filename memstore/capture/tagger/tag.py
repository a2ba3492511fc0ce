"""What a tagger says of a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from memstore.model import Modality


@dataclass(frozen=True, slots=True)
class Tag:
    """One sentence's modality.

    `probability` is the calibrated probability of `modality`; `probabilities` has all five and sums to 1.
    The chosen one need not be the most probable: whether it is a decision is settled by a threshold of its
    own, because taking a hedge for a decision does more harm than the reverse. `why` quotes the words of the
    sentence that spoke for the choice, strongest first; it is empty where no single words did.
    """

    modality: Modality
    probability: float
    probabilities: Mapping[Modality, float]
    why: tuple[str, ...]


class Tagger(Protocol):
    """Anything that tags sentences. `version` names the model exactly; it is recorded with what it tagged."""

    version: str

    def tag(self, texts: Sequence[str]) -> list[Tag]:
        """One tag a text, in order. Any string is accepted, the empty one too."""
        ...
