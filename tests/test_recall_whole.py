"""A statement that holds nearly every telling word of a query is what was asked for, however short and plain it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from memstore import MemoryStore


def test_an_exact_match_in_a_document_is_not_outranked_by_talk(tmp_path: Path) -> None:
    memory = MemoryStore(tmp_path / "memory.db")
    with memory.transaction():
        for number in range(200, 240):
            text = f"The status of PEP {number} is Final."
            memory.record(text, role="document", session="index", ref=f"pep-{number}")
        for number in range(40):
            memory.record(
                f"I was wondering about the status of my application number {number} again today, because the office "
                "has still not answered any of the letters that I have been writing to them about it since spring.",
                role="user",
                session="talk",
                ref=f"talk-{number}",
            )
    memory.capture()
    assert memory.recall("What is the status of PEP 215?")[0].text == "The status of PEP 215 is Final."


@pytest.mark.parametrize(("query", "others", "asked_for"), [
    ("What is in src/a/b.py?", ["src/b/a.py holds the parser.", "See src/a/b.pyx."], "src/a/b.py holds the lexer."),
    ("What is user_id?", ["The type of id that a user has is text.", "id_user is a column."], "user_id is a number."),
    ("getUserName", ["All names are gotten by getUserNames, which gives a list."], "getUserName gives one."),
    ("Which is 10.0.0.1?", ["1.0.10.0 is the printer.", "10.0.0.10 and 1 are phones."], "10.0.0.1 is the router."),
    ("Tell me about src/a.py.", ["In src/a there is a file of py, a long one."], "src/a.py is the entry."),
])  # fmt: skip
def test_names_of_code_and_paths_are_matched_to_the_letter(
    memory: MemoryStore, query: str, others: list[str], asked_for: str
) -> None:
    for text in (*others, asked_for):
        memory.remember(text, modality="observation")
    first = memory.recall(query)[0]
    assert first.text == asked_for
    assert first.why["score"]["named"] > 0


def test_one_among_many_with_the_same_parts_is(memory: MemoryStore) -> None:
    with memory.transaction():
        for number in range(45):
            memory.remember(f"The id of a user came up in talk {number} of the board.", modality="decision")
        memory.remember("user_id is a number.", modality="observation")
    assert memory.recall("What is user_id?")[0].text == "user_id is a number."
