"""Copies of the store: consistent backups taken while others write, and restoring one.

A copy is out of forgetting's reach, so the ledger remembers that it was made, and certificates name it. The same table
names the Markdown folders that are synced with the store: those are reached (kind "markdown").
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from memstore.errors import CorruptStore, UsageError
from memstore.ledger.connection import Ledger


def copy(ledger: Ledger, target: Path) -> None:
    """Write a consistent copy to a new file. The file appears whole or not at all."""
    unfinished = _unfinished(target)
    try:
        with ledger._mapped():
            ledger.connection.execute("VACUUM INTO ?", (str(unfinished),))
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        os.link(unfinished, target)
    except FileExistsError:
        raise UsageError(f"{target} exists already: a backup never overwrites, name a new file") from None
    finally:
        unfinished.unlink(missing_ok=True)
    note(ledger, "backup", target)


@contextmanager
def whole_file(target: Path) -> Iterator[IO[str]]:
    """A new text file, readable by its owner alone, that appears under its name only when it is finished."""
    if target.exists():
        raise UsageError(f"{target} exists already: an export never overwrites, name a new file")
    unfinished = _unfinished(target)
    try:
        with open(unfinished, "x", encoding="utf-8", newline="\n", opener=_private) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.link(unfinished, target)
    except FileExistsError as error:
        raise UsageError(f"{error.filename} exists already: nothing is overwritten, name a new file") from None
    except OSError as error:
        raise UsageError(f"cannot write {target}: {error.strerror}") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _unfinished(target: Path) -> Path:
    return target.with_name(f".{target.name}.{os.urandom(4).hex()}.unfinished")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def note(ledger: Ledger, kind: str, path: Path) -> None:
    """Remember that a copy was made, for the certificates of what is forgotten later."""
    if ledger.read_only:
        return
    with ledger.writing() as tx:
        tx.execute("INSERT INTO copies (at, kind, path) VALUES (?, ?, ?)", (tx.at, kind, str(path.absolute())))


def kept(db: sqlite3.Connection, kind: str) -> set[str]:
    """The paths noted as of a kind."""
    return {row[0] for row in db.execute("SELECT path FROM copies WHERE kind = ?", (kind,))}


def restore(backup: Path, target: Path) -> None:
    """Put a backup in the place of a store that is not there. Raises UsageError if something is."""
    if target.exists():
        raise UsageError(f"{target} exists: move it away first, restoring never overwrites")
    source = Ledger(backup, create=False, untouched=True)
    try:
        with source.reading() as db:
            damage = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if damage != "ok":
            raise CorruptStore(f"{backup} is damaged itself ({damage}): it was not restored")
        copy(source, target)
    finally:
        source.close()
