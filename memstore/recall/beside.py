"""The words beside an answer without which it says nothing: "Yes, that one." needs the question, a question its answer.

One whole sentence of the turn before or after, of the same session, and only where the answer needs it: a short
statement that begins its turn and points back ("yes", "that", "the second"), or a question that the next turn answers.
It is quoted, not claimed: a sentence whose statement was replaced, withdrawn or forgotten since is left out.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence

from memstore.index import places
from memstore.index.places import STATEMENT_BITS, TURN_BITS, Turn
from memstore.ledger.facts import Row
from memstore.ledger.standing import State
from memstore.model import Beside, Modality
from memstore.recall.evidence import ALONE, ASKS

# Longer statements stand alone; longer sentences cost more than they tell.
_SHORT = 12
_ANSWER = 4
_LONGEST = 240
# What a statement that points back begins with: "yes", "it's", "the second".
_BEGINNING = re.compile(r"\W*(\w+)(?: (\w+))?")
_BACK = frozenset(
    """yes yep yeah no nope sure ok okay right exactly correct agreed definitely that this those these it its they he
    she both neither either same""".split()
)
_BACK_AFTER_THE = frozenset("first second third last latter former other".split())
# Compiled when a sentence is quoted. Marks are looked at once, where they begin: a turn may hold a thousand dots.
_SENTENCE = r"[^\s].*?(?:(?<![.!?…])[.!?…]+[\"'”’)]*(?=\s|$)|$)"


def beside(db: sqlite3.Connection, rows: Sequence[Row], as_of: int | None) -> dict[int, Beside]:
    """{fact: the sentence beside it} of the facts that need one and have it."""
    needing = [row for row in rows if row.modality is Modality.QUESTION or _may_need_its_question(row.text)]
    if not needing:
        return {}
    place_of, turns = places.spoken(db, [row.pk for row in needing])
    found = {}
    for row in needing:
        place = place_of.get(row.pk)
        here = None if place is None else turns.get(place >> STATEMENT_BITS)
        if place is None or here is None or here.marks & ALONE:
            continue
        if row.modality is Modality.QUESTION:
            sentence = _of(db, "answer", here, turns.get(here.turn + 1), as_of)
        elif _needs_its_question(db, row, place, turns.get(here.turn - 1)):
            sentence = _of(db, "question", here, turns.get(here.turn - 1), as_of)
        else:
            continue
        if sentence is not None:
            found[row.pk] = sentence
    return found


def _needs_its_question(db: sqlite3.Connection, row: Row, place: int, before: Turn | None) -> bool:
    asked = before is not None and bool(before.marks & ASKS)
    if not asked and not _points_back(row.text):
        return False
    first = place >> STATEMENT_BITS << STATEMENT_BITS
    earlier = db.execute("SELECT 1 FROM statements WHERE place >= ? AND place < ?", (first, place)).fetchone()
    return earlier is None


def _may_need_its_question(text: str) -> bool:
    words = len(text.split())
    return words <= _ANSWER or (words <= _SHORT and _points_back(text))


def _points_back(text: str) -> bool:
    begins = _BEGINNING.match(text)
    if begins is None:
        return False
    first, second = begins[1].casefold(), (begins[2] or "").casefold()
    return first in _BACK or (first == "the" and second in _BACK_AFTER_THE)


def _of(db: sqlite3.Connection, what: str, here: Turn, there: Turn | None, as_of: int | None) -> Beside | None:
    """The last sentence of the turn before, its question if it asks one; the first sentence of the turn after."""
    if there is None or there.turn >> TURN_BITS != here.turn >> TURN_BITS:
        return None
    said = db.execute(
        "SELECT e.pk, e.id, e.role, e.text, e.recorded_at, e.forgotten_at FROM turns t JOIN events e ON e.pk = t.event"
        " WHERE t.turn = ?",
        (there.turn,),
    ).fetchone()
    if said is None:  # the index lost it
        return None
    event, id_, role, text, recorded_at, forgotten_at = said
    if forgotten_at is not None or (as_of is not None and recorded_at > as_of):
        return None
    sentences = [match for match in re.finditer(_SENTENCE, text, re.MULTILINE) if match[0].strip()]
    asking = [match for match in sentences if match[0].rstrip("\"'”’)").endswith("?")]
    if not sentences or (what == "answer" and asking and asking[0] is sentences[0]):
        return None
    chosen = sentences[0] if what == "answer" else (asking or sentences)[-1]
    if len(chosen[0]) > _LONGEST or _fell(db, event, chosen.start(), chosen.end()):
        return None
    return Beside(what, role, chosen[0].strip(), id_)


def _fell(db: sqlite3.Connection, event: int, start: int, end: int) -> bool:
    return (
        db.execute(
            "SELECT 1 FROM provenance p JOIN facts f ON f.pk = p.fact"
            " WHERE p.event = ? AND p.start < ? AND ? < p.stop AND f.state >= ?",
            (event, end, start, State.SUPERSEDED.value),
        ).fetchone()
        is not None
    )
