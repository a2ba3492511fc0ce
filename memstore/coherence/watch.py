"""Hear of changes under a root as they happen, for `memstore watch`. The kernel tells; nothing is polled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Event

from memstore.coherence import files
from memstore.errors import AnchorRefused, MissingExtra, NotFound


def watch(root: Path, *, stop: Event | None = None, settle_ms: int = 400) -> Iterator[frozenset[str]]:
    """Yield sets of paths under `root` that changed, appeared or went; ends when `stop` is set or on interrupt.

    Changes that follow each other within `settle_ms` come as one set, so a checkout or a build is one alarm. Paths
    in made directories (`files.SKIPPED`) and outside the root are not told. Raises NotFound when there is no such
    directory, MissingExtra without the package.
    """
    try:
        from watchfiles import watch as changes_of
    except ImportError:
        raise MissingExtra("watchfiles", "anchors", "Watching files") from None
    root = root.resolve()
    if not root.is_dir():
        raise NotFound(f"no directory {root} to watch")
    for changes in changes_of(
        root,
        stop_event=stop,
        step=settle_ms,
        watch_filter=lambda _, path: not files.SKIPPED.intersection(Path(path).parts[len(root.parts) :]),
        raise_interrupt=False,
    ):
        heard = set()
        for _, path in changes:
            try:
                heard.add(files.relative(root, path))
            except AnchorRefused:
                continue
        if heard:
            yield frozenset(heard)
