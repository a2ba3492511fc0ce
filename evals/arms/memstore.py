"""memstore itself, through its public interface only: record, capture, remember, supersede, recall.

A turn is recorded, and captured when its session ends, as a hook would. A turn that comes with a modality or a key is
an explicit write, and a declared edge an explicit `supersede`: tasks that have them hand them to every arm, and most
arms have no use for them. The store's clock is the conversation's, so that questions as of a past date mean that date.
Where a sample has files, they stand in a folder that the store is told of.

The switches take one capability away; `evals.arms.ablations` turns each of them off once.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from itertools import chain, groupby
from pathlib import Path

from evals.arms import vectors
from evals.arms.base import BaseArm
from evals.arms.together import write_together
from evals.claude import BILLED, ready
from evals.model import Edge, EvalError, Item, Query, Recalled, Sample, Tokens, Turn
from memstore import Budget, Claude, Fact, Kind, Lifetimes, MemoryStore, Modality, Recollection

CURRENT = ("live", "suspect")
FOREVER = Lifetimes(table={(modality, kind): None for modality in Modality for kind in Kind}, moment=None, stated=False)


class Memstore(BaseArm):
    name = "memstore"
    about = "memstore, exact mode: every sentence captured with its modality, no model loaded"
    mode = "exact"
    marks = True
    chains = True
    lifetimes = True
    authority = True
    anchors = True
    shared = True

    def __init__(self) -> None:
        super().__init__()
        switches = ("marks", "chains", "lifetimes", "authority", "anchors")
        self.settings = {"mode": self.mode, **{name: False for name in switches if not getattr(self, name)}}

    def open(self, workdir: Path, sample: Sample) -> None:
        super().open(workdir, sample)
        self.moment = min(item.at for item in sample.items)
        self.files = sample.extras.get("files") if self.anchors else None
        self.later: Mapping[str, str] = sample.extras.get("files_later") or {}
        self.root = workdir / "project"
        if self.files is not None:
            self._lay_out(self.files)
        self.memory = MemoryStore(
            workdir / "memory.db",
            clock=lambda: self.moment,
            lifetimes=None if self.lifetimes else FOREVER,
            root=None if self.files is None else self.root,
            claude=self.asked(),
        )
        self.resources.callback(self.memory.close)
        self.refs: dict[str, list[str]] = {}
        self.scopes: set[str | None] = set()
        self.writers = int(sample.extras.get("writers", 1))

    def asked(self) -> Claude | None:
        """Who helps with extraction: nobody, and nothing is ever sent."""
        return None

    def ingest(self, items: Sequence[Item]) -> int:
        if self.writers > 1:
            turns = [item for item in items if isinstance(item, Turn)]
            self.moment = max(turn.at for turn in turns)
            return write_together(_write_share, self.workdir, turns, self.writers)
        writes = 0
        for _, together in groupby(items, key=lambda item: item.session if isinstance(item, Turn) else None):
            for item in together:
                self.scopes.add(item.scope if isinstance(item, Turn) else None)
                self.moment = max(self.moment, item.at)
                writes += self._declare(item) if isinstance(item, Edge) else self._write(item)
            for scope in sorted(self.scopes, key=str):
                self.memory.capture(scope=scope)
        if self.files is not None:
            self._lay_out(self.later)
        return writes

    def recall(self, query: Query) -> list[Recalled]:
        self.moment = max(self.moment, query.now)
        found = self.memory.recall(
            query.text,
            k=query.k,
            budget=query.budget,
            mode=self.mode,
            now=query.now,
            as_of=query.as_of,
            scope=query.scope,
        )
        return [self._recalled(r) for r in found]

    def _origin(self, turn: Turn) -> str | None:
        return turn.origin if self.authority else "user"

    def _write(self, turn: Turn) -> int:
        key = turn.key if self.chains else None
        origin = self._origin(turn)
        if not (turn.modality or turn.key):
            role = turn.role if self.authority else "user"
            self.memory.record(
                turn.text,
                role=role,
                session=turn.session,
                at=turn.at,
                origin=origin,
                ref=turn.ref,
                scope=turn.scope,
            )
            return 1
        fact = self.memory.remember(
            turn.text,
            modality=turn.modality or self._settled(turn),
            kind="reference" if self._of_a_register(turn) else "project",
            key=key,
            origin=origin or turn.role,
            at=turn.at,
            session=turn.session,
            scope=turn.scope,
            # What is settled under a key, or stands under it in a register, stands until the key is written again; what
            # was read off the world goes stale.
            **({"ttl": None} if turn.key and (not turn.modality or self._of_a_register(turn)) else {}),
        )
        for source in fact.provenance:
            self.refs.setdefault(source.event_id, []).append(turn.ref)
        return 1

    @staticmethod
    def _of_a_register(turn: Turn) -> bool:
        return (turn.origin or turn.role) == "document"

    def _settled(self, turn: Turn) -> str:
        """What a user or the system writes under a key, without saying how it is meant, is settled by writing it."""
        return "decision" if turn.key and (self._origin(turn) or turn.role) in ("user", "system") else "observation"

    def _declare(self, edge: Edge) -> int:
        if not self.chains or edge.relation != "supersedes":
            return 0
        held: dict[str, list[Fact]] = {}
        for fact in chain.from_iterable(self.memory.facts(scope=scope) for scope in self.scopes):
            for ref in {ref for p in fact.provenance for ref in self._sources(p.event_id, p.ref)}:
                held.setdefault(ref, []).append(fact)
        old = [fact for ref in edge.old for fact in held.get(ref, ())]
        new = [fact for ref in edge.new for fact in held.get(ref, ()) if fact not in old]
        if not old or not new:
            return 0
        self.memory.supersede(old, new, reason=edge.reason)
        return 1

    def _sources(self, event_id: str, ref: str | None) -> list[str]:
        return [ref] if ref else self.refs.get(event_id, [])

    def _recalled(self, r: Recollection) -> Recalled:
        refs = dict.fromkeys(ref for p in r.provenance for ref in self._sources(p.event_id, p.ref))
        return Recalled(
            text=r.text,
            refs=tuple(refs),
            modality=str(r.modality) if self.marks else None,
            current=str(r.status) in CURRENT,
            score=r.score,
            quote=r.provenance[0].quote,
            confidence=r.confidence if self.marks else None,
            origin=str(r.origin),
            extra={
                "status": str(r.status),
                "binding": r.binding,
                "replaces": list(r.replaces),
                "files": sorted(r.why.get("anchors", ())),
                "evidence": r.why["evidence"],
            },
        )

    def _lay_out(self, files: Mapping[str, str]) -> None:
        """Make the project folder hold exactly these files. A name that leaves the folder is refused."""
        shutil.rmtree(self.root, ignore_errors=True)
        self.root.mkdir()
        for name, text in files.items():
            path = (self.root / name).resolve()
            if not path.is_relative_to(self.root.resolve()):
                raise EvalError(f"the sample names a file outside its folder: {name}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def _write_share(workdir: Path, turns: Sequence[Turn]) -> int:
    """What one of several processes writes: each turn as it is said, captured at the end, in the turn's own scope."""
    said = turns[-1].at
    with MemoryStore(workdir / "memory.db", clock=lambda: said) as memory:
        for turn in turns:
            memory.record(turn.text, role=turn.role, session=turn.session, at=turn.at, ref=turn.ref, scope=turn.scope)
        for scope in dict.fromkeys(turn.scope for turn in turns):
            memory.capture(scope=scope)
    return len(turns)


class MemstoreClaude(Memstore):
    """With Claude as the extractor; the offline arm reads the words by rule and tagger."""

    name = "memstore_claude"
    about = "memstore, exact mode, Claude extracting: quotes held to the words"

    @classmethod
    def missing(cls) -> str | None:
        try:
            ready()
        except EvalError as error:
            return str(error)
        return None

    def asked(self) -> Claude | None:
        return Claude(budget=Budget(calls_per_session=1_000, tokens=5_000_000))

    def spent(self) -> Sequence[Tokens]:
        """What the store was billed for, both sides of each call. What its review asks is part of writing."""
        return tuple(
            Tokens("retrieve" if u.purpose == "retrieve" else "write", n, BILLED, u.model, kind)
            for u in self.memory.usage()
            if u.counter == BILLED
            for n, kind in ((u.input_tokens, "input"), (u.output_tokens, "output"))
        )


class MemstoreSelect(MemstoreClaude):
    """With Claude at recall only: what was said is read by rule and tagger, as in `memstore`."""

    name = "memstore_select"
    about = "memstore, select mode: Claude picks at most five of what words find; extraction by rule"
    mode = "select"

    def asked(self) -> None:
        return None

    def ingest(self, items: Sequence[Item]) -> int:
        writes = super().ingest(items)
        self.memory.claude = super().asked()
        return writes


class MemstoreHybrid(Memstore):
    """With vectors beside words; `memstore` is the same without them."""

    name = "memstore_hybrid"
    about = "memstore, hybrid mode: words and MiniLM vectors, fused"
    mode = "hybrid"

    @classmethod
    def missing(cls) -> str | None:
        return vectors.missing()

    def ingest(self, items: Sequence[Item]) -> int:
        writes = super().ingest(items)
        self.memory.embed()
        return writes
