"""Every documented case of the memory tool, as a table: what is there, what is asked, and the answer to the letter.

Each row is put to memstore's tool and to the filesystem tool of Anthropic's own SDK; both have to answer as it says.
Where the two cannot be alike (a store has no links, and refuses what would corrupt a path) the row says so.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from memstore import MemoryStore
from memstore.agents.memory_tool import MemoryCommands
from memstore.errors import UsageError

ROOT = "/memories"
TREE = {
    "/memories/a.md": "one\ntwo\nthree\nfour\nfive\ntwo",
    "/memories/end.md": "one\n",
    "/memories/blank.md": "",
    "/memories/crlf.md": "one\r\ntwo\r\n",
    "/memories/.hidden": "x",
    "/memories/d/x.md": "x" * 1536,
    "/memories/d/e/f/deep.md": "deep",
    "/memories/ünï/日本.md": "Zwölf 🥊\n",
    "/memories/d/wide.md": "y" * 2048,
}
LISTED = f"Here're the files and directories up to 2 levels deep in {ROOT}, excluding hidden items:\n"
SHOWN = "Here's the content of {} with line numbers:\n"
EDITED = "The memory file has been edited. Here is the snippet showing the change (with line numbers):\n"
NOT_THERE = "The path {} does not exist. Please provide a valid path."


@dataclass(frozen=True)
class Case:
    """One documented case. `theirs` is off where the SDK's tool does something else, for the reason in `why`."""

    name: str
    asked: Mapping[str, Any]
    answer: str
    refused: bool = False
    theirs: bool = True
    why: str = field(default="", compare=False)


def view(name: str, path: str, answer: str, *span: int, **more: Any) -> Case:
    asked = {"command": "view", "path": path, **({"view_range": list(span)} if span else {})}
    return Case(f"view: {name}", asked, answer, **more)


def create(name: str, path: str, text: str, answer: str, **more: Any) -> Case:
    return Case(f"create: {name}", {"command": "create", "path": path, "file_text": text}, answer, **more)


def replace(name: str, path: str, old: str, new: str, answer: str, **more: Any) -> Case:
    asked = {"command": "str_replace", "path": path, "old_str": old, "new_str": new}
    return Case(f"str_replace: {name}", asked, answer, **more)


def insert(name: str, path: str, line: int, text: str, answer: str, **more: Any) -> Case:
    asked = {"command": "insert", "path": path, "insert_line": line, "insert_text": text}
    return Case(f"insert: {name}", asked, answer, **more)


def delete(name: str, path: str, answer: str, **more: Any) -> Case:
    return Case(f"delete: {name}", {"command": "delete", "path": path}, answer, **more)


def rename(name: str, old: str, new: str, answer: str, **more: Any) -> Case:
    return Case(f"rename: {name}", {"command": "rename", "old_path": old, "new_path": new}, answer, **more)


NO = {"refused": True}
STRICTER = {"refused": True, "theirs": False}

CASES = [
    view(
        "the root, two levels, no dotfiles, by name",
        ROOT,
        LISTED
        + "\n".join(
            [
                "DIR\t/memories",
                "27B\t/memories/a.md",
                "0B\t/memories/blank.md",
                "10B\t/memories/crlf.md",
                "DIR\t/memories/d/",
                "DIR\t/memories/d/e/",
                "2K\t/memories/d/wide.md",
                "1.5K\t/memories/d/x.md",
                "4B\t/memories/end.md",
                "DIR\t/memories/ünï/",
                "12B\t/memories/ünï/日本.md",
            ]
        ),
    ),
    view(
        "a directory below",
        "/memories/d/e",
        LISTED.replace(ROOT, "/memories/d/e")
        + "DIR\t/memories/d/e\nDIR\t/memories/d/e/f/\n4B\t/memories/d/e/f/deep.md",
    ),
    view(
        "a file",
        "/memories/a.md",
        SHOWN.format("/memories/a.md")
        + "     1\tone\n     2\ttwo\n     3\tthree\n     4\tfour\n     5\tfive\n     6\ttwo",
    ),
    view(
        "a file that ends in a line break",
        "/memories/end.md",
        SHOWN.format("/memories/end.md") + "     1\tone\n     2\t",
    ),
    view("an empty file", "/memories/blank.md", SHOWN.format("/memories/blank.md") + "     1\t"),
    view(
        "line ends as they are",
        "/memories/crlf.md",
        SHOWN.format("/memories/crlf.md") + "     1\tone\r\n     2\ttwo\r\n     3\t",
    ),
    view("a dotfile that is named", "/memories/.hidden", SHOWN.format("/memories/.hidden") + "     1\tx"),
    view("Unicode", "/memories/ünï/日本.md", SHOWN.format("/memories/ünï/日本.md") + "     1\tZwölf 🥊\n     2\t"),
    view("a range", "/memories/a.md", SHOWN.format("/memories/a.md") + "     2\ttwo\n     3\tthree", 2, 3),
    view("a range to the end", "/memories/a.md", SHOWN.format("/memories/a.md") + "     5\tfive\n     6\ttwo", 5, -1),
    view("a range from before the first line", "/memories/a.md", SHOWN.format("/memories/a.md") + "     1\tone", 0, 1),
    view("a range past the end", "/memories/a.md", SHOWN.format("/memories/a.md") + "     6\ttwo", 6, 99),
    view("a range that is empty", "/memories/a.md", SHOWN.format("/memories/a.md"), 4, 2),
    view(
        "a range of one number is none",
        "/memories/end.md",
        SHOWN.format("/memories/end.md") + "     1\tone\n     2\t",
        2,
    ),
    view("nothing there", "/memories/no.md", NOT_THERE.format("/memories/no.md"), **NO),
    view("nothing below a file", "/memories/a.md/x", NOT_THERE.format("/memories/a.md/x"), **NO),
    create("a new file", "/memories/new.md", "x", "File created successfully at: /memories/new.md"),
    create(
        "a new file in new directories",
        "/memories/p/q/new.md",
        "x",
        "File created successfully at: /memories/p/q/new.md",
    ),
    create("an empty file", "/memories/new.md", "", "File created successfully at: /memories/new.md"),
    create(
        "a name of other letters", "/memories/ノート 1.md", "x", "File created successfully at: /memories/ノート 1.md"
    ),
    create("a file that is there", "/memories/a.md", "x", "File /memories/a.md already exists", **NO),
    create("a directory that is there", "/memories/d", "x", "File /memories/d already exists", **NO),
    create("the root", ROOT, "x", "File /memories already exists", **NO),
    replace(
        "in the middle, two lines around",
        "/memories/a.md",
        "three",
        "3",
        EDITED + "     1\tone\n     2\ttwo\n     3\t3\n     4\tfour\n     5\tfive",
    ),
    replace("in the first line", "/memories/a.md", "one", "1", EDITED + "     1\t1\n     2\ttwo\n     3\tthree"),
    replace("in the last line", "/memories/end.md", "one\n", "1", EDITED + "     1\t1"),
    replace(
        "one line by several",
        "/memories/a.md",
        "five",
        "5\n5b",
        EDITED + "     3\tthree\n     4\tfour\n     5\t5\n     6\t5b\n     7\ttwo",
    ),
    replace(
        "by nothing", "/memories/a.md", "four\n", "", EDITED + "     2\ttwo\n     3\tthree\n     4\tfive\n     5\ttwo"
    ),
    replace("a text with a break in it", "/memories/crlf.md", "one\r\ntwo", "x", EDITED + "     1\tx\r\n     2\t"),
    replace(
        "what does not appear",
        "/memories/a.md",
        "six",
        "6",
        "No replacement was performed, old_str `six` did not appear verbatim in /memories/a.md.",
        **NO,
    ),
    replace(
        "another case does not appear",
        "/memories/a.md",
        "One",
        "1",
        "No replacement was performed, old_str `One` did not appear verbatim in /memories/a.md.",
        **NO,
    ),
    replace(
        "what appears twice",
        "/memories/a.md",
        "two",
        "2",
        "No replacement was performed. Multiple occurrences of old_str `two` in lines: 2, 6. "
        "Please ensure it is unique",
        **NO,
    ),
    replace("in a file that is not there", "/memories/no.md", "a", "b", NOT_THERE.format("/memories/no.md"), **NO),
    replace("in a directory", "/memories/d", "a", "b", "The path /memories/d is not a file.", **NO),
    insert("before the first line", "/memories/a.md", 0, "zero", "The file /memories/a.md has been edited."),
    insert("after the last line", "/memories/a.md", 6, "six\n", "The file /memories/a.md has been edited."),
    insert("into an empty file", "/memories/blank.md", 0, "x", "The file /memories/blank.md has been edited."),
    insert(
        "past the end",
        "/memories/a.md",
        7,
        "x",
        "Invalid `insert_line` parameter: 7. It should be within the range [0, 6].",
        **NO,
    ),
    insert(
        "past the end of a file that ends in a break",
        "/memories/end.md",
        2,
        "x",
        "Invalid `insert_line` parameter: 2. It should be within the range [0, 1].",
        **NO,
    ),
    insert(
        "before nothing",
        "/memories/a.md",
        -1,
        "x",
        "Invalid `insert_line` parameter: -1. It should be within the range [0, 6].",
        **NO,
    ),
    insert("in a file that is not there", "/memories/no.md", 0, "x", NOT_THERE.format("/memories/no.md"), **NO),
    insert("in a directory", "/memories/d", 0, "x", "The path /memories/d is not a file.", **NO),
    delete("a file", "/memories/a.md", "Successfully deleted /memories/a.md"),
    delete("a directory with all that is in it", "/memories/d", "Successfully deleted /memories/d"),
    delete("what is not there", "/memories/no.md", "The path /memories/no.md does not exist", **NO),
    delete("the root", ROOT, "Cannot delete the /memories directory itself", **NO),
    delete("the root with a slash", "/memories/", "Cannot delete the /memories directory itself", **NO),
    rename("a file", "/memories/a.md", "/memories/b.md", "Successfully renamed /memories/a.md to /memories/b.md"),
    rename(
        "a file into new directories",
        "/memories/a.md",
        "/memories/p/q/b.md",
        "Successfully renamed /memories/a.md to /memories/p/q/b.md",
    ),
    rename("a directory", "/memories/d", "/memories/moved", "Successfully renamed /memories/d to /memories/moved"),
    rename("what is not there", "/memories/no.md", "/memories/b.md", "The path /memories/no.md does not exist", **NO),
    rename(
        "onto a file", "/memories/a.md", "/memories/end.md", "The destination /memories/end.md already exists", **NO
    ),
    rename("onto a directory", "/memories/a.md", "/memories/d", "The destination /memories/d already exists", **NO),
    rename("the root", ROOT, "/memories/x", "Cannot rename the /memories directory itself", **NO),
    *(
        view(f"outside, {path!r}", path, f"Path must start with /memories, got: {path}", **NO)
        for path in (
            "/etc/passwd",
            "memories/a.md",
            "../memories/a.md",
            "",
            "/",
            "/Memories/a.md",
            "~/memories",
            " /memories",
        )
    ),
    view(
        "a name that only begins like the root",
        "/memoriesx/a.md",
        "Path must start with /memories, got: /memoriesx/a.md",
        why="theirs takes it for /memories/x/a.md",
        **STRICTER,
    ),
    *(
        view(f"climbing, {path!r}", path, f"Path {path} would escape /memories directory", **NO)
        for path in (
            "/memories/..",
            "/memories/../etc/passwd",
            "/memories/d/../../x",
            "/memories/./../x",
            "/memories//../../x",
            "/memories/../memories2/x",
        )
    ),
    create("climbing", "/memories/../x.md", "x", "Path /memories/../x.md would escape /memories directory", **NO),
    replace("climbing", "/memories/../x.md", "a", "b", "Path /memories/../x.md would escape /memories directory", **NO),
    insert("climbing", "/memories/../x.md", 0, "b", "Path /memories/../x.md would escape /memories directory", **NO),
    delete("climbing", "/memories/..", "Path /memories/.. would escape /memories directory", **NO),
    rename(
        "climbing from", "/memories/../a", "/memories/b", "Path /memories/../a would escape /memories directory", **NO
    ),
    rename(
        "climbing to", "/memories/a.md", "/memories/../b", "Path /memories/../b would escape /memories directory", **NO
    ),
    view("percent signs are letters", "/memories/%2e%2e/x", NOT_THERE.format("/memories/%2e%2e/x"), **NO),
    view("backslashes are letters", "/memories/..\\x", NOT_THERE.format("/memories/..\\x"), **NO),
    view(
        "wandering inside",
        "/memories/d/..//./end.md",
        SHOWN.format("/memories/d/..//./end.md") + "     1\tone\n     2\t",
    ),
    view(
        "a null",
        "/memories/a\0.md",
        r"Path '/memories/a\x00.md' holds a control character",
        why="theirs fails in the system call",
        **STRICTER,
    ),
    create(
        "an escape sequence",
        "/memories/\x1b[2J",
        "x",
        r"Path '/memories/\x1b[2J' holds a control character",
        why="theirs makes the file, and every listing clears the terminal",
        **STRICTER,
    ),
    create(
        "below a file",
        "/memories/a.md/x",
        "x",
        "The path /memories/a.md is not a directory.",
        why="theirs fails in the system call",
        **STRICTER,
    ),
]


def asked(tool: Any, failure: type[Exception], command: Mapping[str, Any]) -> tuple[str, bool]:
    """(the answer, whether it was refused); the size of a directory is the filesystem's own affair."""
    try:
        answer, refused = str(tool(command)), False
    except failure as error:
        answer, refused = str(error), True
    return re.sub(r"^\S+(?=\t/memories(?:[^\n]*/|/d/e)?$)", "DIR", answer, flags=re.MULTILINE), refused


def ours(store: MemoryStore):
    """The commands as a call of one mapping, as the SDK makes it."""
    commands = MemoryCommands(store)

    def call(command: Mapping[str, Any]) -> str:
        arguments = dict(command)
        return getattr(commands, arguments.pop("command"))(**arguments)

    return call


class TestEveryDocumentedCase:
    def test_the_table_has_every_command_and_no_case_twice(self):
        assert {case.asked["command"] for case in CASES} == set("view create str_replace insert delete rename".split())
        assert len({case.name for case in CASES}) == len(CASES) >= 75

    @pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
    def test_memstore_answers_to_the_letter(self, tmp_path, case):
        with MemoryStore(tmp_path / "memory.db") as store:
            call = ours(store)
            for path, text in TREE.items():
                call({"command": "create", "path": path, "file_text": text})
            assert asked(call, UsageError, case.asked) == (case.answer, case.refused)
            assert store.verify() == []

    @pytest.mark.parametrize("case", [case for case in CASES if case.theirs], ids=lambda case: case.name)
    def test_the_sdks_own_tool_answers_the_same(self, tmp_path, case):
        tools = pytest.importorskip("anthropic.tools")
        tool = tools.BetaLocalFilesystemMemoryTool(str(tmp_path))
        for path, text in TREE.items():
            tool.call({"command": "create", "path": path, "file_text": text})
        assert asked(tool.call, tools.ToolError, case.asked) == (case.answer, case.refused)

    @pytest.mark.parametrize("case", [case for case in CASES if case.theirs and not case.refused], ids=lambda c: c.name)
    def test_both_hold_the_same_files_afterwards(self, tmp_path, case):
        tools = pytest.importorskip("anthropic.tools")
        tool = tools.BetaLocalFilesystemMemoryTool(str(tmp_path))
        with MemoryStore(tmp_path / "memory.db") as store:
            call = ours(store)
            for path, text in TREE.items():
                tool.call({"command": "create", "path": path, "file_text": text})
                call({"command": "create", "path": path, "file_text": text})
            tool.call(dict(case.asked))
            call(case.asked)
            root = tmp_path / "memories"
            theirs = {f"/{one.relative_to(tmp_path)}": one.read_bytes() for one in root.rglob("*") if one.is_file()}
            files = MemoryCommands(store).files
            held = {path: (files.read(path) or "").encode() for path in files.below(ROOT) if not path.endswith("/")}
            assert held == theirs


class TestWhatIsNoCommandAtAll:
    @pytest.mark.parametrize("wrong", [None, 7, True, 1.5, [], {}, ["/memories"], "\ud800"])
    @pytest.mark.parametrize("command", "view create str_replace insert delete rename".split())
    def test_an_argument_of_another_type_is_refused_in_one_line_and_changes_nothing(self, tmp_path, command, wrong):
        right = {
            "view": {"path": "/memories/a.md", "view_range": [1, 1]},
            "create": {"path": "/memories/b.md", "file_text": "x"},
            "str_replace": {"path": "/memories/a.md", "old_str": "one", "new_str": "1"},
            "insert": {"path": "/memories/a.md", "insert_line": 0, "insert_text": "x"},
            "delete": {"path": "/memories/a.md"},
            "rename": {"old_path": "/memories/a.md", "new_path": "/memories/b.md"},
        }[command]
        with MemoryStore(tmp_path / "memory.db") as store:
            call = ours(store)
            call({"command": "create", "path": "/memories/a.md", "file_text": "one\n"})
            for name in right:
                if (name == "view_range" and wrong in (None, [])) or (name == "insert_line" and type(wrong) is int):
                    continue  # no range, or a line: those make sense
                answer, refused = asked(call, UsageError, {"command": command, **right, name: wrong})
                assert refused
                assert answer
                assert "\n" not in answer
            assert MemoryCommands(store).files.read("/memories/a.md") == "one\n"

    def test_what_is_missing_or_unknown_reaches_the_model_as_an_error_it_can_read(self, tmp_path):
        tools = pytest.importorskip("anthropic.tools")
        from memstore.agents.memory_tool import MemstoreMemoryTool

        with MemoryStore(tmp_path / "memory.db") as store:
            tool = MemstoreMemoryTool(store)
            for command in "view create str_replace insert delete rename".split():
                with pytest.raises(tools.ToolError):
                    tool.call({"command": command})
            assert store.stats()["events"] == 0


class TestNoLinkIsFollowed:
    def test_a_link_planted_anywhere_is_no_memory(self, tmp_path, monkeypatch):
        """The SDK's tool has to look for links; here no path of a command ever touches the disk."""
        secret = tmp_path / "secret.txt"
        secret.write_text("the secret")
        folder = tmp_path / "work"
        (folder / "memories").mkdir(parents=True)
        for name in ("memories/link.md", "link.md"):
            (folder / name).symlink_to(secret)
        (folder / "memories/out").symlink_to(tmp_path)
        monkeypatch.chdir(folder)
        with MemoryStore(folder / "memory.db") as store:
            call = ours(store)
            for path in ("/memories/link.md", "/memories/out/secret.txt", "/memories/out"):
                assert asked(call, UsageError, {"command": "view", "path": path}) == (NOT_THERE.format(path), True)
                assert asked(call, UsageError, {"command": "delete", "path": path})[1]
            call({"command": "create", "path": "/memories/link.md", "file_text": "mine"})
            assert "secret" not in call({"command": "view", "path": ROOT})
        assert secret.read_text() == "the secret"
        assert (folder / "memories/link.md").is_symlink()


class TestManyProcessesEdit:
    def test_no_line_is_lost_a_file_is_made_once_and_only_one_replacement_is_told_that_it_won(self, tmp_path):
        code = """
import json, sys
from memstore import MemoryStore
from memstore.agents.memory_tool import MemoryCommands
from memstore.errors import UsageError
told = []
with MemoryStore(sys.argv[1]) as store:
    tool = MemoryCommands(store)
    for turn in range(3):
        tool.insert("/memories/log.md", 1, f"line {sys.argv[2]}-{turn}")
    for ask in (lambda: tool.create("/memories/once.md", sys.argv[2]),
                lambda: tool.str_replace("/memories/log.md", "start", f"won by {sys.argv[2]}")):
        try:
            told.append(ask().split(".")[0].split(":")[0])
        except UsageError as error:
            told.append("refused")
print(json.dumps(told))
"""
        path = tmp_path / "memory.db"
        with MemoryStore(path) as store:
            MemoryCommands(store).create("/memories/log.md", "start\n")
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
        command = [sys.executable, "-c", code, str(path)]
        running = [
            subprocess.Popen([*command, str(number)], stdout=subprocess.PIPE, env=environment) for number in range(4)
        ]
        told = [json.loads(process.communicate(timeout=120)[0]) for process in running]
        assert sorted(one for one, _ in told) == ["File created successfully at", *["refused"] * 3]
        assert sorted(one for _, one in told) == ["The memory file has been edited", *["refused"] * 3]
        with MemoryStore(path) as store:
            log = MemoryCommands(store).files.read("/memories/log.md") or ""
            assert sorted(re.findall(r"line \d-\d", log)) == [f"line {n}-{turn}" for n in range(4) for turn in range(3)]
            assert log.startswith("won by ")
            assert store.verify() == []
