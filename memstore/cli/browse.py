"""Looking around in a terminal: a list of facts to walk through, and each one's whole story.

The screen is drawn anew after each key, on the terminal's second page, so that nothing of it is left behind. What is
shown was written by anybody: like everywhere on the command line it cannot drive the terminal.
"""

from __future__ import annotations

import codecs
import os
import re
import shutil
import sys
import termios
import tty
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import click

from memstore.cli import look
from memstore.cli.target import Target
from memstore.cli.why import explained
from memstore.errors import UsageError
from memstore.model import Fact, Modality, Status
from memstore.store import MemoryStore

NEWEST = 1_000
FOUND = 100
_ALTERNATE, _BACK, _CLEAR = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l", "\x1b[H\x1b[2J"
_ARROWS = {
    "\x1b[A": "up",
    "\x1b[B": "down",
    "\x1b[C": "open",
    "\x1b[D": "back",
    "\x1b[5~": "page up",
    "\x1b[6~": "page down",
}
_KEYS = {
    **_ARROWS,
    **{arrow.replace("[", "O"): name for arrow, name in _ARROWS.items()},
    "k": "up",
    "j": "down",
    "l": "open",
    "\r": "open",
    "\n": "open",
    "h": "back",
    "\x1b": "back",
    "\x7f": "back",
    "b": "page up",
    " ": "page down",
    "g": "first",
    "G": "last",
    "q": "quit",
    "\x03": "quit",
    "\x04": "quit",
    "m": "modality",
    "s": "status",
    "/": "search",
    "n": "next",
    "p": "previous",
    "?": "help",
}
_ONE_KEY = re.compile(r"\x1b(?:\[[0-9;]*[A-Za-z~]|O[A-Za-z])|.", re.DOTALL)  # a paste comes as one
HELP = """\
↑ ↓ or k j      one up, one down            space b         a page down, a page up
enter → l       open a fact                 ← h esc         back
n p             the next, the previous fact g G             the first, the last
/               search; empty shows all     m               one modality after another
s               one status after another    q               quit"""


@dataclass
class Browser:
    """What is on the screen, and what a key does to it."""

    store: MemoryStore
    query: str = ""
    modality: Modality | None = None
    status: Status | None = None
    at: int = 0
    top: int = 0
    opened: list[str] | None = None  # the lines of the open fact's story
    typing: str | None = None  # what is being typed to search for
    helping: bool = False
    facts: list[tuple[Fact, Status]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.look_up()

    def look_up(self) -> None:
        """Read the list again."""
        if self.query:
            found = self.store.recall(self.query, k=FOUND, modality=self.modality, history=True, purpose=None)
            self.facts = [(self.store.fact(one.fact_id), one.status) for one in found]
        else:
            wanted = [self.status] if self.status else [one for one in Status if one is not Status.FORGOTTEN]
            self.facts = [
                (fact, status)
                for status in wanted
                for fact in self.store.facts(status=status, modality=self.modality, newest=NEWEST)
            ]
            self.facts.sort(key=lambda one: one[0].id, reverse=True)
        if self.status:
            self.facts = [one for one in self.facts if one[1] is self.status]
        self.at, self.top = min(self.at, max(0, len(self.facts) - 1)), 0

    def press(self, key: str, height: int) -> bool:
        """Do what a key asks for; False ends the browsing."""
        if self.typing is not None:
            self._type(key)
            return key != "\x04"
        asked = _KEYS.get(key, "")
        page = max(1, height - 4)
        if self.helping:
            self.helping = False
        elif asked == "quit":
            return False
        elif asked == "help":
            self.helping = True
        elif asked == "search":
            self.typing, self.opened = "", None
        elif asked in ("modality", "status"):
            self._narrow(asked)
        elif asked == "back":
            if self.opened is None and not (self.query or self.modality or self.status):
                return True
            if self.opened is None:
                self.query, self.modality, self.status = "", None, None
                self.look_up()
            self.opened = None
        elif asked in ("next", "previous", "open") and self.facts:
            if self.opened is not None or asked != "open":
                self.at = max(0, min(len(self.facts) - 1, self.at + {"next": 1, "previous": -1}.get(asked, 0)))
            self.opened, self.top = self._story(), 0
        else:
            self._move(asked, page)
        return True

    def _type(self, key: str) -> None:
        assert self.typing is not None
        if key in ("\r", "\n"):
            self.query, self.typing, self.at = self.typing.strip(), None, 0
            self.look_up()
        elif key in ("\x1b", "\x03"):
            self.typing = None
        elif key in ("\x7f", "\b"):
            self.typing = self.typing[:-1]
        elif key.isprintable():
            self.typing += key

    def _narrow(self, by: str) -> None:
        """The next modality, or status; after the last one, all."""
        self.opened = None
        if by == "modality":
            choices: list[Modality | None] = [None, *Modality]
            self.modality = choices[(choices.index(self.modality) + 1) % len(choices)]
        else:
            known: list[Status | None] = [None, *(one for one in Status if one is not Status.FORGOTTEN)]
            self.status = known[(known.index(self.status) + 1) % len(known)]
        self.look_up()

    def _move(self, asked: str, page: int) -> None:
        step = {"up": -1, "down": 1, "page up": -page, "page down": page}.get(asked, 0)
        if self.opened is not None:
            last = max(0, len(self.opened) - page)
            self.top = {"first": 0, "last": last}.get(asked, max(0, min(last, self.top + step)))
        else:
            last = max(0, len(self.facts) - 1)
            self.at = {"first": 0, "last": last}.get(asked, max(0, min(last, self.at + step)))

    def _story(self) -> list[str]:
        return explained(self.store.explain(self.facts[self.at][0])).split("\n")

    def screen(self, width: int, height: int) -> list[str]:
        """The lines to show, at most `height`, each at most `width` wide."""
        room = max(1, height - 3)
        if self.helping:
            body = HELP.split("\n")
        elif self.opened is not None:
            body = self.opened[self.top :]
        else:
            self.top = min(max(self.top, self.at - room + 1), self.at)
            body = [self._row(n, width) for n in range(self.top, min(len(self.facts), self.top + room))]
            body = body or ["Nothing here. Press / to search for something else, esc for everything, q to quit."]
        title = f"memstore · {self._narrowed()}"
        foot = f"search: {self.typing}▏" if self.typing is not None else self._foot()
        body = [line if len(click.unstyle(line)) <= width else _cut(click.unstyle(line), width) for line in body[:room]]
        body += [""] * (room - len(body))
        return [click.style(_cut(title, width), bold=True), "", *body, click.style(_cut(foot, width), dim=True)]

    def _narrowed(self) -> str:
        parts = [f"{self.at + 1 if self.facts else 0} of {len(self.facts)}", self.store.scope]
        parts += [f"“{self.query}”"] if self.query else []
        parts += [one.value.replace("_", " ") for one in (self.modality, self.status) if one]
        return look.visible(" · ".join(parts))

    def _foot(self) -> str:
        if self.helping:
            return "any key goes back"
        if self.opened is not None:
            return "↑↓ scroll · n p next, previous · ← back · q quit"
        return "↑↓ move · enter open · / search · m modality · s status · ? help · q quit"

    def _row(self, number: int, width: int) -> str:
        fact, status = self.facts[number]
        standing = "" if status is Status.LIVE else f"[{status.value.upper()}] "
        words = " ".join(look.visible(fact.text).split())
        said = f"{standing}“{words}”" if fact.origin.value in ("document", "tool") else f"{standing}{words}"
        line = look.head(fact.modality) + _cut(
            f"{look.day(fact.said_at)} {fact.origin.value:<9} {said}", width - look.MARGIN
        )
        return click.style(click.unstyle(line), reverse=True) if number == self.at else line


def _cut(text: str, width: int) -> str:
    """As much of a text as fits; wide characters take two columns."""
    taken = 0
    for position, character in enumerate(text):
        taken += 2 if unicodedata.east_asian_width(character) in "WF" else 0 if unicodedata.combining(character) else 1
        if taken > width:
            return text[: max(0, position - 1)] + "…"
    return text


@click.command(short_help="Look around, fact by fact.")
@click.argument("query", required=False, default="")
@click.pass_obj
def browse(target: Target, query: str) -> None:
    """Look around: the facts of the scope, newest first, or those about QUERY; enter opens one, ? shows the keys."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("browse needs a terminal: elsewhere use  memstore recall,  memstore why  or  memstore export")
    browser = Browser(target.open(), query)
    with _keys() as keys:
        going = True
        while going:
            width, height = shutil.get_terminal_size()
            click.echo(_CLEAR + "\n".join(browser.screen(width, height)), nl=False)
            try:
                going = all(browser.press(key, height) for key in _ONE_KEY.findall(keys()))
            except KeyboardInterrupt:
                going = False


@contextmanager
def _keys() -> Iterator[Callable[[], str]]:
    """The terminal's second page, where each key comes at once and unechoed; afterwards all is as it was."""
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def read() -> str:
        data = os.read(terminal, 1024)
        return decoder.decode(data) if data else "\x04"

    tty.setcbreak(terminal, termios.TCSADRAIN)  # what was typed before is not thrown away
    click.echo(_ALTERNATE, nl=False)
    try:
        yield read
    finally:
        click.echo(_BACK, nl=False)
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
