"""What the command line refuses: in one line, with a code, and nothing is changed."""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
from pathlib import Path

import pytest

from tests.test_cli_commands import add, cli, run_process

__all__ = ["cli"]

BAD = {
    "a missing store": (["--db", "missing.db", "recall", "x"], b"", 1),
    "a store in a missing folder": (["--db", "no/such.db", "add", "x"], b"", 1),
    "a directory": (["--db", ".", "recall", "x"], b"", 1),
    "another file": (["--db", "text.txt", "add", "x"], b"", 1),
    "another program's database": (["--db", "other.db", "add", "x"], b"", 1),
    "a truncated store": (["--db", "cut.db", "recall", "x"], b"", 1),
    "no such command": (["recal", "x"], b"", 2),
    "no such option": (["recall", "x", "--loud"], b"", 2),
    "a missing argument": (["recall"], b"", 2),
    "empty text": (["add", ""], b"", 2),
    "blank standard input": (["record", "-"], b" \n", 2),
    "standard input that is not UTF-8": (["record", "-"], b"caf\xe9", 2),
    "an argument that is not UTF-8": (["add", "caf\udce9"], b"", 2),
    "a turn of 10 MB": (["record", "-"], b"x" * 10_000_000, 2),
    "an unknown modality": (["add", "x", "--modality", "certain"], b"", 2),
    "a time that is none": (["recall", "x", "--now", "soon"], b"", 2),
    "a lifetime that is none": (["add", "x", "--ttl", "1fortnight"], b"", 2),
    "an unknown fact": (["why", "f_000"], b"", 2),
    "nothing to forget": (["forget", "--yes"], b"", 2),
    "a transcript that is missing": (["capture", "missing.jsonl"], b"", 2),
    "a transcript that is a folder": (["capture", "."], b"", 2),
    "an import that is missing": (["import", "missing.jsonl"], b"", 2),
    "an import that is no export": (["import", "text.txt"], b"", 1),
    "an export over a file": (["export", "text.txt"], b"", 2),
    "k of nothing": (["recall", "x", "-k", "0"], b"", 2),
    "a backup over a file": (["backup", "text.txt"], b"", 2),
    "a backup into nowhere": (["backup", "no/such.db"], b"", 2),
    "a line break in a scope": (["--scope", "a\nb", "recall", "x"], b"", 2),
}


class TestBadInput:
    @pytest.mark.parametrize("name", BAD)
    def test_it_gets_one_line_and_a_code_and_changes_nothing(self, cli, tmp_path, name):
        (tmp_path / "text.txt").write_text("a text")
        add(cli, "We use Redis.", "decision")
        with sqlite3.connect(tmp_path / "other.db") as other:
            other.execute("CREATE TABLE theirs (a)")
        whole = (tmp_path / ".memstore/memory.db").read_bytes()
        (tmp_path / "cut.db").write_bytes(whole[: len(whole) // 2])
        arguments, stdin, code = BAD[name]
        before = self.held(tmp_path)
        assert cli(*arguments, stdin=stdin, code=code) == ""
        assert re.fullmatch(r"Error: [^\n]+\n", cli.err)
        assert self.held(tmp_path) == before

    @staticmethod
    def held(folder: Path) -> dict[str, str]:
        """What every file holds; the log and shared memory of an open database come and go."""
        files = (p for p in folder.rglob("*") if p.is_file() and not p.name.endswith(("-wal", "-shm")))
        return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}

    def test_a_real_process_prints_no_traceback_either(self, cli, tmp_path):
        done = run_process("record", "-", stdin=b"caf\xe9", cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, b"")
        assert done.stderr.count(b"\n") == 1

    def test_a_read_only_store_can_be_asked_but_not_told(self, cli, tmp_path):
        add(cli, "We use Redis.", "decision")
        if os.geteuid() == 0:
            pytest.skip("nothing is read-only for root")
        (tmp_path / ".memstore/memory.db").chmod(0o400)
        assert "Redis" in cli("recall", "redis")
        cli("add", "We use Kafka.", code=1)
