"""Recall and context: a question to recollections, in the mode that was asked for, with its tokens booked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from functools import partial

from memstore.errors import UsageError
from memstore.ledger import events
from memstore.model import Modality, Recollection
from memstore.recall import render
from memstore.recall.tokens import Counter
from memstore.store import naming
from memstore.store.held import Scopes
from memstore.store.meaning import Meanings
from memstore.store.tending import Tending

MODES = ("exact", "hybrid", "select")
_EVERYTHING = 1_000_000_000
"""A k beyond what any store holds means everything; larger numbers mean no more."""


class Recalling(Tending):
    """The part of `MemoryStore` that answers questions."""

    counter: Counter
    _meanings: Meanings

    def recall(
        self,
        query: str,
        *,
        k: int = 5,
        budget: int | None = None,
        mode: str = "exact",
        now: datetime | None = None,
        as_of: datetime | None = None,
        valid_at: datetime | None = None,
        scope: Scopes = None,
        modality: str | Iterable[str] | None = None,
        current_only: bool = False,
        history: bool = False,
        explain: bool = False,
        purpose: str | None = "retrieve",
    ) -> list[Recollection]:
        """What is held about a query, best first, each with its standing. Never raises for odd characters in it.

        k, budget      at most so many recollections, and so many tokens by the store's counter
        mode           "exact" (words and keys; no model is loaded), "hybrid" (and vectors: see `embed`), or "select"
                       (of what words find, Claude picks at most five; without a usable answer it is exact, and `why`
                       says so). Select needs a store with `claude`
        now            the moment asked about (the clock's unless given): lifetimes are judged against it
        as_of          answer from what the store held then; `now` is then that moment unless given
        valid_at       keep what was true in the world at that moment
        modality       keep only these
        current_only   leave out what is past its time; otherwise it comes last, marked
        history        superseded and retracted facts come back too, marked
        explain        tell in `why` all that made each score, which adds up to it, and what the query was taken to ask
        purpose        what the tokens are booked under; None where the caller books them itself
        """
        if mode not in MODES:
            raise UsageError(f"mode {mode!r} is not one of {', '.join(MODES)}")
        query = naming.question(query)
        k = min(naming.number(k, "k"), _EVERYTHING)
        budget = None if budget is None else naming.number(budget, "budget")
        if not isinstance(modality, str | Iterable | None):
            raise UsageError(f"modality is one or several modalities, not {type(modality).__name__}")
        wanted = [modality] if isinstance(modality, str) else list(modality or ())
        moment, then = self._moment(now, as_of), naming.micros(as_of, "as_of")
        true_at = naming.micros(valid_at, "valid_at")
        modalities = frozenset(naming.choice(Modality, one, "modality") for one in wanted)

        meant = self._meanings.of(self.ledger, query) if mode == "hybrid" else None

        from memstore.recall.answer import Question, answer  # who only writes does not wait for it

        def ask(k: int = k, budget: int | None = budget) -> list[Recollection]:
            with self.ledger.reading() as db, self._meanings.compared(db, meant) as meaning:
                return answer(
                    db,
                    Question(
                        text=query,
                        now=moment,
                        scopes=events.find_scopes(db, self._scopes(scope)),
                        k=k,
                        budget=budget,
                        as_of=then,
                        valid_at=true_at,
                        modality=modalities,
                        current_only=current_only,
                        history=history,
                        explain=explain,
                        counter=self.counter,
                    ),
                    meaning,
                )

        if mode == "select":
            ask = partial(self._select, query, k, budget, ask)
        found = self._fresh(ask, quick=mode != "select") if then is None else ask()
        if purpose is not None:
            self._bookings.add(self.scope, purpose, self.counter.name, sum(r.tokens for r in found), moment)
        return found

    def _select(
        self, query: str, k: int, budget: int | None, ask: Callable[..., list[Recollection]]
    ) -> list[Recollection]:
        """What Claude picks of what words find; what they find, if there is no usable answer."""
        from memstore.recall import select
        from memstore.recall.answer import fit

        asking = self._asking()
        if asking is None:
            raise UsageError(
                "mode 'select' asks Claude: open the store with MemoryStore(…, claude=Claude()); for commands, set"
                " MEMSTORE_CLAUDE=1 and ANTHROPIC_API_KEY"
            )
        if self.ledger.in_transaction:
            raise UsageError("mode 'select' asks Claude, which may take a minute: not inside a transaction")
        offered = ask(select.OFFERED, None)
        if not offered:
            return []
        choice = select.choose(asking, query, offered)
        chosen = (
            ask(k, budget)
            if choice.chosen is None
            else fit([offered[n] for n in choice.chosen][:k], budget, self.counter)
        )
        told = choice.told if choice.chosen is not None else {**choice.told, "instead": "exact"}
        return [replace(one, why={**one.why, "select": told}) for one in chosen]

    def context(
        self,
        query: str,
        *,
        budget: int,
        now: datetime | None = None,
        k: int = 20,
        mode: str = "exact",
        scope: Scopes = None,
    ) -> str:
        """Recollections as a fenced block of text for a prompt, within `budget` tokens, fence included."""
        room = naming.number(budget, "budget") - self.counter.count(f"{render.OPEN}\n{render.CLOSE}\n")
        if room < 1:
            return ""
        found = self.recall(query, k=k, budget=room, now=now, mode=mode, scope=scope, purpose=None)
        # The breaks between lines count too, and of a block as a whole a counter may make more than of its lines.
        while self.counter.count(block := render.block(found)) > budget:
            found.pop()
        self._bookings.add(self.scope, "inject", self.counter.name, self.counter.count(block), self._moment(now, None))
        return block

    def embed(self, limit: int | None = None) -> int:
        """Give facts the vectors that hybrid recall compares, all that lack one or at most `limit`; returns how many.

        A hybrid question does a little of this by itself. After a large capture, call it once: about 100 facts a
        second. Stopped midway it has kept what it did. Raises MissingExtra if the model is not installed.
        """
        return self._meanings.embed(self.ledger, limit)
