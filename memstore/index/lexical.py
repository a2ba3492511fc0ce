"""Full text over the statements of facts: SQLite FTS5, porter-stemmed, in the store's own file.

The table holds no text and no positions, only which places hold which word: enough to weigh words by how rare they
are, in a turn, its neighbours and its session. An entry is written in the transaction that writes its fact. If a
table is missing or damaged, `rebuild` makes it again from the ledger; until then recall reads the facts themselves.

FTS5 is quick to write and slow to read from: an OR over every word of a question steps through every row that any of
them hits. So it only keeps what is new; `lists` has the rest, packed.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING

from memstore.index import lists, places, vector
from memstore.index.columns import LISTS, NO_NUMBERS, Engine
from memstore.index.kept import Kept
from memstore.index.lists import Postings
from memstore.ledger.connection import Transaction

if TYPE_CHECKING:
    from memstore.reports import Problem

_TOKENS = f"fts5(text, content='', detail=none, tokenize='{lists.TOKENIZER}')"
_TABLES = (*lists.TABLES, "words", *places.TABLES)
_WORD = re.compile(r"\w+")
_PART = re.compile(r"[^\W_]+")
_BATCH = 1000
_NAMED = 20  # facts that a report of differences names
# The stems of words that were asked for, as many as are worth keeping.
_stems: dict[str, list[str]] = {}
_STEMS = 10_000
_ASKED_EVERY = 256


def create(tx: Transaction) -> None:
    """Make the index if it is not there, from all facts that are."""
    if exists(tx.db):
        return
    drop(tx)
    for statement in (f"CREATE VIRTUAL TABLE words USING {_TOKENS}", *lists.CREATE, *places.CREATE):
        tx.execute(statement)
    lists.renew(tx)
    found = tx.db.cursor().execute(
        "SELECT f.pk, f.text, (SELECT event FROM provenance WHERE fact = f.pk ORDER BY since, event, start LIMIT 1)"
        " FROM facts f WHERE state < 4 ORDER BY f.pk"
    )
    while part := found.fetchmany(_BATCH):
        add(tx, [row for row in part if row[2] is not None], more=True)
    add(tx, [])


def exists(db: sqlite3.Connection) -> bool:
    """Whether all tables of the index are there. A statement that reads none of them is prepared only if they are."""
    try:
        db.execute(f"SELECT 1 FROM {','.join(_TABLES)} LIMIT 0")
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise
        return False
    return True


def drop(tx: Transaction) -> None:
    for table in _TABLES:
        tx.execute(f"DROP TABLE IF EXISTS {table}")


def add(tx: Transaction, entries: Sequence[tuple[int, str, int]], *, more: bool = False) -> None:
    """Index facts (key, text, key of the event first derived from), each at a place in the turn of its event.

    `more` says that others follow soon, as in an import: what is new is then gathered in larger runs. The last call
    of such a run says nothing of the kind, and may bring nothing.
    """
    taken = places.take(tx, [event for _, _, event in entries])
    # In the order of their places: FTS5 has to flush whenever a row number goes back.
    placed = sorted((place, fact, text) for place, (fact, text, _) in zip(taken, entries, strict=True))
    places.fill(tx, [(place, fact) for place, fact, _ in placed])
    tx.db.executemany("INSERT INTO words (rowid, text) VALUES (?, ?)", [(place, text) for place, _, text in placed])
    # Counting what waits is not free: once in some hundred facts is soon enough.
    if (not entries or any(fact % _ASKED_EVERY == 0 for fact, _, _ in entries)) and lists.waiting(tx.db, more):
        lists.gather(tx)


def remove(tx: Transaction, entries: Sequence[tuple[int, str]]) -> None:
    """Take facts out, so that nothing of their words remains: also not as deletion markers in older segments.

    What their events still say is counted anew.
    """
    if not exists(tx.db) or not entries:
        return
    held = places.of_facts(tx.db, [fact for fact, _ in entries])
    text_of = dict(entries)
    said = [(place, text_of[fact]) for place, fact in sorted(held.items())]
    gathered = lists.listed(tx.db, held)
    lists.remove(tx, [one for one in said if one[0] in gathered])
    tx.db.executemany(
        "INSERT INTO words (words, rowid, text) VALUES ('delete', ?, ?)",
        [one for one in said if one[0] not in gathered],
    )
    vector.remove(tx, held)
    tx.db.executemany("DELETE FROM statements WHERE place = ?", [(place,) for place in held])
    places.settle_again(tx, [fact for fact, _ in entries])
    tx.execute("INSERT INTO words (words) VALUES ('optimize')")


def rebuild(tx: Transaction) -> None:
    """Drop the index and make it again from the ledger."""
    drop(tx)
    create(tx)


def size(db: sqlite3.Connection, known: Kept) -> tuple[int, int, int]:
    """(turns, words in them, sessions): what the lengths of turns are put in proportion to."""
    turns, words = places.talks(db, known, [0]).get(0, (0, 0))
    return turns, words, known.sessions


def postings(db: sqlite3.Connection, known: Kept, words: Sequence[str], engine: Engine = LISTS) -> list[Postings]:
    """For each word, which are distinct, the places whose statement holds it, in any form with the same stem."""
    found = {word: held for word in words if (held := known.lists.get((engine.name, word))) is not None}
    fresh = _stems_of(db, [word for word in words if word not in found])
    gathered = _gathered(db, known, [stem for stems in fresh.values() for stem in stems], engine)
    for word, stems in fresh.items():
        found[word] = _postings(db, word, stems, engine, gathered)
        known.keep_list(engine, word, found[word])
    return [found[word] for word in words]


def rare(db: sqlite3.Connection, words: Iterable[str], most: int) -> Iterator[list[int]]:
    """For each of the words (distinct) that no more than `most` statements hold, the places of those.

    For who writes: what a write in progress has read is not kept, so no more is read than is asked for.
    """
    for word, stems in _stems_of(db, list(words)).items():
        if len(stems) != 1:
            found = list(_postings(db, word, stems, LISTS, lists.read_each(db, stems)))
        else:
            found = lists.few(db, stems[0], most)
            if len(found) <= most:
                new = db.execute("SELECT rowid FROM words WHERE words MATCH ? LIMIT ?", (f'"{word}"', most + 1))
                found += [row[0] for row in new]
        if len(found) <= most:
            yield found


def _gathered(db: sqlite3.Connection, known: Kept, stems: Sequence[str], engine: Engine) -> dict[str, Postings]:
    """What was gathered of each stem: kept, or read now, all in one go."""
    found = {stem: held for stem in stems if (held := known.gathered.get((engine.name, stem))) is not None}
    if fresh := [stem for stem in stems if stem not in found]:
        for stem, postings in lists.read_each(db, fresh, engine).items():
            known.keep_gathered(engine, stem, postings)
            found[stem] = postings
    return found


def _postings(
    db: sqlite3.Connection, word: str, stems: Sequence[str], engine: Engine, gathered: Mapping[str, Postings]
) -> Postings:
    # One word of the query language may be several of the tokenizer's: all of them must be there.
    parts = [word] if len(stems) == 1 else _PART.findall(word)
    found = []
    for part, stem in zip(parts if len(parts) == len(stems) else stems, stems, strict=True):
        new = [row[0] for row in db.execute("SELECT rowid FROM words WHERE words MATCH ?", (f'"{part}"',))]
        found.append(gathered[stem].with_new(new) if new else gathered[stem])
    if len(found) == 1:
        return found[0]
    return lists.of_places(engine, sorted(set.intersection(*map(set, found))) if found else [])


def _stems_of(db: sqlite3.Connection, words: Sequence[str]) -> dict[str, list[str]]:
    """The stems of each word. Those that were not asked for yet the tokenizer is asked for at once."""
    known = {word: stems for word in words if (stems := _stems.get(word)) is not None}
    new = [word for word in words if word not in known]
    if new:
        if len(_stems) + len(new) > _STEMS:
            _stems.clear()
        learnt = dict(zip(new, lists.stems(db, new), strict=True))
        _stems.update(learnt)
        known |= learnt
    return {word: known[word] for word in words}


def scan(
    db: sqlite3.Connection,
    words: Sequence[str],
    scopes: Sequence[int],
    limit: int | None,
    where: Mapping[str, object] | None = None,
) -> list[tuple[int, float]]:
    """Without an index: the facts themselves, by how many of the words they hold. Slower, never wrong.

    `where` are conditions, each on one value, that leave out what is not wanted; one on `state < ?` stands in for ours.
    """
    marks = ",".join("?" * len(scopes))
    wanted = set(words)
    scored = []
    asked = {"state < ?": 4, **(where or {})}
    for pk, text in db.execute(
        f"SELECT pk, text FROM facts WHERE {' AND '.join(asked)} AND scope IN ({marks})", (*asked.values(), *scopes)
    ):
        shared = wanted & {w.lower() for w in _WORD.findall(text)}
        if shared:
            scored.append((pk, float(len(shared))))
    scored.sort(key=lambda hit: (-hit[1], hit[0]))
    return scored[:limit]


def problems(db: sqlite3.Connection) -> Iterator[Problem]:
    """How the index differs from the facts: `rebuild` mends all of it."""
    from memstore.reports import Problem

    if not exists(db):
        yield Problem("index", "words", "the full-text index is missing: run  memstore verify --rebuild")
        return
    try:
        held = {row[0] for row in db.execute("SELECT id FROM words_docsize")} | lists.every(db)
        found = db.execute(
            "SELECT s.place, f.state < 4 FROM facts f LEFT JOIN statements s ON s.fact = f.pk WHERE f.state <> 4"
        ).fetchall()
        missing = sum(place not in held for place, stands in found if stands)
        stray = len(held.difference(place for place, _ in found))
        if stray or missing:
            yield Problem("index", "words", f"{missing} facts are not indexed, {stray} entries have no fact")
        for place in islice(_other_words(db), _NAMED):
            named = db.execute(
                "SELECT f.id FROM statements s JOIN facts f ON f.pk = s.fact WHERE s.place = ?", (place,)
            ).fetchone()
            yield Problem(
                "index", named[0] if named else "words", "the full-text index holds other words than the fact says"
            )
    except (sqlite3.DatabaseError, *NO_NUMBERS) as error:
        yield Problem("index", "words", f"the full-text index is damaged: {error}")


def _other_words(db: sqlite3.Connection) -> Iterator[int]:
    """The places that the index holds under other words than their facts have, each once.

    The facts are indexed again beside the store, and both indexes read side by side, word by word.
    """
    temporary = ("again", "words_again")
    try:
        db.execute(f"CREATE VIRTUAL TABLE temp.again USING {_TOKENS}")
        db.execute(
            "INSERT INTO temp.again (rowid, text) SELECT s.place, f.text"
            " FROM statements s JOIN facts f ON f.pk = s.fact WHERE f.state != 4 ORDER BY s.place"
        )
        db.execute("CREATE VIRTUAL TABLE temp.words_again USING fts5vocab(temp, again, instance)")
        # Whoever has seen enough leaves in the middle: what is still being read keeps the tables from being dropped.
        with closing(db.cursor()) as waiting, closing(db.cursor()) as again:
            waiting.execute("SELECT term, doc FROM words_said")
            again.execute("SELECT term, doc FROM temp.words_again")
            yield from _places_of_difference(merge(waiting, lists.said(db), key=_order), again)
    finally:
        for table in reversed(temporary):
            db.execute(f"DROP TABLE IF EXISTS temp.{table}")


def _places_of_difference(one: Iterator[tuple[str, int]], other: Iterator[tuple[str, int]]) -> Iterator[int]:
    """The places of the entries (word, place) that only one of two sorted runs has, each once."""
    told: set[int] = set()
    left: list[tuple[str, int]] = []
    right: list[tuple[str, int]] = []
    while True:
        left += islice(one, _BATCH)
        right += islice(other, _BATCH)
        if not left and not right:
            return
        if left == right:  # nearly always
            left, right = [], []
            continue
        # What lies before the end of both is settled now; the rest waits for what comes after it.
        ends = [run[-1] for run in (left, right) if len(run) >= _BATCH]
        end = min(ends, key=_order) if ends else None
        settled = [[entry for entry in run if end is None or _order(entry) <= _order(end)] for run in (left, right)]
        left, right = left[len(settled[0]) :], right[len(settled[1]) :]
        for _, place in sorted(set(settled[0]) ^ set(settled[1]), key=_order):
            if place not in told:
                told.add(place)
                yield place


def _order(entry: tuple[str, int]) -> tuple[bytes, int]:
    return entry[0].encode(), entry[1]  # the index sorts its words by their UTF-8
