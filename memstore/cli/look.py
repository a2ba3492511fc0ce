"""How memory looks in a terminal: a decision and an option must differ at a glance, with and without colour.

Each line opens with a sign and the modality in words; what is not current says so before anything else. What is
shown was written by anybody, so characters that would drive the terminal are shown, never sent.
"""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import cast

import click

from memstore.model import Modality, Origin, Provenance, Recollection, Status
from memstore.recall import render

SIGNS = {
    Modality.DECISION: ("■", "#", "decision", "green"),
    Modality.OPTION_CONSIDERED: ("◇", "o", "option", "yellow"),
    Modality.HYPOTHESIS: ("≈", "~", "hypothesis", "magenta"),
    Modality.QUESTION: ("?", "?", "question", "cyan"),
    Modality.OBSERVATION: ("·", ".", "observed", "blue"),
}
MARGIN = 14  # sign, space, the longest word, gap
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    """The text with every character that would move the cursor or turn the writing direction shown as an escape.

    >>> visible("a\\x1b[31mb")
    'a\\\\x1b[31mb'
    """
    return _CONTROL.sub(lambda m: f"\\x{ord(m[0]):02x}" if ord(m[0]) < 256 else f"\\u{ord(m[0]):04x}", text)


def colored() -> bool:
    """Whether what is printed keeps its colours: a terminal is watching and NO_COLOR is not set."""
    context = click.get_current_context(silent=True)
    return sys.stdout.isatty() and not (context is not None and context.color is False)


def head(modality: Modality) -> str:
    """The sign and the word, padded to the margin."""
    sign, plain, word, color = SIGNS[modality]
    try:
        sign.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        sign = plain
    return click.style(f"{sign} {word}".ljust(MARGIN), fg=color, bold=modality is Modality.DECISION)


def statement(modality: Modality, text: str, *, status: Status = Status.LIVE, origin: Origin = Origin.USER) -> str:
    """Sign, word and text; a statement that is not current is named as that, a quoted source as a quotation."""
    shown = visible(text.strip())
    if origin in (Origin.DOCUMENT, Origin.TOOL):
        shown = f"“{shown}”"
    if status is not Status.LIVE:
        shown = f"[{status.value.upper()}] {shown}"
    body = wrapped(shown, MARGIN)
    return head(modality) + (click.style(body, dim=True) if status not in (Status.LIVE, Status.SUSPECT) else body)


def wrapped(text: str, indent: int) -> str:
    """The text in lines that fit the terminal, all but the first indented; as it is when nobody watches."""
    lines = text.split("\n")
    if sys.stdout.isatty():
        width = max(40, min(shutil.get_terminal_size().columns, 120) - indent)
        lines = [part for line in lines for part in (textwrap.wrap(line, width) or [""])]
    return ("\n" + " " * indent).join(lines)


def counted(number: int, what: str) -> str:
    """`1 turn`, `2 turns`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def day(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d")


def source(origin: Origin, provenance: Iterable[Provenance]) -> str:
    """Whose words, and where: `user, s1#t3`."""
    first = next(iter(provenance), None)
    if first is None:
        return origin.value
    where = first.session + (f"#{first.ref}" if first.ref else "")
    spoken = "according to" if origin in (Origin.DOCUMENT, Origin.TOOL) else f"{origin.value},"
    return visible(f"{spoken} {where}")


def _feedback(found: Recollection) -> dict[str, object]:
    told = found.why.get("feedback")
    return {"feedback": told["score"]} if isinstance(told, Mapping) else {}


def recollection(found: Recollection, explain: bool = False) -> str:
    """One answer: the statement, then when, whose, how sure, and the id to ask further with; what made its score."""
    lines = [statement(found.modality, found.text, status=found.status, origin=found.origin)]
    about = [
        day(found.said_at),
        source(found.origin, found.provenance),
        f"confidence {found.confidence:.2f}",
        found.fact_id,
    ]
    lines.append(" " * MARGIN + click.style(" · ".join(about), dim=True))
    for old in found.replaces[: render.REPLACED]:
        lines.append(" " * MARGIN + click.style(f"replaces: {visible(old.strip())}", dim=True))
    if more := found.replaces[render.REPLACED :]:
        lines.append(" " * MARGIN + click.style(f"and {len(more)} more before: see memstore why", dim=True))
    for other in found.contests[: render.REPLACED]:
        lines.append(" " * MARGIN + click.style(f"does not replace: {visible(other.strip())}", dim=True))
    if explain:
        parts = {**cast("Mapping[str, object]", found.why["score"]), **_feedback(found)}
        made = ", ".join(f"{name} {part:+.2f}" if isinstance(part, float) else name for name, part in parts.items())
        lines.append(" " * MARGIN + click.style(f"score {found.score:.2f}: {visible(made)}", dim=True))
    return "\n".join(lines)
