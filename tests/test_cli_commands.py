"""The command line as a person meets it: what it shows, and what becomes of what is said to it."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from memstore import MemoryStore
from memstore.cli import main


class Cli:
    """`memstore …` in this process, in a folder of its own."""

    def __init__(self, capfd, monkeypatch) -> None:
        self._capfd, self._monkeypatch = capfd, monkeypatch
        self.err = ""

    def __call__(self, *arguments: str, stdin: bytes = b"", code: int = 0) -> str:
        self._monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        got = main(arguments)
        out, self.err = self._capfd.readouterr()
        assert got == code, self.err
        return out

    def json(self, *arguments: str):
        return json.loads(self(*arguments, "--json"))


@pytest.fixture
def cli(capfd, monkeypatch, tmp_path) -> Cli:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MEMSTORE_DB", raising=False)
    monkeypatch.delenv("MEMSTORE_SCOPE", raising=False)
    run = Cli(capfd, monkeypatch)
    run("init")
    return run


def add(cli: Cli, text: str, modality: str, *options: str) -> str:
    """The id of a fact just added."""
    return cli.json("add", text, "--modality", modality, *options)["id"]


def run_process(
    *arguments: str, stdin: bytes = b"", cwd: Path, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    env = {**os.environ, **environment}
    env.pop("MEMSTORE_DB", None)
    command = [sys.executable, "-m", "memstore.cli", *arguments]
    return subprocess.run(command, input=stdin, cwd=cwd, env=env, capture_output=True, timeout=60, check=False)


class TestADecisionAndAnOptionDifferAtAGlance:
    def test_sign_and_word_open_each_line_and_date_source_confidence_follow(self, cli):
        add(cli, "We use Redis for the TTL.", "decision")
        add(cli, "We could refresh the TTL.", "option")
        shown = cli("recall", "ttl")
        assert re.search(r"^■ decision +We use Redis for the TTL\.$", shown, re.MULTILINE)
        assert re.search(r"^◇ option +We could refresh the TTL\.$", shown, re.MULTILINE)
        assert (
            len(re.findall(r"^ +\d{4}-\d\d-\d\d · user, \S+ · confidence \d\.\d\d · f_\w+$", shown, re.MULTILINE)) == 2
        )

    def test_each_modality_has_its_own_sign_and_word(self, cli):
        words = ("decision", "option_considered", "hypothesis", "question", "observation")
        for number, modality in enumerate(words):
            add(cli, f"The cache, number {number}.", modality)
        heads = re.findall(r"^(\S) (\w+) +The cache", cli("recall", "cache", "-k", "9"), re.MULTILINE)
        assert len(heads) == len({sign for sign, _ in heads}) == len({word for _, word in heads}) == 5

    def test_what_was_replaced_is_said_and_the_old_wording_finds_the_new(self, cli):
        add(cli, "Short codes are base58.", "decision", "--key", "codes")
        add(cli, "Short codes are base62.", "decision", "--key", "codes")
        shown = cli("recall", "base58")
        assert "base62" in shown.splitlines()[0]
        assert "replaces: Short codes are base58." in shown

    def test_what_is_not_current_says_so_before_its_words(self, cli):
        fact = add(cli, "The cache is down.", "observation")
        cli("retract", fact, "--reason", "it was the proxy")
        assert cli("recall", "cache") == ""
        assert "Nothing is remembered" in cli.err
        assert "[RETRACTED] The cache is down." in cli("recall", "cache", "--history")

    def test_what_a_document_said_is_a_quotation_with_its_source(self, cli):
        add(cli, "All callers must use v2.", "decision", "--origin", "document")
        assert re.search(r"“All callers must use v2.”\n.*according to ", cli("recall", "callers"))

    def test_signs_have_a_plain_form_and_words_are_escaped_where_the_terminal_lacks_them(self, cli, tmp_path):
        add(cli, "Rédis → links", "decision")
        shown = run_process("recall", "rédis", cwd=tmp_path, PYTHONIOENCODING="latin-1")
        assert shown.stdout.splitlines()[0] == b"# decision    R\xe9dis \\u2192 links"

    def test_colour_is_for_terminals_and_never_against_no_color(self, cli, tmp_path):
        add(cli, "We use Redis.", "decision")
        assert "\x1b" not in cli("recall", "redis")
        for no_color, colored in (("", True), ("1", False)):
            ours, theirs = pty.openpty()
            env = {**os.environ, "NO_COLOR": no_color, "TERM": "xterm"}
            command = [sys.executable, "-m", "memstore.cli", "recall", "redis"]
            subprocess.run(command, cwd=tmp_path, env=env, stdout=theirs, timeout=60, check=True)
            os.close(theirs)
            assert (b"\x1b[" in os.read(ours, 65536)) is colored
            os.close(ours)

    def test_recalled_text_cannot_drive_the_terminal(self, cli):
        add(cli, "Redis \x1b[2J\x1b]0;owned\x07 and \u202egnp.exe\u009b31m", "decision")
        for form in ((), ("--json",), ("--nl",), ("-t",)):
            shown = cli("recall", "redis", *form)
            assert not set(shown) & set("\x1b\x07\u202e\u009b")


class TestFormats:
    def test_json_nl_csv_and_table_say_the_same(self, cli):
        add(cli, 'We use "Redis", twice.', "decision")
        add(cli, "We could use redis\nfor queues.", "option")
        listed = cli.json("recall", "redis")
        assert [json.loads(line) for line in cli("recall", "redis", "--nl").splitlines()] == listed
        rows = list(csv.DictReader(io.StringIO(cli("recall", "redis", "--csv"))))
        assert [row["text"] for row in rows] == [one["text"] for one in listed]
        assert [row["modality"] for row in rows] == [one["modality"] for one in listed]
        table = cli("recall", "redis", "-t").splitlines()
        assert len(table) == 2 + len(listed)

    def test_json_of_a_recollection_has_its_modality_status_confidence_and_quote(self, cli):
        add(cli, "We could refresh the TTL.", "option")
        (found,) = cli.json("recall", "ttl")
        assert (found["modality"], found["status"]) == ("option_considered", "live")
        assert 0 <= found["confidence"] <= 1
        assert found["provenance"][0]["quote"] == "We could refresh the TTL."

    def test_nothing_found_is_an_empty_list_and_the_remark_goes_to_stderr(self, cli):
        assert cli.json("recall", "redis") == []
        assert cli.err

    def test_a_reader_that_stops_early_is_no_error(self, cli, tmp_path):
        with MemoryStore(tmp_path / ".memstore/memory.db") as store:
            for number in range(3):
                store.remember(f"Redis {number} " + "x" * 100_000, modality="decision")
        env = {k: v for k, v in os.environ.items() if k != "MEMSTORE_DB"}
        command = f"{sys.executable} -m memstore.cli recall redis --json | head -c 10"
        done = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=tmp_path, env=env, capture_output=True)
        assert done.stderr == b""


class TestAskingWhy:
    def test_the_quote_is_marked_in_its_turn_with_chain_and_confidence(self, cli, tmp_path):
        with MemoryStore(tmp_path / ".memstore/memory.db") as store:
            turn = store.record("Hello. We use Redis. Bye.", role="user", session="s1", ref="t3")
            old = store.remember("We use Redis.", modality="decision", source=turn)
            new = store.remember("We use PostgreSQL.", modality="decision")
            store.supersede(old, new, reason="the links must be relational")
        shown = cli("why", old.id)
        assert "[SUPERSEDED] We use Redis." in shown
        assert "Hello. »We use Redis.« Bye." in shown
        assert "user, s1#t3" in shown
        assert f"superseded by {new.id}: the links must be relational" in shown
        assert re.search(r"confidence +\d\.\d\d", shown)

    def test_a_quote_in_a_long_turn_is_shown_with_its_surroundings_only(self, cli, tmp_path):
        with MemoryStore(tmp_path / ".memstore/memory.db") as store:
            turn = store.record("before " * 5000 + "We use Redis." + " after" * 5000, role="user", session="s1")
            fact = store.remember("We use Redis.", modality="decision", source=turn)
        shown = cli("why", fact.id)
        assert "… " in shown
        assert "before »We use Redis.« after" in shown
        assert len(shown) < 3000

    def test_history_tells_the_chain_oldest_first(self, cli):
        add(cli, "Codes are base58.", "decision", "--key", "codes")
        add(cli, "Codes are base62.", "decision", "--key", "codes")
        assert [one["text"] for one in cli.json("history", "codes")] == ["Codes are base58.", "Codes are base62."]
        assert [one["status"] for one in cli.json("history", "codes")] == ["superseded", "live"]

    def test_a_fact_is_found_by_id_or_key(self, cli):
        fact = add(cli, "Codes are base62.", "decision", "--key", "codes")
        assert cli.json("show", fact) == cli.json("show", "codes")


class TestSaying:
    def test_text_is_read_from_standard_input_for_a_dash(self, cli):
        assert cli.json("add", "We use Redis.", "--modality", "decision")["text"] == "We use Redis."
        cli("record", "-", "--session", "s1", "--ref", "t1", stdin="Zwölf Boxkämpfer.\n".encode())
        assert cli.json("stats")["events"] == 2

    def test_without_a_modality_the_words_are_tagged_and_a_hedge_stays_a_hedge(self, cli):
        assert cli.json("add", "We could refresh the TTL on each access.")["modality"] != "decision"

    def test_without_a_modality_the_fact_is_as_sure_as_the_tagger_was_and_says_of_which_words(self, cli):
        fact = cli.json("add", "We could refresh the TTL on each access.")
        (tag,) = cli.json("tag", "We could refresh the TTL on each access.")
        assert fact["modality"] == tag["modality"]
        assert fact["probability"] == pytest.approx(tag["probability"], abs=0.001)
        assert 0.5 < fact["probability"] < 1
        assert "could" in fact["context"]["cues"]
        assert re.search(r"modality +option considered, \d\d% sure, for: .*could", cli("why", fact["id"]))
        assert cli.json("add", "We use Redis.", "--modality", "decision")["probability"] == 1

    def test_recording_then_capturing_makes_facts_and_again_makes_none(self, cli):
        cli("record", "We decided to use Redis. We could refresh the TTL.", "--session", "s1")
        assert cli.json("capture")["facts"] == 2
        assert cli.json("capture")["facts"] == 0
        assert "option" in cli("recall", "refresh ttl")

    def test_a_transcript_is_taken_in_once_and_a_broken_line_costs_only_itself(self, cli, tmp_path):
        lines = [{"role": "user", "text": "We decided to use Redis."}, {"role": "user", "text": "Maybe we need Kafka?"}]
        text = "\n".join(["not json", *map(json.dumps, lines)]) + "\n"
        (tmp_path / "chat.jsonl").write_text(text)
        cli("capture", "chat.jsonl")
        assert re.fullmatch(r"Warning: chat.jsonl, line 1: .+\n", cli.err)
        assert cli.json("capture", "chat.jsonl")["events"] == 0
        held = {one["text"]: one["modality"] for one in cli.json("recall", "redis kafka")}
        assert set(held) == {line["text"] for line in lines}
        assert held["Maybe we need Kafka?"] != "decision"

    def test_of_several_files_one_that_cannot_be_read_costs_only_itself(self, cli, tmp_path):
        (tmp_path / "a.md").write_text("We use Redis.")
        (tmp_path / "b.md").write_text("We keep logs for a week.")
        (tmp_path / "c.db").write_bytes(b"SQLite format 3\0and no more")
        done = cli.json("capture", "a.md", "none.md", "c.db", "b.md")
        assert done["facts"] == 2
        assert [problem.split(":")[0] for problem in done["problems"]] == ["none.md", "c.db"]

    def test_a_refused_change_says_so_exits_1_and_changes_nothing(self, cli):
        old = add(cli, "We use Redis.", "decision")
        cli("supersede", old, "Maybe PostgreSQL?", "--modality", "question", code=1)
        assert "Refused: a question may not supersede a decision" in cli.err
        assert cli.json("show", old)["status"] == "live"

    def test_superseding_and_confirming_by_key(self, cli):
        add(cli, "Codes are base58.", "decision", "--key", "codes")
        cli("confirm", "codes")
        cli("supersede", "codes", "Codes are base62.", "--modality", "decision", "--reason", "shorter")
        assert "Codes are base62." in cli("recall", "base58")

    def test_tagging_reads_lines_and_stores_nothing(self, cli):
        lines = cli("tag", stdin=b"We could use Redis.\n\nShould we?\n").splitlines()
        assert [json.loads(line)["text"] for line in lines] == ["We could use Redis.", "Should we?"]
        assert cli.json("stats")["facts"] == 0

    def test_a_lifetime_and_a_moment_are_understood(self, cli):
        add(cli, "The build passes.", "observation", "--ttl", "12h", "--at", "2026-03-01T12:00:00Z")
        (then,) = cli.json("recall", "build", "--now", "2026-03-01T13:00:00Z")
        (later,) = cli.json("recall", "build", "--now", "2026-03-03")
        assert (then["status"], later["status"]) == ("live", "expired")
        assert cli.json("recall", "build", "--now", "2026-03-03", "--current") == []


class TestItReadsAsAPersonWouldWriteIt:
    def test_the_line_end_of_a_pipe_is_no_part_of_the_words(self, cli):
        cli("add", "-", stdin=b"We use Redis.\n")
        assert json.loads(cli("recall", "redis", "--nl"))["text"] == "We use Redis."

    def test_a_fact_can_take_the_place_of_another_by_its_id(self, cli):
        old, new = add(cli, "We use Redis.", "decision"), add(cli, "We use PostgreSQL.", "decision")
        assert cli("supersede", old, new) == f"superseded {old} by {new}\n"
        cli("supersede", old, "f_000000000000000000", code=2)
        assert "no fact has the id" in cli.err
        cli("supersede", new, new, code=2)
        assert cli("stats", "--json").count("We use") == 0

    def test_a_refusal_says_what_to_run_if_it_was_meant(self, cli):
        old = add(cli, "We use Redis.", "decision")
        cli("supersede", old, "Perhaps we could use Kafka instead.", code=1)
        assert f"memstore supersede {old} TEXT --modality decision" in cli.err

    def test_a_table_is_for_the_eye_and_json_keeps_everything(self, cli):
        add(cli, "We use Redis.", "decision")
        row = cli("recall", "redis", "-t").splitlines()[-1]
        assert re.search(r" \d\.\d\d  +\d{4}-\d\d-\d\d \d\d:\d\d  +We use Redis\.$", row)
        assert "+00:00" in json.loads(cli("recall", "redis", "--nl"))["said_at"]

    def test_one_thing_is_not_counted_as_many(self, cli, tmp_path):
        (tmp_path / "a.md").write_text("We use Redis.")
        assert cli("capture", str(tmp_path / "a.md")).startswith("1 turn read, 1 fact new")


class TestLookingAfter:
    def test_the_nearest_store_above_is_found(self, cli, tmp_path, monkeypatch):
        add(cli, "We use Redis.", "decision")
        (tmp_path / "a/b").mkdir(parents=True)
        monkeypatch.chdir(tmp_path / "a/b")
        assert cli("path").strip() == str(tmp_path.resolve() / ".memstore/memory.db")
        assert "Redis" in cli("recall", "redis")

    def test_the_option_wins_over_the_environment_which_wins_over_the_folder(self, cli, tmp_path, monkeypatch):
        monkeypatch.setenv("MEMSTORE_DB", str(tmp_path / "named.db"))
        assert cli("path").strip() == str(tmp_path / "named.db")
        assert cli("--db", "other.db", "path").strip() == "other.db"

    def test_init_is_safe_to_repeat_and_keeps_memory_out_of_version_control(self, cli, tmp_path):
        fact = add(cli, "We use Redis.", "decision")
        cli("init")
        assert cli.json("show", fact)["fact"]["text"] == "We use Redis."
        assert (tmp_path / ".memstore/.gitignore").read_text() == "*\n"

    def test_scopes_are_walls(self, cli):
        cli("--scope", "acme/shop", "add", "We use Redis.", "--modality", "decision")
        assert cli.json("recall", "redis") == []
        assert len(cli.json("--scope", "acme/shop", "recall", "redis")) == 1

    def test_backup_and_restore_bring_the_memory_back(self, cli, tmp_path):
        fact = add(cli, "We use Redis.", "decision")
        cli("backup", "copy.db")
        cli("retract", fact)
        cli("restore", "copy.db", code=2)
        cli("restore", "copy.db", "--force")
        assert cli.json("show", fact)["status"] == "live"
        assert (tmp_path / ".memstore/memory.db.before-restore").exists()
        cli("verify")

    def test_a_backup_that_is_not_sound_is_not_restored(self, cli, tmp_path):
        add(cli, "We use Redis.", "decision")
        (tmp_path / "copy.db").write_bytes(b"no store")
        before = (tmp_path / ".memstore/memory.db").read_bytes()
        cli("restore", "copy.db", "--force", code=1)
        assert (tmp_path / ".memstore/memory.db").read_bytes() == before

    def test_an_export_taken_in_elsewhere_holds_the_same_facts_with_their_modality(self, cli, tmp_path):
        fact = add(cli, "We could use Rédis.", "option")
        lines = cli("export")
        assert all(json.loads(line) for line in lines.splitlines())
        cli("--db", "other.db", "import", "-", stdin=lines.encode())
        (found,) = cli.json("--db", "other.db", "recall", "rédis")
        assert (found["fact_id"], found["modality"]) == (fact, "option_considered")
        cli("export", "out.jsonl")
        assert (tmp_path / "out.jsonl").read_text().splitlines()[1:] == lines.splitlines()[1:]  # the first dates it

    def test_forgetting_asks_first_and_erases(self, cli, tmp_path):
        fact = add(cli, "The password is swordfish-77.", "observation")
        cli("forget", fact, stdin=b"n\n", code=1)
        assert "observed    The password is" in cli.err  # who is asked is shown what goes
        assert cli.err.endswith("Error: nothing was erased\n")
        assert cli.json("show", fact)["status"] == "live"
        assert "forgot 1 fact," in cli("forget", fact, "--yes")
        held = b"".join(p.read_bytes() for p in (tmp_path / ".memstore").iterdir())
        assert b"swordfish" not in held

    def test_verify_exits_1_when_the_store_was_tampered_with(self, cli, tmp_path):
        add(cli, "We use Redis.", "decision")
        cli("verify")
        with MemoryStore(tmp_path / ".memstore/memory.db") as store:
            store.ledger.db.execute("UPDATE facts SET text = 'We use MySQL.'")
            store.ledger.db.conn.commit()
        assert cli("verify", code=1)

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_completion_scripts_are_printed(self, cli, shell):
        assert "_MEMSTORE_COMPLETE" in cli("completion", shell)

    def test_help_lists_every_command_and_each_has_help(self, cli):
        from memstore.cli.app import HOME

        listed = cli("--help")
        for command in HOME:
            assert re.search(rf"^  {command} ", listed, re.MULTILINE)
            assert "Usage: memstore" in cli(command, "--help")


class TestKeepingItTrue:
    def test_a_changed_file_makes_its_fact_suspect_and_it_waits_for_review(self, cli, tmp_path):
        (tmp_path / "store.py").write_text("TTL = 30\n")
        fact = add(cli, "The TTL is 30 days.", "observation")
        with MemoryStore(tmp_path / ".memstore/memory.db", root=tmp_path) as store:
            store.tie(fact, "store.py")
        cli("check")
        (tmp_path / "store.py").write_text("TTL = 60\n")
        assert f"in doubt: {fact}" in cli("check", code=1)
        assert re.search(r"^SUSPECT\n· observed +The TTL is 30 days\.", cli("review"))
        cli("confirm", fact)
        assert cli.json("review") == []

    def test_diff_tells_what_came_and_what_went(self, cli, tmp_path):
        add(cli, "Codes are base58.", "decision", "--key", "codes")
        with MemoryStore(tmp_path / ".memstore/memory.db") as store:
            then = store.get("codes").recorded_at.isoformat()
        assert cli.json("diff", then) == []
        add(cli, "Codes are base62.", "decision", "--key", "codes")
        assert {(row["change"], row["text"]) for row in cli.json("diff", then)} == {
            ("-", "Codes are base58."),
            ("+", "Codes are base62."),
        }


class TestMarkdownFiles:
    def test_an_edit_in_the_files_is_a_documents_word_until_it_is_said_to_be_yours(self, cli, tmp_path):
        add(cli, "We use Redis.", "decision")
        assert cli("sync").startswith(f"1 facts in {tmp_path}/.memstore/markdown, 2 files written")
        (topic,) = set((tmp_path / ".memstore/markdown").glob("*.md")) - {tmp_path / ".memstore/markdown/MEMORY.md"}
        topic.write_text(topic.read_text().replace("Redis", "Valkey"))
        assert "2 facts in" in cli("sync")
        assert "Refused: document has less authority than user" in cli.err
        assert "memstore sync --mine" in cli.err
        topic.write_text(topic.read_text().replace("We use Redis.", "We use Postgres."))
        cli("sync", "--mine")
        found = {one["text"]: one["binding"] for one in cli.json("recall", "what do we use")}
        assert found == {"We use Postgres.": True, "We use Valkey.": False}

    def test_forgetting_says_which_files_it_reached(self, cli, tmp_path):
        id_ = add(cli, "Wilhelmina owns it.", "observation")
        cli("sync", "notes")
        told = cli("forget", id_, "--yes")
        assert f"taken out of {tmp_path}/notes/MEMORY.md" in told
        assert not any("ilhelmina" in path.read_text() for path in (tmp_path / "notes").iterdir())

    def test_a_terminal_asks_whose_edits_they_are(self, cli, tmp_path):
        id_ = add(cli, "We use Redis.", "decision")
        cli("sync", "notes")
        (topic,) = set((tmp_path / "notes").glob("*.md")) - {tmp_path / "notes/MEMORY.md"}
        topic.write_text(topic.read_text().replace("Redis", "Valkey"))
        ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "memstore.cli", "sync", "notes"]
        process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=tmp_path)
        os.write(ours, b"y\n")
        assert process.wait(60) == 0
        asked = os.read(ours, 10_000).decode()
        assert "+ [decision] We use Valkey." in asked
        assert "Was all of that you?" in asked
        assert cli.json("show", id_)["status"] == "superseded"

    def test_a_file_in_the_place_of_the_folder_is_one_line(self, cli, tmp_path):
        (tmp_path / "notes").write_text("")
        cli("sync", "notes", code=2)
        assert "is not a directory" in cli.err


class TestStartingFast:
    def test_recall_loads_nothing_heavy(self, cli, tmp_path):
        code = (
            "import sys; from memstore.cli import main; main(['recall', 'redis']);"
            "heavy = {'numpy', 'sqlite_utils', 'pandas', 'anthropic', 'chromadb', 'onnxruntime', 'mcp', 'rich'};"
            "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
        )
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert done.stderr.splitlines()[-1] == "[]"
