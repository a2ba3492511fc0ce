"""Child processes that write to a store, and say on a pipe what was acknowledged: to be killed, or raced.

    python -m tests.ledger.workers WRITE PATH SEED COUNT

Each line on standard output is one JSON object, written after the call it tells of returned. A worker that meets an
error other than a refusal writes {"error": …} and ends with status 1.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from memstore import Conflict, MemoryStore
from memstore.errors import UsageError

ROOT = Path(__file__).resolve().parent.parent.parent
KEYS = ("alpha", "beta", "gamma")


def say(**what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


class Writer:
    """Mixed operations on facts of its own and of others, each told once it is acknowledged."""

    def __init__(self, store: MemoryStore, seed: int) -> None:
        self.store = store
        self.random = random.Random(seed)
        self.name = f"w{seed}"
        self.mine: list[str] = []
        self.lately: list[str] = []

    def step(self, number: int) -> None:
        """One operation; what it did is on standard output when it returns."""
        choices = [self.remember, self.remember, self.keyed, self.record, self.supersede, self.change, self.revert]
        if number % 10 == 9:
            choices = [self.forget, self.capture, self.several]
        self.random.choice(choices)(number)

    def words(self, number: int) -> str:
        return f"memo {self.name} number {number} says {self.random.getrandbits(64):x}"

    def remember(self, number: int, key: str | None = None) -> None:
        text = self.words(number)
        fact = self.store.remember(text, modality="decision", key=key, session=self.name)
        self.mine.append(fact.id)
        if self.store.fact(fact.id).text != text:  # read your own writes
            say(error=f"{fact.id} is not there after its own write")
        say(fact=fact.id, text=text, key=key)

    def keyed(self, number: int) -> None:
        self.remember(number, self.random.choice(KEYS))

    def record(self, number: int) -> None:
        text = self.words(number)
        event = self.store.record(text, role="user", session=self.name, ref=str(number))
        say(event=event.id, text=text)

    def supersede(self, number: int) -> None:
        if len(self.mine) < 2:
            return self.remember(number)
        old, new = self.random.sample(self.mine, 2)
        try:
            done = self.store.supersede(old, new, reason="newer")
        except UsageError:
            return None  # a circle, or one of them was forgotten
        self.lately.append(done.id)
        say(transition=done.id, change="superseded", old=[old], new=[new], refused=isinstance(done, Conflict))
        return None

    def change(self, number: int) -> None:
        if not self.mine:
            return self.remember(number)
        fact, how = self.random.choice(self.mine), self.random.choice(["flag", "confirm", "retract"])
        try:
            done = getattr(self.store, how)(fact, reason="so")
        except UsageError:
            return None  # it was forgotten
        self.lately.append(done.id)
        say(transition=done.id, change=done.change, old=[fact], new=[], refused=False)
        return None

    def revert(self, number: int) -> None:
        if not self.lately:
            return self.remember(number)
        try:
            done = self.store.revert(self.random.choice(self.lately), reason="no")
        except UsageError:
            return None  # reverted before, or it would close a circle
        say(transition=done.id, change="reverted", old=list(done.old), new=list(done.new), refused=False)
        return None

    def forget(self, number: int) -> None:
        if not self.mine:
            return
        fact = self.mine.pop(self.random.randrange(len(self.mine)))
        say(forgetting=fact)
        self.store.forget(fact)
        say(forgot=fact)

    def capture(self, number: int) -> None:
        self.store.capture()
        say(captured=number)

    def several(self, number: int) -> None:
        texts = [self.words(number) for _ in range(5)]
        with self.store.transaction():
            facts = [self.store.remember(text, modality="observation", session=self.name) for text in texts]
        say(together=[fact.id for fact in facts], texts=texts)


def write(path: str, seed: int, count: int) -> None:
    store = MemoryStore(path)
    writer = Writer(store, seed)
    for number in range(count):
        writer.step(number)
    store.close()


def hold(path: str) -> None:
    """Keep an open snapshot until standard input ends."""
    store = MemoryStore(path)
    with store.ledger.reading() as db:
        db.execute("SELECT count(*) FROM facts").fetchone()
        say(reading=True)
        sys.stdin.read()


def steadily(path: str, name: str, until: str) -> None:
    """Write one fact after another until a file is there; tell of the first, then of all and the longest wait (s)."""
    longest = 0.0
    facts = []
    with MemoryStore(path) as store:
        while not Path(until).exists():
            begun = time.monotonic()
            facts.append(store.remember(f"memo {name} {len(facts)}", modality="decision", session=name).id)
            longest = max(longest, time.monotonic() - begun)
            if len(facts) == 1:
                say(begun=True)
    say(facts=facts, longest=longest)


def start(*arguments: object) -> subprocess.Popen[str]:
    """A child running one of the functions here."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.ledger.workers", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def forked(path: Path, seed: int, count: int) -> tuple[int, int]:
    """A forked child that writes; its pid and the pipe it tells on. It costs no start of an interpreter."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        return pid, reader
    try:
        os.close(reader)
        os.dup2(writer, 1)
        sys.stdout = os.fdopen(1, "w")
        write(str(path), seed, count)
        os._exit(0)
    except BaseException as error:
        say(error=f"{type(error).__name__}: {error}")
        os._exit(1)


def killed_after(pid: int, reader: int, seconds: float) -> list[dict[str, Any]]:
    """What a child had told when it was killed, `seconds` from now or when it ended before that."""
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    return told(pid, reader)


def told(pid: int, reader: int) -> list[dict[str, Any]]:
    """All that a child told until it ended. A torn last line was not an acknowledgement."""
    with os.fdopen(reader, "rb") as pipe:
        text = pipe.read().decode()
    os.waitpid(pid, 0)
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def acknowledged(lines: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """(fact, text) of every acknowledged fact that nobody began to forget."""
    forgotten = {line["forgetting"] for line in lines if "forgetting" in line}
    for line in lines:
        if "fact" in line and line["fact"] not in forgotten:
            yield line["fact"], line["text"]
        yield from zip(line.get("together", ()), line.get("texts", ()), strict=True)


def lost(store: MemoryStore, lines: list[dict[str, Any]]) -> list[str]:
    """Acknowledged writes that the store does not hold: none, whatever happened to their writer."""
    missing = []
    held = {fact.id: fact.text for fact in store.facts()}
    missing += [fact for fact, text in acknowledged(lines) if held.get(fact) != text]
    with store.ledger.reading() as db:
        events = dict(db.execute("SELECT id, text FROM events"))
        happened = {row[0] for row in db.execute("SELECT id FROM transitions")}
        states = dict(db.execute("SELECT id, state FROM facts"))
    missing += [line["event"] for line in lines if "event" in line and line["text"] != events.get(line["event"])]
    missing += [line["transition"] for line in lines if "transition" in line and line["transition"] not in happened]
    missing += [line["forgot"] for line in lines if "forgot" in line and states.get(line["forgot"]) != 4]
    return missing


if __name__ == "__main__":
    try:
        commands = {"write": lambda p, s, c: write(p, int(s), int(c)), "hold": hold, "steadily": steadily}
        commands[sys.argv[1]](*sys.argv[2:])
    except Exception as error:
        say(error=f"{type(error).__name__}: {error}", at=datetime.now(UTC).isoformat())
        sys.exit(1)
