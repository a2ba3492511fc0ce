"""Chains of real documents: PEPs and RFCs, fed as the world declared them, and again with the declarations withheld.

    python -m evals.campaigns.chains declared DATA     every head and status right at every sampled date?
    python -m evals.campaigns.chains withheld DATA     what update detection proposes from titles and abstracts alone

DATA holds `ietf_rfc_index/` and `peps/`. `declared` feeds every document and every edge in the order of their dates
into one store, and asks it at dates spread over the whole time for the status of every document then known and for the
heads of every chain; the answers are compared with plain graph work over the same edges. An update amends: a document
that was only updated must stay live, and the share that did not is the over-invalidation. `withheld` records each
document as a turn and captures it; a pair that is proposed, or carried out, is right if the older document was in truth
replaced by the newer, directly or along its chain.
"""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from evals.datasets import peps, rfcs
from evals.datasets.chains import Chains
from evals.datasets.files import locate, read_json, read_jsonl
from evals.model import Edge, Turn
from evals.stats import wilson
from memstore import Change, Fact, MemoryStore, Status
from memstore.errors import NotFound

DATES = 24
EPOCH = datetime(1970, 1, 2, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Document:
    """One document: its number, its title and abstract, and the day it was published."""

    number: int
    title: str
    abstract: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Library:
    """Documents, and which replaced (`obsoletes`) or added to (`updates`) which, on which day."""

    name: str
    documents: Mapping[int, Document]
    obsoletes: Mapping[tuple[int, int], datetime]
    updates: Mapping[tuple[int, int], datetime] = field(default_factory=dict)

    def oldest(self, count: int) -> Library:
        """The first documents, with the edges among them."""
        kept = dict(sorted(self.documents.items(), key=lambda item: (item[1].at, item[0]))[:count])
        among = [
            {edge: at for edge, at in edges.items() if kept.keys() >= set(edge)}
            for edges in (self.obsoletes, self.updates)
        ]
        return Library(self.name, kept, *among)


@dataclass(slots=True)
class Tally:
    """What was asked, and how much of it was answered wrongly."""

    asked: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    deepest: int = 0

    def note(self, what: str, right: bool) -> None:
        self.asked[what] += 1
        self.wrong[what] += not right


@click.group()
def main() -> None:
    """Chains of real documents, declared and withheld."""


@main.command()
@click.argument("data", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--dates", default=DATES, show_default=True, help="How many dates are asked about.")
def declared(data: Path, dates: int) -> None:
    """Feed the edges in the order of their dates; ask for heads and statuses at dates over the whole time."""
    for library in (rfc_index(data), proposals(data)):
        with tempfile.TemporaryDirectory() as scratch:
            tally = ask(library, Path(scratch), dates)
        chains = Chains(library.obsoletes)
        splits = sum(len(new) > 1 for new in chains.successors.values())
        merges = sum(len(old) > 1 for old in chains.predecessors.values())
        click.echo(
            f"{library.name}: {len(library.documents):,} documents, {len(library.obsoletes):,} replacements"
            f" ({splits} splits, {merges} merges, {tally.deepest} deep), {len(library.updates):,} updates;"
            f" asked at {dates} dates"
        )
        for what, asked in tally.asked.items():
            click.echo(f"  {what}: {share(asked - tally.wrong[what], asked)} right")
    right, asked = statuses(data)
    click.echo(f"PEP statuses by commit: {share(right, asked)} right, each asked between its two changes")


@main.command()
@click.argument("data", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--first", default=0, help="Only so many documents of each library, the oldest.")
@click.option("--show", default=0, help="Print so many wrong and so many missed pairs.")
def withheld(data: Path, first: int, show: int) -> None:
    """Withhold the edges; see what update detection makes of titles and abstracts."""
    for library in (rfc_index(data), proposals(data)):
        library = library.oldest(first) if first else library
        with tempfile.TemporaryDirectory() as scratch:
            found = propose(library, Path(scratch))
        chains = Chains(library.obsoletes)
        true = {pair for pair in found if pair[1] in chains.after(pair[0])}
        retired = [pair for pair, carried_out in found.items() if carried_out]
        hit = sum(pair in found for pair in library.obsoletes)
        amended = sum(pair in library.updates for pair in found.keys() - true)
        click.echo(
            f"{library.name}: {len(found)} pairs proposed, {len(retired)} of them carried out\n"
            f"  precision {share(len(true), len(found))}, of the wrong ones {amended} are declared updates\n"
            f"  recall {share(hit, len(library.obsoletes))}\n"
            f"  over-invalidation {share(sum(pair not in true for pair in retired), len(library.documents))}"
            " of the documents retired without a declared replacement"
        )
        for title, pairs in (("wrong", found.keys() - true), ("missed", library.obsoletes.keys() - found.keys())):
            for old, new in sorted(pairs)[:: max(1, len(pairs) // show)] if show else ():
                click.echo(f"    {title}: {library.documents[old].title!r} → {library.documents[new].title!r}")


# --- the documents ----------------------------------------------------------------------------------------------


def rfc_index(data: Path) -> Library:
    path = locate(data, rfcs.SOURCE)[0]
    documents = {
        int(row["rfc"]): Document(int(row["rfc"]), row["title"], "", _month(row["date"])) for row in read_jsonl(path)
    }
    edges: dict[str, dict[tuple[int, int], datetime]] = defaultdict(dict)
    for row in read_json(path.parent / "edges.json"):
        old, new = int(row["old"]), int(row["new"])
        if old in documents and new in documents:
            edges[row["kind"]][old, new] = max(documents[old].at, documents[new].at)
    return Library("RFC", documents, edges["obsoletes"], edges["updates"])


def proposals(data: Path) -> Library:
    """PEPs, each known from its first commit."""
    path = locate(data, peps.SOURCE)[0]
    known: dict[int, datetime] = {}
    edges: dict[tuple[int, int], datetime] = {}
    for sample in peps.load(data):
        for item in sample.items:
            if isinstance(item, Turn) and "/" not in item.ref:
                known[int(item.ref.removeprefix("pep-"))] = item.at
            elif isinstance(item, Edge):
                edges[_number(item.old[0]), _number(item.new[0])] = item.at
    rows = {int(row["pep"]): row for row in read_jsonl(path.parent / "peps.jsonl")}
    documents = {n: Document(n, rows[n]["title"], rows[n].get("abstract") or "", at) for n, at in known.items()}
    return Library("PEP", documents, edges)


def _number(ref: str) -> int:
    return int(ref.removeprefix("pep-"))


def _month(text: str) -> datetime:
    """The first of a month. What is older than a store's clock can tell (1970) was always known."""
    year, _, month = text.partition("-")
    return max(datetime(int(year), int(month or 1), 1, tzinfo=UTC), EPOCH)


# --- declared ---------------------------------------------------------------------------------------------------


class Calendar:
    """A clock that is set to a day, and moves on by a microsecond whenever it is asked."""

    def __init__(self) -> None:
        self.now = EPOCH

    def __call__(self) -> datetime:
        self.now += timedelta(microseconds=1)
        return self.now

    def turn_to(self, day: datetime) -> None:
        self.now = max(self.now, day)


def ask(library: Library, scratch: Path, dates: int) -> Tally:
    """Feed a library in the order of its dates, then ask about every document at so many of them."""
    clock = Calendar()
    with MemoryStore(scratch / "memory.db", clock=clock) as memory:
        facts = feed(library, memory, clock)
        days = sorted({document.at for document in library.documents.values()} | set(library.obsoletes.values()))
        chosen = [days[(len(days) - 1) * step // (dates - 1)] for step in range(dates)] if dates > 1 else days[-1:]
        tally = Tally()
        for day in chosen:
            compare(library, memory, facts, day + timedelta(hours=12), tally)
        return tally


def feed(library: Library, memory: MemoryStore, clock: Calendar) -> dict[int, Fact]:
    """Remember every document and declare every edge, in the order of their dates, a day at a time."""
    steps: dict[datetime, list[tuple[int, int, int]]] = defaultdict(list)
    for document in library.documents.values():
        steps[document.at].append((0, document.number, 0))
    for change, edges in ((1, library.obsoletes), (2, library.updates)):
        for (old, new), at in edges.items():
            steps[at].append((change, old, new))
    facts: dict[int, Fact] = {}
    for day in sorted(steps):
        clock.turn_to(day)
        with memory.transaction():
            for change, number, new in sorted(steps[day]):
                if change == 0:
                    facts[number] = memory.remember(
                        f"{library.name} {number}: {library.documents[number].title}",
                        modality="observation",
                        kind="reference",
                        origin="document",
                        ttl=None,
                        session=f"{library.name} {number}",
                    )
                elif change == 1:
                    memory.supersede(facts[number], facts[new], reason="obsoletes")
                else:
                    memory.amend(facts[number], facts[new], reason="updates")
    return facts


def compare(library: Library, memory: MemoryStore, facts: Mapping[int, Fact], at: datetime, tally: Tally) -> None:
    """What the store says of a moment, beside what the edges known by then say."""
    chains = Chains(pair for pair, declared in library.obsoletes.items() if declared <= at)
    updated = {old for (old, _), declared in library.updates.items() if declared <= at}
    for number, document in library.documents.items():
        if document.at > at:
            try:
                memory.status(facts[number], as_of=at)
                tally.note("not yet published, not known", False)
            except NotFound:
                tally.note("not yet published, not known", True)
            continue
        stands = memory.status(facts[number], as_of=at)
        replaced = bool(chains.successors.get(number))
        tally.note("statuses", stands is (Status.SUPERSEDED if replaced else Status.LIVE))
        if not replaced and number in updated:
            tally.note("only updated, still live", stands is Status.LIVE)
        if replaced or chains.predecessors.get(number):
            told = memory.history(facts[number], as_of=at).heads
            tally.note("heads", set(told) == {facts[head].id for head in chains.heads(number)})
            tally.deepest = max(tally.deepest, _depth(chains, number))


def _depth(chains: Chains, number: int) -> int:
    """The longest way from a document to the end of its chain."""
    depth, wave = 0, {number}
    while wave := {new for old in wave for new in chains.successors.get(old, ())}:
        depth += 1
    return depth


def statuses(data: Path) -> tuple[int, int]:
    """(right, asked): the status of each PEP as of a moment between each two of its changes."""
    samples = peps.load(data)
    turns = sorted(
        (turn for sample in samples for turn in sample.items if isinstance(turn, Turn) and "/status/" in turn.ref),
        key=lambda turn: turn.at,
    )
    clock = Calendar()
    right = asked = 0
    with tempfile.TemporaryDirectory() as scratch, MemoryStore(Path(scratch) / "m.db", clock=clock) as memory:
        written: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
        for turn in turns:
            clock.turn_to(turn.at)
            how = {"origin": "document", "key": turn.key, "at": turn.at, "ttl": None, "session": turn.ref}
            memory.remember(turn.text, modality="observation", **how)
            written[str(turn.key)].append((clock.now, turn.text))
        for key, changes in written.items():
            for (since, text), (until, _) in zip(changes, [*changes[1:], (clock.now, "")], strict=True):
                held = memory.get(key, as_of=since + (until - since) / 2)
                asked += 1
                right += held is not None and held.text == text
    return right, asked


# --- withheld ---------------------------------------------------------------------------------------------------


def propose(library: Library, scratch: Path) -> dict[tuple[int, int], bool]:
    """(old, new) → whether it was carried out, for every pair of documents that detection took for an update."""
    clock = Calendar()
    with MemoryStore(scratch / "memory.db", clock=clock) as memory:
        for document in sorted(library.documents.values(), key=lambda document: (document.at, document.number)):
            clock.turn_to(document.at)
            memory.record(
                f"{library.name} {document.number}: {document.title}. {document.abstract}".strip(),
                role="document",
                session="index",
                ref=str(document.number),
                at=document.at,
            )
        memory.capture()
        number_of = {fact.id: int(fact.provenance[0].ref or 0) for fact in memory.facts()}
        found: dict[tuple[int, int], bool] = {}
        for conflict in memory.conflicts():
            if conflict.change is Change.SUPERSEDED:
                found |= dict.fromkeys(_pairs(conflict.old, conflict.new, number_of), False)
        for fact in memory.facts(status=Status.SUPERSEDED):
            for step in memory.history(fact).transitions:
                if step.change is Change.SUPERSEDED:
                    found |= dict.fromkeys(_pairs(step.old, step.new, number_of), True)
        return {pair: carried_out for pair, carried_out in found.items() if pair[0] != pair[1]}


def _pairs(old: Sequence[str], new: Sequence[str], number_of: Mapping[str, int]) -> Iterable[tuple[int, int]]:
    return ((number_of[before], number_of[after]) for before in old for after in new)


def share(hits: int, of: int) -> str:
    """A share with its n and its 95 % Wilson interval."""
    if not of:
        return "– (n=0)"
    low, high = wilson(hits, of)
    return f"{hits / of:.4f} [{low:.4f}, {high:.4f}] (n={of:,})"


if __name__ == "__main__":
    main()
