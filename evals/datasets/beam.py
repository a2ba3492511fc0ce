"""BEAM: very long chats of one user with an assistant, many on coding projects, with twenty questions each.

User messages end in a ` ->-> i,j` tag of the generator, which is stripped. Only the first message of a batch carries
a date (`time_anchor`); the messages after it are placed a minute apart, so that order survives. The gold is the ids
of the messages that hold the answer; `knowledge_update` says which message was updated by which. An answer is to be
judged by `rubric`, not by `answer`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from evals.datasets.files import Source, how_to_get, locate, read_json, wrong_format
from evals.model import DataMissing, Probe, Query, Sample, Turn

SOURCE = Source(
    folder="beam",
    title="BEAM (Tavakoli et al. 2025)",
    patterns=("*/*/chat.json", "*/chat.json", "chat.json"),
    where="https://github.com/mohammadtavakoli78/BEAM, chats/ (one folder per tier and chat)",
    licence="CC BY-SA 4.0",
    ships=True,
)

GENERATOR_TAG = re.compile(r"\s*->->\s*\d+\s*,\s*(?:\d+|N/A)\)?\s*$")
UNANSWERABLE = "abstention"
QUESTIONS = ("probing_questions.json", "probing_questions/probing_questions.json")


def tiers(*names: str) -> Callable[[Path, int | None], list[Sample]]:
    """A loader of some tiers ("100K", "500K", "1M", "10M"); of all that are there if none is named."""

    def load(data: Path, limit: int | None = None) -> list[Sample]:
        chats = [path for path in locate(data, SOURCE) if not names or path.parent.parent.name in names]
        if not chats:
            raise DataMissing(f"beam: no chat of tier {' or '.join(names)} under {data}. {how_to_get(SOURCE)}")
        chats.sort(key=_order)
        return [_sample(path) for path in chats[:limit]]

    return load


def _order(path: Path) -> tuple[int, int, str]:
    """Small tiers first, then chats by number: 100K/2 before 100K/10, and both before 1M/1."""
    size = {"K": 10**3, "M": 10**6}
    tier, chat = path.parent.parent.name, path.parent.name
    scale = int(tier[:-1]) * size[tier[-1]] if tier[:-1].isdigit() and tier[-1:] in size else 0
    return scale, int(chat) if chat.isdigit() else 0, chat


def _sample(path: Path) -> Sample:
    tier, chat = path.parent.parent.name, path.parent.name
    questions = next((path.parent / name for name in QUESTIONS if (path.parent / name).is_file()), None)
    if questions is None:
        raise DataMissing(f"{path.parent}: a chat without its {QUESTIONS[0]}; fetch both from {SOURCE.where}")
    try:
        turns = _turns(read_json(path))
        asked = turns[-1].at + timedelta(days=1)
        refs = {turn.ref for turn in turns}
        probes = [
            _probe(f"{tier}-{chat}/{ability}/{number}", ability, question, asked, refs)
            for ability, group in sorted(read_json(questions).items())
            for number, question in enumerate(group)
        ]
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise wrong_format(path, SOURCE, f"{type(error).__name__}: {error}") from error
    return Sample(f"{tier}-{chat}", f"{tier}-{chat}", tuple(turns), tuple(probes), {"tier": tier})


def _turns(batches: list[Mapping[str, Any]]) -> list[Turn]:
    turns: list[Turn] = []
    at = datetime(2024, 1, 1, tzinfo=UTC)
    for batch in batches:
        for group in batch["turns"]:
            for message in group:
                anchor = message.get("time_anchor")
                # An anchor never moves time backwards: a later message was written later.
                at = max(at + timedelta(minutes=1), _date(anchor) if anchor else at)
                turns.append(
                    Turn(
                        ref=str(message["id"]),
                        session=f"batch-{batch['batch_number']}",
                        role=message["role"],
                        text=GENERATOR_TAG.sub("", message["content"]),
                        at=at,
                    )
                )
    return turns


def _date(anchor: str) -> datetime:
    return datetime.strptime(anchor, "%B-%d-%Y").replace(tzinfo=UTC)


def _probe(name: str, ability: str, question: Mapping[str, Any], asked: datetime, refs: set[str]) -> Probe:
    sources = question.get("source_chat_ids")
    expect: dict[str, Any] = {
        "rubric": question.get("rubric", []),
        "answer": question.get("answer") or question.get("ideal_answer") or question.get("ideal_response"),
    }
    evidence = [ref for ref in _refs(sources) if ref in refs]
    if evidence:
        expect["evidence"] = evidence
    if ability == UNANSWERABLE:
        expect["answerable"] = False
    elif isinstance(sources, Mapping) and "updated_info" in sources:
        current = [ref for ref in _refs(sources["updated_info"]) if ref in refs]
        stale = [ref for ref in _refs(sources["original_info"]) if ref in refs and ref not in current]
        if current and stale:
            # What answers the question is the update; the original is what must not come first.
            expect |= {"evidence": current, "current": current, "stale": stale}
    return Probe(name, Query(question["question"], now=asked), expect, ability)


def _refs(sources: Any) -> list[str]:
    """Message ids out of a list, a list of lists, or a mapping of lists; in order, each once."""
    if isinstance(sources, Mapping):
        sources = list(sources.values())
    if isinstance(sources, list):
        return list(dict.fromkeys(ref for part in sources for ref in _refs(part)))
    return [] if sources is None else [str(sources)]
