"""Documents in numbered series: which is the next edition of which, and which are documents of their own.

"RFC 12: Host names" and "RFC 40: Host names" may be two editions of one document. "PEP 101: …" and "PEP 102: …" with
other titles are two documents, however alike their prose is, unless the later names the number of the earlier.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from memstore.capture import cues
from memstore.capture.subjects import title, unversioned

if TYPE_CHECKING:
    from memstore.capture.updates import Statement


def editions(new: Statement, held: Iterable[Statement]) -> list[Statement]:
    """The documents that were numbered alike and have the title of this one, which may be their next edition."""
    mine = _title(new)
    if mine is None:
        return []
    kind, number, words = mine
    like = kind, unversioned(words)
    titles = ((old, _title(old)) for old in held)
    return [old for old, one in titles if one and one[1] != number and (one[0], unversioned(one[2])) == like]


def named(new: Statement, held: Iterable[Statement]) -> Iterator[tuple[Statement, str]]:
    """The documents that one says, by their numbers, that it takes the place of, and the words that say so."""
    if not new.document:
        return
    words = {(m["kind"].casefold(), m["number"].casefold()): m[0] for m in cues.REPLACED_NUMBER.finditer(new.text)}
    for old in held if words else ():
        head = _title(old)
        if head is not None and head[:2] in words:
            yield old, words[head[:2]]


def another(new: Statement, old: Statement) -> bool:
    """Two titles of one series: documents of their own, unless the later names what it replaces."""
    one, other = _title(new), _title(old)
    return one is not None and other is not None and one[0] == other[0] and not cues.PREDECESSOR.search(new.text)


def one_series(new: Statement, old: Statement) -> bool:
    """Each stands in another number of one series, as its document's first line tells."""
    one, other = title(new.heading), title(old.heading)
    return one is not None and other is not None and one[0] == other[0] and one[1] != other[1]


def _title(statement: Statement) -> tuple[str, str, tuple[str, ...]] | None:
    return title(statement.text) if statement.document else None
