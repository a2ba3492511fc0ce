"""Read a file that somebody named, inside a root and never outside it, and never more than a bound.

Names come from transcripts, so they are hostile. A path is walked one component at a time from an open directory
(`openat` with `O_NOFOLLOW`), so that nothing can be swapped for a symbolic link between the check and the use.
Links are followed by hand, and only while they stay under the root. What is not a regular file is not opened for
reading, and what is larger than `MAX_BYTES` is not read.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path, PurePosixPath

from memstore.errors import AnchorRefused, NotFound

MAX_BYTES = 8 * 1024 * 1024
"""The largest file that is read. A fact about one function does not live in a larger file; a dump does."""

MAX_LINKS = 16
SKIPPED = frozenset(
    {
        ".git", ".hg", ".svn", ".venv", "venv", "node_modules", "__pycache__", ".tox", ".mypy_cache", ".ruff_cache",
        ".pytest_cache", ".hypothesis", "build", "dist", "target", "site-packages",
    }
)  # fmt: skip
"""Directories of things that are made, not written: never searched for a name (a path into them still works)."""


def relative(root: Path, path: str | os.PathLike[str]) -> str:
    """`path` as a POSIX path under `root`; AnchorRefused when it lies outside or is no path at all.

    Only names are compared here; `read` is what holds the wall.
    """
    text = os.fspath(path)
    if not text or "\0" in text or not is_text(text):
        raise AnchorRefused(f"{text!r} is not a path: give one under the root, in Unicode")
    try:
        given = Path(text)
        if given.is_absolute():
            # The root may have been named through a link (/tmp), and so may this.
            named = given if given.is_relative_to(root) else given.parent.resolve() / given.name
            text = named.relative_to(root if named.is_relative_to(root) else root.resolve()).as_posix()
    except (ValueError, OSError):
        raise AnchorRefused(f"{text} is outside the root {root}: anchors never leave it") from None
    parts: list[str] = []
    for part in PurePosixPath(text).parts:
        if part == "..":
            if not parts:
                raise AnchorRefused(f"{text} is outside the root {root}: anchors never leave it")
            parts.pop()
        else:
            parts.append(part)
    if not parts:
        raise AnchorRefused(f"{text!r} is the root itself: anchors are tied to files")
    return "/".join(parts)


def is_text(path: str) -> bool:
    """Whether a name can be kept: on disk it may be any bytes, in a store it is Unicode."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def read(root: Path, path: str, *, limit: int = MAX_BYTES) -> bytes:
    """The bytes of the regular file `path` under `root`.

    Raises NotFound when there is no such file, AnchorRefused when it is outside, not a regular file, larger than
    `limit` bytes, or may not be read.
    """
    try:
        descriptor = _open_beneath(root, path)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"no file {path} under {root}") from None
    except OSError as error:
        raise AnchorRefused(f"{path} cannot be read: {error.strerror or error}") from None
    with open(descriptor, "rb") as stream:
        seen = os.fstat(descriptor)
        if not stat.S_ISREG(seen.st_mode):
            raise AnchorRefused(f"{path} is not a regular file: anchors are tied to files")
        if seen.st_size <= limit:
            try:
                content = stream.read(limit + 1)
            except OSError as error:
                raise AnchorRefused(f"{path} cannot be read: {error.strerror or error}") from None
            if len(content) <= limit:
                return content
    raise AnchorRefused(f"{path} is larger than {limit} bytes: it is not read; anchor a smaller file")


def read_hashed(root: Path, path: str) -> tuple[bytes, str]:
    """What `read` gives, with its SHA-256 (hexadecimal)."""
    content = read(root, path)
    return content, hashlib.sha256(content).hexdigest()


def is_binary(content: bytes) -> bool:
    """Git's own rule: a NUL among the first 8,000 bytes."""
    return b"\0" in content[:8000]


def walk(root: Path, *, limit: int, deadline: float) -> Iterator[str]:
    """Paths of regular files under `root`, nearest first, links never followed; without names that are no text.

    Stops after `limit` files, or when `time.monotonic()` passes `deadline`.
    """
    pending = deque([""])
    count = 0
    while pending:
        folder = pending.popleft()
        try:
            with os.scandir(root / folder) as entries:
                found = sorted(islice(entries, limit), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in found:
            if not is_text(entry.name):
                continue
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in SKIPPED:
                    pending.append(path)
            elif entry.is_file(follow_symlinks=False):
                count += 1
                yield path
        if count >= limit or time.monotonic() > deadline:
            return


def _open_beneath(root: Path, path: str) -> int:
    """A read descriptor for `path`, every component opened relative to its parent and none of them a link."""
    directory = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    opened = [os.open(root, directory)]
    todo = deque(PurePosixPath(path).parts)
    links = 0
    try:
        while todo:
            name = todo.popleft()
            if name == "..":
                if len(opened) == 1:
                    raise AnchorRefused(f"{path} leads outside the root {root}: it is not followed")
                os.close(opened.pop())
                continue
            here = opened[-1]
            mode = os.stat(name, dir_fd=here, follow_symlinks=False).st_mode
            if stat.S_ISLNK(mode):
                links += 1
                target = PurePosixPath(os.readlink(name, dir_fd=here))
                if target.is_absolute() or links > MAX_LINKS:
                    raise AnchorRefused(f"{path} goes through a link that leads outside the root: it is not followed")
                todo.extendleft(reversed(target.parts))
            elif todo:
                opened.append(os.open(name, directory | os.O_NOFOLLOW, dir_fd=here))
            elif stat.S_ISREG(mode):
                # O_NONBLOCK: if a pipe took the file's place since, the open must not wait for its writer.
                return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=here)
            else:
                raise AnchorRefused(f"{path} is not a regular file: anchors are tied to files")
        raise AnchorRefused(f"{path} is not a regular file: anchors are tied to files")
    finally:
        for descriptor in opened:
            os.close(descriptor)
