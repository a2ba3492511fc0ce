"""The run log: what a run asked, what every arm answered, word for word. Scores can always be computed again from it.

A log is one JSONL file, only ever appended to. The first line is the *header*: everything that makes two runs
comparable (data and code hashes, arms with versions and settings, seed). Then one *sample* line per (task, arm,
sample, epoch), flushed as it is written, in whatever order they finish. The last line is the *footer*; a log without
one was interrupted. Whatever depends on the clock lives under the key `times`, so that two runs with one seed are
identical but for `times`.

A process killed while writing leaves a torn last line: reading drops it, resuming cuts it off. Damage anywhere else is
an error that names the line. Long texts recur (an injected conversation, a turn recalled by many probes), so each
sample line interns them in `texts` and refers to them by position.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field
from pathlib import Path
from typing import Any, TextIO

from evals.model import Answer, EvalError, Recalled, Tokens, Verdict

FORMAT = 1
DESCRIBES = ("tasks", "arms", "times", "where")  # what every header has a mapping for
TIMED = "latency/"  # the family of scores that depend on the clock
Key = tuple[str, str, str, int]


class LogError(EvalError):
    """The file is not a run log, is damaged, or belongs to another run."""


@dataclass(frozen=True, slots=True)
class ProbeRecord:
    """One probe as asked and answered, with the scores it got at the time."""

    id: str
    category: str
    question: str
    now: str
    k: int
    expect: Mapping[str, Any]
    answer: Answer
    scores: Mapping[str, float | None] = field(default_factory=dict)
    labels: Mapping[str, Sequence[Sequence[str]]] = field(default_factory=dict)
    forecasts: Mapping[str, Sequence[Sequence[float]]] = field(default_factory=dict)
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True)
class SampleRecord:
    """One sample through one arm. `status` is ok, invalid (not proved to be in use), error or skipped.

    `sources` holds the source turns that an answer or its gold points at: ref → {role, at, session, text}.
    """

    task: str
    arm: str
    sample: str
    cluster: str
    epoch: int
    status: str
    reason: str | None = None
    writes: int = 0
    recalls: int = 0
    source_tokens: int = 0
    probes: tuple[ProbeRecord, ...] = ()
    sources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tokens: tuple[Tokens, ...] = ()
    times: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        return (self.task, self.arm, self.sample, self.epoch)


@dataclass(frozen=True, slots=True)
class RunLog:
    """A log as read: `footer` is None where the run was interrupted. One record per key, the last one written."""

    path: Path
    header: Mapping[str, Any]
    samples: tuple[SampleRecord, ...]
    footer: Mapping[str, Any] | None
    torn: bool = False

    @property
    def complete(self) -> bool:
        return self.footer is not None


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values, equal text."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=_plain)


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON."""
    return hashlib.sha256(canonical(value).encode("utf-8", "surrogatepass")).hexdigest()


def identity(header: Mapping[str, Any]) -> dict[str, Any]:
    """What must not change between a run and its resumption: the header but for when and where it ran."""
    return {k: v for k, v in header.items() if k not in ("times", "where")}


def digest_samples(samples: Sequence[SampleRecord]) -> str:
    """One hash over every answer of a run, whatever the order they came in and however long they took."""
    lines = sorted(canonical({k: v for k, v in _encode(s).items() if k != "times"}) for s in samples)
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def read(path: Path) -> RunLog:
    """Read a whole log. A torn last line is dropped; any other damage raises LogError with its line number."""
    if path.is_dir():
        raise LogError(f"{path} is a directory: name a run log (a .jsonl file) in it")
    if not path.is_file():
        raise LogError(f"no run log at {path}: see  memeval ls")
    header: Mapping[str, Any] | None = None
    footer: Mapping[str, Any] | None = None
    samples: dict[Key, SampleRecord] = {}
    torn = False
    for number, line, whole in _lines(path):
        if not whole and number > 1:
            torn = True
            break
        try:
            record = json.loads(line)
            kind = record["type"]
            if number == 1:
                if kind != "header":
                    raise KeyError("header")
                if record["format"] > FORMAT:
                    raise LogError(f"{path} was written by a later version (log format {record['format']}): upgrade")
                if not all(isinstance(record[name], dict) for name in DESCRIBES) or "counter" not in record:
                    raise KeyError("header")
                header = record
            elif kind == "sample":
                sample = _decode(record)
                samples[sample.key] = sample
                footer = None
            elif kind == "footer":
                footer = record
            else:
                raise ValueError(kind)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            what = "is not a run log" if number == 1 else f"is damaged at line {number}"
            raise LogError(f"{path} {what} ({type(error).__name__})") from None
    if header is None:
        raise LogError(f"{path} is not a run log: it is empty")
    return RunLog(path, header, tuple(samples.values()), footer, torn)


def write(run: RunLog) -> RunLog:
    """A whole log at once, to `run.path`: compressed if that ends in .gz, and then with the same bytes every time."""
    lines = [{"type": "header", **run.header}, *map(_encode, run.samples), {"type": "footer", **(run.footer or {})}]
    text = "".join(_line(line) for line in lines).encode()
    run.path.parent.mkdir(parents=True, exist_ok=True)
    run.path.write_bytes(gzip.compress(text, mtime=0) if run.path.suffix == ".gz" else text)
    return read(run.path)


class Writer:
    """Appends to one log, one flushed line at a time. Use `begin` to start a log or to go on with one."""

    def __init__(self, path: Path, handle: TextIO) -> None:
        self.path = path
        self._handle = handle

    def sample(self, record: SampleRecord) -> None:
        self._write(_encode(record))

    def footer(self, footer: Mapping[str, Any]) -> None:
        self._write({"type": "footer", **footer})

    def close(self) -> None:
        self._handle.close()

    def _write(self, record: Mapping[str, Any]) -> None:
        self._handle.write(_line(record))
        self._handle.flush()


def _line(record: Mapping[str, Any]) -> str:
    # surrogatepass has no JSON twin: lone surrogates are escaped by ensure_ascii, and come back as they were.
    return json.dumps(record, ensure_ascii=True, separators=(",", ":"), default=_plain) + "\n"


def begin(path: Path, header: Mapping[str, Any]) -> tuple[Writer, RunLog | None]:
    """Open a log for writing. An existing one is continued if its header is the same, and refused if it is not.

    One process writes a log at a time; a second one is refused at once. Raises LogError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = path.open("a", encoding="utf-8", newline="\n")
    try:
        _claim(handle, path)
        before = _gone_on_with(path, header)
    except BaseException:
        handle.close()
        raise
    writer = Writer(path, handle)
    if before is None:
        writer._write({"type": "header", **header})
    return writer, before


def _claim(handle: TextIO, path: Path) -> None:
    """Held until the handle is closed, or its process is gone."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise LogError(
            f"{path} is being written by another process: wait for it, or start another with --fresh"
        ) from None


def _gone_on_with(path: Path, header: Mapping[str, Any]) -> RunLog | None:
    """What a log holds already, made ready to be appended to; None where it is yet to begin."""
    before: RunLog | None = None
    if _died_in_its_header(path):
        os.truncate(path, 0)
    if path.stat().st_size:
        before = read(path)
        changed = _difference(identity(before.header), identity(_jsonable({"type": "header", **header})))
        if changed:
            raise LogError(
                f"{path} was begun under other conditions ({', '.join(changed)} changed): "
                "finish it as it was, or start another with --fresh"
            )
        if before.torn:
            _cut_torn_line(path)
    return before


def _lines(path: Path) -> Iterator[tuple[int, str, bool]]:
    """(line number, text, does it end in a newline)."""
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as handle:
        try:
            for number, raw in enumerate(handle, 1):
                yield number, raw.decode("utf-8", "replace"), raw.endswith(b"\n")
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise LogError(f"{path} is damaged: it does not unpack to its end; fetch it again") from None


def _died_in_its_header(path: Path) -> bool:
    """Whether a file is the start of a header and nothing else: a run killed before it had begun."""
    if not path.is_file():
        return False
    with path.open("rb") as handle:
        first = handle.readline()
    start = b'{"type":"header"'
    return not first.endswith(b"\n") and (first.startswith(start) or start.startswith(first))


def _cut_torn_line(path: Path) -> None:
    with path.open("rb+") as handle:
        data = handle.read()
        handle.truncate(data.rfind(b"\n") + 1)
        os.fsync(handle.fileno())


def _difference(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    return [k for k in sorted(set(a) | set(b)) if a.get(k) != b.get(k)]


def _plain(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "item"):  # numpy scalars
        return value.item()
    return str(value)


def _jsonable(value: Any) -> Any:
    return json.loads(json.dumps(value, default=_plain))


def _encode(record: SampleRecord) -> dict[str, Any]:
    texts: dict[str, int] = {}

    def intern(text: str | None) -> int | None:
        return None if text is None else texts.setdefault(text, len(texts))

    def recalled(r: Recalled) -> dict[str, Any]:
        row: dict[str, Any] = {"text": intern(r.text), "refs": list(r.refs)}
        for name in ("modality", "score", "confidence", "origin"):
            if getattr(r, name) is not None:
                row[name] = getattr(r, name)
        if r.quote is not None:
            row["quote"] = intern(r.quote)
        if not r.current:
            row["current"] = False
        if r.extra:
            row["extra"] = _jsonable(dict(r.extra))
        return row

    probes = [
        {
            "id": p.id,
            "category": p.category,
            "question": p.question,
            "now": p.now,
            "k": p.k,
            "expect": _jsonable(dict(p.expect)),
            "injected": intern(p.answer.injected),
            "recalled": [recalled(r) for r in p.answer.recalled],
            "error": p.answer.error,
            "ranked": p.answer.ranked,
            "scores": {name: v for name, v in p.scores.items() if not name.startswith(TIMED)},
            **({"labels": _jsonable(p.labels)} if p.labels else {}),
            **({"forecasts": _jsonable(p.forecasts)} if p.forecasts else {}),
            **({"verdict": _jsonable(asdict(p.verdict))} if p.verdict else {}),
        }
        for p in record.probes
    ]
    sources = {ref: {**dict(row), "text": intern(row["text"])} for ref, row in record.sources.items()}
    latency = [p.answer.latency_ms for p in record.probes]
    timed = [{name: v for name, v in p.scores.items() if name.startswith(TIMED)} for p in record.probes]
    return {
        "type": "sample",
        "task": record.task,
        "arm": record.arm,
        "sample": record.sample,
        "cluster": record.cluster,
        "epoch": record.epoch,
        "status": record.status,
        "reason": record.reason,
        "writes": record.writes,
        "recalls": record.recalls,
        "source_tokens": record.source_tokens,
        "probes": probes,
        "sources": sources,
        "texts": list(texts),
        "tokens": [list(astuple(t))[: 4 if t.kind == "input" else 5] for t in record.tokens],
        "times": {**record.times, "latency_ms": latency, "scores": timed},
    }


def _decode(row: Mapping[str, Any]) -> SampleRecord:
    texts = row["texts"]
    latency, timed = row["times"]["latency_ms"], row["times"]["scores"]

    def recalled(r: Mapping[str, Any]) -> Recalled:
        return Recalled(
            text=texts[r["text"]],
            refs=tuple(r["refs"]),
            modality=r.get("modality"),
            current=r.get("current", True),
            score=r.get("score"),
            quote=texts[r["quote"]] if "quote" in r else None,
            confidence=r.get("confidence"),
            origin=r.get("origin"),
            extra=r.get("extra", {}),
        )

    probes = tuple(
        ProbeRecord(
            id=p["id"],
            category=p["category"],
            question=p["question"],
            now=p["now"],
            k=p["k"],
            expect=p["expect"],
            answer=Answer(
                probe_id=p["id"],
                recalled=tuple(recalled(r) for r in p["recalled"]),
                injected=texts[p["injected"]],
                latency_ms=latency[i],
                error=p["error"],
                ranked=p["ranked"],
            ),
            scores={**p["scores"], **timed[i]},
            labels=p.get("labels", {}),
            forecasts=p.get("forecasts", {}),
            verdict=_verdict(p["verdict"]) if "verdict" in p else None,
        )
        for i, p in enumerate(row["probes"])
    )
    return SampleRecord(
        task=row["task"],
        arm=row["arm"],
        sample=row["sample"],
        cluster=row["cluster"],
        epoch=row["epoch"],
        status=row["status"],
        reason=row["reason"],
        writes=row["writes"],
        recalls=row["recalls"],
        source_tokens=row["source_tokens"],
        probes=probes,
        sources={ref: {**s, "text": texts[s["text"]]} for ref, s in row["sources"].items()},
        tokens=tuple(Tokens(*t) for t in row["tokens"]),
        times={k: v for k, v in row["times"].items() if k not in ("latency_ms", "scores")},
    )


def _verdict(row: Mapping[str, Any]) -> Verdict:
    given = row["verdicts"]
    return Verdict(row["said"], None if given is None else tuple(given), row["problem"])
