"""PEPs: who superseded what, and which status each proposal had on a given day, from the history of python/peps.

Every item is a line of a register, as the editors committed it: a proposal is registered, its status is set, it is
declared to replace another. The day of the commit is when it became known (recorded time); the `Created` header is
when the proposal came into the world (valid time), mostly earlier. Questions about a date mean what was known then.
Registers are keyed, so every line carries a key; a replacement is an `Edge`, and stands in the words of its line.

Probes: the current status, the status on a past date (between two changes), the proposal at the end of a chain; and,
as a control, a date before anything was registered, when nothing was known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from evals.datasets.chains import Chains, deal
from evals.datasets.files import Source, locate, read_json, read_jsonl, utc, wrong_format
from evals.model import Edge, Item, Probe, Query, Sample, Turn

SOURCE = Source(
    folder="peps",
    title="the headers of Python Enhancement Proposals and their history",
    patterns=("peps.jsonl",),
    where="https://github.com/python/peps (headers and `git log` of each file)",
    licence="public domain / CC0-1.0",
    ships=True,
    beside=("status_history.jsonl", "supersedes_edges.json"),
)

PER_SAMPLE = 40
AS_OF_PER_PEP = 2


@dataclass(frozen=True, slots=True)
class _Register:
    peps: Mapping[int, Mapping[str, Any]]
    statuses: Mapping[int, list[tuple[datetime, str]]]
    declared: Mapping[tuple[int, int], datetime]
    end: datetime


def load(data: Path, limit: int | None = None) -> list[Sample]:
    path = locate(data, SOURCE)[0]
    try:
        register = _register(path.parent)
        chains = Chains(register.declared)
        blocks = deal(sorted(register.statuses), chains, PER_SAMPLE)
        return [_sample(block, register, chains) for block in blocks[:limit]]
    except (KeyError, TypeError, ValueError) as error:
        raise wrong_format(path, SOURCE, f"{type(error).__name__}: {error}") from error


def _register(folder: Path) -> _Register:
    peps = {int(row["pep"]): row for row in read_jsonl(folder / "peps.jsonl")}
    statuses: dict[int, list[tuple[datetime, str]]] = defaultdict(list)
    relations: dict[tuple[int, int], datetime] = {}
    end = datetime(2000, 1, 1, tzinfo=UTC)
    for row in sorted(read_jsonl(folder / "status_history.jsonl"), key=lambda row: utc(row["committed"])):
        pep, at = int(row["pep"]), utc(row["committed"]).astimezone(UTC)
        end = max(end, at)
        if pep not in peps or not row["value"]:
            continue
        if row["field"] == "Status" and (not statuses[pep] or statuses[pep][-1][1] != row["value"]):
            statuses[pep].append((at, row["value"]))
        elif row["field"] in ("Replaces", "Superseded-By"):
            for other in _numbers(row["value"]):
                pair = (other, pep) if row["field"] == "Replaces" else (pep, other)
                relations.setdefault(pair, at)
    known = {pep: changes for pep, changes in statuses.items() if changes}
    declared = {}
    for edge in read_json(folder / "supersedes_edges.json"):
        old, new = int(edge["old"]), int(edge["new"])
        if old in known and new in known:
            # Where the history lost the header, the replacement is known when the later proposal is.
            declared[old, new] = max(relations.get((old, new), known[new][0][0]), known[new][0][0], known[old][0][0])
    return _Register(peps, known, declared, end + timedelta(days=1))


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.replace(",", " ").split() if part.isdigit()]


def _sample(block: list[int], register: _Register, chains: Chains) -> Sample:
    items: list[Item] = []
    probes: list[Probe] = []
    for pep in block:
        items += _lines(pep, register)
        probes += _status_probes(pep, register)
        if chains.successors.get(pep):
            probes.append(_head_probe(pep, register, chains))
    for (old, new), at in register.declared.items():
        if old in block:
            items += _replacement(old, new, at)
    items.sort(key=lambda item: (item.at, isinstance(item, Edge)))
    name = f"peps-{block[0]:04}-{block[-1]:04}"
    return Sample(name, name, tuple(items), tuple(probes))


def _lines(pep: int, register: _Register) -> Iterable[Turn]:
    row, changes = register.peps[pep], register.statuses[pep]
    about = f" {row['abstract']}" if row.get("abstract") else ""
    text = f"PEP {pep}: {row['title']}. Created {row['created']}.{about}"
    yield _turn(_ref(pep), text, changes[0][0], key=f"pep-{pep}")
    for number, (at, status) in enumerate(changes):
        text = f"The status of PEP {pep} ({row['title']}) is {status}."
        yield _turn(_status_ref(pep, number), text, at, key=f"pep-{pep}/status")


def _replacement(old: int, new: int, at: datetime) -> Iterable[Item]:
    yield _turn(f"{_ref(new)}/replaces/{old}", f"PEP {new} replaces PEP {old}.", at, key=f"pep-{new}/replaces/{old}")
    yield Edge("supersedes", (_ref(old),), (_ref(new),), at, f"PEP {new} replaces PEP {old}")


def _turn(ref: str, text: str, at: datetime, key: str) -> Turn:
    # A register states what is the case; that is so for every line and no gold.
    return Turn(ref, "register", "document", text, at, origin="document", modality="observation", key=key)


def _ref(pep: int) -> str:
    return f"pep-{pep:04}"


def _status_ref(pep: int, number: int) -> str:
    return f"{_ref(pep)}/status/{number}"


def _status_probes(pep: int, register: _Register) -> Iterable[Probe]:
    changes = register.statuses[pep]
    refs = [_status_ref(pep, number) for number in range(len(changes))]
    if len(changes) < 2:
        return
    query = Query(f"What is the status of PEP {pep}?", now=register.end)
    yield Probe(f"pep-{pep}/status", query, _gold(refs, len(refs) - 1, changes), "status_now")
    for number in range(min(len(changes) - 1, AS_OF_PER_PEP)):
        day = _midnight_between(changes[number][0], changes[number + 1][0])
        if day is not None:
            yield _as_of(f"pep-{pep}/as_of/{number}", pep, day, register, _gold(refs, number, changes, "as_of"))
    before = changes[0][0] - timedelta(days=30)
    expect = {"answerable": False, "stale": refs, "asks": "as_of"}
    yield _as_of(f"pep-{pep}/before", pep, before, register, expect, "control_before_known")


def _as_of(
    name: str, pep: int, day: datetime, register: _Register, expect: dict[str, Any], category: str = "as_of"
) -> Probe:
    text = f"What was the status of PEP {pep} on {day:%d %B %Y}?"
    return Probe(name, Query(text, now=register.end, as_of=day), expect, category)


def _midnight_between(start: datetime, end: datetime) -> datetime | None:
    """A day's beginning well inside the interval; None where the two changes are too close to tell apart by date."""
    if end - start < timedelta(days=4):
        return None
    return (start + (end - start) / 2).replace(hour=0, minute=0, second=0, microsecond=0)


def _gold(refs: list[str], right: int, changes: list[tuple[datetime, str]], asks: str = "now") -> dict[str, Any]:
    return {
        "evidence": [refs[right]],
        "current": [refs[right]],
        "stale": [ref for number, ref in enumerate(refs) if number != right],
        "answer": changes[right][1],
        "asks": asks,
    }


def _head_probe(pep: int, register: _Register, chains: Chains) -> Probe:
    heads = chains.heads(pep)
    text = f'Which PEP is in force today in place of PEP {pep}, "{register.peps[pep]["title"]}"?'
    current = [_ref(head) for head in sorted(heads)]
    expect = {
        "evidence": current,
        "current": current,
        "stale": [_ref(other) for other in chains.replaced(pep)],
        "answer": ", ".join(f"PEP {head}" for head in sorted(heads)),
        "asks": "head",
        "depth": max(heads.values(), default=0),
    }
    return Probe(f"pep-{pep}/head", Query(text, now=register.end), expect, "head")
