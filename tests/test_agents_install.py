"""Installing into Claude Code: ours goes in and comes out, and every byte that is somebody else's stays."""

from __future__ import annotations

import difflib
import io
import json
import re
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from memstore import MemoryStore
from memstore.agents.claude_code import install
from memstore.agents.claude_code.run import run
from memstore.cli import main

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('ab "\\{}[],:\n', max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('abc{"', max_size=3), inner, max_size=3),
    max_leaves=6,
)
JSON_OBJECTS = st.dictionaries(st.text('abc{"', max_size=4), JSON, max_size=4)
THEIRS = st.lists(
    st.fixed_dictionaries({"hooks": st.just([{"type": "command", "command": "say done"}])}), min_size=1, max_size=2
)
FIELDS_OF_OURS = json.loads((install.PLUGIN / "hooks/hooks.json").read_text())["hooks"]


class TestInstalling:
    OTHERS = {  # noqa: RUF012
        "model": "opus",
        "hooks": {
            "Stop": [{"hooks": [{"type": "command", "command": "say done"}]}],
            "PreToolUse": [{"matcher": "Bash", "hooks": [{"type": "command", "command": "guard"}]}],
        },
        "autoMemoryEnabled": True,
    }

    def apply(self, change, folder: Path) -> None:
        for one in change(folder, project=True):
            one.apply()

    def test_it_adds_its_hooks_and_leaves_everything_else_in_its_order(self, tmp_path):
        path = tmp_path / ".claude/settings.json"
        path.parent.mkdir()
        path.write_text(json.dumps(self.OTHERS))
        self.apply(install.install, tmp_path)
        settings = json.loads(path.read_text())
        assert list(settings) == ["model", "hooks", "autoMemoryEnabled"]
        assert settings["hooks"]["Stop"][0] == self.OTHERS["hooks"]["Stop"][0]
        ours = json.loads((install.PLUGIN / "hooks/hooks.json").read_text())["hooks"]
        assert set(ours) <= set(settings["hooks"])
        assert json.loads((tmp_path / ".mcp.json").read_text())["mcpServers"]["memstore"]["args"][-1] == "mcp"

    def test_twice_is_the_same_as_once_and_uninstalling_brings_the_files_back(self, tmp_path):
        path = tmp_path / ".claude/settings.json"
        path.parent.mkdir()
        path.write_text(json.dumps(self.OTHERS))
        self.apply(install.install, tmp_path)
        once = path.read_text()
        assert install.install(tmp_path, project=True) == []
        assert path.read_text() == once
        self.apply(install.uninstall, tmp_path)
        assert json.loads(path.read_text()) == self.OTHERS
        assert not (tmp_path / ".mcp.json").exists()
        assert install.uninstall(tmp_path, project=True) == []

    @given(
        settings=JSON_OBJECTS,
        form=st.sampled_from([{}, {"indent": 2}, {"indent": 4}, {"indent": "\t"}]),
        data=st.data(),
    )
    @hypothesis_settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_every_byte_of_others_is_left_and_uninstalling_leaves_the_same_file(self, tmp_path, settings, form, data):
        hooks = data.draw(
            st.none() | st.dictionaries(st.sampled_from(["Stop", "PreToolUse", "SessionEnd"]), THEIRS, min_size=1)
        )
        if hooks is not None:
            settings = {**settings, "hooks": hooks, "zlast": 1}
        if not settings:
            return
        path = tmp_path / ".claude/settings.json"
        path.parent.mkdir(exist_ok=True)
        before = json.dumps(settings, ensure_ascii=False, **form) + data.draw(st.sampled_from(["", "\n", "\r\n"]))
        path.write_bytes(before.encode())
        path.chmod(0o640)
        self.apply(install.install, tmp_path)
        during = path.read_bytes().decode()
        read = json.loads(during)
        assert {key: value for key, value in read.items() if key != "hooks"} == {
            key: value for key, value in settings.items() if key != "hooks"
        }
        assert set(FIELDS_OF_OURS) <= set(read["hooks"])
        removed = [line[1:] for line in difflib.ndiff(before.splitlines(), during.splitlines()) if line[0] == "-"]
        assert len(removed) <= (1 if "indent" not in form else 1 + len(hooks or ()))  # where a comma had to follow
        self.apply(install.uninstall, tmp_path)
        assert path.read_bytes().decode() == before
        assert path.stat().st_mode & 0o777 == 0o640

    def test_a_file_of_a_persons_own_layout_keeps_it(self, tmp_path):
        text = """{
  "permissions": {"allow": ["Bash(ls:*)",
                            "Read"],   "deny": [ ]},
  "hooks": { "Stop": [ {"hooks":[{"type":"command","command":"say done"}]} ] },

  "note": "sch\\u00f6n \u2603", "n": 1.0, "big": 1e3
}"""
        path = tmp_path / ".claude/settings.json"
        path.parent.mkdir()
        path.write_text(text)
        self.apply(install.install, tmp_path)
        during = path.read_text()
        for piece in text.replace(" ] },", "").split("\n"):
            assert piece.rstrip("}") in during
        assert "memstore hook Stop" in during or "memstore.cli hook Stop" in during
        self.apply(install.uninstall, tmp_path)
        assert path.read_text() == text

    @pytest.mark.parametrize("text", ["{", "[]", '{"hooks": []}'])
    def test_settings_that_make_no_sense_are_left_alone(self, tmp_path, text, capsys, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / ".claude").mkdir()
        (tmp_path / ".claude/settings.json").write_text(text)
        assert main(["install", "claude-code"]) == 2
        assert re.fullmatch(r"Error: [^\n]+\n", capsys.readouterr().err)
        assert (tmp_path / ".claude/settings.json").read_text() == text
        assert not (tmp_path / ".memstore").exists()

    def test_a_dry_run_shows_and_changes_nothing(self, tmp_path, capsys, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert main(["install", "claude-code", "--dry-run"]) == 0
        assert "+" in capsys.readouterr().out
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("where", "prefix", "expected"),
        [
            ("/usr/bin/memstore", "/usr", "memstore"),
            ("/home/u/my env/bin/memstore", "/home/u/my env", "'/home/u/my env/bin/memstore'"),
            ("/home/u/.local/bin/memstore", "/home/u/env", "memstore"),
            (None, "/home/u/env", f"{sys.executable} -m memstore.cli"),
        ],
    )
    def test_a_hook_finds_memstore_from_any_terminal(self, tmp_path, monkeypatch, where, prefix, expected):
        monkeypatch.setattr("shutil.which", lambda name: where)
        monkeypatch.setattr("sys.prefix", prefix)
        monkeypatch.setattr("sys.base_prefix", "/usr")
        self.apply(install.install, tmp_path)
        hooks = json.loads((tmp_path / ".claude/settings.json").read_text())["hooks"]
        assert {group["hooks"][0]["command"] for group in hooks["Stop"]} == {f"{expected} hook Stop"}
        self.apply(install.uninstall, tmp_path)
        assert not (tmp_path / ".claude/settings.json").exists()

    def test_for_a_user_it_goes_into_claude_codes_own_folder(self, tmp_path, monkeypatch):
        monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "config"))
        monkeypatch.setenv("HOME", str(tmp_path))
        assert main(["install", "claude-code", "--user"]) == 0
        assert "SessionStart" in json.loads((tmp_path / "config/settings.json").read_text())["hooks"]
        assert (tmp_path / ".memstore/memory.db").exists()

    def test_projects_that_share_a_store_have_scopes_of_their_own(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        db = tmp_path / ".memstore/memory.db"
        db.parent.mkdir()
        MemoryStore(db).close()
        for name in ("shop", "bank"):
            (tmp_path / name / ".git").mkdir(parents=True)
            payload = {"session_id": name, "cwd": str(tmp_path / name), "last_assistant_message": f"We use {name}DB."}
            run("Stop", io.BytesIO(json.dumps(payload).encode()), io.StringIO(), db=str(db))
        out = io.StringIO()
        payload = {"session_id": "new", "cwd": str(tmp_path / "shop")}
        run("SessionStart", io.BytesIO(json.dumps(payload).encode()), out, db=str(db))
        assert "shopDB" in out.getvalue()
        assert "bankDB" not in out.getvalue()
