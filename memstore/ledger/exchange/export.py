"""The lines of an export, read in one snapshot and never held all at once."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from memstore.ledger import anchors, events, facts, transitions
from memstore.ledger.exchange import VERSION
from memstore.ledger.times import from_micros

_BATCH = 500


def export(
    db: sqlite3.Connection, scopes: Sequence[int], now: int, as_of: int | None, valid_at: int | None
) -> Iterator[dict[str, Any]]:
    """The lines of an export of some scopes: as they were recorded by `as_of`, and true at `valid_at`, if given."""
    marks = ",".join("?" * len(scopes))
    until = 2**63 - 1 if as_of is None else as_of
    counts = {"events": 0, "facts": 0, "transitions": 0, "anchors": 0}
    names = [row[0] for row in db.execute(f"SELECT name FROM scopes WHERE pk IN ({marks}) ORDER BY pk", tuple(scopes))]
    yield {"type": "header", "format": "memstore", "version": VERSION, "scopes": names, "exported_at": _iso(now)}
    for line in _events(db, scopes, until):
        counts["events"] += 1
        yield line
    kept: set[int] | None = None if valid_at is None else set()
    for pk, line in _facts(db, scopes, until, valid_at):
        counts["facts"] += 1
        if kept is not None:
            kept.add(pk)
        yield line
    for line in _transitions(db, scopes, until, kept):
        counts["transitions"] += 1
        yield line
    for line in _anchors(db, scopes, until, kept):
        counts["anchors"] += 1
        yield line
    yield {"type": "footer", **counts}


def _iso(micros: int | None) -> str | None:
    return None if micros is None else from_micros(micros).isoformat()


def _events(db: sqlite3.Connection, scopes: Sequence[int], until: int) -> Iterator[dict[str, Any]]:
    marks = ",".join("?" * len(scopes))
    for row in db.execute(
        "SELECT e.id, c.name, s.name, e.ref, e.role, e.origin, e.at, e.recorded_at, e.text, e.forgotten_at,"
        " p.event IS NOT NULL FROM events e JOIN sessions s ON s.pk = e.session JOIN scopes c ON c.pk = s.scope"
        f" LEFT JOIN pending p ON p.event = e.pk WHERE s.scope IN ({marks}) AND e.recorded_at <= ? ORDER BY e.pk",
        (*scopes, until),
    ):
        id_, scope, session, ref, role, origin, at, recorded_at, text, forgotten_at, pending = row
        yield {
            "type": "event",
            "id": id_,
            "scope": scope,
            "session": session,
            "ref": ref,
            "role": role,
            "origin": origin,
            "at": _iso(at),
            "recorded_at": _iso(recorded_at),
            "text": text,
            "sha256": events.sha256(text).hex(),
            "forgotten_at": _iso(forgotten_at),
            "pending": bool(pending),
        }


def _facts(
    db: sqlite3.Connection, scopes: Sequence[int], until: int, valid_at: int | None
) -> Iterator[tuple[int, dict[str, Any]]]:
    marks = ",".join("?" * len(scopes))
    found = db.execute(
        f"SELECT pk FROM facts WHERE scope IN ({marks}) AND recorded_at <= ? ORDER BY pk", (*scopes, until)
    )
    while part := [row[0] for row in islice(found, _BATCH)]:
        pointers = _pointers(db, "p.fact", part, "p.since IS NULL")
        premises = _premises(db, part)
        replaced_by = {} if valid_at is None else transitions.successors(db, part, until)
        for pk, row in facts.rows(db, part).items():
            if valid_at is not None and not _true_at(db, row, replaced_by, valid_at):
                continue
            yield (
                pk,
                {
                    "type": "fact",
                    "id": row.id,
                    "scope": row.scope,
                    "key": row.key,
                    "text": row.text,
                    "modality": row.modality,
                    "kind": row.kind,
                    "origin": row.origin,
                    "said_at": _iso(row.said_at),
                    "recorded_at": _iso(row.recorded_at),
                    "valid_from": _iso(row.valid_from),
                    "valid_to": _iso(row.valid_to),
                    "ttl_seconds": None if row.ttl is None else row.ttl / 1e6,
                    "probability": row.probability,
                    "context": json.loads(row.context) if row.context else {},
                    "provenance": pointers.get(pk, []),
                    "premises": premises.get(pk, []),
                },
            )


def _true_at(db: sqlite3.Connection, row: facts.Row, replaced_by: Mapping[int, Sequence[int]], moment: int) -> bool:
    ends = [other.valid_from for other in facts.rows(db, replaced_by.get(row.pk, ())).values()]
    if row.valid_to is not None:
        ends.append(row.valid_to)
    return row.valid_from <= moment and all(moment < end for end in ends)


def _pointers(
    db: sqlite3.Connection, column: str, keys: Sequence[int], condition: str
) -> dict[int, list[dict[str, Any]]]:
    marks = ",".join("?" * len(keys))
    result: dict[int, list[dict[str, Any]]] = {}
    for key, fact, event, start, stop, extractor in db.execute(
        f"SELECT {column}, f.id, e.id, p.start, p.stop, x.name FROM provenance p JOIN events e ON e.pk = p.event"
        " JOIN facts f ON f.pk = p.fact JOIN extractors x ON x.pk = p.extractor"
        f" WHERE {column} IN ({marks}) AND {condition} ORDER BY p.fact, p.event, p.start",
        keys,
    ):
        pointer = {"event": event, "start": start, "end": stop, "extractor": extractor}
        result.setdefault(key, []).append(pointer if column == "p.fact" else {"fact": fact, **pointer})
    return result


def _premises(db: sqlite3.Connection, pks: Sequence[int]) -> dict[int, list[str]]:
    marks = ",".join("?" * len(pks))
    result: dict[int, list[str]] = {}
    for fact, premise in db.execute(
        "SELECT d.fact, f.id FROM dependencies d JOIN facts f ON f.pk = d.premise"
        f" WHERE d.fact IN ({marks}) ORDER BY d.fact, d.premise",
        pks,
    ):
        result.setdefault(fact, []).append(premise)
    return result


def _transitions(
    db: sqlite3.Connection, scopes: Sequence[int], until: int, kept: set[int] | None
) -> Iterator[dict[str, Any]]:
    marks = ",".join("?" * len(scopes))
    found = db.execute(f"SELECT pk FROM transitions WHERE scope IN ({marks}) AND at <= ? ORDER BY pk", (*scopes, until))
    while part := [row[0] for row in islice(found, _BATCH)]:
        added = _pointers(db, "p.since", part, "1")
        within = ",".join("?" * len(part))
        rows = db.execute(
            "SELECT t.pk, t.id, s.name, t.change, t.at, t.reason, e.id, target.id, t.refusal,"
            " t.possible FROM transitions t"
            " JOIN scopes s ON s.pk = t.scope LEFT JOIN events e ON e.pk = t.event"
            f" LEFT JOIN transitions target ON target.pk = t.target WHERE t.pk IN ({within}) ORDER BY t.pk",
            part,
        ).fetchall()
        sides: dict[int, dict[str, list[tuple[int, str]]]] = {pk: {"old": [], "new": []} for pk in part}
        for pk, side, fact, id_ in db.execute(
            "SELECT i.transition, i.side, f.pk, f.id FROM involved i JOIN facts f ON f.pk = i.fact"
            f" WHERE i.transition IN ({within}) ORDER BY f.pk",
            part,
        ):
            sides[pk][side].append((fact, id_))
        for pk, id_, scope, change, at, reason, event, target, refusal, possible in rows:
            if kept is not None and not {fact for side in sides[pk].values() for fact, _ in side} <= kept:
                continue
            yield {
                "type": "transition",
                "id": id_,
                "scope": scope,
                "change": change,
                "old": [fact_id for _, fact_id in sides[pk]["old"]],
                "new": [fact_id for _, fact_id in sides[pk]["new"]],
                "at": _iso(at),
                "reason": reason,
                "event": event,
                "target": target,
                "refusal": refusal,
                "possible": bool(possible),
                "pointers": added.get(pk, []),
            }


def _anchors(
    db: sqlite3.Connection, scopes: Sequence[int], until: int, kept: set[int] | None
) -> Iterator[dict[str, Any]]:
    """What facts are tied to, as it was last seen: only by `until`, because what was seen before is not kept."""
    marks = ",".join("?" * len(scopes))
    for row in db.execute(
        "SELECT f.pk, f.id, r.path, a.path, a.first, a.last, a.symbol, a.sha256, a.form, a.seen, a.git_blob,"
        " a.git_commit, a.at, t.id FROM anchors a CROSS JOIN roots r ON r.pk = a.root"
        " CROSS JOIN facts f ON f.pk = a.fact LEFT JOIN transitions t ON t.pk = a.doubt AND t.at <= ?"
        f" WHERE f.scope IN ({marks}) AND f.recorded_at <= ? AND a.at <= ? ORDER BY a.pk",
        (until, *scopes, until, until),
    ):
        pk, fact, root, path, first, last, symbol, sha256, form, seen, blob, commit, at, doubt = row
        if kept is None or pk in kept:
            yield {
                "type": "anchor",
                "fact": fact,
                "root": anchors.named_root(root)[0],
                "path": path,
                "first": first,
                "last": last,
                "symbol": symbol,
                "sha256": sha256,
                "form": form,
                "seen": seen,
                "git_blob": blob,
                "git_commit": commit,
                "at": _iso(at),
                "doubt": doubt,
            }
