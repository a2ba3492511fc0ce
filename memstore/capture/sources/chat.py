"""Plain chat: a JSON array of messages, an object that holds one, or JSON Lines with a message each.

The common spellings of the few fields are read; who the speaker is decides the authority, and a name that is no
known role (a person in a meeting, a bot) has that of a document: it is attributed, and never binds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from memstore.capture.sources.turns import (
    BEGINNING,
    Item,
    Position,
    SourceProblem,
    SourceSkipped,
    SourceTurn,
    clean,
    moment,
    records,
)
from memstore.model import Origin

_ROLE = ("role", "from", "speaker", "author", "name")
_TEXT = ("content", "text", "message", "value", "body")
_TIME = ("at", "timestamp", "created_at", "time", "ts", "date")
_REF = ("ref", "uuid", "id", "message_id")
_SESSION = ("session", "session_id", "conversation_id", "thread")
_LIST = ("messages", "turns", "conversation", "conversations", "chat", "history")
_ORIGINS = {
    "user": Origin.USER, "human": Origin.USER,
    "assistant": Origin.ASSISTANT,
    "ai": Origin.ASSISTANT, "model": Origin.ASSISTANT, "gpt": Origin.ASSISTANT, "bot": Origin.ASSISTANT,
    "tool": Origin.TOOL, "function": Origin.TOOL, "tool_result": Origin.TOOL,
    "system": Origin.SYSTEM, "developer": Origin.SYSTEM,
    "document": Origin.DOCUMENT,
}  # fmt: skip


def read_lines(stream: BinaryIO, *, session: str, start: Position = BEGINNING) -> Iterator[Item]:
    """Turns of a JSON Lines chat from `start`, one line in memory at a time."""
    for found in records(stream, start):
        if isinstance(found, SourceProblem):
            yield found
        else:
            line, message = found
            yield _turn(message, line.number, line.after, session)


def read_array(stream: BinaryIO, *, session: str) -> Iterator[Item]:
    """Turns of one JSON document; `line` is then the number of the message. It is read whole."""
    try:
        loaded = json.loads(stream.read().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        yield SourceProblem(1, f"not JSON: {error}")
        return
    for number, (message, name) in enumerate(_messages(loaded, session), start=1):
        yield _turn(message, number, BEGINNING, name)


def _messages(loaded: object, session: str) -> Iterator[tuple[object, str]]:
    """Every message in a document, with the session it belongs to: arrays may be nested by session."""
    if isinstance(loaded, dict):
        name = _first(loaded, _SESSION)
        session = str(name) if isinstance(name, str | int) else session
        for key in _LIST:
            if isinstance(loaded.get(key), list):
                yield from _messages(loaded[key], session)
                return
        yield loaded, session
    elif isinstance(loaded, list):
        for item in loaded:
            yield from _messages(item, session)
    else:
        yield loaded, session


def _turn(message: object, number: int, after: Position, session: str) -> Item:
    if not isinstance(message, dict):
        return SourceProblem(number, "not a message: a JSON object was expected")
    role = _first(message, _ROLE)
    text = _text(_first(message, _TEXT))
    if isinstance(role, dict):
        role = role.get("role")
    if not isinstance(role, str) or not role.strip():
        return SourceProblem(number, f"a message without a speaker (one of {', '.join(_ROLE)})")
    if text is None:
        return SourceProblem(number, f"a message without text (one of {', '.join(_TEXT)})")
    if not text.strip():
        return SourceSkipped(number, "empty message")
    ref = _first(message, _REF)
    own = _first(message, _SESSION)
    return SourceTurn(
        ref=str(ref) if isinstance(ref, str | int) else f"message-{number}",
        session=str(own) if isinstance(own, str | int) else session,
        role=clean(role.strip()),
        origin=_ORIGINS.get(role.strip().lower(), Origin.DOCUMENT),
        at=moment(_first(message, _TIME)),
        text=clean(text),
        line=number,
        after=after,
    )


def _first(message: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((message[name] for name in names if message.get(name) not in (None, "")), None)


def _text(content: object) -> str | None:
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        return _text(content.get("content") or content.get("text") or content.get("parts"))
    if isinstance(content, list):
        parts = [p if isinstance(p, str) else p.get("text") for p in content if isinstance(p, str | dict)]
        return "\n".join(p for p in parts if isinstance(p, str))
    return None
