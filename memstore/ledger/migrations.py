"""The schema, as numbered steps. A step is a small function, recorded in the same transaction as its effect.

Released steps are never edited; a change of schema is a new step, and `SCHEMA_VERSION` goes up with it.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

FIRST = """
CREATE TABLE scopes (pk INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

CREATE TABLE sessions (
    pk INTEGER PRIMARY KEY,
    scope INTEGER NOT NULL REFERENCES scopes,
    name TEXT NOT NULL,
    UNIQUE (scope, name)
);

-- Who derived a fact: name, version and model in one word, such as "verbatim/1".
CREATE TABLE extractors (pk INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

-- What was said, word for word. Only forgetting changes a row.
CREATE TABLE events (
    pk INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    session INTEGER NOT NULL REFERENCES sessions,
    ref TEXT,
    role TEXT NOT NULL,
    origin TEXT NOT NULL,
    at INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    text TEXT NOT NULL,
    sha256 BLOB,
    forgotten_at INTEGER -- when some or all of the words were blanked
);
CREATE INDEX events_by_session ON events (session);
CREATE UNIQUE INDEX events_by_ref ON events (session, ref) WHERE ref IS NOT NULL;
CREATE UNIQUE INDEX events_by_content ON events (session, at, role, sha256) WHERE ref IS NULL AND forgotten_at IS NULL;

-- Events that no extractor has read yet.
CREATE TABLE pending (event INTEGER PRIMARY KEY REFERENCES events);

-- Statements. Immutable but for `state` and `expires_at`, which are derived from the transitions and only
-- kept here for speed: `verify` derives them again. `seal` and `key_seal` are checksums of the immutable rest;
-- `digest` is one of the wording, by which a repeated statement is recognised.
CREATE TABLE facts (
    pk INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    scope INTEGER NOT NULL REFERENCES scopes,
    key TEXT,
    text TEXT NOT NULL,
    modality TEXT NOT NULL
        CHECK (modality IN ('decision', 'option_considered', 'hypothesis', 'question', 'observation')),
    kind TEXT NOT NULL CHECK (kind IN ('user', 'feedback', 'project', 'reference')),
    origin TEXT NOT NULL CHECK (origin IN ('user', 'assistant', 'tool', 'document', 'system')),
    said_at INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    valid_from INTEGER NOT NULL,
    valid_to INTEGER,
    ttl INTEGER,
    probability REAL NOT NULL,
    context TEXT, -- JSON: what the words need to stand alone (speaker, section, antecedent …)
    digest INTEGER,
    seal INTEGER NOT NULL,
    key_seal INTEGER,
    state INTEGER NOT NULL DEFAULT 0,
    expires_at INTEGER
);
CREATE INDEX facts_by_key ON facts (scope, key) WHERE key IS NOT NULL;
CREATE INDEX facts_by_digest ON facts (digest) WHERE state < 2;
CREATE INDEX facts_in_doubt ON facts (scope) WHERE state = 1;

-- The words a fact was derived from. `since` is the transition that added a later pointer (a corroboration).
CREATE TABLE provenance (
    fact INTEGER NOT NULL REFERENCES facts,
    event INTEGER NOT NULL REFERENCES events,
    start INTEGER NOT NULL,
    stop INTEGER NOT NULL,
    extractor INTEGER NOT NULL REFERENCES extractors,
    since INTEGER REFERENCES transitions,
    PRIMARY KEY (fact, event, start, stop)
) WITHOUT ROWID;
CREATE INDEX provenance_by_event ON provenance (event);

-- What happened to facts. A row with a `refusal` was asked for and refused by policy: a conflict, without effect.
-- `effective` is derived (0 once reverted, or refused) and kept for speed.
CREATE TABLE transitions (
    pk INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    scope INTEGER NOT NULL REFERENCES scopes,
    change TEXT NOT NULL CHECK (change IN ('superseded', 'amended', 'retracted', 'confirmed', 'flagged',
                                           'revalidated', 'reverted', 'forgotten')),
    at INTEGER NOT NULL,
    reason TEXT NOT NULL,
    event INTEGER REFERENCES events,
    target INTEGER REFERENCES transitions,
    refusal TEXT,
    effective INTEGER NOT NULL DEFAULT 1
);
CREATE INDEX transitions_by_target ON transitions (target) WHERE target IS NOT NULL;
CREATE TABLE involved (
    fact INTEGER NOT NULL REFERENCES facts,
    transition INTEGER NOT NULL REFERENCES transitions,
    side TEXT NOT NULL CHECK (side IN ('old', 'new')),
    PRIMARY KEY (fact, transition, side)
) WITHOUT ROWID;
CREATE INDEX involved_by_transition ON involved (transition);

-- A conclusion and the premises it was drawn from.
CREATE TABLE dependencies (
    fact INTEGER NOT NULL REFERENCES facts,
    premise INTEGER NOT NULL REFERENCES facts,
    PRIMARY KEY (fact, premise)
) WITHOUT ROWID;
CREATE INDEX dependencies_by_premise ON dependencies (premise);

-- Every token is booked. An unknown price is NULL, never 0.
CREATE TABLE usage (
    pk INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    scope INTEGER REFERENCES scopes,
    purpose TEXT NOT NULL,
    model TEXT NOT NULL,
    counter TEXT NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cost_usd REAL,
    price_date TEXT
);

-- Certificates of what was forgotten, by id; `pending` until the old pages are gone from the write-ahead log.
CREATE TABLE erasures (
    pk INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    scope INTEGER NOT NULL REFERENCES scopes,
    at INTEGER NOT NULL,
    events TEXT NOT NULL,
    facts TEXT NOT NULL,
    pending INTEGER NOT NULL
);

CREATE INDEX erasures_pending ON erasures (pk) WHERE pending = 1;

-- Copies made through memstore, which forgetting cannot reach and must name.
CREATE TABLE copies (pk INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, path TEXT NOT NULL);

-- The recorded time of the last write, which never runs backwards.
CREATE TABLE clock (row INTEGER PRIMARY KEY CHECK (row = 0), last INTEGER NOT NULL);
INSERT INTO clock VALUES (0, 0);
"""


ANCHORS = """
-- Directories that files are anchored under, by absolute path.
CREATE TABLE roots (pk INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE);

-- What a fact is tied to: a file, lines of it, or a symbol in it, and what was there when it was last looked at.
-- `sha256` is of the file, `form` of the normal form of what is tied to; `seen` is its source. `doubt` is the
-- flagging that this tie raised, until the file or a person answers it.
CREATE TABLE anchors (
    pk INTEGER PRIMARY KEY,
    fact INTEGER NOT NULL REFERENCES facts,
    root INTEGER NOT NULL REFERENCES roots,
    path TEXT NOT NULL,
    first INTEGER,
    last INTEGER,
    symbol TEXT,
    sha256 TEXT NOT NULL,
    form TEXT NOT NULL,
    seen TEXT NOT NULL,
    git_blob TEXT,
    git_commit TEXT,
    at INTEGER NOT NULL,
    doubt INTEGER REFERENCES transitions
);
CREATE INDEX anchors_by_fact ON anchors (fact);
"""

POSSIBLE = """
-- A refused supersession that nothing forbids but that is not certain enough: a possible update.
ALTER TABLE transitions ADD COLUMN possible INTEGER NOT NULL DEFAULT 0;
UPDATE transitions SET possible = 1 WHERE refusal = 'a possible update, not certain enough to retire anything';
"""

BOOKED_SESSION = """
-- What a booking was spent on, so that the calls a session may cost are counted whichever process made them.
ALTER TABLE usage ADD COLUMN session INTEGER REFERENCES sessions;
CREATE INDEX usage_by_session ON usage (session) WHERE session IS NOT NULL;
"""

BOOKED_ONCE = """
-- The name of a booking, so that whoever does not know whether it was written can write it again.
ALTER TABLE usage ADD COLUMN ref TEXT;
CREATE UNIQUE INDEX usage_by_ref ON usage (scope, ref) WHERE ref IS NOT NULL;
"""

HEADS_BY_KEY = """
-- Of all the facts that were under a key, those that can still be current.
DROP INDEX facts_by_key;
CREATE INDEX facts_by_key ON facts (scope, key, state) WHERE key IS NOT NULL;
"""


def _allow_feedback(db: Database) -> None:
    """Let a transition be a report on a fact: used, wrong or stale.

    Only a CHECK changes, and no row: SQLite's documentation of ALTER TABLE (section 7) says to edit the schema's text
    then. Making the table anew would mean dropping one that others refer to, inside a transaction.
    """
    before, after = "'revalidated', 'reverted', 'forgotten'))", "'revalidated', 'reverted', 'forgotten', {}))"
    (version,) = db.execute("PRAGMA schema_version").fetchone()
    db.execute("PRAGMA writable_schema = ON")
    db.execute(
        "UPDATE sqlite_master SET sql = replace(sql, ?, ?) WHERE type = 'table' AND name = 'transitions'",
        (before, after.format("'used', 'wrong', 'stale'")),
    )
    db.execute(f"PRAGMA schema_version = {version + 1}")
    db.execute("PRAGMA writable_schema = OFF")


def apply(connection: sqlite3.Connection) -> None:
    """Bring the schema up to date, inside the caller's transaction."""
    from sqlite_utils import Database, Migrations

    steps = Migrations("memstore")

    @steps(name="0001_first_schema")
    def first_schema(db: Database) -> None:
        _run(db, FIRST)

    @steps(name="0002_anchors")
    def anchors(db: Database) -> None:
        _run(db, ANCHORS)

    @steps(name="0003_possible_updates")
    def possible_updates(db: Database) -> None:
        _run(db, POSSIBLE)

    @steps(name="0004_feedback")
    def feedback(db: Database) -> None:
        _allow_feedback(db)

    @steps(name="0005_booked_session")
    def booked_session(db: Database) -> None:
        _run(db, BOOKED_SESSION)

    @steps(name="0006_booked_once")
    def booked_once(db: Database) -> None:
        _run(db, BOOKED_ONCE)

    @steps(name="0007_heads_by_key")
    def heads_by_key(db: Database) -> None:
        _run(db, HEADS_BY_KEY)

    steps.apply(Database(connection))


def _run(db: Database, script: str) -> None:
    # Statement by statement: executescript() would commit the surrounding transaction.
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            db.execute(statement)
            statement = ""
