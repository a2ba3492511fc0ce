"""The README is tested: its library example runs as printed, and its commands exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from evals import log, reproduction
from evals.log import RunLog
from evals.publish import joined
from evals.report import markdown, readme
from evals.report.tables import flat
from tests.conftest import DATA, REPOSITORY

README = (REPOSITORY / "README.md").read_text()
RUNS = DATA / "runs"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def run() -> RunLog:
    """Everything that the logs that ship hold."""
    return joined([log.read(path) for path in sorted(RUNS.glob("*.jsonl.gz"))])


class TestTheReadme:
    def test_the_library_example_runs_as_printed_and_keeps_the_hedge(self, tmp_path: Path) -> None:
        (example,) = blocks("python")
        run = subprocess.run(
            [sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
        )
        assert "option_considered live We could refresh the TTL on each access." in run.stdout

    def test_every_command_it_names_exists(self) -> None:
        import click

        from evals.cli import cli as memeval
        from memstore.cli.app import cli as memstore

        named = re.findall(r"^(memstore|memeval) (\w+)", "\n".join(blocks("sh")), re.MULTILINE)
        assert named
        for program, command in named:
            group = memstore if program == "memstore" else memeval
            assert command in group.list_commands(click.Context(group)), f"{program} {command}"

    def test_every_test_file_it_names_exists(self) -> None:
        root = Path(__file__).resolve().parent.parent
        named = set(re.findall(r"`(tests/\w+\.py)`", README))
        assert named
        assert not [name for name in sorted(named) if not (root / name).is_file()]


class TestTheResults:
    """See `memeval reproduce --update --against` and `memeval report --summary`, `--markdown`."""

    def test_the_figures_of_the_tables_are_those_of_the_logs_that_ship(self, run: RunLog) -> None:
        columns = [entry for entry in reproduction.read() if entry.table]
        rows = flat(run)
        assert columns
        assert [reproduction.updated(entry, rows) for entry in columns] == columns

    def test_the_readme_shows_those_figures_and_where_others_are_ahead(self, run: RunLog) -> None:
        assert readme.render(run, reproduction.read()).strip("\n") in README

    def test_the_page_beside_the_logs_shows_every_headline_metric(self, run: RunLog) -> None:
        assert markdown.render(run).strip("\n") in (RUNS / "README.md").read_text()
