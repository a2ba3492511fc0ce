"""What reports on a fact do to its rank: it comes earlier for having helped, later for being called wrong or stale.

Both effects are bounded, so that no number of reports buries what answers the question best, or lifts what does not:
an agent that praises a fact a thousand times moves it as far as seven reports do. A complaint counts until somebody
confirms the fact, and counted only if it came with the authority to make it (`coherence.chains.report`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from memstore.ledger.standing import Standing

# In units of the ranking's score. Chosen by hand, small beside the distance between a good answer and a poor one.
USED = 0.3
COMPLAINED = 1.5
MOST = 7


def gain(standing: Standing) -> float:
    """What is added to the score of a fact."""
    if not standing.uses and not standing.complaints:
        return 0.0
    return USED * _steps(standing.uses) - COMPLAINED * _steps(standing.complaints)


def told(standing: Standing) -> Mapping[str, object]:
    """What an answer says about it; nothing where nothing was reported."""
    if not standing.uses and not standing.complaints:
        return {}
    return {"feedback": {"used": standing.uses, "complaints": standing.complaints, "score": round(gain(standing), 3)}}


def _steps(count: int) -> float:
    return math.log2(1 + min(count, MOST))
