"""Several processes write to one memory at once, each behind its own wall: is anything lost, does anything leak?

Made up for this harness: four teams note what is in their lockers, sixteen processes' worth of lines written by four
processes at the same time. The lockers of all teams have the same numbers, so that a question is answered by one line
of the asker's own scope, and by three that are as alike but stand behind other walls. As a control each team is asked
for a locker that only another team has. `extras["writers"]` tells an arm how many processes are to write.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

from evals.model import Probe, Query, Sample, Turn

TEAMS = ("north", "south", "east", "west")
THINGS = "maps rope paint tents cables lamps boots radios stoves tarps flags pumps".split()
COLOURS = "red blue green black white yellow".split()
LOCKERS = 60
ASKED = 10
START = datetime(2025, 4, 1, 9, tzinfo=UTC)


def load(data: Path, limit: int | None = None) -> list[Sample]:
    """One sample; `data` is not read."""
    turns = [_turn(team, number) for number, team in product(range(LOCKERS), range(len(TEAMS)))]
    turns += [_only(team) for team in range(len(TEAMS))]
    asked = START + timedelta(days=2)
    probes = []
    for team, name in enumerate(TEAMS):
        for number in range(team, LOCKERS, LOCKERS // ASKED):
            query = Query(f"What does locker {number + 100} hold?", asked, k=5, scope=name)
            probes.append(Probe(f"{name}/{number}", query, {"evidence": [f"{name}-{number}"]}, "own"))
        other = TEAMS[(team + 1) % len(TEAMS)]
        query = Query(f"Who keeps the {other} archive?", asked, k=5, scope=name)
        probes.append(Probe(f"{name}/other", query, {"answerable": False}, "control_other_scope"))
    sample = Sample("lockers", "lockers", tuple(turns), tuple(probes), {"writers": len(TEAMS)})
    return [sample][:limit]


def _turn(team: int, number: int) -> Turn:
    """What a team says about a locker: no two teams have the same in one."""
    thing, colour = THINGS[(number + 3 * team) % len(THINGS)], COLOURS[(number // len(THINGS) + team) % len(COLOURS)]
    name = TEAMS[team]
    text = f"Locker {number + 100} holds the {colour} {thing}."
    return Turn(f"{name}-{number}", name, "user", text, START + timedelta(minutes=number), scope=name)


def _only(team: int) -> Turn:
    name = TEAMS[team]
    text = f"Mrs {name.title()}er keeps the {name} archive."
    return Turn(f"{name}-only", name, "user", text, START + timedelta(hours=3), scope=name)
