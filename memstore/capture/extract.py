"""The one interface of extraction: events in, claims out.

A `Claim` is what an extractor says a stretch of words states. It becomes a fact only through the store, which
adds identity, lifetime and lineage. Two rules hold for every extractor, and `memstore.store` may rely on them:

- each span of a claim lies inside an event of `events` or `before`, and the first span belongs to the claim's speaker;
- a claim is never stronger than the words it quotes (invariant 4): the tagger's reading of them is a ceiling.

Extractors are pure: they read events, write nothing, and give the same claims for the same events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from memstore.model import Event, Kind, Modality, Origin, Span


@dataclass(frozen=True, slots=True)
class Mention:
    """A date as it was said, and the time it meant, `[at, until)`; offsets are within the claim's text."""

    words: str
    start: int
    end: int
    at: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """What some words state. `text` is the quote of the first span unless the claim joins several speakers.

    `probability` is how sure the tagger was of `modality`, in [0, 1]; `why` quotes the words that
    decided, or names the rule that did.
    `context` is what the quote needs to stand alone, in words that are not part of it:
    `speaker`, `section`, `lead`, `antecedent`, `settles`, `weakened`, `dates`, `imported`, and `replaces`, the words of
    an earlier statement that it is taken to replace. It never alters the quote.
    """

    text: str
    modality: Modality
    probability: float
    why: tuple[str, ...]
    kind: Kind
    origin: Origin
    spans: tuple[Span, ...]
    key: str | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    dates: tuple[Mention, ...] = ()
    context: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Extraction:
    """Claims in the order they were said; `skipped` counts what was passed over, by reason."""

    claims: tuple[Claim, ...]
    skipped: Mapping[str, int]


class Extractor(Protocol):
    """`name` and `version` are recorded with every fact, so that a better extractor can be told from an older one.

    `portion` is how many characters of turns it reads at a time: what was read is kept before more is. `beside` says
    that a process of its own may read in its place (`capture.beside`).
    """

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def portion(self) -> int: ...

    @property
    def beside(self) -> bool: ...

    def extract(self, events: Sequence[Event], before: Sequence[Event] = ()) -> Extraction:
        """Claims of `events`, all of one session in order; `before` are the turns just ahead of them, for reference."""
        ...
