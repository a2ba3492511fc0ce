"""Git's own hooks tell the memory: a stranger's repository, real git and processes, the lines that the docs give."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from memstore import MemoryStore, Status

pytest.importorskip("tree_sitter_python")
pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

HOOKS = {"post-commit": "HEAD~1", "post-merge": "ORIG_HEAD", "post-checkout": '"$1"', "post-rewrite": "ORIG_HEAD"}
BEFORE = "def parse_header(value):\n    return value[7:]\n"
AFTER = "def parse_header(value):\n    return value[8:]\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "stranger"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    (root / "login.py").write_text(BEFORE)
    (root / ".gitignore").write_text(".memstore/\nhook.log\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "one")
    memstore(root, "init")
    for name, since in HOOKS.items():
        hook = root / ".git" / "hooks" / name
        command = f"{sys.executable} -m memstore.cli verify --since {since}"
        hook.write_text(f"#!/bin/sh\n{command} >>hook.log 2>&1\n")
        hook.chmod(0o755)
    return root


def git(root: Path, *words: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "MEMSTORE_"))}
    source = str(Path(__file__).parents[1])
    clean["PYTHONPATH"] = source
    subprocess.run(["git", *identity, *words], cwd=root, env=clean, check=True, capture_output=True, timeout=120)


def memstore(root: Path, *words: str) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MEMSTORE_")}
    clean["PYTHONPATH"] = str(Path(__file__).parents[1])
    subprocess.run([sys.executable, "-m", "memstore.cli", *words], cwd=root, env=clean, check=True, timeout=120)


def remembered(root: Path, text: str = "parse_header() cuts seven characters") -> str:
    with MemoryStore(root / ".memstore" / "memory.db", root=root) as memory:
        return memory.remember(text, modality="observation").id


def stands(root: Path, fact: str) -> Status:
    """As the hook left it: read from the ledger, no file is looked at."""
    with MemoryStore(root / ".memstore" / "memory.db") as memory:
        return memory.status(fact)


class TestHooks:
    def test_a_commit_that_changes_it_makes_the_fact_suspect_and_one_that_reverts_it_live_again(
        self, repository: Path
    ) -> None:
        fact = remembered(repository)
        (repository / "login.py").write_text("# a note\n\n\n" + BEFORE)
        git(repository, "commit", "-qam", "another layout")
        assert stands(repository, fact) is Status.LIVE
        (repository / "login.py").write_text(AFTER)
        git(repository, "commit", "-qam", "two")
        assert stands(repository, fact) is Status.SUSPECT
        git(repository, "revert", "--no-edit", "HEAD")
        assert stands(repository, fact) is Status.LIVE
        assert "Traceback" not in (repository / "hook.log").read_text()

    def test_a_merge_and_a_checkout_tell_it_too(self, repository: Path) -> None:
        fact = remembered(repository)
        git(repository, "checkout", "-qb", "side")
        (repository / "login.py").write_text(AFTER)
        git(repository, "commit", "-qam", "two")
        git(repository, "checkout", "-q", "main")
        assert stands(repository, fact) is Status.LIVE
        git(repository, "merge", "-q", "side")
        assert stands(repository, fact) is Status.SUSPECT

    def test_a_file_that_git_moved_is_followed(self, repository: Path) -> None:
        fact = remembered(repository)
        git(repository, "mv", "login.py", "session.py")
        git(repository, "commit", "-qm", "moved")
        assert stands(repository, fact) is Status.LIVE
        with MemoryStore(repository / ".memstore" / "memory.db") as memory:
            assert [anchor.path for anchor in memory.anchors(fact)] == ["session.py"]

    def test_the_first_commit_of_a_repository_is_no_error_for_git(self, tmp_path: Path, repository: Path) -> None:
        fresh = tmp_path / "fresh"
        fresh.mkdir()
        git(fresh, "init", "-q", "-b", "main")
        memstore(fresh, "init")
        shutil.copytree(repository / ".git" / "hooks", fresh / ".git" / "hooks", dirs_exist_ok=True)
        (fresh / "login.py").write_text(BEFORE)
        git(fresh, "add", "login.py")
        git(fresh, "commit", "-qm", "one")
        assert "Traceback" not in (fresh / "hook.log").read_text()

    def test_confirming_in_review_ties_a_fact_to_the_file_as_it_is_now(self, repository: Path) -> None:
        fact = remembered(repository)
        (repository / "login.py").write_text(AFTER)
        git(repository, "commit", "-qam", "two")
        assert stands(repository, fact) is Status.SUSPECT
        memstore(repository, "review", "--confirm", fact)
        memstore(repository, "check")
        assert stands(repository, fact) is Status.LIVE
        (repository / "login.py").write_text(BEFORE)
        git(repository, "commit", "-qam", "three")
        assert stands(repository, fact) is Status.SUSPECT
