"""Where agents come in: mcp serves the memory to any agent that speaks MCP."""

from __future__ import annotations

import click

from memstore.cli.target import Target


@click.command(short_help="Serve the memory to an agent over MCP.")
@click.pass_obj
def mcp(target: Target) -> None:
    """Serve the memory over MCP on standard input and output: recall, remember, history, correct, check."""
    from memstore.agents.mcp_server import server

    server(target.open(create=True)).run()
