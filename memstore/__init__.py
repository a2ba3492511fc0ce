"""memstore: a cross-session memory for agents that have to act on what they remember.

The public names, each loaded when it is first used: a hook or a shell completion does not pay for what it leaves alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memstore.markdown import MarkdownMemory, Note, Topic, curate, curated_notes

_HOME = {
    "MarkdownMemory": "memstore.markdown",
    "Note": "memstore.markdown",
    "Topic": "memstore.markdown",
    "curate": "memstore.markdown",
    "curated_notes": "memstore.markdown",
}

__all__ = ["MarkdownMemory", "Note", "Topic", "curate", "curated_notes"]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'memstore' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return __all__
