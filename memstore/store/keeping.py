"""Looking after the file: forgetting, verifying, copies, counts.

Each imports what it alone needs when it is called: opening a store, which every hook does, waits for none of it.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memstore.coherence import doubt
from memstore.errors import CorruptStore, UpkeepDue, UsageError
from memstore.index import lexical
from memstore.ledger import copies, events, facts
from memstore.ledger.connection import Ledger, Transaction
from memstore.ledger.standing import State, status
from memstore.ledger.times import to_micros
from memstore.model import Event, Fact, Modality, Recollection, Status
from memstore.store import naming

if TYPE_CHECKING:
    from memstore.reports import Certificate, Imported, Problem


def forget(
    ledger: Ledger,
    what: naming.FactLike | Event | Iterable[naming.FactLike | Event],
    scope: str,
    session: str | None,
    everything: bool,
    reason: str,
) -> Certificate:
    """Erase what is named, in one transaction; as that ends, the file is rewritten and its log emptied."""
    if not isinstance(what, (Fact, Recollection, Event, str, Iterable)):
        raise UsageError(f"what to forget is a fact, an event or their ids, not {type(what).__name__}")
    naming.words(reason)
    listed = [what] if isinstance(what, (Fact, Recollection, Event, str)) else list(what)
    if sum((bool(listed), session is not None, everything)) != 1:
        raise UsageError("name what to forget: facts or events, or session=, or everything=True for the whole scope")
    from memstore.ledger import forgetting
    from memstore.store.files import kept_files

    with kept_files(ledger) as kept, ledger.writing() as tx:
        home = next((item.scope for item in listed if isinstance(item, (Fact, Event))), scope)
        said = [item for item in listed if isinstance(item, Event) or (isinstance(item, str) and item[:2] == "e_")]
        held = [item for item in listed if not isinstance(item, Event) and item not in said]
        scopes = events.find_scopes(tx.db, [home])
        if not scopes:
            raise UsageError(f"there is no scope {home!r} in this store: nothing was forgotten")
        (scope_pk,) = scopes
        event_pks = [naming.event_pk(tx.db, event, home) for event in said]
        if not listed:
            event_pks = forgetting.events_of(tx.db, scope_pk, session)
            if session is not None and not event_pks:
                raise UsageError(f"there is no session {session!r} to forget in scope {home!r}")

        def unindex(tx: Transaction, gone: Sequence[tuple[int, str]]) -> None:
            lexical.remove(tx, gone)
            rows = facts.rows(tx.db, [fact for fact, _ in gone])
            kept.forget(home, {rows[fact].id: text for fact, text in gone})

        pk = forgetting.erase(
            tx,
            scope=scope_pk,
            event_pks=event_pks,
            fact_pks=naming.fact_pks(tx.db, held, [home]) if held else [],
            unindex=unindex,
            reason=reason,
        )
    with ledger.reading() as db:
        found = forgetting.certificate(db, pk)
    return replace(found, files=tuple(sorted(kept.written)), out_of_reach=(*kept.out_of_reach, *found.out_of_reach))


def finish_forgetting(ledger: Ledger) -> list[Certificate]:
    """Try again what could not be erased at once; the certificates that still have to wait."""
    from memstore.ledger import forgetting

    if not ledger.read_only:
        ledger.finish_erasures()
    with ledger.reading() as db:
        return [forgetting.certificate(db, pk) for pk in forgetting.unfinished(db)]


def open_index(ledger: Ledger) -> None:
    """Make the full-text index if it is not there, and finish what an open reader kept from being forgotten."""
    if ledger.read_only:
        return
    with ledger.reading() as db:
        there = lexical.exists(db)
    if not there:
        if not ledger.upkeep:
            raise UpkeepDue(f"{ledger.path} has no full-text index: run  memstore verify  to make it")
        with ledger.writing() as tx:
            lexical.create(tx)
    if ledger.upkeep:
        ledger.finish_erasures()


def verify(ledger: Ledger) -> list[Problem]:
    from memstore.coherence import verify as verification
    from memstore.index import vector
    from memstore.reports import Problem

    try:
        with ledger.reading() as db:
            problems = verification.verify(db)
            if not any(problem.record == "file" for problem in problems):
                # Where a fact's own wording is wrong, its index entry is not what is wrong with it.
                reworded = {problem.record for problem in problems if problem.code == "text"}
                problems += [p for p in lexical.problems(db) if p.record not in reworded]
                problems += vector.problems(db)
            return problems
    except CorruptStore as error:
        return [Problem("file", "file", str(error))]


def backup(ledger: Ledger, path: str | os.PathLike[str]) -> None:
    target = Path(path)
    if target.exists():
        raise UsageError(f"{target} exists already: a backup never overwrites, name a new file")
    if not target.parent.is_dir():
        raise UsageError(f"no directory {target.parent}: create it first")
    copies.copy(ledger, target)


def export(
    ledger: Ledger, path: str | os.PathLike[str], scopes: Sequence[str], as_of: int | None, valid_at: int | None
) -> int:
    """Write an export to a new file, which appears whole or not at all."""
    from memstore.ledger.exchange import export as exporting

    target = Path(path)
    with copies.whole_file(target) as file, ledger.reading() as db:
        now = to_micros(ledger.clock(), "the clock's time")
        lines = 0
        for record in exporting.export(db, list(events.find_scopes(db, scopes)), now, as_of, valid_at):
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
            lines += 1
    copies.note(ledger, "export", target)
    return lines


def import_(ledger: Ledger, path: str | os.PathLike[str], skip: bool, root: Path | None, *, anywhere: bool) -> Imported:
    """Read an export, with the full-text index kept in step."""
    from memstore.ledger.exchange import load as importing

    try:
        with Path(path).open(encoding="utf-8", newline="\n", errors="surrogateescape") as file:
            return importing.read(
                ledger,
                file,
                skip=skip,
                index=lexical.add,
                root=None if root is None else str(root),
                anywhere=anywhere,
            )
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error


def stats(db: sqlite3.Connection, path: Path, scopes: Sequence[int], now: int) -> Mapping[str, Any]:
    marks = ",".join("?" * len(scopes))
    by_status = dict.fromkeys(Status, 0)
    by_modality = dict.fromkeys(Modality, 0)
    doubted = doubt.concluded(db, scopes)
    for pk, modality, state, expires_at in db.execute(
        f"SELECT pk, modality, state, expires_at FROM facts WHERE scope IN ({marks})", tuple(scopes)
    ):
        stands = status(State(state), expires_at, now)
        by_status[Status.SUSPECT if stands is Status.LIVE and pk in doubted else stands] += 1
        by_modality[Modality(modality)] += 1
    here = f"WHERE scope IN ({marks})"
    said = f"events JOIN sessions ON sessions.pk = events.session {here}"

    def count(of: str) -> int:
        number: int = db.execute(f"SELECT count(*) FROM {of}", tuple(scopes)).fetchone()[0]
        return number

    return {
        "events": count(said),
        "pending_events": count(f"{said} AND events.pk IN (SELECT event FROM pending)"),
        "sessions": count(f"sessions {here}"),
        "facts": sum(by_status.values()),
        "status": {s.value: n for s, n in by_status.items()},
        "modality": {m.value: n for m, n in by_modality.items()},
        "transitions": count(f"transitions {here}"),
        "file_bytes": path.stat().st_size,
    }
