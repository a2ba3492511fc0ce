"""An anchor fires when what it is tied to changes or goes, and stays quiet when it is laid out anew or moves."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import subprocess
import sys
import textwrap
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memstore.coherence import files, git, symbols
from memstore.coherence.anchors import AnchorTarget
from memstore.coherence.snapshot import Snapshot, State, Verdict, check, observe
from memstore.coherence.watch import watch
from memstore.errors import AnchorRefused, NotFound

LOGIN = '''
    """Signing in."""
    import os

    MAX_TRIES = 5


    def parse_header(value, *, strict=False):
        """Take the token out of
        the header."""
        if not value.startswith("Bearer "):
            raise ValueError('no token: ' + value)
        return value[7:], strict


    class Session:
        ttl = 30

        def open(self):
            return self.ttl * (1 + 2)

        def close(self):
            return None
'''


def write(root: Path, path: str, text: str | bytes) -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).lstrip("\n").encode())
    return file


def commit(root: Path, message: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    if not (root / ".git").exists():
        subprocess.run(["git", "init", "-q", root], check=True)
    subprocess.run(["git", "-C", root, "add", "-A"], check=True)
    subprocess.run(["git", "-C", root, *identity, "commit", "-q", "-m", message], check=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, "src/login.py", LOGIN)
    return tmp_path


def see(root: Path, symbol: str | None = None, lines: tuple[int, int] | None = None) -> Snapshot:
    return observe(root, AnchorTarget("src/login.py", lines=lines, symbol=symbol))


def edit(root: Path, old: str, new: str, path: str = "src/login.py") -> None:
    file = root / path
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


class TestChange:
    @pytest.mark.parametrize(
        ("symbol", "old", "new"),
        [
            ("parse_header", "value[7:]", "value[8:]"),
            ("parse_header", "strict=False", "strict=True"),
            ("parse_header", '"Bearer "', '"Basic "'),
            ("parse_header", "the header", "a header"),
            ("Session.open", "self.ttl * (1 + 2)", "self.ttl * 1 + 2"),
            ("Session.open", "def open(self)", "async def open(self)"),
            ("Session", "return None", "return self"),
            ("MAX_TRIES", "= 5", "= 6"),
            ("login.parse_header()", "no token", "no bearer"),
            (None, "ttl = 30", "ttl = 31"),
        ],
    )
    def test_a_change_inside_fires_with_a_diff_of_what_was_seen(self, root, symbol, old, new) -> None:
        seen = see(root, symbol)
        edit(root, old, new)
        verdict = check(root, seen)
        assert verdict.state is State.CHANGED
        assert verdict.doubtful
        assert any(line.startswith("-") and old.split("\n")[0] in line for line in verdict.diff.splitlines())
        assert any(line.startswith("+") and new.split("\n")[0] in line for line in verdict.diff.splitlines())

    @pytest.mark.parametrize("symbol", ["parse_header", "Session", "Session.close", "MAX_TRIES"])
    def test_a_change_elsewhere_in_the_file_does_not_fire(self, root, symbol) -> None:
        seen = see(root, symbol)
        edit(root, "import os", "import sys\n\nOTHER = 1\n\n\ndef parse_headers():\n    return parse_header('x')")
        assert check(root, seen).state is State.UNCHANGED

    def test_what_is_restored_is_unchanged_again(self, root) -> None:
        seen = see(root, "parse_header")
        before = (root / "src/login.py").read_bytes()
        (root / "src/login.py").unlink()
        assert check(root, seen).state is State.MISSING
        (root / "src/login.py").write_bytes(before)
        assert check(root, seen) == Verdict(State.UNCHANGED, "same bytes", seen.target)

    def test_a_definition_that_is_gone_is_missing_even_while_calls_of_it_stay(self, root) -> None:
        seen = see(root, "parse_header")
        edit(root, "def parse_header", "def read_header")
        edit(root, "import os", "import os\nparse_header('x')\nf(parse_header=1)")
        verdict = check(root, seen)
        assert verdict.state is State.MISSING
        assert "parse_header in src/login.py is gone" in verdict.reason

    def test_adding_a_decorator_or_an_overload_is_a_change(self, root) -> None:
        seen = see(root, "parse_header")
        edit(root, "def parse_header", "@cached\ndef parse_header")
        assert check(root, seen).state is State.CHANGED

    def test_empty_bytes_are_not_an_empty_text(self, tmp_path) -> None:
        write(tmp_path, "a.py", "def f():\n    return ''\n")
        seen = observe(tmp_path, AnchorTarget("a.py", symbol="f"))
        write(tmp_path, "a.py", "def f():\n    return b''\n")
        assert check(tmp_path, seen).state is State.CHANGED


class TestLayout:
    @pytest.mark.parametrize("width", ["40", "200"])
    @pytest.mark.parametrize("symbol", [None, "parse_header", "Session", "MAX_TRIES", "Session.open"])
    def test_formatting_python_does_not_fire(self, root, symbol, width) -> None:
        seen = see(root, symbol)
        quotes = "format.quote-style='single'"
        subprocess.run(
            [
                sys.executable,
                "-m",
                "ruff",
                "format",
                "-q",
                "--isolated",
                "--no-cache",
                "--line-length",
                width,
                "--config",
                quotes,
                root,
            ],
            check=True,
        )
        edit(root, "import os", "import os  # a comment\n\n\n")
        verdict = check(root, seen)
        assert (verdict.state, verdict.reason) == (State.UNCHANGED, "same but for layout, place or comments")

    def test_the_layouts_that_formatters_differ_in_have_one_form(self) -> None:
        def form(source: str) -> str:
            found = symbols.find("a.py", source.encode(), "f")
            assert found is not None
            return found.form

        one = "def f(a, b):\n    x = a + b\n    return x, 'it\\'s', f'{a}', 0xFF, 'one' 'two'\n"
        other = (
            "def f(\n    a,\n    b,\n):\n    x = (  # why\n        a\n        + b\n    )\n"
            '    return (\n        x,\n        "it\'s",\n        f"{a}",\n        0xff,\n        "onetwo",\n    )\n'
        )
        assert form(one) == form(other)
        assert form("def f():\n    return (a + b) * c\n") != form("def f():\n    return a + b * c\n")
        assert form("def f():\n    return (a,)\n") != form("def f():\n    return a\n")
        assert form("class f():\n    x = 1\n") == form("class f:\n    x = 1\n")

    @pytest.mark.parametrize(
        ("path", "symbol", "before", "laid_out", "after"),
        [
            ("a.rs", "Pool::get", "impl<T> Pool<T> { fn get(&self, n: u8) -> u8 { n + 1 } }",
             "// pool\nimpl<T> Pool<T> {\n  fn get(\n    &self,\n    n: u8,\n  ) -> u8 {\n    n + 1\n  }\n}",
             "impl<T> Pool<T> { fn get(&self, n: u8) -> u8 { n + 2 } }"),
            ("a.rs", "f", "fn f() -> u8 { g() }", "fn f() -> u8 {\n    g()\n}", "fn f() -> u8 { g(); }"),
            ("a.rs", "T", "#[derive(Clone)]\nstruct T;", "#[derive( Clone )]\nstruct T ;", "struct T;"),
            ("a.go", "Pool.Get", "package a\nfunc (p *Pool) Get(n int) int { return n + 1 }",
             "package a\n\nfunc (p *Pool) Get(n int) int {\n\treturn n + 1\n}",
             "package a\nfunc (p *Pool) Get(n int) int { return n - 1 }"),
            ("a.ts", "Pool.get", "class Pool { get(n: number) { return n + 1 } }",
             "class Pool {\n  get(n: number) {\n    return n + 1;\n  }\n}",
             "class Pool { get(n: string) { return n + 1 } }"),
            ("a.js", "grow", "const grow = (n) => [n, 'a']", 'const grow = (n) => [\n  n,\n  "a",\n];',
             "const grow = (n) => [n, 'b']"),
            ("A.java", "A.get", "class A { int get(int n) { return n; } }",
             "class A {\n  int get(\n      int n) {\n    return n;\n  }\n}",
             "class A { long get(int n) { return n; } }"),
            ("a.c", "grow", "int *grow(int n) { return 0; }", "int *\ngrow(int n)\n{\n\treturn 0;\n}",
             "int *grow(int n) { return 1; }"),
            ("a.toml", "cache.ttl", '[cache]\nttl = 30\nkind = "lru"', '[cache]\nkind   = "lru"\n# days\nttl    = 30',
             "[cache]\nttl = 31"),
            ("a.yaml", "cache.ttl", "cache:\n  ttl: 30\n", "cache: {ttl: 30}\n", "cache:\n  ttl: 31\n"),
            ("a.json", "cache.ttl", '{"ttl": 1, "cache": {"ttl": [30]}}', '{"cache": {\n"ttl": [\n30\n]}}',
             '{"cache": {"ttl": [31]}, "ttl": [30]}'),
            ("a.ini", "ttl", "[cache]\nttl = 30\n", "[cache]\n\n\n  ttl=30", "[cache]\nttl = 31"),
            ("cli.py", "--dry-run", "@click.option('--dry-run', is_flag=True)\ndef f(): pass",
             "import os\n@click.option(\n    '--dry-run',\n    is_flag=True,\n)\ndef f(): return 1",
             "@click.option('--dry-run', is_flag=False)\ndef f(): pass"),
            ("README.md", "Install", "# A\n## Install\nRun pip install and go.\n## Use\nx",
             "# A\n\n## Install\n\nRun pip\ninstall and go.\n\n## Use\nyy",
             "# A\n## Install\nRun uv and go.\n## Use\nx"),
        ],
    )  # fmt: skip
    def test_every_language_tells_layout_from_change(self, tmp_path, path, symbol, before, laid_out, after) -> None:
        write(tmp_path, path, before)
        seen = observe(tmp_path, AnchorTarget(path, symbol=symbol))
        write(tmp_path, path, laid_out)
        assert check(tmp_path, seen).state is State.UNCHANGED
        write(tmp_path, path, after)
        assert check(tmp_path, seen).state is State.CHANGED

    @settings(max_examples=60, deadline=None)
    @given(st.randoms(use_true_random=False), st.integers(1, 6))
    def test_lines_are_found_again_wherever_they_move_in_the_file(self, chance: random.Random, height: int) -> None:
        block = [f"x_{n} = call_{chance.randrange(9)}({n}, 'v{n}')" for n in range(height)]
        before = [f"a_{n} = {n}" for n in range(chance.randrange(8))]
        after = [f"b_{n} = {n}" for n in range(chance.randrange(8))]
        source, moved = [*before, *block, *after], [*after, "", *block, *before]
        first = len(before) + 1
        with _scratch() as root:
            write(root, "a.py", "\n".join(source).encode())
            seen = observe(root, AnchorTarget("a.py", lines=(first, first + height - 1)))
            write(root, "a.py", "\n".join(moved).encode())
            verdict = check(root, seen)
            assert verdict.state in (State.MOVED, State.UNCHANGED)
            assert not verdict.doubtful
            if verdict.state is State.MOVED:
                assert verdict.target.lines is not None
                a, b = verdict.target.lines
                assert [line for line in moved[a - 1 : b] if line] == block
            write(root, "a.py", "\n".join(moved).replace(block[0], "gone = 1").encode())
            assert check(root, seen).doubtful


class TestMoves:
    def test_a_symbol_that_moves_to_another_file_is_followed(self, root) -> None:
        seen = see(root, "parse_header")
        source = (root / "src/login.py").read_text()
        start, end = source.index("def parse_header"), source.index("class Session")
        write(root, "src/http/headers.py", "import re\n\n\n" + source[start:end])
        (root / "src/login.py").write_text(source[:start] + source[end:])
        verdict = check(root, seen)
        assert verdict.state is State.MOVED
        assert verdict.target == AnchorTarget("src/http/headers.py", symbol="parse_header")
        assert check(root, seen, search=0).state is State.MISSING

    def test_a_file_that_moves_with_its_name_is_followed_without_git(self, root) -> None:
        seen = see(root)
        (root / "lib").mkdir()
        (root / "src/login.py").rename(root / "lib/login.py")
        assert check(root, seen).target == AnchorTarget("lib/login.py")

    def test_a_file_with_the_same_bytes_under_another_name_is_it_unless_there_are_two_or_it_is_empty(
        self, root
    ) -> None:
        seen = {target: observe(root, AnchorTarget.parse(target)) for target in ("src/login.py", "src/login.py:1-2")}
        write(root, "src/empty.py", "")
        empty = observe(root, AnchorTarget("src/empty.py"))
        (root / "src/empty.py").rename(root / "src/void.py")
        assert check(root, empty).state is State.MISSING
        (root / "src/login.py").rename(root / "src/signin.py")
        for snapshot in seen.values():
            assert check(root, snapshot).target == replace(snapshot.target, path="src/signin.py")
        shutil.copy(root / "src/signin.py", root / "src/copy.py")
        assert {check(root, snapshot).state for snapshot in seen.values()} == {State.MISSING}

    @pytest.mark.parametrize("committed", [True, False])
    def test_git_follows_renames_through_edits(self, root, committed) -> None:
        commit(root, "one")
        seen = {symbol: see(root, symbol) for symbol in (None, "parse_header", "Session.open")}
        assert seen[None].commit == git.head(root)
        names = ["src/login.py", "src/signin.py", "auth/enter.py"]
        for number, (old, new) in enumerate(itertools.pairwise(names)):
            edit(root, "import os", f"import os\nX{number} = 1", old)
            (root / new).parent.mkdir(exist_ok=True)
            (root / old).rename(root / new)
            if committed or new != names[-1]:
                commit(root, new)
            else:
                subprocess.run(["git", "-C", root, "add", "-A"], check=True)
        edit(root, "self.ttl *", "self.ttl +", names[-1])
        assert check(root, seen["parse_header"]).state is State.MOVED
        assert check(root, seen["parse_header"]).target == AnchorTarget("auth/enter.py", symbol="parse_header")
        for symbol in (None, "Session.open"):
            verdict = check(root, seen[symbol])
            assert verdict.state is State.CHANGED
            assert "became auth/enter.py" in verdict.reason
            assert verdict.diff

    def test_git_names_the_blob_that_was_seen(self, root) -> None:
        commit(root, "one")
        printed = subprocess.run(
            ["git", "-C", root, "hash-object", "src/login.py"], check=True, capture_output=True, text=True
        ).stdout
        assert see(root).blob == printed.strip()

    def test_changed_since_a_commit_names_what_was_committed_or_staged(self, root) -> None:
        commit(root, "one")
        first = git.head(root)
        assert first is not None
        edit(root, "import os", "import re")
        write(root, "new.py", "x = 1\n")
        commit(root, "two")
        (root / "new.py").unlink()
        subprocess.run(["git", "-C", root, "add", "-A"], check=True)
        write(root, "src/third.py", "x = 1\n")
        subprocess.run(["git", "-C", root, "add", "-A"], check=True)
        assert git.changed_since(root, first) == {"src/login.py", "src/third.py"}
        assert git.changed_since(root / "src", first) == {"login.py", "third.py"}
        assert git.changed_since(root, "--output=/tmp/x") is None
        assert git.changed_since(root, "no-such-commit") is None


class TestWalls:
    @pytest.mark.parametrize("path", ["../secret", "a/../../secret", "/etc/passwd", "", "\0", ".", "src/.."])
    def test_a_path_outside_the_root_is_refused(self, root, path) -> None:
        with pytest.raises(AnchorRefused):
            observe(root, AnchorTarget(path))

    def test_a_link_out_is_never_followed_and_a_link_inside_is(self, root, tmp_path_factory) -> None:
        outside = tmp_path_factory.mktemp("outside")
        write(outside, "secret.py", "def parse_header(): pass\n")
        (root / "out.py").symlink_to(outside / "secret.py")
        (root / "up.py").symlink_to("../" * 30 + "etc/passwd")
        (root / "outdir").symlink_to(outside)
        (root / "loop.py").symlink_to("loop.py")
        (root / "in.py").symlink_to("src/../src/login.py")
        for path in ("out.py", "up.py", "outdir/secret.py", "loop.py"):
            with pytest.raises(AnchorRefused):
                observe(root, AnchorTarget(path))
        assert observe(root, AnchorTarget("in.py", symbol="parse_header")).form == see(root, "parse_header").form

    def test_a_file_swapped_for_a_link_out_is_unreadable_and_its_target_never_shown(
        self, root, tmp_path_factory
    ) -> None:
        seen = see(root)
        secret = write(tmp_path_factory.mktemp("outside"), "secret.py", "hunter2 = 1\n")
        (root / "src/login.py").unlink()
        (root / "src/login.py").symlink_to(secret)
        verdict = check(root, seen)
        assert verdict.state is State.UNREADABLE
        assert "hunter2" not in verdict.diff + verdict.reason

    def test_a_pipe_a_directory_and_a_device_are_refused_without_waiting(self, root) -> None:
        os.mkfifo(root / "pipe")
        for path in ("pipe", "src"):
            with pytest.raises(AnchorRefused, match="regular file"):
                observe(root, AnchorTarget(path))

    def test_a_huge_file_is_not_read(self, root) -> None:
        with open(root / "huge.py", "wb") as stream:
            stream.truncate(files.MAX_BYTES + 1)
        with pytest.raises(AnchorRefused, match="larger than"):
            observe(root, AnchorTarget("huge.py"))

    def test_a_binary_file_is_compared_by_its_bytes_and_not_shown(self, root) -> None:
        write(root, "logo.png", b"\x89PNG\0\xff\x01")
        seen = observe(root, AnchorTarget("logo.png"))
        assert seen.seen == ""
        assert check(root, seen).state is State.UNCHANGED
        write(root, "logo.png", b"\x89PNG\0\xff\x02")
        assert check(root, seen).state is State.CHANGED

    def test_hostile_nesting_is_read_without_exhausting_the_stack(self, tmp_path) -> None:
        write(tmp_path, "deep.py", b"x = " + b"(" * 20000 + b"1" + b")" * 20000)
        observe(tmp_path, AnchorTarget("deep.py"))
        write(tmp_path, "deep.json", b"[" * 50000)
        observe(tmp_path, AnchorTarget("deep.json"))

    @settings(max_examples=80, deadline=None)
    @given(st.binary(max_size=200), st.sampled_from([".py", ".rs", ".toml", ".yaml", ".json", ".md", ".c", ".bin"]))
    def test_any_bytes_can_be_observed_and_are_then_unchanged(self, content: bytes, suffix: str) -> None:
        with _scratch() as root:
            write(root, "a" + suffix, content)
            assert check(root, observe(root, AnchorTarget("a" + suffix))).state is State.UNCHANGED

    def test_a_repository_that_names_programs_gets_none_run(self, root) -> None:
        commit(root, "one")
        seen = see(root)
        trap = root / "ran"
        program = write(root, "evil.sh", f"#!/bin/sh\ntouch {trap}\n")
        program.chmod(0o755)
        for key in ("core.fsmonitor", "diff.external", "core.pager", "filter.x.clean", "diff.x.textconv", "alias.log"):
            subprocess.run(["git", "-C", root, "config", key, str(program)], check=True)
        write(root, ".gitattributes", "* filter=x diff=x\n")
        (root / "src/login.py").rename(root / "src/enter.py")
        first = git.head(root)
        assert first is not None
        check(root, seen)
        git.changed_since(root, first)
        assert not trap.exists()

    def test_secrets_are_masked_in_what_is_kept_and_in_what_is_shown(self, tmp_path) -> None:
        write(tmp_path, "a.toml", 'token = "hunter2"\n')
        target = AnchorTarget("a.toml")
        seen = observe(tmp_path, target, mask=lambda text: text.replace("hunter2", "***").replace("hunter3", "***"))
        write(tmp_path, "a.toml", 'token = "hunter3"\nx = 1\n')
        verdict = check(tmp_path, seen, mask=lambda text: text.replace("hunter3", "***"))
        assert verdict.state is State.CHANGED
        assert "hunter" not in seen.seen + verdict.diff

    def test_what_does_not_exist_cannot_be_observed(self, root) -> None:
        for target in (
            AnchorTarget("no.py"),
            AnchorTarget("src/login.py", symbol="nothing"),
            AnchorTarget("src/login.py", lines=(900, 901)),
            AnchorTarget("src/login.py/x"),
        ):
            with pytest.raises(NotFound):
                observe(root, target)
        with pytest.raises(AnchorRefused):
            AnchorTarget("a.py", lines=(3, 2))


def test_a_watcher_hears_of_changes_under_the_root_and_not_of_made_directories(root) -> None:
    stop, heard = threading.Event(), set()
    (root / "node_modules").mkdir()

    def listen() -> None:
        for paths in watch(root, stop=stop, settle_ms=50):
            heard.update(paths)
            if "src/late.py" in heard:
                return

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    for number in range(100):
        write(root, "node_modules/x.js", f"{number}")
        write(root, "src/late.py", f"x = {number}\n")
        listener.join(0.1)
        if not listener.is_alive():
            break
    stop.set()
    listener.join(10)
    assert "src/late.py" in heard
    assert not any(path.startswith("node_modules") for path in heard)


class _scratch:
    """A directory for one Hypothesis example."""

    def __enter__(self) -> Path:
        import tempfile

        self.path = Path(tempfile.mkdtemp())
        return self.path

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.path)
