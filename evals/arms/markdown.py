"""MEMORY.md and topic files: the lossless baseline, kept by hand where a task ships a file, else by a stated rule.

`markdown_curated` is a file that a person wrote: its index is injected whole, and a question reads its lines.
`markdown` is what memstore's automatic curator makes of the turns: word for word, newest topics first, an index that is
injected up to its cap, and at most five topic files opened for a question, in a folder for each scope. A reader then
has whole files in view, so whole files are what a recall costs; the turns in them are handed over by the words they
share with the question.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from evals.arms.base import BaseArm
from evals.arms.bm25 import Index
from evals.arms.oracle import LABOUR_USD_A_LINE
from evals.cost import COUNTER, count
from evals.model import Item, Query, Recalled, Sample, Tokens, Turn
from memstore import MarkdownMemory, Note, curate, curated_notes


class MarkdownCurated(BaseArm):
    name = "markdown_curated"
    about = "a MEMORY.md that a person wrote for this conversation, injected whole"
    caveat = "markdown_curated is a file written by hand; its labour is priced by the line in the cost curves only."

    def __init__(self) -> None:
        super().__init__()
        self.settings = {"labour_usd_a_line": LABOUR_USD_A_LINE}

    def applies(self, sample: Sample) -> str | None:
        return None if "markdown_curated" in sample.extras else "no hand-written file for this sample"

    def open(self, workdir: Path, sample: Sample) -> None:
        super().open(workdir, sample)
        self.memory = MarkdownMemory(workdir / "memory")
        self.file = str(sample.extras["markdown_curated"])

    def ingest(self, items: Sequence[Item]) -> int:
        self.memory.write_index(self.file)
        return sum(bool(line.strip()) and not line.startswith("#") for line in self.file.splitlines())

    def inject(self, now: datetime, scope: str | None = None) -> str:
        return self.memory.inject().text

    def recall(self, query: Query) -> list[Recalled]:
        """The lines of the file that the reader has in view, those with the question's words first."""
        return [
            Recalled(line.text.lstrip("-*+ "), quote=line.text) for line in self.memory.lines(query.text)[: query.k]
        ]


class Markdown(BaseArm):
    name = "markdown"
    about = "MEMORY.md + topic files kept by memstore's automatic curator: verbatim turns, capped index"

    def open(self, workdir: Path, sample: Sample) -> None:
        super().open(workdir, sample)
        self.folders = Folders(workdir)

    def ingest(self, items: Sequence[Item]) -> int:
        said: dict[str | None, list[Note]] = {}
        for turn in items:
            if isinstance(turn, Turn):
                note = Note(turn.text, turn.role, turn.ref, turn.session, turn.at)
                said.setdefault(turn.scope, []).append(note)
        return sum(curate(self.folders.of(scope), notes).kept for scope, notes in said.items())

    def inject(self, now: datetime, scope: str | None = None) -> str:
        return self.folders.of(scope).inject().text

    def recall(self, query: Query) -> list[Recalled]:
        topics = self.folders.of(query.scope).recall(query.text)
        notes = [note for topic in topics for note in curated_notes(topic)]
        said = [note for note in notes if query.as_of is None or note.at <= query.as_of]
        ranked = dict(Index([note.text for note in said]).rank(query.text))
        order = sorted(range(len(said)), key=lambda i: (-ranked.get(i, 0.0), i))
        found = [Recalled(n.text, (n.ref,), quote=n.text, origin=n.role) for n in (said[i] for i in order[: query.k])]
        # The harness counts what is handed over; the rest of the files that were opened is booked here.
        rest = sum(count(topic.body) for topic in topics) - sum(count(r.text) for r in found)
        self._spent.append(Tokens("retrieve", max(0, rest), COUNTER))
        return found


class Folders:
    """A folder of Markdown for each scope: files know no other wall."""

    def __init__(self, parent: Path) -> None:
        self._parent = parent
        self._names: dict[str | None, str] = {}

    def path(self, scope: str | None) -> Path:
        return self._parent / self._names.setdefault(scope, f"memory-{len(self._names)}")

    def of(self, scope: str | None) -> MarkdownMemory:
        return MarkdownMemory(self.path(scope))
