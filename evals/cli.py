"""`memeval`: run memories against each other, and read what came out.

Exit codes: 0 ok · 1 something went wrong, said in one line · 2 the command makes no sense · 3 it ran, but below a
threshold that was asked for · 130 interrupted (the log can be gone on with).
"""

from __future__ import annotations

import sys
from importlib import import_module

import click

from evals.model import EvalError
from evals.output import note
from evals.settings import no_color
from memstore.errors import MemstoreError

COMMANDS = {
    "run": "evals.commands.run",
    "ls": "evals.commands.reading",
    "show": "evals.commands.reading",
    "report": "evals.commands.reading",
    "score": "evals.commands.scoring",
    "compare": "evals.commands.scoring",
    "reproduce": "evals.commands.reproduce",
    "calibrate": "evals.commands.calibrate",
    "doctor": "evals.commands.doctor",
}


class Lazy(click.Group):
    """Loads a command's module when it is named, so that `memeval ls` does not pay for what `run` needs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        return getattr(import_module(COMMANDS[name]), name) if name in COMMANDS else None


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "color": not no_color() and None})
@click.version_option(package_name="memstore", prog_name="memeval")
def cli() -> None:
    """Run agent memories over the same conversations and questions, and compare them with error bars."""


def main() -> None:
    """The console script: every expected failure is one line on standard error."""
    try:
        code = cli(standalone_mode=False)
    except click.ClickException as error:
        note(f"Error: {error.format_message()}")
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        note("Interrupted: the same command goes on where it stopped.")
        code = 130
    except (EvalError, MemstoreError) as error:
        note(f"Error: {error}")
        code = 1
    except OSError as error:
        note(f"Error: {error.filename}: {error.strerror}" if error.filename else f"Error: {error}")
        code = 1
    sys.exit(code if isinstance(code, int) else 0)
