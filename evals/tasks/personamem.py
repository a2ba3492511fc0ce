"""PersonaMem: which of four answers fits what the user has come to prefer?"""

from evals.datasets.personamem import load
from evals.model import Task
from evals.scorers.answers import ChoiceByOverlap
from evals.scorers.cost import Cost
from evals.scorers.provenance import Provenance

TASK = Task(
    name="personamem",
    title="PersonaMem, choice of four",
    load=load,
    scorers=(ChoiceByOverlap(), Provenance(), Cost()),
    headline=("answer/choice_by_overlap", "tokens/recalled"),
    lower_is_better=frozenset({"tokens/recalled"}),
    licence="MIT",
    note="Without a model the choice is made by shared words, a weak reader that is the same for every arm; chance "
    "is .25. The system message, which states the persona, is left out.",
)
