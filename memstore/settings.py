"""The one place that reads the environment.

MEMSTORE_DB      the store to use when none is named
MEMSTORE_SCOPE   the default scope
CLAUDE_CONFIG_DIR  where Claude Code keeps its settings, ~/.claude unless set
NO_COLOR         plain output, whatever it is set to (no-color.org)
"""

from __future__ import annotations

import os
from pathlib import Path

DEFAULT_SCOPE = "default"
PROJECT_DIRECTORY = ".memstore"
PROJECT_STORE = "memory.db"


def scope() -> str:
    """The scope a call uses when it names none."""
    return os.environ.get("MEMSTORE_SCOPE") or DEFAULT_SCOPE


def store_path(start: Path | None = None) -> Path | None:
    """The store named by MEMSTORE_DB, else the nearest `.memstore/memory.db` above `start`, else None."""
    named = os.environ.get("MEMSTORE_DB")
    if named:
        return Path(named).expanduser()
    here = (start or Path.cwd()).resolve()
    for directory in (here, *here.parents):
        candidate = directory / PROJECT_DIRECTORY / PROJECT_STORE
        if candidate.is_file():
            return candidate
    return None


def no_color() -> bool:
    """Whether output must be plain."""
    return bool(os.environ.get("NO_COLOR"))


def claude_directory() -> Path:
    """Where Claude Code keeps a user's settings."""
    named = os.environ.get("CLAUDE_CONFIG_DIR")
    return Path(named).expanduser() if named else Path.home() / ".claude"


def silence_telemetry() -> None:
    """Keep onnxruntime from reporting usage; it reads this once, when it is first imported."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
