"""Claude Code's own memory stays on beside this one: what is said once is captured once, whoever wrote it down."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from memstore import MemoryStore
from memstore.agents.claude_code import install
from tests.test_agents_claude_code import Project

SAID = "We decided to use Redis for storage."
NOTED = f"# Memory\n\n- {SAID}\n- Codes are base62.\n"


class Transcript:
    """A session in which the built-in memory and memstore's tools are used, as Claude Code writes it down."""

    def __init__(self, project: Project, session: str) -> None:
        self.path = project.transcript(session)
        self.session = session
        self.number = 0
        self.project = project

    def add(self, role: str, content: Any, **fields: Any) -> None:
        uuid, before = f"{self.session}-{self.number}", f"{self.session}-{self.number - 1}" if self.number else None
        message = {"role": role, "content": content, **({"id": f"m{self.number}"} if role == "assistant" else {})}
        record = {"type": role, "uuid": uuid, "parentUuid": before, "sessionId": self.session, "message": message}
        with self.path.open("a") as file:
            file.write(json.dumps({**record, "timestamp": "2026-11-20T10:00:00Z", **fields}) + "\n")
        self.number += 1

    def tool(self, name: str, given: dict[str, Any], result: str) -> None:
        call = f"t{self.number}"
        self.add("assistant", [{"type": "tool_use", "id": call, "name": name, "input": given}])
        self.add("user", [{"type": "tool_result", "tool_use_id": call, "content": result}])
        self.project.hook("PostToolUse", self.session, tool_name=name, tool_input=given, tool_response=result)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "shop")


def held(project: Project) -> list[tuple[str, str]]:
    with project.store() as store:
        assert store.verify() == []
        return sorted((fact.text, fact.origin.value) for fact in store.facts())


class TestBothMemoriesAreOn:
    def test_what_is_said_and_then_noted_in_the_built_in_memory_is_one_fact_of_the_user(self, project):
        file = str(project.root / ".claude/projects/-shop/memory/MEMORY.md")
        one = Transcript(project, "s1")
        one.add("user", SAID)
        one.tool("Write", {"file_path": file, "content": NOTED}, f"File created successfully at: {file}")
        one.tool("Edit", {"file_path": file, "old_string": "62", "new_string": "58"}, f"updated: {NOTED}")
        project.hook("Stop", "s1")
        assert held(project) == [(SAID, "user")]

        two = Transcript(project, "s2")  # the built-in memory comes back: in a reminder, by reading, as an attachment
        two.add("user", f"<system-reminder>\nContents of {file}:\n{NOTED}</system-reminder>")
        two.add("user", NOTED, isMeta=True)
        two.tool("Read", {"file_path": file}, NOTED)
        two.add("user", "And what else?")
        project.hook("Stop", "s2")
        project.hook("PreCompact", "s2", trigger="auto")
        project.hook("SessionEnd", "s2", reason="other")
        assert [text for text, _ in held(project) if "Redis" in text or "base62" in text] == [SAID]

    def test_what_memstore_itself_brought_or_was_told_through_mcp_is_not_taken_for_new_words(self, project):
        one = Transcript(project, "s1")
        one.add("user", SAID)
        project.hook("Stop", "s1")
        told = project.context("UserPromptSubmit", "s2", prompt="What about Redis for storage?")
        assert SAID in told
        two = Transcript(project, "s2")
        two.add("user", "What about Redis for storage?")
        two.add("user", f"<user-prompt-submit-hook>{told}</user-prompt-submit-hook>")
        two.add("user", f"<system-reminder>UserPromptSubmit hook additional context: {told}</system-reminder>")
        two.tool("mcp__memstore__recall", {"query": "Redis"}, told)
        two.tool("mcp__memstore__remember", {"text": SAID, "modality": "decision"}, f"Kept: {SAID}")
        two.tool("memory", {"command": "view", "path": "/memories/a.md"}, NOTED)
        project.hook("Stop", "s2")
        assert [text for text, _ in held(project) if "decided" in text or "base62" in text] == [SAID]

    def test_hooks_and_a_later_capture_of_the_same_file_take_a_turn_once(self, project):
        one = Transcript(project, "s1")
        one.add("user", SAID)
        for event in ("Stop", "SubagentStop", "PreCompact", "SessionEnd"):
            project.hook(event, "s1", agent_transcript_path=str(one.path))
        with project.store() as store:
            assert (store.stats()["events"], store.stats()["facts"]) == (1, 1)

    def test_installing_leaves_the_built_in_memory_as_the_user_set_it(self, tmp_path):
        for setting in (True, False):
            path = tmp_path / str(setting) / ".claude/settings.json"
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps({"autoMemoryEnabled": setting}))
            for change in install.install(path.parent.parent, project=True):
                change.apply()
            assert json.loads(path.read_text())["autoMemoryEnabled"] is setting
            assert "AUTO_MEMORY" not in path.read_text()
        for change in install.install(tmp_path / "none", project=True):
            assert "emory" not in (change.after or "").replace("memstore", "")


class TestOneStoreFromManyTasks:
    def test_an_async_caller_uses_threads_and_loses_nothing(self, tmp_path):
        async def work(store: MemoryStore, number: int) -> list[str]:
            kept = []
            for turn in range(5):
                text = f"We decided {number}-{turn} about Redis."
                await asyncio.to_thread(store.record, text, role="user", session=f"s{number}")
                found = await asyncio.gather(
                    asyncio.to_thread(store.remember, f"Redis node {number}-{turn} is up.", modality="observation"),
                    asyncio.to_thread(store.recall, "Redis", k=3),
                    asyncio.to_thread(store.context, "Redis", budget=200),
                    asyncio.to_thread(store.capture, session=f"s{number}"),
                )
                kept.append(found[0].id)
            return kept

        async def all_of_them(store: MemoryStore) -> list[list[str]]:
            return await asyncio.gather(*(work(store, number) for number in range(6)))

        with MemoryStore(tmp_path / "memory.db") as store:
            kept = asyncio.run(all_of_them(store))
            assert len({one for each in kept for one in each}) == 30
            said = {fact.provenance[0].quote for fact in store.facts()}
            assert {f"We decided {n}-{turn} about Redis." for n in range(6) for turn in range(5)} <= said
            assert store.stats()["pending_events"] == 0
            assert store.verify() == []
