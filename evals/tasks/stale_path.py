"""Stale paths: what was said about a file that has since been renamed or removed."""

from evals.datasets.stale_path import load
from evals.model import Task
from evals.scorers.cost import Cost
from evals.scorers.provenance import Provenance
from evals.scorers.retrieval import EvidenceRecall
from evals.scorers.suspicion import Suspicion

TASK = Task(
    name="stale_path",
    title="Memories of files that moved or went",
    load=load,
    scorers=(Suspicion(), EvidenceRecall(ks=(1,)), Provenance(), Cost()),
    headline=("coherence/warned", "coherence/followed", "coherence/false_alarm", "retrieval/recall_any@1"),
    lower_is_better=frozenset({"coherence/false_alarm"}),
    controls=("control_kept",),
    licence="CC BY-SA 4.0 (sentences of BEAM)",
    note="The sentences are real, the folder is made up to fit them, and a hash decides which files went. An arm that "
    "never looks at files warns of nothing and raises no false alarm. A file that moved with its contents may be "
    "warned of or followed.",
)
