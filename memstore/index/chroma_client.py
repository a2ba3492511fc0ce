"""Where a copy in Chroma lives, and the client that reaches it: a folder with one owner, or a server.

Nothing here knows what is in the copy. The folder is made with a `CACHEDIR.TAG`: backups pass it by, and none without
the tag is ever deleted. A client that failed is thrown away and left alone for a while.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import tempfile
import time
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from memstore.errors import MemstoreError, MissingExtra, UsageError

BESIDE = "beside"
# After a failure, Chroma is tried again after so many seconds.
_PATIENCE = 30.0
_SERVER_SECONDS = 5.0
_SHAPE = {"hnsw": {"space": "cosine", "ef_construction": 128, "ef_search": 200, "max_neighbors": 24}}
_TAG = "CACHEDIR.TAG"  # https://bford.info/cachedir/
_SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55\n# Made again by memstore from the store beside it.\n"
_abandoned: list[Any] = []


def place(setting: bool | str) -> str:
    """Where the copy is, from the setting: BESIDE or a server's address."""
    if not isinstance(setting, str):
        return BESIDE
    parts = urlsplit(setting)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"chroma is True, or a server's address such as http://localhost:8000, not {setting!r}")
    return setting.rstrip("/")


def pass_on(error: BaseException) -> None:
    """Raise what is no failure of Chroma's."""
    if isinstance(error, (KeyboardInterrupt, SystemExit, GeneratorExit, MemstoreError, sqlite3.Error)):
        raise error


class Client:
    """`trouble` says why it cannot be used, if that is a failure; `fresh` is set whenever it was connected anew."""

    def __init__(self, store: Path, where: str) -> None:
        self.trouble: str | None = None
        self.fresh = True
        self._place = where
        self._folder = store.with_name(store.name + ".chroma")
        self._lock_path = store.with_name(store.name + ".chroma.lock")
        self._owned: IO[str] | None = None
        self._client: Any = None
        self._collections: dict[str, Any] = {}
        self._pid = os.getpid()
        self._rest_until = 0.0

    @property
    def connected(self) -> bool:
        return self._client is not None and self._pid == os.getpid()

    def reach(self) -> bool:
        """Connect if that can be; False while another process owns the folder, or the server does not answer."""
        if self._pid != os.getpid():  # the parent's client has no threads here, and the lock is the parent's
            _abandoned.append(self._client)
            self._client, self._pid = None, os.getpid()
            self._disown()
        if self._client is None and time.monotonic() >= self._rest_until:
            try:
                import chromadb
                from chromadb.config import Settings
            except ModuleNotFoundError as error:
                raise MissingExtra(error.name or "chromadb", "vectors", "an approximate index") from error
            self.trouble, self._collections, self.fresh = None, {}, True
            opened = self._open_folder if self._place == BESIDE else self._call_server
            self._client = opened(chromadb, Settings(anonymized_telemetry=False))
            if self._client is None:
                self._rest_until = time.monotonic() + _PATIENCE
        return self._client is not None

    def try_again(self) -> None:
        """Do not wait any longer after a failure."""
        self._rest_until = 0.0

    def collection(self, generation: str, scope: int) -> Any:
        name = f"{_prefix(generation)}{scope}"
        if name not in self._collections:
            self._collections[name] = self._client.get_or_create_collection(
                name, embedding_function=None, configuration=_SHAPE
            )
        return self._collections[name]

    def drop(self, generation: str) -> bool:
        """Delete everything of a generation; False if that is not in this process's hands."""
        if self._place != BESIDE:
            if not self.reach():
                return False
            for collection in self._client.list_collections():
                if collection.name.startswith(_prefix(generation)):
                    self._client.delete_collection(collection.name)
            self._collections = {}
            return True
        mine = self._owned is not None and self._pid == os.getpid()
        if not mine and not self._own():
            return False
        self._disconnect()
        if self._is_ours():
            shutil.rmtree(self._folder, ignore_errors=True)
        if not mine:
            self._disown()
            return not self._folder.exists()
        return not self._folder.exists()

    def close(self) -> None:
        self._disconnect()
        self._disown()

    def fail(self, error: BaseException) -> None:
        """Let go of a client that failed; what is no failure of Chroma's goes on to the caller."""
        pass_on(error)
        self.trouble = f"Chroma failed ({type(error).__name__}: {' '.join(str(error).split())[:200]})"
        self._rest_until = time.monotonic() + _PATIENCE
        try:
            self._disconnect()
        except Exception:  # it is thrown away because it is broken
            self._client = None
        self._disown()

    # --- a folder -----------------------------------------------------------------------------------------------

    def _open_folder(self, chromadb: Any, settings: Any) -> Any:
        """A client of the folder, which is made anew if Chroma cannot open it."""
        if not self._is_ours() or not self._own():
            return None
        for again in (False, True):
            self._folder.mkdir(mode=0o700, exist_ok=True)
            (self._folder / _TAG).write_text(_SIGNATURE)
            # A folder of its own each time: in one process Chroma never opens again what it once failed to open.
            held = next(self._folder.glob("index-*"), None) or tempfile.mkdtemp(prefix="index-", dir=self._folder)
            try:
                return chromadb.PersistentClient(str(held), settings=settings)
            except BaseException as error:
                pass_on(error)
                if again:
                    raise
                shutil.rmtree(self._folder)
        return None

    def _is_ours(self) -> bool:
        """Whether the folder is not there, or is one that memstore made."""
        if not self._folder.is_symlink() and (not self._folder.exists() or (self._folder / _TAG).is_file()):
            return True
        self.trouble = f"{self._folder} is not a folder that memstore made"
        return False

    def _own(self) -> bool:
        if self._owned is None:
            file = self._lock_path.open("a")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.close()
                return False
            self._owned = file
        return True

    def _disown(self) -> None:
        if self._owned is not None:
            self._owned.close()
            self._owned = None

    def _disconnect(self) -> None:
        if self.connected:
            self._client.close()
        self._client, self._collections = None, {}

    # --- a server -----------------------------------------------------------------------------------------------

    def _call_server(self, chromadb: Any, settings: Any) -> Any:
        if not _answers(self._place):
            self.trouble = f"no Chroma server answers at {self._place}"
            return None
        parts = urlsplit(self._place)
        secure = parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        client = chromadb.HttpClient(host=parts.hostname, port=port, ssl=secure, settings=settings)
        # The client waits forever, and offers no setting for it: a question must not.
        client._server._session.timeout = _SERVER_SECONDS
        return client


def _prefix(generation: str) -> str:
    return f"memstore-{generation}-"


def _answers(address: str) -> bool:
    """Whether a Chroma server is there, asked with a time limit that its own client does not have."""
    import urllib.request

    try:
        with urllib.request.urlopen(f"{address}/api/v2/heartbeat", timeout=_SERVER_SECONDS) as response:
            return bool(response.status == 200)
    except (OSError, HTTPException, ValueError):
        return False
