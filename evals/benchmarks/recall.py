"""How long a question takes as a memory grows, side by side with peers over the same statements.

Development conversations (BEAM's, and LoCoMo's where they are at hand) are said again and again, with names of their
own each time, until their sentences are enough facts; the questions are those that come with them. Every measurement
has a process of its own, and its memory is what that process grew by.

Vectors are sums of a fixed direction for each word: how long comparing takes does not depend on what a vector means,
and a million real ones would take hours. So hybrid times are without the embedding of the query, which is given apart.

    memstore exact, hybrid   `recall(k=5)`, whole: standing, provenance and confidence of every answer included
    fts5                     the facts in an FTS5 table (porter), OR over the words of the question, ten best by bm25
    bm25                     Okapi BM25 in memory
    chroma                   Chroma's HNSW index, ten nearest

Speed alone is compared here: what each finds is measured by `memeval`.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import random
import re
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import click
import numpy as np

from evals.arms import bm25, vectors
from evals.datasets import beam, locomo
from evals.model import EvalError, Sample, Turn
from evals.settings import data_directory
from memstore import MemoryStore

NOW = datetime(2026, 3, 1, tzinfo=UTC)
CHATS = 3
SYLLABLES = (
    "ba be bi bo bu da de di do ka ke ki ko la le li lo ma me mi mo na ne ni no ra re ri ro sa se ta te to vi".split()
)
SENTENCE = re.compile(r"[^\s.!?][^.!?\n]{15,300}[.!?]?")
#: Above these sizes a peer is left out: it would need hours or all of the memory.
MOST = {"bm25": 100_000, "chroma": 100_000, "memstore hybrid": 100_000}
COLD = (
    "from memstore import MemoryStore; import sys;"
    " assert MemoryStore(sys.argv[1]).recall(sys.argv[2], k=5, mode=sys.argv[3], purpose=None)"
)


class WordVectors:
    """An encoder without a model: a fixed direction for every word, summed."""

    name = "word-directions/1"

    def encode(self, text: str) -> np.ndarray:
        total = np.full(384, 1e-3, dtype=np.float32)
        for word in re.findall(r"\w+", text.casefold()):
            total += _direction(word)
        return total / np.linalg.norm(total)


@cache
def _direction(word: str) -> np.ndarray:
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
    return np.random.default_rng(seed).standard_normal(384).astype(np.float32)


# --- the memory -----------------------------------------------------------------------------------------------------


def conversations(data: Path) -> list[Sample]:
    found = beam.tiers()(data, CHATS)
    try:
        return found + locomo.load(data)
    except EvalError:
        return found


def said(sample: Sample) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Each turn of a conversation as an event and its sentences as facts, as lines of an export."""
    found = []
    for number, turn in enumerate(item for item in sample.items if isinstance(item, Turn)):
        at, event = turn.at.isoformat(), f"e_{sample.id}/{number}"
        of_turn = {"scope": "default", "recorded_at": at, "origin": turn.role}
        facts = [
            {
                **of_turn, "type": "fact", "id": f"f_{sample.id}/{number}/{match.start()}", "key": None,
                "text": match[0], "modality": "observation", "kind": "project", "said_at": at, "valid_from": at,
                "valid_to": None, "ttl_seconds": None, "probability": 0.9, "context": {}, "premises": [],
                "provenance": [
                    {"event": event, "start": match.start(), "end": match.end(), "extractor": "sentences/1"}
                ],
            }
            for match in SENTENCE.finditer(turn.text)
        ]  # fmt: skip
        said_ = {
            **of_turn, "type": "event", "id": event, "session": f"{sample.id}/{turn.session}", "ref": turn.ref,
            "role": turn.role, "at": at, "text": turn.text, "forgotten_at": None, "pending": False,
        }  # fmt: skip
        found.append((said_, facts))
    return found


def again(
    conversation: Sequence[tuple[dict[str, Any], list[dict[str, Any]]]], number: int
) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """A conversation had by other people: ids and names are new, names of the same length, so that spans still hold."""
    names = {m[0] for event, _ in conversation if (m := re.match(r"[A-Z][a-z]+(?=: )", event["text"]))}
    rng = random.Random(number)
    called = {name: "".join(rng.choices(SYLLABLES, k=len(name)))[: len(name)].capitalize() for name in sorted(names)}
    pattern = re.compile(rf"\b(?:{'|'.join(called)})\b") if called and number else None

    def renamed(text: str) -> str:
        return text if pattern is None else pattern.sub(lambda match: called[match[0]], text)

    for event, facts in conversation:
        text, id_ = renamed(event["text"]), f"{event['id']}/{number}"
        hash_ = hashlib.sha256(text.encode()).hexdigest()
        yield (
            {**event, "id": id_, "session": f"{event['session']}/{number}", "text": text, "sha256": hash_},
            [
                {
                    **fact,
                    "id": f"{fact['id']}/{number}",
                    "text": renamed(fact["text"]),
                    "provenance": [{**fact["provenance"][0], "event": id_}],
                }
                for fact in facts
            ],
        )


def build(samples: Sequence[Sample], size: int, directory: Path) -> Path:
    """A store of so many facts; a smaller one is the beginning of a larger."""
    export, facts, path = directory / "export.jsonl", directory / "facts.jsonl", directory / f"{size}.db"
    events = written = 0
    with export.open("w") as file, facts.open("w+") as held:
        header = {"type": "header", "format": "memstore", "version": 1, "scopes": ["default"]}
        file.write(json.dumps(header) + "\n")
        conversations_ = [said(sample) for sample in samples]
        for event, of_event in (turn for n in count() for one in conversations_ for turn in again(one, n)):
            if written >= size:
                break
            file.write(json.dumps(event) + "\n")
            held.writelines(json.dumps(fact) + "\n" for fact in of_event)
            events, written = events + 1, written + len(of_event)
        held.seek(0)
        shutil.copyfileobj(held, file)
        file.write(json.dumps({"type": "footer", "events": events, "facts": written, "transitions": 0}) + "\n")
    with MemoryStore(path, clock=lambda: NOW) as memory:
        memory.import_(export)
    return path


def texts(store: Path) -> list[str]:
    with MemoryStore(store, create=False) as memory:
        return [fact.text for fact in memory.facts()]


# --- what is measured: each opens what it asks, and returns how to ask it --------------------------------------------


def memstore_exact(store: Path) -> tuple[Callable[[str], Any], Path]:
    memory = MemoryStore(store, create=False)
    return lambda question: memory.recall(question, k=5, now=NOW, purpose=None), store


def memstore_hybrid(store: Path) -> tuple[Callable[[str], Any], Path]:
    whole = store.with_suffix(".hybrid.db")
    if not whole.exists():
        shutil.copy(store, whole)
    memory = MemoryStore(whole, create=False, encoder=WordVectors())
    memory.embed()
    return lambda question: memory.recall(question, k=5, mode="hybrid", now=NOW, purpose=None), whole


def fts5(store: Path) -> tuple[Callable[[str], Any], Path]:
    path = store.with_suffix(".fts5.db")
    made = path.exists()
    db = sqlite3.connect(path)
    if not made:
        db.execute("CREATE VIRTUAL TABLE said USING fts5(text, tokenize='porter')")
        db.executemany("INSERT INTO said VALUES (?)", ((text,) for text in texts(store)))
        db.commit()

    def ask(question: str) -> Any:
        words = " OR ".join(f'"{word}"' for word in dict.fromkeys(re.findall(r"\w+", question.casefold())))
        return db.execute(
            "SELECT rowid, text FROM said WHERE said MATCH ? ORDER BY bm25(said) LIMIT 10", (words,)
        ).fetchall()

    return ask, path


def bm25_in_memory(store: Path) -> tuple[Callable[[str], Any], None]:
    index = bm25.Index(texts(store))
    return lambda question: index.rank(question)[:10], None


def chroma(store: Path) -> tuple[Callable[[str], Any], Path]:
    import chromadb
    from chromadb.config import Settings

    path, model = store.with_suffix(".chroma"), WordVectors()
    client = chromadb.PersistentClient(str(path), Settings(anonymized_telemetry=False))
    collection = client.get_or_create_collection(
        "said", configuration={"hnsw": {"space": "cosine", "num_threads": 1}}, embedding_function=None
    )
    if not collection.count():
        held = texts(store)
        for begin in range(0, len(held), 1000):
            part = held[begin : begin + 1000]
            ids = [str(begin + i) for i in range(len(part))]
            collection.add(ids=ids, embeddings=np.array([model.encode(text) for text in part]))
    return lambda question: collection.query(query_embeddings=[model.encode(question)], n_results=10, include=[]), path


ASKED: Mapping[str, Callable[[Path], tuple[Callable[[str], Any], Path | None]]] = {
    "memstore exact": memstore_exact,
    "memstore hybrid": memstore_hybrid,
    "fts5": fts5,
    "bm25": bm25_in_memory,
    "chroma": chroma,
}


def measure(name: str, store: Path, questions: Sequence[str], results: Any) -> None:
    """In a process of its own: prepare, ask, and report times in milliseconds and sizes in megabytes."""
    ASKED[name](store)  # prepared once, so that what is measured below is opened as it lies
    before = _resident()
    ask, path = ASKED[name](store)
    for question in questions[:20]:
        ask(question)
    wall, cpu = [], []
    for question in questions:
        begun, spent = time.perf_counter(), time.thread_time()
        ask(question)
        cpu.append((time.thread_time() - spent) * 1000)
        wall.append((time.perf_counter() - begun) * 1000)
    results.put(
        {
            "p50": float(np.percentile(wall, 50)),
            "p95": float(np.percentile(wall, 95)),
            "cpu p50": float(np.percentile(cpu, 50)),
            "cpu p95": float(np.percentile(cpu, 95)),
            "memory": max(0.0, _resident() - before),
            "disk": _megabytes(path),
        }
    )


def _resident() -> float:
    """Megabytes that this process holds: now, where the system tells, else at its peak."""
    status = Path("/proc/self/statm")
    if status.exists():
        return int(status.read_text().split()[1]) * resource.getpagesize() / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _megabytes(path: Path | None) -> float | None:
    if path is None:
        return None
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files) / 1e6


def cold(store: Path, question: str, mode: str, times: int = 7) -> float:
    """Median milliseconds of a whole process that opens the store, asks once and ends."""
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", COLD, str(store), question, mode], check=True)
        took.append((time.perf_counter() - begun) * 1000)
    return float(np.median(took))


@click.command()
@click.option("--facts", "first", default=10_000, show_default=True, help="how many, and how many more: sizes")
@click.argument("more", type=int, nargs=-1)
@click.option("--questions", "asked_of_each", default=200, show_default=True, help="questions asked of each")
@click.option(
    "--only", "names", multiple=True, type=click.Choice(list(ASKED)), help="what to measure; all unless given"
)
@click.option("--dir", "where", type=click.Path(file_okay=False, path_type=Path), help="a directory to work in")
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="evaluation data")
def main(
    first: int, more: tuple[int, ...], asked_of_each: int, names: tuple[str, ...], where: Path | None, data: Path | None
) -> None:
    """Time questions over growing memories, side by side with peers, and print a Markdown table."""
    directory = Path(tempfile.mkdtemp(prefix="memstore-bench-", dir=where))
    try:
        samples = conversations(data_directory(data))
        asked = [probe.query.text for sample in samples for probe in sample.probes]
        questions = random.Random(0).sample(asked, min(asked_of_each, len(asked)))
        stores = {size: build(samples, size, directory) for size in sorted({first, *more})}
        click.echo(
            f"{len(questions)} questions; milliseconds, megabytes; times in brackets are of the processor alone\n"
        )
        click.echo("| | facts | p50 | p95 | memory | disk | cold process |\n|---|---:|---:|---:|---:|---:|---:|")
        for name in names or ASKED:
            for size, store in stores.items():
                click.echo(_row(name, size, store, questions))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _row(name: str, size: int, store: Path, questions: Sequence[str]) -> str:
    if size > MOST.get(name, size):
        return f"| {name} | {size:,} | – | – | – | – | – |"
    if name == "chroma" and (reason := vectors.missing()):
        return f"| {name} | {size:,} | {reason} | – | – | – | – |"
    context = multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    process = context.Process(target=measure, args=(name, store, questions, results))
    process.start()
    process.join()
    if process.exitcode:
        raise EvalError(f"measuring {name} over {size} facts ended with {process.exitcode}")
    found = results.get()
    begun = f"{cold(store, questions[0], 'exact'):.0f}" if name == "memstore exact" else "–"
    disk = "–" if found["disk"] is None else f"{found['disk']:,.0f}"
    p50, p95 = (f"{found[of]:.1f} ({found[f'cpu {of}']:.1f})" for of in ("p50", "p95"))
    return f"| {name} | {size:,} | {p50} | {p95} | {found['memory']:,.0f} | {disk} | {begun} |"


if __name__ == "__main__":
    main()
