"""How sure one may be that a fact is right *and current*: a small monotone model with a reason for each part.

    confidence = 1 / (1 + exp(-(intercept + Σ weight · feature)))

Every feature is scaled so that more of it can only raise the answer, or only lower it; the fit holds each weight to its
sign, so that one more source never makes a fact less believable, and one more doubt never more. The weights are in
`confidence.json`, with the data they were fitted on; `python -m evals.campaigns.confidence` fits them anew.

Where a fact has no history at all (said once, never confirmed, replacing nothing, doubted by nobody), its answer is the
model's base rate for such facts, and it says so: "insufficient history".
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from memstore.ledger.facts import Row
from memstore.ledger.standing import Standing, Step, effective
from memstore.model import Change
from memstore.policy import BINDING_AUTHORITY, authority


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for and against a fact.

    modality_probability   how sure the tagger was of its modality, 0 to 1
    authority              whose words they are, 0 to 2
    sources                how many events say it, at least 1
    confirmations          how often somebody said that it still holds
    replaces               whether it took the place of something: somebody attended to it
    verified               whether it is tied to a file that was looked at just now and is as it was
    spent                  the share of its lifetime that has passed, 0 to 1; 0 without a lifetime
    doubts                 unanswered doubts: of people, of files it is tied to, of what it rests on
    contested              refused or possible replacements of it that nobody has settled
    uses                   how often it was reported to have helped
    """

    modality_probability: float = 1.0
    authority: int = 2
    sources: int = 1
    confirmations: int = 0
    replaces: bool = False
    verified: bool = False
    spent: float = 0.0
    doubts: int = 0
    contested: int = 0
    uses: int = 0

    @property
    def history(self) -> bool:
        """Whether anything is known of the fact but that it was said."""
        return self.sources > 1 or any(
            (self.confirmations, self.replaces, self.verified, self.doubts, self.contested, self.uses)
        )

    def features(self) -> dict[str, float]:
        """The model's inputs, each at least 0.

        Of counts the logarithm: the tenth source adds little. Of a lifetime the root: news goes wrong early.
        """
        return {
            "modality_probability": self.modality_probability,
            "authority": float(self.authority >= BINDING_AUTHORITY),
            "corroboration": math.log2(max(1, self.sources)),
            "confirmations": math.log2(1 + self.confirmations),
            "replaces": float(self.replaces),
            "verified": float(self.verified),
            "spent": math.sqrt(min(1.0, max(0.0, self.spent))),
            "doubted": float(self.doubts > 0),
            "doubts": math.log2(1 + self.doubts),
            "contested": math.log2(1 + min(self.contested, MOST_CONTESTED)),
        }


MOST_CONTESTED = 3
"""Unsettled objections that count. Most come from those who may not replace what they object to, a page or a tool, and
cost nothing to repeat: without a limit, fifty lines of one page took a user's decision from .54 to .01."""

SIGNS: Mapping[str, int] = {
    "modality_probability": 1,
    "authority": 1,
    "corroboration": 1,
    "confirmations": 1,
    "replaces": 1,
    "verified": 1,
    "spent": -1,
    "doubted": -1,
    "doubts": -1,
    "contested": -1,
}
"""Which way each feature may move the answer."""


USE, MOST_USES = 0.1, 7
"""What a report of use adds to the logarithm of odds: little, and no more after the seventh.

It is not fitted, for want of data: who acts on a fact does not learn each time whether it was right.
"""


class Confidence(NamedTuple):
    """The probability, and what each feature added to its logarithm of odds (0 left out)."""

    probability: float
    contributions: Mapping[str, float]
    basis: str


def gather(row: Row, standing: Standing, steps: Iterable[Step], *, sources: int, doubts: int, now: int) -> Evidence:
    """The evidence about a fact at a moment (microseconds), from what the ledger holds of it."""
    taken = list(steps)
    replacing = [s for s in taken if s.change is Change.SUPERSEDED]
    counts = effective((s.pk, s.target, s.change is Change.REVERTED, s.refused) for s in taken) if replacing else {}
    lived = 0.0
    if row.ttl and standing.expires_at is not None:
        lived = 1 - (standing.expires_at - now) / row.ttl
    return Evidence(
        modality_probability=row.probability,
        authority=authority(row.origin),
        sources=max(1, sources),
        confirmations=standing.confirmations,
        replaces=any(s.side == "new" and counts[s.pk] for s in replacing),
        spent=round(min(1.0, max(0.0, lived)), 2),  # an answer asked for twice is the same answer
        doubts=doubts,
        uses=standing.uses,
        contested=sum(s.side == "old" and s.refused and s.when > standing.cleared for s in replacing),
    )


@lru_cache(maxsize=1024)  # of most facts the same is known: that they were said once
def confidence(evidence: Evidence) -> Confidence:
    """The probability that the fact is right and current, with its reasons."""
    model = _model()
    features = evidence.features().items()
    parts = {name: part for name, value in features if value and (part := round(model.weights[name] * value, 3))}
    if evidence.uses:
        parts["uses"] = round(USE * math.log2(1 + min(evidence.uses, MOST_USES)), 3)
    odds = model.intercept + sum(parts.values())
    basis = f"right and current; logistic model fitted on {model.outcomes} outcomes"
    if not evidence.history:
        basis = f"insufficient history: the base rate of facts said once ({basis})"
    return Confidence(1 / (1 + math.exp(-odds)), parts, basis)


def shown(found: Confidence, evidence: Evidence) -> dict[str, object]:
    """What an answer says about its confidence."""
    known = {name: getattr(evidence, name) for name in Evidence.__slots__}
    return {"confidence": found.basis, "contributions": dict(found.contributions), "evidence": known}


class _Model(NamedTuple):
    intercept: float
    weights: Mapping[str, float]
    outcomes: int


@lru_cache(maxsize=1)
def _model() -> _Model:
    kept = json.loads(Path(__file__).with_name("confidence.json").read_text(encoding="utf-8"))
    return _Model(kept["intercept"], kept["weights"], kept["outcomes"])
