"""A statement that holds nearly every telling word of a query is what was asked for, however short and plain it is."""

from __future__ import annotations

from pathlib import Path

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
