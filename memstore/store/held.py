"""What every part of the store holds: the ledger, the scope of calls that name none, the root of files, and Claude."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from memstore.errors import UsageError
from memstore.ledger.connection import Ledger
from memstore.ledger.times import to_micros
from memstore.store import naming
from memstore.store.booking import Bookings

if TYPE_CHECKING:
    from memstore.claude import Asking, Claude

Scopes = str | Sequence[str] | None


class Held:
    """The base of the parts that `MemoryStore` is put together from."""

    ledger: Ledger
    scope: str
    root: Path | None
    claude: Claude | None
    _bookings: Bookings

    def _scope(self, scope: str | None) -> str:
        return self.scope if scope is None else naming.name(scope, "scope")

    def _scopes(self, scope: Scopes) -> list[str]:
        if scope is None or isinstance(scope, str):
            return [self._scope(scope)]
        if not isinstance(scope, Iterable):
            raise UsageError(f"scope is a name or several, not {type(scope).__name__}")
        return [naming.name(one, "scope") for one in scope]

    def _moment(self, now: datetime | None, as_of: datetime | None) -> int:
        """The moment asked about: `now`, else `as_of`, else the clock's time."""
        if now is not None:
            return to_micros(now, "now")
        return to_micros(as_of, "as_of") if as_of is not None else to_micros(self.ledger.clock(), "the clock's time")

    def _asking(self, scope: str | None = None) -> Asking | None:
        """Claude with the bill going to a scope, if the store was given Claude. Never ask it inside a transaction."""
        if self.claude is None:
            return None
        from memstore.claude import COUNTER, Asking

        held = self._scope(scope)

        def spent(session: str | None, purpose: str, day: datetime) -> int:
            if session is None:
                return self._bookings.of_day(held, purpose, COUNTER, day)
            return self._bookings.of_session(held, session)

        return Asking(self.claude, partial(self._bookings.pay, held), self.ledger.clock, spent)


def mask(text: str) -> str:
    """A text with its secrets taken out."""
    from memstore.capture.secrets import mask

    return mask(text).text
