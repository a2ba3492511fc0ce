"""Facts, events and scopes as callers name them: by object or by id, always inside a scope they named."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from operator import index
from pathlib import Path
from typing import TypeVar

from memstore.errors import NotFound, ScopeError, UsageError
from memstore.ledger import events, facts
from memstore.ledger.times import to_micros
from memstore.model import Event, Fact, Provenance, Recollection, Span

FactLike = Fact | Recollection | str
SourceLike = Event | Span | Provenance | str
#: Characters of one text. What is longer is a file, and is taken in by its parts.
LONGEST_TEXT = 4_000_000
Choice = TypeVar("Choice", bound=StrEnum)


def choice(kind: type[Choice], value: str, name: str) -> Choice:
    """A member of a closed set, or a UsageError that lists the set."""
    try:
        return kind(value)
    except ValueError:
        raise UsageError(f"{name} {value!r} is not one of {', '.join(kind)}") from None


def name(value: str, what: str) -> str:
    """A scope, session or key: some text, on one line."""
    if not isinstance(value, str) or not value.strip() or "\n" in value or "\x00" in value or not unicode(value):
        raise UsageError(f"{what} must be a non-empty line of text, not {value!r:.80}")
    return value


def unicode(value: str) -> bool:
    """Whether a string can be written at all: lone surrogates, which have no UTF-8, cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def words(value: str) -> str:
    """Text to keep: not empty, valid Unicode, and no longer than anybody says at once."""
    if not isinstance(value, str):
        raise UsageError(f"text must be a string, not {type(value).__name__}")
    if not value.strip():
        raise UsageError("the text is empty: there is nothing to remember")
    if not unicode(value):
        raise UsageError("the text is not valid Unicode: it holds a lone surrogate")
    if len(value) > LONGEST_TEXT:
        raise UsageError(f"the text has {len(value):,} characters, at most {LONGEST_TEXT:,} are kept as one: split it")
    return value


def question(value: str) -> str:
    """What is asked: any text at all, without lone surrogates, which stand for nothing that could be found."""
    if not isinstance(value, str):
        raise UsageError(f"a query is text, not {type(value).__name__}")
    return value if unicode(value) else value.encode(errors="ignore").decode()


def number(value: int, what: str) -> int:
    """A whole number from 1 on, numpy's too."""
    try:
        found = index(value)
    except TypeError:
        found = 0
    if found < 1:
        raise UsageError(f"{what} must be a whole number from 1 on, not {value!r:.80}")
    return found


def seconds(value: float | None) -> None:
    """Raise UsageError unless it is a number of seconds to stop after, or None for none."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0):
        raise UsageError(f"seconds must be a number from 0 on, not {value!r:.80}")


def reason(value: str) -> str:
    """Why something is changed: some words."""
    if isinstance(value, str) and not value.strip():
        raise UsageError("the reason is empty: say why, it is kept with what it changes")
    return words(value)


def micros(moment: datetime | None, what: str) -> int | None:
    return None if moment is None else to_micros(moment, what)


def many(value: FactLike | Iterable[FactLike]) -> list[FactLike]:
    if isinstance(value, (Fact, Recollection, str)):
        return [value]
    if not isinstance(value, Iterable):
        raise UsageError(f"a fact is named by itself or its id, not by {type(value).__name__}")
    return list(value)


def fact_pks(db: sqlite3.Connection, named: FactLike | Iterable[FactLike], scopes: Sequence[str]) -> list[int]:
    """The keys of facts. An id must be in the scopes named; a `Fact` names its own scope."""
    wanted = many(named)
    ids: list[str] = []
    reach = set(scopes)
    for item in wanted:
        if isinstance(item, Fact):
            reach.add(item.scope)
            ids.append(item.id)
        elif isinstance(item, Recollection):
            ids.append(item.fact_id)
        elif isinstance(item, str):
            ids.append(name(item, "a fact's id"))
        else:
            raise UsageError(f"a fact is named by itself or its id, not by {type(item).__name__}")
    return facts.pks_of(db, list(dict.fromkeys(ids)), list(events.find_scopes(db, sorted(reach))))


def event_among(db: sqlite3.Connection, event: Event | str, scopes: Sequence[str]) -> int:
    """The key of an event in one of the scopes named."""
    event_id = event.id if isinstance(event, Event) else event
    same_scope(events.get(db, event_id).scope, *scopes)
    return events.pk_of(db, event_id)


def event_pk(db: sqlite3.Connection, event: Event | str, scope: str) -> int:
    """The key of an event in a scope. Raises ScopeError for one that belongs to another."""
    event_id = event.id if isinstance(event, Event) else name(event, "an event's id")
    found = events.get(db, event_id)
    if found.scope != scope:
        if isinstance(event, str):
            raise NotFound(f"no event {event_id!r} in scope {scope!r}")
        raise ScopeError(f"event {event_id} is in scope {found.scope!r}, not {scope!r}: nothing crosses a scope")
    return events.pk_of(db, event_id)


def spans(
    db: sqlite3.Connection, source: SourceLike | Iterable[SourceLike], text: str, scope: str
) -> list[tuple[int, int, int]]:
    """(event pk, start, end) of each source. A whole event is narrowed to the text's own words where it has them."""
    if not isinstance(source, (Event, Span, Provenance, str, Iterable)):
        raise UsageError(f"a source is an event, its id or a span, not {type(source).__name__}")
    listed = [source] if isinstance(source, (Event, Span, Provenance, str)) else list(source)
    if not listed:
        raise UsageError("source is empty: leave it out, or name the event the fact came from")
    found = []
    for item in listed:
        if isinstance(item, (Span, Provenance)):
            pk = event_pk(db, item.event_id, scope)
            length = len(events.get(db, item.event_id).text)
            if not 0 <= item.start < item.end <= length:
                raise UsageError(f"span [{item.start}, {item.end}) is not inside the {length} characters of its event")
            found.append((pk, item.start, item.end))
        elif isinstance(item, (Event, str)):
            pk = event_pk(db, item, scope)
            stored = events.by_pk(db, [pk])[pk].text
            if not stored:
                raise UsageError("the source was forgotten: its words cannot be pointed at")
            start = stored.find(text)
            found.append((pk, start, start + len(text)) if start >= 0 else (pk, 0, len(stored)))
        else:
            raise UsageError(f"a source is an event, its id or a span, not {type(item).__name__}")
    return found


def same_scope(found: str, *named: str) -> None:
    """Raise NotFound unless a record's scope is one that the caller named."""
    if found not in named:
        raise NotFound(f"it is not in scope {', '.join(map(repr, named))}: name its scope to reach it")


def directory(path: str | os.PathLike[str]) -> Path:
    """A directory that exists, as an absolute path without links."""
    found = Path(path).resolve()
    if not found.is_dir():
        raise UsageError(f"no directory {path}: a root is where the files are that facts are about")
    return found
