"""Named runs: which arms over which tasks, and how many samples of each.

A limit takes the first samples, always the same ones: BEAM's chats come by number, RFCs in a fixed shuffled order, the
sizes of `scale` smallest first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from evals.arms import ARMS
from evals.arms.ablations import ABLATIONS
from evals.tasks import TASKS

ABLATED = tuple(arm.name for arm in ABLATIONS)
FIRST_LIGHT_ARMS = (
    "no_memory",
    "full_context",
    "recency",
    "grep",
    "bm25",
    "chroma",
    "markdown_curated",
    "markdown",
    "flat_cache",
    "memstore",
)


@dataclass(frozen=True, slots=True)
class Suite:
    """`limits` caps samples of a task; a task that is not in it runs whole."""

    name: str
    about: str
    tasks: tuple[str, ...]
    arms: tuple[str, ...]
    limits: Mapping[str, int] = field(default_factory=dict)


SUITES: dict[str, Suite] = {
    suite.name: suite
    for suite in (
        Suite(
            "first-light",
            "what a newcomer sees: every kind of memory over every kind of task, on data that ships",
            ("url_shortener", "statebench", "beam", "locomo", "peps", "modality"),
            FIRST_LIGHT_ARMS,
            {"statebench": 60, "beam": 2, "locomo": 2, "peps": 20, "modality": 40},
        ),
        Suite(
            "capabilities",
            "memstore with one capability removed at a time, on the tasks that are about it",
            ("url_shortener", "statebench", "peps", "modality", "stale_path", "poisoning"),
            ("memstore", "memstore_hybrid", *ABLATED, "bm25"),
            {"statebench": 120, "peps": 20, "modality": 40},
        ),
        Suite(
            "results",
            "every memory over every task whose data is here: what the README's results are made of",
            tuple(name for name in TASKS if name != "beam_500k"),  # BEAM with five times the text: run it by name
            tuple(name for name in ARMS if name not in ABLATED),
            {"beam": 4, "longmemeval_subset": 4, "rfcs": 8, "scale": 3},
        ),
    )
}
