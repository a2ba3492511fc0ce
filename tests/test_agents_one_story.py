"""One story through every door: the same words, modality and provenance; only whose words they are differs."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from memstore import MemoryStore
from memstore.agents.claude_code.run import run
from memstore.agents.mcp_server import MemoryTools
from memstore.agents.memory_tool import MemoryCommands
from memstore.cli import main

STORY = {
    "We will use Redis for storage.": "decision",
    "The TTL could be refreshed on each access.": "option_considered",
}


def through_hooks(db: Path) -> None:
    """A user says it to Claude Code, whose hooks listen."""
    for number, text in enumerate(STORY):
        for event, fields in (("UserPromptSubmit", {"prompt": text, "prompt_id": f"p{number}"}), ("Stop", {})):
            payload = {"session_id": "s1", "cwd": str(db.parent.parent), **fields}
            run(event, io.BytesIO(json.dumps(payload).encode()), io.StringIO(), db=str(db))


def through_the_command_line(db: Path) -> None:
    """A user types it, and has it captured."""
    for text in STORY:
        assert main(["--db", str(db), "record", text, "--session", "s1"]) == 0
    assert main(["--db", str(db), "capture"]) == 0


def through_mcp(db: Path) -> None:
    """An agent is told it and remembers, with the modality that the words had."""
    with MemoryStore(db) as store:
        for text, modality in STORY.items():
            MemoryTools(store).remember(text, modality)


def through_the_memory_tool(db: Path) -> None:
    """Claude writes it into a file."""
    with MemoryStore(db) as store:
        MemoryCommands(store).create("/memories/notes.md", "\n".join(f"- {text}" for text in STORY))


class TestOneStoryThroughEveryDoor:
    @pytest.mark.parametrize(
        ("door", "speaker"),
        [
            (through_hooks, "user"),
            (through_the_command_line, "user"),
            (through_mcp, "assistant"),
            (through_the_memory_tool, "assistant"),
        ],
    )
    def test_the_words_the_modality_and_the_quote_are_the_same(
        self, tmp_path: Path, door: Callable[[Path], None], speaker: str
    ) -> None:
        db = tmp_path / ".memstore" / "memory.db"
        db.parent.mkdir()
        MemoryStore(db).close()
        door(db)
        with MemoryStore(db) as store:
            for text, modality in STORY.items():
                found = store.recall(text, k=1)[0]
                assert (found.text, found.modality, found.origin) == (text, modality, speaker)
                assert found.provenance[0].quote == text
                event = store.event(found.provenance[0].event_id)
                assert event.text[found.provenance[0].start : found.provenance[0].end] == text
                assert found.binding is (modality == "decision" and speaker == "user")
            assert store.verify() == []
