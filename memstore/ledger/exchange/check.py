"""What is wrong with a line of an export, as far as can be seen without a store."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from types import EllipsisType
from typing import Any

from memstore.errors import UsageError
from memstore.ledger import events
from memstore.ledger.exchange import VERSION
from memstore.ledger.times import to_micros
from memstore.model import Change, Kind, Modality, Origin

Problems = list[tuple[int, str]]


class Bad(Exception):
    """What is wrong with one line."""


_Types = frozenset[Any]  # the exact types that JSON gives: a bool is no int here
_TEXT, _MAYBE, _NUMBER = _Types({str}), _Types({str, type(None)}), _Types({int, float})
_WHOLE, _FLAG, _LIST, _OBJECT = _Types({int}), _Types({bool}), _Types({list}), _Types({dict})
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
        "possible": _Types({bool, EllipsisType}),  # not in exports of before there was such a thing
    },
    "header": {"format": _TEXT, "version": _WHOLE},
    "footer": {"events": _WHOLE, "facts": _WHOLE, "transitions": _WHOLE},
}  # fmt: skip
_decode = json.JSONDecoder().raw_decode
_ORDER = {"header": 0, "event": 1, "fact": 2, "transition": 3, "footer": 4}
_CLOSED = {
    name: frozenset(member.value for member in closed)
    for name, closed in (("modality", Modality), ("kind", Kind), ("origin", Origin), ("change", Change))
}
_MOMENTS = frozenset({"at", "recorded_at", "said_at", "valid_from", "valid_to", "forgotten_at"})
_TIMES = {type_: _MOMENTS & fields.keys() for type_, fields in _FIELDS.items()}
_POINTER = {"event": _TEXT, "start": _WHOLE, "end": _WHOLE, "extractor": _TEXT}


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
    if not isinstance(record, dict) or record.get("type") not in _FIELDS:
        raise Bad("not a line of a memstore export")
    return record


def _check(record: dict[str, Any]) -> None:
    """Raise Bad unless a record has every field, of its type, and says what its hash says it said."""
    type_ = record["type"]
    _check_fields(record, _FIELDS[type_])
    for name, closed in _CLOSED.items():
        if name in _FIELDS[type_] and record[name] not in closed:
            raise Bad(f"{name} {record[name]!r} is not one of {', '.join(sorted(closed))}")
    for name in _TIMES[type_]:
        if record[name] is not None:
            _check_time(record[name], name)
    if type_ == "event":
        _check_words(record["text"], record["sha256"])
        if not record["text"] and record["forgotten_at"] is None:
            raise Bad("the event has no words")
    elif type_ == "header" and (record["format"] != "memstore" or not 1 <= record["version"] <= VERSION):
        raise Bad(f"format {record['format']} version {record['version']}: this memstore reads up to {VERSION}")
    for pointer in record.get("provenance", record.get("pointers", ())):
        _check_pointer(pointer, needs_fact=type_ == "transition")


def _check_fields(record: Mapping[str, Any], fields: Mapping[str, _Types]) -> None:
    for name, types in fields.items():
        if type(record.get(name, ...)) not in types:
            raise Bad(f"{name} is {type(record[name]).__name__}" if name in record else f"{name} is missing")


def _check_words(text: str, sha256: str) -> None:
    try:
        digest = events.sha256(text).hex()
    except ValueError:
        raise Bad("the text is not valid Unicode") from None
    if digest != sha256:
        raise Bad("the text is not what its hash says")


def _check_pointer(pointer: Any, needs_fact: bool) -> None:
    if not isinstance(pointer, dict):
        raise Bad("a pointer is not an object")
    _check_fields(pointer, {**_POINTER, "fact": _TEXT} if needs_fact else _POINTER)
    if not 0 <= pointer["start"] < pointer["end"]:
        raise Bad(f"a pointer to [{pointer['start']}, {pointer['end']})")


def _check_time(value: str, name: str) -> None:
    try:
        micros(value)
    except (ValueError, UsageError) as error:
        raise Bad(f"{name} {value!r}: {error}") from None


@lru_cache(maxsize=4096)  # the times of one record are often one and the same
def micros(value: str) -> int:
    """The microseconds of a time in ISO format. Raises ValueError, or UsageError for one without a zone."""
    return to_micros(datetime.fromisoformat(value))


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
            record = _record(line)
            if number == 1 and record["type"] != "header":
                raise Bad("the first line is not the header of a memstore export")
            if _ORDER[record["type"]] < reached:
                raise Bad(f"a {record['type']} after what may refer to it")
            reached = _ORDER[record["type"]]
            _check(record)
        except Bad as bad:
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
