"""Invariant 11, side by side: many processes and threads on one store lose nothing and meet no lock.

Each process tells what was acknowledged to it. Afterwards a checker reads the history of the file: every
acknowledged write is there, every process read its own writes, no chain has a circle, no key is held twice without a
reason, and nothing that was replaced comes back as current.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from memstore import MemoryStore, Status
from memstore.ledger import turnstile
from memstore.ledger.connection import Ledger
from tests.ledger import invariants, workers
from tests.test_ledger_machine import EveryLine


def race(path: Path, processes: int, operations: int) -> list[dict[str, Any]]:
    """Everything that the processes told, started together on one store, which may not exist yet."""
    children = [workers.forked(path, seed, operations) for seed in range(processes)]
    heard: list[list[dict[str, Any]]] = [[] for _ in children]

    def listen(number: int) -> None:
        heard[number] = workers.told(*children[number])

    listeners = [threading.Thread(target=listen, args=(n,)) for n in range(processes)]
    for listener in listeners:
        listener.start()
    for listener in listeners:
        listener.join()
    return [line for lines in heard for line in lines]


def check_history(path: Path, lines: list[dict[str, Any]]) -> None:
    """The history that the file holds is one in which every process got what it was told."""
    assert [line for line in lines if "error" in line] == []
    with MemoryStore(path) as store:
        assert workers.lost(store, lines) == []
        invariants.all_hold(store, "memo")
        for key in workers.KEYS:
            live = [f for f in store.facts() if f.key == key and store.status(f) is Status.LIVE]
            reverted = {id_ for line in lines if line.get("change") == "reverted" for id_ in line["old"]}
            # One holder of a key, but for what a reversal brought back beside it.
            assert len([f for f in live if f.id not in reverted]) <= 1
            assert not live or store.get(key) is not None
        with store.ledger.reading() as db:
            times = [row[0] for row in db.execute("SELECT at FROM transitions ORDER BY pk")]
            assert times == sorted(times), "recorded time ran backwards"


class TestManyProcesses:
    def test_processes_that_start_together_on_a_file_not_yet_there_lose_nothing(
        self, tmp_path: Path, long: bool
    ) -> None:
        processes, operations = (16, 1000) if long else (8, 25)
        lines = race(tmp_path / "memory.db", processes, operations)
        check_history(tmp_path / "memory.db", lines)
        print(f"{processes} processes, {operations} operations each, {len(lines):,} acknowledgements, none lost")

    def test_a_store_that_another_makes_between_two_looks_at_the_file_is_no_stranger(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path, look = tmp_path / "memory.db", Ledger._stamp
        made: list[MemoryStore] = []
        with closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA journal_mode = WAL")  # so far had the other come

        def look_and_lose_time(connection: sqlite3.Connection) -> tuple[int, int]:
            found = look(connection)
            monkeypatch.setattr(Ledger, "_stamp", staticmethod(look))
            made.append(MemoryStore(path))
            return found

        monkeypatch.setattr(Ledger, "_stamp", staticmethod(look_and_lose_time))
        with MemoryStore(path) as store:
            assert store.facts() == []
        assert len(made) == 1
        made[0].close()

    def test_a_key_that_all_write_has_one_holder_and_one_chain(self, tmp_path: Path) -> None:
        def write(path: Path, name: int) -> None:
            with MemoryStore(path) as store:
                for number in range(8):
                    store.remember(f"Value {name}-{number}", modality="decision", key="limit")

        MemoryStore(tmp_path / "memory.db").close()
        children = [in_child(write, tmp_path / "memory.db", name) for name in range(6)]
        assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 6
        store = MemoryStore(tmp_path / "memory.db")
        live = [f for f in store.facts() if store.status(f) is Status.LIVE]
        assert len(store.facts()) == 48
        assert [f.id for f in live] == [getattr(store.get("limit"), "id", None)]
        assert len(store.history(live[0]).facts) == 48
        assert store.history(store.facts()[0]).heads == (live[0].id,)

    def test_a_writer_that_never_pauses_keeps_nobody_out(self, tmp_path: Path) -> None:
        path = tmp_path / "memory.db"
        MemoryStore(path).close()

        def hog(path: Path, name: int) -> None:
            ledger = Ledger(path)
            (path.parent / "begun").touch()
            while not (path.parent / "done").exists():
                with ledger.writing():
                    time.sleep(0.1)

        child = in_child(hog, path, 0)
        while not (tmp_path / "begun").exists():
            assert os.waitpid(child, os.WNOHANG) == (0, 0), "it ended before it had begun"
            time.sleep(0.01)
        ledger = Ledger(path, busy_seconds=30)  # 300 of the hog's writes
        try:
            for _ in range(10):
                with ledger.writing():
                    pass
        finally:
            (tmp_path / "done").touch()
            assert os.waitpid(child, 0)[1] == 0
            ledger.close()

    @pytest.mark.parametrize(
        "left", ["by one who is suspended", "by one who was killed", "as a folder", "as a link", "as a pipe"]
    )
    def test_the_turnstile_is_courtesy_and_stops_nobody_for_good(self, tmp_path: Path, left: str) -> None:
        path, elsewhere = tmp_path / "memory.db", tmp_path / "elsewhere"
        MemoryStore(path).close()
        place = turnstile.beside(path)
        place.unlink(missing_ok=True)

        def stand(path: Path, name: int) -> None:
            with turnstile.passing(place, time.monotonic() + 60):
                os.kill(os.getpid(), signal.SIGSTOP)

        child = 0
        if left.startswith("by"):
            child = in_child(stand, path, 0)
            os.waitpid(child, os.WUNTRACED)
            if left.endswith("killed"):
                os.kill(child, signal.SIGKILL)
        elif left == "as a folder":
            place.mkdir()
        elif left == "as a pipe":
            os.mkfifo(place)
        else:
            place.symlink_to(elsewhere)
        with MemoryStore(path) as store:
            store.remember("We drink tea.")
            assert len(store.facts()) == 1
        assert not elsewhere.exists()
        if child:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)

    def test_processes_that_capture_the_same_turns_make_nothing_twice(self, tmp_path: Path) -> None:
        store = MemoryStore(tmp_path / "memory.db")
        for number in range(30):
            store.record(
                f"We take route {number}.\nWe drink tea.", role="user", session=f"s{number % 3}", ref=str(number)
            )
        store.close()

        def capture(path: Path, name: int) -> None:
            with MemoryStore(path, extractor=EveryLine()) as store:
                store.capture()

        children = [in_child(capture, store.ledger.path, name) for name in range(5)]
        assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 5
        texts = sorted(f.text for f in store.facts())
        assert texts == sorted([*(f"We take route {n}." for n in range(30)), "We drink tea."])
        (tea,) = (f for f in store.facts() if "tea" in f.text)
        assert len(tea.provenance) == 30
        assert store.verify() == []

    def test_a_reader_sees_each_transaction_whole(self, tmp_path: Path) -> None:
        path = tmp_path / "memory.db"
        MemoryStore(path).close()

        def write(path: Path, name: int) -> None:
            with MemoryStore(path) as store:
                for number in range(15):
                    with store.transaction():
                        store.remember(f"memo left {number}", modality="decision")
                        store.remember(f"memo right {number}", modality="decision")

        child = in_child(write, path, 0)
        store = MemoryStore(path)
        while not os.waitpid(child, os.WNOHANG)[0]:
            assert len(store.facts()) % 2 == 0
            assert len(store.recall("memo", k=1000)) % 2 == 0
        assert len(store.facts()) == 30


def in_child(work: Any, path: Path, name: int) -> int:
    """Run a function in a forked child, which ends with 0 if it did not raise."""
    pid = os.fork()
    if pid == 0:
        try:
            work(path, name)
            os._exit(0)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
    return pid


class TestForksAndThreads:
    def test_a_forked_child_uses_the_store_that_its_parent_goes_on_using(self, tmp_path: Path) -> None:
        store = MemoryStore(tmp_path / "memory.db")
        store.remember("memo before", modality="decision")

        def child(path: Path, name: int) -> None:
            for number in range(10):
                store.remember(f"memo child {name} {number}", modality="decision")
                assert store.recall("memo child", k=100)
            store.close()

        children = [in_child(child, store.ledger.path, name) for name in range(3)]
        for number in range(10):
            store.remember(f"memo parent {number}", modality="decision")
        assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0]
        assert len(store.facts()) == 41
        invariants.all_hold(store, "memo")

    def test_a_child_forked_while_another_thread_writes_does_not_take_over_its_locks(self, tmp_path: Path) -> None:
        store = MemoryStore(tmp_path / "memory.db")
        stop = threading.Event()

        def work() -> None:
            number = 0
            while not stop.is_set():
                store.remember(f"memo thread {number}", modality="decision")
                number += 1

        thread = threading.Thread(target=work)
        thread.start()

        def child(path: Path, name: int) -> None:
            os.execv("/bin/true", ["true"]) if name % 2 else os._exit(0)

        try:
            for name in range(10):
                assert os.waitpid(in_child(child, store.ledger.path, name), 0)[1] == 0
        finally:
            stop.set()
            thread.join()
        invariants.all_hold(store, "memo")

    def test_threads_share_one_store(self, tmp_path: Path) -> None:
        store = MemoryStore(tmp_path / "memory.db")
        failures: list[BaseException] = []

        def work(name: int) -> None:
            try:
                for number in range(8):
                    fact = store.remember(f"memo {name} {number}", modality="decision", key=f"k{number % 2}")
                    assert store.fact(fact.id).text == f"memo {name} {number}"
                    store.recall("memo", k=50, current_only=True)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(name,)) for name in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert len(store.facts()) == 48
        invariants.all_hold(store, "memo")

    def test_a_closed_store_opens_again_when_it_is_used(self, tmp_path: Path) -> None:
        store = MemoryStore(tmp_path / "memory.db")
        store.close()
        store.remember("memo", modality="decision")
        assert len(store.facts()) == 1


def test_ids_of_one_transaction_follow_one_another_and_never_meet(tmp_path: Path) -> None:
    store = MemoryStore(tmp_path / "memory.db")
    with store.ledger.writing() as tx:
        ids = [tx.new_id("f") for _ in range(50_000)]
    assert len(set(ids)) == len(ids)
    assert ids == sorted(ids)


def test_ids_of_one_millisecond_sort_in_the_order_they_were_written(tmp_path: Path) -> None:
    store = MemoryStore(tmp_path / "memory.db", clock=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    written = [store.remember(f"Rule {n}.", modality="decision").id for n in range(30)]
    assert written == sorted(written)
