"""Import of the lines that `exchange` writes: checked line by line, then written in batches. See `exchange`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Any

from memstore.errors import ImportFailed
from memstore.ledger import events, facts, transitions
from memstore.ledger.connection import Ledger, Transaction
from memstore.ledger.exchange import VERSION
from memstore.ledger.facts import Draft
from memstore.ledger.times import to_micros
from memstore.model import Change, Imported, Kind, Modality, Origin

_BATCH = 1000
_SHOWN = 10

Index = Callable[[Transaction, Sequence[tuple[int, str]]], None]
Problems = list[tuple[int, str]]


class _Bad(Exception):
    """What is wrong with one line."""


# --- checking --------------------------------------------------------------------------------------------------

_FIELDS: Mapping[str, Mapping[str, type | tuple[type, ...]]] = {
    "event": {
        "id": str, "scope": str, "session": str, "ref": (str, type(None)), "role": str, "origin": str, "at": str,
        "recorded_at": str, "text": str, "sha256": str, "forgotten_at": (str, type(None)), "pending": bool,
    },
    "fact": {
        "id": str, "scope": str, "key": (str, type(None)), "text": str, "modality": str, "kind": str, "origin": str,
        "said_at": str, "recorded_at": str, "valid_from": str, "valid_to": (str, type(None)),
        "ttl_seconds": (int, float, type(None)), "probability": (int, float), "context": dict, "provenance": list,
        "premises": list,
    },
    "transition": {
        "id": str, "scope": str, "change": str, "old": list, "new": list, "at": str, "reason": str,
        "event": (str, type(None)), "target": (str, type(None)), "refusal": (str, type(None)), "pointers": list,
    },
    "header": {"format": str, "version": int},
    "footer": {"events": int, "facts": int, "transitions": int},
}  # fmt: skip
_ORDER = {"header": 0, "event": 1, "fact": 2, "transition": 3, "footer": 4}
_CLOSED = {"modality": Modality, "kind": Kind, "origin": Origin, "change": Change}
_TIMES = frozenset({"at", "recorded_at", "said_at", "valid_from", "valid_to", "forgotten_at"})
_POINTER: Mapping[str, type | tuple[type, ...]] = {"event": str, "start": int, "end": int, "extractor": str}


def _parse(line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise _Bad(f"not JSON ({error})") from None
    if not isinstance(record, dict) or record.get("type") not in _FIELDS:
        raise _Bad("not a line of a memstore export")
    return record


def _check(record: dict[str, Any]) -> None:
    """Raise _Bad unless a record has every field, of its type, and says what its hash says it said."""
    type_ = record["type"]
    _check_fields(record, _FIELDS[type_])
    for name, closed in _CLOSED.items():
        if name in _FIELDS[type_] and record[name] not in set(closed):
            raise _Bad(f"{name} {record[name]!r} is not one of {', '.join(closed)}")
    for name in _TIMES & _FIELDS[type_].keys():
        if record[name] is not None:
            _micros(record[name], name)
    if type_ == "event":
        _check_words(record["text"], record["sha256"])
        if not record["text"] and record["forgotten_at"] is None:
            raise _Bad("the event has no words")
    elif type_ == "header" and (record["format"] != "memstore" or not 1 <= record["version"] <= VERSION):
        raise _Bad(f"format {record['format']} version {record['version']}: this memstore reads up to {VERSION}")
    for pointer in record.get("provenance", record.get("pointers", ())):
        _check_pointer(pointer, needs_fact=type_ == "transition")


def _check_fields(record: Mapping[str, Any], fields: Mapping[str, type | tuple[type, ...]]) -> None:
    for name, kind in fields.items():
        if name not in record:
            raise _Bad(f"{name} is missing")
        value = record[name]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise _Bad(f"{name} is {type(value).__name__}")


def _check_words(text: str, sha256: str) -> None:
    try:
        digest = events.sha256(text).hex()
    except ValueError:
        raise _Bad("the text is not valid Unicode") from None
    if digest != sha256:
        raise _Bad("the text is not what its hash says")


def _check_pointer(pointer: Any, needs_fact: bool) -> None:
    if not isinstance(pointer, dict):
        raise _Bad("a pointer is not an object")
    _check_fields(pointer, {**_POINTER, "fact": str} if needs_fact else _POINTER)
    if not 0 <= pointer["start"] < pointer["end"]:
        raise _Bad(f"a pointer to [{pointer['start']}, {pointer['end']})")


def _micros(value: str, name: str) -> int:
    try:
        return to_micros(datetime.fromisoformat(value), name)
    except ValueError as error:
        raise _Bad(f"{name} {value!r}: {error}") from None


def examine(lines: Iterable[str]) -> Problems:
    """Everything wrong with an export that can be seen without a store: (line number, what)."""
    problems: Problems = []
    counts = dict.fromkeys(_ORDER, 0)
    reached = -1
    footer: dict[str, Any] | None = None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = _parse(line)
            if number == 1 and record["type"] != "header":
                raise _Bad("the first line is not the header of a memstore export")
            if _ORDER[record["type"]] < reached:
                raise _Bad(f"a {record['type']} after what may refer to it")
            reached = _ORDER[record["type"]]
            _check(record)
        except _Bad as bad:
            problems.append((number, str(bad)))
            continue
        counts[record["type"]] += 1
        if record["type"] == "footer":
            footer = record
    if footer is None:
        problems.append((0, "the file has no footer: it was cut off"))
    elif not problems and any(footer[f"{kind}s"] != counts[kind] for kind in ("event", "fact", "transition")):
        problems.append((0, "the footer counts other lines than there are: some were taken out or added"))
    return problems


# --- writing ---------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Import:
    """One import in progress: aliases of events this store knows under another id, and what was done."""

    skip: bool
    aliases: dict[str, str] = field(default_factory=dict)
    added: dict[str, int] = field(default_factory=lambda: {"event": 0, "fact": 0, "transition": 0})
    present: int = 0
    problems: Problems = field(default_factory=list)
    scopes: dict[str, int] = field(default_factory=dict)
    crowded: set[tuple[int, str]] = field(default_factory=set)


def read(ledger: Ledger, file: IO[str], *, skip: bool, index: Index) -> Imported:
    """Import an export from a seekable text file. Raises ImportFailed, naming each bad line, unless `skip`."""
    run = _Import(skip, problems=examine(file))
    if run.problems and not skip:
        raise ImportFailed(_telling(run.problems) + "; nothing was imported")
    file.seek(0)
    bad = {number for number, _ in run.problems}
    good = ((n, line) for n, line in enumerate(file, 1) if n not in bad and line.strip())
    for batch in _batches(good):
        with ledger.writing() as tx:
            _write(tx, run, batch, index)
    with ledger.writing() as tx:
        _record_clashes(tx, run)
    return Imported(
        events=run.added["event"],
        facts=run.added["fact"],
        transitions=run.added["transition"],
        present=run.present,
        problems=tuple(f"line {n}: {what}" if n else what for n, what in run.problems),
    )


def _telling(problems: Problems) -> str:
    shown = "; ".join(f"line {n}: {what}" if n else what for n, what in problems[:_SHOWN])
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return f"{shown}{more}"


def _batches(lines: Iterator[tuple[int, str]]) -> Iterator[list[tuple[int, dict[str, Any]]]]:
    batch: list[tuple[int, dict[str, Any]]] = []
    for number, line in lines:
        batch.append((number, json.loads(line)))
        if len(batch) == _BATCH:
            yield batch
            batch = []
    yield batch


def _write(tx: Transaction, run: _Import, batch: Sequence[tuple[int, dict[str, Any]]], index: Index) -> None:
    new: list[tuple[int, str]] = []
    written = dict(run.added)
    for number, record in batch:
        try:
            match record["type"]:
                case "event":
                    _write_event(tx, run, record)
                case "fact":
                    new += _write_fact(tx, run, record)
                case "transition":
                    _write_transition(tx, run, record)
        except _Bad as bad:
            if not run.skip:
                done = sum(written.values())
                raise ImportFailed(
                    f"line {number}: {bad}; the {done} records before its batch are in, and importing again is safe"
                ) from None
            run.problems.append((number, str(bad)))
    index(tx, new)


def _scope(tx: Transaction, run: _Import, name: str) -> int:
    if name not in run.scopes:
        run.scopes[name] = events.scope_pk(tx, name)
    return run.scopes[name]


def _write_event(tx: Transaction, run: _Import, record: Mapping[str, Any]) -> None:
    if tx.execute("SELECT 1 FROM events WHERE id = ?", (record["id"],)).fetchone():
        run.present += 1
        return
    session = events.session_pk(tx, _scope(tx, run, record["scope"]), record["session"])
    text, forgotten_at = record["text"], record["forgotten_at"]
    at = _micros(record["at"], "at")
    digest = events.sha256(text) if text else None
    if forgotten_at is None:
        known = events.existing(tx, session, record["ref"], record["role"], at, digest or b"")
        if known is not None:
            there = events.by_pk(tx.db, [known])[known]
            if there.text != text:
                raise _Bad(f"this store holds other words under ref {record['ref']!r} of that session")
            run.aliases[record["id"]] = there.id
            run.present += 1
            return
    pk = tx.insert(
        "INSERT INTO events (id, session, ref, role, origin, at, recorded_at, text, sha256, forgotten_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            record["id"],
            session,
            record["ref"],
            record["role"],
            record["origin"],
            at,
            _micros(record["recorded_at"], "recorded_at"),
            text,
            digest,
            None if forgotten_at is None else _micros(forgotten_at, "forgotten_at"),
        ),
    )
    if record["pending"]:
        tx.execute("INSERT INTO pending (event) VALUES (?)", (pk,))
    run.added["event"] += 1


def _event_pk(tx: Transaction, run: _Import, id_: str) -> int:
    row = tx.execute("SELECT pk FROM events WHERE id = ?", (run.aliases.get(id_, id_),)).fetchone()
    if row is None:
        raise _Bad(f"there is no event {id_}")
    return int(row[0])


def _fact_pk(tx: Transaction, id_: str) -> int:
    row = tx.execute("SELECT pk FROM facts WHERE id = ?", (id_,)).fetchone()
    if row is None:
        raise _Bad(f"there is no fact {id_}")
    return int(row[0])


def _spans(tx: Transaction, run: _Import, pointers: Sequence[Mapping[str, Any]]) -> list[tuple[int, int, int]]:
    found = []
    for pointer in pointers:
        event = _event_pk(tx, run, pointer["event"])
        text, forgotten_at = tx.execute("SELECT text, forgotten_at FROM events WHERE pk = ?", (event,)).fetchone()
        if pointer["end"] > len(text) and forgotten_at is None:
            raise _Bad(f"a pointer reaches past the {len(text)} characters of {pointer['event']}")
        found.append((event, pointer["start"], pointer["end"]))
    return found


def _write_fact(tx: Transaction, run: _Import, record: Mapping[str, Any]) -> list[tuple[int, str]]:
    if tx.execute("SELECT 1 FROM facts WHERE id = ?", (record["id"],)).fetchone():
        run.present += 1
        return []
    if not record["provenance"]:
        raise _Bad("the fact has no pointer to an event")
    ttl = record["ttl_seconds"]
    draft = Draft(
        scope=_scope(tx, run, record["scope"]),
        key=record["key"],
        text=record["text"],
        modality=Modality(record["modality"]),
        kind=Kind(record["kind"]),
        origin=Origin(record["origin"]),
        said_at=_micros(record["said_at"], "said_at"),
        valid_from=_micros(record["valid_from"], "valid_from"),
        valid_to=None if record["valid_to"] is None else _micros(record["valid_to"], "valid_to"),
        ttl=None if ttl is None else round(ttl * 1e6),
        probability=float(record["probability"]),
        spans=_spans(tx, run, record["provenance"]),
        extractor=record["provenance"][0]["extractor"],
        context=record["context"],
    )
    premises = [_fact_pk(tx, premise) for premise in record["premises"]]
    if draft.key is not None and facts.by_key(tx.db, [draft.scope], draft.key):
        run.crowded.add((draft.scope, draft.key))
    pk = facts.insert(tx, record["id"], _micros(record["recorded_at"], "recorded_at"), draft)
    facts.depend(tx, pk, premises)
    run.added["fact"] += 1
    return [(pk, draft.text)] if draft.text else []


def _write_transition(tx: Transaction, run: _Import, record: Mapping[str, Any]) -> None:
    if tx.execute("SELECT 1 FROM transitions WHERE id = ?", (record["id"],)).fetchone():
        run.present += 1
        return
    old = [_fact_pk(tx, id_) for id_ in record["old"]]
    new = [_fact_pk(tx, id_) for id_ in record["new"]]
    target = None if record["target"] is None else transitions.pk_of(tx.db, record["target"])
    refusal = record["refusal"]
    if record["change"] == Change.SUPERSEDED and refusal is None:
        forwards = transitions.successors(tx.db, new)
        if any({fact, *transitions.reachable(forwards, fact)} & set(old) for fact in new):
            refusal = "it would close a circle with what this store holds"
    pk = transitions.append(
        tx,
        scope=_scope(tx, run, record["scope"]),
        change=Change(record["change"]),
        old=old,
        new=new,
        reason=record["reason"],
        event=None if record["event"] is None else _event_pk(tx, run, record["event"]),
        target=target,
        refusal=refusal,
        id_and_time=(record["id"], _micros(record["at"], "at")),
    )
    for pointer in record["pointers"]:
        facts.point(tx, _fact_pk(tx, pointer["fact"]), _spans(tx, run, [pointer]), pointer["extractor"], since=pk)
    run.added["transition"] += 1


def _record_clashes(tx: Transaction, run: _Import) -> None:
    """A key that several facts hold now, with nothing on record between them, becomes a conflict."""
    for scope, key in sorted(run.crowded):
        held = [pk for pk, row in facts.rows(tx.db, facts.by_key(tx.db, [scope], key)).items() if row.state < 2]
        if len(held) > 1 and not _explained(tx, held):
            transitions.append(
                tx,
                scope=scope,
                change=Change.SUPERSEDED,
                old=held[:-1],
                new=held[-1:],
                reason=f"both stores held the key {key!r}",
                refusal="an import decides nothing: choose one with  memstore review",
            )


def _explained(tx: Transaction, held: Sequence[int]) -> bool:
    marks = ",".join("?" * len(held))
    (accounted,) = tx.execute(
        "SELECT count(DISTINCT i.fact) FROM involved i JOIN transitions t ON t.pk = i.transition"
        f" WHERE (t.refusal IS NOT NULL OR t.effective = 0 OR t.change = 'reverted') AND i.fact IN ({marks})",
        tuple(held),
    ).fetchone()
    return bool(accounted == len(held))
