"""What Claude Code sends: every event in every variant fails open, and every type of transcript record is captured."""

from __future__ import annotations

import io
import json
import re
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from memstore.agents.claude_code.events import HANDLERS
from memstore.agents.claude_code.run import run
from memstore.capture.sources import SourceProblem, SourceSkipped, SourceTurn, read_file
from tests.test_agents_claude_code import Project

REPOSITORY = Path(__file__).resolve().parent.parent
COMMON = ("session_id", "transcript_path", "cwd", "hook_event_name")
OPTIONAL = {"prompt_id": "p1", "permission_mode": "default", "effort": {"level": "high"}, "agent_type": "main"}
TOOL = {"tool_name": "Edit", "tool_input": {"file_path": "/tmp/x"}, "tool_use_id": "toolu_1"}
STOP = {"stop_hook_active": False, "last_assistant_message": "Done.", "background_tasks": [], "session_crons": []}

#: Every published event with what is published of its input; where nothing is, a plausible field.
EVENTS: dict[str, dict[str, Any]] = {
    "PreToolUse": TOOL,
    "PostToolUse": {**TOOL, "tool_response": {"filePath": "/tmp/x"}, "duration_ms": 12},
    "PostToolUseFailure": {**TOOL, "error": "no such file", "is_interrupt": False},
    "PostToolBatch": {"tool_uses": [TOOL]},
    "Notification": {"message": "Claude is waiting", "title": "Claude Code"},
    "UserPromptSubmit": {"prompt": "Should we use Redis?", "source": "user", "session_title": "Redis"},
    "UserPromptExpansion": {"prompt": "/review", "expanded": "Review this."},
    "SessionStart": {"source": "startup", "model": "claude", "seconds_since_last_response": 3.5, "context_tokens": 9},
    "SessionEnd": {"reason": "other"},
    "Stop": STOP,
    "StopFailure": {"error": "overloaded"},
    "SubagentStart": {"agent_id": "a1"},
    "SubagentStop": {**STOP, "agent_id": "a1", "agent_transcript_path": "/nowhere/agent-a1.jsonl"},
    "PreCompact": {"trigger": "auto", "custom_instructions": None},
    "PostCompact": {"trigger": "manual", "compact_summary": "They chose Redis."},
    "PreModelSwitch": {"from_model": "a", "to_model": "b"},
    "PostModelSwitch": {"from_model": "a", "to_model": "b"},
    "PermissionRequest": TOOL,
    "PermissionDenied": {**TOOL, "reason": "no"},
    "Setup": {"trigger": "init"},
    "TeammateIdle": {"teammate_name": "b", "team_name": "t"},
    "TaskCreated": {"task_id": "1", "task_subject": "s"},
    "TaskCompleted": {"task_id": "1", "task_subject": "s"},
    "Elicitation": {"mcp_server_name": "m", "message": "Which?"},
    "ElicitationResult": {"mcp_server_name": "m", "action": "accept"},
    "ConfigChange": {"source": "project_settings", "file_path": "/tmp/s.json"},
    "WorktreeCreate": {"name": "w"},
    "WorktreeRemove": {"worktree_path": "/tmp/w"},
    "InstructionsLoaded": {"file_path": "/tmp/CLAUDE.md", "memory_type": "Project", "load_reason": "session_start"},
    "CwdChanged": {"old_cwd": "/tmp", "new_cwd": "/"},
    "FileChanged": {"file_path": "/nowhere/x.py", "event": "change"},
    "DirectoryAdded": {"directory": "/tmp"},
    "MessageDisplay": {"message": "Hello."},
}
WRONG = (None, 7, True, -1.5, "", "x", "\udcff\x00", "../..", [], [1], {}, {"a": {"b": []}}, "9" * 5000, 10**400)


def variants(base: dict[str, Any]) -> list[dict[str, Any]]:
    """The payload as it is; each field missing and of every wrong type; and unknown ones added."""
    found = [base, {**base, "unknown": {"deep": [1, None]}}, {**base, "": "", "__proto__": {"x": 1}}]
    for name in base:
        found.append({key: value for key, value in base.items() if key != name})
        found += [{**base, name: wrong} for wrong in WRONG]
    return found


def payload(project: Project, event: str) -> dict[str, Any]:
    common = ("s1", str(project.transcript("s1")), str(project.root), event)
    return {**dict(zip(COMMON, common, strict=True)), **OPTIONAL, **EVENTS.get(event, {})}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "shop")
    made.say("s1", "user", "We decided to use Redis.")
    return made


class TestItFailsOpen:
    @pytest.mark.parametrize("event", EVENTS)
    def test_every_variant_of_a_payload_ends_well_and_says_nothing_but_what_a_hook_may(self, project, event):
        tried = variants(payload(project, event))
        for one in tried:
            assert set(project.raw(event, json.dumps(one).encode())) <= {"hookSpecificOutput"}
        with project.store() as store:
            assert store.verify() == []
        assert "Traceback" not in project.log()
        assert len(tried) >= 120

    def test_there_are_thousands_of_variants_and_every_handled_event_is_among_them(self, project):
        counted = {event: len(variants(payload(project, event))) for event in EVENTS}
        print(f"{sum(counted.values()):,} variants of {len(counted)} events: {counted}")
        assert set(HANDLERS) | {"PostToolUse"} <= set(counted)
        assert len(counted) == 33
        assert sum(counted.values()) >= 4_000

    @pytest.mark.parametrize("event", ["NoSuchEvent", "", "../../etc", "sessionstart"])
    def test_an_event_that_nobody_knows_does_nothing(self, project, event):
        assert project.hook(event) == {}

    @pytest.mark.parametrize(
        "data",
        [b"", b"{", b"[]", b"null", b"7", b'"x"', b"\xff\xfe", b"[" * 100_000, b'{"prompt": "\\ud800"}', b"\0" * 99],
    )
    def test_what_is_no_payload_says_nothing_and_leaves_a_line(self, project, data):
        for event in (*HANDLERS, "PostToolUse"):
            assert set(project.raw(event, data)) <= {"hookSpecificOutput"}
        assert (project.log() == "") == data.startswith(b'{"prompt"')

    def test_a_damaged_store_says_nothing_and_leaves_a_line(self, project):
        project.db.write_bytes(b"not a store" * 1000)
        assert project.hook("SessionStart") == {}
        assert re.fullmatch(r"\S+ SessionStart NotAStore: [^\n]+\n", project.log())

    @pytest.mark.parametrize("left", ["PRAGMA user_version = 1", "DROP TABLE turns"])
    def test_nobody_waits_while_an_older_store_is_brought_up_to_date_but_the_next_stop_does_it(self, project, left):
        with project.store() as store:
            store.remember("We use Redis.", modality="decision")
        with sqlite3.connect(project.db) as db:
            db.execute(left)
        db.close()
        before = project.db.read_bytes()
        for event in ("SessionStart", "UserPromptSubmit", "FileChanged"):
            assert project.hook(event, prompt="Redis?", file_path=str(project.root / "a.py")) == {}
        assert project.db.read_bytes() == before
        assert project.log().count("UpkeepDue") == 3
        if left.startswith("DROP"):
            project.hook("Stop")
            assert "We use Redis." in project.context("UserPromptSubmit", prompt="What about Redis?")

    def test_without_a_store_nothing_is_said_or_made(self, tmp_path):
        out = io.StringIO()
        run("SessionStart", io.BytesIO(b"{}"), out, db=str(tmp_path / "none.db"))
        assert (out.getvalue(), list(tmp_path.iterdir())) == ("", [])

    @pytest.mark.parametrize("path", ["/dev/zero", "/etc/passwd", "relative.jsonl", "/nowhere.jsonl"])
    def test_a_transcript_that_is_none_is_not_read(self, project, path):
        project.hook("Stop", transcript_path=path)
        with project.store() as store:
            assert store.stats()["events"] == 0

    @pytest.mark.parametrize("event", [*HANDLERS, "PostToolUse", "NoSuchEvent"])
    def test_a_process_exits_0_and_is_silent_whatever_it_is_given(self, project, event):
        command = [sys.executable, "-m", "memstore.cli", "hook", event]
        for data in (b"{", b"", json.dumps({**payload(project, event), "session_id": [], "prompt": {}}).encode()):
            done = subprocess.run(command, input=data, cwd=REPOSITORY, capture_output=True, timeout=60, check=False)
            assert (done.returncode, done.stderr) == (0, b"")
            assert done.stdout == b"" or set(json.loads(done.stdout)) == {"hookSpecificOutput"}

    def test_a_process_whose_reader_is_gone_ends_well(self, project):
        with project.store() as store:
            store.remember("We use Redis.", modality="decision")
        done = subprocess.run(
            f"{sys.executable} -m memstore.cli hook SessionStart | true",
            shell=True,
            input=json.dumps(payload(project, "SessionStart")).encode(),
            cwd=REPOSITORY,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.stderr == b""


def record(type_: str, **fields: Any) -> dict[str, Any]:
    return {"type": type_, "sessionId": "s9", "timestamp": "2026-11-01T10:00:00Z", "cwd": "/p", **fields}


def spoken(role: str, content: Any, **fields: Any) -> dict[str, Any]:
    return record(role, message={"role": role, "content": content}, isSidechain=False, **fields)


def block(kind: str, **fields: Any) -> list[dict[str, Any]]:
    return [{"type": kind, **fields}]


CALL = block("tool_use", id="t1", name="Bash", input={"command": "make"})
#: Every published type of record, and of block in a message, with whose words are kept of it (None: it holds none).
RECORDS: dict[str, tuple[dict[str, Any], str | None]] = {
    "user: text": (spoken("user", "We decided on one."), "user"),
    "user: text block": (spoken("user", block("text", text="We decided on two.")), "user"),
    "user: image": (spoken("user", block("image", source={"type": "base64", "data": ""})), None),
    "user: isMeta": (spoken("user", "Injected by the harness three.", isMeta=True), None),
    "user: isCompactSummary": (spoken("user", "A summary said four.", isCompactSummary=True), None),
    "assistant: text": (spoken("assistant", block("text", text="I suggest five.")), "assistant"),
    "assistant: thinking": (spoken("assistant", block("thinking", thinking="Hm, six.", signature="")), None),
    "assistant: tool_use": (spoken("assistant", CALL), None),
    "user: tool_result": (spoken("user", block("tool_result", tool_use_id="t1", content="The build passes.")), "tool"),
    "user: tool_result, is_error": (
        spoken("user", block("tool_result", tool_use_id="t2", content="The build fails.", is_error=True)),
        "tool",
    ),
    "user: isSidechain": ({**spoken("user", "A subagent was told seven."), "isSidechain": True}, "assistant"),
    "user: teamName": (spoken("user", "A teammate was told eight.", teamName="t"), "assistant"),
    "system: compact_boundary": (record("system", subtype="compact_boundary", logicalParentUuid=None), None),
    "system: stop_hook_summary": (record("system", subtype="stop_hook_summary", content="nine"), None),
    "progress": (record("progress", data={"text": "ten"}), None),
    "attachment": (record("attachment", attachment={"type": "file", "content": "eleven"}), None),
    "summary": ({"type": "summary", "summary": "They chose twelve.", "leafUuid": "x"}, None),
    "file-history-snapshot": ({"type": "file-history-snapshot", "messageId": "m", "snapshot": {}}, None),
    "permission-mode": (record("permission-mode", permissionMode="plan"), None),
    "checkpoint": (record("checkpoint", checkpoint={}), None),
    "a type of tomorrow": (record("hologram", text="thirteen"), None),
}


class TestEveryPublishedRecordType:
    def test_what_is_said_in_each_is_captured_and_nothing_else_is(self, project):
        path, before = project.transcript("s9"), None
        with path.open("w") as file:
            for number, (one, _) in enumerate(RECORDS.values()):
                uuid = f"u{number}"
                file.write(json.dumps({"uuid": uuid, "parentUuid": before, **one}) + "\n")
                before = uuid if one["type"] in ("user", "assistant", "system") else before
        project.hook("Stop", "s9")
        with project.store() as store:
            kept = {fact.provenance[0].ref: fact.origin.value for fact in store.facts()}
            events = store.stats()["events"]
        wanted = {f"u{number}": whose for number, (_, whose) in enumerate(RECORDS.values()) if whose}
        assert kept == wanted
        assert events == len(wanted)
        assert project.log() == ""

    def test_every_record_of_the_published_samples_is_captured_or_passed_over_for_a_reason(self, project, shared_data):
        counted: Counter[str] = Counter()
        turns = 0
        for sample in sorted((shared_data / "claude_code_transcripts").rglob("*.jsonl")):
            kinds = [kind_of(line) for line in sample.read_text().splitlines()]
            for item in read_file(sample, form="claude-code"):
                became = "problem" if isinstance(item, SourceProblem) else "turn"
                if isinstance(item, SourceSkipped):
                    became = item.reason
                counted[f"{kinds[item.line - 1]} → {became}"] += 1
                turns += isinstance(item, SourceTurn)
            project.hook("Stop", transcript_path=str(sample))
        print("\n".join(f"{number:4} {what}" for what, number in sorted(counted.items())))
        with project.store() as store:
            assert 0 < store.stats()["events"] <= turns
            assert store.verify() == []
        assert project.log() == ""


def kind_of(line: str) -> str:
    """The type of a record, with the kinds of its blocks."""
    try:
        found = json.loads(line)
    except ValueError:
        return "not JSON"
    if not isinstance(found, dict):
        return "no object"
    message = found.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    blocks = (
        sorted({str(one.get("type")) if isinstance(one, dict) else "not an object" for one in content})
        if isinstance(content, list)
        else []
    )
    return ": ".join(filter(None, (str(found.get("type")), "+".join(blocks))))
