"""memstore seen through files: `sync` writes what holds as MEMORY.md and topic files, and they are all that is read.

What a person or an agent without a connection to the store has in hand. A question is answered from the lines of the
files alone, so what they leave out (what was replaced, how sure it is, what held on a date) is not to be had.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from evals.arms.bm25 import Index
from evals.arms.markdown import Folders
from evals.arms.memstore import Memstore
from evals.cost import COUNTER, count
from evals.model import Item, Query, Recalled, Sample, Tokens

_ITEM = re.compile(r"^- \[(?P<head>[^\]\n]+)\] (?P<words>.*?) <!-- (?P<id>f_\w+) -->$", re.MULTILINE | re.DOTALL)
_QUOTED = re.compile(r"according to (\w+) .*?, not binding: «(?P<words>.*)»", re.DOTALL)
_LABELS = {
    "DECIDED": "decision",
    "option, not decided": "option_considered",
    "guess": "hypothesis",
    "open question": "question",
    "observed": "observation",
}


class MemstoreMarkdown(Memstore):
    name = "memstore_markdown"
    about = "memstore's facts as MEMORY.md + topic files (sync), read as files: the marks stand in the lines"

    shared = False

    def open(self, workdir: Path, sample: Sample) -> None:
        super().open(workdir, sample)
        self.folders = Folders(workdir)

    def ingest(self, items: Sequence[Item]) -> int:
        writes = super().ingest(items)
        for scope in sorted(self.scopes, key=str):
            self.memory.sync(self.folders.path(scope), scope=scope)
        self.shown = {fact.id: fact for scope in self.scopes for fact in self.memory.facts(scope=scope)}
        return writes

    def inject(self, now: datetime, scope: str | None = None) -> str:
        return self.folders.of(scope).inject().text

    def recall(self, query: Query) -> list[Recalled]:
        bodies = [topic.body for topic in self.folders.of(query.scope).recall(query.text)]
        lines = [line for body in bodies for line in _ITEM.finditer(body) if self._said(line["id"], query.as_of)]
        ranked = Index([line["words"] for line in lines]).rank(query.text)
        found = [self._line(lines[i], score) for i, score in ranked[: query.k]]
        # Whole files are what a reader has in view; the harness counts only what is handed over.
        rest = sum(map(count, bodies)) - sum(count(r.text) for r in found)
        self._spent.append(Tokens("retrieve", max(0, rest), COUNTER))
        return found

    def _said(self, fact: str, by: datetime | None) -> bool:
        return by is None or self.shown[fact].said_at <= by

    def _line(self, line: re.Match[str], score: float) -> Recalled:
        """One line as it stands in the file; the harness knows which turn its fact came from, for scoring."""
        fact = self.shown[line["id"]]
        refs = dict.fromkeys(ref for p in fact.provenance for ref in self._sources(p.event_id, p.ref))
        label, *standing = line["head"].split(" · ")
        quoted = _QUOTED.fullmatch(line["words"])
        words = (quoted["words"] if quoted else line["words"]).replace("\n  ", "\n")
        return Recalled(
            text=words,
            refs=tuple(refs),
            modality=_LABELS.get(label),
            score=score,
            quote=words,
            origin=quoted[1] if quoted else next((s for s in standing if s.isalpha() and s.islower()), "user"),
        )
