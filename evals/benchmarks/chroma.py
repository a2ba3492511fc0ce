"""Where Chroma begins to pay: hybrid recall over the exact scan and over Chroma, in ever larger stores.

    python -m evals.benchmarks.chroma 10000 100000

Both answer the same questions over the same store, in a process of their own. Latency is of whole recalls, warm, with
the query's vector at hand; agreement is the share of the exact scan's first ten that Chroma's answer has too. Vectors
are drawn: a fixed direction for every word of a sentence, summed. They are harder to tell apart than a model's, so
take agreement as a low figure, and latency as it is.
"""

from __future__ import annotations

import functools
import hashlib
import json
import random
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import click
import numpy as np

from evals.benchmarks.ledger import export_lines, sentence
from memstore import MemoryStore

_NOW = datetime(2026, 6, 1, tzinfo=UTC)
_QUESTIONS = 60
_DIMENSIONS = 384


@functools.cache
def _direction(word: str) -> np.ndarray:
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
    return np.random.default_rng(seed).standard_normal(_DIMENSIONS).astype(np.float32)


class Drawn:
    """An encoder without a model."""

    name = "drawn/1"

    def encode(self, text: str) -> np.ndarray:
        total = sum((_direction(word) for word in re.findall(r"\w+", text.casefold())), np.zeros(_DIMENSIONS))
        return np.asarray(total / max(float(np.linalg.norm(total)), 1e-9), dtype=np.float32)


def build(path: Path, facts: int) -> dict[str, float]:
    """A store of so many facts with their vectors; how long its parts took, in seconds."""
    lines = path.with_suffix(".jsonl")
    with lines.open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in export_lines(facts))
    with MemoryStore(path, encoder=Drawn()) as memory:
        memory.import_(lines)
        begun = time.perf_counter()
        memory.embed()
    lines.unlink()
    return {"embed_s": round(time.perf_counter() - begun, 1)}


def ask(path: Path, facts: int, *, chroma: bool) -> dict[str, object]:
    """Answers and latencies of one arm, with what it cost to fill and to hold."""
    rng = random.Random(11)
    questions = [sentence(rng, rng.randrange(facts)) for _ in range(_QUESTIONS)]
    with MemoryStore(path, encoder=Drawn(), chroma=chroma) as memory:
        begun = time.perf_counter()
        memory.embed()
        filled = time.perf_counter() - begun
        begun = time.perf_counter()
        memory.recall(questions[0], mode="hybrid", now=_NOW)
        first = time.perf_counter() - begun
        answers, took, spent = [], [], []
        for question in questions:
            wall, processor = time.perf_counter(), time.process_time()
            found = memory.recall(question, k=10, mode="hybrid", now=_NOW, purpose=None)
            took.append(time.perf_counter() - wall)
            spent.append(time.process_time() - processor)
            answers.append([one.fact_id for one in found])
        problems = [problem.message for problem in memory.verify() if problem.record == "chroma"]
    return {
        "fill_s": round(filled, 1),
        "first_ms": round(first * 1e3, 1),
        "p50_ms": round(statistics.median(took) * 1e3, 1),
        "p95_ms": round(statistics.quantiles(took, n=20)[-1] * 1e3, 1),
        "cpu_p50_ms": round(statistics.median(spent) * 1e3, 1),
        "rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "problems": problems,
        "answers": answers,
    }


def _apart(path: Path, facts: int, chroma: bool) -> dict[str, object]:
    """One arm in a process of its own, so that neither finds the other's memory warm."""
    command = [sys.executable, "-m", "evals.benchmarks.chroma", "--arm", str(path), str(int(chroma)), str(facts)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    told: dict[str, object] = json.loads(done.stdout)
    return told


@click.command()
@click.argument("sizes", type=click.IntRange(100), nargs=-1, required=True)
@click.option("--arm", nargs=2, hidden=True)
def main(sizes: tuple[int, ...], arm: tuple[str, str] | None) -> None:
    """Hybrid recall by the exact scan and by Chroma in stores of SIZES facts."""
    if arm:
        click.echo(json.dumps(ask(Path(arm[0]), sizes[0], chroma=arm[1] == "1")))
        return
    click.echo("facts\tindex\tfill s\tfirst ms\tp50 ms\tp95 ms\tcpu p50 ms\tRSS MB\tagreement@10")
    for facts in sizes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "m.db"
            build(path, facts)
            exact, chroma = (_apart(path, facts, chroma) for chroma in (False, True))
            pairs = list(zip(exact["answers"], chroma["answers"], strict=True))  # type: ignore[call-overload]
            agreement = statistics.mean(len(set(a) & set(b)) / max(1, len(a)) for a, b in pairs)
            for name, told in (("exact scan", exact), ("chroma", chroma)):
                columns = [told[c] for c in ("fill_s", "first_ms", "p50_ms", "p95_ms", "cpu_p50_ms", "rss_mb")]
                same = "" if name == "exact scan" else f"{agreement:.3f} (n = {len(pairs)})"
                click.echo("\t".join([f"{facts:,}", name, *map(str, columns), same]))
                for problem in told["problems"]:  # type: ignore[attr-defined]
                    click.echo(f"  {problem}", err=True)


if __name__ == "__main__":
    main()
