"""Logs that ship: a run as it was, or without the words that its task's licence keeps out of a repository.

A log without words still holds every score, label, count and token of every question, so that tables, intervals and
comparisons can be made from it again; the questions, the gold, what came back and where it was said are left out, and
its header says so. It cannot be scored again: that needs the words, and so the data and a run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from evals import log
from evals.log import ProbeRecord, RunLog, SampleRecord
from evals.model import EvalError

KEPT_GOLD = ("answerable", "asks", "depth", "modality")  # flags and labels: nothing that anybody said


def publish(run: RunLog, path: Path, *, words: bool) -> RunLog:
    """Write a finished run to `path` (compressed if it ends in .gz), with or without its words. Raises EvalError."""
    if run.footer is None:
        raise EvalError(f"{run.path} is not finished: finish it before it is published")
    header = dict(run.header)
    header["where"] = {k: v for k, v in header["where"].items() if k != "command"}
    if not words:
        header["words"] = "left out"
    samples = run.samples if words else tuple(map(wordless, run.samples))
    footer = {k: v for k, v in run.footer.items() if k != "type"}
    return log.write(RunLog(path, header, samples, footer))


def wordless(record: SampleRecord) -> SampleRecord:
    """The record with nothing in it that anybody said."""
    return replace(record, sources={}, probes=tuple(map(_bare, record.probes)))


def joined(runs: Sequence[RunLog]) -> RunLog:
    """Several runs as one, for a table over all of them. Raises EvalError where two hold the same task of other data.

    An arm that two runs ran on a task is taken from the later one.
    """
    if not runs:
        raise EvalError("no logs to read")
    if len(runs) == 1:
        return runs[0]
    header = dict(runs[0].header)
    header["tasks"], header["arms"], header["logs"] = {}, {}, sorted(run.path.name for run in runs)
    samples: dict[log.Key, SampleRecord] = {}
    for run in sorted(runs, key=lambda run: run.header["times"]["started"]):
        for name, task in run.header["tasks"].items():
            known = header["tasks"].setdefault(name, task)
            if known["data_sha256"] != task["data_sha256"]:
                raise EvalError(f"{run.path.name} ran {name} on other data than the logs before it: leave one out")
        header["arms"].update(run.header["arms"])
        samples.update({record.key: record for record in run.samples})
    whole = all(run.complete for run in runs)
    counts = dict(sorted(Counter(record.status for record in samples.values()).items()))
    return RunLog(runs[0].path, header, tuple(samples.values()), {"samples": counts} if whole else None)


def _bare(probe: ProbeRecord) -> ProbeRecord:
    gold = {k: v for k, v in probe.expect.items() if k in KEPT_GOLD}
    verdict = replace(probe.verdict, said=None) if probe.verdict else None
    answer = replace(probe.answer, recalled=(), injected="")
    return replace(probe, question="", expect=gold, answer=answer, verdict=verdict)
