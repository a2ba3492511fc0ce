"""The README is tested: its library example runs as printed, and its commands exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).resolve().parent.parent / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


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

    def test_its_results_are_what_the_logs_that_ship_say(self) -> None:
        from evals import log
        from evals.publish import joined
        from evals.report import readme

        logs = sorted((Path(__file__).resolve().parent.parent / "data" / "runs").glob("*.jsonl.gz"))
        assert readme.render(joined([log.read(path) for path in logs])).strip("\n") in README

    def test_every_test_file_it_names_exists(self) -> None:
        root = Path(__file__).resolve().parent.parent
        named = set(re.findall(r"`(tests/\w+\.py)`", README))
        assert named
        assert not [name for name in sorted(named) if not (root / name).is_file()]
