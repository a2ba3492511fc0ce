"""Syncing with Markdown: the facts of a scope as files that people can read and edit, and their edits as facts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

from memstore.store.held import Held

if TYPE_CHECKING:
    from memstore.reports import Synced
    from memstore.store.facade import MemoryStore


class Syncing(Held):
    """The part of `MemoryStore` that keeps Markdown files."""

    def sync(
        self,
        folder: str | os.PathLike[str],
        *,
        origin: str = "document",
        dry_run: bool = False,
        scope: str | None = None,
    ) -> Synced:
        """Bring the Markdown files in a folder and the facts of a scope together; twice is the same as once.

        origin    whose words the edits in the files are: "document", unless the caller knows better
        dry_run   say what would be done, and do nothing

        The folder is made if it is not there, and remembered: `forget` reaches the files in it. Whatever somebody
        writes meanwhile is kept. Raises UsageError if the folder shows another scope, StoreBusy if the files never
        stand still, PathRefused or UnreadableFile where a file cannot be written: then nothing was lost, sync again.
        """
        from memstore.store.files import sync  # nobody who does not sync pays for it

        return sync(cast("MemoryStore", self), folder, origin, dry_run, self._scope(scope))
