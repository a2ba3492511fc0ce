"""What an agent waits for: hooks of Claude Code in cold processes, on a store of 100,000 facts.

Each round starts a bare Python and then each hook, so that whatever else the machine does meets all of them alike:
the ratio to the bare process is the figure that another machine can be compared by. CPU is the time the process took
itself, which waiting for a busy machine does not add to.

    python -m evals.benchmarks.hooks --keep /tmp/hooks     # the store is made once and used again
"""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

from memstore import MemoryStore
from memstore.model import Modality

#: Milliseconds that an agent may be held up for, at the 95th percentile.
LIMITS = {"SessionStart": 250, "UserPromptSubmit": 200, "PostToolUse": 120}
PROMPTS = (
    "should we use redis for the ttl cache of short links?",
    "what did we decide about the queue and its shards",
    "fix the failing deploy, the index is not rebuilt after a code change",
    "why is word17 related to word4711?",
)
_COMMON = "redis ttl cache link short code deploy index queue shard".split()


def store_of(root: Path, count: int) -> Path:
    """A project with a store of `count` facts, of common words and rare ones; made if it is not there."""
    path = root / ".memstore" / "memory.db"
    if path.exists():
        return path
    path.parent.mkdir(parents=True)
    pick = random.Random(1)
    words = [f"word{n}" for n in range(20_000)] + _COMMON * 50
    with MemoryStore(path, root=root) as store:
        for begin in range(0, count, 500):
            with store.transaction():
                for number in range(begin, min(begin + 500, count)):
                    text = " ".join(pick.choices(words, k=14)) + f" {number}."
                    store.remember(text, modality=pick.choice(list(Modality)).value)
    return path


def timed(command: list[str], data: bytes, root: Path) -> tuple[float, float]:
    """(wall, CPU) milliseconds of one process."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, input=data, stdout=subprocess.DEVNULL, check=True, cwd=root, env=environment())
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall * 1000, cpu * 1000


def environment() -> dict[str, str]:
    """This process finds memstore; so must the hooks, wherever they run. Bytecode is kept, as an installer keeps it."""
    found = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    found.pop("PYTHONDONTWRITEBYTECODE", None)
    return found


def quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@click.command()
@click.option("--facts", default=100_000, show_default=True)
@click.option("--rounds", default=40, show_default=True)
@click.option("--keep", type=click.Path(path_type=Path), help="Make the store here and use it again.")
def main(facts: int, rounds: int, keep: Path | None) -> None:
    """Time the three hooks that an agent waits for, beside a bare Python process."""
    with tempfile.TemporaryDirectory() as folder:
        root = keep or Path(folder)
        store_of(root, facts)
        transcript = root / "session.jsonl"
        transcript.write_text("")
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ("python", *LIMITS)}
        for number in range(-1, rounds):  # the first round only leaves the bytecode behind
            taken["python"].append(timed([sys.executable, "-c", "pass"], b"", root))
            for event in LIMITS:
                payload = {
                    "session_id": f"bench-{os.getpid()}-{number}",
                    "transcript_path": str(transcript),
                    "cwd": str(root),
                    "hook_event_name": event,
                    "source": "startup",
                    "prompt": PROMPTS[number % len(PROMPTS)],
                    "tool_name": "Edit",
                    "tool_input": {"file_path": str(root / "cache.py")},
                    "tool_response": {"filePath": str(root / "cache.py")},
                }
                command = [sys.executable, "-m", "memstore.cli", "hook", event]
                taken[event].append(timed(command, json.dumps(payload).encode(), root))
        taken = {name: found[1:] for name, found in taken.items()}
        bare = quantile([wall for wall, _ in taken["python"]], 0.5)
        click.echo(f"{facts:,} facts, {rounds} rounds, cold processes; milliseconds")
        click.echo(f"{'':18}{'wall p50':>9}{'p95':>7}{'CPU p50':>9}{'p95':>7}{'× bare':>8}{'limit p95':>11}")
        for name, found in taken.items():
            wall, cpu = [one for one, _ in found], [one for _, one in found]
            row = [quantile(wall, 0.5), quantile(wall, 0.95), quantile(cpu, 0.5), quantile(cpu, 0.95)]
            click.echo(
                f"{name:18}{row[0]:>9.0f}{row[1]:>7.0f}{row[2]:>9.0f}{row[3]:>7.0f}{row[0] / bare:>8.1f}"
                f"{LIMITS.get(name, ''):>11}"
            )


if __name__ == "__main__":
    main()
