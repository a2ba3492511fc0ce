"""What each hook event does with the store. Everything it says to the agent is fenced, short, and said once.

Turns are taken from the transcript, by their own ids, when the agent stops, before its context is compacted and when
the session ends: so a turn is taken once, however many hooks saw it, and sessions without hooks can be taken in
later with `memstore capture`. Only where there is no transcript are a prompt and a tool's result held until Stop.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memstore import settings
from memstore.agents import views
from memstore.agents.claude_code.payload import UNHURRIED, Payload
from memstore.agents.claude_code.session import Session, Spent
from memstore.agents.claude_code.tool import TOOL_CHARACTERS, hold
from memstore.errors import MemstoreError, UsageError
from memstore.markdown import keywords
from memstore.model import Fact, Modality, Recollection, Status, Usage
from memstore.policy import BINDING_AUTHORITY, FILE_KEYS
from memstore.recall import render
from memstore.store import MemoryStore

if TYPE_CHECKING:
    from memstore.claude import Claude

START_TOKENS = 1_000
PROMPT_TOKENS = 250
PROMPT_FACTS = 4
CONFIDENCE = 0.5  # what others than the user said is brought up unasked only where it is likelier right than not
CHECK_SECONDS = 0.05
NEWEST = 40

Output = dict[str, Any] | None


def answer(event: str, payload: Payload, path: Path) -> Output:
    """The output of one hook, None for nothing to say. An event that nobody here knows does nothing."""
    handler = HANDLERS.get(event)
    if handler is None:
        return None
    cwd = payload.directory("cwd")
    claude = _claude()
    named, root, upkeep = scope(path, cwd), _root(path, cwd), event in UNHURRIED
    with MemoryStore(path, scope=named, root=root, claude=claude, create=False, upkeep=upkeep) as store:
        session = Session(path, payload.name("session_id", "claude-code"))
        _look_again(store, session)
        return handler(store, payload, session)


def _claude() -> Claude | None:
    """Claude, where the user asked for it; where not, nothing that speaks to it is even loaded."""
    if settings.claude_model() is None:
        return None
    from memstore.claude import asked_for

    return asked_for()


def _look_again(store: MemoryStore, session: Session) -> None:
    """What is tied to a file that a tool wrote since the last hook becomes suspect, if it is another file now."""
    written = session.written()
    anchored = set(store.anchored_files()) if written else set()
    for path in sorted({Path(one).resolve() for one in written if isinstance(one, str)} & anchored):
        store.file_changed(path)


def scope(store: Path, cwd: Path | None) -> str:
    """A project's own store has one scope; in a store that projects share, each project has its own."""
    named = settings.scope()
    if named != settings.DEFAULT_SCOPE or cwd is None or _root(store, None) is not None:
        return named
    project = next((one for one in (cwd, *cwd.parents) if (one / ".git").exists()), cwd)
    return " ".join(str(project.resolve()).split())


def _root(store: Path, cwd: Path | None) -> Path | None:
    """The files that facts are about: those of the project whose store it is, else those under the working folder."""
    own = store.parent.name == settings.PROJECT_DIRECTORY and store.parent.parent != Path.home()
    return store.parent.parent if own else cwd


def session_start(store: MemoryStore, payload: Payload, session: Session) -> Output:
    """What stands, within a budget: what is in doubt first, then what changed since last time, then what binds."""
    watched = store.anchored_files()
    if watched:
        store.check_anchors(seconds=CHECK_SECONDS)
    now = store.ledger.clock()
    since = session.began(now)
    chosen = _standing(store, since)
    left = START_TOKENS - store.counter.count(views.fenced([]))
    lines: list[str] = []
    shown: list[str] = []
    title = ""
    for heading, found in chosen:
        line = render.line(found)
        cost = store.counter.count(line + "\n") + (store.counter.count(heading + "\n") if heading != title else 0)
        if cost > left:
            continue
        if heading != title:
            lines.append(heading)
            title = heading
        lines.append(line)
        shown.append(_key(found))
        left -= cost
    output: dict[str, Any] = {"hookEventName": "SessionStart"}
    if lines:
        output["additionalContext"] = views.fenced(lines)
    session.show(shown, afresh=True, spent=_spent(store, "inject", output.get("additionalContext", "")))
    if watched:
        output["watchPaths"] = [str(one) for one in watched]
    return {"hookSpecificOutput": output} if len(output) > 1 else None


def _standing(store: MemoryStore, since: datetime | None) -> list[tuple[str, Recollection]]:
    """Each fact once, under the first heading that it belongs to."""
    doubted = [views.recollection(fact, Status.SUSPECT) for fact in store.facts(status=Status.SUSPECT, newest=NEWEST)]
    # The memory tool's files are there to be opened; that they are there is not worth a line.
    live = [one for one in store.facts(status=Status.LIVE, newest=NEWEST) if not (one.key or "").startswith(FILE_KEYS)]
    changed = [_with_replaced(store, fact) for fact in live if since is not None and fact.recorded_at > since]
    decided = store.facts(status=Status.LIVE, modality=Modality.DECISION, newest=NEWEST)
    sections: list[tuple[str, list[Recollection]]] = [
        ("In doubt, check before you rely on it:", doubted[::-1]),
        ("New since the last session:", changed[::-1]),
        ("Decided:", [views.recollection(fact, Status.LIVE) for fact in decided[::-1]]),
        ("Said, not settled:", [views.recollection(fact, Status.LIVE) for fact in live[::-1]]),
    ]
    seen: set[str] = set()
    chosen: list[tuple[str, Recollection]] = []
    for heading, recollections in sections:
        for one in recollections:
            if one.fact_id not in seen and not (heading == "Decided:" and not one.binding):
                seen.add(one.fact_id)
                chosen.append((heading, one))
    return chosen


def _with_replaced(store: MemoryStore, fact: Fact) -> Recollection:
    told = store.history(fact)
    texts = {one.id: one.text for one in told.facts}
    old = [texts[id_] for one in told.transitions if fact.id in one.new for id_ in one.old if id_ in texts]
    return views.recollection(fact, Status.LIVE, tuple(old))


def prompt(store: MemoryStore, payload: Payload, session: Session) -> Output:
    """What is remembered that bears on the prompt, if it is sure enough and not in view already."""
    text = payload.text("prompt")
    if not text.strip():
        return None
    if payload.transcript("transcript_path") is None:
        hold(session, "user", text, payload.name("prompt_id"))
    wanted = set(keywords.words(text))
    in_view = session.shown()
    found = [
        one
        for one in store.recall(text[:TOOL_CHARACTERS], k=PROMPT_FACTS * 3, current_only=True, purpose=None)
        if _may_be_brought_up(one) and _key(one) not in in_view and _bears_on(wanted, one)
    ]
    lines: list[str] = []
    left = PROMPT_TOKENS - store.counter.count(views.fenced([]))
    kept: list[str] = []
    for one in found[:PROMPT_FACTS]:
        line = render.line(one)
        cost = store.counter.count(line + "\n")
        if cost <= left:
            lines.append(line)
            kept.append(_key(one))
            left -= cost
    if not lines:
        return None
    context = views.fenced(lines)
    session.show(kept, spent=_spent(store, "retrieve", context))
    return {"hookSpecificOutput": {"hookEventName": "UserPromptSubmit", "additionalContext": context}}


def _may_be_brought_up(found: Recollection) -> bool:
    """Whether to say it to somebody who did not ask.

    Confidence is how likely a statement is right *and current*. What the user said is always of interest, doubted or
    aged: its line says so, and nobody else's objection can keep it back. What an assistant, a document or a tool said
    once is right and current one time in ten, and has to be borne out first.
    """
    return found.authority >= BINDING_AUTHORITY or found.confidence >= CONFIDENCE


def _bears_on(wanted: set[str], found: Recollection) -> bool:
    """A word in common is chance in a long prompt: two telling ones are asked for, or half of a short one."""
    held = set(keywords.words(" ".join((found.text, *found.replaces))))
    return len(wanted & held) >= min(2, max(1, len(wanted) // 2))


def _spent(store: MemoryStore, purpose: str, context: str) -> Spent:
    """What a context takes, for the notes: it is booked at the next stop, so that no prompt waits to be let write."""
    return {
        "purpose": purpose,
        "counter": store.counter.name,
        "tokens": store.counter.count(context),
        "at": store.ledger.clock().isoformat(),
        "scope": store.scope,
    }


def _book(store: MemoryStore, session: Session, *, everybodys: bool = False) -> None:
    """Book what contexts took. The notes are cleared after the store has it: killed in between, or beside another hook
    that does the same, it is booked again under the same ref, which the store passes over."""
    for notes, spent in session.spent(everybodys=everybodys):
        with store.transaction():
            for one in spent:
                # A line that no hook wrote costs only itself.
                with suppress(LookupError, TypeError, ValueError, ArithmeticError):
                    at, tokens, ref = datetime.fromisoformat(one["at"]), int(one["tokens"]), str(one["ref"])
                    entry = Usage(at, one["purpose"], "unknown", str(one["counter"]), tokens, 0, None, None)
                    store.book(entry, scope=one["scope"], ref=ref)
        session.booked(notes, spent)


def file_changed(store: MemoryStore, payload: Payload, session: Session) -> Output:
    """A watched file changed, appeared or went: the facts that are tied to it become suspect, or are believed again."""
    path = payload.file("file_path")
    if path is not None:
        store.file_changed(path)
    return None


def stop(store: MemoryStore, payload: Payload, session: Session) -> Output:
    """Take in what was said since last time, from the transcripts, and draw facts from it."""
    sessions: set[str] = set()
    for name in ("transcript_path", "agent_transcript_path"):
        transcript = payload.transcript(name)
        if transcript is not None:
            sessions |= _take_in(store, session, transcript)
    own = payload.name("session_id", "claude-code")
    if payload.transcript("transcript_path") is None:
        last = payload.text("last_assistant_message")
        if last.strip():
            hold(session, "assistant", last, "")
        _record_held(store, session, own)
    else:
        session.drop(session.held())
    for one in sorted(sessions | {own}):  # its own even if nothing is new: an earlier stop may have run out of time
        store.capture(session=one)
    _book(store, session)
    return None


def _record_held(store: MemoryStore, session: Session, own: str) -> None:
    """Record the turns that no transcript has. They are dropped after the store has them, each under its ref."""
    held = session.held()
    with store.transaction():
        for turn in held:
            # A turn that cannot be kept (empty, or no hook wrote it) costs only itself.
            with suppress(UsageError, LookupError, TypeError):
                store.record(turn["text"], role=turn["role"], session=own, ref=str(turn["ref"]))
    session.drop(held)


def end(store: MemoryStore, payload: Payload, session: Session) -> Output:
    """As at a stop; and what other sessions had no time to read or to book is read and booked now."""
    stop(store, payload, session)
    store.capture()
    _book(store, session, everybodys=True)
    session.tidy(store.ledger.clock())
    return None


def compact(store: MemoryStore, payload: Payload, session: Session) -> Output:
    """Before the context is compacted, what was said is taken in; afterwards nothing shown is in view any more."""
    stop(store, payload, session)
    session.show([], afresh=True)
    return None


def _take_in(store: MemoryStore, session: Session, transcript: Path) -> set[str]:
    """The sessions that turns were recorded for. All of them are stored before the position is moved."""
    from memstore.capture.sources import Position, SourceTurn, read_file

    offset, line = session.position(transcript)
    if offset > transcript.stat().st_size:  # another file under the same name
        offset = line = 0
    sessions: set[str] = set()
    after = Position(offset, line)
    with store.transaction():
        for item in read_file(transcript, form="claude-code", start=after):
            if not isinstance(item, SourceTurn):
                continue
            try:
                store.record(
                    item.text, role=item.role, session=item.session, at=item.at, origin=item.origin, ref=item.ref
                )
            except MemstoreError:
                continue  # one turn that cannot be kept (empty, or too long) does not cost the others
            sessions.add(item.session)
            after = item.after
    session.advance(transcript, after.offset, after.line)
    return sessions


def _key(found: Recollection) -> str:
    """What the agent has in view: a fact with its standing. When its standing changes it is worth saying again."""
    return f"{found.fact_id}:{found.status.value}"


HANDLERS: dict[str, Callable[[MemoryStore, Payload, Session], Output]] = {
    "SessionStart": session_start,
    "UserPromptSubmit": prompt,
    "FileChanged": file_changed,
    "Stop": stop,
    "SubagentStop": stop,
    "SessionEnd": end,
    "PreCompact": compact,
}
