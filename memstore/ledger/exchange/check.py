"""What is wrong with a line of an export, as far as can be seen without a store, and what it says if nothing is."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from itertools import product
from operator import itemgetter
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from memstore.errors import UsageError
from memstore.ledger import events
from memstore.ledger.exchange import VERSION
from memstore.ledger.times import to_micros
from memstore.model import Change, Kind, Modality, Origin

Problems = list[tuple[int, str]]


class Bad(Exception):
    """What is wrong with one line."""


#: The words that a fact came from: event, start, end, extractor, and in a transition the fact as well.
Pointer = tuple[Any, ...]


class EventLine(NamedTuple):
    """A checked line; its times, like those of all others, in microseconds."""

    id: str
    scope: str
    session: str
    ref: str | None
    role: str
    origin: str
    at: int
    recorded_at: int
    text: str
    sha256: str
    forgotten_at: int | None
    pending: bool


class FactLine(NamedTuple):
    id: str
    scope: str
    key: str | None
    text: str
    modality: str
    kind: str
    origin: str
    said_at: int
    recorded_at: int
    valid_from: int
    valid_to: int | None
    ttl_seconds: float | None
    probability: float
    context: dict[str, str]
    provenance: tuple[Pointer, ...]
    premises: tuple[str, ...]


class TransitionLine(NamedTuple):
    id: str
    scope: str
    change: str
    old: list[str]
    new: list[str]
    at: int
    reason: str
    event: str | None
    target: str | None
    refusal: str | None
    pointers: tuple[Pointer, ...]
    possible: bool


class AnchorLine(NamedTuple):
    """What a fact is tied to: `first` and `last` are 1-based lines, `doubt` is the transition that the tie raised."""

    fact: str
    root: str
    path: str
    first: int | None
    last: int | None
    symbol: str | None
    sha256: str
    form: str
    seen: str
    git_blob: str | None
    git_commit: str | None
    at: int
    doubt: str | None


Line = EventLine | FactLine | TransitionLine | AnchorLine
FORMS: Mapping[str, Callable[[Iterable[Any]], Line]] = {
    "event": EventLine._make,
    "fact": FactLine._make,
    "transition": TransitionLine._make,
    "anchor": AnchorLine._make,
}
#: Takes a line that has no fault: its number, its type, and the values of its form.
Keep = Callable[[int, str, tuple[Any, ...]], None]

_Types = frozenset[Any]  # the exact types that JSON gives: a bool is no int here
_TEXT, _MAYBE, _NUMBER = _Types({str}), _Types({str, type(None)}), _Types({int, float})
_WHOLE, _FLAG, _LIST, _OBJECT = _Types({int}), _Types({bool}), _Types({list}), _Types({dict})
_MAYBE_WHOLE = _Types({int, type(None)})
_FIELDS: Mapping[str, Mapping[str, _Types]] = {
    "event": {
        "id": _TEXT, "scope": _TEXT, "session": _TEXT, "ref": _MAYBE, "role": _TEXT, "origin": _TEXT, "at": _TEXT,
        "recorded_at": _TEXT, "text": _TEXT, "sha256": _TEXT, "forgotten_at": _MAYBE, "pending": _FLAG,
    },
    "fact": {
        "id": _TEXT, "scope": _TEXT, "key": _MAYBE, "text": _TEXT, "modality": _TEXT, "kind": _TEXT,
        "origin": _TEXT, "said_at": _TEXT, "recorded_at": _TEXT, "valid_from": _TEXT, "valid_to": _MAYBE,
        "ttl_seconds": _NUMBER | {type(None)}, "probability": _NUMBER, "context": _OBJECT, "provenance": _LIST,
        "premises": _LIST,
    },
    "transition": {
        "id": _TEXT, "scope": _TEXT, "change": _TEXT, "old": _LIST, "new": _LIST, "at": _TEXT, "reason": _TEXT,
        "event": _MAYBE, "target": _MAYBE, "refusal": _MAYBE, "pointers": _LIST,
        "possible": _FLAG,
    },
    "anchor": {
        "fact": _TEXT, "root": _TEXT, "path": _TEXT, "first": _MAYBE_WHOLE, "last": _MAYBE_WHOLE, "symbol": _MAYBE,
        "sha256": _TEXT, "form": _TEXT, "seen": _TEXT, "git_blob": _MAYBE, "git_commit": _MAYBE, "at": _TEXT,
        "doubt": _MAYBE,
    },
    "header": {"format": _TEXT, "version": _WHOLE},
    "footer": {
        "events": _WHOLE, "facts": _WHOLE, "transitions": _WHOLE, "anchors": _WHOLE,
    },
}  # fmt: skip
#: What older exports leave out.
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {"transition": {"possible": False}, "footer": {"anchors": 0}}
_decode = json.JSONDecoder().raw_decode
_ORDER = {"header": 0, "event": 1, "fact": 2, "transition": 3, "anchor": 4, "footer": 5}
_CLOSED = {
    name: frozenset(member.value for member in closed)
    for name, closed in (("modality", Modality), ("kind", Kind), ("origin", Origin), ("change", Change))
}
_MOMENTS = frozenset({"at", "recorded_at", "said_at", "valid_from", "valid_to", "forgotten_at"})
# Per type: how to take the values of a record, every combination of types that they may have, and the places of
# those that come from a closed set, and of the times.
_VALUES = {type_: itemgetter(*fields) for type_, fields in _FIELDS.items()}
_SHAPES = {type_: frozenset(product(*fields.values())) for type_, fields in _FIELDS.items()}
_CLOSED_AT = {type_: [(i, n) for i, n in enumerate(fields) if n in _CLOSED] for type_, fields in _FIELDS.items()}
_TIMES_AT = {type_: [(i, n) for i, n in enumerate(fields) if n in _MOMENTS] for type_, fields in _FIELDS.items()}
_POINTER = {"event": _TEXT, "start": _WHOLE, "end": _WHOLE, "extractor": _TEXT}
_POINTERS = {"provenance": _POINTER, "pointers": {**_POINTER, "fact": _TEXT}}
_POINTER_VALUES = {name: itemgetter(*fields) for name, fields in _POINTERS.items()}
_POINTER_TYPES = {"provenance": (str, int, int, str), "pointers": (str, int, int, str, str)}
_SECONDS = 1e12  # no lifetime is longer: the calendar ends before
_LARGEST = 2**62


def parse(line: str) -> Any:
    """The JSON value that a line holds. `json.loads` looks for space at both ends first, which costs a third more."""
    try:
        value, end = _decode(line)
        return value if line[end:] in ("\n", "") else json.loads(line)
    except ValueError:
        return json.loads(line)


def _record(line: str) -> dict[str, Any]:
    try:
        record = parse(line)
    except ValueError as error:
        raise Bad(f"not JSON ({error})") from None
    except RecursionError:
        raise Bad("not a line of a memstore export (nested too deeply)") from None
    if type(record) is not dict or type(type_ := record.get("type")) is not str or type_ not in _FIELDS:
        raise Bad("not a line of a memstore export")
    escapes = "\\u" in line  # what is escaped may be half a character; exports escape next to nothing
    if escapes or not line.isascii():
        try:
            (json.dumps(record, ensure_ascii=False) if escapes else line).encode()
        except UnicodeEncodeError:
            raise Bad("the text is not valid Unicode") from None
    return record


def _check(type_: str, record: dict[str, Any]) -> list[Any]:
    """The values of a record, its times in microseconds.

    Raises Bad unless it has every field, of its type, and says what its hash says it said.
    """
    if type_ in _DEFAULTS:
        record = {**_DEFAULTS[type_], **record}
    try:
        values = list(_VALUES[type_](record))
    except KeyError as missing:
        raise Bad(f"{missing.args[0]} is missing") from None
    if tuple(map(type, values)) not in _SHAPES[type_]:
        _check_fields(record, _FIELDS[type_])
    for index, name in _CLOSED_AT[type_]:
        if values[index] not in _CLOSED[name]:
            raise Bad(f"{name} {values[index]!r} is not one of {', '.join(sorted(_CLOSED[name]))}")
    for index, name in _TIMES_AT[type_]:
        value = values[index]
        if value is not None:
            try:
                values[index] = _micros(value)
            except (ValueError, UsageError) as error:
                raise Bad(f"{name} {value!r}: {error}") from None
    if type_ in _MORE:
        _MORE[type_](values)
    return values


def _check_fields(record: Mapping[str, Any], fields: Mapping[str, _Types]) -> None:
    for name, types in fields.items():
        if type(record.get(name, ...)) not in types:
            raise Bad(f"{name} is {type(record[name]).__name__}" if name in record else f"{name} is missing")


def _check_event(values: list[Any]) -> None:
    *_, text, sha256, forgotten_at, _ = values
    if events.sha256(text).hex() != sha256:
        raise Bad("the text is not what its hash says")
    if not text and forgotten_at is None:
        raise Bad("the event has no words")


def _check_fact(values: list[Any]) -> None:
    *_, ttl, probability, context, provenance, premises = values
    values[-2] = tuple([_pointer(pointer, "provenance") for pointer in provenance])
    values[-1] = tuple(premises)
    if premises:
        _check_texts(premises, "premises")
    if context:
        _check_texts(context.values(), "context")
    if not 0 <= probability <= 1:
        raise Bad(f"probability {probability}")
    if ttl is not None and not (math.isfinite(ttl) and abs(ttl) < _SECONDS):
        raise Bad(f"ttl_seconds {ttl}")


def _check_transition(values: list[Any]) -> None:
    transition = TransitionLine._make(values)
    values[-2] = tuple([_pointer(pointer, "pointers") for pointer in transition.pointers])
    _check_texts([*transition.old, *transition.new], "old and new")


def _check_anchor(values: list[Any]) -> None:
    anchor = AnchorLine._make(values)
    path = PurePosixPath(anchor.path)
    if path.is_absolute() or ".." in path.parts or "\0" in anchor.path or not path.parts:
        raise Bad(f"the path {anchor.path!r} is not one under its root")
    first, last = anchor.first, anchor.last
    if first is None or last is None:
        if first is not last:
            raise Bad(f"the lines {first} to {last}")
    elif not 1 <= first <= last < _LARGEST:
        raise Bad(f"the lines {first} to {last}")


def _check_header(values: list[Any]) -> None:
    format_, version = values
    if format_ != "memstore" or not 1 <= version <= VERSION:
        raise Bad(f"format {format_} version {version}: this memstore reads up to {VERSION}")


_MORE: Mapping[str, Callable[[list[Any]], None]] = {
    "event": _check_event,
    "fact": _check_fact,
    "transition": _check_transition,
    "anchor": _check_anchor,
    "header": _check_header,
}


def _pointer(pointer: Any, name: str) -> Pointer:
    if type(pointer) is not dict:
        raise Bad("a pointer is not an object")
    try:
        values: Pointer = _POINTER_VALUES[name](pointer)
    except KeyError:
        values = ()
    if tuple(map(type, values)) != _POINTER_TYPES[name]:
        _check_fields(pointer, _POINTERS[name])
    if not 0 <= values[1] < values[2] < _LARGEST:
        raise Bad(f"a pointer to [{values[1]}, {values[2]})")
    return values


def _check_texts(values: Iterable[Any], name: str) -> None:
    for value in values:
        if type(value) is not str:
            raise Bad(f"{name} holds {type(value).__name__}")


@lru_cache(maxsize=4096)  # the times of one record are often one and the same
def _micros(value: str) -> int:
    """The microseconds of a time in ISO format. Raises ValueError, or UsageError for one without a zone."""
    return to_micros(datetime.fromisoformat(value))


def examine(lines: Iterable[str], keep: Keep) -> Problems:
    """Everything wrong with an export that can be seen without a store: (line number, what); the rest is kept."""
    problems: Problems = []
    counts = dict.fromkeys(_ORDER, 0)
    reached = -1
    footer: dict[str, int] | None = None
    for number, line in enumerate(lines, 1):
        if line.isspace():
            continue
        try:
            record = _record(line)
            type_ = record["type"]
            if number == 1 and type_ != "header":
                raise Bad("the first line is not the header of a memstore export")
            if _ORDER[type_] < reached:
                raise Bad(f"a {type_} after what may refer to it")
            reached = _ORDER[type_]
            values = _check(type_, record)
        except Bad as bad:
            problems.append((number, str(bad)))
            continue
        counts[type_] += 1
        if type_ == "footer":
            footer = dict(zip(_FIELDS[type_], values, strict=True))
        elif type_ != "header":
            keep(number, type_, tuple(values))
    if footer is None:
        problems.append((0, "the file has no footer: it was cut off"))
    elif not problems and any(footer[f"{kind}s"] != counts[kind] for kind in FORMS):
        problems.append((0, "the footer counts other lines than there are: some were taken out or added"))
    return problems
