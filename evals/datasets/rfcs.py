"""RFCs: which document is in force in place of another, now and on a past date, over the RFC Editor's index.

`Obsoletes` replaces: the old document is no longer in force. `Updates` adds to, without replacing: a document that
was only updated still holds, and a memory that retires it over-invalidates. Both are declared in the words of the
newer document, as they are in its header, and as an `Edge`; entries are keyed by number, as an index is. Dates are
months: a document is known from the first of its month. Chains run up to 26 replacements deep.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from evals.datasets.chains import Chains, deal
from evals.datasets.files import Source, locate, read_json, read_jsonl, wrong_format
from evals.model import Edge, Item, Probe, Query, Sample, Turn

SOURCE = Source(
    folder="ietf_rfc_index",
    title="the RFC Editor's index",
    patterns=("rfcs.jsonl",),
    where="https://www.rfc-editor.org/rfc-index.txt",
    licence="facts published by the RFC Editor",
    ships=True,
    beside=("edges.json",),
)

PER_SAMPLE = 120
ORDER = 20260726  # blocks come shuffled, always alike, so that a limit takes a fair part of all years
UPDATED_PER_SAMPLE = 8


def load(data: Path, limit: int | None = None) -> list[Sample]:
    path = locate(data, SOURCE)[0]
    try:
        documents = {int(row["rfc"]): row for row in read_jsonl(path)}
        edges = [(e["kind"], int(e["old"]), int(e["new"])) for e in read_json(path.parent / "edges.json")]
        replaced = [(old, new) for kind, old, new in edges if kind == "obsoletes" and {old, new} <= set(documents)]
        updated = [(old, new) for kind, old, new in edges if kind == "updates" and {old, new} <= set(documents)]
        chains = Chains(replaced)
        blocks = deal(sorted(documents), chains, PER_SAMPLE)
        random.Random(ORDER).shuffle(blocks)
        return [_sample(block, documents, chains, updated) for block in blocks[:limit]]
    except (KeyError, TypeError, ValueError) as error:
        raise wrong_format(path, SOURCE, f"{type(error).__name__}: {error}") from error


def _sample(
    block: list[int], documents: Mapping[int, Mapping[str, Any]], chains: Chains, updated: list[tuple[int, int]]
) -> Sample:
    held = set(block)
    # Documents that were updated and never replaced, with those that update them: the control.
    updates = [(old, new) for old, new in updated if old in held and not chains.successors.get(old)]
    only_updated = sorted({old for old, _ in updates})[:UPDATED_PER_SAMPLE]
    updates = [(old, new) for old, new in updates if old in only_updated or new in held]
    items: list[Item] = []
    probes: list[Probe] = []
    known = held | {new for _, new in updates}
    now = max(_date(documents[rfc]) for rfc in known) + timedelta(days=31)
    for rfc in sorted(known):
        items.append(_turn(documents[rfc]))
        if rfc not in held:
            continue
        for old in sorted(chains.predecessors.get(rfc, ())):
            items.append(_edge("supersedes", documents[old], documents[rfc]))
        if chains.successors.get(rfc):
            probes += _chain_probes(documents[rfc], documents, chains, now)
    items += [_edge("amends", documents[old], documents[new]) for old, new in updates]
    probes += [_updated_probe(documents[rfc], now) for rfc in only_updated]
    items.sort(key=lambda item: (item.at, isinstance(item, Edge)))
    name = f"rfcs-{block[0]:04}-{block[-1]:04}"
    return Sample(name, name, tuple(items), tuple(probes))


def _turn(row: Mapping[str, Any]) -> Turn:
    relations = [
        f" {verb} {', '.join(f'RFC {old}' for old in row[field])}."
        for verb, field in (("Obsoletes", "obsoletes"), ("Updates", "updates"))
        if row[field]
    ]
    text = f"RFC {row['rfc']}: {row['title']}. {_date(row):%B %Y}.{''.join(relations)}"
    key = f"rfc-{row['rfc']}"
    return Turn(_ref(row), "index", "document", text, _date(row), origin="document", modality="observation", key=key)


def _edge(relation: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Edge:
    verb = "obsoletes" if relation == "supersedes" else "updates"
    at = max(_date(old), _date(new))
    return Edge(relation, (_ref(old),), (_ref(new),), at, f"RFC {new['rfc']} {verb} RFC {old['rfc']}")


def _ref(row: Mapping[str, Any]) -> str:
    return f"rfc-{row['rfc']:04}"


def _date(row: Mapping[str, Any]) -> datetime:
    year, _, month = str(row["date"]).partition("-")
    return datetime(int(year), int(month or 1), 1, tzinfo=UTC)


def _chain_probes(
    row: Mapping[str, Any], documents: Mapping[int, Mapping[str, Any]], chains: Chains, now: datetime
) -> Iterable[Probe]:
    family = chains.family(row["rfc"])
    heads = chains.heads(row["rfc"])
    current = [f"rfc-{head:04}" for head in sorted(heads)]
    gold = {
        "evidence": current,
        "current": current,
        "stale": [f"rfc-{other:04}" for other in chains.replaced(row["rfc"])],
        "answer": ", ".join(f"RFC {head}" for head in sorted(heads)),
    }
    named = f'RFC {row["rfc"]}, "{row["title"]}"'
    depth = max(heads.values(), default=0)
    query = Query(f"Which RFC is in force today in place of {named}?", now)
    yield Probe(f"rfc-{row['rfc']}/head", query, {**gold, "asks": "head", "depth": depth}, "head")

    first = min(_date(documents[new]) for new in chains.successors[row["rfc"]])
    if first - _date(row) < timedelta(days=60):
        return
    # Halfway between publication and replacement the document itself was in force.
    day = _date(row) + (first - _date(row)) / 2
    query = Query(f"Was {named} still in force in {day:%B %Y}?", now, as_of=day)
    own = _ref(row)
    # Outdated on that day: what it had replaced itself. From the future: what came to replace it.
    others = {other for other in family if row["rfc"] in chains.after(other)} | set(chains.after(row["rfc"]))
    stale = [f"rfc-{other:04}" for other in sorted(others - {row["rfc"]})]
    expect = {"evidence": [own], "current": [own], "stale": stale, "asks": "as_of"}
    yield Probe(f"rfc-{row['rfc']}/as_of", query, expect, "as_of")


def _updated_probe(row: Mapping[str, Any], now: datetime) -> Probe:
    query = Query(f'Is RFC {row["rfc"]}, "{row["title"]}", still in force?', now)
    return Probe(f"rfc-{row['rfc']}/updated", query, {"evidence": [_ref(row)], "live": [_ref(row)]}, "only_updated")
