"""Invariant 11: killed at any instant, the file is sound, what was acknowledged is there, and nothing is half there.

The children are real processes, killed with SIGKILL at random instants of their work: in the middle of single
writes, of transactions of several, of forgetting, of capture, and of making the file. (A kill leaves the operating
system's cache alone; against a power cut stands `synchronous=FULL`, which a test asserts of every connection.)
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from memstore import MemoryStore
from memstore.ledger.connection import Ledger
from tests.ledger import invariants, workers

pytestmark = pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="kills children that were forked")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "memory.db"


def after_a_kill(path: Path, lines: list[dict[str, Any]]) -> None:
    """Everything that must hold, whatever the child was doing."""
    assert not [line for line in lines if "error" in line]
    invariants.the_file_is_sound(path)
    with MemoryStore(path) as store:
        assert workers.lost(store, lines) == []
        assert store.verify() == []
        invariants.nothing_is_half_there(path)
        told = {text for line in lines for text in [*line.get("texts", ()), line.get("text")] if text}
        # The last write of a child may be there without its acknowledgement, but never a part of it.
        untold: dict[str, list[str]] = {}
        for text in (fact.text for fact in store.facts()):
            if text not in told:
                writer, number = text.split()[1], text.split()[3]
                untold.setdefault(writer, []).append(number)
        for numbers in untold.values():
            assert len(set(numbers)) == 1
            assert len(numbers) in (1, 5)


class TestKilledAtAnyInstant:
    def test_a_writer_leaves_a_sound_file_with_all_it_acknowledged(self, path: Path, long: bool) -> None:
        at = random.Random(1)
        kills = 400 if long else 6
        lines: list[dict[str, Any]] = []
        for kill in range(kills):
            if kill % 20 == 0:  # a fresh file now and then: making it is work that can be killed, too
                path = path.with_name(f"memory{kill}.db")
                lines = []
            child = workers.forked(path, kill, 1_000_000)
            lines += workers.killed_after(*child, at.uniform(0.01, 0.25))
            after_a_kill(path, lines)
        print(f"{kills} kills of a writer")

    def test_two_writers_killed_together_leave_a_sound_file(self, path: Path, long: bool) -> None:
        at = random.Random(2)
        kills = 50 if long else 2
        MemoryStore(path).close()
        lines: list[dict[str, Any]] = []
        for kill in range(kills):
            children = [workers.forked(path, 1000 + 2 * kill + n, 1_000_000) for n in range(2)]
            pause = at.uniform(0.02, 0.25)
            for child in children:
                lines += workers.killed_after(*child, pause)
                pause = 0
            with MemoryStore(path) as store:
                assert not [line for line in lines if "error" in line]
                assert workers.lost(store, lines) == []
                invariants.all_hold(store, "memo")
        print(f"{2 * kills} kills of writers side by side")

    def test_making_the_file_is_done_whole_or_done_again(self, path: Path, long: bool) -> None:
        at = random.Random(3)
        kills = 100 if long else 3
        for kill in range(kills):
            fresh = path.with_name(f"new{kill}.db")
            child = workers.forked(fresh, kill, 1)
            lines = workers.killed_after(*child, at.uniform(0.0, 0.03))
            after_a_kill(fresh, lines)
        print(f"{kills} kills while the file was made")


class TestDurability:
    def test_every_connection_syncs_each_write_and_erases_what_is_deleted(self, path: Path) -> None:
        ledger = Ledger(path)
        with ledger.reading() as db:
            assert db.execute("PRAGMA synchronous").fetchone() == (2,)
            assert db.execute("PRAGMA secure_delete").fetchone() == (1,)
            assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            assert db.execute("PRAGMA foreign_keys").fetchone() == (1,)

    def test_a_child_that_may_finish_tells_everything_and_nothing_is_lost(self, path: Path) -> None:
        lines = workers.told(*workers.forked(path, 7, 60))
        assert len(lines) >= 50
        after_a_kill(path, lines)
