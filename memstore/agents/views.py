"""Facts as lines for a model, where no query chose them: the same words and marks as in a recall."""

from __future__ import annotations

from collections.abc import Iterable

from memstore.model import Fact, Modality, Recollection, Status
from memstore.policy import authority, binding
from memstore.recall import render

#: The views, one for each modality, from what binds to what was merely asked.
VIEWS = {
    "decisions.md": Modality.DECISION,
    "observations.md": Modality.OBSERVATION,
    "hypotheses.md": Modality.HYPOTHESIS,
    "options.md": Modality.OPTION_CONSIDERED,
    "questions.md": Modality.QUESTION,
}


def line(fact: Fact, status: Status) -> str:
    """One fact in one line, as a recall would show it: standing, words, source. Its id follows, to ask further."""
    shown = Recollection(
        fact_id=fact.id,
        text=fact.text,
        modality=fact.modality,
        kind=fact.kind,
        origin=fact.origin,
        authority=authority(fact.origin),
        binding=binding(fact.modality, fact.origin),
        status=status,
        confidence=fact.probability,
        recorded_at=fact.recorded_at,
        valid_from=fact.valid_from,
        said_at=fact.said_at,
        expires_at=fact.expires_at,
        provenance=fact.provenance,
        replaces=(),
        score=0.0,
        tokens=0,
    )
    return f"{render.line(shown)} ({fact.id})"


def lines(facts: Iterable[tuple[Fact, Status]]) -> str:
    """A Markdown list, one fact a line, newest first."""
    return "".join(f"- {line(fact, status)}\n" for fact, status in reversed(list(facts)))
