"""The lines of an export into a store, in batches: each is one transaction, looked up and written together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, Any, Protocol, TypeVar

from memstore.errors import ImportFailed
from memstore.ledger import anchors, events, facts, forgetting, transitions
from memstore.ledger.connection import Ledger, Transaction
from memstore.ledger.exchange.check import (
    FORMS,
    AnchorLine,
    Bad,
    EventLine,
    FactLine,
    Problems,
    TransitionLine,
    examine,
)
from memstore.ledger.exchange.collector import in_runs, uncollected
from memstore.ledger.exchange.spool import Spool
from memstore.model import Change
from memstore.reports import Imported

_SHOWN = 10


class Index(Protocol):
    """Indexes facts: (key, text, key of the event first derived from). The last call of an import has none."""

    def __call__(self, tx: Transaction, entries: Sequence[tuple[int, str, int]], *, more: bool = ...) -> None: ...


Value = TypeVar("Value")
Values = Sequence[tuple[Any, ...]]


@dataclass(slots=True)
class _Import:
    """One import in progress, and what was done.

    aliases     of events this store knows under another id
    forgotten   what is left here of events whose words were forgotten, which the file may still have
    """

    skip: bool
    problems: Problems
    root: str | None
    anywhere: bool
    aliases: dict[str, str] = field(default_factory=dict)
    forgotten: dict[str, str] = field(default_factory=dict)
    added: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FORMS, 0))
    present: int = 0
    crowded: set[tuple[int, str]] = field(default_factory=set)

    def refuse(self, number: int, bad: Bad) -> None:
        if not self.skip:
            raise ImportFailed(
                f"line {number}: {bad}; {sum(self.added.values())} records before its batch are in,"
                " and importing the mended file again is safe"
            ) from None
        self.problems.append((number, str(bad)))


def read(ledger: Ledger, file: IO[str], *, skip: bool, index: Index, root: str | None, anywhere: bool) -> Imported:
    """Import an export from a text file. Raises ImportFailed, naming each bad line, unless `skip`.

    Ties to files under `root` are taken as they are, with `anywhere` those under other roots too, as ties to files of
    that name under `root`; all others are kept without a root, so that nothing is ever looked at for them.
    """
    with Spool(ledger.path.parent) as spool:
        with closing(in_runs(file)) as lines:  # also where an error that somebody keeps holds on to them
            problems = examine(lines, spool.add)
        if problems and not skip:
            raise ImportFailed(_telling(problems) + "; nothing was imported")
        run = _Import(skip, problems, root, anywhere)
        for type_, numbers, values in spool.batches():
            with ledger.writing() as tx, uncollected():
                _WRITERS[type_](tx, run, numbers, values, index)
    with ledger.writing() as tx:
        _record_clashes(tx, run)
        index(tx, [])
    return Imported(
        events=run.added["event"],
        facts=run.added["fact"],
        transitions=run.added["transition"],
        anchors=run.added["anchor"],
        present=run.present,
        problems=tuple(f"line {n}: {what}" if n else what for n, what in run.problems),
    )


def _telling(problems: Problems) -> str:
    shown = "; ".join(f"line {n}: {what}" if n else what for n, what in problems[:_SHOWN])
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return f"{shown}{more}"


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


def _write_events(tx: Transaction, run: _Import, numbers: Sequence[int], values: Values, index: Index) -> None:
    lines = list(map(EventLine._make, values))
    there = _keys(tx, "events", [line.id for line in lines])
    left = _left(tx, there)
    if left:
        run.forgotten |= {line.id: left[line.id] for line in lines if left.get(line.id, line.text) != line.text}
    new = [(number, line) for number, line in zip(numbers, lines, strict=True) if line.id not in there]
    run.present += len(lines) - len(new)
    sessions = _sessions(tx, (line for _, line in new))
    first = pk = _next_pk(tx, "events")
    said = [_said(line, sessions[line.scope, line.session]) for _, line in new]
    identities = list(map(_identity, said))
    known = _known(tx, identities)
    rows: list[tuple[object, ...]] = []
    taken: set[tuple[object, ...]] = set()
    pending: list[tuple[int]] = []
    for (number, line), columns, identity in zip(new, said, identities, strict=True):
        try:
            if identity in taken:
                raise Bad("another event of this file has the same identity")
            if identity in known:  # this store recorded the same event itself, under an id of its own
                run.aliases[line.id] = _same_words(tx, run, known[identity], line)
                run.present += 1
                continue
        except Bad as bad:
            run.refuse(number, bad)
            continue
        taken.add(identity)
        rows.append((pk, line.id, *columns))
        if line.pending:
            pending.append((pk,))
        pk += 1
    tx.db.executemany(
        "INSERT INTO events (pk, id, session, ref, role, origin, at, recorded_at, text, sha256, forgotten_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )
    tx.db.executemany("INSERT INTO pending (event) VALUES (?)", pending)
    run.added["event"] += pk - first


def _left(tx: Transaction, ids: Iterable[str]) -> dict[str, str]:
    """{id: what is left of its text} of the events of which words were forgotten."""
    found: dict[str, str] = {}
    for part in _parts(ids):
        marks = ",".join("?" * len(part))
        found.update(
            tx.execute(f"SELECT id, text FROM events WHERE forgotten_at IS NOT NULL AND id IN ({marks})", part)
        )
    return found


def _is_gone(run: _Import, event: str, start: int, end: int) -> bool:
    """Whether words were forgotten here that the file may still have."""
    left = run.forgotten.get(event)
    return left is not None and (not left or forgetting.BLANK in left[start:end])


def _without_forgotten(run: _Import, line: FactLine) -> FactLine:
    """A fact without what this store was told to forget: an export made before, or elsewhere, does not undo it."""
    if any(_is_gone(run, event, start, end) for event, start, end, _ in line.provenance):
        return line._replace(text="", key=None, context={})
    if any(pointer[0] in run.forgotten for pointer in line.provenance):
        return line._replace(context={})  # which may hold words of its neighbours
    return line


def _sessions(tx: Transaction, lines: Iterable[EventLine]) -> dict[tuple[str, str], int]:
    """{(scope, session): pk} of a batch of events, made where they are new."""
    named = dict.fromkeys((line.scope, line.session) for line in lines)
    scopes = {scope: events.scope_pk(tx, scope) for scope in dict.fromkeys(scope for scope, _ in named)}
    return {(scope, session): events.session_pk(tx, scopes[scope], session) for scope, session in named}


def _said(line: EventLine, session: int) -> tuple[Any, ...]:
    """The columns of an event after its id."""
    return (
        session,
        line.ref,
        line.role,
        line.origin,
        line.at,
        line.recorded_at,
        line.text,
        bytes.fromhex(line.sha256) if line.text else None,
        line.forgotten_at,
    )


def _identity(columns: tuple[Any, ...]) -> tuple[object, ...]:
    """What makes an event the same event: its session and ref; without a ref, its role, time and hash."""
    session, ref, role, _, at, _, _, digest, _ = columns
    return (session, ref) if ref is not None else (session, role, at, digest)


def _known(tx: Transaction, wanted: Sequence[tuple[object, ...]]) -> dict[tuple[object, ...], int]:
    """{identity: pk} of the events of a batch that this store holds already."""
    found: dict[tuple[object, ...], int] = {}
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


def _same_words(tx: Transaction, run: _Import, event: int, line: EventLine) -> str:
    """The id under which this store holds an event. Raises Bad if it holds other words."""
    there = events.by_pk(tx.db, [event])[event]
    if there.text != line.text:
        if not _is_left_of(_left(tx, [there.id]).get(there.id), line.text):
            raise Bad(f"this store holds other words under ref {line.ref!r} of that session")
        run.forgotten[line.id] = there.text
    return there.id


def _is_left_of(left: str | None, text: str) -> bool:
    """Whether that is what forgetting leaves of a text: nothing, or all but some of its words."""
    if left is None or not left:
        return left is not None
    return len(left) == len(text) and all(
        kept in (said, forgetting.BLANK) for kept, said in zip(left, text, strict=True)
    )


def _write_facts(tx: Transaction, run: _Import, numbers: Sequence[int], values: Values, index: Index) -> None:
    lines = list(map(FactLine._make, values))
    known = _keys(tx, "facts", [id_ for line in lines for id_ in (line.id, *line.premises)])
    sources = _Sources(tx, run, (pointer[0] for line in lines for pointer in line.provenance))
    scopes = {name: events.scope_pk(tx, name) for name in {line.scope for line in lines}}
    pk = _next_pk(tx, "facts")
    rows: list[tuple[object, ...]] = []
    pointers: list[tuple[object, ...]] = []
    premises: list[tuple[int, int]] = []
    indexed: list[tuple[int, str, int]] = []
    keyed: dict[int, list[str]] = {}
    gone: dict[int, list[int]] = {}
    for number, told in zip(numbers, lines, strict=True):
        if told.id in known:
            run.present += 1
            continue
        line = _without_forgotten(run, told) if run.forgotten else told
        try:
            if not line.provenance:
                raise Bad("the fact has no pointer to an event")
            spans = [sources.pointer(*pointer) for pointer in line.provenance]
            for premise in line.premises:
                if premise not in known:
                    raise Bad(f"there is no fact {premise}")
        except Bad as bad:
            run.refuse(number, bad)
            continue
        scope = scopes[line.scope]
        rows.append((pk, *_columns(line, scope)))
        for span in spans:
            pointers.append((pk, *span))
        for premise in line.premises:
            premises.append((pk, known[premise]))
        if line.text:
            indexed.append((pk, line.text, min(spans)[0]))
        elif told.text:
            gone.setdefault(scope, []).append(pk)
        if line.key is not None:
            keyed.setdefault(scope, []).append(line.key)
        known[line.id] = pk
        pk += 1
    _note_crowded(tx, run, keyed)
    tx.db.executemany(facts.INSERT, rows)
    tx.db.executemany("INSERT INTO provenance (fact, event, start, stop, extractor) VALUES (?, ?, ?, ?, ?)", pointers)
    tx.db.executemany("INSERT OR IGNORE INTO dependencies (fact, premise) VALUES (?, ?)", premises)
    index(tx, indexed, more=True)
    for scope, old in gone.items():
        transitions.append(
            tx, scope=scope, change=Change.FORGOTTEN, old=old, reason="the words it came from were forgotten"
        )
    passed_over = sum(map(len, gone.values()))
    run.present += passed_over
    run.added["fact"] += len(rows) - passed_over


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

    def event(self, id_: str) -> int:
        return self.span(id_, 0, 0)[0]

    def span(self, id_: str, start: int, end: int) -> tuple[int, int, int]:
        found = self._found.get(self._run.aliases.get(id_, id_))
        if found is None:
            raise Bad(f"there is no event {id_}")
        event, length, forgotten_at = found
        if end > length and forgotten_at is None:
            raise Bad(f"a pointer reaches past the {length} characters of {id_}")
        return event, start, end

    def pointer(self, id_: str, start: int, end: int, by: str) -> tuple[int, int, int, int]:
        extractor = self._extractors.get(by)
        if extractor is None:
            extractor = self._extractors[by] = facts.extractor_pk(self._tx, by)
        return (*self.span(id_, start, end), extractor)


def _columns(line: FactLine, scope: int) -> tuple[object, ...]:
    ttl = line.ttl_seconds
    return facts.values(
        id_=line.id,
        scope=scope,
        key=line.key,
        text=line.text,
        modality=line.modality,
        kind=line.kind,
        origin=line.origin,
        said_at=line.said_at,
        recorded_at=line.recorded_at,
        valid_from=line.valid_from,
        valid_to=line.valid_to,
        ttl=None if ttl is None else round(ttl * 1e6),
        probability=float(line.probability),
        context=line.context,
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


def _write_transitions(tx: Transaction, run: _Import, numbers: Sequence[int], values: Values, index: Index) -> None:
    for number, line in zip(numbers, map(TransitionLine._make, values), strict=True):
        if _keys(tx, "transitions", [line.id]):
            run.present += 1
            continue
        try:
            _write_transition(tx, run, line)
        except Bad as bad:
            run.refuse(number, bad)


def _write_transition(tx: Transaction, run: _Import, line: TransitionLine) -> None:
    named = [*line.old, *line.new, *(pointer[-1] for pointer in line.pointers)]
    known = _keys(tx, "facts", named)
    if missing := [fact for fact in named if fact not in known]:
        raise Bad(f"there is no fact {missing[0]}")
    old, new = ([known[fact] for fact in side] for side in (line.old, line.new))
    causes = [] if line.event is None else [line.event]
    said = [pointer for pointer in line.pointers if not _is_gone(run, *pointer[:3])]
    sources = _Sources(tx, run, [*causes, *(pointer[0] for pointer in said)])
    pointers = [(known[fact], sources.span(*span), by) for *span, by, fact in said]
    event = sources.event(causes[0]) if causes else None
    target = _transition(tx, line.target)
    reason, refusal = line.reason, line.refusal
    # The file may be from before the forgetting, and a reason quotes.
    if line.change != Change.FORGOTTEN and facts.any_forgotten(tx.db, known.values()):
        reason, refusal = forgetting.FORGOTTEN, None if refusal is None else forgetting.FORGOTTEN
    if line.change == Change.SUPERSEDED and refusal is None:
        forwards = transitions.successors(tx.db, new)
        if any({fact, *transitions.reachable(forwards, fact)} & set(old) for fact in new):
            refusal = "it would close a circle with what this store holds"
    pk = transitions.append(
        tx,
        scope=events.scope_pk(tx, line.scope),
        change=Change(line.change),
        old=old,
        new=new,
        reason=reason,
        event=event,
        target=target,
        refusal=refusal,
        possible=line.possible,
        id_and_time=(line.id, line.at),
    )
    for fact, span, by in pointers:
        facts.point(tx, fact, [span], by, since=pk)
    run.added["transition"] += 1


def _transition(tx: Transaction, id_: str | None) -> int | None:
    if id_ is None:
        return None
    found = _keys(tx, "transitions", [id_])
    if not found:
        raise Bad(f"there is no transition {id_}")
    return found[id_]


def _write_anchors(tx: Transaction, run: _Import, numbers: Sequence[int], values: Values, index: Index) -> None:
    lines = list(map(AnchorLine._make, values))
    known = _keys(tx, "facts", [line.fact for line in lines])
    for number, line in zip(numbers, lines, strict=True):
        try:
            if line.fact not in known:
                raise Bad(f"there is no fact {line.fact}")
            tie = anchors.Tie(
                pk=0,
                fact=known[line.fact],
                root=anchors.bound(line.root, run.root, anywhere=run.anywhere),
                path=line.path,
                lines=None if line.first is None or line.last is None else (line.first, line.last),
                symbol=line.symbol,
                sha256=line.sha256,
                form=line.form,
                seen=line.seen,
                blob=line.git_blob,
                commit=line.git_commit,
                at=line.at,
                doubt=_transition(tx, line.doubt),
            )
        except Bad as bad:
            run.refuse(number, bad)
            continue
        run.added["anchor"] += (added := anchors.take_in(tx, tie))
        run.present += not added


_WRITERS = {
    "event": _write_events,
    "fact": _write_facts,
    "transition": _write_transitions,
    "anchor": _write_anchors,
}


def _record_clashes(tx: Transaction, run: _Import) -> None:
    """A key that several facts hold now, with nothing on record between them, becomes a conflict."""
    for scope, key in sorted(run.crowded):
        held = facts.holders(tx.db, scope, key)
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
