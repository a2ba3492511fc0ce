"""The Markdown files a store keeps: synced with its facts both ways, and reached by forgetting.

Whose words an edit is cannot be told from a file: anything that can write there may have written it. So what is read
there is a document's unless the caller vouches for it (`origin="user"`), with all that follows (invariants 5 and 6):
a document's line is kept as a fact and attributed, binds nobody, and cannot take the place of what a user said.
Both then stay, in the store and in the file, and the refusal is on record as a conflict.

A line that was changed is a new fact that replaces the old one; a line that was taken out withdraws its fact, on
record and to be reverted, where policy allows that; else the line comes back. A file that is gone or empty altogether
is put back: that is an accident more often than a wish, and `forget` is there for the wish. What is not current any
more leaves the files; what was said outside them comes in.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from memstore.errors import MemstoreError, NotFound, StoreBusy, UsageError
from memstore.ledger import copies, events
from memstore.ledger.connection import Ledger
from memstore.markdown.folder import Folder
from memstore.markdown.statement import Piece, item, same_words, statement
from memstore.markdown.view import Page, View, read_note
from memstore.model import Conflict, Fact, Modality, Origin, Span, Status
from memstore.policy import FILE_KEYS, strength, weaker
from memstore.reports import Synced
from memstore.store import naming
from memstore.store.held import mask

if TYPE_CHECKING:
    from memstore.store.facade import MemoryStore

TRIES = 20
KIND = "markdown"


class _Undo(Exception):
    """Ends a dry run: what it did is rolled back."""


def sync(store: MemoryStore, folder: str | os.PathLike[str], origin: str, dry_run: bool, scope: str) -> Synced:
    """See `MemoryStore.sync`."""
    by = naming.choice(Origin, origin, "origin")
    if by in (Origin.TOOL, Origin.SYSTEM):
        raise UsageError(f"the words in a file are not the {by}'s: say document, assistant or user")
    place = Folder(Path(folder))
    work = _Work(store, place, scope, by)
    with nullcontext() if dry_run and not place.root.exists() else place.locked():
        for _ in range(TRIES):
            done = work.once(dry_run)
            if done is not None:
                return done
    raise StoreBusy(f"files in {place.root} kept changing while they were synced: try again; nothing was lost")


class _Work:
    """One call of `sync`. What it took in stays taken in when a file changes under its hands and it looks again."""

    def __init__(self, store: MemoryStore, folder: Folder, scope: str, by: Origin) -> None:
        self.store = store
        self.folder = folder
        self.scope = scope
        self.by = by
        self.added: list[str] = []
        self.said: list[str] = []
        self.withdrawn: list[str] = []
        self.restored: list[str] = []
        self.conflicts: list[Conflict] = []

    def once(self, dry_run: bool) -> Synced | None:
        """Look at the files, take in what is new, write them; None if somebody wrote one meanwhile."""
        view = View(self.folder, self.scope)
        modalities = self._read(view)
        try:
            with self.store.transaction():
                self._register()
                self.facts = _current(self.store, self.scope)
                self.shown: set[str] = set()
                for page in view.pages.values():
                    self._marked(page, modalities)
                for page in view.pages.values():
                    self._unmarked(page, modalities)
                self._taken_out(view)
                for id_, (fact, status) in self.facts.items():
                    if id_ not in self.shown and id_ not in view.hidden:
                        view.place(fact, status)
                view.finish()
                if dry_run:
                    raise _Undo
        except _Undo:
            changed = [page.file for page in view.pages.values() if page.text != (page.before or "")]
            return self._report(view, changed)
        written = view.write()
        return None if written is None else self._report(view, written)

    def _report(self, view: View, written: Iterable[str]) -> Synced:
        return Synced(
            folder=str(self.folder.root),
            written=tuple(sorted(written)),
            added=tuple(self.added),
            said=tuple(self.said),
            withdrawn=tuple(self.withdrawn),
            restored=tuple(dict.fromkeys(self.restored)),
            conflicts=tuple(self.conflicts),
            problems=tuple(view.problems),
            shown=len(self.facts),
        )

    def _register(self) -> None:
        """Note that the folder is kept, for what is forgotten later."""
        path = str(self.folder.root.absolute())
        with self.store.ledger.reading() as db:
            known = path in copies.kept(db, KIND)
        if not known:
            copies.note(self.store.ledger, KIND, Path(path))

    def _read(self, view: View) -> dict[str, tuple[Modality, float]]:
        """What the tagger makes of the words of unmarked and of changed statements; read before the store is locked."""
        said = {
            piece.words
            for page in view.pages.values()
            for piece in page.pieces
            if piece.words and not (piece.mark and self._unchanged(piece))
        }
        if not said:
            return {}
        from memstore.capture.tagger import default_tagger

        texts = sorted(said)
        tags = default_tagger().tag(texts)
        return {text: (tag.modality, tag.probability) for text, tag in zip(texts, tags, strict=True)}

    def _unchanged(self, piece: Piece) -> bool:
        fact = self._fact(piece.mark)
        return fact is not None and _same(piece, fact)

    def _fact(self, id_: str | None) -> Fact | None:
        """The fact that a mark names, whatever became of it; None if it is none of this scope's."""
        try:
            return self.store.fact(id_, scope=self.scope) if id_ else None
        except NotFound:
            return None

    def _marked(self, page: Page, modalities: dict[str, tuple[Modality, float]]) -> None:
        """Lines that show facts: as they were, changed, or to be taken out."""
        kept: list[Piece] = []
        for piece in page.pieces:
            fact = self._fact(piece.mark)
            if fact is None:
                kept.append(replace(piece, mark=None))
                continue
            held = self.facts.get(fact.id)
            if not fact.text:  # forgotten: what stands there was to go with it
                continue
            if _same(piece, fact):
                if held and fact.id not in self.shown:
                    self.shown.add(fact.id)
                    kept.append(_refreshed(piece, *held))
                continue
            if fact.id in self.shown:  # its line stands elsewhere: this is a copy that somebody made something else of
                kept.append(replace(piece, mark=None))
                continue
            new = self._edited(page, piece, fact, modalities)
            if fact.id in self.facts and fact.id not in self.shown:
                self.shown.add(fact.id)
                self.restored.append(fact.id)
                kept.append(_shown(fact, self.facts[fact.id][1]))
            if new is not None and new.id not in self.shown:
                self.shown.add(new.id)
                kept.append(_shown(new, Status.LIVE))
        page.pieces = kept

    def _unmarked(self, page: Page, modalities: dict[str, tuple[Modality, float]]) -> None:
        """Lines that people wrote: known already, or new facts."""
        kept: list[Piece] = []
        by_words: dict[str, list[Fact]] = {}
        if any(piece.words and not piece.mark for piece in page.pieces):
            for fact, _ in self.facts.values():
                by_words.setdefault(" ".join((statement(fact).words or "").split()), []).append(fact)
        for piece in page.pieces:
            if piece.words is None or piece.mark is not None:
                kept.append(piece)
                continue
            known = [fact for fact in by_words.get(" ".join(piece.words.split()), ()) if _same(piece, fact)]
            new = next((fact for fact in known if fact.id not in self.shown), None)
            if new is None and known:
                continue  # said twice: it stands in the files already
            if new is None:
                new = self._remember(page, piece, piece.label or modalities[piece.words][0], modalities, None)
                self.facts[new.id] = (new, Status.LIVE)
                by_words.setdefault(" ".join(piece.words.split()), []).append(new)
            self.shown.add(new.id)
            kept.append(_shown(new, self.facts[new.id][1]))
        page.pieces = kept

    def _edited(
        self, page: Page, piece: Piece, old: Fact, modalities: dict[str, tuple[Modality, float]]
    ) -> Fact | None:
        """The fact that a changed line says: a new one that replaces the old, unless it is there already."""
        told = self.store.history(old, scope=self.scope)
        related = [fact.id for fact in told.facts] + [id_ for conflict in told.conflicts for id_ in conflict.new]
        for id_ in related:
            if id_ in self.facts and _same(piece, self.facts[id_][0]):
                return self.facts[id_][0]
        read = modalities[str(piece.words)][0]
        modality = piece.label or read
        if modality is old.modality and strength(read) <= strength(Modality.HYPOTHESIS):
            modality = weaker(modality, read)  # the words were made a hedge, and the mark before them was left
        new = self._remember(page, piece, modality, modalities, old)
        self.facts[new.id] = (new, Status.LIVE)
        was = told.statuses[old.id]
        self.conflicts += new.conflicts
        by_key = old.key is not None and (new.conflicts or was is not Status.SUPERSEDED)
        if not by_key and was is not Status.RETRACTED:
            done = self.store.supersede(old, new, reason=f"edited in {page.file}", scope=self.scope)
            if isinstance(done, Conflict):
                self.conflicts.append(done)
        if self.store.status(old, scope=self.scope) is Status.SUPERSEDED:
            self.facts.pop(old.id, None)
        return new

    def _remember(
        self,
        page: Page,
        piece: Piece,
        modality: Modality,
        modalities: dict[str, tuple[Modality, float]],
        old: Fact | None,
    ) -> Fact:
        """A fact whose source is what the file says, its own claim to a modality included."""
        claim = f"[{modality.value}] " if piece.label else ""
        words = mask(naming.words(piece.words or ""))
        with self.store.ledger.writing() as tx:
            turn = events.add(
                tx,
                scope=self.scope,
                session=f"{KIND}:{page.file}",
                ref=None,
                role=self.by.value,
                origin=self.by,
                at=tx.at,
                text=claim + words,
                pending=False,
            ).event
        self.said.append(f"[{modality.value}] {words}")
        new = self.store.remember(
            words,
            modality=modality.value,
            kind=old.kind if old else page.kind,
            source=Span(turn.id, len(claim), len(turn.text)),
            key=old.key if old else None,
            scope=self.scope,
        )
        self.added.append(new.id)
        return new

    def _taken_out(self, view: View) -> None:
        """Lines that were there and are no more: withdrawn where policy allows it, else put back."""
        lost = {id_ for page in view.lost for id_ in page.listed}
        self.restored += [id_ for id_ in lost if id_ in self.facts and id_ not in self.shown]
        for page in view.pages.values():
            for id_ in page.listed:
                if id_ not in self.facts or id_ in self.shown or id_ in lost or id_ in self.restored:
                    continue
                fact, _ = self.facts[id_]
                done = self.store.retract(
                    fact, reason=f"taken out of {page.file}", origin=self.by.value, scope=self.scope
                )
                if isinstance(done, Conflict):
                    self.conflicts.append(done)
                    self.restored.append(id_)
                else:
                    self.withdrawn.append(id_)
                    del self.facts[id_]


def _current(store: MemoryStore, scope: str) -> dict[str, tuple[Fact, Status]]:
    """What the files show: every fact that may be believed, doubted ones too, oldest first."""
    found = [
        (fact, status)
        for status in (Status.LIVE, Status.SUSPECT)
        for fact in store.facts(status=status, scope=scope)
        if not (fact.key or "").startswith(FILE_KEYS)
    ]
    return {fact.id: (fact, status) for fact, status in sorted(found, key=lambda one: one[0].id)}


def _same(piece: Piece, fact: Fact) -> bool:
    """Whether a line still says what its fact says, and claims to be what it is."""
    return same_words(piece, statement(fact)) and piece.label in (None, fact.modality)


def _shown(fact: Fact, status: Status) -> Piece:
    return replace(statement(fact), raw=item(fact, status))


def _refreshed(piece: Piece, fact: Fact, status: Status) -> Piece:
    """The line as it is, if its standing is still right: the bullet and the spaces are people's."""
    now = item(fact, status)
    return piece if piece.raw.split()[1:] == now.split()[1:] else replace(piece, raw=now)


# --- forgetting --------------------------------------------------------------------------------------------------


@contextmanager
def kept_files(ledger: Ledger) -> Iterator[Kept]:
    """The Markdown folders that the store keeps, held against other writers.

    They are taken hold of before the store is, as `sync` does: else each could wait for the other.
    """
    with ledger.reading() as db:
        paths = copies.kept(db, KIND)
    with ExitStack() as held:
        kept = Kept([], [])
        for path in sorted(paths):
            folder = Folder(path) if Path(path).is_dir() else None
            if folder is None:
                continue  # it was deleted, and its words with it
            try:
                if (note := read_note(folder)) is not None:
                    held.enter_context(folder.locked())
                    kept.views.append(View(folder, note["scope"]))
            except MemstoreError as error:
                kept.out_of_reach.append(f"markdown {path}: {error}")
        yield kept


class Kept:
    """The files of the folders, while something is being forgotten."""

    def __init__(self, views: list[View], out_of_reach: list[str]) -> None:
        self.views = views
        self.out_of_reach = out_of_reach
        self.written: list[str] = []

    def forget(self, scope: str, doomed: dict[str, str]) -> None:
        """Take a scope's facts ({id: words}) out of its files, and every other statement that holds their words."""
        said = {" ".join(words.split()) for words in doomed.values() if words.strip()}
        for view in (one for one in self.views if one.scope == scope):
            touched: list[str] = []
            for page in view.pages.values():
                kept = [piece for piece in page.pieces if not _doomed(piece, doomed, said)]
                if len(kept) < len(page.pieces) or any(words in page.front for words in said):
                    page.pieces = kept
                    touched.append(page.file)
            view.disown(doomed)
            view.finish(afresh=touched)
            self.out_of_reach += [f"markdown {view.folder.root}: {problem.message}" for problem in view.problems]
            for page in view.pages.values():
                page.listed = [id_ for id_ in page.listed if id_ not in doomed]
            try:
                written = view.write()
            except MemstoreError as error:
                self.out_of_reach.append(f"markdown {view.folder.root}: {error}")
                continue
            if written is None:
                self.out_of_reach.append(f"markdown {view.folder.root}: it was being written, sync it again")
            else:
                self.written += [str(view.folder.root / file) for file in written]


def _doomed(piece: Piece, doomed: dict[str, str], said: set[str]) -> bool:
    if piece.mark in doomed:
        return True
    shown = " ".join(piece.raw.split())
    return any(words in shown for words in said)
