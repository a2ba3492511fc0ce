"""Turns become facts: every waiting event is read once. Words and files are read outside the write lock, and what was
read is taken inside it, batch by batch; a capture that stops midway has kept its batches and goes on from there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from memstore.ledger import events, facts, transitions
from memstore.ledger.connection import Ledger, Transaction
from memstore.ledger.facts import Draft
from memstore.ledger.times import from_micros, to_micros
from memstore.model import Change, Event, Usage
from memstore.policy import Lifetimes
from memstore.store.tending import Tending
from memstore.store.writing import add, tie, ttl_micros

if TYPE_CHECKING:
    from memstore.capture.extract import Claim, Extraction, Extractor
    from memstore.claude import Asking
    from memstore.coherence.snapshot import Snapshot
    from memstore.reports import CaptureReport

_BATCH = 200
_CONTEXT = 6
_HOUR = 3_600_000_000


@dataclass(slots=True)
class _Done:
    """What a capture has done so far.

    `open` are the updates, (new, old), that are only possible; `confirmed` when a fact was last said again, and the
    transition that says so.
    """

    events: int = 0
    facts: int = 0
    corroborated: int = 0
    updates: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    open: list[tuple[int, int]] = field(default_factory=list)
    confirmed: dict[int, tuple[int, int]] = field(default_factory=dict)


class Capturing(Tending):
    """The part of `MemoryStore` that draws facts from what was recorded."""

    lifetimes: Lifetimes
    _extractor: Extractor | None

    def capture(self, *, session: str | None = None, scope: str | None = None) -> CaptureReport:
        """Derive facts from recorded events that were not read yet. Run twice, it makes nothing twice."""
        bill: list[Usage] = []
        claude = self._asking(scope)
        claude = None if claude is None else claude.itemised(bill)
        report = capture(
            self.ledger,
            self._reader(claude),
            self.lifetimes,
            self._scope(scope),
            session,
            lambda text: self._see(text, None),
            claude,
        )
        return replace(report, bill=tuple(bill), problems=(*report.problems, *self._told_untied()))

    def _reader(self, claude: Asking | None) -> Extractor:
        """The extractor that was given; else Claude, if it may be asked; else the words as they stand."""
        from memstore.capture.claude import ClaudeExtractor
        from memstore.capture.verbatim import VerbatimExtractor

        if self._extractor is None:
            self._extractor = VerbatimExtractor()
        if claude is not None and isinstance(self._extractor, VerbatimExtractor):
            return ClaudeExtractor(claude, verbatim=self._extractor)
        return self._extractor


def capture(
    ledger: Ledger,
    extractor: Extractor,
    lifetimes: Lifetimes,
    scope: str,
    session: str | None,
    see: Callable[[str], tuple[Path, list[Snapshot]]],
    claude: Asking | None = None,
) -> CaptureReport:
    """Read every waiting event once; `see` looks at the files that a claim names.

    `claude`, where there is one, is shown the updates that the words alone leave open.
    """
    from memstore.capture.beside import Readers
    from memstore.reports import CaptureReport

    done = _Done()
    name = f"{extractor.name}/{extractor.version}"
    with Readers(extractor) as readers:
        while True:
            with ledger.reading() as db:
                waiting = events.waiting(db, scope, session, _BATCH)
                batches = [
                    (events.before(db, batch[0][0], _CONTEXT), batch) for batch in _batches(waiting, extractor.portion)
                ]
            if not batches:
                return CaptureReport(
                    done.events, done.facts, done.corroborated, skipped=dict(done.skipped), updates=dict(done.updates)
                )
            changed: set[str] = set()
            asked = [([event for _, event in batch], before) for before, batch in batches]
            for (before, batch), extraction in zip(batches, readers.read(asked), strict=True):
                read = [event for _, event in batch]
                seen = [see(claim.text) for claim in extraction.claims]
                with ledger.writing() as tx:
                    if read[0].session in changed or not events.unchanged(tx, [*before, *read]):
                        # Somebody forgot some of these words meanwhile: read them again as they are now, and what
                        # was said after them after that.
                        changed.add(read[0].session)
                        continue
                    if take(tx, batch, extraction, name, lifetimes, seen, done):
                        done.skipped.update(extraction.skipped)
                if claude is not None and done.open:
                    from memstore.store import updating

                    done.skipped.update(updating.judge(ledger, claude, done.open, read[0].session, done.updates))
                done.open.clear()


_Batch = list[tuple[int, Event]]


def take(
    tx: Transaction,
    waiting: Sequence[tuple[int, Event]],
    extraction: Extraction,
    extractor: str,
    lifetimes: Lifetimes,
    seen: Sequence[tuple[Path, list[Snapshot]]],
    done: _Done,
) -> bool:
    """Turn claims into facts, for those events that nobody else took meanwhile; False if none was left."""
    # Their patterns take a while to compile, and remembering needs none of them.
    from memstore.store import ending, resumed, updating

    taken = {
        pk for pk, _ in waiting if tx.execute("DELETE FROM pending WHERE event = ? RETURNING event", (pk,)).fetchone()
    }
    pk_of = {event.id: pk for pk, event in waiting}
    over = ending.over(tx.db, waiting)
    ending.withdraw(tx, over, taken)
    again = resumed.brought_along(tx.db, waiting)
    for claim, (root, snapshots) in zip(extraction.claims, seen, strict=True):
        said_in = pk_of[claim.spans[0].event_id]
        if said_in not in taken:
            continue
        if said_in in again:
            done.skipped["brought along from another session"] += 1
            continue
        draft = _draft(tx, ending.bounded(claim, over.get(said_in)), pk_of, extractor, lifetimes)
        if facts.derived_already(tx, draft):
            continue
        same = facts.same_statement(tx, draft)
        if same is None:
            fact = add(tx, draft).pk
            tie(tx, fact, root, snapshots)
            for old in updating.settle(tx, fact, draft, done.updates):
                done.open.append((fact, old))
                done.confirmed.pop(old, None)
            done.facts += 1
        elif tx.execute("SELECT 1 FROM provenance WHERE fact = ? AND event = ?", (same, draft.spans[0][0])).fetchone():
            done.skipped["said twice in one turn"] += 1
        else:
            _corroborate(tx, same, draft, done)
            done.corroborated += 1
    done.events += len(taken)
    return bool(taken)


def _batches(waiting: Sequence[tuple[int, Event]], portion: int) -> list[_Batch]:
    """The waiting events of each session, in order, in batches of about `portion` characters."""
    batches: list[_Batch] = []
    last: dict[str, tuple[_Batch, int]] = {}
    for pk, event in waiting:
        batch, size = last.get(event.session, ([], 0))
        if not batch or size + len(event.text) > portion:
            batch, size = [], 0
            batches.append(batch)
        batch.append((pk, event))
        last[event.session] = batch, size + len(event.text)
    return batches


def _draft(tx: Transaction, claim: Claim, pk_of: dict[str, int], extractor: str, lifetimes: Lifetimes) -> Draft:
    spans = [
        (pk_of.get(span.event_id) or events.pk_of(tx.db, span.event_id), span.start, span.end) for span in claim.spans
    ]
    scope, said_at = tx.execute(
        "SELECT sessions.scope, events.at FROM events JOIN sessions ON sessions.pk = events.session"
        " WHERE events.pk = ?",
        (spans[0][0],),
    ).fetchone()
    stated = None if claim.valid_to is None else claim.valid_to - from_micros(said_at)
    return Draft(
        scope=scope,
        key=claim.key,
        text=claim.text,
        modality=claim.modality,
        kind=claim.kind,
        origin=claim.origin,
        said_at=said_at,
        valid_from=said_at if claim.valid_from is None else to_micros(claim.valid_from),
        valid_to=None if claim.valid_to is None else to_micros(claim.valid_to),
        ttl=ttl_micros(lifetimes.of(claim.text, claim.modality, claim.kind, stated)),
        probability=claim.probability,
        spans=spans,
        extractor=extractor,
        context=claim.context,
    )


def _corroborate(tx: Transaction, fact: int, draft: Draft, done: _Done) -> None:
    """The same statement again: no new row, one more source, and its lifetime runs from the later saying.

    What is said all day ("tests pass") is confirmed once an hour: each confirmation makes the next one dearer.
    """
    at, since = done.confirmed.get(fact, (0, 0))
    if not since or abs(draft.said_at - at) >= _HOUR:
        since = transitions.append(
            tx, scope=draft.scope, change=Change.CONFIRMED, old=[fact], reason="said again", event=draft.spans[0][0]
        )
        done.confirmed[fact] = draft.said_at, since
    facts.point(tx, fact, draft.spans, draft.extractor, since)
