"""memstore seen through files: the facts that hold, written as MEMORY.md and topic files, and read back from there.

What a person or an agent without a connection to the store has in hand. The files are a view: a question is answered
from their lines alone, so what the view leaves out (what was replaced, what expired, how sure it is) is not to be had.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from evals.arms.bm25 import Index
from evals.arms.memstore import Memstore
from evals.cost import COUNTER, count
from evals.model import Item, Query, Recalled, Sample, Tokens
from memstore import MarkdownMemory, Note, curate, curated_notes

_MARKED = re.compile(r"\[(\w+)\] (.*)", re.DOTALL)


class MemstoreMarkdown(Memstore):
    name = "memstore_markdown"
    about = "memstore's live facts as MEMORY.md + topic files, read as files: the marks stand in the lines"

    def open(self, workdir: Path, sample: Sample) -> None:
        super().open(workdir, sample)
        self.files_view = MarkdownMemory(workdir / "memory")

    def ingest(self, items: Sequence[Item]) -> int:
        writes = super().ingest(items)
        self.source_of: dict[str, tuple[str, ...]] = {}
        notes: list[Note] = []
        for fact in sorted(self.memory.facts(status="live"), key=lambda fact: fact.said_at):
            refs = dict.fromkeys(ref for p in fact.provenance for ref in self._sources(p.event_id, p.ref))
            self.source_of[fact.id] = tuple(refs)
            line = f"[{fact.modality}] {fact.text}"
            notes.append(Note(line, str(fact.origin), fact.id, fact.provenance[0].session, fact.said_at))
        curate(self.files_view, notes)
        return writes

    def inject(self, now: datetime) -> str:
        return self.files_view.inject().text

    def recall(self, query: Query) -> list[Recalled]:
        topics = self.files_view.recall(query.text)
        notes = [note for topic in topics for note in curated_notes(topic)]
        said = [note for note in notes if query.as_of is None or note.at <= query.as_of]
        found = [self._line(said[i], score) for i, score in Index([n.text for n in said]).rank(query.text)[: query.k]]
        # Whole files are what a reader has in view; the harness counts only what is handed over.
        rest = sum(count(topic.body) for topic in topics) - sum(count(r.text) for r in found)
        self._spent.append(Tokens("retrieve", max(0, rest), COUNTER))
        return found

    def _line(self, note: Note, score: float) -> Recalled:
        marked = _MARKED.fullmatch(note.text)
        assert marked, "every line of the view is marked"
        refs = self.source_of[note.ref]
        return Recalled(marked[2], refs, modality=marked[1], score=score, quote=marked[2], origin=note.role)
