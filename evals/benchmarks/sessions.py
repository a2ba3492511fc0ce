"""What hooks do when it counts: twenty sessions at once on one store, and what one recall cycle costs in tokens.

    python -m evals.benchmarks.sessions

The crowd: every session has ten turns in its transcript and runs SessionStart, UserPromptSubmit and Stop, each a real
process, all at once. Counted are processes that failed or said anything on standard error, and turns that are missing
from the store or there twice. The cycle: the URL shortener's four statements are captured by the hooks of one session;
the next begins, and asks about the hedge. Tokens are what the store booked, by purpose.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import click

from evals.benchmarks.hooks import environment
from memstore import MemoryStore

EVENTS = ("SessionStart", "UserPromptSubmit", "Stop")
STORY = (
    "We will use Redis for storage.",
    "Short codes are base62: decided.",
    "Links live for 30 days; that is the TTL we decided on.",
    "The TTL could be refreshed on each access.",
)
ASKED = "How does the TTL of a link work, is it refreshed?"
HEDGE = "[option, not decided"


def project(folder: Path) -> MemoryStore:
    """A project with an empty store of its own."""
    (folder / ".memstore").mkdir(parents=True)
    return MemoryStore(folder / ".memstore" / "memory.db", root=folder)


def say(folder: Path, session: str, *texts: str) -> Path:
    """Turns of the user at the end of a session's transcript, as Claude Code writes them."""
    path = folder / f"{session}.jsonl"
    at = datetime.now(UTC).isoformat()
    with path.open("a") as file:
        begun = file.tell()
        for number, text in enumerate(texts):
            turn = {"type": "user", "uuid": f"{session}-{begun}-{number}", "sessionId": session, "timestamp": at}
            file.write(json.dumps({**turn, "message": {"role": "user", "content": text}}) + "\n")
    return path


def start(folder: Path, session: str, event: str, prompt: str) -> subprocess.Popen[bytes]:
    """One hook, in a process of its own."""
    payload = {"session_id": session, "cwd": str(folder), "hook_event_name": event, "prompt": prompt}
    payload["transcript_path"] = str(folder / f"{session}.jsonl")
    process = subprocess.Popen(
        [sys.executable, "-m", "memstore.cli", "hook", event],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env=environment(),
    )
    assert process.stdin
    process.stdin.write(json.dumps(payload).encode())
    process.stdin.close()
    process.stdin = None
    return process


def crowd(folder: Path, sessions: int, turns: int) -> str:
    """All hooks of all sessions at once; what became of them and of the turns."""
    with project(folder) as store:
        said = [f"We decided {n}-{turn} about Redis." for n in range(sessions) for turn in range(turns)]
        for n in range(sessions):
            say(folder, f"s{n}", *said[n * turns : (n + 1) * turns])
        running = [start(folder, f"s{n}", event, "redis?") for n in range(sessions) for event in EVENTS]
        ended = [(process, *process.communicate()) for process in running]
        failed = sum(1 for process, _, complaint in ended if process.returncode or complaint)
        log = folder / ".memstore" / "memory.db.hooks" / "hooks.log"
        stopped = len(log.read_text().splitlines()) if log.exists() else 0
        held: Counter[str] = Counter()
        for fact in store.facts():
            held.update(pointer.quote for pointer in fact.provenance)
        missing, twice = sum(1 for text in said if not held[text]), sum(1 for text in said if held[text] > 1)
        return (
            f"{len(running)} hook processes of {sessions} sessions at once: {failed} failed, {stopped} logged; "
            f"{len(said)} turns said, {store.stats()['events']} kept, {missing} missing, {twice} twice; "
            f"{len(store.verify())} problems in the store"
        )


def cycle(folder: Path) -> str:
    """One session says it, the next begins and asks; what that took, and whether the hedge came back as one."""
    with project(folder) as store:
        for text in STORY:
            say(folder, "s1", text)
            for event in ("UserPromptSubmit", "Stop"):
                start(folder, "s1", event, text).communicate()
        before = len(store.usage())
        say(folder, "s2", ASKED)
        told = [start(folder, "s2", event, ASKED).communicate()[0].decode() for event in EVENTS]  # booked at the last
        booked: Counter[str] = Counter()
        for entry in store.usage()[before:]:
            booked[f"{entry.purpose} ({entry.counter})"] += entry.input_tokens + entry.output_tokens
        blocks = [json.loads(one)["hookSpecificOutput"].get("additionalContext", "") for one in told if one]
        hedge = any(HEDGE in line and STORY[3] in line for block in blocks for line in block.splitlines())
        spent = ", ".join(f"{purpose} {tokens}" for purpose, tokens in sorted(booked.items()))
        return (
            f"one recall cycle of the URL shortener: {spent}; {sum(booked.values())} in all; "
            f"the hedge {'came back as an option' if hedge else 'was lost'}"
        )


@click.command()
@click.option("--sessions", default=20, show_default=True)
@click.option("--turns", default=10, show_default=True)
def main(sessions: int, turns: int) -> None:
    """Count what a crowd of sessions loses, and what one recall cycle costs."""
    with tempfile.TemporaryDirectory() as folder:
        click.echo(cycle(Path(folder) / "cycle"))
        click.echo(crowd(Path(folder) / "crowd", sessions, turns))


if __name__ == "__main__":
    main()
