"""StateBench: templated timelines of turns, state writes and supersessions, with phrases an answer must (not) hold.

Everything the benchmark gives to a system becomes an item: the state at the start, the turns, and the writes. What a
`supersession` event declares becomes an `Edge`, and a write carries its `key`; with `declared=False` both are withheld
while every word stays, so that the two variants ask the same questions of the same text.

Two more things are declared, in brackets before the words, and withheld likewise: that something is of a task, a
draft or another person's session (`[SCOPE: …]`), and that it is for some readers alone (`[RESTRICTED: … restricted to
…]`). Such a turn stands behind a wall of its own (`Turn.scope`), and the question comes from outside (`Query.scope`),
for every arm, unless the asker's declared role is among the readers. The words keep their brackets. What the timeline
calls the environment (a calendar, an alert, a deadline) is what somebody read off the world at a moment: its writes
are observations, where other writes are settled by being written.

A declaration speaks of a statement, not of one copy of it: there is an `Edge` for the superseded write and for each
earlier turn that states its value word for word.

Traps: the timelines come from templates (clusters are track × template, not timelines); required phrases may occur
nowhere in the timeline; forbidden ones may never have been said, or be required as well. See `evals.datasets.phrases`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from evals.datasets.files import Source, locate, read_jsonl, utc, wrong_format
from evals.datasets.phrases import asserts, says
from evals.model import Edge, Item, Probe, Query, Sample, Turn

SOURCE = Source(
    folder="statebench",
    title="StateBench 1.0 (Liotta 2025)",
    patterns=("dev.jsonl", "val*.jsonl", "test*.jsonl", "[!t]*.jsonl", "*.jsonl"),
    where="https://github.com/Parslee-ai/statebench, data/releases/v1.0",
    licence="MIT",
    ships=True,
)

# Tracks in which a forbidden phrase is an outdated value; in the others it is another task's, tenant's or scope's.
OPEN = "open"
"""The scope of what nobody walled off, where walls are declared."""

_WALL = re.compile(r"\[(?:SCOPE|RESTRICTED):")
_SCOPED = re.compile(r"\[SCOPE:\s*(?P<scope>[^\]]+)\]")
_RESTRICTED = re.compile(r"\[RESTRICTED:[^\]]*?restricted to (?P<readers>[^\]]+)\]")

REPLACES = frozenset(
    {
        "supersession",
        "supersession_detection",
        "repair_propagation",
        "commitment_durability",
        "environmental_freshness",
    }
)


def load(data: Path, limit: int | None = None, *, declared: bool = True) -> list[Sample]:
    samples: list[Sample] = []
    for path in locate(data, SOURCE):
        for row in read_jsonl(path):
            if limit is not None and len(samples) >= limit:
                return samples
            try:
                samples.append(_sample(row, declared))
            except (KeyError, TypeError, ValueError) as error:
                raise wrong_format(path, SOURCE, f"{type(error).__name__}: {error}") from error
    return samples


def template(prompt: str) -> str:
    """A question with its names and numbers taken out: what the timelines of one template share."""
    return re.sub(r"[^a-z]+", " ", re.sub(r"\b[A-Z0-9$]\S*", " ", prompt)).strip()


def _sample(row: Mapping[str, Any], declared: bool) -> Sample:
    walled = declared and any(_WALL.match(text) for text in _texts(row))
    builder = _Timeline(declared, str(row["actors"]["user"].get("role") or "") if walled else None)
    builder.start(row["initial_state"])
    probes: list[Probe] = []
    for event in row["events"]:
        if event["type"] == "query":
            probes.append(_probe(f"{row['id']}/{len(probes)}", row["track"], event, builder.items))
        else:
            builder.add(event)
    # Some state writes are listed after turns that they precede in time.
    items = sorted(builder.items, key=lambda item: item.at)
    first = next((event["prompt"] for event in row["events"] if event["type"] == "query"), "")
    return Sample(
        id=str(row["id"]),
        cluster=f"{row['track']}: {template(first)}",
        items=tuple(items),
        probes=tuple(probes),
        extras={"track": row["track"], "declared": declared},
    )


def _texts(row: Mapping[str, Any]) -> Iterator[str]:
    """Every text that a timeline writes as its state."""
    yield from (str(fact["value"]) for fact in row["initial_state"]["persistent_facts"])
    yield from (str(entry["content"]) for entry in row["initial_state"]["working_set"])
    yield from (str(write["value"]) for event in row["events"] for write in event.get("writes") or ())


class _Timeline:
    """Collects the items of one timeline and knows which of them hold the value that a key or id now names.

    `asker` is the role of who asks, where the timeline declares walls; None where there are none.
    """

    def __init__(self, declared: bool, asker: str | None) -> None:
        self.declared = declared
        self.asker = asker
        self.items: list[Item] = []
        self.holders: dict[str, Turn] = {}

    def start(self, state: Mapping[str, Any]) -> None:
        now = state["environment"]["now"]
        for fact in state["persistent_facts"]:
            self._write(fact, fact.get("ts") or now)
        for entry in state["working_set"]:
            self._turn("system", entry["content"], entry.get("ts") or now)
        for key, value in state["environment"].items():
            if key != "now":
                self._write(
                    {"key": key, "value": value, "id": None, "source": {"type": "system"}, "layer": "environment"}, now
                )

    def add(self, event: Mapping[str, Any]) -> None:
        if event["type"] == "conversation_turn":
            self._turn(event["speaker"], event["text"], event["ts"])
            return
        for write in event["writes"]:
            # The environment is a dictionary: writing a key again replaces what it held.
            replaced = write.get("supersedes") or (write["key"] if write.get("layer") == "environment" else None)
            old = self.holders.get(replaced) if replaced else None
            new = self._write(write, event["ts"])
            if old is not None and self.declared:
                self._supersede(old, new)

    def _supersede(self, old: Turn, new: Turn) -> None:
        value = old.text
        copies = [
            item.ref
            for item in self.items
            if isinstance(item, Turn) and item.at < new.at and item.ref not in (old.ref, new.ref) and value in item.text
        ]
        # One declaration each: where a memory refuses one, the others still hold.
        for ref in (old.ref, *copies):
            self.items.append(Edge("supersedes", (ref,), (new.ref,), new.at, "declared by a state write"))

    def _write(self, write: Mapping[str, Any], at: str) -> Turn:
        value, key = str(write["value"]), str(write["key"])
        # A bare "None" or "Yes" says nothing without the name it was stored under.
        text = value if len(value.split()) > 2 else f"{key.replace('_', ' ')}: {value}"
        origin = "user" if write["source"]["type"] == "user" else "system"
        read_off = self.declared and write.get("layer") == "environment"
        turn = self._turn(
            origin, text, at, key=key if self.declared else None, modality="observation" if read_off else None
        )
        self.holders[key] = turn
        if write.get("id") and write["id"] != "W-AUTO":
            self.holders[write["id"]] = turn
        return turn

    def _turn(self, role: str, text: str, at: str, key: str | None = None, modality: str | None = None) -> Turn:
        scope = None if self.asker is None else wall(text, self.asker)
        ref = f"t{len(self.items)}"
        turn = Turn(ref, "s1", role, text, utc(at), modality=modality, key=key, scope=scope)
        self.items.append(turn)
        return turn


def wall(text: str, asker: str) -> str:
    """The scope that a turn declares in brackets, as seen by somebody in the role of `asker`; else `OPEN`."""
    if scoped := _SCOPED.match(text):
        return scoped["scope"].strip()
    if restricted := _RESTRICTED.match(text):
        readers = restricted["readers"].strip()
        if not _among(asker, readers):
            return f"for {readers}"
    return OPEN


def _among(role: str, readers: str) -> bool:
    """Whether a role is named by a list of readers: "CS leadership", "VP+". A rank above the one named is not known."""
    named = {word.strip("+").lower() for word in re.split(r"[\s,/]+", readers)} - {"", "and", "or", "team", "the"}
    return bool(named) and named <= {word.lower() for word in re.findall(r"[\w&-]+", role)}


def _probe(name: str, track: str, event: Mapping[str, Any], items: list[Item]) -> Probe:
    gold = event["ground_truth"]
    required, forbidden = list(gold["must_mention"]), list(gold["must_not_mention"])
    turns = [item for item in items if isinstance(item, Turn)]
    right, wrong = [], []
    for turn in turns:
        holds = any(says(turn.text, phrase) for phrase in required)
        violates = any(asserts(turn.text, phrase) for phrase in forbidden if phrase not in required)
        if holds and not violates:
            right.append(turn.ref)
        elif violates and not holds:
            wrong.append(turn.ref)
    expect: dict[str, Any] = {
        "must_mention": required,
        "must_not_mention": forbidden,
        "evidence": right,
        "answer": gold["decision"],
    }
    if right and wrong and track in REPLACES:
        expect |= {"current": right, "stale": wrong}
    # Asked at the timeline's end: some events carry a time slightly after the question's.
    latest = max([utc(event["ts"]), *(turn.at for turn in turns)])
    # A timeline holds some eight items: a deeper cut would bring everything back.
    # Where walls are declared, the question comes from outside all of them.
    scope = OPEN if any(turn.scope for turn in turns) else None
    return Probe(name, Query(event["prompt"], now=latest + timedelta(seconds=1), k=5, scope=scope), expect, track)
