"""One hook, from its input to its output. Fail open: whatever happens, exit 0, one line in a log, nothing said.

An agent must never be slower or broken for having a memory: a watchdog ends the process when its time is up. That is
safe at any instant, because the store survives being killed.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, TextIO

from memstore import settings
from memstore.agents.claude_code.payload import INPUT_BYTES, UNHURRIED, Payload

LOG_BYTES = 1_000_000
SECONDS_FOR_TAKING_IN = 55.0
SECONDS_WHILE_AN_AGENT_WAITS = 5.0


def run(event: str, stdin: BinaryIO, stdout: TextIO, *, db: str | None = None) -> None:
    """Do what the event asks for and write its output, if it has one. Never raises."""
    limit = SECONDS_FOR_TAKING_IN if event in UNHURRIED else SECONDS_WHILE_AN_AGENT_WAITS
    if event in UNHURRIED:
        gc.enable()  # it reads transcripts of any length
    watchdog = threading.Timer(limit, _give_up, (event, limit, db))
    watchdog.daemon = True
    watchdog.start()
    where: Path | None = None
    try:
        payload = Payload.parse(stdin.read(INPUT_BYTES + 1))
        where = _store_path(payload, db)
        if where is None or not where.is_file():
            return
        if payload.problem:
            _log(where, event, payload.problem)
            return
        if event == "PostToolUse":
            from memstore.agents.claude_code.session import Session
            from memstore.agents.claude_code.tool import note

            note(payload, Session(where, payload.name("session_id", "claude-code")))
            return
        from memstore.agents.claude_code.events import answer

        found = answer(event, payload, where)
        if found:
            stdout.write(json.dumps(found) + "\n")
            stdout.flush()
    except BaseException as error:  # a KeyboardInterrupt or a full disk is no reason to hold an agent up either
        _log(where, event, f"{type(error).__name__}: {error}")
    finally:
        watchdog.cancel()


def _store_path(payload: Payload, db: str | None) -> Path | None:
    if db:
        return Path(db).expanduser().absolute()
    found = settings.store_path(payload.directory("cwd"))
    return found.absolute() if found else None


def _give_up(event: str, limit: float, db: str | None) -> None:
    with suppress(BaseException):
        _log(Path(db) if db else settings.store_path(), event, f"gave up after {limit:g} s")
    os._exit(0)


def _log(store: Path | None, event: str, message: str) -> None:
    """One line beside the store; the log starts anew when it has grown long. Without a store there is nowhere."""
    from datetime import UTC, datetime

    with suppress(OSError, ValueError):
        if store is None or not store.is_file():
            return
        folder = store.with_name(store.name + ".hooks")
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / "hooks.log"
        said = " ".join(f"{event} {message}".split())[:1000]
        line = f"{datetime.now(UTC).isoformat()} {''.join(one if one.isprintable() else '?' for one in said)}\n"
        begun = path.exists() and path.stat().st_size < LOG_BYTES
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | (os.O_APPEND if begun else os.O_TRUNC)
        with open(os.open(path, flags, 0o600), "w", encoding="utf-8", errors="backslashreplace") as log:
            log.write(line)


def main(event: str, *, db: str | None = None) -> None:
    """The body of `memstore hook <event>`."""
    run(event, sys.stdin.buffer, sys.stdout, db=db)
