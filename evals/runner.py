"""Runs arms over samples and writes the log. One job is one sample through one arm.

What makes a run worth believing is checked here, in one place and for every arm alike:

- an arm that should write and reports no write is `invalid`;
- an arm that gave nothing back for any question of a sample is asked for one of its own turns, word for word; if it
  cannot even give that back, it was not in use and the sample is `invalid`, not zero;
- an arm that points at a source which the sample does not hold is `invalid`;
- more than k recollections are cut to k, so that returning the whole conversation gains nothing;
- what is put into a prompt is counted here, not by the arm, with the counter named.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from evals import log
from evals.claude import Exam, Examiner
from evals.cost import COUNTER, count
from evals.fanout import fan_out
from evals.header import header
from evals.log import ProbeRecord, RunLog, SampleRecord
from evals.model import Answer, Arm, EvalError, Probe, Query, Sample, Scorer, Task, Tokens, Turn, Verdict
from evals.summary import footer

SOURCES_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run. `data` is the directory of the tasks' files, `limit` a cap on samples per task.

    With `claude`, questions are also answered from what came back, and the answers judged.
    """

    tasks: tuple[Task, ...]
    arms: tuple[Callable[[], Arm], ...]
    data: Path
    limit: int | None = None
    epochs: int = 1
    seed: int = 0
    claude: Exam | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One sample through one arm: all that a worker process needs to know."""

    task: str
    scorers: tuple[Scorer, ...]
    make: Callable[[], Arm]
    arm: str
    sample: Sample
    epoch: int
    seed: int
    claude: Exam | None = None

    @property
    def key(self) -> log.Key:
        return (self.task, self.arm, self.sample.id, self.epoch)


def run(
    plan: Plan,
    path: Path,
    *,
    workers: int = 1,
    retry_errors: bool = False,
    progress: Callable[[int, int, SampleRecord | None], None] = lambda done, of, record: None,
) -> RunLog:
    """Run what is not in the log yet and finish it. An interrupted run goes on where it stopped.

    Raises LogError if the log at `path` was begun under other conditions, DataMissing if a task has no data.
    """
    samples = {task.name: checked(task, task.load(plan.data, plan.limit)) for task in plan.tasks}
    writer, before = log.begin(path, header(plan, samples))
    try:
        done = {r.key for r in before.samples if r.status != "error" or not retry_errors} if before else set()
        jobs = list(_jobs(plan, samples))
        todo = [job for job in jobs if job.key not in done]
        if before and before.complete and not todo:
            return before
        finished = len(jobs) - len(todo)
        progress(finished, len(jobs), None)
        for record in fan_out(run_job, todo, workers):
            writer.sample(record)
            finished += 1
            progress(finished, len(jobs), record)
        writer.footer(footer(log.read(path).samples))
    finally:
        writer.close()
    return log.read(path)


def run_job(job: Job) -> SampleRecord:
    """One sample through one arm, in a directory of its own that is gone afterwards. Never raises for the arm."""
    random.seed(f"{job.seed}/{job.key}")
    started = time.perf_counter()
    blank = SampleRecord(job.task, job.arm, job.sample.id, job.sample.cluster, job.epoch, "ok")
    arm = job.make()
    reason = arm.applies(job.sample)
    if reason:
        return replace(blank, status="skipped", reason=reason)
    with tempfile.TemporaryDirectory(prefix="memeval-") as workdir:
        try:
            arm.open(Path(workdir), job.sample)
            try:
                record = _through(arm, job, blank)
            finally:
                arm.close()
        except Exception as error:
            record = replace(blank, status="error", reason=one_line(error))
    return replace(record, times={**record.times, "total_s": round(time.perf_counter() - started, 4)})


def score(
    probe: Probe, answer: Answer, sample: Sample, scorers: Sequence[Scorer], verdict: Verdict | None = None
) -> dict[str, Any]:
    """What scorers and verdict say about one answer: `scores`, `labels`, `forecasts`. A failed probe is unscored."""
    if answer.error:
        return {}
    scores: dict[str, float | None] = verdict.scores() if verdict else {}
    labels: dict[str, Any] = {}
    forecasts: dict[str, Any] = {}
    for scorer in scorers:
        for name, value in scorer.score(probe, answer, sample).items():
            if name in scores:
                raise EvalError(f"two scorers give {name}: rename one of them ({scorer.name} is the second)")
            scores[name] = None if value is None else float(value)
        for kind, into in (("labels", labels), ("forecasts", forecasts)):
            pairs = getattr(scorer, kind, lambda *_: [])(probe, answer, sample)
            if pairs:
                into[scorer.name] = [list(pair) for pair in pairs]
    return {"scores": scores, "labels": labels, "forecasts": forecasts}


def rescore(records: Sequence[SampleRecord], task: Task, samples: Sequence[Sample]) -> Iterator[SampleRecord]:
    """The records of a task with every score computed again from what was answered."""
    by_id = {sample.id: sample for sample in samples}
    for record in records:
        sample = by_id.get(record.sample)
        if sample is None:
            raise EvalError(f"{task.name} has no sample {record.sample!r} in this data: is it the data of that run?")
        probes = {probe.id: probe for probe in sample.probes}
        again = [
            replace(
                p,
                **{
                    "scores": {},
                    "labels": {},
                    "forecasts": {},
                    **score(probes[p.id], p.answer, sample, task.scorers, p.verdict),
                },
            )
            for p in record.probes
        ]
        yield replace(record, probes=tuple(again))


def checked(task: Task, samples: list[Sample]) -> list[Sample]:
    """Samples whose ids tell them apart. An empty task is an error: it would pass for a run."""
    if not samples:
        raise EvalError(f"{task.name}: no samples in its data")
    ids = [s.id for s in samples]
    if len(set(ids)) < len(ids):
        raise EvalError(f"{task.name}: two samples share an id")
    return samples


def one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def _jobs(plan: Plan, samples: Mapping[str, Sequence[Sample]]) -> Iterator[Job]:
    """Sample by sample rather than arm by arm: the arms of one sample share the vectors of its turns."""
    for task in plan.tasks:
        for sample in samples[task.name]:
            for epoch in range(plan.epochs):
                for make in plan.arms:
                    yield Job(task.name, task.scorers, make, make().name, sample, epoch, plan.seed, plan.claude)


def _through(arm: Arm, job: Job, blank: SampleRecord) -> SampleRecord:
    sample = job.sample
    turns = {item.ref: item for item in sample.items if isinstance(item, Turn)}
    clock = time.perf_counter()
    writes = arm.ingest(sample.items)
    ingest_s = time.perf_counter() - clock
    tokens: list[Tokens] = []
    answers: list[tuple[Probe, Answer]] = []
    for probe in sample.probes:
        answer = _ask(arm, probe)
        answers.append((probe, answer))
        retrieved = [probe.query.text, *(r.shown for r in answer.recalled)] if answer.ranked else []
        tokens.append(Tokens("inject", count(answer.injected), COUNTER))
        tokens.append(Tokens("retrieve", sum(map(count, retrieved)), COUNTER))
    failures = [a.error for _, a in answers if a.error]
    reason = _why_invalid(arm, writes, answers, turns)
    verdicts: list[Verdict | None] = [None] * len(answers)
    if job.claude and not reason:
        # Arms are asked first and Claude afterwards, so that no latency of an arm has a model's in it.
        examiner = Examiner(job.claude)
        verdicts = [None if a.error else examiner.examine(p, a.recalled, a.injected) for p, a in answers]
        tokens += examiner.booked.tokens
    probes = tuple(_record(p, a, sample, job.scorers, v) for (p, a), v in zip(answers, verdicts, strict=True))
    return replace(
        blank,
        status="error" if failures else "invalid" if reason else "ok",
        reason=failures[0] if failures else reason,
        writes=writes,
        recalls=len(answers),
        source_tokens=sum(count(t.text) for t in turns.values()),
        probes=probes,
        sources=_sources(probes, turns),
        tokens=_added([*arm.spent(), *tokens]),
        times={"ingest_s": round(ingest_s, 4)},
    )


def _ask(arm: Arm, probe: Probe) -> Answer:
    query, recalled, injected, error = probe.query, [], "", None
    clock = time.perf_counter()
    try:
        injected = arm.inject(query.now, query.scope)
        clock = time.perf_counter()
        recalled = list(arm.recall(query))
    except Exception as failure:
        error = one_line(failure)
    latency = round((time.perf_counter() - clock) * 1000, 3)
    kept = recalled[: query.k] if arm.ranked else recalled
    return Answer(probe.id, tuple(kept), injected, latency, error, arm.ranked)


def _why_invalid(
    arm: Arm, writes: int, answers: Sequence[tuple[Probe, Answer]], turns: Mapping[str, Turn]
) -> str | None:
    """What the sample fails to prove about the arm, or None."""
    if not arm.writes:
        return None
    if writes <= 0:
        return "wrote nothing"
    foreign = {ref for _, a in answers for r in a.recalled for ref in r.refs} - set(turns)
    if foreign:
        return f"points at sources that do not exist ({', '.join(sorted(foreign)[:3])})"
    if turns and not any(a.recalled or a.injected for _, a in answers) and not _gives_back(arm, turns, answers):
        return "gave nothing back, not even a turn asked for in its own words"
    return None


def _gives_back(arm: Arm, turns: Mapping[str, Turn], answers: Sequence[tuple[Probe, Answer]]) -> bool:
    """Proof of life for an arm that answered no question: its longest, first and last turn, asked for verbatim."""
    told = list(turns.values())
    now = max([t.at for t in told] + [p.query.now for p, _ in answers])
    wanted = (max(told, key=lambda t: len(t.text)), told[0], told[-1])
    return any(arm.recall(Query(turn.text[:2000], now, scope=turn.scope)) for turn in wanted)


def _record(
    probe: Probe, answer: Answer, sample: Sample, scorers: Sequence[Scorer], verdict: Verdict | None
) -> ProbeRecord:
    return ProbeRecord(
        id=probe.id,
        category=probe.category,
        question=probe.query.text,
        now=probe.query.now.isoformat(),
        k=probe.query.k,
        expect=dict(probe.expect),
        answer=answer,
        verdict=verdict,
        **score(probe, answer, sample, scorers, verdict),
    )


def _sources(probes: Sequence[ProbeRecord], turns: Mapping[str, Turn]) -> dict[str, dict[str, Any]]:
    """The turns that answers and gold point at, so that a report can show them without the data set."""
    wanted: dict[str, None] = {}
    for p in probes:
        wanted.update(dict.fromkeys(ref for ref in _strings(p.expect) if ref in turns))
        wanted.update(dict.fromkeys(ref for r in p.answer.recalled[:SOURCES_SHOWN] for ref in r.refs if ref in turns))
    rows = {ref: asdict(turns[ref]) for ref in wanted}
    return {
        ref: {"role": row["role"], "at": row["at"].isoformat(), "session": row["session"], "text": row["text"]}
        for ref, row in rows.items()
    }


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _strings(part)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for part in value:
            yield from _strings(part)


def _added(tokens: Sequence[Tokens]) -> tuple[Tokens, ...]:
    """One entry for each purpose, counter, model and kind."""
    sums: dict[tuple[str, str, str | None, str], int] = {}
    for t in tokens:
        key = (t.purpose, t.counter, t.model, t.kind)
        sums[key] = sums.get(key, 0) + t.tokens
    return tuple(Tokens(purpose, n, counter, model, kind) for (purpose, counter, model, kind), n in sums.items())
