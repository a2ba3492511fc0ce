"""What `verify` finds, and what becomes of files that are damaged, foreign, full, newer or not writable.

Each kind of tampering is planted by SQL, behind the store's back, and must be reported as exactly that. Each kind of
bad file must give one clear error of the tree, and be left byte for byte as it was.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from memstore import MemoryStore
from memstore.errors import CorruptStore, NewerSchema, NotAStore, ReadOnlyStore, StoreError, StoreFull, UsageError
from memstore.ledger import connection, migrations
from tests.conftest import NOON, Clock
from tests.test_ledger_race import in_child


@pytest.fixture
def path(original: Path, tmp_path: Path) -> Path:
    """A copy of its own of the store."""
    return Path(shutil.copy(original, tmp_path / "memory.db"))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a chain, a conflict, a key, a lifetime, a doubt, a reversal and something forgotten."""
    clock = Clock()
    path = tmp_path_factory.mktemp("original") / "memory.db"
    store = MemoryStore(path, clock=clock)
    turn = store.record("We chose Redis. It may be slow.", role="user", session="s1", ref="1")
    a = store.remember("We chose Redis.", modality="decision", key="storage", source=turn)
    clock.advance(days=1)
    b = store.remember("We chose Valkey.", modality="decision", key="storage")
    store.remember("Perhaps Postgres.", modality="hypothesis", key="storage")
    c = store.remember("It may be slow.", modality="hypothesis", source=turn, depends_on=a)
    flagged = store.flag(c, reason="measured")
    store.revert(flagged, reason="measured wrongly")
    store.amend(b, c, reason="a detail")
    store.forget(store.remember("Nobody knows.", modality="decision"))
    assert store.verify() == []
    store.close()
    return path


def plant(path: Path, *statements: str) -> None:
    db = sqlite3.connect(path)
    for statement in statements:
        db.execute(statement)
    db.commit()
    db.close()


def found(path: Path) -> set[str]:
    with MemoryStore(path) as store:
        return {problem.code for problem in store.verify()}


REDIS = "(SELECT pk FROM facts WHERE text = 'We chose Redis.')"
VALKEY = "(SELECT pk FROM facts WHERE text = 'We chose Valkey.')"
SLOW = "(SELECT pk FROM facts WHERE text = 'It may be slow.')"
TAMPERING = {
    "text": (f"UPDATE facts SET text = 'We chose Mongo.' WHERE pk = {REDIS}", {"text"}),
    "text, with its checksum": (f"UPDATE facts SET text = 'We chose Mongo.', digest = 1 WHERE pk = {REDIS}", {"text"}),
    "modality": (f"UPDATE facts SET modality = 'decision' WHERE pk = {SLOW}", {"fact"}),
    "origin": (f"UPDATE facts SET origin = 'system' WHERE pk = {SLOW}", {"fact"}),
    "said_at": (f"UPDATE facts SET said_at = said_at + 1 WHERE pk = {REDIS}", {"fact"}),
    "recorded_at": (f"UPDATE facts SET recorded_at = 0 WHERE pk = {REDIS}", {"fact"}),
    "valid_from": (f"UPDATE facts SET valid_from = 0 WHERE pk = {REDIS}", {"fact"}),
    "probability": (f"UPDATE facts SET probability = 0.1 WHERE pk = {REDIS}", {"fact"}),
    "event text": ("UPDATE events SET text = 'We chose Mongo. It may be slow.' WHERE ref = '1'", {"hash"}),
    "event hash": ("UPDATE events SET sha256 = x'00' WHERE ref = '1'", {"hash"}),
    "event hash taken out": ("UPDATE events SET sha256 = NULL WHERE ref = '1'", {"hash"}),
    "words in a tombstone": ("UPDATE events SET text = 'boo', sha256 = NULL, forgotten_at = 1 WHERE ref = '1'", None),
    "span past the end": (f"UPDATE provenance SET stop = 999 WHERE fact = {REDIS}", {"span"}),
    "span that is empty": (f"UPDATE provenance SET stop = start WHERE fact = {REDIS}", {"span"}),
    "span before the start": (f"UPDATE provenance SET start = -3 WHERE fact = {REDIS}", {"span"}),
    "pointer taken out": (f"DELETE FROM provenance WHERE fact = {REDIS}", {"lineage"}),
    "status": (f"UPDATE facts SET state = 0 WHERE pk = {REDIS}", None),
    "status live to retracted": (f"UPDATE facts SET state = 3 WHERE pk = {VALKEY}", {"status"}),
    "status that does not exist": (f"UPDATE facts SET state = 9 WHERE pk = {SLOW}", {"status"}),
    "expiry": (f"UPDATE facts SET expires_at = 1 WHERE pk = {VALKEY}", {"status"}),
    "expiry taken out": (f"UPDATE facts SET expires_at = NULL WHERE pk = {SLOW}", {"status"}),
    "key": (f"UPDATE facts SET key = 'cache' WHERE pk = {VALKEY}", {"key"}),
    "key taken out": (f"UPDATE facts SET key = NULL WHERE pk = {VALKEY}", {"key"}),
    "effect": ("UPDATE transitions SET effective = 0 WHERE change = 'amended'", {"effect"}),
    "effect of what was reverted": ("UPDATE transitions SET effective = 1 WHERE change = 'flagged'", {"effect"}),
    "transition taken out of its facts": (
        f"DELETE FROM involved WHERE fact = {VALKEY} AND side = 'new'", {"chain"},
    ),
    "index entry taken out": ("DELETE FROM words_docsize WHERE id = (SELECT max(id) FROM words_docsize)", {"index"}),
    "index of other words": (
        "INSERT INTO words (words, rowid, text) SELECT 'delete', place, 'We chose Redis.' FROM statements"
        f" WHERE fact = {REDIS};INSERT INTO words (rowid, text) SELECT place, 'We chose Mongo.' FROM statements"
        f" WHERE fact = {REDIS}", {"index"},
    ),
    "index with a word too many": (
        f"INSERT INTO words (rowid, text) SELECT place, 'mongo' FROM statements WHERE fact = {REDIS}", {"index"},
    ),
    "index entry of another fact": (
        f"UPDATE statements SET fact = -fact;UPDATE statements SET fact = {REDIS} WHERE fact = -{VALKEY};"
        f"UPDATE statements SET fact = {VALKEY} WHERE fact = -{REDIS};"
        "UPDATE statements SET fact = -fact WHERE fact < 0", {"index"},
    ),
    "index dropped": ("DROP TABLE words", set()),  # opening the store makes it again
    "reference to nothing": ("UPDATE transitions SET event = 999 WHERE change = 'amended'", {"file"}),
}  # fmt: skip


class TestVerifyFinds:
    @pytest.mark.parametrize("name", [n for n, (_, codes) in TAMPERING.items() if codes is not None])
    def test_each_kind_of_tampering_is_reported_as_exactly_that(self, path: Path, name: str) -> None:
        statement, codes = TAMPERING[name]
        plant(path, *statement.split(";"))
        assert found(path) == codes

    def test_a_replaced_fact_set_live_again_is_a_wrong_status(self, path: Path) -> None:
        plant(path, f"UPDATE facts SET state = 0 WHERE pk = {REDIS}")
        assert "status" in found(path)

    def test_words_put_into_a_tombstone_are_found(self, path: Path) -> None:
        statement, _ = TAMPERING["words in a tombstone"]
        plant(path, statement)
        assert "hash" in found(path)

    def test_a_circle_is_found_with_the_facts_in_it(self, path: Path) -> None:
        plant(
            path,
            "INSERT INTO transitions (id, scope, change, at, reason) VALUES ('t_x', 1, 'superseded', 0, 'x')",
            f"INSERT INTO involved SELECT {VALKEY}, max(pk), 'old' FROM transitions",
            f"INSERT INTO involved SELECT {REDIS}, max(pk), 'new' FROM transitions",
            f"UPDATE facts SET state = 2 WHERE pk = {VALKEY}",
        )
        with MemoryStore(path) as store:
            problems = store.verify()
            circle = {p.record for p in problems if p.code == "chain"}
            assert circle == {f.id for f in store.facts() if f.text in ("We chose Redis.", "We chose Valkey.")}
            assert {p.code for p in problems} == {"chain"}

    def test_a_missing_key_conflict_is_found(self, path: Path) -> None:
        with MemoryStore(path) as store:
            ids = [store.remember(f"Owner {n}", modality="decision", key=f"owner{n}").id for n in range(2)]
        plant(
            path,
            f"UPDATE facts SET key = 'owner0', key_seal = {seal(ids[1], 'owner0')} WHERE id = '{ids[1]}'",
        )
        assert found(path) == {"key"}

    def test_what_the_index_alone_got_wrong_rebuild_mends(self, path: Path) -> None:
        plant(path, "DELETE FROM words_docsize", "DELETE FROM words_data WHERE id > 10")
        with MemoryStore(path) as store:
            assert {p.code for p in store.verify()} == {"index"}
            assert isinstance(store.recall("Valkey"), list)
            store.rebuild()
            assert store.verify() == []
            assert [r.text for r in store.recall("Valkey")] == ["We chose Valkey."]

    def test_verify_changes_nothing(self, path: Path) -> None:
        before = path.read_bytes()
        assert found(path) == set()
        assert path.read_bytes() == before


def seal(id_: str, key: str) -> int | None:
    from memstore.ledger.facts import key_seal

    return key_seal(id_, key)


# --- bad files ---------------------------------------------------------------------------------------------------


def refused(path: Path, error: type[Exception], match: str) -> None:
    """Opening raises that error, says so in one line, and changes no byte beside the path."""

    def contents() -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in path.parent.iterdir() if file.is_file()}

    before = contents()
    with pytest.raises(error, match=match) as raised:
        MemoryStore(path)
    assert "\n" not in str(raised.value)
    assert {name: data for name, data in contents().items() if data or name in before} == before


class TestBadFiles:
    def test_a_directory(self, tmp_path: Path) -> None:
        refused(tmp_path, NotAStore, "is a directory")

    def test_a_link_that_leads_back_to_itself(self, tmp_path: Path) -> None:
        (tmp_path / "one.db").symlink_to(tmp_path / "two.db")
        (tmp_path / "two.db").symlink_to(tmp_path / "one.db")
        with pytest.raises(StoreError):  # Python tells such links from 3.13 on only when they are opened
            MemoryStore(tmp_path / "one.db")

    def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        refused_path = tmp_path / "no" / "memory.db"
        with pytest.raises(NotAStore, match="no directory"):
            MemoryStore(refused_path)

    @pytest.mark.parametrize("content", [b"Dear diary,", b"x", b"SQLite format 2\x00" * 40, os.urandom(5000)])
    def test_a_file_of_something_else(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "memory.db").write_bytes(content)
        refused(tmp_path / "memory.db", NotAStore, "not a memstore database")

    @pytest.mark.parametrize("journal", ["DELETE", "WAL"])
    def test_another_programs_database(self, tmp_path: Path, journal: str) -> None:
        db = sqlite3.connect(tmp_path / "memory.db")
        db.execute(f"PRAGMA journal_mode = {journal}")
        db.execute("CREATE TABLE recipes (name)")
        db.commit()
        db.close()
        refused(tmp_path / "memory.db", NotAStore, "another program")

    def test_a_named_pipe(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "memory.db")
        with pytest.raises(NotAStore, match="regular file"):
            MemoryStore(tmp_path / "memory.db")

    def test_a_newer_schema_is_refused_politely(self, path: Path) -> None:
        plant(path, f"PRAGMA user_version = {connection.SCHEMA_VERSION + 1}")
        refused(path, NewerSchema, "upgrade memstore")

    def test_an_empty_file_becomes_a_store(self, tmp_path: Path) -> None:
        (tmp_path / "memory.db").touch()
        with MemoryStore(tmp_path / "memory.db") as store:
            store.remember("Here we go.", modality="decision")
            assert store.verify() == []

    def test_a_page_overwritten_with_noise_is_reported_and_nothing_is_written(self, path: Path) -> None:
        with MemoryStore(path) as store:
            for number in range(300):
                store.remember(f"Statement number {number} about the weather.", modality="observation")
        original = path.read_bytes()
        found_damage = 0
        for page in range(1, len(original) // 4096, 7):
            path.write_bytes(original[: page * 4096] + os.urandom(4096) + original[(page + 1) * 4096 :])
            damaged = path.read_bytes()
            try:
                with MemoryStore(path) as store:
                    problems = store.verify()
                    found_damage += bool(problems)
                    if any(p.code == "file" for p in problems):
                        assert path.read_bytes() == damaged
            except (CorruptStore, NotAStore):
                found_damage += 1
                assert path.read_bytes() == damaged
        assert found_damage >= len(range(1, len(original) // 4096, 7)) - 2  # a page of the free list may hold anything

    def test_a_write_to_a_damaged_file_is_refused_whole(self, path: Path) -> None:
        data = bytearray(path.read_bytes())
        db = sqlite3.connect(path)
        (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'facts'").fetchone()
        db.close()
        data[(root - 1) * 4096 : root * 4096] = os.urandom(4096)
        path.write_bytes(data)
        with pytest.raises(CorruptStore, match="damaged"), MemoryStore(path) as store:
            store.remember("More.", modality="decision")
        assert path.read_bytes() == bytes(data)

    @pytest.mark.parametrize("length", [0, 31, 32, 1000, 4120, 9000, 20000])
    def test_a_truncated_write_ahead_log_loses_only_whole_writes(self, tmp_path: Path, length: int) -> None:
        source = MemoryStore(tmp_path / "source.db")
        for number in range(20):
            source.remember(f"Statement {number}.", modality="decision")
        for ending in ("", "-wal"):
            shutil.copy(f"{source.ledger.path}{ending}", f"{tmp_path / 'memory.db'}{ending}")
        source.close()
        with (tmp_path / "memory.db-wal").open("r+b") as log:
            log.truncate(length)
        with MemoryStore(tmp_path / "memory.db") as store:
            assert store.verify() == []
            assert [f.text for f in store.facts()] == [f"Statement {n}." for n in range(len(store.facts()))]


class TestNotWritable:
    @pytest.fixture
    def shut(self, path: Path) -> Iterator[Path]:
        """The store in a directory that nobody may write to, seen by a user who is not root."""
        path.chmod(0o444)
        path.parent.chmod(0o555)
        yield path
        path.parent.chmod(0o755)
        path.chmod(0o644)

    def test_a_store_that_cannot_be_written_says_so(self, shut: Path) -> None:
        def child(path: Path, name: int) -> None:
            if os.getuid() == 0:
                for folder in path.parents:  # pytest's own folders are closed to others
                    if folder.stat().st_uid == 0 and not folder.stat().st_mode & 0o001:
                        folder.chmod(folder.stat().st_mode | 0o005)
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            before = path.read_bytes()
            with pytest.raises(ReadOnlyStore, match="cannot be"):
                MemoryStore(path).remember("More.", modality="decision")
            assert path.read_bytes() == before

        assert os.waitpid(in_child(child, shut, 0), 0)[1] == 0


def with_small_disk(tmp_path: Path, work: Callable[[Path], None]) -> None:
    """Run in a child whose files may not grow past 400 kB; a real full disk where one can be mounted."""

    def child(path: Path, name: int) -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
        work(path)

    assert os.waitpid(in_child(child, tmp_path, 0), 0)[1] == 0


def fill(folder: Path, error: type[StoreError]) -> None:
    store = MemoryStore(folder / "memory.db")
    written: list[str] = []

    def without_end() -> None:
        for number in range(10_000):
            written.append(store.remember(f"Statement {number}: {'x' * 1000}", modality="decision").id)

    with pytest.raises(error) as raised:
        without_end()
    assert "\n" not in str(raised.value)
    assert written
    assert [f.id for f in store.facts()] == written
    assert store.verify() == []


class TestNoRoom:
    def test_a_file_that_may_not_grow_keeps_all_that_was_acknowledged(self, tmp_path: Path) -> None:
        with_small_disk(tmp_path, lambda folder: fill(folder, StoreError))

    def test_a_full_disk_is_a_clear_error_and_undoes_the_write(self, tmp_path: Path) -> None:
        disk = tmp_path / "disk"
        disk.mkdir()
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(disk)], capture_output=True, check=False
        )
        if mounted.returncode:
            pytest.skip("mounting a small disk needs root")
        try:
            fill(disk, StoreFull)
        finally:
            subprocess.run(["umount", "-l", str(disk)], check=True)


# --- schemas -----------------------------------------------------------------------------------------------------

FIRST_SCHEMA = Path(__file__).parent / "ledger" / "schema_1.sql"


class TestMigrations:
    def test_a_store_of_the_first_schema_opens_and_holds_everything(self, tmp_path: Path) -> None:
        db = sqlite3.connect(tmp_path / "memory.db")
        db.executescript(FIRST_SCHEMA.read_text())
        db.close()
        with MemoryStore(tmp_path / "memory.db") as store:
            assert store.verify() == []
            held = store.get("storage")
            assert held is not None
            assert held.text == "We chose Valkey."
            assert [f.text for f in store.history(held).facts] == ["We chose Redis.", "We chose Valkey."]
            before = store.get("storage", as_of=NOON)
            assert before is not None
            assert before.text == "We chose Redis."
            assert store.remember("More.", modality="decision").id
            with store.ledger.reading() as db:
                assert db.execute("PRAGMA user_version").fetchone() == (connection.SCHEMA_VERSION,)

    def test_a_migration_that_fails_leaves_the_file_as_it_was(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(migrations, "FIRST", migrations.FIRST + "\nCREATE TABLE events (again);\n")
        with pytest.raises(StoreError):
            MemoryStore(tmp_path / "memory.db")
        monkeypatch.undo()
        with MemoryStore(tmp_path / "memory.db") as store:
            assert store.verify() == []

    def test_a_backup_restores_into_a_new_place_and_never_over_something(self, path: Path) -> None:
        from memstore.ledger import copies

        copy, restored = path.with_name("copy.db"), path.with_name("restored.db")
        with MemoryStore(path) as store:
            store.backup(copy)
            with pytest.raises(UsageError, match="never overwrites"):
                store.backup(copy)
            facts = store.facts()
        before = copy.read_bytes()
        copies.restore(copy, restored)
        assert copy.read_bytes() == before
        with MemoryStore(restored) as again:
            assert again.facts() == facts
            assert again.verify() == []
        with pytest.raises(UsageError, match="never overwrites"):
            copies.restore(copy, path)
