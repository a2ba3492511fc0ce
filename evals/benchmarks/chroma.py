"""Where Chroma begins to pay: hybrid recall over the exact scan and over Chroma, in ever larger stores.

    python -m evals.benchmarks.chroma 10000 100000

Both answer the same questions over the same store, in a process of their own: the stores, questions and drawn vectors
of `evals.benchmarks.recall`. Latency is of whole recalls, warm, with the query's vector at hand; agreement is the share
of the exact scan's first ten that Chroma's answer has too. Drawn vectors are harder to tell apart than a model's, so
take agreement as a low figure, and latency as it is.
"""

from __future__ import annotations

import json
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import click

from evals.benchmarks.recall import NOW, WordVectors, build, conversations
from evals.settings import data_directory
from memstore import MemoryStore

QUESTIONS = 200
COLUMNS = ("fill_s", "first_ms", "p50_ms", "p95_ms", "cpu_p50_ms", "cpu_p95_ms", "rss_mb")


def ask(path: Path, questions: Sequence[str], *, chroma: bool) -> dict[str, object]:
    """Answers and latencies of one arm, with what it cost to fill and to hold."""
    with MemoryStore(path, create=False, encoder=WordVectors(), chroma=chroma) as memory:
        begun = time.perf_counter()
        memory.embed()
        filled = time.perf_counter() - begun
        begun = time.perf_counter()
        memory.recall(questions[0], mode="hybrid", now=NOW, purpose=None)
        first = time.perf_counter() - begun
        answers, took, spent = [], [], []
        for question in questions:
            wall, processor = time.perf_counter(), time.process_time()
            found = memory.recall(question, k=10, mode="hybrid", now=NOW, purpose=None)
            took.append((time.perf_counter() - wall) * 1e3)
            spent.append((time.process_time() - processor) * 1e3)
            answers.append([one.fact_id for one in found])
        held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        problems = [problem.message for problem in memory.verify() if problem.record == "chroma"]
    return {
        "fill_s": round(filled, 1),
        "first_ms": round(first * 1e3, 1),
        "p50_ms": round(statistics.median(took), 1),
        "p95_ms": round(statistics.quantiles(took, n=20)[-1], 1),
        "cpu_p50_ms": round(statistics.median(spent), 1),
        "cpu_p95_ms": round(statistics.quantiles(spent, n=20)[-1], 1),
        "rss_mb": round(held),
        "problems": problems,
        "answers": answers,
    }


def apart(path: Path, questions: Sequence[str], facts: int, *, chroma: bool) -> dict[str, object]:
    """One arm in a process of its own, so that neither finds the other's memory warm."""
    command = [sys.executable, "-m", "evals.benchmarks.chroma", "--arm", str(path), str(int(chroma)), str(facts)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, input=json.dumps(list(questions)))
    told: dict[str, object] = json.loads(done.stdout)
    return told


@click.command()
@click.argument("sizes", type=click.IntRange(100), nargs=-1, required=True)
@click.option("--arm", nargs=2, hidden=True)
@click.option("--dir", "where", type=click.Path(file_okay=False, path_type=Path), help="a directory to work in")
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="evaluation data")
def main(sizes: tuple[int, ...], arm: tuple[str, str] | None, where: Path | None, data: Path | None) -> None:
    """Hybrid recall by the exact scan and by Chroma in stores of SIZES facts."""
    if arm:
        click.echo(json.dumps(ask(Path(arm[0]), json.load(sys.stdin), chroma=arm[1] == "1")))
        return
    samples = conversations(data_directory(data))
    asked = [probe.query.text for sample in samples for probe in sample.probes]
    questions = random.Random(0).sample(asked, min(QUESTIONS, len(asked)))
    click.echo("\t".join(["facts", "index", *COLUMNS, "agreement@10"]))
    for facts in sizes:
        folder = Path(tempfile.mkdtemp(prefix="memstore-bench-", dir=where))
        try:
            path = build(samples, facts, folder)
            with MemoryStore(path, create=False, encoder=WordVectors()) as memory:
                memory.embed()
            _compare(facts, path, questions)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _compare(facts: int, path: Path, questions: Sequence[str]) -> None:
    exact, chroma = (apart(path, questions, facts, chroma=chroma) for chroma in (False, True))
    pairs = list(zip(exact["answers"], chroma["answers"], strict=True))  # type: ignore[call-overload]
    agreement = statistics.mean(len(set(a) & set(b)) / max(1, len(a)) for a, b in pairs)
    for name, told in (("exact scan", exact), ("chroma", chroma)):
        same = "" if name == "exact scan" else f"{agreement:.3f} (n = {len(pairs)})"
        click.echo("\t".join([f"{facts:,}", name, *(str(told[c]) for c in COLUMNS), same]))
        for problem in told["problems"]:  # type: ignore[attr-defined]
            click.echo(f"  {problem}", err=True)


if __name__ == "__main__":
    main()
