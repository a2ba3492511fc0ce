"""`memeval` answers people and pipes, and meets bad input with one clear line, never a traceback."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from evals import log, reproduction, stats
from evals.arms import ARMS
from evals.tasks import TASKS

REPOSITORY = Path(__file__).resolve().parent.parent
TRACEBACK = "Traceback (most recent call last)"


def memeval(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; from evals.cli import main; sys.argv[0] = 'memeval'; main()"
    env = {k: v for k, v in os.environ.items() if k != "MEMSTORE_DATA"} | {"PYTHONPATH": str(REPOSITORY)} | environment
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=cwd, env=env, capture_output=True, text=True, timeout=300
    )


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with one small run in `runs/`."""
    home = tmp_path_factory.mktemp("memeval")
    done = memeval(
        "run", "url_shortener", "-a", "bm25", "-a", "recency", "-a", "markdown_curated", "--workers", "1", cwd=home
    )
    assert done.returncode == 0, done.stderr
    return home


def log_of(home: Path) -> str:
    (path,) = (home / "runs").glob("*.jsonl")
    return str(path)


class TestBadInput:
    @pytest.mark.parametrize(
        ("arguments", "code", "says"),
        [
            (["run", "url_shortener", "--arm", "nothing"], 2, "no arm 'nothing'"),
            (["run", "nothing"], 2, "no task 'nothing'"),
            (["run"], 2, "name tasks"),
            (["run", "--suite", "nothing"], 2, "no suite 'nothing'"),
            (["run", "beam", "--data", "absent", "--arm", "bm25"], 1, "no data directory at absent"),
            (["run", "beam", "--data", "file.txt", "--arm", "bm25"], 1, "is a file"),
            (["run", "locomo", "--data", "empty", "--arm", "bm25"], 1, "Get LoCoMo"),
            (["run", "url_shortener", "--arm", "bm25", "--out", "file.txt"], 1, "is a file"),
            (["run", "url_shortener", "--arm", "bm25", "--limit", "0"], 2, "--limit"),
            (["run", "url_shortener", "--arm", "bm25", "--require", "bm25"], 2, "ARM:METRIC"),
            (["run", "url_shortener", "--json", "--csv"], 2, "one output format"),
            (["show", "absent.jsonl"], 1, "no run log"),
            (["show", "empty"], 1, "is a directory"),
            (["show", "file.txt"], 1, "is not a run log"),
            (["show", "binary.bin"], 1, "is not a run log"),
            (["show"], 1, "no runs in runs"),
            (["report", "file.txt"], 1, "is not a run log"),
            (["compare", "bm25", "recency"], 1, "no runs in runs"),
            (["ls", "nothing"], 2, "nothing"),
            (["nothing"], 2, "nothing"),
        ],
    )
    def test_it_is_met_with_one_line_and_an_exit_code(
        self, arguments: list[str], code: int, says: str, tmp_path: Path
    ) -> None:
        (tmp_path / "file.txt").write_text("not a log\n")
        (tmp_path / "binary.bin").write_bytes(b"\xff\xfe\x00\x80" * 99)
        (tmp_path / "empty").mkdir()
        done = memeval(*arguments, cwd=tmp_path)
        assert done.returncode == code
        assert says in done.stderr
        assert TRACEBACK not in done.stderr
        assert done.stdout == ""
        assert not (tmp_path / "runs").exists()

    def test_an_unknown_arm_lists_the_arms_there_are(self, tmp_path: Path) -> None:
        assert "bm25" in memeval("run", "url_shortener", "--arm", "x", cwd=tmp_path).stderr


class TestRunning:
    def test_data_is_on_stdout_and_paths_are_on_stderr(self, ran: Path, tmp_path: Path) -> None:
        done = memeval("run", "url_shortener", "-a", "bm25", "--json", cwd=tmp_path)
        whole = json.loads(done.stdout)
        assert Path(tmp_path, whole["log"]).is_file()
        assert Path(tmp_path, whole["report"]).is_file()
        assert whole["log"] in done.stderr
        assert {row["arm"] for row in whole["scores"]} == {"bm25"}
        assert whole["counter"] == "chars/4"

    def test_the_same_command_again_finds_its_run_finished(self, ran: Path) -> None:
        before = Path(log_of(ran)).read_bytes()
        done = memeval("run", "url_shortener", "-a", "bm25", "-a", "recency", "-a", "markdown_curated", cwd=ran)
        assert done.returncode == 0
        assert Path(log_of(ran)).read_bytes() == before

    def test_below_a_threshold_it_exits_with_3(self, ran: Path) -> None:
        arms = ("-a", "bm25", "-a", "recency", "-a", "markdown_curated")
        for requirement, code in (
            ("bm25:fidelity/kept>=0.5", 0),
            ("bm25:fidelity/kept>=1.5", 3),
            ("bm25:no/such>=0", 3),
        ):
            assert memeval("run", "url_shortener", *arms, "--require", requirement, cwd=ran).returncode == code

    def test_the_published_case_keeps_its_shape(self, tmp_path: Path) -> None:
        arms = ("--arm", "markdown_curated", "--arm", "flat_cache", "--arm", "memstore")
        whole = json.loads(memeval("run", "url_shortener", *arms, "--json", cwd=tmp_path).stdout)
        injected = {r["arm"]: r["tokens_inject"] for r in whole["scores"] if r["metric"] == "fidelity/kept"}
        assert injected["markdown_curated"] == pytest.approx(269, abs=3)
        hedges = {a["arm"]: a["recalled"][0] for a in whole["answers"] if a["probe"] == "published/hedge"}
        assert hedges["memstore"]["modality"] == "option_considered"
        assert hedges["memstore"]["quote"] == "We could refresh the TTL on each access."
        assert "could" not in hedges["flat_cache"]["text"]
        assert any("says nothing of any product" in caveat for caveat in whole["caveats"])


class TestReading:
    def test_runs_tasks_arms_and_suites_are_listed(self, ran: Path) -> None:
        for what, expected in (
            ("runs", "url_shortener"),
            ("tasks", "beam"),
            ("arms", "flat_cache"),
            ("suites", "first-light"),
        ):
            done = memeval("ls", what, cwd=ran)
            assert done.returncode == 0
            assert expected in done.stdout

    def test_published_logs_are_runs_as_well(self, ran: Path, tmp_path: Path) -> None:
        shipped = tmp_path / "shipped"
        assert memeval("report", "--publish", str(shipped / "small.jsonl.gz"), cwd=ran).returncode == 0
        assert "small.jsonl.gz" in memeval("ls", "--out", str(shipped), cwd=ran).stdout
        assert memeval("show", "small", "--out", str(shipped), cwd=ran).returncode == 0
        page = memeval("report", "small", "--out", str(shipped), cwd=ran).stdout.strip()
        assert page == str(shipped / "small.html")

    def test_every_format_holds_the_same_rows(self, ran: Path) -> None:
        as_json = json.loads(memeval("show", "--json", cwd=ran).stdout)
        as_lines = [json.loads(line) for line in memeval("show", "--nl", cwd=ran).stdout.splitlines()]
        as_csv = list(csv.DictReader(io.StringIO(memeval("show", "--csv", cwd=ran).stdout)))
        assert as_json == as_lines
        assert [r["metric"] for r in as_csv] == [r["metric"] for r in as_json]
        assert len(memeval("show", "-t", cwd=ran).stdout.splitlines()) == len(as_json) + 2

    def test_a_row_says_all_that_qualifies_its_number(self, ran: Path) -> None:
        wanted = {"n", "clusters", "low", "high", "unscored", "invalid", "tokens_inject", "counter", "recall_ms_p50"}
        assert wanted <= set(json.loads(memeval("show", "--json", cwd=ran).stdout)[0])

    def test_one_question_is_shown_with_every_arm_s_words(self, ran: Path) -> None:
        done = memeval("show", "--probe", "published/hedge", cwd=ran)
        assert "We could refresh the TTL on each access." in done.stdout
        assert done.stdout.count("asked") == 3

    def test_scores_computed_again_are_as_logged(self, ran: Path) -> None:
        done = memeval("score", "--json", cwd=ran)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == json.loads(memeval("show", "--json", cwd=ran).stdout)

    def test_a_log_whose_scores_were_changed_is_found_out(self, ran: Path, tmp_path: Path) -> None:
        text = Path(log_of(ran)).read_text().replace('"fidelity/kept":1.0', '"fidelity/kept":0.5')
        (tmp_path / "changed.jsonl").write_text(text)
        assert memeval("score", "changed.jsonl", cwd=tmp_path).returncode == 3

    def test_scores_of_changed_scorers_are_written_to_a_log_of_their_own(self, ran: Path, tmp_path: Path) -> None:
        path = Path(log_of(ran))
        old = tmp_path / "old.jsonl"
        old.write_text(path.read_text().replace('"fidelity/kept":1.0', '"fidelity/kept":0.0'))
        done = memeval("score", str(old), "-o", "new.jsonl", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        new, first = log.read(tmp_path / "new.jsonl"), log.read(path)
        assert new.samples == first.samples
        assert new.footer == first.footer
        assert log.identity(new.header).items() >= log.identity(first.header).items()
        refused = memeval("score", str(old), "-o", str(path), cwd=tmp_path)
        assert refused.returncode == 1
        assert "never written over" in refused.stderr

    def test_two_arms_are_compared_in_a_sentence(self, ran: Path) -> None:
        done = memeval("compare", "bm25", "recency", "--metric", "retrieval/mrr", cwd=ran)
        assert done.returncode == 0, done.stderr
        assert "one conversation does not tell" in done.stdout

    def test_the_tables_are_markdown_when_asked(self, ran: Path) -> None:
        assert "| `bm25` |" in memeval("report", "--markdown", cwd=ran).stdout

    def test_the_doctor_says_what_is_here_and_where_to_get_the_rest(self, ran: Path) -> None:
        done = memeval("doctor", cwd=ran)
        assert done.returncode == 0
        assert "-- " in done.stdout
        assert "locomo" in done.stdout


class TestColour:
    def test_nothing_is_coloured_in_a_pipe_or_where_it_is_unwanted(self, ran: Path) -> None:
        assert "\x1b[" not in memeval("show", cwd=ran).stdout
        forced = memeval("show", cwd=ran, NO_COLOR="1", FORCE_COLOR="1").stdout
        assert not re.search(r"\x1b\[[0-9;]*(3|4|9|10)[0-7]m", forced)


class TestComparing:
    def test_the_run_may_be_named_before_the_arms_or_with_each(self, ran: Path) -> None:
        path = log_of(ran)
        one = memeval("compare", path, "bm25", "recency", "--json", cwd=ran)
        other = memeval("compare", f"{path}:bm25", f"{path}:recency", "--json", cwd=ran)
        assert one.returncode == 0, one.stderr
        assert json.loads(one.stdout) == json.loads(other.stdout)

    def test_one_arm_is_no_comparison(self, ran: Path) -> None:
        assert memeval("compare", "bm25", cwd=ran).returncode == 2

    def test_an_arm_that_is_not_there_is_named(self, ran: Path) -> None:
        done = memeval("compare", "bm25", "nothing", cwd=ran)
        assert done.returncode == 1
        assert "it has bm25, recency, markdown_curated" in done.stderr


class TestReproducing:
    ENTRY = """\
- command: run url_shortener --arm bm25 --workers 1
  short: true
  expect:
    - {task: url_shortener, arm: bm25, metric: fidelity/kept, value: VALUE, tolerance: 0.01}
- command: run beam --arm bm25
  data: full
  expect:
    - {task: beam, arm: bm25, metric: retrieval/recall_any@10, value: 1, tolerance: 0.01}
"""

    def test_a_figure_that_holds_passes_and_one_that_does_not_exits_with_3(self, tmp_path: Path) -> None:
        for value, code in (("1.0", 0), ("0.5", 3)):
            (tmp_path / "figures.yaml").write_text(self.ENTRY.replace("VALUE", value))
            done = memeval("reproduce", "figures.yaml", "--json", cwd=tmp_path)
            assert done.returncode == code, done.stderr
            (row,) = json.loads(done.stdout)
            assert row["measured"] == 1.0
            assert "needs --data" in done.stderr

    def test_an_update_writes_what_was_measured_and_keeps_the_rest(self, tmp_path: Path) -> None:
        file = tmp_path / "figures.yaml"
        file.write_text(self.ENTRY.replace("VALUE", "0.5"))
        assert memeval("reproduce", "figures.yaml", "--update", cwd=tmp_path).returncode == 0
        first, second = reproduction.read(file)
        assert first.figures[0].value == 1.0
        assert second == reproduction.Entry(
            "run beam --arm bm25",
            (reproduction.Figure("beam", "bm25", "retrieval/recall_any@10", 1.0, 0.01),),
            full=True,
        )

    @pytest.mark.parametrize(
        "text", ["", "- 1", "a: b", "- {command: rm -rf x, expect: []}", "\\xff: [", "- command: [run]"]
    )
    def test_a_file_that_is_none_is_refused_in_one_line(self, text: str, tmp_path: Path) -> None:
        (tmp_path / "bad.yaml").write_text(text)
        done = memeval("reproduce", "bad.yaml", cwd=tmp_path)
        assert done.returncode == 1
        assert "is not a reproduction file" in done.stderr
        assert TRACEBACK not in done.stderr

    def test_the_file_that_ships_names_only_what_there_is(self) -> None:
        for entry in reproduction.read():
            for figure in entry.figures:
                assert figure.task in TASKS
                assert figure.arm in ARMS
                assert f" {figure.task}" in entry.command
                assert entry.table or figure.arm in entry.command

    def test_a_column_takes_every_memory_of_a_log_and_is_held_to_it_without_running(self, ran: Path) -> None:
        (ran / "column.yaml").write_text("""\
- command: run url_shortener --suite results
  table: Costs
  metric: tokens/injected
  expect: []
""")
        (log,) = ran.glob("runs/*.jsonl")
        against = ("--against", str(log))
        assert memeval("reproduce", "column.yaml", "--update", *against, cwd=ran).returncode == 0
        (entry,) = reproduction.read(ran / "column.yaml")
        assert [f.arm for f in entry.figures] == ["bm25", "recency", "markdown_curated"]
        assert memeval("reproduce", "column.yaml", *against, cwd=ran).returncode == 0
        wrong = (ran / "column.yaml").read_text().replace("markdown_curated, metric: tokens/injected, value: 2", "X")
        (ran / "column.yaml").write_text(wrong.replace("X", "markdown_curated, metric: tokens/injected, value: 3"))
        assert memeval("reproduce", "column.yaml", *against, cwd=ran).returncode == 3


class TestCalibrating:
    def test_the_instruments_are_measured_on_labelled_sentences(self, ran: Path) -> None:
        done = memeval("calibrate", "--json", cwd=ran)
        assert done.returncode == 0, done.stderr
        measured = {(r["instrument"], r["measure"]): r for r in json.loads(done.stdout)}
        for design in stats.DESIGNS:
            clustered = measured[design.name, "95 % intervals that hold"]["value"]
            assert 0.93 <= clustered <= 0.97
            assert measured[design.name, "naive ones that hold"]["value"] < 0.9
        reader = measured["reader of bare strings", "κ"]
        assert reader["n"] == 200
        assert 0.4 < reader["value"] < 1
        assert measured["counter chars/4", "total against chars/4"]["value"] == 1.0
