"""Asking: recall, context, show."""

from __future__ import annotations

from datetime import datetime

import click

from memstore.cli import look
from memstore.cli.formats import Answer, output, record
from memstore.cli.target import Target, moment, text_argument
from memstore.model import Modality
from memstore.reports import Explanation

MODALITIES = click.Choice([*(one.value for one in Modality), "option"])


def modality_of(word: str) -> Modality:
    """The modality for a word on the command line; `option` is short for `option_considered`."""
    return Modality.OPTION_CONSIDERED if word == "option" else Modality(word)


mode_option = click.option(
    "--mode",
    type=click.Choice(["exact", "hybrid", "select"]),
    default="exact",
    show_default=True,
    help="By words alone, by vectors too, or what Claude picks.",
)


@click.command(short_help="What is remembered about a query.")
@text_argument("query")
@click.option("-k", type=click.IntRange(1, 1000), default=5, show_default=True, help="At most so many.")
@click.option("--budget", type=click.IntRange(1), help="At most so many tokens, by the store's counter.")
@mode_option
@click.option("--modality", "modalities", type=MODALITIES, multiple=True, help="Only these; may be repeated.")
@click.option("--current", is_flag=True, help="Leave out what has expired.")
@click.option("--history", is_flag=True, help="Bring back superseded and retracted facts too, marked.")
@click.option("--explain", is_flag=True, help="Say what made each score, and what the query was taken to ask.")
@click.option("--now", type=moment, help="Answer as at this moment instead of the clock's.")
@click.option("--as-of", type=moment, help="Answer with what the store held then.")
@click.option("--valid-at", type=moment, help="Answer with what was true in the world then.")
@output
@click.pass_obj
def recall(
    target: Target,
    query: str,
    k: int,
    budget: int | None,
    mode: str,
    modalities: tuple[str, ...],
    current: bool,
    history: bool,
    explain: bool,
    now: datetime | None,
    as_of: datetime | None,
    valid_at: datetime | None,
) -> Answer:
    """What is remembered about QUERY (- reads it from standard input), best first."""
    found = target.open().recall(
        query,
        k=k,
        budget=budget,
        mode=mode,
        now=now,
        as_of=as_of,
        valid_at=valid_at,
        modality=[modality_of(word) for word in modalities] or None,
        current_only=current,
        history=history,
        explain=explain,
    )
    if not found:
        click.echo("Nothing is remembered about that.", err=True)
    columns = ("fact_id", "modality", "status", "confidence", "said_at", "text")
    return Answer(
        [record(r) for r in found], lambda: "\n\n".join(look.recollection(r, explain) for r in found), table=columns
    )


@click.command(short_help="A fenced block for a prompt.")
@text_argument("query")
@click.option("--budget", type=click.IntRange(1), default=1000, show_default=True, help="Tokens it may take.")
@mode_option
@click.option("--now", type=moment, help="Answer as at this moment instead of the clock's.")
@click.pass_obj
def context(target: Target, query: str, budget: int, mode: str, now: datetime | None) -> None:
    """A block to put into a prompt: what is remembered about QUERY, fenced as data."""
    block = target.open().context(query, budget=budget, mode=mode, now=now)
    if block:
        click.echo(block)


@click.command(short_help="One fact, by id or key.")
@click.argument("fact")
@output
@click.pass_obj
def show(target: Target, fact: str) -> Answer:
    """One fact, by id or key: everything that is kept about it."""
    explanation = target.open().explain(target.fact(fact))
    return Answer([record(explanation)], lambda: _shown(explanation), one=True)


def _shown(explanation: Explanation) -> str:
    fact = explanation.fact
    fields = {
        "id": fact.id,
        "status": explanation.status.value,
        "kind": fact.kind.value,
        "key": fact.key,
        "scope": fact.scope,
        "said": fact.said_at.isoformat(),
        "recorded": fact.recorded_at.isoformat(),
        "expires": fact.expires_at.isoformat() if fact.expires_at else "never",
        "source": look.source(fact.origin, fact.provenance),
    }
    lines = [look.statement(fact.modality, fact.text, status=explanation.status, origin=fact.origin)]
    lines += [f"{name:<{look.MARGIN}}{look.visible(value)}" for name, value in fields.items() if value]
    return "\n".join(lines)
