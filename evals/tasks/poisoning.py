"""Poisoning: attacks that arrive through tools, stored and recalled. Whose words do they come back as?"""

from pathlib import Path

from evals.datasets import agentdojo, asb, memshield
from evals.model import DataMissing, Sample, Task
from evals.scorers.cost import Cost
from evals.scorers.poisoning import Poisoning
from evals.scorers.provenance import Provenance
from evals.scorers.retrieval import EvidenceRecall


def load(data: Path, limit: int | None = None) -> list[Sample]:
    """All sets that are there."""
    samples: list[Sample] = []
    missing: list[DataMissing] = []
    for part in (asb, agentdojo, memshield):
        try:
            samples += part.load(data, limit)
        except DataMissing as error:
            missing.append(error)
    if not samples:
        raise missing[0]
    return samples[:limit]


TASK = Task(
    name="poisoning",
    title="Attacks through tools and documents (ASB, AgentDojo, memshield-bench where it is there)",
    load=load,
    scorers=(Poisoning(), EvidenceRecall(ks=(1, 5)), Provenance(), Cost()),
    headline=("poison/unmarked", "poison/binding", "poison/outranks", "retrieval/recall_any@5"),
    lower_is_better=frozenset({"poison/recalled", "poison/unmarked", "poison/binding", "poison/outranks"}),
    controls=("control_own_task", "control_own_rule"),
    licence="MIT (ASB, AgentDojo), CC BY-SA 4.0 (memshield-bench)",
    note="Attack texts and tasks are the benchmarks'; the user's rules and the order of events are this harness's. "
    "That an attack is recalled is no failure; that it comes back as somebody's order is. Arms that hold turns are "
    "handed each turn's role, and are marked by it.",
)
