"""MemoryAgentBench: does an acceptable answer stand in what came back?"""

from evals.datasets.memoryagentbench import load
from evals.model import Task
from evals.scorers.answers import AnswerInContext
from evals.scorers.cost import Cost
from evals.scorers.provenance import Provenance

TASK = Task(
    name="memoryagentbench",
    title="MemoryAgentBench, answer in what came back",
    load=load,
    scorers=(AnswerInContext(), Provenance(), Cost()),
    headline=("answer/in_context", "tokens/recalled"),
    lower_is_better=frozenset({"tokens/recalled"}),
    licence="MIT",
    note="The official metric scores a model's answer. Standing in the context is what a reader needs, not what it "
    "makes of it; on questions of several hops the answer may stand there for another reason.",
)
