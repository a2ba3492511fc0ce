"""memstore: a cross-session memory for agents that have to act on what they remember.

    from memstore import MemoryStore
    memory = MemoryStore("agent.db")

The store keeps what was said word for word, and facts derived from it, each with a modality, a pointer to its
source, a lifetime, and a place in a chain of replacements. Everything public is here; nothing heavy is imported
until it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOMES = {
    "memstore.claude": "Asking Budget Claude",
    "memstore.store": "DEFAULT MemoryStore",
    "memstore.coherence.anchors": "AnchorTarget find_anchors",
    "memstore.coherence.confidence": "SIGNS Evidence",
    "memstore.index.embedding": "MiniLM",
    "memstore.markdown.curator": "Note curate curated_notes",
    "memstore.markdown.memory": "MarkdownMemory",
    "memstore.markdown.topic": "Topic",
    "memstore.policy": "Lifetimes",
    "memstore.model": (
        "Beside Change Concern Conflict Event Fact Kind Modality Origin Provenance Recollection Remedy Span Status"
        " Transition Usage Verdict"
    ),
    "memstore.reports": (
        "Advice Anchor AnchorReport CaptureReport Certificate Consolidation Explanation History Imported Problem"
        " ReviewItem Synced"
    ),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}

if TYPE_CHECKING:
    from memstore.claude import Asking, Budget, Claude
    from memstore.coherence.anchors import AnchorTarget, find_anchors
    from memstore.coherence.confidence import SIGNS, Evidence
    from memstore.index.embedding import MiniLM
    from memstore.markdown.curator import Note, curate, curated_notes
    from memstore.markdown.memory import MarkdownMemory
    from memstore.markdown.topic import Topic
    from memstore.model import (
        Beside,
        Change,
        Concern,
        Conflict,
        Event,
        Fact,
        Kind,
        Modality,
        Origin,
        Provenance,
        Recollection,
        Remedy,
        Span,
        Status,
        Transition,
        Usage,
        Verdict,
    )
    from memstore.policy import Lifetimes
    from memstore.reports import (
        Advice,
        Anchor,
        AnchorReport,
        CaptureReport,
        Certificate,
        Consolidation,
        Explanation,
        History,
        Imported,
        Problem,
        ReviewItem,
        Synced,
    )
    from memstore.store import DEFAULT, MemoryStore

__all__ = [
    "DEFAULT",
    "SIGNS",
    "Advice",
    "Anchor",
    "AnchorReport",
    "AnchorTarget",
    "Asking",
    "Beside",
    "Budget",
    "CaptureReport",
    "Certificate",
    "Change",
    "Claude",
    "Concern",
    "Conflict",
    "Consolidation",
    "Event",
    "Evidence",
    "Explanation",
    "Fact",
    "History",
    "Imported",
    "Kind",
    "Lifetimes",
    "MarkdownMemory",
    "MemoryStore",
    "MiniLM",
    "Modality",
    "Note",
    "Origin",
    "Problem",
    "Provenance",
    "Recollection",
    "Remedy",
    "ReviewItem",
    "Span",
    "Status",
    "Synced",
    "Topic",
    "Transition",
    "Usage",
    "Verdict",
    "curate",
    "curated_notes",
    "find_anchors",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'memstore' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
