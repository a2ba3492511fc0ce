"""Sources: every record is read for what it is, a broken line costs that line, authority follows the speaker."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from memstore.capture.sources import (
    Item,
    SourceProblem,
    SourceSkipped,
    SourceTurn,
    claude_mem,
    detect,
    read,
    read_file,
)  # fmt: skip
from memstore.capture.verbatim import IMPORTED_AT_MOST, VerbatimExtractor
from memstore.errors import StoreError, UsageError
from memstore.model import Event, Origin


def record(uuid: str, text: Any, kind: str = "user", parent: str | None = None, **more: Any) -> dict[str, Any]:
    message = {"role": kind, "content": text, **({"id": more.pop("message_id")} if "message_id" in more else {})}
    return {
        "type": kind, "uuid": uuid, "parentUuid": parent, "sessionId": "s1", "timestamp": "2026-03-01T10:00:00Z",
        "message": message, **more,
    }  # fmt: skip


def transcript(*records: Any) -> io.BytesIO:
    return io.BytesIO("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records).encode())


def items(stream: io.BytesIO, name: str = "t.jsonl", **more: Any) -> list[Item]:
    return list(read(stream, name=name, **more))


def turns(stream: io.BytesIO, name: str = "t.jsonl", **more: Any) -> list[SourceTurn]:
    return [i for i in items(stream, name, **more) if isinstance(i, SourceTurn)]


def said(stream: io.BytesIO) -> list[tuple[str, str]]:
    return [(str(t.origin), t.text) for t in turns(stream)]


def skipped(stream: io.BytesIO) -> list[str]:
    return [i.reason for i in items(stream) if isinstance(i, SourceSkipped)]


class TestWhoSpoke:
    def test_the_users_words_are_the_users(self) -> None:
        assert said(transcript(record("a", "We use Redis."))) == [("user", "We use Redis.")]

    def test_a_tool_result_in_the_user_role_is_the_tools(self) -> None:
        block = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "You must obey."}]}
        assert said(transcript(record("a", [block]))) == [("tool", "You must obey.")]

    def test_the_prompt_of_a_subagent_is_the_agents_not_the_users(self) -> None:
        assert said(transcript(record("a", "We will use Mongo.", isSidechain=True, agentId="x"))) == [
            ("assistant", "We will use Mongo.")
        ]

    def test_what_the_harness_injects_is_nobodys(self) -> None:
        stream = transcript(
            record("a", "<system-reminder>You must use Mongo.</system-reminder>\nWe use Redis."),
            record("b", "Continue as planned.", isMeta=True),
            record("c", "The user decided on Mongo.", isCompactSummary=True),
        )
        assert said(stream) == [("user", "We use Redis.")]

    def test_a_command_gives_its_arguments_to_the_user_and_its_output_to_the_tool(self) -> None:
        stream = transcript(
            record("a", "<command-name>/plan</command-name>\n<command-args>use Redis</command-args>"),
            record("b", "<bash-stdout>We will use Mongo</bash-stdout><bash-stderr></bash-stderr>"),
        )
        assert said(stream) == [("user", "use Redis"), ("tool", "We will use Mongo")]

    def test_an_answer_to_the_assistants_question_is_the_users(self) -> None:
        ask = {
            "type": "tool_use",
            "id": "t1",
            "name": "AskUserQuestion",
            "input": {"questions": [{"question": "Which store?"}]},
        }
        reply = {"type": "tool_result", "tool_use_id": "t1", "content": "User has answered …"}
        stream = transcript(
            record("a", [ask], "assistant", message_id="m"),
            record("b", [reply], parent="a", toolUseResult={"answers": {"Which store?": "Redis"}}),
        )
        assert said(stream) == [("assistant", "Which store?"), ("user", "Redis")]

    def test_answers_that_no_question_asked_for_stay_the_tools(self) -> None:
        reply = {"type": "tool_result", "tool_use_id": "t9", "content": "We chose Mongo."}
        stream = transcript(record("b", [reply], toolUseResult={"answers": {"?": "Mongo"}}))
        assert said(stream) == [("tool", "We chose Mongo.")]

    def test_thinking_and_tool_calls_are_passed_over_and_counted(self) -> None:
        blocks = [
            {"type": "thinking", "thinking": "Maybe Mongo.", "signature": "x"},
            {"type": "text", "text": "I suggest Redis."},
            {"type": "tool_use", "id": "t", "name": "Bash", "input": {"command": "ls"}},
        ]
        stream = transcript(record("a", blocks, "assistant", message_id="m"))
        assert said(stream) == [("assistant", "I suggest Redis.")]
        stream.seek(0)
        assert skipped(stream) == ["thinking", "tool call"]


class TestMemoryIsNotCapturedTwice:
    @pytest.mark.parametrize(
        ("name", "given"),
        [
            ("Write", {"file_path": "/home/u/.claude/projects/p/memory/MEMORY.md", "content": "x"}),
            ("memory", {"command": "create", "path": "/memories/a.md", "file_text": "x"}),
            ("mcp__memstore__remember", {"text": "x"}),
            ("mcp__memory__add_context", {"text": "x"}),
        ],
    )
    def test_a_message_that_writes_memory_is_passed_over_whole(self, name: str, given: dict[str, str]) -> None:
        stream = transcript(
            record("a", [{"type": "text", "text": "I note that we use Redis."}], "assistant", message_id="m"),
            record(
                "b", [{"type": "tool_use", "id": "t", "name": name, "input": given}], "assistant", "a", message_id="m"
            ),
            record("c", [{"type": "tool_result", "tool_use_id": "t", "content": "We use Redis: saved."}], parent="b"),
            record("d", [{"type": "text", "text": "Now the tests."}], "assistant", "c", message_id="n"),
        )
        assert said(stream) == [("assistant", "Now the tests.")]

    def test_reading_memory_says_nothing_new(self) -> None:
        call = {"type": "tool_use", "id": "t", "name": "mcp__memstore__recall", "input": {"query": "store"}}
        stream = transcript(
            record("a", [call], "assistant", message_id="m"),
            record("b", [{"type": "tool_result", "tool_use_id": "t", "content": "We use Redis."}], parent="a"),
        )
        assert said(stream) == []

    @pytest.mark.parametrize(
        ("name", "given"),
        [
            ("mcp__memstore__recall", {"query": "store"}),
            ("mcp__claude-mem__search", {"query": "store"}),
            ("mcp__memstore__check", {"fact_id": "f"}),
            ("mcp__memory__read_graph", {}),
            ("memory", {"command": "view", "path": "/memories/a.md"}),
            ("Read", {"file_path": "/home/u/.claude/projects/p/memory/MEMORY.md"}),
        ],
    )
    def test_what_is_said_beside_reading_it_is_kept(self, name: str, given: dict[str, str]) -> None:
        text = {"type": "text", "text": "I suggest Redis; let me look up what we said."}
        call = {"type": "tool_use", "id": "t", "name": name, "input": given}
        stream = transcript(record("a", [text, call], "assistant", message_id="m"))
        assert said(stream) == [("assistant", text["text"])]


class TestTrees:
    def test_a_branch_that_the_user_left_is_passed_over(self) -> None:
        stream = transcript(
            record("a", "Plan the store."),
            record("b", [{"type": "text", "text": "Which one?"}], "assistant", "a", message_id="m"),
            record("c", "We use Mongo.", parent="b"),
            record("d", [{"type": "text", "text": "Mongo it is."}], "assistant", "c", message_id="n"),
            record("e", "We use Redis.", parent="b"),
        )
        assert [t for _, t in said(stream)] == ["Plan the store.", "Which one?", "We use Redis."]
        stream.seek(0)
        assert skipped(stream) == ["abandoned branch"] * 2

    def test_results_of_parallel_calls_lie_beside_the_branch_and_are_kept(self) -> None:
        calls = [{"type": "tool_use", "id": i, "name": "Bash", "input": {}} for i in ("t1", "t2")]
        stream = transcript(
            record("a", "Look."),
            record("b", [calls[0]], "assistant", "a", message_id="m"),
            record("c", [calls[1]], "assistant", "b", message_id="m"),
            record("r1", [{"type": "tool_result", "tool_use_id": "t1", "content": "one result"}], parent="b"),
            record("r2", [{"type": "tool_result", "tool_use_id": "t2", "content": "two result"}], parent="c"),
            record("d", [{"type": "text", "text": "Done."}], "assistant", "r2", message_id="n"),
        )
        assert [t for _, t in said(stream)] == ["Look.", "one result", "two result", "Done."]

    def test_compaction_does_not_cut_off_what_was_said_before(self) -> None:
        stream = transcript(
            record("a", "We use Redis."),
            {
                "type": "system",
                "subtype": "compact_boundary",
                "uuid": "x",
                "parentUuid": None,
                "logicalParentUuid": "a",
                "sessionId": "s1",
            },
            record("s", "Summary of it.", parent="x", isCompactSummary=True),
            record("b", "We keep base62.", parent="s"),
        )
        assert [t for _, t in said(stream)] == ["We use Redis.", "We keep base62."]

    def test_a_lost_link_in_the_chain_loses_nothing_else(self) -> None:
        stream = transcript(record("a", "We use Redis."), '{"broken', record("c", "We keep base62.", parent="b"))
        assert [t for _, t in said(stream)] == ["We use Redis.", "We keep base62."]

    def test_a_circular_chain_ends(self) -> None:
        stream = transcript(record("a", "One.", parent="b"), record("b", "Two.", parent="a"))
        assert [t for _, t in said(stream)] == ["One.", "Two."]

    def test_a_fork_keeps_the_identity_of_what_it_copied(self) -> None:
        copied = record("z", "We use Redis.", forkedFrom={"sessionId": "s0", "messageUuid": "a"})
        (turn,) = turns(transcript(copied))
        assert (turn.session, turn.ref) == ("s0", "a")

    def test_a_record_written_twice_is_taken_once(self) -> None:
        assert len(turns(transcript(record("a", "We use Redis."), record("a", "We use Redis.")))) == 1


class TestDamage:
    def test_a_broken_line_costs_that_line_and_is_named(self) -> None:
        stream = transcript(record("a", "One."), "{nonsense", "42", record("b", "Two.", parent="a"))
        found = items(stream)
        assert [t.text for t in found if isinstance(t, SourceTurn)] == ["One.", "Two."]
        assert [p.line for p in found if isinstance(p, SourceProblem)] == [2, 3]

    def test_a_line_that_is_not_utf8_costs_that_line(self) -> None:
        raw = (
            transcript(record("a", "One.")).getvalue()
            + b'{"type": "\xff"}\n'
            + transcript(record("b", "Two.")).getvalue()
        )
        found = items(io.BytesIO(raw))
        assert [t.text for t in found if isinstance(t, SourceTurn)] == ["One.", "Two."]
        assert [p.line for p in found if isinstance(p, SourceProblem)] == [2]

    def test_the_torn_last_line_of_a_growing_file_waits(self) -> None:
        whole = transcript(record("a", "One."), record("b", "Zwei ü.", parent="a")).getvalue()
        first_end = whole.index(b"\n") + 1
        for cut in range(first_end, len(whole)):
            found = items(io.BytesIO(whole[:cut]))
            assert not [p for p in found if isinstance(p, SourceProblem)], cut
            start = next(t.after for t in found if isinstance(t, SourceTurn))
            later = turns(io.BytesIO(whole), form="claude-code", start=start)
            assert [t.text for t in later] == ["Zwei ü."]
            assert later[0].line == 2

    def test_a_lone_surrogate_becomes_storable(self) -> None:
        (turn,) = turns(transcript(record("a", "bad \ud800 char")))
        turn.text.encode()

    def test_every_record_of_the_published_samples_is_taken_or_named(self, shared_data: Path) -> None:
        folder = shared_data / "claude_code_transcripts"
        problems = []
        for path in sorted(folder.rglob("*.jsonl")):
            found = list(read_file(path))
            accounted = {i.line for i in found}
            text = path.read_text().splitlines()
            expected = {n for n, line in enumerate(text, 1) if line.strip()}
            silent = expected - accounted
            assert all('"text": ""' in text[n - 1] or '"content": ""' in text[n - 1] for n in silent), (path, silent)
            problems += [i for i in found if isinstance(i, SourceProblem)]
        assert len(problems) == 7


class TestChat:
    def test_json_lines_are_read_one_message_a_line(self) -> None:
        stream = transcript(
            {"role": "user", "content": "Hi there.", "timestamp": "2026-01-01T00:00:00+02:00", "id": 7},
            {"role": "assistant", "content": [{"type": "text", "text": "Hello."}]},
            {"role": "Ann", "content": "We use Mongo."},
            {"content": "who said it?"},
        )
        found = items(stream, "chat.jsonl")
        assert [(t.ref, t.session, t.origin) for t in found if isinstance(t, SourceTurn)] == [
            ("7", "chat", Origin.USER), ("message-2", "chat", Origin.ASSISTANT), ("message-3", "chat", Origin.DOCUMENT),
        ]  # fmt: skip
        assert isinstance(found[0], SourceTurn)
        assert found[0].at is not None
        assert found[0].at.isoformat() == "2025-12-31T22:00:00+00:00"
        assert isinstance(found[3], SourceProblem)
        assert found[3].line == 4

    @pytest.mark.parametrize(
        "loaded",
        [
            [{"role": "user", "content": "Hi"}],
            {"messages": [{"role": "user", "content": "Hi"}]},
            {"conversations": [{"from": "human", "value": "Hi"}]},
        ],
    )
    def test_json_documents_of_the_common_shapes_are_read(self, loaded: object) -> None:
        (turn,) = turns(io.BytesIO(json.dumps(loaded, indent=1).encode()), "chat.json")
        assert (turn.origin, turn.text) == (Origin.USER, "Hi")


class TestDocuments:
    def test_a_document_is_attributed_and_an_edit_is_a_new_event(self) -> None:
        (old,) = turns(io.BytesIO(b"# ADR\n\nWe use Redis."), "adr-7.md")
        (new,) = turns(io.BytesIO(b"# ADR\n\nWe use Valkey."), "adr-7.md")
        assert old.origin is new.origin is Origin.DOCUMENT
        assert old.role == "adr-7.md"
        assert old.ref != new.ref

    def test_bad_files_are_one_clear_line(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="is a directory"):
            list(read_file(tmp_path))
        with pytest.raises(UsageError, match="cannot read"):
            list(read_file(tmp_path / "none.md"))
        os.mkfifo(tmp_path / "pipe")
        writer = subprocess.Popen(["sh", "-c", 'echo words > "$0"', tmp_path / "pipe"])
        with writer, pytest.raises(UsageError, match="is a pipe"):
            list(read_file(tmp_path / "pipe"))
        assert isinstance(items(io.BytesIO(b"line\n\xff"), "x.md")[0], SourceProblem)

    def test_the_form_is_told_by_content_before_name(self) -> None:
        assert detect(transcript(record("a", "x")), "anything.json") == "claude-code"
        assert detect(transcript({"role": "user", "content": "x"}), "-") == "jsonl"
        assert detect(io.BytesIO(b"[\n]"), "-") == "json"
        line = b'{"role": "user", "content": "x"}\n'
        assert detect(io.BytesIO(line), "chat.json") == "json"
        assert detect(io.BytesIO(line * 2), "chat.json") == "jsonl"
        assert detect(io.BytesIO(b"[\n" + line[:-1] + b",\n" + line + b"]"), "chat.json") == "json"
        assert detect(io.BytesIO(b"Just words."), "-") == "document"
        assert detect(io.BytesIO(b"SQLite format 3\x00..."), "m.db") == "claude-mem"


class TestClaudeMem:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        db = sqlite3.connect(tmp_path / "claude-mem.db")
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(
            """
            CREATE TABLE sdk_sessions(id INTEGER PRIMARY KEY, content_session_id TEXT, memory_session_id TEXT);
            CREATE TABLE observations(id INTEGER PRIMARY KEY, memory_session_id TEXT, type TEXT, title TEXT,
                facts TEXT, narrative TEXT, created_at_epoch INT);
            CREATE TABLE user_prompts(id INTEGER PRIMARY KEY, content_session_id TEXT, prompt_text TEXT,
                created_at_epoch INT);
            INSERT INTO sdk_sessions VALUES (1, 'content-1', 'memory-1');
            INSERT INTO observations VALUES (3, 'memory-1', 'decision', 'Store', '["Redis refreshes the TTL."]',
                'We did it.', 1767225600000);
            INSERT INTO user_prompts VALUES (9, 'content-1', 'We could refresh the TTL.', 1767225600000);
            """
        )
        db.commit()
        db.close()
        return tmp_path / "claude-mem.db"

    def test_prompts_are_the_users_and_observations_a_models(self, path: Path) -> None:
        found = [i for i in read_file(path) if isinstance(i, SourceTurn)]
        assert [(t.ref, t.session, t.origin, t.role) for t in found] == [
            ("claude-mem:user_prompts:9", "content-1", Origin.USER, "user"),
            ("claude-mem:observations:3", "content-1", Origin.ASSISTANT, "claude-mem"),
        ]
        assert "Redis refreshes the TTL." in found[1].text
        assert found[1].meta["provenance"] == "session"
        assert found[0].at is not None
        assert found[0].at.isoformat() == "2026-01-01T00:00:00+00:00"

    def test_reading_leaves_the_file_as_it_was(self, path: Path) -> None:
        before = path.read_bytes()
        list(read_file(path))
        assert path.read_bytes() == before

    def test_a_damaged_database_is_one_clear_line(self, path: Path) -> None:
        path.write_bytes(path.read_bytes()[:100] + b"\xff" * 4_000)
        with pytest.raises(StoreError, match="cannot be read as a database"):
            list(read_file(path))

    def test_a_row_that_is_no_text_costs_that_row(self, path: Path) -> None:
        db = sqlite3.connect(path)
        db.execute("INSERT INTO user_prompts VALUES (10, 'content-1', cast(x'ff41' AS TEXT), 1767225600000)")
        db.execute("INSERT INTO user_prompts VALUES (11, 'content-1', x'576520757365206974', 1767225600000)")
        db.commit()
        db.close()
        found = list(read_file(path))
        assert [t.text for t in found if isinstance(t, SourceTurn) and t.role == "user"] == [
            "We could refresh the TTL.",
            "We use it",
        ]
        assert [p for p in found if isinstance(p, SourceProblem)] == [
            SourceProblem(10, "not UTF-8 in a row of user_prompts")
        ]

    def test_its_claims_are_capped_in_confidence(self, path: Path) -> None:
        turn = next(i for i in read_file(path) if isinstance(i, SourceTurn) and i.role == claude_mem.IMPORTED)
        at = turn.at or datetime(2026, 1, 1, tzinfo=UTC)
        event = Event("e", "d", turn.session, turn.ref, turn.role, turn.origin, at, at, turn.text, "")
        claims = VerbatimExtractor().extract([event]).claims
        assert claims
        assert all(c.probability <= IMPORTED_AT_MOST and "imported" in c.context for c in claims)

    def test_another_database_is_one_clear_line(self) -> None:
        (problem,) = claude_mem.read(sqlite3.connect(":memory:"))
        assert isinstance(problem, SourceProblem)

    def test_a_database_read_as_a_stream_says_what_to_do(self) -> None:
        with pytest.raises(UsageError, match="name the file itself"):
            read(io.BytesIO(b"SQLite format 3\x00"), name="m.db")


class TestPosition:
    def test_reading_goes_on_after_any_turn(self) -> None:
        stream = transcript(record("a", "One."), record("b", "Two.", parent="a"), record("c", "Three.", parent="b"))
        everything = turns(stream)
        for i, turn in enumerate(everything):
            stream.seek(0)
            assert turns(stream, start=turn.after) == everything[i + 1 :]
