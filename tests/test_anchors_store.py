"""Facts tied to files: suspect when what they saw changes or goes, live again when it is back, and always said."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from memstore import AnchorTarget, MemoryStore, Status
from memstore.coherence import git as repository
from memstore.coherence import symbols
from memstore.errors import AnchorRefused, NotFound, UsageError
from memstore.ledger.connection import Ledger
from memstore.ledger.migrations import FIRST

SOURCE = """
    def parse_header(value):
        return value[7:]

    def other():
        return 1
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    write(folder, "src/auth/login.py", SOURCE)
    return folder


@pytest.fixture
def memory(tmp_path: Path, root: Path) -> MemoryStore:
    return MemoryStore(tmp_path / "m.db", root=root)


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(textwrap.dedent(text).lstrip())


def change(root: Path, old: str = "value[7:]", new: str = "value[8:]", path: str = "src/auth/login.py") -> None:
    text = (root / path).read_text()
    assert old in text
    (root / path).write_text(text.replace(old, new))


def git(root: Path, *command: str) -> None:
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(root), *who, *command], check=True)


def recorded(ask: Callable[..., str | None], asked: list[tuple[str, ...]]) -> Callable[..., str | None]:
    """The same asker, which also writes down what it was asked."""

    def telling(root: Path, *question: str, **limits: float) -> str | None:
        asked.append(question)
        return ask(root, *question, **limits)

    return telling


class TestTying:
    def test_a_fact_is_tied_to_what_its_words_name(self, memory) -> None:
        fact = memory.remember("parse_header() in src/auth/login.py cuts the prefix", modality="observation")
        (anchor,) = memory.anchors(fact)
        assert (anchor.path, anchor.symbol, anchor.doubtful) == ("src/auth/login.py", "parse_header", False)

    def test_capture_ties_what_a_turn_names(self, memory, root) -> None:
        memory.record("We decided that parse_header() strips the prefix.", role="user", session="s")
        memory.capture()
        (fact,) = [f for f in memory.facts() if "parse_header" in f.text]
        assert [a.symbol for a in memory.anchors(fact)] == ["parse_header"]
        change(root)
        assert memory.check_anchors().flagged == (fact.id,)

    def test_the_caller_may_name_the_anchors_or_none(self, memory) -> None:
        text = "parse_header() cuts seven characters"
        given = memory.remember(text, modality="observation", anchors=["src/auth/login.py:1-2"], key="a")
        none = memory.remember(text, modality="observation", anchors=[], key="b")
        assert [a.lines for a in memory.anchors(given)] == [(1, 2)]
        assert memory.anchors(none) == []
        more = memory.tie(none, "src/auth/login.py", AnchorTarget("src/auth/login.py", symbol="other"))
        assert [(a.path, a.symbol) for a in more] == [("src/auth/login.py", None), ("src/auth/login.py", "other")]

    def test_what_is_not_there_or_outside_is_refused_and_nothing_is_written(self, memory, tmp_path) -> None:
        (tmp_path / "secret.py").write_text("x = 1\n")
        for target, error in (
            ("no.py", NotFound),
            ("../secret.py", AnchorRefused),
            ("src/auth/login.py#no_such_function", NotFound),
            ("src/auth/login.py:90-99", NotFound),
        ):
            with pytest.raises(error):
                memory.remember("it is so", modality="observation", anchors=[target])
        assert memory.facts() == []

    @pytest.mark.parametrize(
        "anchors",
        ["src/auth/login.py", 5, [5], [None], [b"src"], ["src/auth/login.py#\udc80"], ["\udc80.py"], [("src",)]],
    )
    def test_what_is_no_list_of_targets_is_refused_in_one_line(self, memory, anchors) -> None:
        with pytest.raises((UsageError, AnchorRefused)) as refused:
            memory.remember("the parser is slow", modality="observation", anchors=anchors)
        assert "\n" not in str(refused.value)
        assert memory.facts() == []

    def test_a_file_whose_name_is_no_text_is_passed_over_and_captures_go_on(self, memory, root) -> None:
        (Path(os.fsdecode(os.fsencode(root) + b"/caf\xe9.py"))).write_text("def lonely_name():\n    return 1\n")
        memory.record("We decided that lonely_name() and parse_header() stay.", role="user", session="s")
        assert memory.capture().facts == 1
        assert [anchor.symbol for anchor in memory.anchors(memory.facts()[0])] == ["parse_header"]
        (root / "src/auth/login.py").rename(os.fsdecode(os.fsencode(root) + b"/log\xefn.py"))
        assert len(memory.check_anchors().flagged) == 1

    def test_without_a_root_nothing_is_tied(self, tmp_path) -> None:
        memory = MemoryStore(tmp_path / "m.db")
        assert memory.anchors(memory.remember("parse_header() is fine", modality="observation")) == []
        with pytest.raises(UsageError, match="root"):
            memory.remember("it is so", modality="observation", anchors=["a.py"])

    def test_a_store_of_the_first_schema_gains_anchors_and_keeps_its_facts(self, tmp_path, root, monkeypatch) -> None:
        from memstore.ledger import connection, migrations

        with monkeypatch.context() as old:
            old.setattr(connection, "SCHEMA_VERSION", 1)
            old.setattr(migrations, "ANCHORS", "")
            before = MemoryStore(tmp_path / "old.db")
            kept = before.remember("parse_header() is fine", modality="observation")
            before.close()
        ledger = Ledger(tmp_path / "old.db")
        ledger.connection.execute("DELETE FROM _sqlite_migrations WHERE name = '0002_anchors'")
        ledger.connection.execute("PRAGMA user_version = 1")
        ledger.close()
        assert "CREATE TABLE anchors" not in FIRST
        memory = MemoryStore(tmp_path / "old.db", root=root)
        assert memory.fact(kept).text == "parse_header() is fine"
        assert memory.tie(kept, "src/auth/login.py#parse_header")
        assert memory.verify() == []


class TestWithoutGrammars:
    @pytest.fixture(autouse=True)
    def no_grammars(self, monkeypatch):
        symbols._parser.cache_clear()
        monkeypatch.setitem(sys.modules, "tree_sitter", None)
        yield
        symbols._parser.cache_clear()

    @pytest.mark.parametrize("said", ["bare_call() is slow", "src/bare.py is slow", "src/bare.py:1-2 is slow"])
    def test_a_capture_says_that_a_fact_was_not_tied_and_what_to_run(self, memory, root, said) -> None:
        write(root, "src/bare.py", "def bare_call():\n    return 2\n")
        memory.record(said, role="user", session="s")
        (problem,) = memory.capture().problems
        assert "src/bare.py" in problem
        assert "pip install 'memstore[anchors]'" in problem
        assert memory.anchors(memory.facts()[0]) == []
        memory.record("Redis is slow.", role="user", session="s")
        assert memory.capture().problems == ()

    def test_remembering_warns_once_and_keeps_the_fact(self, memory, root, caplog) -> None:
        write(root, "src/bare.py", "def bare_call():\n    return 3\n")
        for number in range(3):
            memory.remember(f"bare_call() was slow {number} times", modality="observation")
        (warning,) = caplog.messages
        assert "pip install 'memstore[anchors]'" in warning
        assert len(memory.facts()) == 3

    def test_what_was_tied_before_is_not_doubted(self, memory, root, monkeypatch) -> None:
        monkeypatch.undo()
        fact = memory.remember("parse_header() strips it, said before", modality="observation")
        monkeypatch.setitem(sys.modules, "tree_sitter", None)
        symbols._parser.cache_clear()
        change(root, new="value[9:]  # nobody can read this now")
        report = memory.check_anchors()
        assert (report.flagged, memory.status(fact)) == ((), Status.LIVE)
        assert "pip install 'memstore[anchors]'" in report.unreadable[0]


class TestFiring:
    def test_a_change_makes_the_fact_suspect_with_reason_and_diff_everywhere(self, memory, root) -> None:
        fact = memory.remember("parse_header() cuts seven characters", modality="observation")
        change(root)
        (found,) = memory.recall("parse_header characters")
        assert found.status is Status.SUSPECT
        (doubt,) = found.why["doubts"]
        assert "parse_header in src/auth/login.py changed" in doubt
        assert "-    return value[7:]" in doubt
        assert "+    return value[8:]" in doubt
        assert found.why["anchors"] == {"parse_header in src/auth/login.py": "changed"}
        assert memory.status(fact) is Status.SUSPECT
        assert memory.explain(fact).why["doubts"] == (doubt,)
        assert "SUSPECT" in memory.context("parse_header", budget=300)
        assert memory.verify() == []

    @pytest.mark.parametrize("how", ["recall", "check", "event", "since", "watch"])
    def test_every_way_of_hearing_tells_the_same(self, memory, root, how) -> None:
        subprocess.run(["git", "init", "-q", root], check=True)
        commit(root)
        fact = memory.remember("parse_header() cuts seven characters", modality="observation")
        quiet = memory.remember("other() gives one", modality="observation")
        if how == "watch":
            stop = threading.Event()
            reports = memory.watch(stop=stop, settle_ms=50)
            late = threading.Timer(0.3, change, [root])
            late.start()
            try:
                assert next(r for r in reports if r.flagged).flagged == (fact.id,)
            finally:
                stop.set()
                late.join()
        else:
            change(root)
        if how == "recall":
            memory.recall("parse_header")
        elif how == "check":
            assert memory.check_anchors().flagged == (fact.id,)
        elif how == "event":
            assert memory.file_changed("src/nothing.py").checked == 0
            assert memory.file_changed(root / "src/auth/login.py").flagged == (fact.id,)
        elif how == "since":
            commit(root)
            assert memory.check_anchors(since="HEAD").checked == 0
            assert memory.check_anchors(since="HEAD~1").flagged == (fact.id,)
            with pytest.raises(UsageError, match="no commit"):
                memory.check_anchors(since="v9")
        assert memory.status(fact) is Status.SUSPECT
        assert memory.status(quiet) is Status.LIVE

    def test_it_is_doubted_once_however_often_one_looks(self, memory, root) -> None:
        fact = memory.remember("parse_header() cuts seven characters", modality="observation")
        change(root)
        for _ in range(3):
            memory.recall("parse_header")
            memory.check_anchors()
        assert [t.change for t in memory.history(fact).transitions] == ["flagged"]

    def test_what_is_gone_is_missing_and_what_is_restored_is_live_again(self, memory, root) -> None:
        fact = memory.remember("parse_header() cuts seven characters", modality="observation")
        before = (root / "src/auth/login.py").read_text()
        (root / "src/auth/login.py").unlink()
        (found,) = memory.recall("parse_header")
        assert found.status is Status.SUSPECT
        assert "src/auth/login.py is gone" in found.why["doubts"][0]
        write(root, "src/auth/login.py", before)
        (found,) = memory.recall("parse_header")
        assert found.status is Status.LIVE
        assert "doubts" not in found.why
        assert memory.status(fact) is Status.LIVE
        assert [t.change for t in memory.history(fact).transitions] == ["flagged", "revalidated"]

    def test_a_move_is_followed_without_doubt(self, memory, root) -> None:
        fact = memory.remember("parse_header() cuts seven characters", modality="observation")
        (root / "lib").mkdir()
        (root / "src/auth/login.py").rename(root / "lib/login.py")
        assert memory.check_anchors().moved == (fact.id,)
        assert memory.status(fact) is Status.LIVE
        assert [a.path for a in memory.anchors(fact)] == ["lib/login.py"]
        change(root, path="lib/login.py")
        assert memory.check_anchors().flagged == (fact.id,)

    def test_many_files_that_moved_are_followed_by_asking_git_once(self, memory, root, monkeypatch) -> None:
        paths = [f"src/part{number}.txt" for number in range(12)]
        for number, path in enumerate(paths):
            write(root, path, f"what part {number} is for, in words enough for git to know it by\n")
        for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "one"]):
            git(root, *command)
        facts = [memory.remember(f"{path} says what it is for", modality="observation") for path in paths]
        for number, path in enumerate(paths):
            git(root, "mv", path, f"chapter-{number}.txt")
        git(root, "commit", "-q", "-m", "two")
        asked: list[tuple[str, ...]] = []
        monkeypatch.setattr(repository, "_ask", recorded(repository._ask, asked))
        report = memory.check_anchors()
        assert (len(report.moved), report.flagged) == (12, ())
        assert {memory.anchors(fact)[0].path for fact in facts} == {f"chapter-{n}.txt" for n in range(12)}
        assert len(asked) == len(set(asked)) > 0

    @pytest.mark.parametrize("target", ["src/auth/login.py", "src/auth/login.py:1-2"])
    def test_a_file_that_is_renamed_and_renamed_back_before_a_commit_is_followed(self, memory, root, target) -> None:
        for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "one"]):
            git(root, *command)
        fact = memory.remember("it is as it is", modality="observation", anchors=[target])
        for old, new in (("login.py", "signin.py"), ("signin.py", "login.py")):
            git(root, "mv", f"src/auth/{old}", f"src/auth/{new}")
            assert memory.check_anchors().moved == (fact.id,)
            assert memory.anchors(fact)[0].path == f"src/auth/{new}"

    @pytest.mark.parametrize("target", ["src/auth/login.py", "src/auth/login.py:1-2", "src/auth/login.py#parse_header"])
    def test_what_moved_and_changed_is_believed_again_where_it_is_put_right(self, memory, root, target) -> None:
        write(root, "src/auth/login.py", SOURCE + "\n# long enough\n" * 9)
        for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "one"]):
            git(root, *command)
        fact = memory.remember("it is as it is", modality="observation", anchors=[target])
        git(root, "mv", "src/auth/login.py", "src/auth/signin.py")
        change(root, path="src/auth/signin.py")
        git(root, "commit", "-q", "-a", "-m", "two")
        assert memory.check_anchors().flagged == (fact.id,)
        assert "became src/auth/signin.py" in memory.explain(fact).why["doubts"][0]
        change(root, "value[8:]", "value[7:]", "src/auth/signin.py")
        assert memory.file_changed("src/auth/signin.py").restored == (fact.id,)
        assert memory.status(fact) is Status.LIVE

    @pytest.mark.parametrize(
        "given",
        [{"paths": "src/auth/login.py"}, {"paths": [5]}, {"since": 5}, {"since": "HEAD\0"}, {"since": "--output=x"}]
        + [{"seconds": seconds} for seconds in (-1, float("nan"), "5", True)],
    )
    def test_a_look_that_nobody_can_mean_is_refused(self, memory, given) -> None:
        memory.remember("parse_header() strips it", modality="observation")
        with pytest.raises(UsageError):
            memory.check_anchors(**given)

    def test_other_doubts_stay_when_the_file_is_back(self, memory, root) -> None:
        fact = memory.remember("parse_header() cuts seven characters", modality="observation")
        memory.flag(fact, reason="a colleague doubts it")
        change(root)
        memory.check_anchors()
        change(root, "value[8:]", "value[7:]")
        memory.check_anchors()
        assert memory.status(fact) is Status.SUSPECT
        assert memory.explain(fact).why["doubts"] == ("a colleague doubts it",)

    def test_doubt_of_a_premise_reaches_what_was_concluded_from_it_in_the_same_answer(self, memory, root) -> None:
        premise = memory.remember("parse_header() cuts seven characters", modality="observation")
        memory.remember("the gateway trims tokens", modality="observation", depends_on=premise)
        change(root)
        (found,) = memory.recall("gateway trims")
        assert found.status is Status.SUSPECT
        assert "rests on «parse_header() cuts seven characters»" in found.why["doubts"][0]

    def test_confirming_ties_the_fact_to_the_files_as_they_are_now(self, memory, root) -> None:
        fact = memory.remember("parse_header() cuts a prefix", modality="observation")
        change(root)
        memory.check_anchors()
        memory.confirm(fact)
        assert memory.check_anchors().flagged == ()
        assert memory.status(fact) is Status.LIVE
        change(root, "value[8:]", "value[9:]")
        assert memory.check_anchors().flagged == (fact.id,)
        (root / "src/auth/login.py").unlink()
        memory.confirm(fact, reason="it holds in the new service too")
        assert memory.anchors(fact) == []
        assert memory.status(fact) is Status.LIVE

    def test_a_reverted_alarm_is_raised_again_while_the_file_is_not_as_it_was(self, memory, root) -> None:
        fact = memory.remember("parse_header() cuts a prefix", modality="observation")
        change(root)
        memory.check_anchors()
        (alarm,) = memory.history(fact).transitions
        memory.revert(alarm, reason="a false alarm")
        assert memory.status(fact) is Status.LIVE
        (found,) = memory.recall("parse_header")
        assert found.status is memory.status(fact) is Status.SUSPECT
        memory.confirm(fact)
        assert memory.recall("parse_header")[0].status is memory.status(fact) is Status.LIVE

    def test_what_is_superseded_or_asked_as_of_the_past_is_not_looked_at(self, memory, root) -> None:
        fact = memory.remember("parse_header() cuts seven characters", modality="observation")
        then = memory.ledger.clock()
        memory.supersede(fact, memory.remember("it cuts eight", modality="observation"), reason="corrected")
        change(root)
        assert memory.check_anchors().checked == 0
        (found,) = memory.recall("parse_header characters", as_of=then)
        assert found.status is Status.LIVE


class TestWatching:
    def test_what_changed_before_anybody_watched_is_found_first(self, memory, root) -> None:
        fact = memory.remember("parse_header() cuts seven characters", modality="observation")
        change(root)
        stop = threading.Event()
        assert next(memory.watch(stop=stop)).flagged == (fact.id,)
        stop.set()

    def test_without_watches_to_be_had_what_is_tied_is_still_looked_at(self, memory, root, monkeypatch, caplog) -> None:
        def refused(*_, **__):
            raise OSError("OS file watch limit reached")

        monkeypatch.setattr("watchfiles.watch", refused)
        monkeypatch.setattr("memstore.coherence.watch.POLL_SECONDS", 0.05)
        fact = memory.remember("parse_header() cuts seven characters", modality="observation")
        stop = threading.Event()
        reports = memory.watch(stop=stop)
        assert next(reports).flagged == ()
        assert "max_user_watches" in caplog.text
        change(root)
        assert next(reports).flagged == (fact.id,)
        (root / "src/auth/login.py").unlink()
        assert next(reports).checked == 1
        stop.set()
        assert list(reports) == []


class TestUnderFailure:
    def test_a_recall_tells_its_doubt_while_another_process_writes(self, memory, root, tmp_path) -> None:
        fact = memory.remember("parse_header() cuts seven characters", modality="observation")
        change(root)
        other = MemoryStore(tmp_path / "m.db")
        held, release = threading.Event(), threading.Event()

        def write_slowly() -> None:
            with other.transaction():
                other.remember("busy", modality="observation")
                held.set()
                release.wait(20)

        writer = threading.Thread(target=write_slowly)
        writer.start()
        assert held.wait(20)
        try:
            (found,) = memory.recall("parse_header")
            assert found.status is Status.SUSPECT
            assert "changed" in found.why["doubts"][0]
            assert memory.status(fact) is Status.LIVE  # not recorded yet
        finally:
            release.set()
            writer.join()
        memory.recall("parse_header")
        assert memory.status(fact) is Status.SUSPECT

    def test_a_root_that_is_not_here_says_so_and_doubts_nothing(self, memory, root) -> None:
        fact = memory.remember("parse_header() cuts seven characters", modality="observation")
        root.rename(root.with_name("elsewhere"))
        report = memory.check_anchors()
        assert report.flagged == ()
        assert "is not here" in report.unreadable[0]
        assert memory.status(fact) is Status.LIVE
        (found,) = memory.recall("parse_header")
        assert list(found.why["anchors"].values()) == ["unreadable"]

    def test_while_an_answer_waits_a_large_file_that_changed_is_not_read_into(self, memory, root) -> None:
        long = "x = 1\n" * 60_000
        write(root, "large.py", f"def grow():\n    return 1\n{long}")
        fact = memory.remember("grow() in large.py gives one", modality="observation")
        write(root, "large.py", f"def grow():\n    return 2\n{long}")
        (found,) = memory.recall("grow")
        assert found.why["anchors"] == {"grow in large.py": "unreadable"}
        assert found.status is Status.LIVE
        assert memory.check_anchors().flagged == (fact.id,)

    def test_a_doubt_on_record_is_told_without_searching_for_what_is_gone(self, memory, root, monkeypatch) -> None:
        memory.remember("parse_header() cuts seven characters", modality="observation")
        (root / "src/auth/login.py").unlink()
        (first,) = memory.recall("parse_header")
        monkeypatch.setattr("memstore.coherence.files.walk", lambda *_, **__: pytest.fail("searched again"))
        (again,) = memory.recall("parse_header")
        assert (again.status, again.why["doubts"]) == (Status.SUSPECT, first.why["doubts"])

    def test_what_was_not_looked_at_in_time_says_so(self, memory, monkeypatch) -> None:
        memory.remember("parse_header() cuts seven characters", modality="observation")
        monkeypatch.setattr("memstore.store.tending.RECALL_SECONDS", 0.0)
        (found,) = memory.recall("parse_header")
        assert list(found.why["anchors"].values()) == ["not looked at"]
        assert memory.check_anchors(seconds=0).unchecked == 1

    def test_a_watcher_and_a_check_stay_inside_the_scope(self, memory, root) -> None:
        memory.remember("parse_header() cuts seven characters", modality="observation", scope="acme")
        change(root)
        assert memory.check_anchors().checked == 0
        assert len(memory.check_anchors(scope="acme").flagged) == 1

    def test_forgetting_erases_what_the_anchors_saw(self, memory, root, tmp_path) -> None:
        change(root, "value[7:]", "xyzzy_plugh")
        fact = memory.remember("parse_header() is odd", modality="observation")
        change(root, "xyzzy_plugh", "frobozz_magic")
        memory.check_anchors()
        memory.forget(fact)
        for file in tmp_path.glob("m.db*"):
            content = file.read_bytes()
            assert b"xyzzy_plugh" not in content
            assert b"frobozz_magic" not in content
        assert memory.verify() == []

    def test_secrets_in_files_are_not_kept(self, memory, root, tmp_path) -> None:
        token = "ghp_" + "a1B2" * 9
        write(root, "settings.py", f'TOKEN = "{token}"\n')
        memory.remember("settings.py holds the token", modality="observation")
        (root / "settings.py").write_text(f'TOKEN = "{token}" + "x"\n')
        assert memory.check_anchors().flagged
        for file in tmp_path.glob("m.db*"):
            assert token.encode() not in file.read_bytes()


def commit(root: Path) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", root, "add", "-A"], check=True)
    subprocess.run(["git", "-C", root, *identity, "commit", "-q", "-m", "x"], check=True)
