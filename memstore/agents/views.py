"""Facts as lines for a model, where no query chose them: the same words and marks as in a recall."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from memstore.errors import StoreError
from memstore.model import Fact, Modality, Recollection, Status, Usage
from memstore.policy import authority, binding
from memstore.recall import render

if TYPE_CHECKING:
    from memstore.store import MemoryStore

#: The views, one for each modality, from what binds to what was merely asked.
VIEWS = {
    "decisions.md": Modality.DECISION,
    "observations.md": Modality.OBSERVATION,
    "hypotheses.md": Modality.HYPOTHESIS,
    "options.md": Modality.OPTION_CONSIDERED,
    "questions.md": Modality.QUESTION,
}


def recollection(fact: Fact, status: Status, replaces: tuple[str, ...] = ()) -> Recollection:
    """A fact as if it had been recalled, to be shown like everything else."""
    return Recollection(
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
        replaces=replaces,
        score=0.0,
        tokens=0,
    )


def line(fact: Fact, status: Status) -> str:
    """One fact in one line, as a recall would show it: standing, words, source. Its id follows, to ask further."""
    return f"{render.line(recollection(fact, status))} ({fact.id})"


def fenced(shown: Iterable[str]) -> str:
    """Lines between marks that say they are data, which nothing in a line can close: it went through `harmless`."""
    return "\n".join([render.OPEN, *shown, render.CLOSE])


def quoted(text: str) -> str:
    """A text of many lines as a Markdown quotation, which nothing in it can end."""
    return "\n".join(f"> {render.harmless(line)}" for line in text.splitlines())


def book(store: MemoryStore, purpose: str, text: str) -> None:
    """Book what a text that went to or came from a model takes. A full or busy disk does not keep the answer back."""
    tokens = store.counter.count(text)
    written, read = (0, tokens) if purpose == "write" else (tokens, 0)
    entry = Usage(store.ledger.clock(), purpose, "unknown", store.counter.name, written, read, None, None)
    with suppress(StoreError):
        store.book(entry)


def lines(facts: Iterable[tuple[Fact, Status]]) -> str:
    """A Markdown list, one fact a line, newest first."""
    return "".join(f"- {line(fact, status)}\n" for fact, status in reversed(list(facts)))
