"""One story in two sessions through every door, each as it is really used: processes, a client, a tool runner, a shell.

Four things are decided, one of them with a hedge; a file changes that one of them names; one is reversed; then somebody
asks. Words, modality, quotes and standing come out the same. Only whose words they are differs: what an agent writes is
the assistant's, and binds nobody until the user settles it.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memstore import MemoryStore

REPOSITORY = Path(__file__).resolve().parent.parent
REDIS = "We will use Redis for storage."
CODES = "Short codes will be base62, that is decided."
LINKS = "We decided that links live for 30 days, see store.py."
HEDGE = "We could refresh the TTL on each access."
REVERSAL = "We decided to use PostgreSQL for storage instead of Redis."
STORY = {REDIS: "decision", CODES: "decision", LINKS: "decision", HEDGE: "option_considered"}
ENDED = {REDIS: "superseded", CODES: "live", LINKS: "suspect", HEDGE: "live", REVERSAL: "live"}
ASKED = "Which storage, short codes, TTL on access and days that links live did we decide on?"


class Project:
    """A project with one file, in an empty home folder."""

    def __init__(self, folder: Path) -> None:
        self.home, self.root = folder / "home", folder / "shop"
        self.home.mkdir()
        self.root.mkdir()
        self.db = self.root / ".memstore" / "memory.db"
        self.file = self.root / "store.py"
        self.file.write_text("def days():\n    return 30\n")
        self.environment = {**os.environ, "HOME": str(self.home), "PYTHONPATH": str(REPOSITORY)}
        for name in ("MEMSTORE_DB", "MEMSTORE_SCOPE", "CLAUDE_CONFIG_DIR"):
            self.environment.pop(name, None)

    def change(self) -> None:
        self.file.write_text("def days():\n    return 60\n")

    def memstore(self, *words: str, code: int = 0) -> str:
        """A command, as a person would type it in the project."""
        command = [sys.executable, "-m", "memstore.cli", *words]
        done = subprocess.run(command, cwd=self.root, env=self.environment, capture_output=True, text=True, check=False)
        assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
        return done.stdout


class ClaudeCode:
    """Writes transcripts, and runs the hooks that it finds in the project's settings, with the JSON they get."""

    def __init__(self, project: Project, session: str) -> None:
        self.project = project
        self.session = session
        self.turns = 0
        settings = json.loads((project.root / ".claude" / "settings.json").read_text())
        self.hooks = {
            event: [h["command"] for g in groups for h in g["hooks"]] for event, groups in settings["hooks"].items()
        }

    @property
    def transcript(self) -> Path:
        return self.project.root / f"{self.session}.jsonl"

    def fire(self, event: str, /, **fields: Any) -> dict[str, Any]:
        common = {"session_id": self.session, "transcript_path": str(self.transcript), "cwd": str(self.project.root)}
        data = json.dumps({**common, "permission_mode": "default", "hook_event_name": event, **fields})
        (command,) = self.hooks[event]
        stopped = self.given_up()
        done = self.run(command, data)
        while self.given_up() > stopped:  # by a machine so busy that five seconds were not enough: that is no failure
            stopped = self.given_up()
            done = self.run(command, data)
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout)["hookSpecificOutput"] if done.stdout else {}

    def run(self, command: str, data: str) -> subprocess.CompletedProcess[str]:
        where = {"cwd": self.project.root, "env": self.project.environment}
        return subprocess.run(command, shell=True, input=data, capture_output=True, text=True, check=False, **where)

    def given_up(self) -> int:
        """How often a hook ran out of time; anything else that went wrong ends the story."""
        log = self.project.db.parent / "memory.db.hooks" / "hooks.log"
        lines = log.read_text().splitlines() if log.exists() else []
        assert [line for line in lines if "gave up after 5 s" not in line] == []
        return len(lines)

    def write(self, role: str, content: Any) -> None:
        before = f"{self.session}-{self.turns - 1}" if self.turns else None
        record = {"type": role, "uuid": f"{self.session}-{self.turns}", "parentUuid": before, "sessionId": self.session}
        record |= {"timestamp": f"2026-11-20T10:{self.turns:02}:00Z", "message": {"role": role, "content": content}}
        with self.transcript.open("a") as file:
            file.write(json.dumps(record) + "\n")
        self.turns += 1

    def says(self, text: str) -> str:
        """The user says something; what the memory brings up beside it."""
        self.write("user", text)
        brought = self.fire("UserPromptSubmit", prompt=text, source="user").get("additionalContext", "")
        self.write("assistant", [{"type": "text", "text": "Understood."}])
        self.fire("Stop", stop_hook_active=False, last_assistant_message="Understood.")
        return str(brought)


def through_hooks(project: Project) -> str:
    project.memstore("install", "claude-code")
    first = ClaudeCode(project, "first")
    assert first.fire("SessionStart", source="startup") == {}
    for text in STORY:
        first.says(text)
    first.fire("SessionEnd", reason="other")
    second = ClaudeCode(project, "second")
    started = second.fire("SessionStart", source="startup")
    assert started["watchPaths"] == [str(project.file)]
    project.change()
    second.fire("PostToolUse", tool_name="Edit", tool_input={"file_path": str(project.file)}, tool_response={})
    second.fire("FileChanged", file_path=str(project.file), event="change")
    second.says(REVERSAL)
    asked = "Should we refresh the TTL on each access?"
    assert second.says(asked) == ""  # it is in view since the session began
    brought = ClaudeCode(project, "another").fire("UserPromptSubmit", prompt=asked)["additionalContext"]
    assert re.search(r"\[option, not decided[^\]]*\] We could refresh the TTL on each access\.", brought)
    return str(ClaudeCode(project, "third").fire("SessionStart", source="startup")["additionalContext"])


def through_mcp(project: Project) -> str:
    pytest.importorskip("mcp")
    from mcp import Client
    from mcp.client.stdio import StdioServerParameters, stdio_client

    project.memstore("init")
    command = ["-m", "memstore.cli", "mcp"]
    server = StdioServerParameters(command=sys.executable, args=command, cwd=project.root, env=project.environment)

    async def call(client: Any, name: str, **arguments: object) -> str:
        result = await client.call_tool(name, arguments)
        assert not result.is_error, result.content
        return str(result.content[0].text)

    async def story() -> str:
        kept = {}
        async with Client(stdio_client(server)) as client:
            for text, modality in STORY.items():
                kept[text] = re.findall(r"f_\w+", await call(client, "remember", text=text, modality=modality))[-1]
        project.change()
        async with Client(stdio_client(server)) as client:
            changed = {"reason": "links became relational", "text": REVERSAL, "modality": "decision"}
            assert "It replaces" in await call(client, "correct", fact_id=kept[REDIS], action="supersede", **changed)
            assert "in doubt" in await call(client, "check", fact_id=kept[LINKS])
            assert "replaced by" in await call(client, "check", fact_id=kept[REDIS])
            return "\n".join(
                [
                    await call(client, "recall", query=about)
                    for about in ("storage", "codes", "TTL access", "links days")
                ]
            )

    return asyncio.run(asyncio.wait_for(story(), 60))


def through_the_memory_tool(project: Project) -> str:
    """The SDK's tool runner, against a Messages API that follows a script."""
    anthropic, httpx = pytest.importorskip("anthropic"), pytest.importorskip("httpx2")
    from memstore.agents.memory_tool import MemstoreMemoryTool

    def session(script: list[dict[str, Any]]) -> list[str]:
        told: list[str] = []
        step = iter(range(len(script) + 1))

        def api(request: Any) -> Any:
            last = json.loads(request.content)["messages"][-1]["content"]
            told.extend(
                str(block["content"]) for block in last if isinstance(block, dict) and block["type"] == "tool_result"
            )
            at = next(step)
            content = (
                [{"type": "tool_use", "id": f"t{at}", "name": "memory", "input": script[at]}]
                if at < len(script) else [{"type": "text", "text": "done"}]
            )  # fmt: skip
            answer = {"id": f"m{at}", "type": "message", "role": "assistant", "model": "claude", "content": content}
            answer["stop_reason"] = "tool_use" if at < len(script) else "end_turn"
            return httpx.Response(200, json={**answer, "usage": {"input_tokens": 1, "output_tokens": 1}})

        http = anthropic.DefaultHttpxClient(transport=httpx.MockTransport(api))
        client = anthropic.Anthropic(api_key="none", http_client=http)
        with MemoryStore(project.db, root=project.root) as store:
            client.beta.messages.tool_runner(
                model="claude", max_tokens=100, messages=[{"role": "user", "content": "Go on."}],
                tools=[MemstoreMemoryTool(store)],
            ).until_done()  # fmt: skip
        return told

    project.memstore("init")
    path = "/memories/shop.md"
    lines = "".join(f"- {text}\n" for text in STORY)
    (created,) = session([{"command": "create", "path": path, "file_text": lines}])
    assert f"File created successfully at: {path}" in created
    project.change()
    listed, seen, edited = session(
        [
            {"command": "view", "path": "/memories"},
            {"command": "view", "path": path},
            {"command": "str_replace", "path": path, "old_str": REDIS, "new_str": REVERSAL},
        ]
    )
    assert path in listed
    assert all(f"- {text}" in seen for text in STORY)
    assert REVERSAL in edited
    with MemoryStore(project.db, root=project.root) as store:
        return store.context(ASKED, budget=1_000)


def through_the_command_line(project: Project) -> str:
    project.memstore("init")
    for text in STORY:
        project.memstore("record", text, "--session", "first")
    project.memstore("capture")
    project.change()
    project.memstore("record", REVERSAL, "--session", "second")
    project.memstore("capture")
    assert "in doubt" in project.memstore("check", code=1)
    assert "SUSPECT" in project.memstore("recall", "links live days")
    return project.memstore("context", ASKED)


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
    def test_it_ends_with_the_decision_the_option_the_reversal_and_the_doubt(
        self, tmp_path: Path, door: Callable[[Project], str], speaker: str
    ) -> None:
        project = Project(tmp_path)
        block = door(project)
        assert re.search(rf"^\[DECIDED[^\]]*\] {re.escape(CODES)}", block, re.MULTILINE)
        assert re.search(rf"^\[option, not decided[^\]]*\] {re.escape(HEDGE)}", block, re.MULTILINE)
        assert re.search(rf"^\[DECIDED[^\]]*\] {re.escape(REVERSAL)}", block, re.MULTILINE)
        assert not re.search(rf"^\[[^\]]*\] {re.escape(REDIS)}", block, re.MULTILINE)
        assert re.search(rf"^\[DECIDED[^\]]* SUSPECT[^\]]*\] {re.escape(LINKS)}", block, re.MULTILINE)
        with MemoryStore(project.db, root=project.root) as store:
            held = {fact.text: fact for fact in store.facts() if fact.text in ENDED}
            assert {text: store.status(fact).value for text, fact in held.items()} == ENDED
            for text, modality in {**STORY, REVERSAL: "decision"}.items():
                fact, pointer = held[text], held[text].provenance[0]
                assert (fact.modality, fact.origin, pointer.quote) == (modality, speaker, text)
                assert store.event(pointer.event_id).text[pointer.start : pointer.end] == text
                assert store.explain(fact).binding is (modality == "decision" and speaker == "user")
            assert store.history(held[REDIS]).heads == (held[REVERSAL].id,)
            assert store.verify() == []
