"""MemoryStore: what an agent, a notebook or a command line uses. Everything else is behind it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from memstore.coherence import doubt
from memstore.errors import UsageError
from memstore.index import lexical
from memstore.ledger import events, facts, usage
from memstore.ledger.connection import Ledger
from memstore.model import Conflict, Event, Fact, Kind, Modality, Status, Usage
from memstore.policy import Lifetimes
from memstore.recall.tokens import CHARACTERS, Counter
from memstore.store import asking, keeping, naming, writing
from memstore.store.booking import Bookings
from memstore.store.capturing import Capturing
from memstore.store.changing import Changing, Facts
from memstore.store.held import Scopes
from memstore.store.meaning import Meanings
from memstore.store.naming import FactLike, SourceLike
from memstore.store.recalling import Recalling
from memstore.store.reviewing import Reviewing
from memstore.store.syncing import Syncing

if TYPE_CHECKING:
    from memstore.capture.extract import Extractor
    from memstore.claude import Claude
    from memstore.coherence.anchors import AnchorTarget
    from memstore.index.embedding import Encoder
    from memstore.reports import Certificate, Explanation, History, Imported, Problem


class _Default(Enum):
    """Stands for "as the policy says", where None means "without a lifetime"."""

    DEFAULT = "default"


DEFAULT = _Default.DEFAULT
PathLike = str | os.PathLike[str]
Found = TypeVar("Found")


class MemoryStore(Capturing, Changing, Recalling, Reviewing, Syncing):
    """A memory in one file. Safe to share between threads, and to open in many processes at once.

    path      the SQLite file; made if it is not there (its directory must be)
    scope     the scope of calls that name none; scopes are walls
    clock     gives the time as an aware datetime; the system's unless given
    lifetimes how long each class of fact lasts (`memstore.policy.DEFAULT_LIFETIMES` unless given)
    counter   counts tokens for budgets; its name is in every answer
    chroma    an approximate index for hybrid recall in large stores: True keeps it in a folder beside the store,
              "http://host:port" on a Chroma server
    root      the directory of the files that facts are about: what a fact names there it is tied to
    upkeep    opening may take as long as it takes to bring an older store up to date and to make missing indexes;
              without it such a store raises UpkeepDue
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
        chroma: bool | str = False,
        root: PathLike | None = None,
        claude: Claude | None = None,
        create: bool = True,
        upkeep: bool = True,
    ) -> None:
        self.scope = naming.name(scope, "scope")
        self._meanings = Meanings(Path(path), encoder, chroma)
        self.ledger = Ledger(path, clock=clock, create=create, upkeep=upkeep)
        self._meanings.begin(self.ledger)
        self.ledger.clear_copies = self._meanings.clear
        self.lifetimes = lifetimes or Lifetimes()
        self.counter = counter
        self._extractor = extractor
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
        self._meanings.close()
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
            ).event

    def remember(
        self,
        text: str,
        *,
        modality: str | None = None,
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

        modality  what the words claim to be; read off them by the tagger unless given, with how sure it is
        origin    whose words they are: "user" without a source; with one, its own origin (the least, of several)
        key       an exact name; of two facts under it the one said later (`at`) replaces the other, whichever was
                  recorded first. Where policy forbids that (a weaker word, or a lower authority) both stay, and the
                  returned fact carries the conflict
        at        when it was said (its source's time, else now); lifetimes run from then
        valid_from, valid_to   when it is true in the world, from `at` on unless given
        ttl       a lifetime, None for none, DEFAULT for the policy's by modality and kind, or to `valid_to` if sooner
        depends_on   the facts this one was concluded from
        anchors   what it is tied to (see `tie`); unless given, what its text names under the store's root
        """
        from memstore.capture.secrets import mask

        text = mask(naming.words(text)).text
        said, probability, cues = writing.modality_of(text, modality)
        about = naming.choice(Kind, kind, "kind")
        if isinstance(ttl, _Default):
            since = at or getattr(source, "at", None) or self.ledger.clock()
            stated = valid_to - since if valid_to and valid_to.tzinfo else None
            over = stated is not None and stated <= timedelta(0)  # it was over before it was said
            lifetime = writing.SHORTEST if over else self.lifetimes.of(text, said, about, stated)
        else:
            lifetime = ttl
        seen_at, seen = self._see(text, anchors)
        self._warn_untied()
        with self.ledger.writing() as tx:
            pk, fact = writing.remember(
                tx,
                text=text,
                modality=said,
                probability=probability,
                context={"cues": cues} if cues else {},
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
            return fact

    # --- answers out --------------------------------------------------------------------------------------------

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
        times = naming.micros(as_of, "as_of"), naming.micros(valid_at, "valid_at")
        with self.ledger.reading() as db:
            return asking.by_key(db, self._scopes(scope), key, moment, *times)

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

    def finish_forgetting(self) -> list[Certificate]:
        """Finish erasing what had to wait, as the next forgetting or opening would; returns what is still pending."""
        return keeping.finish_forgetting(self.ledger)

    def verify(self) -> list[Problem]:
        """Check everything that can be checked again: hashes, spans, statuses, chains, keys, indexes, the file."""
        return keeping.verify(self.ledger) + self._meanings.problems()

    def rebuild(self) -> None:
        """Throw the indexes away and make them again from the ledger."""
        from memstore.index import vector

        with self.ledger.writing() as tx:
            had_vectors = vector.exists(tx.db)
            lexical.rebuild(tx)
            vector.rebuild(tx)
        if had_vectors:
            self.embed()

    def backup(self, path: PathLike) -> None:
        """Write a consistent copy of the store to a new file, while others go on using it."""
        keeping.backup(self.ledger, path)

    def export(
        self, path: PathLike, *, as_of: datetime | None = None, valid_at: datetime | None = None, scope: Scopes = None
    ) -> int:
        """Write everything in the scope to a new JSON Lines file; returns the number of lines. Lossless, same ids."""
        times = naming.micros(as_of, "as_of"), naming.micros(valid_at, "valid_at")
        return keeping.export(self.ledger, path, self._scopes(scope), *times)

    def import_(self, path: PathLike, *, skip_bad_lines: bool = False, root: PathLike | None = None) -> Imported:
        """Read an export; what is there already is passed over. ImportFailed names each bad line.

        Facts that are tied to files stay so under the store's own root. What was tied under another is looked at only
        if `root` says where those files are here; until an import does, those ties are kept and nothing is read.
        """
        named = self.root if root is None else naming.directory(root)
        return keeping.import_(self.ledger, path, skip_bad_lines, named, anywhere=root is not None)

    def book(self, entry: Usage, *, scope: str | None = None, ref: str | None = None) -> None:
        """Book tokens spent on this memory's behalf. What was booked under the same `ref` before is passed over."""
        if entry.purpose not in usage.PURPOSES:
            raise UsageError(f"purpose {entry.purpose!r} is not one of {', '.join(usage.PURPOSES)}")
        with self.ledger.writing() as tx:
            usage.book(tx, entry, events.scope_pk(tx, self._scope(scope)), ref)

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

    def _about(self, fact: FactLike, scope: Scopes, ask: Callable[[Any, int], Found]) -> Found:
        with self.ledger.reading() as db:
            (pk,) = naming.fact_pks(db, fact, self._scopes(scope))
            return ask(db, pk)
