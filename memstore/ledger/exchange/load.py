"""The lines of an export into a store, in batches: each is one transaction, looked up and written together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import IO, Any, TypeVar

from memstore.errors import ImportFailed
from memstore.ledger import events, facts, transitions
from memstore.ledger.connection import Ledger, Transaction
from memstore.ledger.exchange.check import Bad, Problems, examine, micros, parse
from memstore.model import Change
from memstore.reports import Imported

_BATCH = 1000
_SHOWN = 10

#: Indexes facts: (key, text, key of the event first derived from).
Index = Callable[[Transaction, Sequence[tuple[int, str, int]]], None]
Value = TypeVar("Value")
Records = Sequence[tuple[int, dict[str, Any]]]


@dataclass(slots=True)
class _Import:
    """One import in progress: aliases of events this store knows under another id, and what was done."""

    skip: bool
    problems: Problems
    aliases: dict[str, str] = field(default_factory=dict)
    added: dict[str, int] = field(default_factory=lambda: {"event": 0, "fact": 0, "transition": 0})
    present: int = 0
    crowded: set[tuple[int, str]] = field(default_factory=set)

    def refuse(self, number: int, bad: Bad) -> None:
        if not self.skip:
            raise ImportFailed(
                f"line {number}: {bad}; {sum(self.added.values())} records before its batch are in,"
                " and importing the mended file again is safe"
            ) from None
        self.problems.append((number, str(bad)))


def read(ledger: Ledger, file: IO[str], *, skip: bool, index: Index) -> Imported:
    """Import an export from a seekable text file. Raises ImportFailed, naming each bad line, unless `skip`."""
    run = _Import(skip, problems=examine(file))
    if run.problems and not skip:
        raise ImportFailed(_telling(run.problems) + "; nothing was imported")
    file.seek(0)
    bad = {number for number, _ in run.problems}
    good = ((n, line) for n, line in enumerate(file, 1) if n not in bad and line.strip())
    while batch := [(n, parse(line)) for n, line in islice(good, _BATCH)]:
        with ledger.writing() as tx:
            for type_, records in groupby(batch, key=lambda numbered: numbered[1]["type"]):
                _WRITERS.get(type_, _nothing)(tx, run, list(records), index)
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


def _nothing(tx: Transaction, run: _Import, records: Records, index: Index) -> None:
    """The header and the footer were checked; there is nothing in them to write."""


def _keys(tx: Transaction, table: str, ids: Iterable[str]) -> dict[str, int]:
    """{id: pk} of those that are there."""
    found: dict[str, int] = {}
    for part in _parts(dict.fromkeys(ids)):
        found.update(tx.execute(f"SELECT id, pk FROM {table} WHERE id IN ({','.join('?' * len(part))})", part))
    return found


def _parts(values: Iterable[Value]) -> Iterator[list[Value]]:
    waiting = iter(values)
    while part := list(islice(waiting, 500)):
        yield part


def _next_pk(tx: Transaction, table: str) -> int:
    return int(tx.execute(f"SELECT coalesce(max(pk), 0) + 1 FROM {table}").fetchone()[0])


def _write_events(tx: Transaction, run: _Import, records: Records, index: Index) -> None:
    there = _keys(tx, "events", (record["id"] for _, record in records))
    new = [(number, record) for number, record in records if record["id"] not in there]
    run.present += len(records) - len(new)
    sessions = _sessions(tx, new)
    first = pk = _next_pk(tx, "events")
    said = [_said(record, sessions[record["scope"], record["session"]]) for _, record in new]
    known = _known(tx, said)
    rows: list[tuple[object, ...]] = []
    taken: set[tuple[object, ...]] = set()
    pending: list[tuple[int]] = []
    for (number, record), columns in zip(new, said, strict=True):
        identity = _identity(columns)
        try:
            if identity in taken:
                raise Bad("another event of this file has the same identity")
            if identity in known:  # this store recorded the same event itself, under an id of its own
                run.aliases[record["id"]] = _same_words(tx, known[identity], record)
                run.present += 1
                continue
        except Bad as bad:
            run.refuse(number, bad)
            continue
        taken.add(identity)
        rows.append((pk, record["id"], *columns))
        if record["pending"]:
            pending.append((pk,))
        pk += 1
    tx.db.executemany(
        "INSERT INTO events (pk, id, session, ref, role, origin, at, recorded_at, text, sha256, forgotten_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )
    tx.db.executemany("INSERT INTO pending (event) VALUES (?)", pending)
    run.added["event"] += pk - first


def _sessions(tx: Transaction, records: Records) -> dict[tuple[str, str], int]:
    """{(scope, session): pk} of a batch of events, made where they are new."""
    named = dict.fromkeys((record["scope"], record["session"]) for _, record in records)
    scopes = {scope: events.scope_pk(tx, scope) for scope in dict.fromkeys(scope for scope, _ in named)}
    return {(scope, session): events.session_pk(tx, scopes[scope], session) for scope, session in named}


def _said(record: Mapping[str, Any], session: int) -> tuple[Any, ...]:
    """The columns of an event after its id."""
    text, forgotten_at = record["text"], record["forgotten_at"]
    return (
        session,
        record["ref"],
        record["role"],
        record["origin"],
        micros(record["at"]),
        micros(record["recorded_at"]),
        text,
        bytes.fromhex(record["sha256"]) if text else None,
        None if forgotten_at is None else micros(forgotten_at),
    )


def _identity(columns: tuple[Any, ...]) -> tuple[object, ...]:
    """What makes an event the same event: its session and ref; without a ref, its role, time and hash."""
    session, ref, role, _, at, _, _, digest, _ = columns
    return (session, ref) if ref is not None else (session, role, at, digest)


def _known(tx: Transaction, said: Iterable[tuple[Any, ...]]) -> dict[tuple[object, ...], int]:
    """{identity: pk} of the events of a batch that this store holds already."""
    found: dict[tuple[object, ...], int] = {}
    wanted = [_identity(columns) for columns in said]
    for length, query in (
        (2, "SELECT e.session, e.ref, e.pk FROM named n JOIN events e ON e.session = n.column1 AND e.ref = n.column2"),
        (
            4,
            "SELECT e.session, e.role, e.at, e.sha256, e.pk FROM named n JOIN events e ON e.session = n.column1"
            " AND e.role = n.column2 AND e.at = n.column3 AND e.sha256 = n.column4"
            " WHERE e.ref IS NULL AND e.forgotten_at IS NULL",
        ),
    ):
        some = [identity for identity in wanted if len(identity) == length]
        for part in _parts(some):
            rows = ",".join([f"({','.join('?' * length)})"] * len(part))
            values = [value for identity in part for value in identity]
            for *identity, pk in tx.execute(f"WITH named AS (VALUES {rows}) {query}", values):
                found[tuple(identity)] = pk
    return found


def _same_words(tx: Transaction, event: int, record: Mapping[str, Any]) -> str:
    """The id under which this store holds an event. Raises Bad if it holds other words."""
    there = events.by_pk(tx.db, [event])[event]
    if there.text != record["text"]:
        raise Bad(f"this store holds other words under ref {record['ref']!r} of that session")
    return there.id


def _write_facts(tx: Transaction, run: _Import, records: Records, index: Index) -> None:
    known = _keys(tx, "facts", [i for _, r in records for i in (r["id"], *r["premises"])])
    sources = _Sources(tx, run, (p["event"] for _, r in records for p in r["provenance"]))
    scopes = {name: events.scope_pk(tx, name) for name in {record["scope"] for _, record in records}}
    pk = _next_pk(tx, "facts")
    rows: list[tuple[object, ...]] = []
    pointers: list[tuple[object, ...]] = []
    premises: list[tuple[int, int]] = []
    indexed: list[tuple[int, str, int]] = []
    keyed: dict[int, list[str]] = {}
    for number, record in records:
        if record["id"] in known:
            run.present += 1
            continue
        try:
            if not record["provenance"]:
                raise Bad("the fact has no pointer to an event")
            spans = [(*sources.span(p), sources.extractor(p["extractor"])) for p in record["provenance"]]
            if missing := [premise for premise in record["premises"] if premise not in known]:
                raise Bad(f"there is no fact {missing[0]}")
        except Bad as bad:
            run.refuse(number, bad)
            continue
        scope, key, text = scopes[record["scope"]], record["key"], record["text"]
        rows.append((pk, *_columns(record, scope)))
        pointers += [(pk, *span) for span in spans]
        premises += [(pk, known[premise]) for premise in record["premises"]]
        if text:
            indexed.append((pk, text, min(event for event, *_ in spans)))
        if key is not None:
            keyed.setdefault(scope, []).append(key)
        known[record["id"]] = pk
        pk += 1
    _note_crowded(tx, run, keyed)
    tx.db.executemany(facts.INSERT, rows)
    tx.db.executemany("INSERT INTO provenance (fact, event, start, stop, extractor) VALUES (?, ?, ?, ?, ?)", pointers)
    tx.db.executemany("INSERT OR IGNORE INTO dependencies (fact, premise) VALUES (?, ?)", premises)
    index(tx, indexed)
    run.added["fact"] += len(rows)


class _Sources:
    """The events that a batch points at, looked up together."""

    def __init__(self, tx: Transaction, run: _Import, ids: Iterable[str]) -> None:
        self._tx = tx
        self._run = run
        self._extractors: dict[str, int] = {}
        self._found: dict[str, tuple[int, int, int | None]] = {}
        for part in _parts(dict.fromkeys(run.aliases.get(id_, id_) for id_ in ids)):
            marks = ",".join("?" * len(part))
            for id_, pk, text, forgotten_at in tx.execute(
                f"SELECT id, pk, text, forgotten_at FROM events WHERE id IN ({marks})", part
            ):
                self._found[id_] = (pk, len(text), forgotten_at)  # SQL's length() stops at a NUL

    def span(self, pointer: Mapping[str, Any]) -> tuple[int, int, int]:
        found = self._found.get(self._run.aliases.get(pointer["event"], pointer["event"]))
        if found is None:
            raise Bad(f"there is no event {pointer['event']}")
        event, length, forgotten_at = found
        if pointer["end"] > length and forgotten_at is None:
            raise Bad(f"a pointer reaches past the {length} characters of {pointer['event']}")
        return event, pointer["start"], pointer["end"]

    def extractor(self, name: str) -> int:
        if name not in self._extractors:
            self._extractors[name] = facts.extractor_pk(self._tx, name)
        return self._extractors[name]


def _columns(record: Mapping[str, Any], scope: int) -> tuple[object, ...]:
    ttl, valid_to = record["ttl_seconds"], record["valid_to"]
    return facts.values(
        id_=record["id"],
        scope=scope,
        key=record["key"],
        text=record["text"],
        modality=record["modality"],
        kind=record["kind"],
        origin=record["origin"],
        said_at=micros(record["said_at"]),
        recorded_at=micros(record["recorded_at"]),
        valid_from=micros(record["valid_from"]),
        valid_to=None if valid_to is None else micros(valid_to),
        ttl=None if ttl is None else round(ttl * 1e6),
        probability=float(record["probability"]),
        context=record["context"],
    )


def _note_crowded(tx: Transaction, run: _Import, keyed: Mapping[int, Sequence[str]]) -> None:
    """Remember the keys that more than one fact may hold now; whether they do is asked at the end."""
    for scope, names in keyed.items():
        run.crowded |= {(scope, name) for name, count in Counter(names).items() if count > 1}
        for part in _parts(dict.fromkeys(names)):
            marks = ",".join("?" * len(part))
            run.crowded |= {
                (scope, row[0])
                for row in tx.execute(
                    f"SELECT DISTINCT key FROM facts WHERE scope = ? AND key IN ({marks})", (scope, *part)
                )
            }


def _write_transitions(tx: Transaction, run: _Import, records: Records, index: Index) -> None:
    for number, record in records:
        if tx.execute("SELECT 1 FROM transitions WHERE id = ?", (record["id"],)).fetchone():
            run.present += 1
            continue
        try:
            _write_transition(tx, run, record)
        except Bad as bad:
            run.refuse(number, bad)


def _write_transition(tx: Transaction, run: _Import, record: Mapping[str, Any]) -> None:
    named = [*record["old"], *record["new"], *(p["fact"] for p in record["pointers"])]
    known = _keys(tx, "facts", named)
    if missing := [fact for fact in named if fact not in known]:
        raise Bad(f"there is no fact {missing[0]}")
    old, new = ([known[fact] for fact in record[side]] for side in ("old", "new"))
    causes = [] if record["event"] is None else [record["event"]]
    sources = _Sources(tx, run, [*causes, *(p["event"] for p in record["pointers"])])
    spans = [sources.span(pointer) for pointer in record["pointers"]]
    event = sources.span({"event": causes[0], "start": 0, "end": 0})[0] if causes else None
    target = None
    if record["target"] is not None:
        target = _keys(tx, "transitions", [record["target"]]).get(record["target"])
        if target is None:
            raise Bad(f"there is no transition {record['target']}")
    refusal = record["refusal"]
    if record["change"] == Change.SUPERSEDED and refusal is None:
        forwards = transitions.successors(tx.db, new)
        if any({fact, *transitions.reachable(forwards, fact)} & set(old) for fact in new):
            refusal = "it would close a circle with what this store holds"
    pk = transitions.append(
        tx,
        scope=events.scope_pk(tx, record["scope"]),
        change=Change(record["change"]),
        old=old,
        new=new,
        reason=record["reason"],
        event=event,
        target=target,
        refusal=refusal,
        possible=record.get("possible", False),
        id_and_time=(record["id"], micros(record["at"])),
    )
    for span, pointer in zip(spans, record["pointers"], strict=True):
        facts.point(tx, known[pointer["fact"]], [span], pointer["extractor"], since=pk)
    run.added["transition"] += 1


_WRITERS = {"event": _write_events, "fact": _write_facts, "transition": _write_transitions}


def _record_clashes(tx: Transaction, run: _Import) -> None:
    """A key that several facts hold now, with nothing on record between them, becomes a conflict."""
    for scope, key in sorted(run.crowded):
        held = [pk for pk, row in facts.rows(tx.db, facts.by_key(tx.db, [scope], key)).items() if row.state < 2]
        if not transitions.explain_sharing(tx.db, held):
            transitions.append(
                tx,
                scope=scope,
                change=Change.SUPERSEDED,
                old=held[:-1],
                new=held[-1:],
                reason=f"both stores held the key {key!r}",
                refusal="an import decides nothing: choose one with  memstore review",
            )
