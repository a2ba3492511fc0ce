"""What data there is to have, what of it is here, and where to get the rest: the inventory behind `memeval doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from evals.datasets import (
    agentdojo,
    asb,
    beam,
    halumem,
    locomo,
    longmemeval,
    memoryagentbench,
    memshield,
    modality,
    peps,
    personamem,
    rfcs,
    statebench,
)
from evals.datasets.files import Source, locate, sha256
from evals.model import EvalError

SOURCES: tuple[Source, ...] = (
    statebench.SOURCE,
    beam.SOURCE,
    locomo.SOURCE,
    peps.SOURCE,
    rfcs.SOURCE,
    modality.SOURCE,
    longmemeval.SOURCE,
    longmemeval.SUBSET,
    halumem.SOURCE,
    memoryagentbench.SOURCE,
    personamem.SOURCE,
    asb.SOURCE,
    agentdojo.SOURCE,
    memshield.SOURCE,
)


@dataclass(frozen=True, slots=True)
class Holding:
    """One set as found: its files with their SHA-256, or why it cannot be used.

    `checked` says whether a published checksum was known and agreed; where none is known, compare the hashes given.
    """

    source: Source
    files: dict[str, str]
    checked: bool
    problem: str | None

    @property
    def present(self) -> bool:
        return bool(self.files)


def inventory(data: Path) -> list[Holding]:
    """Every known set, present or not. Reads each present file once, to hash it."""
    return [_holding(source, Path(data)) for source in SOURCES]


def _holding(source: Source, data: Path) -> Holding:
    # Only the set's own folder counts here: a data directory is asked about, not one file.
    try:
        found = locate(data / source.folder, source)
    except EvalError as error:
        return Holding(source, {}, False, str(error))
    paths = [*found, *(path for name in source.beside if (path := found[0].parent / name).is_file())]
    files = {str(path.relative_to(data)): sha256(path) for path in paths}
    # locate() has refused a file under a published name that is not the published one.
    return Holding(source, files, any(path.name in source.sha256 for path in found), None)
