"""Of two figures said at different times, a question about now gets the later first; other questions lose nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from memstore import MemoryStore

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
NOW = datetime(2026, 3, 18, tzinfo=UTC)
SAID = [
    "The snack budget for the movie night is $65, so cupcakes from the bakery are fine.",
    "I called my sister about the trip to the lake.",
    "I have adjusted the snack budget to $75 because more friends are coming.",
    "The search endpoint answers in 240ms with 20 users.",
    "The movie night starts at 7 and the lake is 40 minutes away.",
]


@pytest.fixture
def memory(tmp_path: Path) -> MemoryStore:
    memory = MemoryStore(tmp_path / "m.db", clock=lambda: NOW)
    for number, text in enumerate(SAID):
        memory.record(text, role="user", session="s", at=START + timedelta(days=number), ref=str(number))
    memory.capture()
    return memory


def refs(memory: MemoryStore, query: str, k: int = 5) -> list[str | None]:
    return [r.provenance[0].ref for r in memory.recall(query, k=k, now=NOW)]


def test_the_later_figure_comes_first_for_a_question_about_now(memory: MemoryStore) -> None:
    assert refs(memory, "What is the snack budget for the movie night?", k=1) == ["2"]


def test_the_earlier_one_still_comes_back(memory: MemoryStore) -> None:
    assert "0" in refs(memory, "What is the snack budget for the movie night?") or any(
        "$65" in text for r in memory.recall("snack budget", now=NOW) for text in r.replaces
    )


@pytest.mark.parametrize("query", ["When does the movie night start?", "How fast does the search endpoint answer?"])
def test_a_statement_that_was_never_updated_keeps_its_place(memory: MemoryStore, query: str) -> None:
    assert refs(memory, query, k=1)[0] in {"3", "4"}


def test_what_a_document_says_later_does_not_go_before_the_users_own_words(memory: MemoryStore) -> None:
    memory.record("The snack budget is now $900.", role="tool", session="s", at=START + timedelta(days=9), ref="9")
    memory.capture()
    order = refs(memory, "What is the snack budget for the movie night?", k=10)
    assert "9" not in order or order.index("2") < order.index("9")


def test_an_answer_that_was_moved_says_what_it_came_after(tmp_path: Path) -> None:
    from memstore.recall.renewal import Said, order
    from memstore.recall.understanding import read

    said = [Said("The limit is 100 requests.", 1, 2, 5.0), Said("We raised the limit to 120 requests.", 2, 2, 4.0)]
    assert order(read("What is the limit of requests?", NOW), said) == [(1, 0), (0, None)]
    assert order(read("What is the limit of requests?", NOW), said[::-1]) == [(0, None), (1, None)]
