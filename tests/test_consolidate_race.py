"""Consolidation while agents write, and killed in the middle: nothing is lost, and all of it can be undone."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from memstore import Change, MemoryStore, Status, Transition

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks writers, and kills one")
forking = multiprocessing.get_context("fork") if hasattr(os, "fork") else None
STATEMENTS = [f"the {thing} keeps its {part}" for thing in ("queue", "cache", "broker") for part in ("order", "size")]


def write(path: Path, name: str, count: int) -> None:
    """An agent that says the same few things over and over, and now and then concludes something from them."""
    with MemoryStore(path) as store:
        last = None
        for number in range(count):
            text = STATEMENTS[number % len(STATEMENTS)]
            how = {"depends_on": last} if last is not None and number % 5 == 0 else {}
            last = store.remember(text, modality="decision", session=f"{name} {number}", **how)


def consolidate(path: Path, until: float) -> None:
    with MemoryStore(path) as store:
        while time.monotonic() < until:
            store.consolidate()


def started(*calls: tuple) -> list:
    assert forking is not None
    running = [forking.Process(target=call, args=arguments, daemon=True) for call, *arguments in calls]
    for process in running:
        process.start()
    return running


def nothing_is_lost(store: MemoryStore, said: int) -> None:
    """Every saying is still a fact and a source, each statement is current, and the file agrees with itself."""
    held = store.facts()
    assert len(held) == said
    current = [fact for fact in held if store.status(fact) in (Status.LIVE, Status.SUSPECT)]
    assert {fact.text for fact in current} == {fact.text for fact in held}
    sources = {(fact.text, pointer.event_id) for fact in held for pointer in fact.provenance}
    assert {(fact.text, pointer.event_id) for fact in current for pointer in fact.provenance} == sources
    assert store.verify() == []


def merges(store: MemoryStore) -> list[Transition]:
    found = {t.id: t for fact in store.facts() for t in store.history(fact).transitions}
    return [t for t in sorted(found.values(), key=lambda t: (t.at, t.id)) if t.change is Change.SUPERSEDED]


def test_two_consolidations_beside_two_writers_lose_nothing_and_can_be_undone(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    MemoryStore(path).close()
    until = time.monotonic() + 1.5
    running = started(
        (write, path, "a", 24), (write, path, "b", 24), (consolidate, path, until), (consolidate, path, until)
    )
    for process in running:
        process.join(600)
    assert [process.exitcode for process in running] == [0, 0, 0, 0]
    with MemoryStore(path) as store:
        nothing_is_lost(store, 48)
        store.consolidate()
        nothing_is_lost(store, 48)
        assert Counter(store.status(fact) is Status.SUPERSEDED for fact in store.facts())[False] == len(STATEMENTS)
        assert store.consolidate().merged == ()
        for merge in reversed(merges(store)):
            store.revert(merge, reason="all of it")
        assert not [fact for fact in store.facts() if store.status(fact) is Status.SUPERSEDED]
        assert store.verify() == []


def test_killed_at_any_instant_it_leaves_whole_steps_and_the_next_run_goes_on(tmp_path: Path, long: bool) -> None:
    path = tmp_path / "memory.db"
    at = random.Random(3)
    said = 0
    for kill in range(60 if long else 4):
        with MemoryStore(path):
            write(path, f"round {kill}", 12)
        said += 12
        (running,) = started((consolidate, path, time.monotonic() + 30))
        time.sleep(at.uniform(0.0, 0.15))
        os.kill(running.pid, signal.SIGKILL)
        running.join(60)
        with MemoryStore(path) as store:
            nothing_is_lost(store, said)
    with MemoryStore(path) as store:
        store.consolidate()
        nothing_is_lost(store, said)
        assert store.consolidate().merged == ()
        assert len([fact for fact in store.facts() if store.status(fact) is not Status.SUPERSEDED]) == len(STATEMENTS)
