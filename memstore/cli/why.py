"""Why a fact is believed: its words in their place, its chain, and what moved its confidence. And its history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import click

from memstore.cli import look
from memstore.cli.formats import Answer, output, record
from memstore.cli.target import Target, moment
from memstore.model import Event, Fact, Provenance, Status
from memstore.reports import Anchor, Explanation, History

_TOLD_OTHERWISE = {"confidence", "contributions", "evidence"}  # the evidence is in --json
AROUND = 300  # characters of the turn shown on each side of the quote


@click.command(short_help="A fact, its quote in its turn, its chain, its confidence.")
@click.argument("fact")
@output
@click.pass_obj
def why(target: Target, fact: str) -> Answer:
    """Why a fact (id or key) is believed: its quote in its turn, its chain, its confidence and what moved it."""
    found = target.fact(fact)
    explanation, ties = target.open().explain(found), target.open().anchors(found)
    row = {**record(explanation), "anchors": [record(tie) for tie in ties]}
    return Answer([row], lambda: explained(explanation, ties), one=True)


@click.command(short_help="What was believed, when and why.")
@click.argument("fact")
@click.option("--as-of", type=moment, help="As the store held it then.")
@output
@click.pass_obj
def history(target: Target, fact: str, as_of: datetime | None) -> Answer:
    """What was believed, when and why: the whole chain a fact (id or key) stands in, oldest first."""
    found = target.open().history(target.fact(fact), as_of=as_of)
    rows = [{**record(one), "status": found.statuses[one.id].value} for one in found.facts]
    return Answer(rows, lambda: told(found), table=("id", "modality", "status", "said_at", "text"))


def explained(explanation: Explanation, ties: Sequence[Anchor] = ()) -> str:
    """The whole story of one fact, for a person; `ties` are the files it holds by."""
    fact = explanation.fact
    parts = [
        look.statement(fact.modality, fact.text, status=explanation.status, origin=fact.origin),
        f"{'':{look.MARGIN}}{look.visible(fact.id)}" + (f" · key {look.visible(fact.key)}" if fact.key else ""),
        "",
        _title("Said"),
    ]
    turns = {event.id: event for event in explanation.sources}
    for pointer in fact.provenance:
        if pointer.event_id in turns:
            parts.append(_turn(turns[pointer.event_id], pointer))
    parts += ["", _title("Standing"), *_standing(explanation)]
    if ties:
        parts += ["", _title("Tied to"), *map(_tie, ties)]
    if len(explanation.history.facts) > 1 or explanation.history.transitions or explanation.history.conflicts:
        parts += ["", _title("Chain"), told(explanation.history, here=fact.id)]
    if explanation.premises:
        parts += ["", _title("Concluded from")]
        parts += [look.statement(one.modality, one.text, origin=one.origin) for one in explanation.premises]
    return "\n".join(parts)


def told(found: History, *, here: str | None = None) -> str:
    """A chain, oldest first: each fact, then what happened to it."""
    lines: list[str] = []
    for fact in found.facts:
        lines.append(look.statement(fact.modality, fact.text, status=_status(found.statuses, fact), origin=fact.origin))
        about = [look.day(fact.said_at), look.source(fact.origin, fact.provenance), fact.id]
        lines.append(_dim(" · ".join(about) + (" · this one" if fact.id == here else "")))
        for change in found.transitions:
            if fact.id in change.old:
                by = f" by {', '.join(change.new)}" if change.new else ""
                lines.append(_dim(f"→ {change.at:%Y-%m-%d} {change.change.value}{by}: {look.visible(change.reason)}"))
        for clash in found.conflicts:
            if fact.id in clash.old:
                lines.append(_dim(f"✗ {clash.at:%Y-%m-%d} not {clash.change.value}: {look.visible(clash.refusal)}"))
    return "\n".join(lines)


def _status(statuses: Mapping[str, Status], fact: Fact) -> Status:
    return statuses.get(fact.id, Status.LIVE)


def _standing(explanation: Explanation) -> list[str]:
    fact, reasons = explanation.fact, explanation.why
    binding = "binding" if explanation.binding else "not binding"
    rows = {
        "status": explanation.status.value,
        "modality": _read_as(fact),
        "authority": f"{fact.origin.value} ({explanation.authority}), {binding}",
        "confidence": f"{explanation.confidence:.2f}",
        "moved by": _moved(reasons.get("contributions")),
        **{name.replace("_", " "): value for name, value in reasons.items() if name not in _TOLD_OTHERWISE},
        "measured as": reasons.get("confidence"),
        "recorded": fact.recorded_at.isoformat(),
        "valid from": fact.valid_from.isoformat(),
        "expires": fact.expires_at.isoformat() if fact.expires_at else "never",
        "read by": ", ".join(sorted({p.extractor for p in fact.provenance})),
    }
    return [f"  {name:<21} {look.visible(str(value))}" for name, value in rows.items() if value not in (None, "")]


def _tie(tie: Anchor) -> str:
    at = f"#{tie.symbol}" if tie.symbol else f":{tie.lines[0]}-{tie.lines[1]}" if tie.lines else ""
    return f"  {look.visible(f'{tie.path}{at}')}{', which is not as it was' if tie.doubtful else ''}"


def _read_as(fact: Fact) -> str:
    """What the words were taken for, how surely, and by which of them, where somebody noted that."""
    cues = fact.context.get("cues")
    sure = f"{fact.modality.value.replace('_', ' ')}, {fact.probability:.0%} sure"
    return f"{sure}, for: {cues}" if cues else sure


def _moved(contributions: object) -> str:
    """What raised the confidence and what lowered it, the strongest first; the numbers are log-odds."""
    found = contributions.items() if isinstance(contributions, Mapping) else ()
    ordered = sorted(found, key=lambda one: -abs(one[1]))
    return ", ".join(f"{name.replace('_', ' ')} {weight:+.1f}" for name, weight in ordered)


def _turn(event: Event, pointer: Provenance) -> str:
    """The turn around the quote, with the quote marked: in reverse where there is colour, else between » and «."""
    before, after = event.text[max(0, pointer.start - AROUND) : pointer.start], event.text[pointer.end :][:AROUND]
    before = ("… " if pointer.start > AROUND else "") + look.visible(before)
    after = look.visible(after) + (" …" if len(event.text) - pointer.end > AROUND else "")
    quote = look.visible(pointer.quote)
    marked = click.style(quote, bold=True, reverse=True) if look.colored() else f"»{quote}«"
    where = f"{pointer.session}" + (f"#{pointer.ref}" if pointer.ref else "")
    head = look.visible(f"{look.day(pointer.at)} · {event.role}, {where} · {event.id}")
    body = look.wrapped((before + marked + after).strip("\n"), 4)
    return _dim(head, 2) + "\n    " + body


def _title(text: str) -> str:
    return click.style(text, underline=True) if look.colored() else f"{text}:"


def _dim(text: str, indent: int = look.MARGIN) -> str:
    return " " * indent + click.style(text, dim=True)
