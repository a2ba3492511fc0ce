"""memstore with a view of the project's files, for tasks that say what stands there.

A fact that names a file is tied to it when it is captured. Between what was said and what is asked the folder changes
as the sample says; nothing tells the store: it looks when it recalls.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from evals.arms.memstore import Memstore
from evals.model import Query, Recalled, Sample
from memstore import MemoryStore, Recollection


class MemstoreFiles(Memstore):
    name = "memstore_files"
    about = "memstore that checks the files its facts name, whenever it recalls them"

    def applies(self, sample: Sample) -> str | None:
        return None if "files" in sample.extras else "the sample has no files"

    def open(self, workdir: Path, sample: Sample) -> None:
        super().open(workdir, sample)
        self.memory.close()
        self.project = workdir / "project"
        self.later: Mapping[str, str] | None = sample.extras.get("files_later", {})
        _lay_out(self.project, sample.extras.get("files", {}))
        self.memory = MemoryStore(workdir / "memory.db", clock=lambda: self.moment, root=self.project)

    def _recalled(self, r: Recollection) -> Recalled:
        recalled = super()._recalled(r)
        return replace(recalled, extra={**recalled.extra, "files": sorted(r.why.get("anchors", ()))})

    def recall(self, query: Query) -> list[Recalled]:
        if self.later is not None:
            _lay_out(self.project, self.later)
            self.later = None
        return super().recall(query)


def _lay_out(folder: Path, files: Mapping[str, str]) -> None:
    """Make `folder` hold these files and no others."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
