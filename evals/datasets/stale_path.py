"""Memories that name files which have since been renamed or removed: does what comes back say so?

The sentences are real, said by users of BEAM about their projects; each names one file. The project folder is made up
to fit: `extras["files"]` is what stands there while things are said, `extras["files_later"]` what stands there when
they are asked for. A third of the files have been renamed by then, a third removed; the rest are untouched, as the
control that a memory must not cry wolf. Which third is decided by a hash of the name. An arm that looks at files is
given both; others never see them.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from evals.datasets import beam
from evals.model import DataMissing, Probe, Query, Sample, Turn

FILE = re.compile(r"(?<![\w/.@-])((?:[\w-]+/)*[\w-]+\.(?:py|js|jsx|ts|tsx|html|css|json|sql|ya?ml|md|ipynb))(?![\w/])")
# "Chart.js" and "express.js" are libraries.
LIBRARY = re.compile(r"(?:[A-Z][a-z0-9]*|express|node|next|vue|chart|three|d3|moment)\.js$")
SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
LONGEST = 400
PER_SAMPLE = 30
START = datetime(2025, 2, 3, 9, tzinfo=UTC)


def load(data: Path, limit: int | None = None) -> list[Sample]:
    samples = []
    for chat in beam.tiers()(data, None):
        named = _named(chat)
        if len(named) >= 3:
            samples.append(_sample(f"{chat.id}-files", named))
        if limit is not None and len(samples) >= limit:
            break
    if not samples:
        raise DataMissing(f"stale_path: no chat under {data} names files; it needs coding chats of {beam.SOURCE.title}")
    return samples


def _named(chat: Sample) -> dict[str, str]:
    """File name → the first sentence of the user's that names it and no other."""
    named: dict[str, str] = {}
    for turn in chat.items:
        if isinstance(turn, Turn) and turn.role == "user":
            # Code blocks name files too, but say nothing about them.
            for sentence in SENTENCE.split(re.sub(r"```.*?(```|$)", "", turn.text, flags=re.DOTALL)):
                files = {file for file in FILE.findall(sentence) if not LIBRARY.match(file)}
                if len(files) == 1 and len(sentence) <= LONGEST:
                    named.setdefault(files.pop(), sentence.strip())
    return dict(list(named.items())[:PER_SAMPLE])


def fate(path: str) -> str:
    """kept, renamed or removed: a third each, by the hash of the name."""
    return ("kept", "renamed", "removed")[hashlib.sha256(path.encode()).digest()[0] % 3]


def _sample(name: str, named: dict[str, str]) -> Sample:
    turns, probes = [], []
    now = START + timedelta(days=3)
    files = {path: f"The contents of {path}.\n" for path in named}
    later: dict[str, str] = {}
    for number, (path, sentence) in enumerate(named.items()):
        ref = f"f{number}"
        turns.append(Turn(ref, "s1", "user", sentence, START + timedelta(minutes=number)))
        happened = fate(path)
        expect: dict[str, Any] = {"evidence": [ref], "suspect" if happened != "kept" else "sound": [ref]}
        if happened == "kept":
            later[path] = files[path]
        elif happened == "renamed":
            expect["moved_to"] = f"archive/{path}"
            later[f"archive/{path}"] = files[path]
        query = Query(f"What did I say about {path}?", now, k=5)
        category = "control_kept" if happened == "kept" else happened
        probes.append(Probe(f"{name}/{number}", query, expect, category))
    return Sample(name, name, tuple(turns), tuple(probes), {"files": files, "files_later": later})
