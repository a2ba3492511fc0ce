"""Facts tied to files: looked at again, doubted when what they saw is gone or changed, believed again when it is back.

Looking touches files and no database; settling touches the database and no file. So no lock is held while a disk is
read, and a recall can say what it found before anything is written.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from memstore.coherence import chains, files, git
from memstore.coherence.anchors import AnchorTarget
from memstore.coherence.snapshot import Mask, Read, Snapshot, State, Verdict, check, observe
from memstore.errors import AnchorRefused, MissingExtra, NotFound
from memstore.ledger import anchors
from memstore.ledger.anchors import Tie
from memstore.ledger.connection import Transaction

HASTE = 1.0
SEARCH = 5.0
"""Seconds for one move: on a busy machine one was too little, and what had moved was called missing."""
_KEPT = 16


@dataclass(frozen=True, slots=True)
class Finding:
    """A tie, and how the world stands to it now."""

    tie: Tie
    verdict: Verdict

    @property
    def reason(self) -> str:
        """The cause and a diff of what was seen."""
        return f"{self.verdict.reason}\n{self.verdict.diff}".strip()

    @property
    def news(self) -> bool:
        """Whether settling it changes anything."""
        return self.verdict.state is State.MOVED or (
            self.verdict.state is not State.UNREADABLE and self.verdict.doubtful != (self.tie.doubt is not None)
        )


@dataclass(slots=True)
class Settled:
    """The facts (pk) that what was found made suspect or live again, and those whose tie followed a move."""

    flagged: list[int] = field(default_factory=list)
    restored: list[int] = field(default_factory=list)
    moved: list[int] = field(default_factory=list)


def target(tie: Tie) -> AnchorTarget:
    return AnchorTarget(tie.path, lines=tie.lines, symbol=tie.symbol)


def tie(tx: Transaction, fact: int, root: Path, snapshots: Iterable[Snapshot]) -> None:
    """Tie a fact to what was seen under a root."""
    for seen in snapshots:
        anchors.add(tx, _row(Tie(0, fact, str(root), "", None, None, "", "", "", None, None, 0), seen, tx.at))


def look(ties: Sequence[Tie], *, mask: Mask, seconds: float | None = None, search: float = SEARCH) -> list[Finding]:
    """Look at what facts are tied to, in order, until `seconds` have passed (None: at all of it).

    A move is searched for during at most `search` seconds each, and what is left of the time. With less than a second
    left an answer waits, and less is done (see `check`).
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    read = lru_cache(maxsize=_KEPT)(files.read_hashed)  # ten facts about one file see one moment of it
    asker = git.remembering()
    found = []
    for one in ties:
        left = search if deadline is None else min(search, deadline - time.monotonic())
        if deadline is not None and left <= 0:
            break
        found.append(Finding(one, _verdict(one, mask, left, left < HASTE, read, asker)))
    return found


def settle(tx: Transaction, findings: Iterable[Finding]) -> Settled:
    """Write down what was found. What somebody else settled since the look is left as it is."""
    settled = Settled()
    for found in findings:
        one, verdict = found.tie, found.verdict
        if not found.news or anchors.get(tx.db, one.pk) != one:
            continue
        if verdict.doubtful:
            one = one._replace(doubt=chains.flag(tx, [one.fact], reason=found.reason))
            settled.flagged.append(one.fact)
        elif one.doubt is not None:
            chains.revalidate(tx, [one.fact], reason=f"{target(one)} is as it was", answers=one.doubt)
            one = one._replace(doubt=None)
            settled.restored.append(one.fact)
        if verdict.state is State.MOVED:
            one = one._replace(path=verdict.target.path, lines=verdict.target.lines)
            settled.moved.append(one.fact)
        elif verdict.state is State.CHANGED:  # where it is now is where it would be put right
            one = one._replace(path=verdict.target.path)
        anchors.save(tx, one)
    return settled


def rebase(tx: Transaction, tied: Iterable[Tie], *, mask: Mask) -> None:
    """Somebody says that facts hold as things are now: what is there now is what they are tied to.

    A tie to what is gone ends: the fact was confirmed without it.
    """
    for one in tied:
        root = Path(one.root)
        if not root.is_dir():
            continue
        try:
            verdict = check(root, _snapshot(one), mask=mask)
            anchors.save(tx, _row(one._replace(doubt=None), observe(root, verdict.target, mask=mask), tx.at))
        except NotFound:
            anchors.drop(tx, one)
        except (AnchorRefused, MissingExtra):
            continue


def _verdict(one: Tie, mask: Mask, search: float, hasty: bool, read: Read, asker: git.Asker) -> Verdict:
    if not Path(one.root).is_dir():
        return Verdict(State.UNREADABLE, f"the root {one.root} is not here", target(one))
    known = one.doubt is not None
    try:
        root = Path(one.root)
        return check(root, _snapshot(one), mask=mask, search=search, hasty=hasty, known=known, read=read, asker=asker)
    except MissingExtra as error:
        return Verdict(State.UNREADABLE, str(error), target(one))


def _snapshot(one: Tie) -> Snapshot:
    return Snapshot(target(one), one.sha256, one.form, one.seen, one.blob, one.commit)


def _row(one: Tie, seen: Snapshot, at: int) -> Tie:
    return one._replace(
        path=seen.target.path,
        lines=seen.target.lines,
        symbol=seen.target.symbol,
        sha256=seen.sha256,
        form=seen.form,
        seen=seen.seen,
        blob=seen.blob,
        commit=seen.commit,
        at=at,
    )
