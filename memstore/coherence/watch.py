"""Hear of changes under a root as they happen, for `memstore watch`.

The kernel tells, and nothing is polled. Where the kernel has no more watches to give (Linux counts one a directory,
and has a limit for each user), what facts are tied to is looked at every few seconds instead: a `stat` a file.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from threading import Event

from memstore.coherence import files
from memstore.errors import AnchorRefused, MissingExtra, NotFound

POLL_SECONDS = 2.0
_WAKE_MS = 1000
_log = logging.getLogger(__name__)


def watch(
    root: Path,
    *,
    stop: Event | None = None,
    settle_ms: int = 400,
    tied: Callable[[], Iterable[Path]] = tuple,
) -> Iterator[frozenset[str]]:
    """Yield sets of paths under `root` that changed, appeared or went; ends when `stop` is set or on interrupt.

    The first set is empty: from then on nothing is missed, so what changed before is to be looked for now. Changes
    that follow each other within `settle_ms` come as one set, so a checkout or a build is one alarm. Paths in made
    directories (`files.SKIPPED`) and outside the root are not told. Without enough watches only the files that `tied`
    names are looked at, which the log says once. Raises NotFound when there is no such directory, MissingExtra
    without the package.
    """
    try:
        from watchfiles import watch as changes_of
    except ImportError:
        raise MissingExtra("watchfiles", "anchors", "Watching files") from None
    root = root.resolve()
    if not root.is_dir():
        raise NotFound(f"no directory {root} to watch")
    stop = stop or Event()
    begun = False
    try:
        for changes in changes_of(
            root,
            stop_event=stop,
            step=settle_ms,
            watch_filter=lambda _, path: not files.SKIPPED.intersection(Path(path).parts[len(root.parts) :]),
            raise_interrupt=False,
            yield_on_timeout=True,
            rust_timeout=_WAKE_MS,
        ):
            heard = _under(root, (path for _, path in changes))
            if heard or not begun:
                yield heard if begun else frozenset()
            begun = True
    except (OSError, RuntimeError) as error:  # of the package: the limit on watches, or on watchers
        _log.warning(
            "the system has no watches left for %s (%s): what facts are tied to is looked at every %.0f seconds;"
            " a higher fs.inotify.max_user_watches hears of everything",
            root,
            str(error).partition(".")[0],
            POLL_SECONDS,
        )
        yield from _polled(root, stop, tied)


def _polled(root: Path, stop: Event, tied: Callable[[], Iterable[Path]]) -> Iterator[frozenset[str]]:
    """The tied files whose `stat` is another than it was, after a first empty set."""
    seen = {path: _stat(path) for path in tied()}
    yield frozenset()
    while not stop.wait(POLL_SECONDS):
        now = {path: _stat(path) for path in tied()}
        changed = [path for path, stat in now.items() if path in seen and seen[path] != stat]
        seen = now
        if heard := _under(root, map(str, changed)):
            yield heard


def _stat(path: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path, follow_symlinks=False)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _under(root: Path, paths: Iterable[str]) -> frozenset[str]:
    heard = set()
    for path in paths:
        try:
            heard.add(files.relative(root, path))
        except AnchorRefused:
            continue
    return frozenset(heard)
