"""Two-way sync while people, agents and other processes are at work: nothing is lost, nothing is there twice."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from memstore import MemoryStore
from memstore.markdown.statement import pieces
from memstore.model import Modality

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def store(tmp_path: Path):
    with MemoryStore(tmp_path / "memory.db") as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "notes"


class Syncing(RuleBasedStateMachine):
    """People edit, agents remember, files are synced in any order: what was written is there, once."""

    @initialize()
    def begin(self):
        self.directory = Path(tempfile.mkdtemp(prefix="memstore-sync-"))
        self.store = MemoryStore(self.directory / "memory.db")
        self.folder = self.directory / "notes"
        self.number = 0
        self.written: set[str] = set()
        self.store.sync(self.folder)

    def teardown(self):
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.directory)

    def words(self) -> str:
        self.number += 1
        return f"Statement number{self.number} stands."

    @rule(modality=st.sampled_from(list(Modality)), session=st.sampled_from(["s1", "s2"]))
    def remember(self, modality, session):
        self.store.remember(self.words(), modality=modality.value, session=session, ttl=None)

    @rule(pick=st.randoms(use_true_random=False))
    def write_a_line(self, pick: random.Random):
        path = pick.choice([*sorted(self.folder.glob("*.md")), self.folder / "own.md"])
        text = path.read_text() if path.exists() else ""
        self.written.add(new := self.words())
        path.write_text(text + pick.choice(["- ", "\n", "* [guess] ", "1. "]) + new + "\n")

    @rule(pick=st.randoms(use_true_random=False))
    def change_a_line(self, pick: random.Random):
        paths = [p for p in sorted(self.folder.glob("*.md")) if "Statement" in p.read_text() and p.name != "MEMORY.md"]
        if not paths:
            return
        path = pick.choice(paths)
        rows = path.read_text().splitlines(keepends=True)
        row = pick.choice([n for n, line in enumerate(rows) if "<!-- f_" in line or "Statement" in line])
        head, found, tail = rows[row].partition("Statement number")
        if found:
            number, _, rest = tail.partition(" ")
            self.written.discard(f"Statement number{number} stands.")
            self.written.add(new := self.words())
            rows[row] = head + new + rest.removeprefix("stands.")
            path.write_text("".join(rows))

    @rule(pick=st.randoms(use_true_random=False))
    def lose_a_file(self, pick: random.Random):
        paths = [p for p in sorted(self.folder.glob("*.md")) if not self.unsynced(p)]
        if paths:
            pick.choice(paths).unlink()

    def unsynced(self, path: Path) -> bool:
        return any(words in path.read_text() for words in self.written)

    @rule(origin=st.sampled_from(["user", "document", "assistant"]))
    def sync(self, origin):
        first = self.store.sync(self.folder, origin=origin)
        held = {fact.text for fact in self.store.facts()}
        assert self.written <= held, "words that somebody wrote were lost"
        self.written.clear()
        again = self.store.sync(self.folder, origin=origin)
        assert (again.written, again.added, again.withdrawn, again.conflicts) == ((), (), (), ())
        shown = [piece.mark for p in self.folder.glob("*.md") for piece in pieces(p.read_text()) if piece.mark]
        current = {f.id for status in ("live", "suspect") for f in self.store.facts(status=status)}
        assert sorted(shown) == sorted(current)
        assert first.shown == len(current)

    @invariant()
    def sound(self):
        if hasattr(self, "store"):
            assert not list(self.folder.glob(".tmp-*"))


Syncing.TestCase.settings = settings(max_examples=15, stateful_step_count=12, deadline=None)
TestSyncedInAnyOrder = Syncing.TestCase


EDITOR = """
import os, sys, time
folder, who, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
path = os.path.join(folder, "own.md")
for n in range(count):
    while True:                                  # as an editor saves: read, write beside, replace
        before = open(path).read()
        with open(f"{path}.{who}", "w") as file:
            file.write(before + f"- Edit {n} of {who} is here.\\n")
        if open(path).read() == before:          # it would ask whether to overwrite
            os.replace(f"{path}.{who}", path)
            break
    time.sleep(0.004)
"""

SYNCER = """
import sys
from memstore import MemoryStore
with MemoryStore(sys.argv[1]) as store:
    for n in range(int(sys.argv[3])):
        store.sync(sys.argv[2], origin="user")
print("done")
"""


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class TestNothingIsLost:
    def test_edits_made_while_others_sync_are_all_there_once(self, store, folder):
        store.remember("We use Redis.", modality="decision")
        store.sync(folder)
        folder.joinpath("own.md").write_text("# Own\n\n")
        edits = 40
        processes = [start(SYNCER, store.ledger.path, folder, 12) for _ in range(2)]
        processes.append(start(EDITOR, folder, "ann", edits))
        try:
            for process in processes:
                _, said = process.communicate(timeout=600)
                assert process.returncode == 0, said
        finally:
            for process in processes:
                process.kill()
        store.sync(folder, origin="user")
        texts = [fact.text for fact in store.facts(status="live")]
        assert sorted(t for t in texts if t.startswith("Edit")) == sorted(
            f"Edit {n} of ann is here." for n in range(edits)
        )
        assert all(folder.joinpath("own.md").read_text().count(f"Edit {n} of ann") == 1 for n in range(edits))

    def test_killed_at_any_moment_it_is_finished_by_the_next_sync(self, store, folder):
        for n in range(10):
            store.remember(f"Decision {n}.", modality="decision", session=f"s{n}")
        store.sync(folder)
        pick = random.Random(7)
        for turn in range(6):
            own = folder / f"own{turn}.md"
            own.write_text("".join(f"- Line {n} of turn {turn}.\n" for n in range(30)))
            process = start(SYNCER, store.ledger.path, folder, 1)
            time.sleep(0.15 + pick.random() * 0.6)
            process.send_signal(signal.SIGKILL)
            process.wait(30)
        store.sync(folder, origin="user")
        texts = sorted(fact.text for fact in store.facts(status="live"))
        expected = [f"Line {n} of turn {turn}." for n in range(30) for turn in range(6)]
        assert texts == sorted([*expected, *(f"Decision {n}." for n in range(10))])
        assert store.sync(folder).written == ()
        assert store.verify() == []
        assert json.loads(folder.joinpath(".memstore.json").read_text())["scope"] == "default"
