"""The only place that opens the database.

Every thread has a connection of its own (SQLite's rule), and a process that was forked opens new ones. Writes take
the write lock at once (`BEGIN IMMEDIATE`) and wait for it, bounded: a deferred transaction that reads and then
writes fails at once when another process commits in between, whatever the busy timeout says. Reads run in one
snapshot. `synchronous=FULL` makes an acknowledged write survive a power cut, and `secure_delete` makes what is
deleted unreadable in the file.

sqlite-utils creates and migrates the schema and is there as `Ledger.db` for people; it is imported only then,
because a hook that lives for 100 ms cannot pay for it.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memstore import errors
from memstore.ledger import ids, turnstile
from memstore.ledger.times import to_micros

if TYPE_CHECKING:
    from sqlite_utils import Database

APPLICATION_ID = 0x6D656D73  # "mems" in the file's header
SCHEMA_VERSION = 7
BUSY_SECONDS = 60.0
_MAGIC = b"SQLite format 3\x00"


def system_clock() -> datetime:
    return datetime.now(UTC)


class _Connection(sqlite3.Connection):
    """A connection that can be weakly referenced, and knows how deep its transaction is nested."""

    depth = 0
    transaction: Transaction | None = None
    users = 0
    closed = False


# SQLite's locks do not survive a fork: a child would believe that it holds its parent's. So idle connections are
# closed before one, and both sides open new ones when they need them.
_gate = threading.Lock()  # held for the moment of a fork, and to take a connection into use
_ledgers: weakref.WeakSet[Ledger] = weakref.WeakSet()
_abandoned: list[_Connection] = []


def _before_fork() -> None:
    _gate.acquire()
    for ledger in list(_ledgers):
        ledger.rest()


def _after_fork_in_child() -> None:
    for ledger in list(_ledgers):
        ledger.abandon()
    _gate.release()


os.register_at_fork(before=_before_fork, after_in_parent=_gate.release, after_in_child=_after_fork_in_child)


class Transaction:
    """A write in progress. `at` is its recorded time: the clock's, but never earlier than the write before."""

    __slots__ = ("_numbers", "at", "db", "erased")

    def __init__(self, db: sqlite3.Connection, at: int, numbers: ids.Numbers) -> None:
        self.db = db
        self.at = at
        self.erased = False  # whether something was forgotten in it, so that the file is to be rewritten after it
        self._numbers = numbers

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        return self.db.execute(sql, parameters)

    def insert(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Insert one row; returns its primary key."""
        key = self.db.execute(sql, parameters).lastrowid
        assert key is not None
        return key

    def new_id(self, prefix: str) -> str:
        """Eighteen characters that sort by time and, of one process, by order of writing.

        The ids of one transaction follow one another: drawn one by one, a million of the same millisecond would meet.
        """
        return f"{prefix}_{ids.spelt(self._numbers.next())}"


class Ledger:
    """A handle on one store file, shared by threads and safe across processes.

    Raises NotAStore, NewerSchema, CorruptStore, ReadOnlyStore, StoreBusy or StoreFull; never a bare sqlite3 error.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        clock: Callable[[], datetime] | None = None,
        busy_seconds: float = BUSY_SECONDS,
        create: bool = True,
        untouched: bool = False,
        upkeep: bool = True,
    ) -> None:
        self.path = Path(path)
        try:
            self._turnstile = turnstile.beside(self.path)
        except RuntimeError:  # so Python tells it before 3.13
            raise errors.NotAStore(f"{self.path} is a symbolic link that leads back to itself") from None
        self.clock = clock or system_clock
        self._numbers = ids.Numbers()
        self._busy_seconds = busy_seconds
        self._local = threading.local()
        self._open: weakref.WeakSet[_Connection] = weakref.WeakSet()
        self.read_only = False
        #: Erases what copies outside the file hold of forgotten words; False while one is out of its hands.
        self.clear_copies: Callable[[sqlite3.Connection], bool] = lambda db: True
        self.upkeep = upkeep  # whether opening it may take as long as bringing it up to date does
        self._untouched = untouched  # only to be copied: whatever its schema, no byte of the file is changed
        with _gate:
            _ledgers.add(self)
        self._refuse_foreign_files(create)
        with self._mapped():
            self._prepare()

    # --- opening ------------------------------------------------------------------------------------------------

    def _refuse_foreign_files(self, create: bool) -> None:
        if self.path.is_dir():
            raise errors.NotAStore(f"{self.path} is a directory: name a file, for example {self.path / 'memory.db'}")
        if not self.path.exists():
            if not create:
                raise errors.NotAStore(f"no store at {self.path}: create one with  memstore init")
            if not self.path.parent.is_dir():
                raise errors.NotAStore(f"no directory {self.path.parent}: create it first")
            return
        if not self.path.is_file():
            raise errors.NotAStore(f"{self.path} is not a regular file")
        try:
            with self.path.open("rb") as file:
                head = file.read(16)
        except OSError as error:
            raise errors.ReadOnlyStore(f"cannot read {self.path}: {error.strerror}") from error
        if head and head != _MAGIC:
            raise errors.NotAStore(f"{self.path} is not a memstore database (it does not begin as SQLite files do)")
        self.read_only = self._untouched or not (os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK))

    def _prepare(self) -> None:
        connection = self.connection
        version, application = self._stamp(connection)
        if application != APPLICATION_ID and self.read_only:
            raise errors.ReadOnlyStore(f"{self.path} is empty and cannot be written")
        if version < SCHEMA_VERSION and not self._untouched:
            if self.read_only:
                raise errors.ReadOnlyStore(f"{self.path} needs a migration and cannot be written")
            if not self.upkeep:
                raise errors.UpkeepDue(
                    f"{self.path} is of an earlier version: run  memstore verify  to bring it up to date"
                )
            self._migrate(connection)

    def _refuse_strange_files(self, connection: sqlite3.Connection) -> None:
        # Before even choosing a journal mode, which writes; in one snapshot, as another process may be making it.
        connection.execute("BEGIN")
        try:
            version, application = self._stamp(connection)
            held = version or connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
        finally:
            connection.rollback()
        if application != APPLICATION_ID and held:
            raise errors.NotAStore(f"{self.path} is another program's SQLite database; it was left as it is")
        if version > SCHEMA_VERSION:
            raise errors.NewerSchema(
                f"{self.path} has schema {version}; this memstore knows up to {SCHEMA_VERSION}: upgrade memstore"
            )

    @staticmethod
    def _stamp(connection: sqlite3.Connection) -> tuple[int, int]:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        return version, application

    def _migrate(self, connection: sqlite3.Connection) -> None:
        from memstore.ledger.migrations import apply

        connection.execute("BEGIN IMMEDIATE")
        try:
            if self._stamp(connection)[0] < SCHEMA_VERSION:  # another process may have been faster
                apply(connection)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise

    @property
    def connection(self) -> _Connection:
        """This thread's connection."""
        existing: _Connection | None = getattr(self._local, "connection", None)
        if existing is not None and not existing.closed:
            return existing
        mode = "ro" if self.read_only else "rwc"
        uri = f"{self.path.resolve().as_uri()}?mode={mode}"
        connection = sqlite3.connect(
            uri,
            uri=True,
            isolation_level=None,
            timeout=self._busy_seconds,
            check_same_thread=False,
            factory=_Connection,
        )
        try:
            self._refuse_strange_files(connection)
            connection.execute("PRAGMA foreign_keys = ON")
            if not self.read_only:
                self._use_wal(connection)
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("PRAGMA secure_delete = ON")
        except BaseException:
            connection.close()
            raise
        self._local.connection = connection
        with _gate:
            self._open.add(connection)
        return connection

    @property
    def in_transaction(self) -> bool:
        """Whether this thread is inside a `writing` block."""
        existing: _Connection | None = getattr(self._local, "connection", None)
        return existing is not None and existing.depth > 0

    @contextmanager
    def _in_use(self) -> Iterator[_Connection]:
        """This thread's connection, kept open while the block runs."""
        while True:
            connection = self.connection
            with _gate:
                if not connection.closed:
                    connection.users += 1
                    break
        try:
            yield connection
        finally:
            connection.users -= 1

    def _use_wal(self, connection: sqlite3.Connection) -> None:
        # Changing the journal mode needs the file alone and does not wait for it: ask again, bounded.
        if connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
            return
        deadline = time.monotonic() + self._busy_seconds
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    # --- transactions -------------------------------------------------------------------------------------------

    @contextmanager
    def writing(self, *, patient: bool = True) -> Iterator[Transaction]:
        """A write transaction; nested calls join it, and fail back to their own beginning.

        With `patient=False` it does not wait for another writer, but raises StoreBusy at once.
        """
        if self.read_only:
            raise errors.ReadOnlyStore(f"{self.path} cannot be written")
        with self._mapped(), self._in_use() as connection:
            if connection.depth:
                with self._savepoint(connection):
                    assert connection.transaction is not None
                    yield connection.transaction
                return
            connection.depth = 1
            try:
                self._begin_immediate(connection, patient)
                at, erasing = self._tick(connection)
                self._numbers.begin(at)
                connection.transaction = tx = Transaction(connection, at, self._numbers)
                yield tx
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            finally:
                connection.depth = 0
                connection.transaction = None
            if tx.erased:
                self.finish_erasures()
            elif erasing:
                self._empty_log()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One consistent snapshot. Inside a write transaction it is that transaction's view."""
        with self._mapped(), self._in_use() as connection:
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("COMMIT")

    @contextmanager
    def _savepoint(self, connection: _Connection) -> Iterator[None]:
        if not connection.in_transaction:  # SQLite undid it after an error that somebody caught and ignored
            raise errors.StoreError(f"{self.path}: the transaction was undone by an earlier error; begin it again")
        name = f"nested_{connection.depth}"
        connection.execute(f"SAVEPOINT {name}")
        connection.depth += 1
        try:
            yield
            connection.execute(f"RELEASE {name}")
        except BaseException:
            if connection.in_transaction:
                connection.execute(f"ROLLBACK TO {name}")
                connection.execute(f"RELEASE {name}")
            raise
        finally:
            connection.depth -= 1

    def _begin_immediate(self, connection: sqlite3.Connection, patient: bool) -> None:
        deadline = time.monotonic() + self._busy_seconds
        connection.execute("PRAGMA busy_timeout = 0")  # SQLite's own waiting asks ten times a second
        try:
            if not patient:
                connection.execute("BEGIN IMMEDIATE")
                return
            with turnstile.passing(self._turnstile, deadline):
                while True:
                    try:
                        connection.execute("BEGIN IMMEDIATE")
                        return
                    except sqlite3.OperationalError as error:
                        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                            raise
                    time.sleep(turnstile.ASK_AGAIN_SECONDS)
        finally:
            connection.execute(f"PRAGMA busy_timeout = {int(self._busy_seconds * 1000)}")

    def _tick(self, connection: sqlite3.Connection) -> tuple[int, bool]:
        """The recorded time of this write, and whether an erasure waits for the log to be emptied.

        Recorded time never runs backwards, or "as of" would lose its meaning.
        """
        now = to_micros(self.clock(), "the clock's time")
        last, erasing = connection.execute(
            "SELECT last, EXISTS (SELECT 1 FROM erasures WHERE pending = 1) FROM clock"
        ).fetchone()
        if now > last:
            connection.execute("UPDATE clock SET last = ?", (now,))
        return max(now, last), bool(erasing)

    # --- the rest -----------------------------------------------------------------------------------------------

    @property
    def db(self) -> Database:
        """This thread's connection as a sqlite-utils Database, for exploring; do not write through it."""
        from sqlite_utils import Database

        return Database(self.connection)

    def checkpoint(self) -> bool:
        """Move the write-ahead log into the file and empty it; False while a reader still needs it."""
        with self._mapped():
            connection = self.connection
            connection.execute("PRAGMA busy_timeout = 0")
            try:
                busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            except sqlite3.OperationalError:
                return False
            finally:
                connection.execute(f"PRAGMA busy_timeout = {int(self._busy_seconds * 1000)}")
            return not busy

    def finish_erasures(self) -> bool:
        """Rewrite the file after something was forgotten, and empty the write-ahead log; False if that must wait.

        `secure_delete` overwrites what is deleted, but not the copies that SQLite leaves in the gaps of pages when
        it moves rows between them: only a file written anew (VACUUM) is free of those. That takes as long as
        copying the file, so ordinary writes never do it; the log they empty if they can.

        It never raises: what was written before it stays written, and the next forgetting or opening tries again.
        """
        try:
            with self._mapped():
                connection = self.connection
                if connection.in_transaction:
                    return False
                waiting = connection.execute("SELECT pk FROM erasures WHERE pending = 2").fetchall()
                if waiting:
                    connection.execute("VACUUM")
                    connection.executemany("UPDATE erasures SET pending = 1 WHERE pk = ?", waiting)
        except errors.StoreError:
            return False
        return self._empty_log()

    def _empty_log(self) -> bool:
        """Settle the erasures of which only the write-ahead log still tells, if nobody reads from it."""
        try:
            with self._mapped():
                # Only what was erased before the log is emptied: somebody may forget more meanwhile.
                waiting = self.connection.execute("SELECT pk FROM erasures WHERE pending = 1").fetchall()
                if not waiting:
                    return True
                if self.connection.in_transaction or not self.clear_copies(self.connection) or not self.checkpoint():
                    return False
                self.connection.executemany("UPDATE erasures SET pending = 0 WHERE pk = ?", waiting)
                return True
        except errors.StoreError:
            return False

    def close(self) -> None:
        """Close every connection of this process. The handle opens new ones if it is used again."""
        with _gate:
            for connection in list(self._open):
                connection.closed = True
                connection.close()
            self._open = weakref.WeakSet()
            self._local = threading.local()

    def rest(self) -> None:
        """Before a fork: close the connections that nobody uses just now."""
        for connection in list(self._open):
            if not connection.users:
                connection.closed = True
                connection.close()
                self._open.discard(connection)

    def abandon(self) -> None:
        """In a child that was forked in the middle of a transaction: leave the parent's connections alone."""
        _abandoned.extend(self._open)  # kept for good, because collecting them would close the parent's files
        self._open = weakref.WeakSet()
        self._local = threading.local()
        self._numbers = ids.Numbers()  # or parent and child would number on alike

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._mapping(error) from error

    def _mapping(self, error: sqlite3.Error) -> errors.StoreError:
        code = (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF
        match code:
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED | sqlite3.SQLITE_PROTOCOL:
                return errors.StoreBusy(
                    f"{self.path} was locked by another process for {self._busy_seconds:g} s: nothing was written, "
                    "try again"
                )
            case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
                return errors.ReadOnlyStore(f"{self.path} cannot be opened for writing: {error}")
            case sqlite3.SQLITE_FULL:
                return errors.StoreFull(f"no space left for {self.path}: the write was undone, free some and repeat it")
            case sqlite3.SQLITE_NOTADB:
                return errors.NotAStore(f"{self.path} is not a memstore database")
            case sqlite3.SQLITE_CORRUPT:
                return errors.CorruptStore(
                    f"{self.path} is damaged ({error}): nothing was written; restore a backup with  memstore restore"
                )
        return errors.StoreError(f"{self.path}: {error}")


@contextmanager
def reading_foreign(path: str | os.PathLike[str]) -> Iterator[sqlite3.Connection]:
    """Another program's SQLite file, read-only and untrusted: nothing in it changes, nothing its schema names is run.

    Raises NotAStore when the file cannot be read as a database.
    """
    connection = sqlite3.connect(f"{Path(path).resolve().as_uri()}?mode=ro", uri=True, timeout=5)
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA query_only = ON")
        yield connection
    except sqlite3.Error as error:
        raise errors.NotAStore(f"{path} cannot be read as a database: {error}") from error
    finally:
        connection.close()
