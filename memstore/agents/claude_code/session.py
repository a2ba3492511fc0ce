"""What the hooks of one session leave for the next: each is a process of its own that lives for a moment.

Small JSON files in a folder beside the store, replaced in one step. They are conveniences: without them a
transcript is read from its beginning (which adds nothing twice) and a line may be shown again. So no agent waits
until they are on the disk: they survive a hook that is killed, and a power cut may take the last of them. Only what
contexts took is nowhere else until it is booked: each has a name of its own, under which it is booked once, and is
dropped when the store has it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memstore.errors import MemstoreError
from memstore.markdown.folder import Folder

if TYPE_CHECKING:
    from datetime import datetime

KEPT = 30 * 86_400
"""Seconds that notes outlive the last hook of their session; resumed later, its transcript is read from the start."""
SHOWN = 500

Spent = dict[str, Any]
"""Tokens to be booked: the `purpose`, `counter`, `tokens` and `scope`, and `at` what time; `ref` is given here."""


def _is_plain(name: str) -> bool:
    """Whether a name can be a file's, as the identifiers that Claude Code gives its sessions can."""
    return len(name) <= 64 and name.isascii() and name.islower() and name.replace("-", "").isalnum()


def _digest(name: str) -> str:
    import hashlib

    return hashlib.sha256(name.encode()).hexdigest()[:32]


class Session:
    """The state of one session. `shown` are the facts, with their standing, that the agent has in view."""

    def __init__(self, store: Path, name: str) -> None:
        self._folder = Folder(store.with_name(store.name + ".hooks"), durable=False)
        self._name = f"session-{name}.json" if _is_plain(name) else f"hashed-{_digest(name)}.json"

    @property
    def directory(self) -> Path:
        return self._folder.root

    def shown(self) -> set[str]:
        return {one for one in self._read().get("shown", []) if isinstance(one, str)}

    def show(self, keys: list[str], *, afresh: bool = False, spent: Spent | None = None) -> None:
        """Note that these are in view; `afresh` when what was in view is gone (a new or compacted context)."""

        def change(state: dict[str, Any]) -> None:
            before = [] if afresh else state.get("shown", [])
            state["shown"] = [*(before if isinstance(before, list) else []), *keys][-SHOWN:]
            if spent is not None and spent["tokens"]:
                state.setdefault("spent", []).append({**spent, "ref": os.urandom(16).hex()})

        self._change(change)

    def position(self, transcript: Path) -> tuple[int, int]:
        """(byte offset, lines before it) up to which a transcript was taken in."""
        found = self._read().get("read", {})
        offset, line = found.get(str(transcript), (0, 0)) if isinstance(found, dict) else (0, 0)
        return int(offset), int(line)

    def advance(self, transcript: Path, offset: int, line: int) -> None:
        self._change(lambda state: state.setdefault("read", {}).update({str(transcript): [offset, line]}))

    def hold(self, turn: dict[str, str]) -> None:
        """Keep a turn (secrets masked by the caller) until it is known whether a transcript has it.

        It gets a `ref` if it has none, under which the store records it once.
        """
        named = {**turn, "ref": turn.get("ref") or os.urandom(16).hex()}
        self._change(lambda state: state.setdefault("held", []).append(named))

    def held(self) -> list[Any]:
        """The turns that are kept. They stay until they are dropped."""
        found = self._read().get("held", [])
        return found if isinstance(found, list) else []

    def drop(self, turns: list[Any]) -> None:
        """Keep these turns no longer: the store has them, or a transcript."""
        if turns:
            self._change(lambda state: state.update(held=[one for one in state.get("held", []) if one not in turns]))

    def wrote(self, path: str) -> None:
        """Note that a tool wrote a file."""
        if path not in self._read().get("wrote", []):
            self._change(lambda state: state.setdefault("wrote", []).append(path))

    def written(self) -> list[Any]:
        """The files that tools wrote: from now on they are the caller's."""
        found: list[Any] = []
        if self._read().get("wrote"):
            self._change(lambda state: found.extend(state.pop("wrote", [])))
        return found

    def spent(self, *, everybodys: bool = False) -> Iterator[tuple[str, list[Any]]]:
        """What is to be booked, by the notes that hold it: this session's, or every session's. It stays there."""
        for name in sorted(one.name for one in self.directory.glob("*.json")) if everybodys else [self._name]:
            found = self._read(name).get("spent")
            if found:
                yield name, found if isinstance(found, list) else []

    def booked(self, name: str, spent: list[Any]) -> None:
        """Drop from the notes of this name what the store has."""

        def change(state: dict[str, Any]) -> None:
            found = state.pop("spent", None)
            left = [one for one in found if one not in spent] if isinstance(found, list) else []
            if left:
                state["spent"] = left

        self._change(change, name)

    def began(self, at: datetime) -> datetime | None:
        """Note that a session began; when the one before it did."""
        before: list[str] = []

        def change(state: dict[str, Any]) -> None:
            before.append(str(state.get("began", "")))
            state["began"] = at.isoformat()

        self._change(change, "last.json")
        from datetime import datetime

        with suppress(ValueError, IndexError):
            found = datetime.fromisoformat(before[0])
            return found if found.tzinfo else None
        return None

    def tidy(self, now: datetime) -> None:
        """Drop the notes of sessions that ended long ago, but none that holds words no transcript was seen to have.

        Nor any that holds what is still to be booked.
        """
        for notes in self.directory.glob("*.json"):
            with suppress(MemstoreError, OSError), self._folder.locked():
                if now.timestamp() - notes.lstat().st_mtime > KEPT:
                    held = self._read(notes.name)
                    if not held.get("held") and not held.get("spent"):
                        self._folder.remove(notes.name)

    def _read(self, name: str | None = None) -> dict[str, Any]:
        try:
            found = json.loads(self._folder.read(name or self._name))
        except (MemstoreError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def _change(self, change: Callable[[dict[str, Any]], object], name: str | None = None) -> None:
        with self._folder.locked():
            state = self._read(name)
            change(state)
            self._folder.write(name or self._name, json.dumps(state))
