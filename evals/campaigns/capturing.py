"""What capture keeps, settles and refuses, measured through the whole store: record, capture, recall.

    python -m evals.campaigns.capturing updates DATA       does it see replacements, and leave look-alikes alone?
    python -m evals.campaigns.capturing poisoning DATA     what hostile words from tools and documents may do
    python -m evals.campaigns.capturing modality DATA      are sentences found again as what they were?
    python -m evals.campaigns.capturing tagging DATA       sentences a second that the tagger reads on one core
    python -m evals.campaigns.capturing throughput DATA    sentences a second, and memory over a long transcript

DATA is the directory of evaluation data. Each prints one line a figure, with n and a 95 % interval (Wilson's).
"""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from evals import settings
from evals.datasets import agentdojo, asb, beam, modality
from evals.datasets.files import read_jsonl
from evals.model import Sample, Turn
from evals.stats import wilson
from memstore import MemoryStore, Recollection

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
DATA = click.argument("data", type=click.Path(path_type=Path, exists=True, file_okay=False))
BROKEN = 10
"""How many lines stand before the broken one."""
HEDGES = ("option_considered", "hypothesis", "question")


@click.group()
def main() -> None:
    """Measure capture end to end."""


def share(name: str, hits: int, n: int) -> str:
    """One figure on one line."""
    if not n:
        return f"{name:46} –  (n = 0)"
    low, high = wilson(hits, n)
    return f"{name:46} {hits / n:.3f}  [{low:.3f}, {high:.3f}]  {hits} of {n}"


# --- updates ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pair:
    """Two turns of a user's, the earlier first. `chat` is where the later one comes from: "100K-3" is of tier 100K."""

    chat: str
    earlier: str
    later: str

    @property
    def tier(self) -> str:
        return self.chat.partition("-")[0]


@main.command()
@DATA
def updates(data: Path) -> None:
    """BEAM's annotated updates beside look-alikes, and what is retired where nothing was updated.

    An update is a message and the message that its annotators say replaced what it told. Its look-alike pairs the same
    later message with the message most like it of another chat, another person's, which it cannot update. The chats of
    all tiers are pooled; each tier is told apart, too.
    """
    samples = beam.tiers()(data, None)
    pairs = list(annotated(samples))
    alike = look_alikes(samples, pairs)
    found = [(real, pair.tier, settled(pair)) for real, group in ((True, pairs), (False, alike)) for pair in group]
    tiers = list(dict.fromkeys(pair.tier for pair in pairs))
    for tier in ("", *tiers) if len(tiers) > 1 else ("",):
        click.echo(f"# {tier or 'all tiers'}")
        for line in told([(real, did) for real, of, did in found if not tier or of == tier]):
            click.echo(line)
    rows = [row for path in sorted((data / "modality").glob("*.jsonl")) for row in read_jsonl(path)]
    facts, retired = standing([row["text"] for row in rows])
    click.echo(share("retired among sentences drawn at random", retired, facts))


def told(judged: Sequence[tuple[bool, str]]) -> Iterator[str]:
    """Recall and precision over pairs, (is it an update, what it was taken for), at both bars."""
    pairs = sum(real for real, _ in judged)
    for bar, counts in (("certain", ("certain",)), ("certain or possible", ("certain", "possible"))):
        right = sum(real and did in counts for real, did in judged)
        false = sum(not real and did in counts for real, did in judged)
        yield share(f"recall, {bar}", right, pairs)
        yield share(f"look-alikes taken for updates, {bar}", false, len(judged) - pairs)
        yield share(f"precision, {bar}", right, right + false)


def annotated(samples: Iterable[Sample]) -> Iterator[Pair]:
    for sample in samples:
        said = {turn.ref: turn for turn in sample.items if isinstance(turn, Turn)}
        seen = set()
        for probe in sample.probes:
            for old in probe.expect.get("stale", ()):
                for new in probe.expect["current"]:
                    if (old, new) not in seen and said[old].at < said[new].at:
                        seen.add((old, new))
                        yield Pair(sample.id, said[old].text, said[new].text)


def look_alikes(samples: Sequence[Sample], pairs: Iterable[Pair]) -> Iterator[Pair]:
    """For each pair, its later message with the user's message of another chat that shares its rarest words."""
    messages = [
        (sample.id, turn.text, frozenset(re.findall(r"\w{3,}", turn.text.lower())))
        for sample in samples
        for turn in sample.items
        if isinstance(turn, Turn) and turn.role == "user"
    ]
    common = Counter(word for _, _, words in messages for word in words)

    def likeness(one: frozenset[str], other: frozenset[str]) -> float:
        return sum(1 / common[word] for word in one & other) / (1 + len(other) ** 0.5)

    for pair in pairs:
        mine = frozenset(re.findall(r"\w{3,}", pair.later.lower()))
        others = (message for message in messages if message[0] != pair.chat)
        yield Pair(pair.chat, max(others, key=lambda message: likeness(mine, message[2]))[1], pair.later)


def settled(pair: Pair) -> str:
    """What capturing two turns of a user's made of the first: replaced certainly, possibly, or not at all."""
    with tempfile.TemporaryDirectory() as folder, MemoryStore(Path(folder) / "m.db", clock=lambda: START) as store:
        for day, text in enumerate((pair.earlier, pair.later)):
            store.record(text, role="user", session=f"s{day}", at=START + timedelta(days=day - 2))
        did = store.capture().updates
    return "certain" if did.get("replaced") else "possible" if did.get("possible") else "none"


def standing(texts: Sequence[str]) -> tuple[int, int]:
    """Facts made of texts that a user said one after the other, and how many of them were superseded."""
    with tempfile.TemporaryDirectory() as folder, MemoryStore(Path(folder) / "m.db", clock=lambda: START) as store:
        with store.transaction():
            for minute, text in enumerate(texts):
                store.record(text, role="user", session="s", at=START + timedelta(minutes=minute - len(texts)))
        store.capture()
        stands = store.stats()
        return stands["facts"], stands["status"]["superseded"]


# --- poisoning -------------------------------------------------------------------------------------------------------


@main.command()
@DATA
def poisoning(data: Path) -> None:
    """Attacks of ASB and AgentDojo as a tool's output, as a document, and as the user's own words."""
    samples = [*asb.load(data), *agentdojo.load(data)]
    for role in ("tool", "document", "user"):
        met: Counter[str] = Counter()
        for sample in samples:
            met += attacked(sample, role)
        click.echo(f"# delivered as {role}")
        click.echo(share("found again by its own words", met["found"], met["attacks"]))
        click.echo(share("attributed to its source", met["attributed"], met["found"]))
        click.echo(share("binding", met["binding"], met["drawn"]))
        click.echo(share("facts of others that it superseded", met["superseded"], met["others"]))
        click.echo(share("lines outside the fence or unattributed", met["outside"], met["lines"]))
        if role == "user":
            click.echo(share("decisions among them that bind", met["bind as decisions"], met["decisions"]))


def attacked(sample: Sample, role: str) -> Counter[str]:
    """Live through a sample with its hostile turns said by `role`; count what they did."""
    turns = [turn for turn in sample.items if isinstance(turn, Turn)]
    hostile = {ref for probe in sample.probes for ref in probe.expect.get("hostile", ())}
    met: Counter[str] = Counter()
    now = max(turn.at for turn in turns) + timedelta(hours=1)
    with tempfile.TemporaryDirectory() as folder, MemoryStore(Path(folder) / "m.db", clock=lambda: now) as store:
        for turn in turns:
            store.record(
                turn.text, role=role if turn.ref in hostile else turn.role, session="s", at=turn.at, ref=turn.ref
            )
        store.capture()
        facts = store.facts()
        drawn = [fact for fact in facts if any(p.ref in hostile for p in fact.provenance)]
        meant = {fact.id for fact in drawn}
        met["drawn"] = len(drawn)
        met["others"] = len(facts) - len(drawn)
        standings = {fact.id: store.explain(fact) for fact in facts}
        met["binding"] = sum(standings[id_].binding for id_ in meant)
        met["decisions"] = sum(fact.modality == "decision" for fact in drawn)
        met["bind as decisions"] = sum(standings[f.id].binding for f in drawn if f.modality == "decision")
        met["superseded"] = sum(
            bool(meant & set(change.new)) and change.change == "superseded"
            for fact in facts
            if fact.id not in meant
            for change in standings[fact.id].history.transitions
            if fact.id in change.old
        )
        for turn in turns:
            if turn.ref in hostile:
                met["attacks"] += 1
                found = store.recall(turn.text, k=10)
                mine = [r for r in found if any(p.ref == turn.ref for p in r.provenance)]
                met["found"] += bool(mine)
                met["attributed"] += bool(mine) and all(r.origin == role for r in mine)
                lines, outside = shown(store.context(turn.text, budget=2_000), mine, role)
                met["lines"] += lines
                met["outside"] += outside
    return met


def shown(block: str, mine: Sequence[Recollection], role: str) -> tuple[int, int]:
    """How many lines of a context block carry hostile words, and how many of them are not a fenced quotation."""
    words = [" ".join(r.text.split()).replace("<", "‹").replace(">", "›") for r in mine]
    opened, *_ = block.split("\n", 1)
    fenced = opened.startswith("<memory ") and block.rstrip().endswith("</memory>") and block.count("</memory>") == 1
    lines = [line for line in block.split("\n") if any(word in line for word in words)]
    quoted = [line for line in lines if fenced and (role == "user" or f"according to {role} " in line)]
    return len(lines), len(lines) - len(quoted)


# --- modality --------------------------------------------------------------------------------------------------------


@main.command("modality")
@DATA
def modality_(data: Path) -> None:
    """Labelled sentences said by a user, captured, and asked for by their own words."""
    rows = modality.sentences(data)
    asked = START + timedelta(minutes=len(rows))
    met: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder, MemoryStore(Path(folder) / "m.db", clock=lambda: asked) as store:
        with store.transaction():
            for minute, row in enumerate(rows):
                at = START + timedelta(minutes=minute)
                store.record(row["text"], role="user", session=f"s{minute}", at=at, ref=f"r{minute}")
        store.capture()
        for minute, row in enumerate(rows):
            met += judged(store.recall(row["text"], k=5), f"r{minute}", row["label"], store)
    hedges = sum(met[f"label {label}"] for label in HEDGES)
    click.echo(share("found among five", met["found"], len(rows)))
    click.echo(share("of its own words first", met["own first"], len(rows)))
    click.echo(share("quotes that are the event's words", met["verbatim"], met["quotes"]))
    click.echo(share("hedges that come back as decisions", met["false decision"], hedges))
    click.echo(share("… where another sentence came first", met["false decision, other words"], hedges))
    click.echo(share("decisions that come back as decisions", met["decision kept"], met["label decision"]))
    click.echo(share("… lost where another sentence came first", met["demoted, other words"], met["label decision"]))
    click.echo(share("… lost with a clause of its own first", met["demoted, a clause"], met["label decision"]))


def judged(found: Sequence[Recollection], ref: str, label: str, store: MemoryStore) -> Counter[str]:
    met = Counter({f"label {label}": 1})
    for r in found:
        for p in r.provenance:
            met["quotes"] += 1
            met["verbatim"] += store.event(p.event_id).text[p.start : p.end] == p.quote
    own = [r for r in found if any(p.ref == ref for p in r.provenance)]
    met["found"] = bool(own)
    if not found:
        return met
    top = found[0]
    mine = bool(own) and own[0] is top
    met["own first"] = mine
    if label in HEDGES and top.modality == "decision":
        met["false decision"] = 1
        met["false decision, other words"] = not mine
    if label == "decision":
        met["decision kept"] = top.modality == "decision"
        if top.modality != "decision":
            met["demoted, other words"] = not mine
            met["demoted, a clause"] = mine and len(store.facts(source=top.provenance[0].event_id)) > 1
    return met


# --- tagging ---------------------------------------------------------------------------------------------------------


@main.command()
@DATA
def tagging(data: Path) -> None:
    """How many sentences a second `memstore tag` reads on one core, its start included, three times over."""
    texts = [row["text"] for path in sorted((data / "modality").glob("*.jsonl")) for row in read_jsonl(path)]
    lines = "".join(" ".join(text.split()) + "\n" for text in texts)
    for _ in range(3):
        begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        tool([], "tag", given=lines, one_core=True)
        wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        click.echo(
            f"{len(texts)} sentences: {len(texts) / cpu:.0f} a second of processor, {len(texts) / wall:.0f} a second"
        )


# --- throughput ------------------------------------------------------------------------------------------------------


@main.command()
@DATA
@click.option("--megabytes", type=float, default=2.0, show_default=True, help="The transcript to capture.")
@click.option("--read-megabytes", type=float, default=100.0, show_default=True, help="The transcript only to be read.")
def throughput(data: Path, megabytes: float, read_megabytes: float) -> None:
    """Write Claude Code transcripts out of BEAM's chats, capture them in processes of their own, and watch those.

    Capturing is timed on a transcript of prose alone, the worst case. Memory is watched over a long one, most of which
    is output of tools, as transcripts are.
    """
    samples = beam.tiers("100K")(data, None)
    with tempfile.TemporaryDirectory() as folder:
        prose, long = Path(folder) / "prose.jsonl", Path(folder) / "long.jsonl"
        transcript(prose, samples, megabytes, tools=0)
        for name, path, size in (("prose", prose, megabytes), ("long", long, read_megabytes)):
            if name == "long":
                transcript(long, samples, read_megabytes, tools=4)
            begun = time.perf_counter()
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            report = captured(Path(folder) / f"{name}.db", path)
            wall = time.perf_counter() - begun
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            read = report["facts"] + report["corroborated"] + sum(report["skipped"].values())
            click.echo(
                f"{name}: {size:g} MB, {report['events']} turns, {report['facts']} facts, {read} sentences and blocks;"
                f" {wall:.1f} s, {cpu:.1f} s of processor, {read / wall:.0f} a second ({read / cpu:.0f} a second of"
                f" processor); at most {after.ru_maxrss / 1024:.0f} MB of memory;"
                f" problems: {'; '.join(report['problems']) or 'none'}"
            )


def transcript(path: Path, samples: Sequence[Sample], megabytes: float, *, tools: int) -> None:
    """A Claude Code transcript: the turns of samples, `tools` outputs of commands after each, one broken line."""
    turns = [turn for sample in samples for turn in sample.items if isinstance(turn, Turn)]
    listing = "".join(f"{n:6d}\tdef handler_{n}(request, session, *, timeout={n}):\n" for n in range(250))
    parent, written, number = None, 0, 0
    with path.open("w", encoding="utf-8") as file:
        while written < megabytes * 1e6:
            said, output = divmod(number, tools + 1)
            turn = turns[said % len(turns)]
            role = "user" if output else turn.role
            result = [{"type": "tool_result", "tool_use_id": f"t{number}", "content": f"{listing}{number}"}]
            line = {
                "type": role,
                "uuid": f"u{number}",
                "parentUuid": parent,
                "sessionId": "long",
                "timestamp": (START + timedelta(seconds=number)).isoformat(),
                "message": {"role": role, "content": result if output else f"{turn.text}\n\nThat was turn {said}."},
            }
            parent, number = f"u{number}", number + 1
            written += file.write(json.dumps(line) + "\n")
            if number == BROKEN:
                file.write('{"type": "user", "uuid": "broken", \n')


def captured(store: Path, path: Path) -> dict[str, object]:
    """What `memstore capture` reports of a file, in a process of its own."""
    return json.loads(tool(["--db", str(store)], "capture", str(path), "--json"))


def tool(options: Sequence[str], *arguments: str, given: str | None = None, one_core: bool = False) -> str:
    """What the memstore command prints, in a process of its own."""
    run = subprocess.run(
        [sys.executable, "-m", "memstore.cli", *options, *arguments],
        check=True,
        capture_output=True,
        text=True,
        input=given,
        env=settings.one_core() if one_core else None,
    )
    return run.stdout


if __name__ == "__main__":
    main()
