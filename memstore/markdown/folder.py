"""A folder that nothing leaves: the only place where the Markdown memory touches the disk.

Names come from files that people and models write, so every one is hostile. A name is taken apart and walked
one component at a time with `openat` and `O_NOFOLLOW`: there is no moment between a check and its use in which
a component could be swapped for a link. Writes go to a temporary file beside the target, are synced, and then
replace it, so a reader sees the old text or the new and never half of either, whatever is killed when.
Files are created 0600 and folders 0700.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from memstore.errors import NotFound, PathRefused, UnreadableFile, UsageError

FILE_BYTES = 1_000_000  # a longer file is refused, read or write: a memory that size is not read by anybody
NAME_BYTES = 255

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # NONBLOCK: a planted FIFO must not hang us
_RENAME_EXCHANGE = 2  # of Linux's renameat2
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Folder:
    """Text files under `root`, by relative name such as `topic.md` or `team/topic.md`.

    The root itself may be reached through links (it is the caller's word); nothing below it may be one. Files that are
    not `durable` are replaced in one step too, but nobody waits for the disk: a power cut may take the last of them.
    """

    def __init__(self, root: str | Path, *, durable: bool = True) -> None:
        self.root = Path(root)
        self._durable = durable
        if self.root.exists() and not self.root.is_dir():
            raise PathRefused(f"{self.root} is not a directory: name the directory that holds MEMORY.md")

    def read(self, name: str) -> str:
        """The text of a regular UTF-8 file, line endings as they are.

        Raises `NotFound`, `PathRefused` (the name leaves the folder or meets a link), `UnreadableFile`.
        """
        with self._parent(name) as (folder, leaf):
            try:
                data = _bytes(folder, leaf)
            except OSError as error:
                raise _refusal(name, error) from error
        if data is None:
            raise PathRefused(f"{name} is not a regular file: only plain files are read")
        if len(data) > FILE_BYTES:
            raise UnreadableFile(f"{name} is longer than {FILE_BYTES:,} bytes: split it into topics")
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise UnreadableFile(f"{name} is not UTF-8 (byte {error.start}): save it as UTF-8") from error

    def write(self, name: str, text: str) -> None:
        """Replace the file with `text` in one step; on any failure the file is as it was."""
        with self._beside(name, text) as (folder, temporary, leaf):
            with suppress(FileNotFoundError):
                _regular(folder, leaf, name)
            os.replace(temporary, leaf, src_dir_fd=folder, dst_dir_fd=folder)
            self._sync(folder)

    def replace(self, name: str, expected: str | None, text: str) -> bool:
        """Put `text` in the place of `expected` (None: of nothing); False, and nothing changed, if that is not there.

        What somebody else writes meanwhile is never lost: the files are exchanged in one step, and exchanged back if
        it was not `expected` that came out. Where the system cannot exchange files, the moment between reading the
        file again and replacing it remains.
        """
        with self._beside(name, text) as (folder, temporary, leaf):
            if expected is None:
                try:
                    os.link(temporary, leaf, src_dir_fd=folder, dst_dir_fd=folder)
                except FileExistsError:
                    return False
            else:
                if self._content(folder, leaf) != expected.encode("utf-8"):
                    return False
                if not _exchange(folder, temporary, leaf):
                    os.replace(temporary, leaf, src_dir_fd=folder, dst_dir_fd=folder)
                elif self._content(folder, temporary) != expected.encode("utf-8"):
                    while self._content(folder, temporary) != text.encode("utf-8"):
                        _exchange(folder, temporary, leaf)
                    return False
            self._sync(folder)
            return True

    def _sync(self, descriptor: int) -> None:
        if self._durable:
            os.fsync(descriptor)

    @staticmethod
    def _content(folder: int, leaf: str) -> bytes | None:
        """The bytes of a regular file, None where there is none."""
        try:
            return _bytes(folder, leaf)
        except OSError:
            return None

    @contextmanager
    def _beside(self, name: str, text: str) -> Iterator[tuple[int, str, str]]:
        """`text` in a file of its own, written and synced: (folder, that file, the last component of `name`)."""
        try:
            data = text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise UsageError(f"the text for {name} is not valid Unicode at character {error.start}") from error
        if len(data) > FILE_BYTES:
            raise UsageError(f"{name} would be {len(data):,} bytes, more than {FILE_BYTES:,}: split it into topics")
        with self._parent(name, create=True) as (folder, leaf):
            temporary = f".tmp-{os.urandom(16).hex()}"
            try:
                with open(os.open(temporary, _CREATE, 0o600, dir_fd=folder), "wb") as stream:
                    stream.write(data)
                    stream.flush()
                    self._sync(stream.fileno())
                yield folder, temporary, leaf
            except OSError as error:
                raise _refusal(name, error) from error
            finally:
                with suppress(OSError):
                    os.unlink(temporary, dir_fd=folder)

    def remove(self, name: str, expected: str | None = None) -> bool:
        """Delete a file; if it holds something else than is `expected`, keep it and return False.

        A link is never followed: it is refused like everywhere else.
        """
        with self._parent(name) as (folder, leaf):
            try:
                _regular(folder, leaf, name)
                if expected is None:
                    os.unlink(leaf, dir_fd=folder)
                    return True
                aside = f".tmp-{os.urandom(16).hex()}"
                os.rename(leaf, aside, src_dir_fd=folder, dst_dir_fd=folder)
                changed = self._content(folder, aside) != expected.encode("utf-8")
                if changed:
                    os.link(aside, leaf, src_dir_fd=folder, dst_dir_fd=folder)
                os.unlink(aside, dir_fd=folder)
                return not changed
            except OSError as error:
                raise _refusal(name, error) from error

    def names(self) -> list[str]:
        """Every visible regular `.md` file, sorted; dotfiles and links are passed over."""
        found: list[str] = []
        for folder, folders, files in os.walk(self.root, followlinks=False):
            folders[:] = sorted(f for f in folders if not f.startswith("."))
            for file in files:
                path = Path(folder) / file
                if file.endswith(".md") and not file.startswith(".") and not path.is_symlink() and path.is_file():
                    found.append(path.relative_to(self.root).as_posix())
        return sorted(found)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder against other writers, in this process or another; readers never wait."""
        self._make_root()
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            file = os.open(self.root / ".lock", flags, 0o600)
        except OSError as error:
            raise _refusal(".lock", error) from error
        with open(file, "rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)  # let go when the file is closed
            yield

    def _make_root(self) -> None:
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise PathRefused(f"{self.root} cannot be created: {error.strerror}") from error

    @contextmanager
    def _parent(self, name: str, *, create: bool = False) -> Iterator[tuple[int, str]]:
        """An open descriptor of the folder that holds `name`, and the last component."""
        *folders, leaf = components(name)
        if create:
            self._make_root()
        try:
            descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise _refusal(name, error) from error
        try:
            for folder in folders:
                try:
                    if create:
                        with suppress(FileExistsError):
                            os.mkdir(folder, 0o700, dir_fd=descriptor)
                    below = os.open(folder, _FOLDER, dir_fd=descriptor)
                except OSError as error:
                    raise _refusal(name, error) from error
                os.close(descriptor)
                descriptor = below
            yield descriptor, leaf
        finally:
            os.close(descriptor)


def components(name: str) -> list[str]:
    """The parts of a safe relative name. Raises `PathRefused` for anything else.

    >>> components("team/topic.md")
    ['team', 'topic.md']
    """
    parts = name.split("/")
    for part in parts:
        if part in ("", ".", "..") or "\\" in part or any(ord(c) < 32 or ord(c) == 127 for c in part):
            raise PathRefused(f"{name!r} is not a name inside the memory folder: use one such as topic.md")
        try:
            size = len(part.encode("utf-8"))
        except UnicodeEncodeError as error:
            raise PathRefused(f"{name!r} is not valid Unicode: use a plain file name") from error
        if size > NAME_BYTES - 40:  # leaves room for a temporary name beside it
            raise PathRefused(f"{name[:40]!r}… is too long for a file name")
    return parts


def _bytes(folder: int, leaf: str) -> bytes | None:
    """What a regular file begins with, one byte more than is ever read; None for what is no regular file."""
    file = os.open(leaf, _READ, dir_fd=folder)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            return None
        with open(file, "rb", closefd=False) as stream:
            return stream.read(FILE_BYTES + 1)
    finally:
        os.close(file)


def _regular(folder: int, leaf: str, name: str) -> None:
    if not stat.S_ISREG(os.stat(leaf, dir_fd=folder, follow_symlinks=False).st_mode):
        raise PathRefused(f"{name} is not a regular file: it was left alone")


def _exchange(folder: int, one: str, other: str) -> bool:
    """Two names change places in one step; False where the system cannot do that."""
    import ctypes

    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    if rename(folder, os.fsencode(one), folder, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    if ctypes.get_errno() in (errno.ENOSYS, errno.EINVAL):
        return False
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _refusal(name: str, error: OSError) -> Exception:
    if error.errno == errno.ENOENT:
        return NotFound(f"there is no {name} in the memory folder")
    if error.errno in (errno.ELOOP, errno.EMLINK, errno.ENOTDIR):
        return PathRefused(f"{name} goes through a link or a file: links are never followed")
    return UnreadableFile(f"{name}: {error.strerror or error}")
