"""Where training sentences come from: labelled rows, rows written for this project, and unlabelled text.

Rows of code review are never trained on (their licence does not allow it), nor is any row of the measuring
set, and unlabelled text is not taken from its documents: the card reports on sentences the model has not seen.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memstore.capture.tagger.cue_tagger import MODALITIES

_BREAK = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[A-Z\"`'(\[*])|\n+")
#: How many unlabelled sentences of each source the student learns from (fewer where there are fewer).
POOL = {"documents": 12000, "user": 8000, "assistant": 12000, "meeting": 4000}
#: Half of what assistants say is lists, headings and code: of it, two thirds are to hold a word like these.
_STANCE = re.compile(
    r"\b(could|should|might|may|must|maybe|perhaps|probably|likely|would|will|consider|suggest|propose|decid|if|option"
    r"|alternativ|instead|we|I|let's|think|seems?|not|why|how|whether)\b",
    re.IGNORECASE,
)
#: A line of a program that stands outside a code block.
_PROGRAM = re.compile(
    r"^(def |if .*:$|if \(|for .*:$|print|const |fn |return |let |@|//|\w+ = |[\w.]+\(|import |class |async |await )"
    r"|[{};]$"
)


@dataclass(frozen=True, slots=True)
class Row:
    """A labelled sentence. `sure` is False where the annotator doubted."""

    text: str
    source: str
    label: int
    sure: bool = True
    doc: str = ""

    def target(self, sure: float = 0.95, unsure: float = 0.8) -> list[float]:
        """A distribution over the classes: nearly one-hot, flatter where the annotator doubted."""
        rest = 1 - (sure if self.sure else unsure)
        return [1 - rest if i == self.label else rest / 4 for i in range(len(MODALITIES))]


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def labelled(path: Path) -> list[Row]:
    return [
        Row(r["text"], r["source"], MODALITIES.index(r["label"]), bool(r.get("sure", 1)))
        for r in records(path)
        if r["source"] != "code_review"
    ]


def measuring_set(data: Path) -> list[Row]:
    """All of `modality/dev.jsonl`, code review too: it is measured on, never learnt from."""
    return [
        Row(r["text"], r["source"], MODALITIES.index(r["label"]), doc=r["doc"])
        for r in records(data / "modality" / "dev.jsonl")
    ]


def unlabelled(data: Path, known: set[str], seed: int) -> list[str]:
    """Sentences of development chats, RFCs, ADRs and meetings, none of them labelled, measured on, or from a
    document that is."""
    measured = records(data / "modality" / "dev.jsonl")
    closed = {(r["source"].split(":")[-1], r["doc"]) for r in measured}
    order = random.Random(seed)
    pool: dict[str, list[str]] = {name: [] for name in POOL}
    seen = set(known) | {r["text"] for r in measured}
    for name, text in _all_sentences(data, closed):
        wordy = 12 <= len(text) <= 260 and len(re.findall("[A-Za-z]{2,}", text)) >= 3
        if wordy and text not in seen and not text.startswith(("```", "|", "#", "http")) and not _PROGRAM.search(text):
            seen.add(text)
            if name != "assistant" or _STANCE.search(text) or order.random() < 0.15:
                pool[name].append(text)
    chosen = [text for name, size in POOL.items() for text in order.sample(pool[name], min(size, len(pool[name])))]
    order.shuffle(chosen)
    return chosen


def _all_sentences(data: Path, closed: set[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for r in records(data / "modality_weak_sections" / "sentences.jsonl"):
        if (r["source"], r["doc"]) not in closed:
            yield "documents", r["text"]
    for r in records(data / "adrs" / "adrs.jsonl"):
        if (r["repo"], r.get("path", "")) not in closed:
            for part in ("context", "decision", "alternatives", "consequences"):
                joined = re.sub(r"(?<=\S)\n(?=\S)", " ", r.get(part) or "")
                yield from (("documents", s.strip(" -*>\t")) for s in _BREAK.split(joined))
    for r in records(data / "peps" / "peps.jsonl"):
        joined = re.sub(r"(?<=\S)\n(?=\S)", " ", r["abstract"] or "")
        yield from (("documents", s.strip(" -*>\t")) for s in _BREAK.split(joined))
    for chat in sorted((data / "beam").glob("*/*/chat.json")):
        name = "/".join(chat.parts[-3:-1])
        for batch in json.loads(chat.read_text(encoding="utf-8")):
            for turn in (turn for group in batch["turns"] for turn in group):
                if ("beam", f"{name}#{turn['id']}") in closed:
                    continue
                text = re.sub(r"\s*->->.*$", "", turn["content"], flags=re.DOTALL)  # the data set's own tag
                text = re.sub(r"```.*?```", "\n", text, flags=re.DOTALL)
                yield from ((turn["role"], s.strip()) for s in _BREAK.split(text))
    for meeting in records(data / "qmsum" / "val.jsonl"):
        for turn in meeting["meeting_transcripts"]:
            yield from (("meeting", s) for s in re.split(r"(?<=[.?!])\s+", turn["content"]) if len(s) > 30)


def careless(text: str) -> str:
    """The same words as they are typed in haste: no capital, no full stop or question mark."""
    text = text.rstrip(" .?!")
    return text[:1].lower() + text[1:]
