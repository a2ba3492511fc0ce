"""Concurrency: four processes write at once behind four walls. Nothing may be lost, and nothing may leak."""

from evals.datasets.concurrency import load
from evals.model import Task
from evals.scorers.controls import Unanswerable
from evals.scorers.cost import Cost
from evals.scorers.retrieval import EvidenceRecall
from evals.scorers.robustness import Robustness

TASK = Task(
    name="concurrency",
    title="Four writers at once, each in a scope of its own",
    load=load,
    scorers=(Robustness(), EvidenceRecall(ks=(1,)), Unanswerable(), Cost()),
    headline=("robustness/lost", "robustness/leaked", "retrieval/recall_any@1"),
    lower_is_better=frozenset({"robustness/lost", "robustness/leaked"}),
    controls=("control_other_scope",),
    licence="made for this harness (Apache-2.0)",
    note="One sample: it shows whether a memory can be shared by processes at all, and has no interval. Arms that hold "
    "their memory in one process are left out; arms without scopes are given the filter that a careful user would add.",
)
