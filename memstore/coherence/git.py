"""Ask a git repository what it knows, without letting it run anything.

A repository's own configuration can name programs (fsmonitor, hooks, external diffs, filters, text converters), and
a checkout may be hostile. So: no system or user configuration, no optional locks, no network, no pager, no prompt;
and only commands that compare commits with commits or with the index, which never read the working tree and so
never run its filters. Every question has a time limit. What cannot be answered is None or empty, never an error:
git is a help, not a condition.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Protocol

from memstore.coherence.files import is_text

SECONDS = 2.0
MAX_COMMITS = 5000
_OBJECT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_HARDENED = (
    "--no-pager", "--no-optional-locks", "--no-replace-objects", "--literal-pathspecs",
    "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "core.attributesFile=/dev/null",
    "-c", "protocol.allow=never", "-c", "diff.renameLimit=1000", "-c", "log.showSignature=false",
)  # fmt: skip
_ENVIRONMENT = {
    "PATH": os.defpath,
    "LC_ALL": "C",
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",
}


def head(root: Path) -> str | None:
    """The commit that is checked out at `root`, or None."""
    answer = _ask(root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    commit = (answer or "").strip()
    return commit if _OBJECT.fullmatch(commit) else None


def blob(content: bytes) -> str:
    """The name git gives to these bytes (SHA-1 object format), as `git hash-object` prints it."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


class Asker(Protocol):
    """Asks git one question at a root: its standard output, or None when there is no answer in time."""

    def __call__(self, root: Path, *arguments: str, seconds: float = SECONDS) -> str | None: ...


def remembering() -> Asker:
    """An asker for one look at many files: no question is put to git twice, whether it answered or not."""
    answers: dict[tuple[Path, tuple[str, ...]], str | None] = {}

    def ask(root: Path, *arguments: str, seconds: float = SECONDS) -> str | None:
        if (root, arguments) not in answers:
            answers[root, arguments] = _ask(root, *arguments, seconds=seconds)
        return answers[root, arguments]

    return ask


def renamed(
    root: Path, path: str, since: str, *, seconds: float = 2 * SECONDS, asker: Asker | None = None
) -> str | None:
    """Where `path`, as it was called in the commit `since`, is now by the history and the index; None if unknown.

    Renames are what git's own similarity detection takes for one: first across the whole distance, then commit by
    commit, since a file that was edited and moved many times resembles its start no more. All of it takes at most
    `seconds`.
    """
    if not _OBJECT.fullmatch(since):
        return None
    deadline = time.monotonic() + seconds

    def ask(*arguments: str) -> str | None:
        return (asker or _ask)(root, *arguments, seconds=max(0.001, deadline - time.monotonic()))

    prefix = _prefix(ask)
    if prefix is None:
        return None
    name = prefix + path
    flags = ("-M", "-z", "--diff-filter=R", "--name-status", "--no-ext-diff", "--no-textconv", "--ignore-submodules")
    direct = _renames(ask("diff-index", "--cached", *flags, since, "--"))
    steps = [pair for pair in direct if pair[0] == name]
    if not steps:
        log = ("log", "--reverse", f"--max-count={MAX_COMMITS}", "--format=", *flags, f"{since}..HEAD", "--")
        staged = ("diff-index", "--cached", *flags, "HEAD", "--")
        steps = [*_renames(ask(*log)), *_renames(ask(*staged))]
    now = name
    for old, new in steps:
        if old == now:
            now = new
    return now[len(prefix) :] if now != name and now.startswith(prefix) and is_text(now) else None


def changed_since(root: Path, commit: str) -> frozenset[str] | None:
    """Paths under `root` that differ between `commit` and the index, old and new names alike; None if unknown.

    Edits that are not staged are not seen: that would read the working tree through the repository's filters.
    """
    resolved = (_ask(root, "rev-parse", "--verify", "--quiet", "--end-of-options", commit + "^{commit}") or "").strip()
    prefix = _prefix(partial(_ask, root))
    if not _OBJECT.fullmatch(resolved) or prefix is None:
        return None
    answer = _ask(
        root, "diff-index", "--cached", "--no-renames", "-z", "--name-only", "--no-ext-diff", "--no-textconv",
        "--ignore-submodules", resolved, "--",
    )  # fmt: skip
    if answer is None:
        return None
    return frozenset(name[len(prefix) :] for name in answer.split("\0") if name and name.startswith(prefix))


def _prefix(ask: Callable[..., str | None]) -> str | None:
    """The root as seen from the top of its repository: '' or 'folder/'; None outside a repository."""
    answer = ask("rev-parse", "--show-prefix")
    return None if answer is None else answer.removesuffix("\n")


def _renames(answer: str | None) -> list[tuple[str, str]]:
    """(old, new) from `--name-status -z`: R<score> NUL old NUL new NUL …"""
    fields = [field for field in (answer or "").split("\0") if field]
    return [
        (fields[at + 1], fields[at + 2]) for at in range(0, len(fields) - 2, 3) if re.fullmatch(r"\n*R\d+", fields[at])
    ]


@lru_cache(maxsize=1)
def _program() -> str | None:
    return shutil.which("git")


def _ask(root: Path, *arguments: str, seconds: float = SECONDS) -> str | None:
    """Standard output of one hardened git command, or None when git is absent, refuses or takes too long."""
    program = _program()
    if program is None:
        return None
    try:
        answer = subprocess.run(
            [program, *_HARDENED, *arguments],
            cwd=root,
            env=_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):  # no program, no such argument (a NUL), no time
        return None
    return answer.stdout.decode("utf-8", "surrogateescape") if answer.returncode == 0 else None
