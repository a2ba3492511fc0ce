"""The tasks: data + probes + scorers, each one short file, registered here by name.

Adding one: write `evals/tasks/NAME.py` with a `TASK`, list it below. Its loader turns files into samples
(`evals.datasets`), its scorers are taken from `evals.scorers` or written beside them.
"""

from __future__ import annotations

from evals.model import Task
from evals.tasks import beam, locomo, modality, peps, statebench, url_shortener

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
    )
}
