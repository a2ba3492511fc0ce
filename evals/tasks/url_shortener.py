"""The published case: four decisions about a URL shortener, one of them a hedge; then a reversal and an expiry."""

from evals.datasets.url_shortener import load
from evals.model import Task
from evals.scorers.controls import Unanswerable
from evals.scorers.cost import Cost
from evals.scorers.fidelity import VerbatimFidelity
from evals.scorers.modality import ModalityLoss
from evals.scorers.provenance import Provenance
from evals.scorers.retrieval import EvidenceRecall
from evals.scorers.staleness import Staleness

TASK = Task(
    name="url_shortener",
    title="Four decisions about a URL shortener",
    load=load,
    scorers=(
        EvidenceRecall(ks=(1, 5)),
        VerbatimFidelity(),
        ModalityLoss(),
        Staleness(),
        Provenance(),
        Unanswerable(),
        Cost(),
    ),
    headline=("fidelity/kept", "modality/flattened", "staleness/stale_first", "tokens/injected"),
    lower_is_better=frozenset({"modality/flattened", "staleness/stale_first", "tokens/injected"}),
    controls=("control_never_said", "control_last_turn"),
    licence="written for this repository (Apache-2.0)",
    note="One project, written for this repository: it reproduces the shape of a published case and measures nothing "
    "beyond it. Tokens are characters ÷ 4, the published counter.",
)
