"""Markdown files that people read and edit: sync."""

from __future__ import annotations

import sys

import click

from memstore.cli import look
from memstore.cli.formats import Answer, output, record
from memstore.cli.target import Target
from memstore.reports import Synced

FOLDER = "markdown"


@click.command(short_help="Keep Markdown files in step with the store.")
@click.argument("folder", type=click.Path(), required=False)
@click.option("--mine", is_flag=True, help="The edits in the files are yours; else they are a document's word.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@output
@click.pass_obj
def sync(target: Target, folder: str | None, mine: bool, dry_run: bool) -> Answer:
    """Keep the Markdown files in FOLDER (markdown/ beside the store) in step with the store, both ways.

    Facts come in as lines with their modality, and leave when they are not current any more. Lines that were written,
    changed or taken out in the files become facts, replacements and withdrawals: as yours with --mine, which a
    terminal asks about; else as a document's, which binds nobody and replaces nothing that you said.
    """
    place = folder or str(target.path().absolute().parent / FOLDER)
    store = target.open(create=True)
    if not mine and not dry_run and sys.stdin.isatty():
        told = store.sync(place, origin="user", dry_run=True)
        if told.added or told.withdrawn:
            gone = [store.fact(id_).text for id_ in told.withdrawn]
            click.echo("Since the last sync somebody wrote in the files (+) and took out of them (-):", err=True)
            for sign, words in [*(("+", one) for one in told.said), *(("-", one) for one in gone)]:
                click.echo(f"  {sign} {look.visible(' '.join(words.split()))}", err=True)
            mine = click.confirm("Was all of that you?", err=True)
    report = store.sync(place, origin="user" if mine else "document", dry_run=dry_run)
    for problem in report.problems:
        click.echo(f"Warning: {look.visible(f'{problem.record}: {problem.message}')}", err=True)
    for conflict in report.conflicts:
        hint = "both stay, see  memstore review;  if the edit is yours, say so:  memstore sync --mine"
        click.echo(f"Refused: {look.visible(conflict.refusal)}; {hint}", err=True)
    return Answer([record(report)], lambda: told_to_people(report, dry_run), one=True)


def told_to_people(report: Synced, dry_run: bool) -> str:
    """What a sync did, in a line or two."""
    files = f"{len(report.written)} file{'' if len(report.written) == 1 else 's'}"
    lines = [f"{report.shown} facts in {look.visible(report.folder)}, {files} {'to write' if dry_run else 'written'}"]
    from_people = [
        f"{len(found)} {said}"
        for found, said in (
            (report.added, "new from the files"),
            (report.withdrawn, "withdrawn"),
            (report.restored, "put back"),
        )
        if found
    ]
    if from_people:
        lines.append(" · ".join(from_people))
    return "\n".join(lines)
