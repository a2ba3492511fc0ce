"""LoCoMo: finding the turns that answer a question about two people's lives."""

from evals.datasets.locomo import load
from evals.model import Task
from evals.scorers.controls import Unanswerable
from evals.scorers.cost import Cost
from evals.scorers.fidelity import VerbatimFidelity
from evals.scorers.locomo import OfficialRecall
from evals.scorers.provenance import Provenance
from evals.scorers.retrieval import EvidenceRecall

TASK = Task(
    name="locomo",
    title="LoCoMo, evidence recall",
    load=load,
    scorers=(
        EvidenceRecall(ks=(1, 5, 10), budgets=(500,)),
        OfficialRecall(),
        VerbatimFidelity(),
        Provenance(),
        Unanswerable(),
        Cost(),
    ),
    headline=("retrieval/recall_any@5", "retrieval/recall_any@10", "retrieval/recall_all@10", "tokens/recalled"),
    lower_is_better=frozenset({"tokens/recalled"}),
    controls=("adversarial",),
    licence="CC BY-NC 4.0: evaluation input only",
    note="Questions without evidence are unscored (the official recall counts them as 1; but for that, and for mended "
    "ids, it is locomo/recall@k, a share of the evidence). The adversarial category is won by always saying 'not "
    "mentioned'; at least 99 of the 1,540 published answers are wrong.",
)
