"""What coherence costs: looking at files while a recall waits, and watching a large tree where nothing happens.

    python -m evals.campaigns.cost recall                     ten facts about ten definitions, with anchors and without
    python -m evals.campaigns.cost watch --files 50000        the real command over a tree made for it, idle

`recall` lays a copy of an installed package (click) into a folder, ties ten facts to ten definitions of its largest
files, and asks the same question of that store and of one whose facts are tied to nothing, in turns. `watch` starts
`memstore watch` in a process of its own, lets it settle, reads the processor time it takes while nothing changes, then
changes one file and waits for the word.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import click

from evals.campaigns import oracles
from memstore import AnchorTarget, MemoryStore, Status

PACKAGE = "click"
FACTS = 10
_QUESTION = "what is about clicking things"


@click.group()
def main() -> None:
    """Measure what anchors add to a recall, and what a watcher takes while nothing happens."""


@main.command()
@click.option("--rounds", default=300, show_default=True)
def recall(rounds: int) -> None:
    """The milliseconds that looking at files adds to a recall of ten facts."""
    click.echo(
        "| files | recall p50 | p95 | without anchors p50 | p95 | added p50 | added p95 | added, cpu p95 | suspect |"
    )
    click.echo("|---|" + "---:|" * 8)
    for title, before in _STATES.items():
        with tempfile.TemporaryDirectory() as scratch:
            click.echo(_row(title, *_timed(Path(scratch), before, rounds)))
    click.echo(
        f"milliseconds, {rounds} recalls of {FACTS} facts in each row, warm file cache; added p95 is of the pairs;"
        " suspect: of the ten facts, at the end. Any in the first two rows was made so wrongly"
    )


def _timed(
    scratch: Path, disturb: Callable[[Path, list[str], int], None], rounds: int
) -> tuple[list[tuple[float, float]], list[tuple[float, float]], int]:
    """(wall, cpu) in ms of every recall, with anchors and without, asked in turns; and how many are suspect then."""
    root = scratch / "project"
    found = find_spec(PACKAGE)
    assert found is not None
    assert found.origin is not None
    shutil.copytree(Path(found.origin).parent, root, ignore=shutil.ignore_patterns("__pycache__"))
    targets = definitions(root)
    tied, plain = MemoryStore(scratch / "tied.db", root=root), MemoryStore(scratch / "plain.db")
    for path, symbol in targets:
        said = f"{symbol} is about clicking things"
        tied.remember(said, modality="observation", anchors=[AnchorTarget(path, symbol=symbol)], session=path)
        plain.remember(said, modality="observation", session=path)
    paths = [path for path, _ in targets]
    with_anchors, without = [], []
    for number in range(rounds + 1):
        disturb(root, paths, number)
        one, other = _ask(tied), _ask(plain)
        if number:  # the first opens files and databases
            with_anchors.append(one)
            without.append(other)
    suspect = sum(told.status is Status.SUSPECT for told in tied.recall(_QUESTION, k=FACTS))
    return with_anchors, without, suspect


def _ask(memory: MemoryStore) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    told = memory.recall(_QUESTION, k=FACTS)
    spent = (1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - cpu))
    assert len(told) == FACTS
    return spent


def definitions(root: Path) -> list[tuple[str, str]]:
    """Ten definitions, one a file, of the largest files of a package; a second one where it has fewer files."""
    largest = sorted(root.rglob("*.py"), key=lambda path: -path.stat().st_size)
    named = [(path.relative_to(root).as_posix(), sorted(oracles.symbols(path))) for path in largest]
    turns = [(path, names[-1 - turn]) for turn in range(FACTS) for path, names in named if len(names) > turn]
    return turns[:FACTS]


def _untouched(root: Path, paths: list[str], number: int) -> None:
    pass


def _edited(root: Path, paths: list[str], number: int) -> None:
    """Before every recall one of the files has got a new first line."""
    with (root / paths[number % len(paths)]).open("r+", encoding="utf-8") as file:
        text = file.read()
        file.seek(0)
        file.write(f"# edit {number}\n{text}")


def _changed(root: Path, paths: list[str], number: int) -> None:
    """Every definition is another one since the second recall."""
    if number == 1:
        for path in set(paths):
            text = (root / path).read_text(encoding="utf-8")
            (root / path).write_text(text.replace("return", "yield").replace("self", "this"), encoding="utf-8")


def _gone(root: Path, paths: list[str], number: int) -> None:
    if number == 1:
        for path in set(paths):
            (root / path).unlink()


_STATES: dict[str, Callable[[Path, list[str], int], None]] = {
    "as they were": _untouched,
    "one edited elsewhere before each recall": _edited,
    "all ten changed": _changed,
    "all ten gone": _gone,
}


def _row(title: str, one: list[tuple[float, float]], other: list[tuple[float, float]], suspect: int) -> str:
    wall, plain = [w for w, _ in one], [w for w, _ in other]
    added = [a - b for a, b in zip(wall, plain, strict=True)]
    cpu = [a - b for (_, a), (_, b) in zip(one, other, strict=True)]
    cells = (p50(wall), p95(wall), p50(plain), p95(plain), p50(added), p95(added), p95(cpu))
    return f"| {title} | " + " | ".join(f"{cell:.1f}" for cell in cells) + f" | {suspect} |"


def p50(values: list[float]) -> float:
    return statistics.median(values)


def p95(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.95)]


@main.command()
@click.option("--files", "count", default=50_000, show_default=True)
@click.option("--seconds", default=60.0, show_default=True, help="How long nothing happens.")
@click.option("--ties", default=100, show_default=True, help="How many of the files facts are tied to.")
def watch(count: int, seconds: float, ties: int) -> None:
    """The share of one core that `memstore watch` takes while nothing changes in a large tree."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "project"
        folders = plant(root, count)
        (root / ".memstore").mkdir()
        with MemoryStore(root / ".memstore" / "memory.db", root=root) as memory:
            for path in sorted(folders)[:ties]:
                memory.remember(f"{path}/a0.py adds", modality="observation", session=path)
        command = [sys.executable, "-m", "memstore.cli", "watch", "--nl"]
        with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as watcher:
            try:
                assert watcher.stdout is not None
                watcher.stdout.readline()  # the look at everything that it begins with
                started = _settled(watcher.pid)
                before, at = _cpu(watcher.pid), time.monotonic()
                time.sleep(seconds)
                spent, lasted = _cpu(watcher.pid) - before, time.monotonic() - at
                changed = time.monotonic()
                (root / min(folders) / "a0.py").write_text("def add(a, b):\n    return a - b\n", encoding="utf-8")
                heard = watcher.stdout.readline()
                late = time.monotonic() - changed
            finally:
                watcher.terminate()
    click.echo(f"{count:,} files in {len(folders):,} folders, {ties} of them tied to facts")
    click.echo(
        f"until quiet: {started:.1f} s; then {spent:.2f} s of processor time in {lasted:.0f} s: {spent / lasted:.2%}"
    )
    click.echo(f"a change was told {late:.1f} s later: {heard.strip()[:120]}")


def plant(root: Path, count: int) -> set[str]:
    """A tree of so many small source files, a hundred a folder, three folders deep."""
    folders = set()
    for number in range(count):
        folder = f"m{number // 10_000}/p{number // 1_000 % 10}/q{number // 100 % 10}"
        if folder not in folders:
            (root / folder).mkdir(parents=True)
            folders.add(folder)
        (root / folder / f"a{number % 100}.py").write_text("def add(a, b):\n    return a + b\n", encoding="utf-8")
    return folders


def _cpu(pid: int) -> float:
    """Processor seconds a process has taken, all its threads together (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _settled(pid: int) -> float:
    """Wait until a process has been idle for two seconds; returns how long that took, those left out."""
    began = time.monotonic()
    while True:
        before = _cpu(pid)
        time.sleep(2)
        if _cpu(pid) - before < 0.05:
            return time.monotonic() - began - 2


if __name__ == "__main__":
    main()
