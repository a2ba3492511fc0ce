"""Exercises: what is said between both ends of one is no decision, also where a later capture hears its end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memstore import MemoryStore, Status
from memstore.capture.exercises import exercises
from memstore.model import Change, Event, Modality, Origin

AT = datetime(2026, 3, 2, 10, tzinfo=UTC)
# Two things that are meant, around one that is only thought aloud.
TALK = (
    "We charge $50 a seat.",
    "Let's brainstorm for a bit. It's all just hypothetical.",
    "We will charge $35 a seat.",
    "Enough brainstorming. Back to what we really plan.",
    "We will send the contract on Monday.",
)


def turn(text: str, number: int, origin: Origin = Origin.USER) -> Event:
    at = AT + timedelta(minutes=number)
    return Event(f"e{number}", "default", "s", None, origin.value, origin, at, at, text, "")


class TestBothEndsOfAnExercise:
    def test_what_is_said_between_both_ends_is_within(self) -> None:
        within = exercises([turn(text, number) for number, text in enumerate(TALK)])
        assert set(within) == {"e1", "e2"}
        assert within["e2"].closed.id == "e3"

    def test_it_holds_as_a_thought_and_until_the_exercise_is_over(self, tmp_path) -> None:
        now = AT
        with MemoryStore(tmp_path / "m.db", clock=lambda: now) as memory:
            for number, text in enumerate(TALK):
                memory.record(text, role="user", session="s", at=AT + timedelta(minutes=number))
            memory.capture()
            by_text = {fact.text: fact for fact in memory.facts()}
            thought = by_text["We will charge $35 a seat."]
            assert thought.modality is Modality.OPTION_CONSIDERED
            assert memory.status(thought, now=AT + timedelta(hours=1)) is Status.EXPIRED
            for meant in (TALK[0], TALK[4]):
                assert memory.status(by_text[meant], now=AT + timedelta(hours=1)) is Status.LIVE

    def test_what_only_begins_changes_nothing(self) -> None:
        assert exercises([turn(text, number) for number, text in enumerate(TALK[:3])]) == {}

    @pytest.mark.parametrize(
        ("opener", "closer"),
        [
            ("Let's run a dry run of the migration.", "Done with the dry run, back to business."),
            ("It's just a mock server.", "Let's switch to the real server."),
            ("This is just an exploratory test.", "That's enough for today."),
            ("Let's brainstorm names for the queue.", "That's enough for today."),
            ("That's just a rough draft of the page.", "OK, enough for now, let's get to the real page."),
        ],
    )
    def test_work_that_is_no_play_is_meant(self, opener: str, closer: str) -> None:
        talk = (opener, "We use Postgres for orders.", closer)
        assert exercises([turn(text, number) for number, text in enumerate(talk)]) == {}

    def test_what_was_opened_and_long_forgotten_is_not_closed_by_chance(self) -> None:
        talk = ("Let's brainstorm.", *["We use Postgres."] * 60, "Let's move on to the real tests.")
        assert exercises([turn(text, number) for number, text in enumerate(talk)]) == {}

    def test_what_is_said_to_be_meant_stays_a_decision(self, tmp_path) -> None:
        talk = (*TALK[:2], "For real: we will move to Postgres.", *TALK[3:])
        with MemoryStore(tmp_path / "m.db", clock=lambda: AT) as memory:
            for number, text in enumerate(talk):
                memory.record(text, role="user", session="s", at=AT + timedelta(minutes=number))
            memory.capture()
            (meant,) = (fact for fact in memory.facts() if "Postgres" in fact.text)
            assert meant.modality is Modality.DECISION
            assert memory.status(meant, now=AT + timedelta(days=3)) is Status.LIVE

    def test_only_the_user_opens_and_closes_one(self) -> None:
        for opener, closer in ((Origin.TOOL, Origin.USER), (Origin.USER, Origin.DOCUMENT)):
            talk = [turn(text, number) for number, text in enumerate(TALK)]
            talk[1], talk[3] = turn(TALK[1], 1, opener), turn(TALK[3], 3, closer)
            assert exercises(talk) == {}


class TestWordsThatBeginOrEndAnExercise:
    @pytest.mark.parametrize(
        "text",
        [
            "OK, enough brainstorming.",
            "Let's brainstorm for a minute.",
            "This is just exploratory.",
            "Let's do a quick thought experiment.",
            "That's enough role-play for today. Let's get back to the real work.",
        ],
    )
    def test_are_counted_and_no_facts(self, text: str, tmp_path) -> None:
        with MemoryStore(tmp_path / "m.db", clock=lambda: AT) as memory:
            memory.record(text, role="user", session="s")
            report = memory.capture()
            assert memory.facts() == []
            assert report.skipped["exercise"] >= 1

    @pytest.mark.parametrize(
        "text",
        [
            "Let's brainstorm names for the billing service.",
            "Enough brainstorming: we use Redis.",
            "We ran a dry run of the migration.",
            "Our brainstorming sessions are on Monday.",
            "Let's switch to the real database.",
            "Stop thinking out loud.",
        ],
    )
    def test_that_say_more_are_facts(self, text: str, tmp_path) -> None:
        with MemoryStore(tmp_path / "m.db", clock=lambda: AT) as memory:
            memory.record(text, role="user", session="s")
            memory.capture()
            assert [fact.text for fact in memory.facts()] == [text]


class TestAnExerciseThatEndsInALaterCapture:
    """Claude Code's Stop hook captures after every turn: the end is heard after the rest was taken in."""

    POOL = (
        "Let's brainstorm, this is only hypothetical.",
        "OK, enough brainstorming.",
        "We will charge $35 a seat.",
        "We will charge $50 a seat.",
        "We changed the price: we now charge $40 a seat.",
        "For real: we will move to Postgres.",
        "We decided to use Redis for sessions.",
    )

    @staticmethod
    def told(path, talk, cuts=frozenset()) -> MemoryStore:
        """A store that heard a talk, with a capture after each turn in `cuts` and one at the end."""
        memory = MemoryStore(path, clock=lambda: AT + timedelta(hours=2))
        for number, text in enumerate(talk):
            memory.record(text, role="user", session="s", ref=str(number), at=AT + timedelta(minutes=number))
            if number in cuts:
                memory.capture()
        memory.capture()
        return memory

    @staticmethod
    def decided(memory: MemoryStore) -> list[str]:
        """What lives as a decision."""
        return sorted(f.text for f in memory.facts(status="live") if f.modality is Modality.DECISION)

    def test_what_was_taken_in_is_withdrawn_by_the_words_that_end_it(self, tmp_path) -> None:
        with self.told(tmp_path / "m.db", TALK, range(5)) as memory:
            (thought,) = (fact for fact in memory.facts() if "$35" in fact.text)
            assert memory.status(thought) is Status.RETRACTED
            last = memory.history(thought).transitions[-1]
            closer = memory.event(last.event_id)
            assert (last.change, closer.text) == (Change.RETRACTED, TALK[3])
            assert self.decided(memory) == [TALK[0], TALK[4]]
            memory.revert(last, reason="it was meant")
            memory.capture()
            assert memory.status(thought) is Status.LIVE

    def test_an_opener_is_found_as_far_back_as_an_exercise_may_last(self, tmp_path) -> None:
        talk = (TALK[1], TALK[2], *["Hm."] * 30, TALK[3])
        with self.told(tmp_path / "m.db", talk, range(40)) as memory:
            assert self.decided(memory) == []

    def test_what_it_replaced_lives_again(self, tmp_path) -> None:
        talk = (self.POOL[3], self.POOL[0], self.POOL[4], self.POOL[1])
        with self.told(tmp_path / "m.db", talk[:3], range(4)) as memory:
            assert self.decided(memory) == [self.POOL[4]]
        with self.told(tmp_path / "m.db", talk, range(4)) as memory:
            assert self.decided(memory) == [self.POOL[3]]

    def test_what_was_confirmed_said_elsewhere_or_keyed_stays(self, tmp_path) -> None:
        price, redis = self.POOL[2], self.POOL[6]
        with self.told(tmp_path / "m.db", (self.POOL[0], price, redis, "We picked Go."), range(9)) as memory:
            (told,) = (fact for fact in memory.facts() if fact.text == price)
            memory.confirm(told)
            (go,) = (fact for fact in memory.facts() if fact.text == "We picked Go.")
            source = go.provenance[0].event_id
            memory.remember("We picked Go.", modality="decision", key="language", source=source)
            memory.record(redis, role="user", session="another")
            memory.record(self.POOL[1], role="user", session="s")
            memory.capture()
            assert self.decided(memory) == sorted([price, redis, "We picked Go."])

    def test_what_a_tool_said_meanwhile_stays(self, tmp_path) -> None:
        with MemoryStore(tmp_path / "m.db", clock=lambda: AT) as memory:
            for role, text in (("user", self.POOL[0]), ("tool", "The index holds 40 shards."), ("user", self.POOL[1])):
                memory.record(text, role=role, session="s")
                memory.capture()
            (told,) = (fact for fact in memory.facts() if "shards" in fact.text)
            assert memory.status(told) is Status.LIVE

    @settings(max_examples=25, deadline=None)
    @given(talk=st.lists(st.sampled_from(POOL), min_size=2, max_size=8), cuts=st.sets(st.integers(0, 8)))
    def test_however_a_session_is_cut_into_captures_the_same_decisions_live(self, talk, cuts) -> None:
        with TemporaryDirectory() as folder:
            with self.told(Path(folder) / "whole.db", talk) as memory:
                whole = self.decided(memory)
            with self.told(Path(folder) / "cut.db", talk, cuts) as memory:
                assert self.decided(memory) == whole
                assert memory.verify() == []
