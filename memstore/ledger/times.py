"""Times as the ledger keeps them: microseconds since 1970 UTC, as integers, so that they sort and compare exactly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from memstore.errors import UsageError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_micros(moment: datetime, name: str = "time") -> int:
    """Microseconds since 1970 UTC. Raises UsageError for a naive datetime: guessing a zone would invent data."""
    if not isinstance(moment, datetime):
        raise UsageError(f"{name} must be a datetime, not {type(moment).__name__}")
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise UsageError(f"{name} has no time zone ({moment.isoformat()}): pass an aware datetime")
    return (moment - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)


def optional(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)
