"""Keeping memory true from the command line: check, verify --since, review, consolidate."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from memstore import MemoryStore
from tests.test_cli_commands import Cli, add


@pytest.fixture
def cli(capfd, monkeypatch, tmp_path: Path) -> Cli:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MEMSTORE_DB", raising=False)
    monkeypatch.delenv("MEMSTORE_SCOPE", raising=False)
    (tmp_path / "login.py").write_text("def parse_header(v):\n    return v[7:]\n")
    run = Cli(capfd, monkeypatch)
    run("init")
    return run


def change(tmp_path: Path) -> None:
    (tmp_path / "login.py").write_text("def parse_header(v):\n    return v[8:]\n")


def test_check_says_what_became_suspect_and_exits_1_then_0(cli, tmp_path) -> None:
    fact = add(cli, "parse_header() cuts seven characters", "observation")
    cli("check")
    change(tmp_path)
    assert fact in cli("check", "login.py", code=1)
    cli("check")
    assert "SUSPECT" in cli("recall", "parse_header")


def test_a_fact_is_tied_to_what_one_names_and_why_shows_it(cli, tmp_path) -> None:
    premise = add(cli, "headers come with a prefix", "observation")
    options = ["--anchor", "login.py:1-2", "--anchor", "login.py#parse_header", "--depends-on", premise]
    fact = add(cli, "seven characters are cut", "observation", *options)
    assert "login.py:1-2" in cli("why", fact)
    assert "login.py#parse_header" in cli("why", fact)
    assert [tie["symbol"] for tie in cli.json("why", fact)["anchors"]] == [None, "parse_header"]
    change(tmp_path)
    assert fact in cli("check", code=1)
    assert "login.py:1-2, which is not as it was" in cli("why", fact)
    cli("retract", premise)
    assert cli("review").count("SUSPECT") == 1


@pytest.mark.parametrize("target", ["../x.py", "nowhere.py", "login.py#nothing", "login.py:5-2", "", "login.py:9"])
def test_an_anchor_that_is_not_there_is_refused_in_one_line(cli, target) -> None:
    cli("add", "we cut it", "--modality", "decision", "--anchor", target, code=2)
    assert cli.err.startswith("Error: ")
    assert cli.err.count("\n") == 1
    assert cli.json("review") == []


def test_check_takes_paths_as_the_shell_means_them(cli, tmp_path, monkeypatch) -> None:
    fact = add(cli, "parse_header() cuts seven characters", "observation")
    (tmp_path / "src").mkdir()
    monkeypatch.chdir(tmp_path / "src")
    assert "0 ties" in cli("check", "login.py")
    change(tmp_path)
    assert fact in cli("check", "../login.py", code=1)
    cli("check", "../../elsewhere.py", code=2)
    assert "outside the root" in cli.err


def test_a_fact_is_settled_one_way(cli) -> None:
    fact = add(cli, "we use Kafka", "decision")
    cli("review", "--confirm", fact, "--retract", fact, code=2)
    assert "more than once" in cli.err
    cli("review", "--confirm", fact, "--reason", " ", code=2)
    assert "reason is empty" in cli.err
    assert cli.json("show", fact)["status"] == "live"


@pytest.mark.parametrize("seconds", ["-1", "nan", "soon"])
def test_consolidate_stops_after_a_number_of_seconds(cli, seconds) -> None:
    cli("consolidate", "--seconds", seconds, code=2)


@pytest.mark.parametrize("command", ["check", "verify"])
def test_without_grammars_a_look_says_what_to_run(cli, monkeypatch, command) -> None:
    cli(command)
    assert "pip install" not in cli.err
    monkeypatch.setitem(sys.modules, "tree_sitter_python", None)
    cli(command)
    assert "pip install 'memstore[anchors]'" in cli.err


def test_verify_since_a_commit_checks_what_was_committed_since(cli, tmp_path) -> None:
    (tmp_path / ".gitignore").write_text(".memstore/\n")
    for step in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "one"]):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *identity, *step], cwd=tmp_path, check=True)
    fact = add(cli, "parse_header() cuts seven characters", "observation")
    change(tmp_path)
    subprocess.run(["git", "add", "-A"], cwd=tmp_path, check=True)
    assert fact in cli("verify", "--since", "HEAD", code=1)
    cli("verify", "--since", "no-such-commit", code=2)
    assert "no commit" in cli.err


def test_review_lists_by_harm_and_settles_in_bulk(cli) -> None:
    kept = add(cli, "we use Kafka", "decision", "--key", "queue")
    other = add(cli, "perhaps we use NATS", "hypothesis", "--key", "queue")
    shown = cli("review")
    assert "CONFLICT" in shown
    assert kept in shown
    assert other in shown
    cli("review", "--confirm", kept, "--retract", "f_unknown", code=2)
    assert cli.json("review") != []
    assert cli.json("review", "--confirm", kept, "--retract", other) == []


def test_review_replaces_a_fact_by_new_words_that_claim_as_much(cli, tmp_path) -> None:
    fact = add(cli, "parse_header() cuts seven characters", "observation")
    change(tmp_path)
    cli("check", code=1)
    assert "              +    return v[8:]" in cli("review").splitlines()
    assert cli.json("review", "--replace", fact, "parse_header() cuts eight characters") == []
    (found,) = cli.json("recall", "parse_header cuts")
    assert (found["text"], found["modality"]) == ("parse_header() cuts eight characters", "observation")
    cli("review", "--replace", "f_unknown", "x", code=2)


@pytest.mark.parametrize(
    ("answer", "live"),
    [("n", {"old", "new"}), ("o", {"old"}), ("c", {"old", "new"}), ("x", set()), ("s", {"old", "new"})],
)
def test_review_goes_through_what_waits_one_by_one(cli, tmp_path, answer, live) -> None:
    old = add(cli, "perhaps we use Kafka", "hypothesis", "--key", "queue")
    new = add(cli, "do we use NATS?", "question", "--key", "queue")
    left = json.loads(cli("review", "-i", "--json", stdin=f"{answer}\n".encode()))
    # A question replaces no guess, whoever asks for it: that is said, and the item stays.
    assert ("Refused" in cli.err, bool(left)) == (answer == "n", answer in "ns")
    with MemoryStore(tmp_path / ".memstore" / "memory.db") as store:
        assert {name for name, id_ in (("old", old), ("new", new)) if store.status(id_) == "live"} == live


def test_consolidate_can_be_tried_first(cli) -> None:
    add(cli, "We use Kafka.", "decision")
    add(cli, "we use kafka", "decision")
    assert "would be merged" in cli("consolidate", "--dry-run")
    assert len(cli.json("consolidate")["merged"]) == 1
    assert cli.json("consolidate")["merged"] == []


def test_watch_without_a_project_says_what_to_do(cli, tmp_path) -> None:
    cli("--db", str(tmp_path / "plain.db"), "init")
    cli("--db", str(tmp_path / "plain.db"), "watch", code=2)
    assert "root" in cli.err
