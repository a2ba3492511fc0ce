"""Turns that a resumed session brings along: said in another session, by the same name and at the same time.

Claude Code writes what was said before into the file of the session that goes on from it. Those turns are kept like
any other, but they say nothing again: read anew, they would confirm themselves, and what was replaced since would come
back. A session that goes on from another begins with its words: one look at the first turn tells most others apart.
That turn may have been forgotten where it was said; what is passed over has to be there to the letter, in one voice.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from memstore.model import Event

_ORIGINS = (
    "SELECT o.session FROM events e JOIN sessions mine ON mine.pk = e.session"
    " JOIN events f ON f.pk = (SELECT min(pk) FROM events WHERE session = e.session)"
    " JOIN sessions s ON s.scope = mine.scope AND s.pk <> mine.pk"
    " JOIN events o ON o.session = s.pk AND o.ref = f.ref AND o.at = f.at"
    " AND (o.sha256 = f.sha256 OR o.forgotten_at IS NOT NULL) WHERE e.pk = ?"
)
_BROUGHT = (
    "SELECT e.pk FROM json_each(?) JOIN events e ON e.pk = value WHERE EXISTS ("
    "SELECT 1 FROM json_each(?) JOIN events o ON o.session = value AND o.ref = e.ref"
    " WHERE o.at = e.at AND o.sha256 = e.sha256 AND o.role = e.role AND o.origin = e.origin AND o.pk < e.pk)"
)


def brought_along(db: sqlite3.Connection, batch: Sequence[tuple[int, Event]]) -> set[int]:
    """The events (by key) of a batch of one session that another session of its scope had before."""
    origins = [session for (session,) in db.execute(_ORIGINS, (batch[0][0],))]
    if not origins:
        return set()
    events = json.dumps([pk for pk, _ in batch])
    return {pk for (pk,) in db.execute(_BROUGHT, (events, json.dumps(origins)))}
