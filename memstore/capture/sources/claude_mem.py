"""claude-mem databases: what another memory kept, taken over for what it is.

The prompts it holds are the user's words and are read as such. Its observations and summaries were written by a
model that dropped modality and kept no pointer: they come in as an assistant's words, with provenance only
down to the session, and the extractor gives them low confidence (`IMPORTED`). Nothing in the file is trusted to exist:
tables and columns are looked up first, because the schema has changed forty-six times.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from functools import partial

from memstore.capture.sources.turns import Item, SourceProblem, SourceTurn, clean, moment
from memstore.model import Origin

IMPORTED = "claude-mem"
"""Role of what claude-mem wrote itself; claims of such an event are capped in probability."""

_SUMMARY = ("request", "investigated", "learned", "completed", "next_steps", "notes")
_OBSERVATION = ("title", "subtitle", "narrative", "text")


def read(connection: sqlite3.Connection) -> Iterator[Item]:
    """Turns of a claude-mem database, given a connection that was opened read-only. `line` is the row's id.

    A row that holds no UTF-8 costs that row only.
    """
    connection.text_factory = partial(str, encoding="utf-8", errors="surrogateescape")
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "observations" not in tables and "user_prompts" not in tables:
        yield SourceProblem(1, "not a claude-mem database: it has neither observations nor user_prompts")
        return
    sessions = dict(_sessions(connection)) if "sdk_sessions" in tables else {}
    for table, session_column in (
        ("user_prompts", "content_session_id"), ("observations", "memory_session_id"),
        ("session_summaries", "memory_session_id"), ("tool_uses", "content_session_id"),
    ):  # fmt: skip
        if table in tables:
            yield from _rows(connection, table, session_column, sessions)


def _sessions(connection: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """claude-mem's own session id → the session id of the conversation it watched."""
    columns = _columns(connection, "sdk_sessions")
    if {"memory_session_id", "content_session_id"} <= set(columns):
        for memory, content in connection.execute("SELECT memory_session_id, content_session_id FROM sdk_sessions"):
            if memory and content:
                yield str(memory), str(content)


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[0] for row in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))]


def _rows(connection: sqlite3.Connection, table: str, session_column: str, sessions: dict[str, str]) -> Iterator[Item]:
    columns = _columns(connection, table)
    if "id" not in columns:
        yield SourceProblem(1, f"table {table} has no id column")
        return
    for values in connection.execute(f"SELECT * FROM {table} ORDER BY id"):  # a name from the fixed list above
        row = dict(zip(columns, map(_as_text, values), strict=True))
        line = row["id"] if isinstance(row["id"], int) else 0
        told = str(row.get(session_column) or row.get("memory_session_id") or "unknown")
        text = _text(table, row)
        if not text.strip():
            continue
        if clean(text) != text:
            yield SourceProblem(line, f"not UTF-8 in a row of {table}")
            continue
        is_prompt, is_tool = table == "user_prompts", table == "tool_uses"
        yield SourceTurn(
            ref=f"claude-mem:{table}:{row['id']}",
            session=sessions.get(told, told),
            role="user" if is_prompt else "tool" if is_tool else IMPORTED,
            origin=Origin.USER if is_prompt else Origin.TOOL if is_tool else Origin.ASSISTANT,
            at=moment(row.get("created_at_epoch")) or moment(row.get("created_at")),
            text=text,
            line=line,
            meta={
                "provenance": "turn" if is_prompt else "session",
                **_told(row, "type", "project", "generated_by_model"),
            },
        )


def _as_text(value: object) -> object:
    """A value as it is; bytes, which SQLite keeps in any column, as the text they hold."""
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def _told(row: dict[str, object], *names: str) -> dict[str, str]:
    return {name: str(row[name]) for name in names if row.get(name)}


def _text(table: str, row: dict[str, object]) -> str:
    if table == "user_prompts":
        return str(row.get("prompt_text") or "")
    if table == "tool_uses":
        return str(row.get("tool_response") or "")
    if table == "session_summaries":
        return "\n\n".join(str(row[name]) for name in _SUMMARY if row.get(name))
    parts = [str(row[name]) for name in _OBSERVATION if row.get(name)]
    return "\n\n".join(dict.fromkeys([*parts, *_facts(row.get("facts"))]))


def _facts(raw: object) -> list[str]:
    try:
        loaded = json.loads(raw) if isinstance(raw, str) else []
    except (ValueError, RecursionError):
        return [str(raw)]
    return [f for f in loaded if isinstance(f, str)] if isinstance(loaded, list) else []
