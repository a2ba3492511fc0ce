"""RFCs: the document in force in place of another, now and on a date; and updates that must not retire anything."""

from evals.datasets.rfcs import load
from evals.model import Task
from evals.scorers.cost import Cost
from evals.scorers.provenance import Provenance
from evals.scorers.retrieval import EvidenceRecall
from evals.scorers.staleness import Staleness

TASK = Task(
    name="rfcs",
    title="RFCs: obsoleted, updated, as of a date",
    load=load,
    scorers=(EvidenceRecall(ks=(1, 5)), Staleness(), Provenance(), Cost()),
    headline=("staleness/head", "staleness/as_of", "staleness/stale_first", "staleness/over_invalidated"),
    lower_is_better=frozenset({"staleness/stale_first", "staleness/resurrected", "staleness/over_invalidated"}),
    controls=("only_updated",),
    licence="facts published by the RFC Editor",
    note="`Obsoletes` replaces, `Updates` does not: questions on documents that were only updated are the control, "
    "where following every relation is wrong. The relations stand in the words of the newer document and are declared "
    "to every arm. Dates are months.",
)
