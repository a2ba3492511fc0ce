"""The command group: names to modules, one place that turns every error into one line and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

import click

from memstore import settings
from memstore.cli.target import Target
from memstore.errors import MemstoreError, UsageError

SECTIONS = {
    "Say and correct": {
        "add": "write",
        "record": "write",
        "supersede": "write",
        "retract": "write",
        "confirm": "write",
        "feedback": "write",
        "capture": "write",
        "tag": "write",
    },
    "Ask": {
        "recall": "read",
        "context": "read",
        "show": "read",
        "why": "why",
        "history": "why",
        "browse": "browse",
        "stats": "keep",
        "export": "keep",
    },
    "Keep it true": {
        "review": "tend",
        "check": "tend",
        "watch": "tend",
        "diff": "tend",
        "consolidate": "tend",
        "sync": "sync",
    },
    "Look after": {
        "init": "keep",
        "path": "keep",
        "verify": "keep",
        "rebuild": "keep",
        "backup": "keep",
        "restore": "keep",
        "import": "keep",
        "forget": "keep",
        "completion": "keep",
    },
    "Serve agents": {
        "install": "agents",
        "uninstall": "agents",
        "mcp": "agents",
        "hook": "agents",
    },
}
HOME = {command: module for section in SECTIONS.values() for command, module in section.items()}
ALIASES = {"remember": "add", "explain": "why"}


class Commands(click.Group):
    """Loads a command's module when the command is asked for."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(HOME)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        name = ALIASES.get(name, name)
        if name not in HOME:
            return None
        module = import_module(f"memstore.cli.{HOME[name]}")
        command: click.Command = getattr(module, "import_" if name == "import" else name)
        return command

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(context, arguments)
        except click.UsageError as error:
            import difflib

            near = difflib.get_close_matches(arguments[0], [*HOME, *ALIASES], n=1)
            hint = f"did you mean {near[0]}?" if near else "memstore --help lists them"
            raise click.UsageError(f"there is no command {arguments[0]!r}: {hint}", context) from error

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                loaded = ((name, self.get_command(context, name)) for name in commands)
                formatter.write_dl([(name, c.get_short_help_str(70)) for name, c in loaded if c])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(None, package_name="memstore", message="memstore %(version)s")
@click.option("--db", type=click.Path(), help="The store's file; else MEMSTORE_DB, else the nearest .memstore/ above.")
@click.option("--scope", help="The scope to work in; else MEMSTORE_SCOPE, else 'default'.")
@click.option("--claude", is_flag=True, help="Send words to Claude to read, choose and judge (ANTHROPIC_API_KEY).")
@click.option("--debug", is_flag=True, help="Show where an unexpected error came from.")
@click.pass_context
def cli(context: click.Context, db: str | None, scope: str | None, claude: bool, debug: bool) -> None:
    """What an agent remembers: every word kept, every fact with its modality, source, lifetime and lineage.

    Start with  memstore init,  then  memstore add "We use Redis.",  then  memstore recall redis.
    """
    context.obj = context.with_resource(Target(db, scope, claude=claude))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run `arguments`; return the exit code. Nothing but an exit code and a line leaves here, whatever happens."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    # What cannot be shown is shown escaped: a name in a Latin-1 terminal must not end the listing.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        for position, word in enumerate(words, 1):
            if any("\ud800" <= character <= "\udfff" for character in word):
                raise UsageError(f"argument {position} is not valid UTF-8")
        color = False if settings.no_color() else None
        code = cli.main(words, prog_name="memstore", standalone_mode=False, color=color)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.MissingParameter as error:
        called = error.ctx.command_path if error.ctx else "memstore"
        return _complain(f"{error.format_message()} See  {called} --help", error.exit_code)
    except click.ClickException as error:
        return _complain(error.format_message(), error.exit_code)
    except UsageError as error:
        return _complain(str(error), 2)
    except MemstoreError as error:
        return _complain(str(error), 1)
    except click.Abort:
        return _complain("interrupted; what was not reported as done was not done", 130)
    except BrokenPipeError:
        # The reader has seen enough (`memstore export | head`). Python would complain again at exit.
        sys.stdout = None
        return 0
    except OSError as error:
        return _complain(f"{error.filename}: {error.strerror}" if error.filename else str(error), 1)
    except Exception as error:
        if "--debug" in words:
            raise
        return _complain(f"unexpected {type(error).__name__}: {error} (memstore --debug … shows where)", 1)


def _complain(message: str, code: int) -> int:
    from memstore.cli.look import visible

    line = " ".join(message.split()) or "no message"
    click.echo(f"Error: {visible(line)}", err=True)
    return code
