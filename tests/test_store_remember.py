"""What `remember` gives back, and what it reads for that."""

from __future__ import annotations

import sqlite3
import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from memstore import Fact, MemoryStore, Modality, Span
from tests.conftest import NOON, Clock, ticking

_DAYS = st.integers(-400, 400).map(lambda days: NOON + timedelta(days=days, microseconds=days % 7))
_TEXTS = st.sampled_from(
    ["We use Redis.", "Wir nehmen Grün – „vielleicht“. \U0001f600", "Ship\tit\0now?", "It may rain."]
)
_OPTIONAL: dict[str, st.SearchStrategy[Any]] = {
    "kind": st.sampled_from(["user", "feedback", "project", "reference"]),
    "key": st.sampled_from(["storage", "weather"]),
    "origin": st.sampled_from(["user", "assistant", "tool", "document", "system"]),
    "at": _DAYS,
    "valid_from": _DAYS,
    "ttl": st.none() | st.integers(1, 10**9).map(lambda seconds: timedelta(seconds=seconds)),
    "session": st.sampled_from(["s1", "s2"]),
    "scope": st.sampled_from(["default", "other"]),
}
_CALLS = st.lists(
    st.tuples(
        _TEXTS,
        st.fixed_dictionaries({"modality": st.sampled_from([*map(str, Modality), None])}, optional=_OPTIONAL),
        st.sampled_from(["itself", "recorded before", "an event", "a span", "two events"]),
    ),
    min_size=1,
    max_size=6,
)


class TestWhatIsGivenBackIsWhatWasWritten:
    @settings(max_examples=40)
    @given(_CALLS)
    def test_a_fact_as_it_was_remembered_is_the_fact_as_it_is_read(self, calls: list[Any]) -> None:
        with (
            tempfile.TemporaryDirectory() as folder,
            MemoryStore(Path(folder) / "memory.db", clock=ticking()) as memory,
        ):
            for text, named, source in calls:
                given_ = _with_source(memory, text, named, source)
                told = memory.remember(text, **given_)
                scope = given_.get("scope", "default")
                assert replace(told, conflicts=()) == memory.fact(told.id, scope=scope)
                assert list(told.conflicts) == [
                    conflict for conflict in memory.conflicts(scope=scope) if told.id in conflict.old + conflict.new
                ]
            assert memory.verify() == []


def _with_source(memory: MemoryStore, text: str, named: dict[str, Any], source: str) -> dict[str, Any]:
    """The arguments of a call, with a source recorded for it."""
    scope = named.get("scope")
    if source == "itself":
        return named
    if source == "recorded before":  # the event that these words become is there already, as somebody else's
        at, session = named.get("at", NOON), named.get("session", "s1")
        memory.record(text, role="user", origin="document", session=session, at=at, scope=scope)
        return {**named, "at": at, "session": session, "origin": "user"}
    said = memory.record(f"He said: {text}", role="user", session="talk", scope=scope)
    named = {name: value for name, value in named.items() if name not in ("origin", "session")}
    if source == "an event":
        return {**named, "source": said}
    if source == "a span":
        return {**named, "source": Span(said.id, 3, 7)}
    return {**named, "source": [said, memory.record("Yes, do.", role="user", session="talk", scope=scope), said.id]}


class TestAKeyWithManyPredecessors:
    def test_remembering_under_it_costs_what_it_cost_at_the_beginning(self, tmp_path: Path) -> None:
        with MemoryStore(tmp_path / "memory.db", clock=Clock(NOON, tick=timedelta(seconds=1))) as memory:
            few = [_steps(memory.ledger.connection, lambda: _say(memory)) for _ in range(20)][-1]
            for _ in range(300):
                _say(memory)
            many = min(_steps(memory.ledger.connection, lambda: _say(memory)) for _ in range(3))
            assert many < 1.5 * few
            assert len(memory.history(_say(memory)).facts) == 324

    def test_so_does_asking_what_holds_it(self, tmp_path: Path) -> None:
        with MemoryStore(tmp_path / "memory.db", clock=Clock(NOON, tick=timedelta(seconds=1))) as memory:
            connection = memory.ledger.connection
            last = [_say(memory) for _ in range(20)][-1]
            few = _steps(connection, lambda: memory.get("storage"))
            for _ in range(300):
                last = _say(memory)
            assert _steps(connection, lambda: memory.get("storage")) < 1.5 * few
            assert memory.get("storage") == last


def _say(memory: MemoryStore) -> Fact:
    return memory.remember("We use Redis.", modality="decision", key="storage")


def _steps(connection: sqlite3.Connection, work: Any) -> int:
    """How many instructions of SQLite's machine some work takes: a cost that no load of this one changes."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    connection.set_progress_handler(count, 1)
    try:
        work()
    finally:
        connection.set_progress_handler(None, 0)
    return steps
