"""Chains of documents that replace one another: heads, depth, and dealing documents into samples.

Real chains split and merge (a tenth of all replacements do), so a document has a set of heads. What follows is plain
graph work on `old → new` pairs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence


class Chains:
    def __init__(self, replaced: Iterable[tuple[int, int]]) -> None:
        self.successors: dict[int, set[int]] = defaultdict(set)
        self.predecessors: dict[int, set[int]] = defaultdict(set)
        for old, new in replaced:
            if old != new:
                self.successors[old].add(new)
                self.predecessors[new].add(old)

    def after(self, document: int) -> dict[int, int]:
        """Everything that came to replace a document, with the fewest replacements between; cycles end the walk."""
        depth, edge = {document: 0}, [document]
        while edge:
            edge = [new for old in edge for new in sorted(self.successors.get(old, ())) if new not in depth]
            for new in edge:
                depth.setdefault(new, 1 + min(depth[old] for old in self.predecessors[new] if old in depth))
        return depth

    def heads(self, document: int) -> dict[int, int]:
        """The documents at the live ends of its chain, by distance; a document never replaced is its own."""
        return {new: depth for new, depth in self.after(document).items() if not self.successors.get(new)}

    def replaced(self, document: int) -> list[int]:
        """What no longer holds of its family; a branch that ended elsewhere may still do."""
        return sorted(other for other in self.family(document) if self.successors.get(other))

    def family(self, document: int) -> set[int]:
        """All documents connected with this one through replacements, in either direction."""
        seen, edge = {document}, [document]
        while edge:
            edge = [
                other
                for one in edge
                for other in (*self.successors.get(one, ()), *self.predecessors.get(one, ()))
                if other not in seen
            ]
            seen.update(edge)
        return seen


def deal(documents: Sequence[int], chains: Chains, size: int) -> list[list[int]]:
    """Documents in order, in blocks of at least `size` (the last may be smaller), no chain torn apart."""
    blocks: list[list[int]] = []
    block: list[int] = []
    placed: set[int] = set()
    known = set(documents)
    for document in documents:
        if document not in placed:
            family = sorted(chains.family(document) & known)
            placed.update(family)
            block += family
        if len(block) >= size:
            blocks.append(sorted(block))
            block = []
    return [*blocks, sorted(block)] if block else blocks
