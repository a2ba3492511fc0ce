"""PEPs: which proposal is in force in place of another, and what status one had on a day."""

from evals.datasets.peps import load
from evals.model import Task
from evals.scorers.controls import Unanswerable
from evals.scorers.cost import Cost
from evals.scorers.provenance import Provenance
from evals.scorers.retrieval import EvidenceRecall
from evals.scorers.staleness import Staleness

TASK = Task(
    name="peps",
    title="Python proposals: supersession and status as of a date",
    load=load,
    scorers=(EvidenceRecall(ks=(1, 5)), Staleness(), Provenance(), Unanswerable(), Cost()),
    headline=("staleness/current_first", "staleness/as_of", "staleness/head", "staleness/stale_first"),
    lower_is_better=frozenset({"staleness/stale_first", "staleness/resurrected", "staleness/over_invalidated"}),
    controls=("control_before_known",),
    licence="public domain / CC0-1.0",
    note="A date in a question means what was known then: the day of the commit, not the Created header. Lines "
    "are keyed, as a register is, and replacements are declared; both reach every arm. Before a proposal was "
    "registered nothing was known of it: what comes back as current then is from the future.",
)
