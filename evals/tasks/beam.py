"""BEAM: finding the messages that hold an answer in very long chats, and the update before what it updated."""

from evals.datasets.beam import tiers
from evals.model import Task
from evals.scorers.controls import Unanswerable
from evals.scorers.cost import Cost
from evals.scorers.fidelity import VerbatimFidelity
from evals.scorers.provenance import Provenance
from evals.scorers.retrieval import EvidenceRecall
from evals.scorers.staleness import Staleness

NOTE = (
    "Evidence is whole messages (source_chat_ids). On knowledge_update the evidence is the update, and stale_first "
    "counts how often the superseded message comes before it. Abstention questions have no evidence: they are the "
    "control. Answers, where judged, go by the rubric."
)

TASK = Task(
    name="beam",
    title="BEAM, chats of about 100 thousand tokens",
    load=tiers("100K"),
    scorers=(
        EvidenceRecall(ks=(1, 5, 10), budgets=(500, 2000)),
        Staleness(),
        VerbatimFidelity(),
        Provenance(),
        Unanswerable(),
        Cost(),
    ),
    headline=("retrieval/recall_any@10", "retrieval/recall_any@2000tok", "staleness/stale_first", "tokens/recalled"),
    lower_is_better=frozenset({"staleness/stale_first", "staleness/resurrected", "tokens/recalled"}),
    controls=("abstention",),
    licence="CC BY-SA 4.0",
    note=NOTE,
)

LONGER = Task(
    name="beam_500k",
    title="BEAM, chats of about 500 thousand tokens",
    load=tiers("500K"),
    scorers=TASK.scorers,
    headline=TASK.headline,
    lower_is_better=TASK.lower_is_better,
    controls=TASK.controls,
    licence=TASK.licence,
    note=NOTE,
)
