"""Where agents come in: mcp, hook, install, uninstall."""

from __future__ import annotations

from pathlib import Path

import click

from memstore import settings
from memstore.agents.claude_code.install import Change
from memstore.cli.target import Target


@click.command(short_help="Serve the memory to an agent over MCP.")
@click.pass_obj
def mcp(target: Target) -> None:
    """Serve the memory over MCP on standard input and output: recall, remember, history, correct, check."""
    from memstore.agents.mcp_server import server

    server(target.open(create=True)).run()


@click.command(short_help="Answer a hook of Claude Code.")
@click.argument("event")
@click.pass_obj
def hook(target: Target, event: str) -> None:
    """Answer the hook EVENT of Claude Code, whose JSON is on standard input. Always exits 0."""
    from memstore.agents.claude_code.run import main

    main(event, db=target.named)


WHERE = click.option("--user", is_flag=True, help="For everything you do; else for the project in this folder.")
DRY_RUN = click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
AGENT = click.argument("agent", type=click.Choice(["claude-code"]))
PROJECT = click.option("--project", is_flag=True, help="For the project in this folder: the default.")


@click.command(short_help="Give Claude Code this memory.")
@AGENT
@PROJECT
@WHERE
@DRY_RUN
@click.pass_obj
def install(target: Target, agent: str, project: bool, user: bool, dry_run: bool) -> None:
    """Register hooks and the MCP server with Claude Code. Nothing else is touched; its own memory stays on."""
    from memstore.agents.claude_code.install import install as changes

    directory = _directory(project, user)
    _apply(changes(directory, project=not user), dry_run)
    store = (Path.home() if user else directory) / settings.PROJECT_DIRECTORY / settings.PROJECT_STORE
    if dry_run:
        return
    if not store.exists():
        Target.make(store)
        click.echo(f"Made {store}.", err=True)
    if user:
        click.echo("For the tools, too:  claude mcp add --scope user memstore -- memstore mcp", err=True)


@click.command(short_help="Take this memory out of Claude Code.")
@AGENT
@PROJECT
@WHERE
@DRY_RUN
def uninstall(agent: str, project: bool, user: bool, dry_run: bool) -> None:
    """Take hooks and the MCP server out of Claude Code's settings. The store and what it holds stay."""
    from memstore.agents.claude_code.install import uninstall as changes

    _apply(changes(_directory(project, user), project=not user), dry_run)


def _directory(project: bool, user: bool) -> Path:
    if project and user:
        raise click.UsageError("choose --project or --user")
    return settings.claude_directory() if user else Path.cwd()


def _apply(changes: list[Change], dry_run: bool) -> None:
    if not changes:
        click.echo("Nothing to change.", err=True)
    for change in changes:
        if dry_run:
            click.echo(change.diff(), nl=False)
        else:
            change.apply()
            click.echo(change.path)
