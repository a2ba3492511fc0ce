"""A tool ran: what the next hook has to know of it is noted, and no store is opened.

This runs after every tool an agent uses, so it may cost next to nothing. That a file was written matters to the facts
that are tied to it: they are looked at again when the agent stops or the user speaks, whichever comes first (recall
looks at files itself). What the tool said is in the transcript; only where there is none is it held until Stop.
"""

from __future__ import annotations

from memstore.agents.claude_code.payload import PATH_CHARACTERS, Payload
from memstore.agents.claude_code.session import Session

TOOL_CHARACTERS = 16_000
_WRITES_FILES = frozenset({"Write", "Edit", "MultiEdit", "NotebookEdit"})


def note(payload: Payload, session: Session) -> None:
    """Leave for later what PostToolUse told."""
    if payload.name("tool_name") in _WRITES_FILES:
        asked = payload.mapping("tool_input")
        written = asked.get("file_path") or asked.get("notebook_path")
        path = written if isinstance(written, str) and written.startswith("/") and "\0" not in written else ""
        if 0 < len(path) < PATH_CHARACTERS:
            session.wrote(path.encode("utf-8", "replace").decode())
    if payload.transcript("transcript_path") is None:
        said = payload.text("tool_response")[:TOOL_CHARACTERS]
        if said.strip():
            hold(session, "tool", said, payload.name("tool_use_id"))


def hold(session: Session, role: str, text: str, ref: str) -> None:
    """Keep a turn, secrets masked, until it is known whether a transcript has it."""
    from memstore.capture.secrets import mask

    session.hold({"role": role, "text": mask(text).text, "ref": ref})
