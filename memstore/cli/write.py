"""Saying and correcting: add, record, supersede, retract, confirm, capture, tag."""

from __future__ import annotations

import io
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from memstore import settings
from memstore.capture.sources import Item, SourceProblem, SourceSkipped, read, read_file
from memstore.cli import look
from memstore.cli.formats import Answer, output
from memstore.cli.formats import record as as_record
from memstore.cli.read import MODALITIES, modality_of
from memstore.cli.target import STDIN_BYTES, Target, moment, read_text, text_argument
from memstore.errors import MemstoreError, UsageError
from memstore.model import Conflict, Fact, Kind, Modality, Origin, Transition, Verdict
from memstore.reports import CaptureReport

if TYPE_CHECKING:
    from memstore.store import MemoryStore

REASON = click.option("--reason", default="said on the command line", show_default=True, help="Why; kept with it.")


_FACT = re.compile(r"f_[0-9a-z]{18}")
_DECIDED = Modality.DECISION
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def lifetime(value: str) -> timedelta | str:
    """`12h`, `3d`, `2w`, or `never`, as a type of option."""
    try:
        return value if value == "never" else timedelta(**{_UNITS[value[-1:]]: float(value[:-1])})
    except (KeyError, ValueError, OverflowError):
        raise click.BadParameter(f"{value!r} is not a lifetime such as 12h, 3d, 2w or never") from None


@click.command(short_help="Remember a text as one fact.")
@text_argument()
@click.option("--modality", type=MODALITIES, help="What the words claim to be; else the tagger reads it off them.")
@click.option("--kind", type=click.Choice([one.value for one in Kind]), default=Kind.PROJECT.value, show_default=True)
@click.option("--key", help="A name with one live fact: adding under it again supersedes.")
@click.option(
    "--origin", type=click.Choice([one.value for one in Origin]), default=Origin.USER.value, show_default=True
)
@click.option("--ttl", type=lifetime, help="How long it may be believed; else by its class.")
@click.option("--at", type=moment, help="When it was said; now unless given.")
@click.option("--valid-from", type=moment, help="When it became true; when it was said unless given.")
@click.option(
    "--anchor",
    "anchors",
    multiple=True,
    metavar="TARGET",
    help="Tie it to src/a.py, src/a.py:10-20 or src/a.py#name, paths from the project's root (repeat for more);"
    " else to what it names.",
)
@click.option("--depends-on", multiple=True, metavar="ID", help="It was concluded from this fact (repeat for more).")
@output
@click.pass_obj
def add(
    target: Target,
    text: str,
    modality: str | None,
    kind: str,
    key: str | None,
    origin: str,
    ttl: timedelta | str | None,
    at: datetime | None,
    valid_from: datetime | None,
    anchors: tuple[str, ...],
    depends_on: tuple[str, ...],
) -> Answer:
    """Remember TEXT as one fact (- reads it from standard input)."""
    options: dict[str, Any] = {"kind": kind, "origin": origin, "key": key, "at": at, "valid_from": valid_from}
    options |= {"anchors": anchors or None, "depends_on": depends_on}
    if ttl is not None:
        options["ttl"] = None if ttl == "never" else ttl
    store = target.open(create=True)
    return _remembered([store.remember(text, modality=_modality(modality), **options)])


@click.command(short_help="Keep a turn word for word.")
@text_argument()
@click.option("--role", default="user", show_default=True, help="Who speaks: user, assistant, tool, system, document.")
@click.option("--session", default="cli", show_default=True, help="The conversation it belongs to.")
@click.option("--ref", help="The caller's own name for this turn.")
@click.option("--at", type=moment, help="When it was said; now unless given.")
@output
@click.pass_obj
def record(target: Target, text: str, role: str, session: str, ref: str | None, at: datetime | None) -> Answer:
    """Keep TEXT word for word as a turn, without concluding anything; capture does that."""
    event = target.open(create=True).record(text, role=role, session=session, ref=ref, at=at)
    return Answer([as_record(event)], lambda: event.id, one=True)


@click.command(short_help="Read transcripts and documents, draw facts.")
@click.argument("files", nargs=-1, type=click.Path(allow_dash=True))
@click.option("--form", type=click.Choice(["claude-code", "jsonl", "json", "document"]), help="Else it is recognised.")
@click.option("--session", help="Only the turns of this session; the name of one for files that do not say.")
@output
@click.pass_obj
def capture(target: Target, files: tuple[str, ...], form: str | None, session: str | None) -> Answer:
    """Draw facts from what was recorded and not read yet; first take in FILES (- is standard input), if there are any.

    Transcripts of Claude Code, chats as JSON or JSON lines, and documents are taken in turn by turn, word for word.
    Doing it again adds nothing.
    """
    settings.one_core()  # the other core has a process of its own to read on
    store = target.open(create=bool(files))
    passed: Counter[str] = Counter()
    problems: list[str] = []
    for name in files:
        try:
            _take(store, _items(name, form, session), name, passed, problems)
        except MemstoreError as error:  # the others are read all the same
            if len(files) == 1:
                raise
            problems.append(f"{name}: {error}")
    report = store.capture(session=None if files else session)
    report = replace(report, skipped=passed + Counter(report.skipped), problems=(*problems, *report.problems))

    def human() -> str:
        left = "".join(f"\n{count} passed over: {why}" for why, count in sorted(report.skipped.items()))
        did = "".join(f", {count} {what}" for what, count in sorted(report.updates.items()) if what != "passed over")
        new = f"{look.counted(report.events, 'turn')} read, {look.counted(report.facts, 'fact')} new"
        read = f"{new}, {report.corroborated} seen again"
        return f"{read}{did}{left}{_bill(report)}"

    for problem in report.problems:
        click.echo(f"Warning: {look.visible(problem)}", err=True)
    return Answer([as_record(report)], human, one=True)


def _take(store: MemoryStore, items: Iterator[Item], name: str, passed: Counter[str], problems: list[str]) -> None:
    """Record the turns of a source; count what was passed over, and name what could not be taken."""
    for item in items:
        if isinstance(item, SourceSkipped):
            passed[item.reason] += 1
            continue
        try:
            if isinstance(item, SourceProblem):
                raise UsageError(item.message)
            store.record(item.text, role=item.role, session=item.session, at=item.at, origin=item.origin, ref=item.ref)
        except UsageError as error:
            problems.append(f"{name}, line {item.line}: {error}")


def _bill(report: CaptureReport) -> str:
    if not report.bill:
        return ""
    costs = [entry.cost_usd for entry in report.bill]
    price = "price unknown" if None in costs else f"${sum(filter(None, costs)):.4f}"
    given, told = (sum(getattr(entry, f"{side}_tokens") for entry in report.bill) for side in ("input", "output"))
    return f"\nClaude answered {len(report.bill)} times: {given:,} tokens in, {told:,} out, {price}"


def _items(name: str, form: str | None, session: str | None) -> Iterator[Item]:
    if name == "-":
        data = sys.stdin.buffer.read(STDIN_BYTES + 1)
        if len(data) > STDIN_BYTES:
            raise UsageError(f"standard input is longer than {STDIN_BYTES:,} bytes: name the file instead")
        return read(io.BytesIO(data), name="stdin", form=form, session=session)
    return read_file(Path(name), form=form, session=session)


@click.command(short_help="Replace a fact by a new text.")
@click.argument("old")
@text_argument()
@REASON
@click.option("--modality", type=MODALITIES, help="What the new words claim to be; else the tagger reads it off them.")
@click.option(
    "--origin", type=click.Choice([one.value for one in Origin]), default=Origin.USER.value, show_default=True
)
@output
@click.pass_obj
def supersede(target: Target, old: str, text: str, reason: str, modality: str | None, origin: str) -> Answer:
    """Replace the fact OLD (id or key) by TEXT, or by the fact whose id is given. Only the new one is current then."""
    replaced = target.fact(old)
    store = target.open()
    if _FACT.fullmatch(text):
        new = target.fact(text)
    else:
        new = store.remember(text, modality=_modality(modality), kind=replaced.kind, origin=origin)
    outcome = store.supersede(replaced, new, reason=reason)
    if isinstance(outcome, Conflict) and new.modality is not replaced.modality and replaced.modality is _DECIDED:
        click.echo(f"If it is decided:  memstore supersede {old} TEXT --modality decision", err=True)
    return _changed(outcome)


@click.command(short_help="Withdraw a fact that was never so.")
@click.argument("fact")
@REASON
@output
@click.pass_obj
def retract(target: Target, fact: str, reason: str) -> Answer:
    """Withdraw a fact (id or key): it was never so. It stays in history and can be brought back."""
    return _changed(target.open().retract(target.fact(fact), reason=reason))


@click.command(short_help="Say that a fact still holds.")
@click.argument("fact")
@REASON
@output
@click.pass_obj
def confirm(target: Target, fact: str, reason: str) -> Answer:
    """Say that a fact (id or key) still holds: doubts are cleared and its lifetime begins again."""
    return _changed(target.open().confirm(target.fact(fact), reason=reason))


@click.command(short_help="Say how acting on a fact went.")
@click.argument("fact")
@click.argument("verdict", type=click.Choice([one.value for one in Verdict]))
@click.option("--reason", help="Why, in your words.")
@output
@click.pass_obj
def feedback(target: Target, fact: str, verdict: str, reason: str | None) -> Answer:
    """Say how acting on a fact (id or key) went: it was used, it is wrong, or it is stale.

    What was used comes earlier next time; what is wrong or stale is doubted until somebody confirms it.
    """
    return _changed(target.open().feedback(target.fact(fact), verdict, reason=reason))


@click.command(short_help="What a text claims to be.")
@click.argument("text", default="-")
@output
def tag(text: str) -> Answer:
    """What TEXT claims to be, and how sure the tagger is; without it every line of standard input, as JSON lines.

    Stores nothing.
    """
    from memstore.capture.tagger import default_tagger, tag_lines

    rows = tag_lines(sys.stdin.buffer if text == "-" else [read_text(text)], default_tagger())

    def human() -> str:
        if text == "-":
            return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        return "\n".join(
            f"{look.statement(Modality(str(row['modality'])), str(row['text']))}  {row['probability']:.2f}"
            for row in rows
        )

    return Answer(rows, human)


def _modality(named: str | None) -> str | None:
    return modality_of(named).value if named else None


def _remembered(facts: Sequence[Fact]) -> Answer:
    def human() -> str:
        return "\n".join(f"{look.statement(f.modality, f.text, origin=f.origin)}\n{'':14}{f.id}" for f in facts)

    for fact in facts:
        for conflict in fact.conflicts:
            click.echo(f"Warning: {_refusal(conflict)}", err=True)
    return Answer([as_record(fact) for fact in facts], human, one=len(facts) == 1)


def _changed(outcome: Transition | Conflict) -> Answer:
    """What happened, or that policy refused it: then nothing changed, and the exit code says so."""
    if isinstance(outcome, Conflict):
        click.echo(f"Refused: {_refusal(outcome)}", err=True)
        return Answer([as_record(outcome)], lambda: "", one=True, code=1)
    names = ", ".join(outcome.old)
    by = f" by {', '.join(outcome.new)}" if outcome.new else ""
    return Answer([as_record(outcome)], lambda: f"{outcome.change.value} {names}{by}", one=True)


def _refusal(conflict: Conflict) -> str:
    return look.visible(f"{conflict.refusal}; both stay, and the conflict is kept as {conflict.id}")
