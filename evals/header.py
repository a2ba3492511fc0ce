"""The header of a run: what it takes for someone else to get the same numbers, and to see why theirs differ.

The data hash is taken over the samples as loaded, not over files, so that the same samples from two places are the same
data. The code hash covers memstore and the harness with what they read (the tagger's model, its cues, the prices), so
that a log is never finished by other code than began it.
"""

from __future__ import annotations

import hashlib
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evals.claude import Exam, prompts_sha256
from evals.cost import COUNTER, prices
from evals.log import FORMAT, canonical
from evals.model import Sample, Task
from evals.settings import api_key_present, workers

if TYPE_CHECKING:
    from evals.runner import Plan

ROOT = Path(__file__).resolve().parent.parent
CODE = (".py", ".json", ".npz", ".txt")  # what answers depend on; not what only the report is drawn with
LATER_FIELDS = frozenset({"scope"})
PACKAGES = (
    "memstore",
    "sqlite-utils",
    "chromadb",
    "onnxruntime",
    "tokenizers",
    "tree-sitter",  # without it memstore ties no fact to a file of code
    "numpy",
    "scipy",
    "statsmodels",
)


def header(plan: Plan, samples: Mapping[str, Sequence[Sample]]) -> dict[str, Any]:
    """Everything under `times` and `where` may differ between a run and its resumption; nothing else may."""
    made = [make() for make in plan.arms]
    return {
        "format": FORMAT,
        "tasks": {task.name: _task(task, samples[task.name], plan.claude) for task in plan.tasks},
        "arms": {
            arm.name: {
                "version": arm.version,
                "settings": dict(arm.settings),
                "about": getattr(arm, "about", ""),
                "caveat": getattr(arm, "caveat", ""),
            }
            for arm in made
        },
        "seed": plan.seed,
        "epochs": plan.epochs,
        "limit": plan.limit,
        "counter": COUNTER,
        "price_date": prices().date,
        "models": plan.claude.models if plan.claude else {},
        "judge_prompt_sha256": prompts_sha256() if plan.claude else None,
        "packages": {name: _version(name) for name in PACKAGES},
        "code_sha256": code_hash(),
        "times": {"started": datetime.now(UTC).isoformat(timespec="seconds")},
        "where": {
            "git": git_state(),
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
            "cores": workers(),
            "key": api_key_present(),
            "command": ["memeval", *sys.argv[1:]],
        },
    }


def code_hash(root: Path = ROOT) -> str:
    """SHA-256 over the sources of memstore and evals and what they read, by name and content."""
    total = hashlib.sha256()
    for package in ("memstore", "evals"):
        for path in sorted(path for path in (root / package).rglob("*") if path.suffix in CODE):
            total.update(path.relative_to(root).as_posix().encode())
            total.update(path.read_bytes())
    return total.hexdigest()


def data_hash(samples: Sequence[Sample]) -> str:
    """SHA-256 over samples as loaded."""
    total = hashlib.sha256()
    for sample in samples:
        total.update(canonical(_said(asdict(sample))).encode("utf-8", "surrogatepass"))
    return total.hexdigest()


def _said(value: Any) -> Any:
    """Without fields that came after the first logs, where they are empty: the hash of older data stays as it was."""
    if isinstance(value, Mapping):
        return {k: _said(v) for k, v in value.items() if v is not None or k not in LATER_FIELDS}
    return [_said(v) for v in value] if isinstance(value, (list, tuple)) else value


def git_state() -> str | None:
    """The commit the code is at, with "+changes" where files differ from it; None outside a checkout."""
    try:
        commit = _git("rev-parse", "--short=12", "HEAD")
        return f"{commit}+changes" if _git("status", "--porcelain", "--untracked-files=no") else commit
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()


def _task(task: Task, samples: Sequence[Sample], claude: Exam | None) -> dict[str, Any]:
    return {
        "title": task.title,
        "samples": len(samples),
        "probes": sum(len(s.probes) for s in samples),
        "data_sha256": data_hash(samples),
        "headline": [*(["answer/correct"] if claude else []), *task.headline],
        "lower_is_better": sorted(task.lower_is_better),
        "controls": list(task.controls),
        "licence": task.licence,
        "note": task.note,
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
