"""Scale: finding one line among hundreds to tens of thousands, and what it costs in time."""

from evals.datasets.scale import SIZES, sizes
from evals.model import Task
from evals.scorers.controls import Unanswerable
from evals.scorers.cost import Cost
from evals.scorers.retrieval import EvidenceRecall

TASK = Task(
    name="scale",
    title="One line among 300 to 30,000",
    load=sizes(*SIZES),
    scorers=(EvidenceRecall(ks=(1, 5)), Unanswerable(), Cost()),
    headline=("retrieval/recall_any@1", "retrieval/recall_any@5", "latency/recall_ms"),
    lower_is_better=frozenset({"latency/recall_ms"}),
    controls=("control_never_said",),
    licence="public domain / CC0-1.0 (needles), CC BY-SA 4.0 (hay)",
    note="One sample per size: read it by sample, as an average over sizes means nothing. Latency is this machine's.",
)
