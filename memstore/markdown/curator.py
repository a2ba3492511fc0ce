"""A stated rule that keeps a Markdown memory where nobody keeps one by hand. It copies; it never rewrites.

1. Every turn becomes one list item of a topic file, word for word, behind its mark `(when · role · ref)`,
   with role and ref percent-encoded where they would be taken for Markdown.
   Lines after the first are indented by two spaces, so an item is one turn and the words can be read back.
2. A topic holds consecutive turns of one session, until the next would take its body past 4,000 bytes. A turn that
   is longer alone has a topic of its own; past 100,000 bytes it is not kept, and counted as left out.
3. A topic is named after its session and part, and described by the words that tell it from the others.
4. The index lists topics newest first. Past 200 lines or 25 kB it is not shown, so the oldest topics are on disk
   but never read: that is the price of an index that is injected whole.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, unquote

from memstore.markdown import keywords
from memstore.markdown.memory import MarkdownMemory
from memstore.markdown.topic import Topic

TOPIC_BYTES = 4_000
TURN_BYTES = 100_000
DESCRIPTION_CHARACTERS = 100

_ITEM = re.compile(r"- \((\S+) · (\S*) · (\S*)\) (.*)")
_SAFE = "/:#@+,;=!-_.~"  # what a role or ref may show as it is; anything else is percent-encoded


@dataclass(frozen=True, slots=True)
class Note:
    """One turn as the curator keeps it."""

    text: str
    role: str
    ref: str
    session: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Curated:
    """What became of the notes: kept word for word in `topics` files, `left_out` because they were too long."""

    kept: int
    left_out: int
    topics: int


def curate(memory: MarkdownMemory, notes: Iterable[Note]) -> Curated:
    """Keep `notes` (oldest first) in an empty memory, by the rule above."""
    parts, left_out = _parts(notes)
    held_by: Counter[str] = Counter()
    for part in parts:
        held_by.update({word for note in part for word in keywords.words(note.text)})
    topics: list[Topic] = []
    number: Counter[str] = Counter()
    for part in parts:
        session = part[0].session
        number[session] += 1
        said = " ".join(note.text for note in part)
        description = keywords.telling(said, held_by, len(parts), characters=DESCRIPTION_CHARACTERS)
        title = " ".join(re.sub(r"[\[\]\s]+", " ", session).split())[:40] or "session"
        name = f"{title}, part {number[session]}, {part[0].at:%Y-%m-%d}"
        topics.append(Topic(f"{len(topics) + 1:05}.md", name, description, "".join(map(_item, part))))
    if topics:
        memory.write(*topics)
    return Curated(sum(map(len, parts)), left_out, len(topics))


def curated_notes(topic: Topic) -> list[Note]:
    """The turns in a topic that `curate` wrote, word for word; `session` is the topic's name."""
    found: list[list[str]] = []
    for line in topic.body.removesuffix("\n").split("\n"):
        if _ITEM.fullmatch(line):
            found.append([line])
        elif found:
            found[-1].append(line)
    read: list[Note] = []
    for first, *rest in found:
        mark = _ITEM.fullmatch(first)
        assert mark
        text = "\n".join((mark[4], *(line.removeprefix("  ") for line in rest)))
        read.append(Note(text, unquote(mark[2]), unquote(mark[3]), topic.name, datetime.fromisoformat(mark[1])))
    return read


def _item(note: Note) -> str:
    mark = f"({note.at.isoformat()} · {quote(note.role, _SAFE)} · {quote(note.ref, _SAFE)})"
    return f"- {mark} " + note.text.replace("\n", "\n  ") + "\n"


def _parts(notes: Iterable[Note]) -> tuple[list[list[Note]], int]:
    """Consecutive turns of one session, cut where the body would grow too long; and how many were left out."""
    parts: list[list[Note]] = []
    left_out = size = 0
    for note in notes:
        length = len(_item(note).encode("utf-8"))
        if length > TURN_BYTES:
            left_out += 1
            continue
        if not parts or parts[-1][0].session != note.session or size + length > TOPIC_BYTES:
            parts.append([])
            size = 0
        parts[-1].append(note)
        size += length
    return parts, left_out
