"""The one place that reads the environment.

MEMSTORE_DB      the store to use when none is named
MEMSTORE_SCOPE   the default scope
MEMSTORE_CLAUDE  whether Claude may be asked: unset or 0 for never, 1 for the usual model, or a model's name
ANTHROPIC_API_KEY  only whether it is there; the SDK reads it
MEMSTORE_CHROMA  an approximate index for hybrid recall: 1 for a folder beside the store, or a Chroma server's address
CLAUDE_CONFIG_DIR  where Claude Code keeps its settings, ~/.claude unless set
NO_COLOR         plain output, whatever it is set to (no-color.org)
"""

from __future__ import annotations

import os
from pathlib import Path

CLAUDE_MODEL = "claude-haiku-4-5"
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


def claude_model() -> str | None:
    """The model to ask where MEMSTORE_CLAUDE allows asking at all."""
    wish = os.environ.get("MEMSTORE_CLAUDE", "").strip()
    if wish.lower() in ("", "0", "no", "off", "false"):
        return None
    return CLAUDE_MODEL if wish.lower() in ("1", "yes", "on", "true") else wish


def anthropic_key() -> bool:
    """Whether there is a key to ask Claude with."""
    return bool(os.environ.get("ANTHROPIC_API_KEY"))


def chroma() -> bool | str:
    """Whether commands use Chroma, beside the store or at an address."""
    wish = os.environ.get("MEMSTORE_CHROMA", "").strip()
    if wish.lower() in ("", "0", "no", "off", "false"):
        return False
    return True if wish.lower() in ("1", "yes", "on", "true") else wish


def claude_directory() -> Path:
    """Where Claude Code keeps a user's settings."""
    named = os.environ.get("CLAUDE_CONFIG_DIR")
    return Path(named).expanduser() if named else Path.home() / ".claude"


def silence_telemetry() -> None:
    """Keep onnxruntime from reporting usage; it reads this once, when it is first imported."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def one_core() -> None:
    """Keep numpy to one thread, in a process that works beside another; it reads this once, when first imported."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
