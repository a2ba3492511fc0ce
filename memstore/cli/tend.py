"""Keeping memory true: review what waits for somebody, check it against files, watch them, and see what changed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import click

from memstore.cli import look
from memstore.cli.formats import Answer, Row, output, record
from memstore.cli.target import Target, moment
from memstore.model import AnchorReport, ReviewItem, Status


@click.command(short_help="What waits for somebody to settle it.")
@click.option("--confirm", "confirmed", multiple=True, metavar="ID", help="Say that this fact holds (repeat for more).")
@click.option("--retract", "retracted", multiple=True, metavar="ID", help="Withdraw this fact (repeat for more).")
@click.option("--reason", default="reviewed", show_default=True, help="Why, for the record.")
@output
@click.pass_obj
def review(target: Target, confirmed: tuple[str, ...], retracted: tuple[str, ...], reason: str) -> Answer:
    """Suspects, conflicts, possible updates and what expires soon, the most harmful first.

    With --confirm or --retract, facts are settled first, all or none; what is left is then listed.
    """
    store = target.open()
    if confirmed or retracted:
        with store.transaction():
            if confirmed:
                store.confirm(list(confirmed), reason=reason)
            if retracted:
                store.retract(list(retracted), reason=reason)
    items = store.review()
    if not items:
        click.echo("Nothing waits.", err=True)
    return Answer([record(item) for item in items], lambda: "\n\n".join(map(_waiting, items)))


def _waiting(item: ReviewItem) -> str:
    lines = [click.style(item.concern.value.replace("_", " ").upper(), bold=True)]
    for fact in item.facts:
        lines.append(look.statement(fact.modality, fact.text, origin=fact.origin))
        lines.append(" " * look.MARGIN + click.style(f"{look.day(fact.said_at)} · {fact.id}", dim=True))
    lines += [f"{'':{look.MARGIN}}{look.visible(reason)}" for reason in item.reasons]
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
    return checked(target.open().check_anchors(paths=paths or None, since=since))


def checked(report: AnchorReport) -> Answer:
    """A look at the files, as an answer."""
    return Answer([record(report)], lambda: _looked(report), one=True, code=1 if report.flagged else 0)


@click.command(short_help="Look whenever a file changes.")
@output
@click.pass_obj
def watch(target: Target) -> Answer:
    """Look at tied files as they change, until interrupted."""
    store = target.open()

    def rows() -> Iterator[Row]:
        for report in store.watch():
            yield record(report)

    def human() -> str:
        for report in store.watch():
            click.echo(_looked(report))
        return ""

    return Answer(rows(), human)


def _looked(report: AnchorReport) -> str:
    lines = [f"{report.checked} ties looked at"]
    named = (("in doubt", report.flagged), ("believed again", report.restored), ("followed a move", report.moved))
    lines += [f"{what}: {', '.join(ids)}" for what, ids in named if ids]
    lines += [f"not readable: {look.visible(why)}" for why in report.unreadable]
    return "\n".join(lines)


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
        return look.visible(
            "\n".join(f"{row['change']} {row['modality']:<18}{row['text']}  ({row['status']})" for row in rows)
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
        lines.append(f"{done.proposed} for review, {done.left} left for the next run.")
        return "\n".join(lines)

    return Answer([record(done)], human, one=True)
