"""MemoryStore: what an agent, a notebook or a command line uses. Everything else is behind it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from memstore.coherence import doubt
from memstore.errors import UsageError
from memstore.index import lexical, vector
from memstore.ledger import events, facts, usage
from memstore.ledger.connection import Ledger
from memstore.ledger.times import to_micros
from memstore.model import (
    Certificate,
    Conflict,
    Event,
    Explanation,
    Fact,
    History,
    Imported,
    Kind,
    Modality,
    Problem,
    Recollection,
    Status,
    Usage,
)
from memstore.policy import Lifetimes
from memstore.recall import render
from memstore.recall.answer import Question, answer
from memstore.recall.tokens import CHARACTERS, Counter
from memstore.store import asking, keeping, naming, writing
from memstore.store.booking import Bookings
from memstore.store.capturing import Capturing
from memstore.store.changing import Changing, Facts
from memstore.store.meaning import Meanings
from memstore.store.naming import FactLike, SourceLike
from memstore.store.reviewing import Reviewing
from memstore.store.syncing import Syncing

if TYPE_CHECKING:
    from memstore.capture.extract import Extractor
    from memstore.claude import Claude
    from memstore.coherence.anchors import AnchorTarget
    from memstore.index.embedding import Encoder


class _Default(Enum):
    """Stands for "as the policy says", where None means "without a lifetime"."""

    DEFAULT = "default"


DEFAULT = _Default.DEFAULT
MODES = ("exact", "hybrid")
Scopes = str | Sequence[str] | None
PathLike = str | os.PathLike[str]
Found = TypeVar("Found")


class MemoryStore(Capturing, Changing, Reviewing, Syncing):
    """A memory in one file. Safe to share between threads, and to open in many processes at once.

    path      the SQLite file; made if it is not there (its directory must be)
    scope     the scope of calls that name none; scopes are walls
    clock     gives the time as an aware datetime; the system's unless given
    lifetimes how long each class of fact lasts (`memstore.policy.DEFAULT_LIFETIMES` unless given)
    counter   counts tokens for budgets; its name is in every answer
    root      the directory of the files that facts are about: what a fact names there it is tied to
    claude    may be asked, within its budget, by `capture`, `recall` and `review`; without it nothing is ever sent

    A call that returns has been written and synced; a call that raises has written nothing. Raises the errors of
    `memstore.errors`, never a bare sqlite3 error.
    """

    def __init__(
        self,
        path: PathLike,
        *,
        scope: str = "default",
        clock: Callable[[], datetime] | None = None,
        lifetimes: Lifetimes | None = None,
        counter: Counter = CHARACTERS,
        extractor: Extractor | None = None,
        encoder: Encoder | None = None,
        root: PathLike | None = None,
        claude: Claude | None = None,
        create: bool = True,
    ) -> None:
        self.scope = naming.name(scope, "scope")
        self.ledger = Ledger(path, clock=clock, create=create)
        self.lifetimes = lifetimes or Lifetimes()
        self.counter = counter
        self._extractor = extractor
        self._meanings = Meanings(encoder)
        self.root = None if root is None else naming.directory(root)
        self.claude = claude
        self._bookings = Bookings(self.ledger)
        keeping.open_index(self.ledger)

    def __enter__(self) -> MemoryStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what is still to be booked and close the file. The store opens it again if it is used again."""
        self._bookings.settle(patient=True)
        self.ledger.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Several calls as one: written and synced together or, if the block raises, not at all."""
        with self.ledger.writing():
            yield

    # --- words in -----------------------------------------------------------------------------------------------

    def record(
        self,
        text: str,
        *,
        role: str,
        session: str,
        at: datetime | None = None,
        origin: str | None = None,
        ref: str | None = None,
        scope: str | None = None,
    ) -> Event:
        """Keep one item word for word, secrets masked; `capture` derives facts from it later.

        `ref` is the caller's own name for it: recording the same ref again returns what is there, and other words
        under it raise UsageError. `origin` follows `role` unless given. `at` is when it was said, now unless given.
        """
        from memstore.capture.secrets import mask

        naming.words(text)
        masked = mask(text).text
        by = writing.origin_for(naming.name(role, "role"), origin)
        said_at = naming.micros(at, "at")
        with self.ledger.writing() as tx:
            return events.add(
                tx,
                scope=self._scope(scope),
                session=naming.name(session, "session"),
                ref=None if ref is None else naming.name(ref, "ref"),
                role=role,
                origin=by,
                at=tx.at if said_at is None else said_at,
                text=masked,
                pending=True,
            )

    def remember(
        self,
        text: str,
        *,
        modality: str,
        kind: str = "project",
        source: SourceLike | Iterable[SourceLike] | None = None,
        origin: str | None = None,
        key: str | None = None,
        at: datetime | None = None,
        valid_from: datetime | None = None,
        valid_to: datetime | None = None,
        ttl: timedelta | Literal[_Default.DEFAULT] | None = DEFAULT,
        session: str = events.BY_HAND_SESSION,
        depends_on: Facts = (),
        anchors: Iterable[AnchorTarget | str] | None = None,
        scope: str | None = None,
    ) -> Fact:
        """Hold a statement as a fact. Without a `source`, its own text is recorded as the event it came from.

        origin    whose words they are: "user" without a source; with one, its own origin (the least, of several)
        key       an exact name; of two facts under it the one said later (`at`) replaces the other, whichever was
                  recorded first. Where policy forbids that (a weaker word, or a lower authority) both stay, and the
                  returned fact carries the conflict
        at        when it was said (its source's time, else now); lifetimes run from then
        valid_from, valid_to   when it is true in the world, from `at` on unless given
        ttl       a lifetime, None for none, DEFAULT for the policy's by modality and kind
        depends_on   the facts this one was concluded from
        anchors   what it is tied to (see `tie`); unless given, what its text names under the store's root
        """
        from memstore.capture.secrets import mask

        text = mask(naming.words(text)).text
        said = naming.choice(Modality, modality, "modality")
        about = naming.choice(Kind, kind, "kind")
        lifetime = self.lifetimes.of(text, said, about) if isinstance(ttl, _Default) else ttl
        seen_at, seen = self._see(text, anchors)
        with self.ledger.writing() as tx:
            pk = writing.remember(
                tx,
                text=text,
                modality=said,
                kind=about,
                source=source,
                origin=origin,
                key=None if key is None else naming.name(key, "key"),
                at=naming.micros(at, "at"),
                valid_from=naming.micros(valid_from, "valid_from"),
                valid_to=naming.micros(valid_to, "valid_to"),
                ttl=writing.ttl_micros(lifetime),
                session=naming.name(session, "session"),
                scope=self._scope(scope),
                depends_on=naming.many(depends_on),
            )
            writing.tie(tx, pk, seen_at, seen)
            (fact,) = asking.whole(tx.db, [pk])
            return asking.with_conflicts(tx.db, fact, pk)

    # --- answers out --------------------------------------------------------------------------------------------

    def recall(
        self,
        query: str,
        *,
        k: int = 5,
        budget: int | None = None,
        mode: str = "exact",
        now: datetime | None = None,
        as_of: datetime | None = None,
        valid_at: datetime | None = None,
        scope: Scopes = None,
        modality: str | Iterable[str] | None = None,
        current_only: bool = False,
        history: bool = False,
        purpose: str | None = "retrieve",
    ) -> list[Recollection]:
        """What is held about a query, best first, each with its standing. Never raises for odd characters in it.

        k, budget      at most so many recollections, and so many tokens by the store's counter
        mode           "exact" (words and keys; no model is loaded) or "hybrid" (and vectors: see `embed`)
        now            the moment asked about (the clock's unless given): lifetimes are judged against it
        as_of          answer from what the store held then; `now` is then that moment unless given
        valid_at       keep what was true in the world at that moment
        modality       keep only these
        current_only   leave out what is past its time; otherwise it comes last, marked
        history        superseded and retracted facts come back too, marked
        purpose        what the tokens are booked under; None where the caller books them itself
        """
        if mode not in MODES:
            raise UsageError(f"mode {mode!r} is not one of {', '.join(MODES)}")
        if k < 1 or (budget is not None and budget < 1):
            raise UsageError("k and budget must be at least 1")
        wanted = [modality] if isinstance(modality, str) else list(modality or ())
        moment, then = self._moment(now, as_of), naming.micros(as_of, "as_of")
        true_at = naming.micros(valid_at, "valid_at")
        modalities = frozenset(naming.choice(Modality, one, "modality") for one in wanted)

        meant = self._meanings.of(self.ledger, query) if mode == "hybrid" else None

        def ask() -> list[Recollection]:
            with self.ledger.reading() as db, self._meanings.compared(db, meant) as meaning:
                return answer(
                    db,
                    Question(
                        text=query,
                        now=moment,
                        scopes=events.find_scopes(db, self._scopes(scope)),
                        k=k,
                        budget=budget,
                        as_of=then,
                        valid_at=true_at,
                        modality=modalities,
                        current_only=current_only,
                        history=history,
                        counter=self.counter,
                    ),
                    meaning,
                )

        found = self._fresh(ask) if then is None else ask()
        if purpose is not None:
            self._bookings.add(self.scope, purpose, self.counter.name, sum(r.tokens for r in found), moment)
        return found

    def context(
        self,
        query: str,
        *,
        budget: int,
        now: datetime | None = None,
        k: int = 20,
        mode: str = "exact",
        scope: Scopes = None,
    ) -> str:
        """Recollections as a fenced block of text for a prompt, within `budget` tokens, fence included."""
        room = budget - self.counter.count(render.block([]) or f"{render.OPEN}\n{render.CLOSE}\n")
        if room < 1:
            return ""
        block = render.block(self.recall(query, k=k, budget=room, now=now, mode=mode, scope=scope, purpose=None))
        self._bookings.add(self.scope, "inject", self.counter.name, self.counter.count(block), self._moment(now, None))
        return block

    def get(
        self,
        key: str,
        *,
        now: datetime | None = None,
        as_of: datetime | None = None,
        valid_at: datetime | None = None,
        scope: Scopes = None,
    ) -> Fact | None:
        """The current fact under a key, or None."""
        naming.name(key, "key")
        moment = self._moment(now, as_of)
        with self.ledger.reading() as db:
            scopes = list(events.find_scopes(db, self._scopes(scope)))
            return asking.by_key(
                db, scopes, key, moment, naming.micros(as_of, "as_of"), naming.micros(valid_at, "valid_at")
            )

    def fact(self, fact: FactLike, *, scope: Scopes = None) -> Fact:
        """A fact by id."""
        return self._about(fact, scope, lambda db, pk: asking.whole(db, [pk])[0])

    def event(self, event: str, *, scope: Scopes = None) -> Event:
        """An event by id."""
        with self.ledger.reading() as db:
            found = events.get(db, naming.name(event, "an event's id"))
            naming.same_scope(found.scope, *self._scopes(scope))
            return found

    def facts(
        self,
        *,
        source: Event | str | None = None,
        key_prefix: str | None = None,
        modality: str | None = None,
        status: str | None = None,
        newest: int | None = None,
        now: datetime | None = None,
        as_of: datetime | None = None,
        scope: Scopes = None,
    ) -> list[Fact]:
        """Every fact in the scope that is not forgotten, oldest first, narrowed by what is given.

        source       drawn from this event
        key_prefix   under a key that begins so
        status       where it stands at `now`; not together with `as_of`
        newest       only the last so many
        """
        if as_of is not None and status is not None:
            raise UsageError("ask for a status or as_of, not both: `status(fact, as_of=...)` tells one fact's")
        if newest is not None and newest < 0:
            raise UsageError(f"newest is a number of facts, not {newest}")
        moment = naming.micros(as_of, "as_of")
        with self.ledger.reading() as db:
            scopes = list(events.find_scopes(db, self._scopes(scope)))
            pks = facts.select(
                db,
                scopes,
                doubted=doubt.concluded(db, scopes) if status in (Status.LIVE, Status.SUSPECT) else (),
                event=None if source is None else naming.event_among(db, source, self._scopes(scope)),
                key_prefix=key_prefix,
                modality=None if modality is None else naming.choice(Modality, modality, "modality"),
                status=None if status is None else naming.choice(Status, status, "status"),
                now=self._moment(now, as_of),
                newest=newest,
            )
            return asking.whole(db, pks, moment)

    def status(
        self, fact: FactLike, *, now: datetime | None = None, as_of: datetime | None = None, scope: Scopes = None
    ) -> Status:
        """Where a fact stands at a moment."""
        moment, then = self._moment(now, as_of), naming.micros(as_of, "as_of")
        return self._about(fact, scope, lambda db, pk: asking.status_of(db, pk, moment, then))

    def history(
        self, fact: FactLike, *, now: datetime | None = None, as_of: datetime | None = None, scope: Scopes = None
    ) -> History:
        """The chain a fact stands in, oldest first, and everything that happened to it."""
        moment, then = self._moment(now, as_of), naming.micros(as_of, "as_of")
        return self._about(fact, scope, lambda db, pk: asking.history(db, pk, moment, then))

    def explain(self, fact: FactLike, *, now: datetime | None = None, scope: Scopes = None) -> Explanation:
        """Why a fact is believed as far as it is: source turns, standing, chain, confidence and what moved it."""
        moment = self._moment(now, None)
        return self._about(fact, scope, lambda db, pk: asking.explain(db, pk, moment))

    def conflicts(self, *, scope: Scopes = None) -> list[Conflict]:
        """What was asked for and refused, oldest first."""
        with self.ledger.reading() as db:
            return asking.conflicts(db, list(events.find_scopes(db, self._scopes(scope))))

    # --- looking after the file ---------------------------------------------------------------------------------

    def forget(
        self,
        what: FactLike | Event | Iterable[FactLike | Event] = (),
        *,
        session: str | None = None,
        scope: str | None = None,
        everything: bool = False,
        reason: str = "asked to forget",
    ) -> Certificate:
        """Erase content for good: facts, events, a session, or (with `everything`) a whole scope.

        Returns a certificate that names what was erased by id and what is out of reach; it is `pending` while
        another process still reads old pages, and finished at the next chance.
        """
        if self.claude is not None:
            self.claude.forget()  # its answers quote what it read
        return keeping.forget(self.ledger, what, self._scope(scope), session, everything, reason)

    def verify(self) -> list[Problem]:
        """Check everything that can be checked again: hashes, spans, statuses, chains, keys, indexes, the file."""
        return keeping.verify(self.ledger)

    def rebuild(self) -> None:
        """Throw the indexes away and make them again from the ledger."""
        with self.ledger.writing() as tx:
            had_vectors = vector.exists(tx.db)
            lexical.rebuild(tx)
            vector.rebuild(tx)
        if had_vectors:
            self.embed()

    def embed(self, limit: int | None = None) -> int:
        """Give facts the vectors that hybrid recall compares, all that lack one or at most `limit`; returns how many.

        A hybrid question does a little of this by itself. After a large capture, call it once: about 100 facts a
        second. Stopped midway it has kept what it did. Raises MissingExtra if the model is not installed.
        """
        return self._meanings.embed(self.ledger, limit)

    def backup(self, path: PathLike) -> None:
        """Write a consistent copy of the store to a new file, while others go on using it."""
        keeping.backup(self.ledger, path)

    def export(
        self, path: PathLike, *, as_of: datetime | None = None, valid_at: datetime | None = None, scope: Scopes = None
    ) -> int:
        """Write everything in the scope to a new JSON Lines file; returns the number of lines. Lossless, same ids."""
        times = naming.micros(as_of, "as_of"), naming.micros(valid_at, "valid_at")
        return keeping.export(self.ledger, path, self._scopes(scope), *times)

    def import_(self, path: PathLike, *, skip_bad_lines: bool = False) -> Imported:
        """Read an export; what is there already is passed over. ImportFailed names each bad line."""
        return keeping.import_(self.ledger, path, skip_bad_lines)

    def book(self, entry: Usage, *, scope: str | None = None) -> None:
        """Book tokens spent on this memory's behalf."""
        if entry.purpose not in usage.PURPOSES:
            raise UsageError(f"purpose {entry.purpose!r} is not one of {', '.join(usage.PURPOSES)}")
        with self.ledger.writing() as tx:
            usage.book(tx, entry, events.scope_pk(tx, self._scope(scope)))

    def usage(self, *, scope: str | None = None) -> list[Usage]:
        """Every booking, oldest first."""
        self._bookings.settle(patient=True)
        with self.ledger.reading() as db:
            return usage.entries(db, self._scope(scope))

    def stats(self, *, now: datetime | None = None, scope: Scopes = None) -> Mapping[str, Any]:
        """Counts of events, facts by status and modality, transitions, and the size of the file in bytes."""
        moment = self._moment(now, None)
        with self.ledger.reading() as db:
            return keeping.stats(db, self.ledger.path, list(events.find_scopes(db, self._scopes(scope))), moment)

    # --- inside -------------------------------------------------------------------------------------------------

    def _scopes(self, scope: Scopes) -> list[str]:
        if scope is None or isinstance(scope, str):
            return [self._scope(scope)]
        return [naming.name(one, "scope") for one in scope]

    def _moment(self, now: datetime | None, as_of: datetime | None) -> int:
        """The moment asked about: `now`, else `as_of`, else the clock's time."""
        if now is not None:
            return to_micros(now, "now")
        return to_micros(as_of, "as_of") if as_of is not None else to_micros(self.ledger.clock(), "the clock's time")

    def _about(self, fact: FactLike, scope: Scopes, ask: Callable[[Any, int], Found]) -> Found:
        with self.ledger.reading() as db:
            (pk,) = naming.fact_pks(db, fact, self._scopes(scope))
            return ask(db, pk)
