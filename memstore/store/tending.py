"""Facts and the files they are about: tying one to the other, and hearing when a file changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from threading import Event as Stop
from typing import TYPE_CHECKING

from memstore.coherence import doubt
from memstore.errors import AnchorRefused, MissingExtra, NotFound, ReadOnlyStore, StoreBusy, UsageError
from memstore.ledger import anchors, events, facts
from memstore.ledger.anchors import Tie
from memstore.ledger.times import from_micros
from memstore.model import Recollection, Status
from memstore.store import naming, writing
from memstore.store.held import Held, mask
from memstore.store.naming import FactLike

if TYPE_CHECKING:
    from memstore.coherence.anchors import AnchorTarget
    from memstore.coherence.inventory import Inventory
    from memstore.coherence.snapshot import Snapshot
    from memstore.coherence.ties import Finding, Settled
    from memstore.reports import Anchor, AnchorReport

RECALL_SECONDS = 0.05
"""How long a recall may look at files. What was not looked at in time says so."""
_INVENTORY_SECONDS = 2.0


class Tending(Held):
    """The part of `MemoryStore` that keeps facts true to files."""

    _inventory: tuple[float, Inventory] | None = None
    _untied: str | None = None
    """Why a fact could not be tied to the code that it names, until that is told."""
    _warned = False

    def tie(self, fact: FactLike, *targets: AnchorTarget | str, scope: str | None = None) -> list[Anchor]:
        """Tie a fact to files under the store's root; it becomes suspect when what they hold changes or goes.

        A target is an `AnchorTarget` or text: `src/a.py`, `src/a.py:10-20`, `src/a.py#Class.method`,
        `cli.py#--dry-run`, `app.toml#cache.ttl`. Returns every anchor the fact now has. Raises NotFound for what is
        not there, AnchorRefused for what is outside the root or cannot be read.
        """
        root, seen = self._see("", targets)
        with self.ledger.writing() as tx:
            (pk,) = naming.fact_pks(tx.db, fact, [self._scope(scope)])
            writing.tie(tx, pk, root, seen)
        return self.anchors(fact, scope=scope)

    def anchors(self, fact: FactLike, *, scope: str | None = None) -> list[Anchor]:
        """What a fact is tied to."""
        from memstore.reports import Anchor

        with self.ledger.reading() as db:
            (pk,) = naming.fact_pks(db, fact, [self._scope(scope)])
            id_ = facts.rows(db, [pk])[pk].id
            return [
                Anchor(id_, root, t.path, t.lines, t.symbol, t.commit, from_micros(t.at), t.doubt is not None, here)
                for t in anchors.of_facts(db, [pk], elsewhere=True)
                for root, here in [anchors.named_root(t.root)]
            ]

    def anchored_files(self, *, scope: str | None = None) -> list[Path]:
        """The files that facts which can still be current are tied to, absolute, sorted: what is worth watching."""
        with self.ledger.reading() as db:
            ties = anchors.in_scopes(db, list(events.find_scopes(db, [self._scope(scope)])))
        return sorted({Path(tie.root, tie.path) for tie in ties})

    def check_anchors(
        self,
        *,
        paths: Iterable[str] | None = None,
        since: str | None = None,
        seconds: float | None = None,
        scope: str | Sequence[str] | None = None,
    ) -> AnchorReport:
        """Look at what facts are tied to, and record what changed, went, moved or came back.

        paths    only ties to these (relative to the root, or absolute); `root` must then be known
        since    only ties to files that were committed or staged since this commit
        seconds  stop looking after so long; the report counts what was left
        """
        from memstore.coherence import git, ties

        naming.seconds(seconds)
        if isinstance(paths, str | Path):
            raise UsageError(f"paths is a list of paths, not one: write [{str(paths)!r}]")
        if not isinstance(since, str | None):
            raise UsageError(f"since is the name of a commit, not {type(since).__name__}")
        with self.ledger.reading() as db:
            scopes = list(events.find_scopes(db, self._named(scope)))
            if paths is None and since is None:
                rows = anchors.in_scopes(db, scopes)
            else:
                rows = []
                for root in anchors.roots(db, scopes):
                    touched = set(_under(Path(root), paths or ()))
                    if since is not None:
                        changed = git.changed_since(Path(root), since)
                        if changed is None:
                            raise UsageError(f"git knows no commit {since!r} in {root}: name one of its history")
                        touched |= changed
                    rows += anchors.in_scopes(db, scopes, root, touched)
        found = ties.look(rows, mask=mask, seconds=seconds)
        if not any(one.news for one in found):
            return self._report(found, ties.Settled(), len(rows))
        with self.ledger.writing() as tx:
            settled = ties.settle(tx, found)
        return self._report(found, settled, len(rows))

    def file_changed(self, path: str | Path, *, scope: str | Sequence[str] | None = None) -> AnchorReport:
        """Somebody (an agent's tool, an editor, a hook) changed, moved or removed a file: check what is tied to it."""
        return self.check_anchors(paths=[str(path)], scope=scope)

    def watch(
        self, *, stop: Stop | None = None, settle_ms: int = 400, scope: str | Sequence[str] | None = None
    ) -> Iterator[AnchorReport]:
        """Check what is tied to each file under the store's root as it changes; ends when `stop` is set.

        The first report is of everything: what changed before anybody watched is found then.
        """
        from memstore.coherence.watch import watch

        def tied() -> list[Path]:
            return [path for one in self._named(scope) for path in self.anchored_files(scope=one)]

        for paths in watch(self._root(), stop=stop, settle_ms=settle_ms, tied=tied):
            yield self.check_anchors(paths=paths or None, scope=scope)

    # --- inside -------------------------------------------------------------------------------------------------

    def _see(self, text: str, targets: Iterable[AnchorTarget | str] | None) -> tuple[Path, list[Snapshot]]:
        """What a fact is tied to as it is now: the targets given, else what its text names, if there is a root."""
        if targets is None and self.root is None:
            return Path(), []
        from memstore.coherence.anchors import AnchorTarget, find_anchors
        from memstore.coherence.snapshot import observe

        if targets is not None:
            if isinstance(targets, str | AnchorTarget) or not isinstance(targets, Iterable):
                raise UsageError(f"anchors is a list of targets, not {targets!r:.80}: put it in brackets")
            given = [_target(one) for one in targets]
            root = self._root() if self.root is not None or given else Path()
            return root, [observe(root, one, mask=mask) for one in given]
        root = self._root()
        seen = []
        for one in find_anchors(text, root, inventory=self._names()):
            try:
                seen.append(observe(root, one, mask=mask))
            except MissingExtra as error:
                self._untied = f"a fact names {one}, and was not tied to it. {error}"
            except (NotFound, AnchorRefused):
                continue  # it went while we looked, or cannot be read: nothing was claimed that we can hold it to
        return root, seen

    def _told_untied(self) -> tuple[str, ...]:
        """What is to be told of facts that were not tied to the code they name."""
        untied, self._untied = self._untied, None
        return () if untied is None else (untied,)

    def _warn_untied(self) -> None:
        """The same, to the log: once for an open store."""
        untied = self._told_untied()
        if untied and not self._warned:
            import logging  # a command that has nothing to say starts without it

            self._warned = True
            logging.getLogger(__name__).warning("%s", *untied)

    def _names(self) -> Inventory:
        """Where names are defined under the root, as of some seconds ago: capture asks for hundreds of texts."""
        from memstore.coherence.inventory import Inventory

        now = time.monotonic()
        if self._inventory is None or now > self._inventory[0] + _INVENTORY_SECONDS:
            self._inventory = (now, Inventory(self._root()))
        return self._inventory[1]

    def _fresh(self, ask: Callable[[], list[Recollection]], *, quick: bool) -> list[Recollection]:
        """The answer with what its files say at this moment: doubt is told at once, and recorded if it can be.

        The files of premises are looked at too, for at most `RECALL_SECONDS` in all. A `quick` answer takes no longer
        than a snapshot may be held: it and its ties are then read in one.
        """
        with self.ledger.reading() if quick else nullcontext():
            told = ask()
            with self.ledger.reading() as db:
                if not told or not db.execute("SELECT 1 FROM anchors LIMIT 1").fetchone():
                    return told
                rows = anchors.of_facts(db, doubt.support(db, facts.pks_of(db, [r.fact_id for r in told])))
        if not rows:
            return told
        from memstore.coherence import ties

        found = ties.look(rows, mask=mask, seconds=RECALL_SECONDS, search=RECALL_SECONDS)
        if any(one.news for one in found):
            try:
                with self.ledger.writing(patient=False) as tx:
                    ties.settle(tx, found)
                told = ask()
            except (StoreBusy, ReadOnlyStore):
                pass  # a read never waits for a write: the next look finds it again
        with self.ledger.reading() as db:
            pks = facts.pks_of(db, [r.fact_id for r in told])
        unseen = rows[len(found) :]
        return [
            _marked(r, [one for one in found if one.tie.fact == pk], [one for one in unseen if one.fact == pk])
            for r, pk in zip(told, pks, strict=True)
        ]

    def _report(self, found: Sequence[Finding], settled: Settled, of: int) -> AnchorReport:
        from memstore.reports import AnchorReport

        with self.ledger.reading() as db:
            rows = facts.rows(db, {*settled.flagged, *settled.restored, *settled.moved})
        return AnchorReport(
            checked=len(found),
            flagged=tuple(rows[pk].id for pk in settled.flagged),
            restored=tuple(rows[pk].id for pk in settled.restored),
            moved=tuple(rows[pk].id for pk in settled.moved),
            unreadable=tuple(one.verdict.reason for one in found if one.verdict.state == "unreadable"),
            unchecked=of - len(found),
        )

    def _named(self, scope: str | Sequence[str] | None) -> list[str]:
        """The scopes that a caller named, or the store's own."""
        return [self._scope(one) for one in ([scope] if scope is None or isinstance(scope, str) else scope)]

    def _root(self) -> Path:
        if self.root is None:
            raise UsageError("this store has no root to tie facts to files under: open it with MemoryStore(…, root=…)")
        return self.root


def _target(given: AnchorTarget | str) -> AnchorTarget:
    """A target as a caller names it."""
    from memstore.coherence.anchors import AnchorTarget

    if isinstance(given, str):
        return AnchorTarget.parse(given)
    if not isinstance(given, AnchorTarget):
        raise UsageError(f"an anchor is an AnchorTarget, or text such as src/a.py#name, not {type(given).__name__}")
    return given


def _under(root: Path, paths: Iterable[str]) -> Iterator[str]:
    """Those of the paths that lie under a root, relative to it."""
    from memstore.coherence.files import relative

    for path in paths:
        try:
            yield relative(root, path)
        except AnchorRefused:
            continue
        except TypeError:
            raise UsageError(f"a path is text, not {type(path).__name__}") from None


def _marked(told: Recollection, found: Sequence[Finding], unseen: Sequence[Tie]) -> Recollection:
    """A recollection that says what its files say."""
    if not found and not unseen:
        return told
    from memstore.coherence.confidence import Evidence, confidence, shown
    from memstore.coherence.ties import target

    states = {str(target(one.tie)): one.verdict.state.value for one in found}
    states |= {str(target(one)): "not looked at" for one in unseen}
    known: tuple[str, ...] = tuple(told.why.get("doubts", ()))  # type: ignore[arg-type]
    fresh = [one.reason for one in found if one.verdict.doubtful and not one.tie.doubt and one.reason not in known]
    why = {**told.why, "anchors": states, **({"doubts": (*known, *fresh)} if known or fresh else {})}
    evidence = Evidence(
        **{
            **told.why["evidence"],  # type: ignore[arg-type, dict-item]
            "doubts": len(known) + len(fresh),
            "verified": bool(found) and all(one.verdict.state in ("unchanged", "moved") for one in found),
        }
    )
    sure = confidence(evidence)
    stands = Status.SUSPECT if fresh and told.status is Status.LIVE else told.status
    return replace(told, status=stands, confidence=sure.probability, why={**why, **shown(sure, evidence)})
