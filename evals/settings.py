"""The one place where the harness reads its environment."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

SHIPPED_DATA = Path(__file__).resolve().parent.parent / "data"


def data_directory(given: str | Path | None = None) -> Path:
    """Where evaluation data lives: what the caller gave, else MEMSTORE_DATA, else the samples that ship in `data/`."""
    return Path(given or os.environ.get("MEMSTORE_DATA") or SHIPPED_DATA)


def workers(given: int | None = None) -> int:
    """How many local processes to use: what the caller gave, else one per usable core."""
    return given if given else max(1, len(os.sched_getaffinity(0)))


def confine_mem0(directory: Path) -> None:
    """Keep mem0 from reporting home and from writing to the user's home. It reads these when it is first imported."""
    os.environ.setdefault("MEM0_TELEMETRY", "False")
    os.environ.setdefault("MEM0_DIR", str(directory))


def confine_mempalace(directory: Path) -> Callable[[], None]:
    """Keep mempalace's configuration, palace and lock files out of the user's home; call the result to undo it.

    It loads onnxruntime, which reports usage unless it is told not to before it is first imported.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    before = {name: os.environ.get(name) for name in ("HOME", "MEMPALACE_CONFIG_DIR", "MEMPALACE_PALACE_PATH")}
    os.environ |= {
        "HOME": str(directory),
        "MEMPALACE_CONFIG_DIR": str(directory),
        "MEMPALACE_PALACE_PATH": str(directory / "palace"),
    }

    def undo() -> None:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})

    return undo


def one_core() -> dict[str, str]:
    """The environment for a process whose arithmetic is to keep to one core."""
    return os.environ | dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def claude_mem_databases() -> Path | None:
    """The folder of claude-mem databases, one `SAMPLE.db` for each sample that it watched; None where none is named."""
    named = os.environ.get("MEMEVAL_CLAUDE_MEM")
    return Path(named) if named else None


def claude_cache(given: str | Path | None = None) -> Path:
    """Where Claude's answers and judgements are kept between runs: as given, else MEMEVAL_CACHE, else here."""
    return Path(given or os.environ.get("MEMEVAL_CACHE") or ".memeval-cache")


def api_key_present() -> bool:
    """Whether Claude can be asked; nothing here needs it."""
    return bool(os.environ.get("ANTHROPIC_API_KEY"))


def no_color() -> bool:
    """Whether the reader asked for plain output (https://no-color.org)."""
    return bool(os.environ.get("NO_COLOR"))
