"""StateBench: does what was superseded stay dead, and does what was required come back?

`statebench` hands every arm the benchmark's state writes with their keys, and what supersedes what; in
`statebench_undeclared` the same words come without keys and without that, so that an arm has to notice by itself.
"""

from functools import partial

from evals.datasets.statebench import load
from evals.model import Task
from evals.scorers.cost import Cost
from evals.scorers.phrases import Phrases
from evals.scorers.provenance import Provenance
from evals.scorers.retrieval import EvidenceRecall
from evals.scorers.staleness import Staleness

NOTE = (
    "Timelines come from templates: intervals are clustered by track and template. Coverage counts required phrases "
    "that the timeline says at all; forbidden ones count as whole words outside a negation, if they were ever said. "
    "The statebench/… columns are the benchmark's own rules applied to recalled text instead of an answer. In "
    "hallucination_resistance and enterprise_privacy nothing that was said answers the question:"
    " controls."
)

TASK = Task(
    name="statebench",
    title="StateBench, supersessions declared",
    load=load,
    scorers=(Phrases(), Staleness(), EvidenceRecall(ks=(1, 5)), Provenance(), Cost()),
    headline=("phrases/covered", "phrases/clean", "staleness/stale_first", "staleness/over_invalidated"),
    lower_is_better=frozenset(
        {
            "phrases/forbidden",
            "staleness/stale_first",
            "staleness/resurrected",
            "staleness/over_invalidated",
            "statebench/sfrr",
        }
    ),
    controls=("hallucination_resistance", "enterprise_privacy"),
    licence="MIT",
    note=NOTE,
)

UNDECLARED = Task(
    name="statebench_undeclared",
    title="StateBench, supersessions withheld",
    load=partial(load, declared=False),
    scorers=TASK.scorers,
    headline=TASK.headline,
    lower_is_better=TASK.lower_is_better,
    controls=TASK.controls,
    licence=TASK.licence,
    note=NOTE,
)
