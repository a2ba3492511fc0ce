"""Chroma beside the store or on a server: a copy that is checked, filled again, forgotten, and never believed."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from memstore import MemoryStore
from memstore.errors import UsageError
from memstore.index import chroma_client
from memstore.index.vector import pack
from tests.test_recall_meaning import Letters

pytest.importorskip("chromadb")

NOW = datetime(2026, 3, 18, 12, tzinfo=UTC)
START = datetime(2026, 1, 5, 9, tzinfo=UTC)
_WORDS = "heron ledger kettle bicycle report fridge garage teeth shell staging orchard violin harbour candle".split()
_WORKER = """
import sys
from datetime import datetime, UTC
from memstore import MemoryStore
from tests.test_recall_meaning import Letters
path, name, chroma = sys.argv[1], sys.argv[2], sys.argv[3]
with MemoryStore(path, encoder=Letters(), chroma=True if chroma == "beside" else chroma) as memory:
    for number in range(3):
        memory.record(f"The {name}{number} stands beside the {name}.", role="user", session=name, ref=str(number))
        memory.capture(session=name)
        memory.recall(f"{name}{number}", mode="hybrid")
    memory.embed()
"""


def fill(memory: MemoryStore, count: int = 40, scope: str | None = None, seed: int = 1) -> None:
    rng = random.Random(seed)
    for number in range(count):
        text = f"The {rng.choice(_WORDS)} of {rng.choice(_WORDS)} number {number} is near the {rng.choice(_WORDS)}."
        at = START + timedelta(minutes=number)
        memory.record(text, role="user", session=f"s{number // 10}", at=at, ref=str(number), scope=scope)
    memory.capture(scope=scope)


def opened(path: Path, **settings) -> MemoryStore:
    return MemoryStore(path, clock=lambda: NOW, encoder=Letters(), **settings)


def told(memory: MemoryStore, query: str, **narrowed) -> list[tuple[str, float]]:
    return [(r.text, r.score) for r in memory.recall(query, k=4, mode="hybrid", now=NOW, **narrowed)]


def in_use(memory: MemoryStore) -> bool:
    """Whether the next hybrid question would ask Chroma."""
    with memory.ledger.reading() as db:
        return memory._meanings._chroma.follow(db, Letters())


QUERIES = ("heron near the ledger", "what is with the bicycle?", "number 17", "violin candle")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "m.db"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[tuple[str, float]]]]:
    path = tmp_path_factory.mktemp("filled") / "m.db"
    with opened(path) as memory:
        fill(memory)
        memory.embed()
        return path, {query: told(memory, query) for query in QUERIES}


@pytest.fixture
def exact(path: Path, filled: tuple[Path, dict]) -> dict[str, list[tuple[str, float]]]:
    """What the exact scan answers, in a store that is laid at `path`."""
    with opened(filled[0]) as memory:
        memory.backup(path)
    return filled[1]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is no failure of the server's."""
    monkeypatch.setattr(chroma_client, "_SERVER_SECONDS", 60.0)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Chroma server on this machine."""
    program = Path(sys.executable).with_name("chroma")
    if not program.exists():
        pytest.skip("the `chroma` program is not installed beside this Python")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("served")
    command = [program, "run", "--path", folder, "--host", "127.0.0.1", "--port", str(port)]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 180
        while not chroma_client._answers(address):
            assert running.poll() is None, "the server ended before it answered"
            assert time.monotonic() < deadline, "the server never answered"
            time.sleep(0.2)
        yield address
    finally:
        running.kill()
        running.wait()


class TestACopyThatIsNeverBelieved:
    def test_it_answers_as_the_exact_scan_does(self, path: Path, exact: dict) -> None:
        with opened(path, chroma=True) as memory:
            memory.embed()
            assert in_use(memory)
            assert {query: told(memory, query) for query in QUERIES} == exact
            assert memory.verify() == []

    def test_what_it_lacks_is_compared_one_by_one(self, path: Path, exact: dict) -> None:
        with opened(path, chroma=True) as memory:
            memory.embed()
            with opened(path) as other:
                other.remember("The tugboat is called Marigold.", modality="observation")
                other.embed()
            assert in_use(memory)
            assert told(memory, "tugboat Marigold")[0][0] == "The tugboat is called Marigold."

    def test_a_vector_that_is_not_the_ledgers_is_left_out_and_the_copy_made_again(
        self, path: Path, exact: dict
    ) -> None:
        with opened(path, chroma=True) as memory:
            memory.embed()
            copy = memory._meanings._chroma
            (collection,) = copy._client._collections.values()
            held = collection.get(include=[])["ids"]
            lie = np.frombuffer(pack(Letters().encode("heron near the ledger")), dtype=np.int8).astype("float32")
            collection.upsert(ids=[*held[:20], "999999999999"], embeddings=[lie] * 21)
            held_texts = {fact.text for fact in memory.facts()}
            assert {text for text, _ in told(memory, "heron near the ledger")} <= held_texts
            assert {query: told(memory, query) for query in QUERIES} == exact  # by the scan, while it is filled again
            memory.embed()
            assert in_use(memory)
            assert {query: told(memory, query) for query in QUERIES} == exact

    @pytest.mark.parametrize("damage", ["gone", "overwritten", "cut short", "a file in its place"])
    def test_damage_to_its_files_costs_time_never_truth(self, path: Path, exact: dict, damage: str) -> None:
        with opened(path, chroma=True) as memory:
            memory.embed()
        folder = path.with_name("m.db.chroma")
        files = [file for file in folder.rglob("*") if file.is_file() and file.name != "CACHEDIR.TAG"]
        assert files
        if damage in ("gone", "a file in its place"):
            shutil.rmtree(folder)
        for file in files:
            if damage == "overwritten":
                file.write_bytes(os.urandom(file.stat().st_size))
            elif damage == "cut short":
                os.truncate(file, file.stat().st_size // 2)
        if damage == "a file in its place":
            folder.write_text("mine")
        with opened(path, chroma=True) as memory:
            assert {query: told(memory, query) for query in QUERIES} == exact
            memory.rebuild()
            assert {query: told(memory, query) for query in QUERIES} == exact
            assert in_use(memory) == (damage != "a file in its place")
        if damage == "a file in its place":
            assert folder.read_text() == "mine"

    def test_a_folder_that_memstore_did_not_make_is_left_alone(self, path: Path, exact: dict) -> None:
        folder = path.with_name("m.db.chroma")
        folder.mkdir()
        (folder / "letters.txt").write_text("mine")
        with opened(path, chroma=True) as memory:
            memory.rebuild()
            assert {query: told(memory, query) for query in QUERIES} == exact
            assert "not a folder that memstore made" in memory.verify()[0].message
        assert (folder / "letters.txt").read_text() == "mine"

    def test_a_scope_is_a_wall(self, path: Path, exact: dict) -> None:
        with opened(path, chroma=True) as memory:
            memory.remember("The spare key of the heron hangs in the shed.", modality="observation", scope="other")
            memory.embed()
            assert in_use(memory)
            assert all("shed" not in text for text, _ in told(memory, "spare key in the shed"))
            assert told(memory, "spare key", scope="other")[0][0].endswith("in the shed.")
            assert told(memory, "spare key", scope=["other", "default"])[0][0].endswith("in the shed.")
            assert told(memory, "spare key", scope="nobody") == []

    def test_the_setting_is_checked_before_anything_is_made(self, path: Path) -> None:
        for wrong in ("localhost:8000", "ftp://x", "a folder", "http://"):
            with pytest.raises(UsageError, match="server's address"):
                opened(path, chroma=wrong)
        assert not path.exists()


class TestForgettingReachesIt:
    """Invariant 13: no vector of forgotten words is left in its files; the certificate is pending until then."""

    SECRET = "The vault code is quetzalcoatl."

    def trace(self, folder: Path) -> list[str]:
        held = np.frombuffer(pack(Letters().encode(self.SECRET)), dtype=np.int8).astype("float32")
        unit = (held / np.linalg.norm(held)).astype("float32")
        # Four components in a row are nowhere by chance; the norm is rounded in its last bit or two.
        forms = [held[100:104].tobytes(), unit[100:104].tobytes()]
        forms += [(unit * np.float32(1 + step * 6e-8))[100:104].astype("float32").tobytes() for step in range(-3, 4)]
        return [
            file.name
            for file in sorted(folder.rglob("*"))
            if file.is_file() and any(form in file.read_bytes() for form in forms)
        ]

    def test_the_bytes_are_gone_and_the_copy_is_filled_again(self, path: Path, exact: dict) -> None:
        folder = path.with_name("m.db.chroma")
        with opened(path, chroma=True) as memory:
            secret = memory.remember(self.SECRET, modality="observation")
            memory.embed()
            assert self.trace(folder)  # it was there to be found
            certificate = memory.forget(secret, reason="asked to")
            assert not certificate.pending
            assert not folder.exists()
            memory.embed()  # Chroma would write what is left in this process's memory: the next one fills
            assert not folder.exists()
            with opened(path) as plain:
                assert all(told(memory, query) == told(plain, query) for query in QUERIES)
        code = (
            "import sys; from tests.test_index_chroma import Path, in_use, opened\n"
            "memory = opened(Path(sys.argv[1]), chroma=True); memory.embed(); assert in_use(memory); memory.close()"
        )
        subprocess.run([sys.executable, "-c", code, str(path)], check=True)
        assert folder.exists()
        assert self.trace(folder) == []

    def test_while_another_process_owns_it_the_certificate_is_pending(self, path: Path, exact: dict) -> None:
        folder = path.with_name("m.db.chroma")
        with opened(path, chroma=True) as owner:
            secret = owner.remember(self.SECRET, modality="observation")
            owner.embed()
            with opened(path) as other:
                certificate = other.forget(secret.id, reason="asked to")
                assert certificate.pending
            assert all("vault" not in text for text, _ in told(owner, "vault code"))
            assert self.trace(folder) == []
            db = owner.ledger.connection
            assert db.execute("SELECT count(*) FROM erasures WHERE pending").fetchone()[0] == 0

    def test_whoever_opens_the_store_next_finishes_it_with_or_without_chroma(self, path: Path, exact: dict) -> None:
        folder = path.with_name("m.db.chroma")
        code = (
            "import os, sys; from memstore import MemoryStore; from tests.test_recall_meaning import Letters\n"
            "memory = MemoryStore(sys.argv[1], encoder=Letters(), chroma=True); memory.embed()\n"
            "print('owned', flush=True); sys.stdin.read(1); os._exit(9)"
        )
        with opened(path) as memory:
            secret = memory.remember(self.SECRET, modality="observation")
        owner = subprocess.Popen(
            [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert owner.stdout is not None
        assert owner.stdout.readline() == "owned\n"
        with opened(path) as memory:
            assert memory.forget(secret.id, reason="asked to").pending
        owner.kill()
        owner.communicate()
        assert self.trace(folder)
        with opened(path) as memory:
            db = memory.ledger.connection
            assert db.execute("SELECT count(*) FROM erasures WHERE pending").fetchone()[0] == 0
        assert not folder.exists()


class TestSeveralProcesses:
    """Chroma's own embedded client loses vectors when processes share a folder; here nothing is lost."""

    def run(self, path: Path, chroma: str, names: tuple[str, ...] = ("ash", "birch")) -> None:
        workers = [
            subprocess.Popen(
                [sys.executable, "-c", _WORKER, str(path), name, chroma], stderr=subprocess.PIPE, text=True
            )
            for name in names
        ]
        for worker in workers:
            _, said = worker.communicate(timeout=600)
            assert worker.returncode == 0, said
        where = True if chroma == "beside" else chroma
        with opened(path, chroma=where) as memory:
            memory.embed()
            assert in_use(memory)
            copy = memory._meanings._chroma
            (state,) = memory.ledger.connection.execute("SELECT count(*) FROM vectors").fetchall()
            with memory.ledger.reading() as db:
                for at, blob in db.execute("SELECT place, vector FROM vectors").fetchall():
                    query = np.frombuffer(blob, dtype=np.int8).astype("float32")
                    assert at in [place for place, _ in copy._query(copy._generation, [1], query, 3)], at
            assert sum(c.count() for c in copy._client._collections.values()) == state[0]
            for name in names:
                for number in range(3):
                    assert told(memory, f"{name}{number}")[0][0] == f"The {name}{number} stands beside the {name}."

    def test_one_owns_the_folder_the_others_scan_and_nothing_is_lost(self, path: Path) -> None:
        self.run(path, "beside")

    def test_all_may_use_a_server(self, path: Path, server: str, long: bool) -> None:
        if not long:
            pytest.skip("three more processes and a server: part of `make soak`")
        self.run(path, server)

    def test_a_process_killed_while_it_filled_leaves_nothing_wrong(self, path: Path, long: bool) -> None:
        if not long:
            pytest.skip("a process for every kill: part of `make soak`")
        with opened(path) as memory:
            fill(memory, 200)
            memory.embed()
            exact = {query: told(memory, query) for query in QUERIES}
        code = (
            "import sys; from memstore import MemoryStore; from tests.test_recall_meaning import Letters\n"
            "from memstore.index import chroma; chroma._BATCH = 30\n"
            "memory = MemoryStore(sys.argv[1], encoder=Letters(), chroma=True)\n"
            "while True: print(memory._meanings._chroma.catch_up(memory.ledger, 1), flush=True)"
        )
        for batches in (1, 2, 4):
            filler = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
            assert filler.stdout is not None
            for _ in range(batches):
                filler.stdout.readline()
            filler.kill()
            filler.communicate()
            with opened(path, chroma=True) as memory:
                assert {query: told(memory, query) for query in QUERIES} == exact
        with opened(path, chroma=True) as memory:
            memory.embed()
            assert in_use(memory)
            assert {query: told(memory, query) for query in QUERIES} == exact

    def test_by_whatever_name_a_store_is_opened_its_folder_has_one_owner(self, path: Path, exact: dict) -> None:
        alias = path.with_name("alias.db")
        alias.symlink_to(path)
        with opened(path, chroma=True) as memory, opened(alias, chroma=True) as other:
            memory.embed()
            other.embed()
            assert in_use(memory)
            assert not in_use(other)
            assert {query: told(other, query) for query in QUERIES} == exact
            assert other.forget(everything=True).pending
            assert not list(path.parent.glob("alias.db.chroma*"))

    def test_a_child_that_was_forked_leaves_the_parents_copy_alone(self, path: Path, exact: dict) -> None:
        with opened(path, chroma=True) as memory:
            memory.embed()
            child = os.fork()
            if child == 0:
                same = False
                try:
                    same = told(memory, QUERIES[0]) == exact[QUERIES[0]]
                finally:
                    os._exit(0 if same else 1)
            assert os.waitpid(child, 0)[1] == 0
            assert in_use(memory)
            assert told(memory, QUERIES[0]) == exact[QUERIES[0]]


class TestAServer:
    def test_it_answers_as_the_exact_scan_does_and_goes_away_without_harm(
        self, path: Path, exact: dict, server: str
    ) -> None:
        with opened(path, chroma=server) as memory:
            memory.embed()
            assert memory.verify() == []
            assert in_use(memory)
            assert {query: told(memory, query) for query in QUERIES} == exact
            copy = memory._meanings._chroma
            for collection in copy._client._client.list_collections():
                copy._client._client.delete_collection(collection.name)  # somebody cleaned up
            assert {query: told(memory, query) for query in QUERIES} == exact
            assert "Chroma failed" in memory.verify()[0].message
            memory.embed()
            assert in_use(memory)
            assert {query: told(memory, query) for query in QUERIES} == exact

    def test_one_that_does_not_answer_costs_nothing_but_its_use(self, path: Path, exact: dict) -> None:
        with opened(path, chroma="http://127.0.0.1:9") as memory:
            assert {query: told(memory, query) for query in QUERIES} == exact
            assert "no Chroma server answers" in memory.verify()[0].message

    def test_forgetting_drops_the_collections_and_the_certificate_names_the_server(
        self, path: Path, exact: dict, server: str
    ) -> None:
        with opened(path, chroma=server) as memory:
            memory.embed()
            before = {c.name for c in memory._meanings._chroma._client._client.list_collections()}
            certificate = memory.forget(memory.facts()[0], reason="asked to")
            assert f"Chroma server {server}" in certificate.out_of_reach
            memory.embed()
            after = {c.name for c in memory._meanings._chroma._client._client.list_collections()}
            assert before
            assert after
            assert not before & after
