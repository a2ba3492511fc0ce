"""What every part of the store holds: the ledger, the scope of calls that name none, and the root of anchored files."""

from __future__ import annotations

from pathlib import Path

from memstore.ledger.connection import Ledger
from memstore.store import naming


class Held:
    """The base of the parts that `MemoryStore` is put together from."""

    ledger: Ledger
    scope: str
    root: Path | None

    def _scope(self, scope: str | None) -> str:
        return self.scope if scope is None else naming.name(scope, "scope")


def mask(text: str) -> str:
    """A text with its secrets taken out."""
    from memstore.capture.secrets import mask

    return mask(text).text
