"""Times as the ledger keeps them: microseconds since 1970 UTC, as integers, so that they sort and compare exactly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from memstore.errors import UsageError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
FIRST = (datetime.min.replace(tzinfo=UTC) - EPOCH) // MICROSECOND
LAST = (datetime.max.replace(tzinfo=UTC) - EPOCH) // MICROSECOND


def to_micros(moment: datetime, name: str = "time") -> int:
    """Microseconds since 1970 UTC. Raises UsageError for a naive datetime: guessing a zone would invent data."""
    if not isinstance(moment, datetime):
        raise UsageError(f"{name} must be a datetime, not {type(moment).__name__}")
    try:
        micros = (moment - EPOCH) // MICROSECOND
    except TypeError:
        raise UsageError(f"{name} has no time zone ({moment.isoformat()}): pass an aware datetime") from None
    if not FIRST <= micros <= LAST:
        raise UsageError(f"{name} is not in the years 1 to 9999, as UTC: {moment}")
    return micros


def from_micros(micros: int) -> datetime:
    """The moment; what lies past the year 9999 (a very long lifetime's end) is that year's last one."""
    return EPOCH + timedelta(microseconds=min(micros, LAST))


def optional(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)
