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
@output
@click.pass_obj
def review(target: Target) -> Answer:
    """Suspects, conflicts, possible updates and what expires soon, the most harmful first."""
    items = target.open().review()
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
@output
@click.pass_obj
def check(target: Target, since: str | None) -> Answer:
    """Look at the files that facts are tied to, and doubt what changed. Exit code 1 if something became suspect."""
    report = target.open().check_anchors(since=since)
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
