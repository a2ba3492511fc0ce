"""The order of answers and its controls are measured as they are described."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from evals.arms.memstore import Memstore
from evals.campaigns import recall
from evals.model import Probe, Query, Recalled, Sample, Turn

START = datetime(2026, 1, 5, tzinfo=UTC)
SAID = (
    "The snack budget for the movie night is $65, so cupcakes from the bakery are fine.",
    "My sister is called Elena and lives in Porto.",
    "I have adjusted the snack budget to $75 because more friends are coming.",
    "The lake is 40 minutes away.",
)


def sample(name: str) -> Sample:
    turns = tuple(Turn(str(n), "s", "user", text, START + timedelta(days=n)) for n, text in enumerate(SAID))
    now = START + timedelta(days=9)
    return Sample(
        name,
        name,
        turns,
        (
            Probe(
                f"{name}/budget",
                Query("What is the snack budget for the movie night?", now),
                {"evidence": ["2"], "current": ["2"], "stale": ["0"]},
            ),
            Probe(f"{name}/sister", Query("What is the name of my sister?", now), {"evidence": ["1"]}),
            Probe(f"{name}/none", Query("What is the capital of Peru?", now), {}),
        ),
    )


def test_questions_with_evidence_are_asked_and_orders_compared(tmp_path: Path) -> None:
    asked = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        asked += recall.ask(Memstore(), sample(name), tmp_path / name)
    table = recall.order_table(asked)
    assert {order: row["current first"].mean for order, row in table.items()} == {
        "as answered": 1.0, "by score": 1.0, "recency in the sum": 1.0, "by date": 1.0,
    }  # fmt: skip
    assert table["as answered"]["others any@5"].n == 2
    assert table["as answered"]["others reciprocal rank"].mean == 1.0
    assert table["by date"]["others reciprocal rank"].mean < 1.0


def test_tokens_are_compared_at_the_fewest_answers_that_find_as_much() -> None:
    one = sample("one")
    at = {str(number): number / 4 for number in range(4)}
    long = Recalled("x" * 400, ("0", "1"))
    short = Recalled("y" * 40, ("1",))
    chroma = [recall.Asked(one, one.probes[1], [long] * 10, [long] * 10, at)]
    found = [Recalled("z" * 40, ("3",)), short, short]
    memstore = [recall.Asked(one, one.probes[1], found, found, at)]
    table = recall.token_table(memstore, chroma)
    assert table["memstore any@2"].mean == table["chroma any@10"].mean == 1.0
    assert table["tokens / chroma's"].mean == 20 / 1000


def test_what_is_found_counts_distinct_turns_by_data_set_and_kind_of_question() -> None:
    """Six answers from one turn are one turn; the evidence stands second, and half of it is missing."""
    turns = tuple(Turn(str(number), "s", "user", "words", START) for number in range(20))
    probe = Probe("q", Query("?", START), {"evidence": ["7", "19"]}, "abilities")
    one = Sample("chat", "chat", turns, (probe,), {"tier": "100K"})
    found = [*[Recalled("x", ("3",))] * 6, Recalled("y", ("7",))]
    table = recall.found_table([recall.Asked(one, probe, found, found, {})])
    assert list(table) == ["BEAM 100K", "BEAM 100K abilities"]
    assert {name: estimate.mean for name, estimate in table["BEAM 100K"].items()} == {
        "any@5": 1.0, "any@10": 1.0, "share@10": 0.5,
    }  # fmt: skip
