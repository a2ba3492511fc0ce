"""What a statement is about: things that bear other numbers, names or identifiers do not update each other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from memstore import MemoryStore, Status
from memstore.capture.subjects import labels, subject, title
from memstore.capture.updates import Proposal, Relation, Statement, proposals
from memstore.capture.values import values
from memstore.model import Modality

START = datetime(2026, 1, 1, tzinfo=UTC)
ABOVE = st.integers(1, 10**7)
KINDS = st.sampled_from(["Locker", "Room", "Port", "Test", "Build", "Server", "The ticket", "Our shelf", "Invoice no."])
PEOPLE = st.sampled_from(["Ann", "Bob", "Chidi", "Dalia", "user eve", "user frank", "Team A", "Team B", "v1", "v2"])
CODES = st.builds("{}{}{}".format, st.sampled_from(["A", "node", "M"]), st.sampled_from(["-", ""]), st.integers(1, 99))
THINGS = st.one_of(st.builds("{} {}".format, KINDS, ABOVE), PEOPLE, CODES)
SAYS = st.sampled_from(
    [
        "holds the red maps.",
        "has role admin.",
        "seats {} people.",
        "seats {}.",
        "costs ${}.",
        "took {} seconds.",
        "fails.",
        "is due on March {}.",
        "runs release {}.0.1.",
        "leads payments.",
    ]
)
CUES = st.sampled_from(["", "now "])


def relate(old: str, new: str, modality: Modality = Modality.OBSERVATION) -> list[Proposal]:
    held = Statement("old", old, modality, START)
    return proposals(Statement("new", new, modality, START + timedelta(days=1)), [held])


def retired(old: str, new: str, modality: Modality = Modality.OBSERVATION) -> bool:
    return any(
        p.certain and p.relation in (Relation.REPLACES, Relation.CONTRADICTS) for p in relate(old, new, modality)
    )


class TestAnotherThing:
    @given(THINGS, THINGS, SAYS, SAYS, st.integers(2, 28), st.integers(2, 28), CUES, st.sampled_from(Modality))
    def test_is_never_retired(self, one, other, says, then, amount, next_, cue, modality) -> None:
        assume(one != other)
        assert not retired(f"{one} {says.format(amount)}", f"{other} {cue}{then.format(next_)}", modality)

    @given(KINDS, ABOVE, ABOVE, SAYS, st.integers(2, 28), st.integers(2, 28), CUES)
    def test_with_another_number_is_not_even_a_possible_update(
        self, kind, one, other, says, amount, next_, cue
    ) -> None:
        assume(one != other)
        assert relate(f"{kind} {one} {says.format(amount)}", f"{kind} {other} {cue}{says.format(next_)}") == []

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("Locker 100 holds the red maps.", "Locker 107 holds the red keys."),
            ("Port 8080 serves the API.", "The new port 8081 serves metrics."),
            ("Ann leads payments.", "Bob leads search."),
            ("Room 4 seats 10.", "Room 5 seats 12."),
            ("v1 uses REST.", "v2 uses gRPC."),
            ("User alice has role admin.", "User bob has role viewer."),
            ("Test 12 fails.", "Test 13 no longer fails."),
            ("Ann has 3 cats.", "Bob now has 5 cats."),
            ("node-1 has 4 CPUs.", "node-2 now has 8 CPUs."),
            ("Locker 3 holds 12 maps.", "Lockers 3 and 4 hold 15 maps."),
            ("The staging port is 8080.", "The production port is now 8081."),
        ],
    )
    @pytest.mark.parametrize("modality", [Modality.OBSERVATION, Modality.DECISION])
    def test_keeps_what_is_said_of_it(self, old: str, new: str, modality: Modality) -> None:
        assert not retired(old, new, modality)
        assert not retired(new, old, modality)

    def test_sixty_of_one_kind_all_stand_in_one_store(self, tmp_path: Path) -> None:
        memory = MemoryStore(tmp_path / "memory.db", clock=lambda: START + timedelta(days=9))
        things, colours = ("maps", "rope", "paint", "tents", "lamps"), ("red", "blue", "green")
        for n in range(60):
            text = f"Locker {n + 100} holds the {colours[n // 5 % 3]} {things[n % 5]}."
            memory.record(text, role="user", session="s", ref=str(n), at=START + timedelta(minutes=n))
        memory.capture()
        assert [memory.status(fact) for fact in memory.facts()] == [Status.LIVE] * 60
        assert memory.conflicts() == []


class TestTheSameThing:
    @given(THINGS, st.sampled_from(["seats {} people.", "costs ${}.", "is due on March {}."]), st.data())
    def test_is_updated_by_a_changed_value_with_a_word_of_change(self, thing, says, data) -> None:
        was, now = data.draw(st.lists(st.integers(2, 28), min_size=2, max_size=2, unique=True))
        verb, rest = says.split(" ", 1)
        later = f"{thing} {verb} now {rest}" if verb == "is" else f"{thing} now {verb} {rest}"
        assert retired(f"{thing} {says.format(was)}", later.format(now))

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("The port is 8080.", "The port is now 8081."),
            ("The meeting is on March 3.", "The meeting moved to March 10."),
            ("Room 4 seats 10.", "Room 4 seats 12."),
            ("User alice has role admin.", "User alice now has role viewer."),
            ("We use Redis for session storage.", "We switched to Valkey for session storage."),
        ],
    )
    def test_is_updated_as_people_say_it(self, old: str, new: str) -> None:
        assert retired(old, new, Modality.DECISION)

    @pytest.mark.parametrize("new", ["We switched from Redis to Valkey.", "Valkey replaces Redis."])
    def test_is_replaced_by_a_subject_that_names_it(self, new: str) -> None:
        assert retired("Redis is our cache.", new, Modality.DECISION)

    def test_may_do_another_thing_besides(self) -> None:
        assert not retired("The nightly build checks types.", "The nightly build now checks links.")


class TestSubject:
    @pytest.mark.parametrize(
        ("text", "words", "names"),
        [
            ("Locker #100 holds maps.", {"locker", "100"}, {"100"}),
            ("Lockers 3 and 4 are full.", {"locker", "3", "4"}, {"3", "4"}),
            ("In the end, Team B now leads search.", {"team", "b"}, {"b"}),
            ("Alice's desk is red.", {"alice", "desk"}, set()),
            ("The new port is 8081.", {"port"}, set()),
            ("5 engineers are in Berlin.", {"engineer"}, set()),
            ("We use Redis.", set(), set()),
            ("It moved to room 4 and is full.", set(), set()),
        ],
    )
    def test_is_what_stands_before_the_verb(self, text: str, words: set[str], names: set[str]) -> None:
        found = subject(text)
        assert (found.words, found.names) == (words, names)

    @given(st.text(max_size=200), st.text(max_size=200))
    def test_any_two_texts_can_be_compared_either_way(self, one: str, other: str) -> None:
        assert subject(one).differs(subject(other)) == subject(other).differs(subject(one))
        assert not subject(one).differs(subject(one))

    def test_a_number_after_the_verb_is_a_value_and_names_nothing(self) -> None:
        text = "Room 4 seats 10."
        assert labels(text, values(text)) == {"room": {"4"}}

    def test_a_title_has_a_kind_a_number_and_two_words(self) -> None:
        assert title("ADR 7: Keep sessions.") == ("adr", "7", ("keep", "sessions"))
        assert title("ADR 7: Sessions.") is None
