"""A session that goes on from another brings its turns along: they are said once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path

import pytest

from memstore import MemoryStore, Origin, Status
from memstore.ledger import events
from memstore.store import resumed

AT = datetime(2026, 3, 2, 10, tzinfo=UTC)
TALK = ("Links expire after 30 days.", "Links now expire after 60 days.", "We use Redis.")
BROUGHT = "brought along from another session"


def said(memory: MemoryStore, session: str, *talk: str, later: int = 0, scope: str | None = None) -> None:
    for number, text in enumerate(talk):
        at = AT + timedelta(minutes=number + later)
        memory.record(text, role="user", session=session, ref=f"u{number}", at=at, scope=scope)


@pytest.fixture
def memory(tmp_path: Path) -> MemoryStore:
    with MemoryStore(tmp_path / "m.db", clock=lambda: AT + timedelta(days=1)) as memory:
        yield memory


class TestTurnsThatAResumedSessionBringsAlong:
    def test_do_not_bring_back_what_was_replaced(self, memory: MemoryStore) -> None:
        said(memory, "A", *TALK[:2])
        memory.capture()
        before = {fact.text: memory.status(fact) for fact in memory.facts()}
        assert before == {TALK[0]: Status.SUPERSEDED, TALK[1]: Status.LIVE}
        said(memory, "B", *TALK)
        report = memory.capture()
        assert {fact.text: memory.status(fact) for fact in memory.facts()} == {**before, TALK[2]: Status.LIVE}
        assert (report.facts, report.corroborated, report.skipped[BROUGHT]) == (1, 0, 2)
        assert memory.verify() == []

    def test_confirm_nothing(self, memory: MemoryStore) -> None:
        said(memory, "A", TALK[2])
        memory.capture()
        said(memory, "B", TALK[2])
        memory.capture()
        (fact,) = memory.facts()
        assert [pointer.session for pointer in fact.provenance] == ["A"]

    @pytest.mark.parametrize("order", list(permutations("ABC")))
    def test_are_said_once_whichever_session_is_read_first(self, memory: MemoryStore, order: tuple[str, ...]) -> None:
        talks = {"A": TALK[:1], "B": TALK[:2], "C": TALK}
        for session in order:
            said(memory, session, *talks[session])
            memory.capture()
        assert sorted(fact.text for fact in memory.facts()) == sorted(TALK)
        assert all(len(fact.provenance) == 1 for fact in memory.facts())

    def test_all_in_one_capture_are_said_once_too(self, memory: MemoryStore) -> None:
        said(memory, "A", *TALK[:2])
        said(memory, "B", *TALK)
        assert memory.capture().facts == 3

    def test_are_told_from_the_same_words_at_another_time_or_in_another_scope(self, memory: MemoryStore) -> None:
        said(memory, "A", TALK[2])
        said(memory, "B", TALK[2], later=5)
        said(memory, "A", TALK[2], scope="other")
        assert memory.capture().corroborated == 1
        assert memory.capture(scope="other").facts == 1

    def test_are_told_from_the_same_words_in_another_voice(self, memory: MemoryStore) -> None:
        memory.record(TALK[2], role="user", origin="document", session="A", ref="u0", at=AT)
        said(memory, "B", TALK[2])
        memory.capture()
        assert {fact.origin for fact in memory.facts(status="live")} >= {Origin.USER}

    def test_are_known_when_the_first_of_them_was_forgotten(self, memory: MemoryStore) -> None:
        said(memory, "A", "My name is Ann.", *TALK[:2])
        memory.capture()
        memory.forget(next(fact for fact in memory.facts() if "Ann" in fact.text))
        said(memory, "B", "My name is Ann.", *TALK[:2])
        assert memory.capture().skipped[BROUGHT] == 2
        assert {f.text: memory.status(f) for f in memory.facts()}.get(TALK[0]) is Status.SUPERSEDED

    @pytest.mark.parametrize("captured", [True, False])
    def test_are_forgotten_with_the_turn_that_they_are(self, memory: MemoryStore, captured: bool) -> None:
        said(memory, "A", "We use Redis. My name is Zorblax.", *TALK[:2])
        memory.capture()
        said(memory, "B", "We use Redis. My name is Zorblax.", *TALK[:2])
        if captured:
            memory.capture()
        memory.forget(next(fact for fact in memory.facts() if "Zorblax" in fact.text))
        assert b"Zorblax" not in memory.ledger.path.read_bytes()
        memory.forget(session="A")
        memory.capture()
        assert memory.facts() == []
        assert b"Links" not in memory.ledger.path.read_bytes()
        assert memory.verify() == []

    def test_stay_when_only_the_copy_is_forgotten(self, memory: MemoryStore) -> None:
        said(memory, "A", *TALK)
        memory.capture()
        said(memory, "B", *TALK)
        memory.capture()
        memory.forget(session="B")
        assert sorted(fact.text for fact in memory.facts()) == sorted(TALK)
        assert memory.verify() == []

    def test_are_looked_for_only_where_a_session_begins_with_anothers_words(self, memory: MemoryStore) -> None:
        said(memory, "A", *TALK)
        said(memory, "B", "Hello, we start anew here.", *TALK[1:])
        with memory.ledger.reading() as db:
            waiting = events.waiting(db, "default", "B", 10)
            assert resumed.brought_along(db, waiting) == set()
