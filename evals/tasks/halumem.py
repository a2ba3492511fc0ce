"""HaluMem: finding the sessions whose memory points answer a question."""

from evals.datasets.halumem import load
from evals.model import Task
from evals.scorers.controls import Unanswerable
from evals.scorers.cost import Cost
from evals.scorers.provenance import Provenance
from evals.scorers.retrieval import SessionRecall

TASK = Task(
    name="halumem",
    title="HaluMem, evidence sessions",
    load=load,
    scorers=(SessionRecall(ks=(1, 5)), Provenance(), Unanswerable(), Cost()),
    headline=("retrieval/session_recall_any@1", "retrieval/session_recall_any@5", "retrieval/session_recall_all@5"),
    controls=("Memory Boundary",),
    licence="CC BY-NC-ND 4.0: evaluation input only",
    note="Evidence is whole sessions. All sessions are held before anything is asked; the published protocol asks "
    "after each session. Its extraction and update scores need a model to judge and are not computed here.",
)
