"""Looking after a store: init, path, stats, verify, rebuild, backup, restore, export, import, forget, completion."""

from __future__ import annotations

import shutil
import sys
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from memstore import settings
from memstore.cli import look
from memstore.cli.formats import Answer, output
from memstore.cli.formats import record as as_record
from memstore.cli.target import Target, moment
from memstore.errors import UsageError


@click.command(short_help="Make a store here.")
@click.pass_obj
def init(target: Target) -> None:
    """Make a store: .memstore/memory.db here, or the file that --db or MEMSTORE_DB names."""
    try:
        path = target.path()
    except UsageError:
        path = Path.cwd() / settings.PROJECT_DIRECTORY / settings.PROJECT_STORE
    known = path.exists()
    Target.make(path)
    click.echo(f"{path} is there already." if known else f"Made {path}.", err=True)
    click.echo(path)


@click.command(short_help="The file commands work on here.")
@click.pass_obj
def path(target: Target) -> None:
    """The file of the store that commands work on here."""
    click.echo(target.path())


@click.command(short_help="How much is in the store.")
@output
@click.pass_obj
def stats(target: Target) -> Answer:
    """How much is in the store, and what it cost."""
    found = as_record(target.open().stats())
    return Answer([found], lambda: _pairs(found), one=True)


def _pairs(values: dict[str, Any], indent: str = "") -> str:
    lines = []
    for name, value in values.items():
        if isinstance(value, dict):
            lines.append(f"{indent}{name}")
            lines.append(_pairs(value, indent + "  ") if value else f"{indent}  none")
        else:
            lines.append(f"{indent}{name:<{26 - len(indent)}} {value}")
    return "\n".join(lines)


@click.command(short_help="Prove that the store is sound.")
@click.option("--since", metavar="COMMIT", help="Instead, check facts against files changed since, as `check` does.")
@output
@click.pass_obj
def verify(target: Target, since: str | None) -> Answer:
    """Prove the store: hashes, quotes, statuses, chains and indexes, all derived again. Exit code 1 if not sound."""
    from memstore.cli.tend import checked, warn_untied

    if since is not None:
        return checked(target.open(), since=since)
    store = target.open()
    problems = store.verify()
    warn_untied(store)
    if not problems:
        click.echo("Sound: nothing to report.", err=True)

    def human() -> str:
        return look.visible("\n".join(f"{p.code}  {p.record}  {p.message}" for p in problems))

    return Answer([as_record(p) for p in problems], human, code=1 if problems else 0)


@click.command(short_help="Make the indexes again.")
@click.pass_obj
def rebuild(target: Target) -> None:
    """Make the indexes again from the ledger. They are caches: nothing is lost."""
    target.open().rebuild()
    click.echo("Rebuilt.", err=True)


@click.command(short_help="Copy the store while it is in use.")
@click.argument("to", type=click.Path())
@click.pass_obj
def backup(target: Target, to: str) -> None:
    """Copy the store to the new file TO while it is in use; the copy is one consistent moment."""
    target.open().backup(to)
    click.echo(to)


@click.command(short_help="Bring a backup back.")
@click.argument("copy", type=click.Path())
@click.option("--force", is_flag=True, help="Put the present store aside first, as FILE.before-restore.")
@click.pass_obj
def restore(target: Target, copy: str, force: bool) -> None:
    """Bring the store back from the backup COPY, which is proved first."""
    path = target.path()
    if not Path(copy).exists():
        raise UsageError(f"there is no file {copy}")
    if path.exists() and not force:
        raise UsageError(f"{path} exists: move it away, or use --force to put it aside first")
    source = Target(copy, target.scope)
    with source:
        problems = source.open().verify()
        if problems:
            raise UsageError(f"{copy} is not sound ({problems[0].message}): nothing was restored")
        for suffix in ("", "-wal", "-shm"):
            old = Path(f"{path}{suffix}")
            if old.exists():
                old.replace(f"{path}.before-restore{suffix}")
        source.open().backup(path)
    click.echo(path)


@click.command(short_help="Write the scope as JSON lines.")
@click.argument("to", type=click.Path(allow_dash=True), default="-")
@click.option("--as-of", type=moment, help="What the store held then.")
@click.pass_obj
def export(target: Target, to: str, as_of: datetime | None) -> None:
    """Write the scope as JSON lines to the new file TO (- is standard output): lossless, ids stable."""
    store = target.open()
    if to != "-":
        store.export(to, as_of=as_of)
        click.echo(to)
        return
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "export.jsonl"
        store.export(copy, as_of=as_of)
        with copy.open(encoding="utf-8") as stream:
            shutil.copyfileobj(stream, sys.stdout)


@click.command("import", short_help="Take in an export.")
@click.argument("source", type=click.Path(allow_dash=True), default="-")
@click.option("--skip-bad-lines", is_flag=True, help="Leave out lines that cannot be read instead of taking nothing.")
@click.option(
    "--root", help="Where the files are here that its facts are tied to; without it those of another root rest."
)
@output
@click.pass_obj
def import_(target: Target, source: str, skip_bad_lines: bool, root: str | None) -> Answer:
    """Take in an export from the file SOURCE (- is standard input). Twice is the same as once."""
    if source != "-" and not Path(source).exists():
        raise UsageError(f"there is no file {source}")
    store = target.open(create=True)
    with TemporaryDirectory() as folder:
        if source == "-":
            source = str(Path(folder) / "stdin.jsonl")
            with Path(source).open("wb") as stream:
                shutil.copyfileobj(sys.stdin.buffer, stream)
        report = store.import_(source, skip_bad_lines=skip_bad_lines, root=root)
    for problem in report.problems:
        click.echo(f"Warning: {look.visible(problem)}", err=True)

    def human() -> str:
        new = f"{report.events} turns, {report.facts} facts, {report.transitions} transitions, {report.anchors} anchors"
        return f"{new} new; {report.present} were there already"

    return Answer([as_record(report)], human, one=True)


@click.command(short_help="Erase for good.")
@click.argument("facts", nargs=-1)
@click.option("--event", "events", multiple=True, help="A turn, with every fact drawn from it alone.")
@click.option("--session", help="Everything said in a session.")
@click.option("--everything", is_flag=True, help="Everything in the scope.")
@click.option("--reason", default="asked to forget", show_default=True, help="Kept with the certificate.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@output
@click.pass_obj
def forget(
    target: Target,
    facts: tuple[str, ...],
    events: tuple[str, ...],
    session: str | None,
    everything: bool,
    reason: str,
    yes: bool,
) -> Answer:
    """Erase FACTS (ids or keys), turns, a session or a scope for good: words, hashes, index entries."""
    if not (facts or events or session or everything):
        raise UsageError("name what to forget: fact ids, --event, --session or --everything")
    store = target.open()
    named = [target.fact(name) for name in facts]
    turns = [store.event(name) for name in events]
    if not yes:
        for fact in named:
            click.echo(look.statement(fact.modality, fact.text, origin=fact.origin), err=True)
        for turn in turns:
            click.echo(f"{look.day(turn.at)} {look.visible(f'{turn.role}: {turn.text}')}", err=True)
        scope = f"everything in scope {target.scope!r}" if everything else ""
        what = scope or (f"everything said in session {session!r}" if session else "this")
        if not click.confirm(f"Erase {look.visible(what)} for good? It cannot be brought back.", err=True):
            raise click.ClickException("nothing was erased")
    names = [*(fact.id for fact in named), *(turn.id for turn in turns)]
    certificate = store.forget(names, session=session, everything=everything, reason=reason)

    def human() -> str:
        pending = ", pending until an open reader lets go of old pages" if certificate.pending else ""
        erased = f"{look.counted(len(certificate.facts), 'fact')}, {look.counted(len(certificate.events), 'turn')}"
        lines = [f"forgot {erased}{pending}: {certificate.id}"]
        lines += [f"taken out of {look.visible(file)}" for file in certificate.files]
        return "\n".join([*lines, *(f"out of reach: {look.visible(one)}" for one in certificate.out_of_reach)])

    return Answer([as_record(certificate)], human, one=True)


@click.command(short_help="Completion for your shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for a shell:  eval "$(memstore completion bash)"."""
    from click.shell_completion import get_completion_class

    from memstore.cli.app import cli

    made = get_completion_class(shell)
    assert made
    click.echo(made(cli, {}, "memstore", "_MEMSTORE_COMPLETE").source())
