"""LoCoMo: very long chats between two people, with questions whose gold is the ids of the turns that answer them.

Both speakers are users: neither is an assistant. Their names are part of the text, as the questions speak of them by
name; a shared photo is given by its caption. Evidence ids are mended where they are mistyped (`D:11:26`,
`D8:6; D9:17`, `D30:05`); a question left without evidence is unscored (the official recall counts it as 1).

Category 5 asks for what was never said or of the wrong person: an answerer that always says "not mentioned" wins it,
so it is a control. At least 99 of the 1,540 published answers of categories 1–4 are wrong: evidence first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from evals.datasets.files import Source, locate, read_rows, wrong_format
from evals.model import Probe, Query, Sample, Turn

SOURCE = Source(
    folder="locomo",
    title="LoCoMo (Maharana et al. 2024)",
    patterns=("*dev*.json", "*.json"),
    where="https://github.com/snap-research/LoCoMo, data/locomo10.json",
    licence="CC BY-NC 4.0: evaluation input only, never shipped",
    ships=False,
    sha256={"locomo10.json": "79fa87e90f04081343b8c8debecb80a9a6842b76a7aa537dc9fdf651ea698ff4"},
)

CATEGORIES = {1: "multi_hop", 2: "temporal", 3: "open_domain", 4: "single_hop", 5: "adversarial"}


def load(data: Path, limit: int | None = None) -> list[Sample]:
    path = locate(data, SOURCE)[0]
    try:
        return [_sample(row) for row in read_rows(path)[:limit]]
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise wrong_format(path, SOURCE, f"{type(error).__name__}: {error}") from error


def _sample(row: Mapping[str, Any]) -> Sample:
    turns: list[Turn] = []
    conversation = row["conversation"]
    numbers = sorted(int(key.split("_")[1]) for key in conversation if re.fullmatch(r"session_\d+", key))
    for number in numbers:
        start = _date(conversation[f"session_{number}_date_time"])
        for offset, said in enumerate(conversation[f"session_{number}"]):
            turns.append(
                Turn(
                    ref=evidence_ids(said["dia_id"])[0],
                    session=f"session-{number}",
                    role="user",
                    text=_text(said),
                    at=start + timedelta(seconds=30 * offset),
                    speaker=said["speaker"],
                )
            )
    refs = {turn.ref for turn in turns}
    asked = turns[-1].at + timedelta(days=1)
    name = str(row["sample_id"])
    probes = [_probe(f"{name}/{number}", question, asked, refs) for number, question in enumerate(row["qa"])]
    return Sample(name, name, tuple(turns), tuple(probes))


def _text(said: Mapping[str, Any]) -> str:
    caption = said.get("blip_caption")
    photo = f" [shares a photo of {caption}]" if caption else ""
    return f"{said['speaker']}: {said['text']}{photo}"


def _probe(name: str, question: Mapping[str, Any], asked: datetime, refs: set[str]) -> Probe:
    category = CATEGORIES.get(int(question["category"]), str(question["category"]))
    evidence = [ref for text in question.get("evidence") or [] for ref in evidence_ids(text) if ref in refs]
    expect: dict[str, Any] = {"evidence": list(dict.fromkeys(evidence))}
    if category == "adversarial":
        expect["answerable"] = False
    else:
        expect["answer"] = str(question["answer"])
    return Probe(name, Query(question["question"], now=asked), expect, category)


def evidence_ids(text: str) -> list[str]:
    """The turn ids in an evidence field, in their canonical spelling; [] if it names none."""
    return [f"D{int(session)}:{int(turn)}" for session, turn in re.findall(r"D:?(\d+):(\d+)", str(text))]


def _date(text: str) -> datetime:
    return datetime.strptime(text, "%I:%M %p on %d %B, %Y").replace(tzinfo=UTC)
