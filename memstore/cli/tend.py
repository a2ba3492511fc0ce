"""Keeping memory true: review what waits for somebody, check it against files, watch them, and see what changed."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from memstore.cli import look
from memstore.cli.formats import Answer, Row, output, record
from memstore.cli.target import Target, moment
from memstore.errors import UsageError
from memstore.model import Conflict, Fact, Modality, Status, Transition
from memstore.reports import AnchorReport, ReviewItem

if TYPE_CHECKING:
    from memstore.store import MemoryStore


@click.command(short_help="What waits for somebody to settle it.")
@click.option("--confirm", "confirmed", multiple=True, metavar="ID", help="Say that this fact holds (repeat for more).")
@click.option("--retract", "retracted", multiple=True, metavar="ID", help="Withdraw this fact (repeat for more).")
@click.option("--replace", "replaced", multiple=True, nargs=2, metavar="ID TEXT", help="Replace this fact by TEXT.")
@click.option("--interactive", "-i", is_flag=True, help="Go through them one by one.")
@click.option("--reason", default="reviewed", show_default=True, help="Why, for the record.")
@output
@click.pass_obj
def review(
    target: Target,
    confirmed: tuple[str, ...],
    retracted: tuple[str, ...],
    replaced: tuple[tuple[str, str], ...],
    interactive: bool,
    reason: str,
) -> Answer:
    """Suspects, conflicts, possible updates and what expires soon, the most harmful first.

    With --confirm, --retract or --replace, facts are settled first, all or none; what is left is then listed. With
    `memstore --claude review`, Claude says what it would do and quotes why; it changes nothing.
    """
    store = target.open()
    named = [*confirmed, *retracted, *(old for old, _ in replaced)]
    if twice := sorted({one for one in named if named.count(one) > 1}):
        raise UsageError(f"{', '.join(twice)} is named more than once: settle each fact one way")
    if confirmed or retracted or replaced:
        with store.transaction():
            for old, text in replaced:
                _settled(_replace(store, store.fact(old), text, reason))
            if confirmed:
                _settled(store.confirm(list(confirmed), reason=reason))
            if retracted:
                _settled(store.retract(list(retracted), reason=reason))
    items = store.review(advise=store.claude is not None)
    if interactive:
        for place, item in enumerate(items, 1):
            click.echo(f"{place} of {len(items)}  {_waiting(item)}", err=True)
            if not _decide(store, item, reason):
                break
        items = store.review()
    if not items:
        click.echo("Nothing waits.", err=True)
    return Answer([record(item) for item in items], lambda: "\n\n".join(map(_waiting, items)))


def _decide(store: MemoryStore, item: ReviewItem, reason: str) -> bool:
    """Ask what becomes of one item, and do it; False to stop. What policy refuses is said, and the item stays."""
    *older, last = item.facts
    choices = {"c": "confirm both" if older else "confirm", "x": "retract both" if older else "retract"}
    choices |= {"n": "the newer replaces the older", "o": "the older stands"} if older else {"r": "replace"}
    choices |= {"s": "skip", "q": "quit"}
    said = " · ".join(f"{letter} {meaning}" for letter, meaning in choices.items())
    chosen = click.prompt(said, type=click.Choice(list(choices)), default="s", show_choices=False, err=True)
    if chosen in "sq":
        return bool(chosen == "s")
    if chosen == "c":
        outcome = store.confirm(list(item.facts), reason=reason)
    elif chosen == "x":
        outcome = store.retract(list(item.facts), reason=reason)
    elif chosen == "n":
        outcome = store.supersede(older, last, reason=reason)
    elif chosen == "o":
        outcome = store.retract(last, reason=reason)
    else:
        outcome = _replace(store, last, click.prompt("by", err=True), reason)
    if isinstance(outcome, Conflict):
        click.echo(f"Refused: {look.visible(outcome.refusal)}; both stay.", err=True)
    return True


def _replace(store: MemoryStore, old: Fact, text: str, reason: str) -> Transition | Conflict:
    """Replace a fact by new words, which claim no less than the old did: whoever replaces a decision has decided."""
    new = store.remember(text, modality=old.modality, kind=old.kind, session="review")
    return store.supersede(old, new, reason=reason)


def _settled(outcome: Transition | Conflict) -> None:
    if isinstance(outcome, Conflict):
        raise UsageError(f"nothing was settled: {outcome.refusal}")


def _waiting(item: ReviewItem) -> str:
    lines = [click.style(item.concern.value.replace("_", " ").upper(), bold=True)]
    for fact in item.facts:
        lines.append(look.statement(fact.modality, fact.text, origin=fact.origin))
        lines.append(" " * look.MARGIN + click.style(f"{look.day(fact.said_at)} · {fact.id}", dim=True))
    told = list(item.reasons)
    if (advice := item.advice) is not None:
        quotes = "\n".join(f"  «{quote}»" for quote in advice.evidence)
        told.append(f"Claude would {advice.remedy} ({advice.confidence:.2f}): {advice.reason}\n{quotes}")
    for reason in told:
        lines += [" " * look.MARGIN + line for line in look.visible(reason).split("\n")]
    return "\n".join(lines)


@click.command(short_help="Look at the files that facts are tied to.")
@click.option("--since", metavar="COMMIT", help="Only at files that were committed or staged since.")
@click.argument("paths", nargs=-1)
@output
@click.pass_obj
def check(target: Target, paths: tuple[str, ...], since: str | None) -> Answer:
    """Look at the files that facts are tied to (all, or PATHS), and doubt what changed.

    Exit code 1 if something became suspect.
    """
    store = target.open()
    return checked(store, [_within(store, path) for path in paths], since)


def _within(store: MemoryStore, path: str) -> str:
    """A path as the shell means it, from here. Raises AnchorRefused for one outside the project."""
    from memstore.coherence.files import relative

    here = path and os.path.normpath(Path.cwd() / path)
    return here if store.root is None else relative(store.root, here)


def checked(store: MemoryStore, paths: Sequence[str] = (), since: str | None = None) -> Answer:
    """A look at the files, as an answer."""
    report = store.check_anchors(paths=paths or None, since=since)
    warn_untied(store)
    return Answer([record(report)], lambda: _looked(report), one=True, code=1 if report.flagged else 0)


@click.command(short_help="Look whenever a file changes.")
@output
@click.pass_obj
def watch(target: Target) -> Answer:
    """Look at tied files as they change, until interrupted."""
    store = target.open()
    warn_untied(store)

    def rows() -> Iterator[Row]:
        for report in store.watch():
            yield record(report)

    def human() -> str:
        for report in store.watch():
            click.echo(_looked(report))
        return ""

    return Answer(rows(), human)


def _looked(report: AnchorReport) -> str:
    lines = [f"{look.counted(report.checked, 'tie')} looked at"]
    named = (("in doubt", report.flagged), ("believed again", report.restored), ("followed a move", report.moved))
    lines += [f"{what}: {', '.join(ids)}" for what, ids in named if ids]
    for why, ties in Counter(report.unreadable).items():
        lines.append(f"not readable{f' ({ties} ties)' if ties > 1 else ''}: {look.visible(why)}")
    return "\n".join(lines)


def warn_untied(store: MemoryStore) -> None:
    """Say that no fact can be tied to some code of this project, and what to run, where that is so."""
    from memstore.coherence.symbols import missing

    lack = None if store.root is None else missing()
    if lack is not None:
        click.echo(f"Warning: facts are not tied to all the code here. {lack}", err=True)


@click.command(short_help="What changed in memory since a moment.")
@click.argument("since", type=moment)
@output
@click.pass_obj
def diff(target: Target, since: datetime) -> Answer:
    """What memory holds now and did not at SINCE (+), and what it held then as current and does no more (-)."""
    store = target.open()
    current = (Status.LIVE, Status.SUSPECT)
    rows = []
    for fact in store.facts():
        now = store.status(fact)
        then = store.status(fact, as_of=since) if fact.recorded_at <= since else None
        if (now in current) != (then in current):
            rows.append({"change": "+" if now in current else "-", "status": now.value, **record(fact)})

    def human() -> str:
        return "\n".join(
            f"{row['change']} {look.statement(Modality(row['modality']), row['text'], status=Status(row['status']))}"
            for row in rows
        )

    return Answer(rows, human, table=("change", "id", "modality", "status", "text"))


@click.command(short_help="Merge what says the same, let go of what lapsed.")
@click.option("--dry-run", is_flag=True, help="Say what would be done; write nothing.")
@click.option("--seconds", type=click.FloatRange(min=0), help="Stop after so long; run it again for the rest.")
@output
@click.pass_obj
def consolidate(target: Target, dry_run: bool, seconds: float | None) -> Answer:
    """Put the store in order: check files, merge duplicates, retract what lapsed unanswered. All can be reverted."""
    done = target.open().consolidate(dry_run=dry_run, seconds=seconds)
    would = "would be " if dry_run else ""

    def human() -> str:
        lines = [f"{len(group)} that say the same {would}merged into {group[0]}" for group in done.merged]
        lines += [f"{fact} {would}retracted: it lapsed unanswered" for fact in done.dropped]
        lines += [f"{' and '.join(group)} settled on Claude's advice" for group in done.advised]
        lines.append(f"{done.proposed} for review, {done.left} left for the next run.")
        return "\n".join(lines)

    return Answer([record(done)], human, one=True)
