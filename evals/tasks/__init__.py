"""The tasks: data + probes + scorers, each one short file, registered here by name.

Adding one: write `evals/tasks/NAME.py` with a `TASK`, list it below. Its loader turns files into samples
(`evals.datasets`), its scorers are taken from `evals.scorers` or written beside them.
"""

from __future__ import annotations

from evals.model import Task
from evals.tasks import (
    beam,
    concurrency,
    halumem,
    locomo,
    longmemeval,
    memoryagentbench,
    modality,
    peps,
    personamem,
    poisoning,
    rfcs,
    scale,
    stale_path,
    statebench,
    url_shortener,
)

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        url_shortener.TASK,
        statebench.TASK,
        statebench.UNDECLARED,
        beam.TASK,
        beam.LONGER,
        locomo.TASK,
        peps.TASK,
        modality.TASK,
        rfcs.TASK,
        longmemeval.TASK,
        longmemeval.SUBSET,
        halumem.TASK,
        memoryagentbench.TASK,
        personamem.TASK,
        poisoning.TASK,
        stale_path.TASK,
        scale.TASK,
        concurrency.TASK,
    )
}
