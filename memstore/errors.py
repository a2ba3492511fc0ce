"""The one tree of errors. Each says what happened and what to do next.

    MemstoreError
    ├── UsageError            the caller asked for something that makes no sense
    │   ├── NotFound          no such fact, event, key or transition
    │   ├── AnchorRefused     a fact cannot be tied to this: outside the root, not a text, too large
    │   ├── ScopeError        a call reached across a scope it did not name
    │   └── PathRefused       a file name leaves its folder, or meets a link
    ├── StoreError            the file on disk
    │   ├── NotAStore         the file is not a memstore database
    │   ├── NewerSchema       written by a later version of memstore
    │   ├── CorruptStore      SQLite reports damage
    │   ├── ReadOnlyStore     the file or its directory cannot be written
    │   ├── StoreFull         no space left on the device
    │   ├── StoreBusy         another process held the write lock past the time limit
    │   ├── UpkeepDue         to be brought up to date first, by a caller that would not wait for it
    │   └── UnreadableFile    a Markdown file is too long, not UTF-8, or refused by the system
    ├── ImportFailed          an export file has foreign or damaged lines
    └── MissingExtra          an optional part is not installed; names the pip line

A refusal by policy (a weaker word trying to unseat a stronger one) is *not* an error: it is
recorded and returned as a `Conflict`.
"""

from __future__ import annotations


class MemstoreError(Exception):
    """Base of every error memstore raises on purpose."""


class UsageError(MemstoreError, ValueError):
    """The caller asked for something that makes no sense; nothing was changed."""


class NotFound(UsageError, LookupError):
    """No such fact, event, key or transition in the scope that was asked."""


class AnchorRefused(UsageError):
    """A fact cannot be tied to this: it is outside the root, not a regular file, too large, or not there to be read."""


class ScopeError(UsageError):
    """A call would have reached across a scope that it did not name."""


class PathRefused(UsageError):
    """A file name leaves the folder it belongs to, or goes through a link; nothing was read or written."""


class StoreError(MemstoreError):
    """Something is wrong with the file the store lives in."""


class NotAStore(StoreError):
    """The path is a directory, or a file that is not a memstore database."""


class NewerSchema(StoreError):
    """The file was written by a later version of memstore; it was not touched."""


class CorruptStore(StoreError):
    """SQLite reports that the file is damaged; nothing was written to it."""


class ReadOnlyStore(StoreError):
    """The file, or the directory it lives in, cannot be written."""


class StoreFull(StoreError):
    """No space is left on the device; the write was rolled back whole."""


class StoreBusy(StoreError):
    """Another process held the write lock for longer than the time limit; nothing was written."""


class UpkeepDue(StoreError):
    """The store has to be brought up to date first, and the caller would not wait for it; nothing was written."""


class UnreadableFile(StoreError):
    """A Markdown file is too long, not UTF-8, or the system refuses it; it was left as it is."""


class ImportFailed(MemstoreError):
    """An export file has lines that cannot be taken; names each by number, nothing was imported."""


class MissingExtra(MemstoreError, ImportError):
    """An optional part is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed: run  pip install 'memstore[{extra}]'"
        )
        self.package = package
        self.extra = extra
