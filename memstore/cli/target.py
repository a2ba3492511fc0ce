"""Which store, which text, which moment: what the commands take from the outside, checked in one place."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from memstore import settings
from memstore.errors import NotFound, UsageError

if TYPE_CHECKING:
    from memstore.model import Fact
    from memstore.store import MemoryStore

STDIN_BYTES = 64_000_000  # an import is read as a stream; this bounds what is taken as one text


class Target:
    """The store a command works on: named by --db, by MEMSTORE_DB, or found as the nearest `.memstore/`."""

    def __init__(self, db: str | None, scope: str | None, *, claude: bool = False) -> None:
        self._db = db
        self._claude = claude
        self.scope = scope or settings.scope()
        self._store: MemoryStore | None = None

    def __enter__(self) -> Target:
        return self

    def __exit__(self, *_: object) -> None:
        if self._store is not None:
            self._store.close()

    @property
    def named(self) -> str | None:
        """The store that --db names, if it does."""
        return self._db

    @staticmethod
    def make(path: Path) -> None:
        """Make an empty store; a project's folder is made too, and kept out of version control: people said this."""
        if path.parent.name == settings.PROJECT_DIRECTORY and not path.parent.exists():
            path.parent.mkdir(mode=0o700, parents=True)
            (path.parent / ".gitignore").write_text("*\n")
        from memstore.store import MemoryStore

        MemoryStore(path).close()

    def path(self) -> Path:
        """The store's file, there or not. Raises `UsageError` when nothing names one."""
        path = Path(self._db).expanduser() if self._db else settings.store_path()
        if path is None:
            raise UsageError("no store here: run  memstore init,  or name one with --db or MEMSTORE_DB")
        return path

    def open(self, *, create: bool = False) -> MemoryStore:
        """The open store. A missing file is made only by a command that writes (`create`)."""
        if self._store is None:
            from memstore.claude import asked_for
            from memstore.store import MemoryStore

            path = self.path()
            # A project's store knows the project's files: what a fact names there it is tied to.
            in_project = path.parent.name == settings.PROJECT_DIRECTORY
            root = path.resolve().parent.parent if in_project else None
            claude = asked_for(self._claude)
            chroma = settings.chroma()
            self._store = MemoryStore(path, scope=self.scope, create=create, root=root, claude=claude, chroma=chroma)
        return self._store

    def fact(self, name: str) -> Fact:
        """The fact of that id, whatever became of it, else the live one of that key."""
        store = self.open()
        try:
            return store.fact(name)
        except NotFound:
            found = store.get(name)
            if found is None:
                raise NotFound(f"no fact has the id or key {name!r}: memstore recall finds ids") from None
            return found


def moment(value: str) -> datetime:
    """A date or time in ISO 8601, as a type of option; without an offset it is the local clock's."""
    try:
        found = datetime.fromisoformat(value)
        return found if found.tzinfo else found.astimezone()
    except (ValueError, OverflowError, OSError):
        raise click.BadParameter(f"{value!r} is not a time such as 2026-03-01 or 2026-03-01T12:00:00Z") from None


def read_text(value: str) -> str:
    """The argument itself, or all of standard input for `-`. Raises `UsageError` for what is not text."""
    if value != "-":
        return _not_empty(value)
    data = sys.stdin.buffer.read(STDIN_BYTES + 1)
    if len(data) > STDIN_BYTES:
        raise UsageError(f"standard input is longer than {STDIN_BYTES:,} bytes: nothing was stored")
    try:
        return _not_empty(data.decode("utf-8").removesuffix("\n"))  # the line that a pipe ends is no part of the words
    except UnicodeDecodeError as error:
        raise UsageError(f"standard input is not UTF-8 (byte {error.start}): nothing was stored") from error


def _not_empty(text: str) -> str:
    if not text.strip():
        raise UsageError("the text is empty: give it as an argument, or - to read standard input")
    return text


def text_argument(name: str = "text") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An argument that is text, or `-` for standard input."""

    def convert(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
        return None if value is None else read_text(value)

    return click.argument(name, callback=convert)
