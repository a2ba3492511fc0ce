"""The nouns of the harness: what an arm is given, what it gives back, and what a task asks.

An arm sees a sample's `items` in order and then its probes' `Query`s. It never sees `Probe.expect`, the gold,
which only scorers read. Refs name the source items, so that what an arm recalls can be traced to what was said.

A metric is named `family/measure@k` (`retrieval/recall_any@5`, `modality/false_decision`, `answer/correct`); its
value is a float, or None where the probe says nothing about it: unscored, which is never 0. Retrieval scores and
answer scores are different families and never share a column.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol


class EvalError(Exception):
    """What went wrong and what to do, in one line. The command line prints it and exits with 1."""


class DataMissing(EvalError):
    """A task's data is not where it was looked for; the message says where to get it."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Something that was said or written. `at` is when; `origin` follows `role` unless given.

    `scope` names the wall it stands behind, where a task has walls: no query from elsewhere may bring it back.
    """

    ref: str
    session: str
    role: str
    text: str
    at: datetime
    speaker: str | None = None
    origin: str | None = None
    modality: str | None = None
    key: str | None = None
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """A declared relation between items: `new` supersedes, amends or retracts `old`, on somebody's word.

    Arms without chains ignore it; the words that carry it reach them as turns like everybody else.
    """

    relation: str
    old: tuple[str, ...]
    new: tuple[str, ...]
    at: datetime
    reason: str


Item = Turn | Edge


@dataclass(frozen=True, slots=True)
class Query:
    """One question as an arm sees it, at its own time `now`. `as_of` asks what was held then."""

    text: str
    now: datetime
    k: int = 10
    budget: int | None = None
    as_of: datetime | None = None
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """A question with its gold answer. `expect` is for scorers only."""

    id: str
    query: Query
    expect: Mapping[str, Any]
    category: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """One conversation or document set with its probes. `cluster` groups what is not independent."""

    id: str
    cluster: str
    items: tuple[Item, ...]
    probes: tuple[Probe, ...]
    extras: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recalled:
    """One thing an arm brought back. `refs` are the source items it claims to come from, best first.

    `modality` is None where the arm has no such field; `current` is False where the arm marks it as history.
    """

    text: str
    refs: tuple[str, ...] = ()
    modality: str | None = None
    current: bool = True
    score: float | None = None
    quote: str | None = None
    confidence: float | None = None
    origin: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """How it stands in a prompt, the same for every arm: the words, behind whatever marks came with them."""
        marks = [self.modality] if self.modality else []
        if not self.current:
            marks.append("no longer current")
        return f"[{', '.join(marks)}] {self.text}" if marks else self.text


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens spent for one purpose: write, inject, retrieve, compress, answer, judge. The counter is named.

    With a `model` they were billed: `kind` is then what its price depends on, input or output.
    """

    purpose: str
    tokens: int
    counter: str
    model: str | None = None
    kind: str = "input"


@dataclass(frozen=True, slots=True)
class Answer:
    """What an arm gave for one probe: what it recalled, best first, and what it had put into the prompt before.

    `ranked` is False where the arm hands over everything it holds, in source order: a cut at k then measures
    nothing, so scorers of rank leave it unscored. `error` is one line where the arm failed; such a probe is unscored.
    """

    probe_id: str
    recalled: tuple[Recalled, ...]
    injected: str
    latency_ms: float
    error: str | None = None
    ranked: bool = True


CREDIT = {"met": 1.0, "partly": 0.5, "not_met": 0.0}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one question: the answer, a verdict for each criterion, and why either is missing."""

    said: str | None
    verdicts: tuple[str, ...] | None
    problem: str | None = None

    def scores(self) -> dict[str, float | None]:
        """None, which is unscored, wherever there is no verdict for every criterion."""
        if not self.verdicts:
            return {"answer/met": None, "answer/correct": None}
        credit = [CREDIT[verdict] for verdict in self.verdicts]
        return {"answer/met": sum(credit) / len(credit), "answer/correct": float(all(c == 1 for c in credit))}


class Scorer(Protocol):
    """Turns one answer into named numbers. Pure and picklable: the same log always gives the same scores.

    Two optional methods feed the report's matrices and curves; a scorer that has none leaves them out:
    `labels(probe, answer, sample) -> list[tuple[str, str]]`, pairs (gold label, label that came back), and
    `forecasts(probe, answer, sample) -> list[tuple[float, bool]]`, pairs (confidence, was it right).
    """

    name: str

    def score(self, probe: Probe, answer: Answer, sample: Sample) -> dict[str, float | None]: ...


@dataclass(frozen=True, slots=True)
class Task:
    """Data + probes + scorers. Adding one is a short file that builds this and an entry in `evals.tasks.TASKS`.

    `load(data directory, limit on samples)` raises DataMissing where its files are absent. `headline` names the
    metrics that go into the short table, `lower_is_better` those that count failures. `controls` are the probe
    categories where a memory should *not* win. `note` is printed under every table of this task.
    """

    name: str
    title: str
    load: Callable[[Path, int | None], list[Sample]]
    scorers: tuple[Scorer, ...]
    headline: tuple[str, ...]
    lower_is_better: frozenset[str] = frozenset()
    controls: tuple[str, ...] = ()
    licence: str = ""
    note: str = ""


class Arm(Protocol):
    """A memory system under evaluation. One instance serves one sample, in an empty `workdir` of its own.

    `writes` is False for an arm that keeps nothing by design, so that an empty memory is not held against it;
    `ranked` is as in `Answer`. `applies` says why a sample cannot be run (None if it can): it is then skipped.
    """

    name: str
    version: str
    settings: Mapping[str, Any]
    writes: bool
    ranked: bool

    def applies(self, sample: Sample) -> str | None: ...

    def open(self, workdir: Path, sample: Sample) -> None: ...

    def ingest(self, items: Sequence[Item]) -> int:
        """Take the items in order; return how many writes reached the memory."""
        ...

    def inject(self, now: datetime, scope: str | None) -> str:
        """The text this memory puts into a prompt at the start of a session in a scope, before any question."""
        ...

    def recall(self, query: Query) -> list[Recalled]: ...

    def spent(self) -> Sequence[Tokens]:
        """Every token booked so far, by purpose."""
        ...

    def close(self) -> None: ...
