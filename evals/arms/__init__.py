"""The memories under evaluation, by name. Each is one small file; adding one is that file and a line here."""

from __future__ import annotations

from evals.arms.ablations import ABLATIONS
from evals.arms.base import BaseArm
from evals.arms.bm25 import BM25
from evals.arms.chroma import Chroma
from evals.arms.claude_mem import ClaudeMem
from evals.arms.flat_cache import FlatCache
from evals.arms.flat_cache_claude import FlatCacheClaude
from evals.arms.full_context import FullContext
from evals.arms.grep import Grep
from evals.arms.markdown import Markdown, MarkdownCurated
from evals.arms.memstore import Memstore, MemstoreClaude, MemstoreHybrid, MemstoreSelect
from evals.arms.memstore_markdown import MemstoreMarkdown
from evals.arms.no_memory import NoMemory
from evals.arms.oracle import MarkdownOracle, Oracle
from evals.arms.peers import PEERS
from evals.arms.recency import Recency
from evals.arms.rrf import RRF
from evals.model import EvalError

ARMS: dict[str, type[BaseArm]] = {
    arm.name: arm
    for arm in (
        NoMemory,
        FullContext,
        Recency,
        Grep,
        BM25,
        Chroma,
        RRF,
        MarkdownCurated,
        Markdown,
        FlatCache,
        FlatCacheClaude,
        ClaudeMem,
        Memstore,
        MemstoreHybrid,
        MemstoreMarkdown,
        MemstoreClaude,
        MemstoreSelect,
        *ABLATIONS,
        Oracle,
        MarkdownOracle,
        *PEERS,
    )
}


def find(name: str) -> type[BaseArm]:
    """The arm of that name. Raises EvalError that lists the names there are."""
    if name not in ARMS:
        raise EvalError(f"no arm {name!r}: choose from {', '.join(ARMS)}")
    return ARMS[name]
