"""Browsing in a real terminal: what is on the screen, what the keys do, and that the terminal is given back."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from memstore import MemoryStore
from memstore.cli import main
from memstore.cli.browse import Browser

ROOT = Path(__file__).resolve().parent.parent


class Terminal:
    """`memstore browse` in a terminal of 80 by 20."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 80, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "memstore.cli", "browse", *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"},
        )
        os.close(theirs)
        self.raw = ""

    def shows(self, words: str) -> str:
        """The present screen, once it shows these words."""
        deadline = time.monotonic() + 60
        while words not in (screen := re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.raw.split("\x1b[2J")[-1])):
            assert time.monotonic() < deadline, f"{words!r} never came: {screen}"
            if select.select([self._ours], [], [], 0.5)[0]:
                try:
                    self.raw += os.read(self._ours, 65536).decode("utf-8", "replace")
                except OSError:
                    break
        return screen

    def rest(self) -> None:
        """Read what is left when the process has ended."""
        while select.select([self._ours], [], [], 0)[0]:
            try:
                self.raw += os.read(self._ours, 65536).decode("utf-8", "replace")
            except OSError:
                return

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / ".memstore").mkdir()
    with MemoryStore(tmp_path / ".memstore" / "memory.db") as store:
        store.remember("We use Redis for storage.", modality="decision", key="storage")
        store.remember("We use PostgreSQL for storage.", modality="decision", key="storage")
        store.remember("We could refresh the TTL on each access.", modality="option_considered")
        store.remember("\x1b]0;owned\x07 \x1b[31mRED\u202e", modality="observation", origin="document")
    return tmp_path


def test_one_walks_through_facts_opens_them_searches_and_gets_the_terminal_back(project):
    terminal = Terminal(project)
    screen = terminal.shows("1 of 4")
    assert "option" in screen
    assert "[SUPERSEDED] We use Redis" in screen
    terminal.type("jj\r")
    story = terminal.shows("Chain")
    assert "We use PostgreSQL for storage." in story
    assert "binding" in story
    terminal.type("\x1b[D")
    terminal.shows("3 of 4")
    terminal.type("/refresh\r")
    assert "PostgreSQL" not in terminal.shows("“refresh”")
    terminal.type("q")
    assert terminal.process.wait(60) == 0
    assert "\x1b[?1049h" in terminal.raw
    terminal.rest()
    assert terminal.raw.endswith("\x1b[?25h\x1b[?1049l")


def test_what_others_wrote_cannot_drive_the_terminal(project):
    terminal = Terminal(project)
    terminal.shows("1 of 4")
    terminal.type("\r")
    terminal.shows("Standing")
    terminal.type("q")
    terminal.process.wait(60)
    terminal.rest()
    for driven in ("\x1b]0;", "\x1b[31mRED", "\u202e", "\x07"):
        assert driven not in terminal.raw


def test_no_terminal_is_one_line(project, monkeypatch, capfd):
    monkeypatch.chdir(project)
    assert main(["browse"]) == 2
    assert "browse needs a terminal" in capfd.readouterr().err


class TestTheScreen:
    @pytest.fixture
    def browser(self, project):
        with MemoryStore(project / ".memstore" / "memory.db") as store:
            yield Browser(store)

    @pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 5), (20, 2), (200, 60)])
    def test_it_always_fits(self, browser, width, height):
        import click

        for key in ("", "\r", " ", "\x1b", "?", "x", "/", "y", "\x1b", "m", "s"):
            if key:
                browser.press(key, height)
            lines = browser.screen(width, height)
            assert len(lines) <= max(4, height)
            assert all(len(click.unstyle(line)) <= width for line in lines)

    def test_any_key_in_any_order_is_answered(self, browser):
        import random

        pick = random.Random(3)
        keys = [
            "\x1b[A",
            "\x1b[B",
            "\x1b[C",
            "\x1b[D",
            "\r",
            "\x1b",
            "n",
            "p",
            "g",
            "G",
            " ",
            "b",
            "m",
            "s",
            "?",
            "/",
            "é",
        ]
        for _ in range(600):
            assert browser.press(pick.choice(keys), 20)
            assert browser.screen(80, 20)

    def test_modality_and_status_narrow_the_list(self, browser):
        browser.press("m", 20)
        assert [fact.modality.value for fact, _ in browser.facts] == ["decision", "decision"]
        browser.press("s", 20)
        assert [fact.text for fact, _ in browser.facts] == ["We use PostgreSQL for storage."]
        browser.press("\x1b", 20)
        assert len(browser.facts) == 4

    def test_an_empty_list_says_what_to_do(self, browser):
        for key in ["/", *"zzzzqqq", "\r"]:
            browser.press(key, 20)
        assert any("Nothing here" in line for line in browser.screen(80, 20))
        assert browser.press("\r", 20)
