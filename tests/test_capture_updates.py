"""Update detection: changed values, named predecessors and reversals are proposed; look-alikes are not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memstore.capture.updates import CERTAIN, POSSIBLE, Proposal, Relation, Statement, proposals
from memstore.capture.values import comparable, values
from memstore.model import Modality

AT = datetime(2026, 3, 2, 10, tzinfo=UTC)
DECISION, OBSERVATION = Modality.DECISION, Modality.OBSERVATION


def statement(text: str, modality: Modality = OBSERVATION, minutes: int = 0, **more: str) -> Statement:
    return Statement(more.pop("id", f"f{minutes}"), text, modality, AT + timedelta(minutes=minutes), **more)


def relate(old: str, new: str, modality: Modality = OBSERVATION, held: Modality = OBSERVATION) -> Proposal | None:
    found = proposals(statement(new, modality, 9), [statement(old, held)])
    return found[0] if found else None


class TestValues:
    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("The budget is $65 now.", [("money", "65")]),
            ("It costs 1,200 dollars, or $1.5k.", [("money", "1200"), ("money", "1500")]),
            ("Coverage is 78% after 5 runs.", [("share", "78"), ("count", "5")]),
            ("It took 180ms, not 0.2 s.", [("measure", "0.18 time"), ("measure", "0.2 time")]),
            ("Due April 25 at 3 PM.", [("date", "04-25"), ("clock", "15:00")]),
            ("Due 2026-04-25.", [("date", "04-25")]),
            ("We run v2.1.0 on port 8080.", [("version", "2.1.0"), ("count", "8080")]),
            ("She has three cats.", [("count", "3")]),
        ],
    )
    def test_are_typed_and_canonical(self, text: str, found: list[tuple[str, str]]) -> None:
        assert [(v.type, v.canonical) for v in values(text)] == found

    def test_units_of_one_dimension_compare(self) -> None:
        (half,), (whole,), (slow,) = values("maxmemory 512MB"), values("maxmemory 1GB"), values("takes 5 seconds")
        assert comparable(half, whole)
        assert not comparable(half, slow)

    @given(st.text(max_size=200))
    def test_any_text_can_be_read(self, text: str) -> None:
        for value in values(text):
            assert 0 <= value.start < value.end <= len(text)


class TestUpdatesAreFound:
    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("The snack budget for the movie night is $65.", "I adjusted the snack budget for the movie night to $75."),
            ("The peer review deadline is April 20.", "The peer review deadline was extended to April 25."),
            (
                "The daily quota of the weather API is 1,000 calls.",
                "The daily quota of the weather API increased to 1,200 calls.",
            ),
            (
                "Login API response time is 180ms under 20 users.",
                "Login API response time has decreased to 120ms under 20 users.",
            ),
            ("The launch event is on November 15.", "The launch event was moved from November 15 to November 22."),
        ],
    )
    def test_a_changed_value_of_the_same_thing(self, old: str, new: str) -> None:
        proposal = relate(old, new)
        assert proposal is not None
        assert proposal.relation is Relation.REPLACES
        assert proposal.certain
        assert "became" in proposal.why[0]

    @pytest.mark.parametrize(
        "new",
        [
            "We switched from Redis to Valkey.",
            "We no longer use Redis.",
            "We use Valkey instead of Redis for sessions.",
            "We dropped Redis.",
        ],
    )
    def test_a_named_predecessor(self, new: str) -> None:
        proposal = relate("We use Redis for sessions.", new, DECISION, DECISION)
        assert proposal is not None
        assert proposal.relation is Relation.REPLACES
        assert proposal.certain

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("Purchase order #4521 is approved.", "Purchase order #4521 was cancelled because of the freeze."),
            ("We hold daily syncs with the team.", "Let's switch to weekly syncs instead."),
            ("So the frontend starts in January and ships in March.",
             "Our conclusion 'the frontend starts in January and ships in March' rests on wrong data."),
        ],
    )  # fmt: skip
    def test_what_is_called_off_exchanged_or_quoted_as_wrong(self, old: str, new: str) -> None:
        proposal = relate(old, new, DECISION, DECISION)
        assert proposal is not None
        assert proposal.relation is Relation.REPLACES
        assert proposal.certain

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("The order was approved.", "The flight was cancelled due to fog."),
            ("We hold daily syncs with the team.", "Let's switch to weekly reports instead."),
            ("UI tests are slow.", "Let's switch to the list-based UI."),
            ("The refresh token lives 5 days.", "When a user leaves, the refresh token is revoked."),
            ("I'm getting an error message at start.", "I'm getting an error message: 'invalid handle'."),
            ("The frontend starts in January.", "The string 'foo bar baz quux' is invalid."),
        ],
    )
    def test_what_only_sounds_like_it_is_left(self, old: str, new: str) -> None:
        proposal = relate(old, new, DECISION, DECISION)
        assert proposal is None or not proposal.certain

    def test_the_same_sentence_with_another_name_is_a_contradiction_until_a_word_of_change_says_more(self) -> None:
        bare = relate("We use Redis for session storage.", "We use Postgres for session storage.", DECISION, DECISION)
        cued = relate(
            "We use Redis for session storage.", "We now use Postgres for session storage.", DECISION, DECISION
        )
        assert bare is not None
        assert cued is not None
        assert bare.relation is Relation.CONTRADICTS
        assert not bare.certain
        assert cued.relation is Relation.REPLACES
        assert cued.certain

    def test_a_value_is_placed_by_the_words_it_leans_on(self) -> None:
        old = statement("I target 1,200 words a week for my writing.")
        alone = statement("it was adjusted to 1,350 words", minutes=9)
        leaning = statement("it was adjusted to 1,350 words", minutes=9, about="I track my weekly writing target.")
        scores = [max((p.confidence for p in proposals(new, [old])), default=0.0) for new in (alone, leaning)]
        assert scores[1] > scores[0]


class TestLookAlikesAreNot:
    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("The snack budget is $65.", "The travel budget for Lisbon is $900."),
            ("We have 5 engineers in Berlin.", "We have 3 designers in Paris."),
            ("The build passed in 120ms.", "The query took 80ms."),
            ("The call with Ann is on May 3.", "The dinner with Bob is on May 9."),
            ("Python 3.11 is required.", "Node 18.2.0 is required."),
            ("We use Redis for sessions.", "We use Kafka for events."),
            ("Redis holds the sessions.", "Redis is written in C."),
            ("I like tea.", "I like coffee."),
        ],
    )
    def test_nothing_is_retired(self, old: str, new: str) -> None:
        proposal = relate(old, new)
        assert proposal is None or proposal.relation is Relation.CONFIRMS or not proposal.certain

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("The API rate limit is 100 requests per minute.", "The search API rate limit is 20 requests per minute."),
            ("The search API rate limit is 20 requests per minute.", "The API rate limit is 100 requests per minute."),
            ("The invoice is due in 3 days.", "The invoice is due in 10 days for new customers."),
            ("The invoice is due in 3 days for new customers.", "The invoice is due in 10 days."),
            ("The timeout is 30 seconds.", "The timeout is 60 seconds on mobile."),
        ],
    )
    def test_what_is_said_of_less_or_of_more_is_only_possible(self, old: str, new: str) -> None:
        proposal = relate(old, new)
        assert proposal is not None
        assert not proposal.certain

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("The API rate limit is 100 requests per minute.", "The API rate limit is 200 requests per minute."),
            ("The timeout is 30 seconds on mobile.", "The timeout is 60 seconds on mobile."),
            (
                "The search API rate limit is 20 requests per minute.",
                "The API rate limit is now 30 requests per minute.",
            ),
        ],
    )
    def test_what_is_said_of_as_much_or_with_a_word_of_change_is_certain(self, old: str, new: str) -> None:
        proposal = relate(old, new)
        assert proposal is not None
        assert proposal.certain

    def test_a_goal_is_no_measurement(self) -> None:
        goal = "My goal is to keep the image size under 120MB."
        assert (found := relate(goal, "The image size is 110MB.")) is None or not found.certain

    @pytest.mark.parametrize("modality", [Modality.QUESTION, Modality.OPTION_CONSIDERED, Modality.HYPOTHESIS])
    def test_a_hedge_or_a_question_is_never_certain(self, modality: Modality) -> None:
        proposal = relate(
            "The peer review deadline is April 20.", "Was the peer review deadline extended to April 25?", modality
        )
        assert proposal is not None
        assert POSSIBLE <= proposal.confidence < CERTAIN

    def test_sentences_of_one_turn_do_not_update_each_other(self) -> None:
        old = statement("The quota is 5 calls.", event="e1")
        new = statement("The quota increased to 9 calls.", minutes=1, event="e1")
        assert proposals(new, [old]) == []

    def test_what_was_said_later_is_not_replaced(self) -> None:
        old = statement("The quota is 5 calls.", minutes=10)
        new = statement("The quota increased to 9 calls.")
        assert proposals(new, [old]) == []


class TestConfirmationAndAmendment:
    def test_the_same_words_confirm(self) -> None:
        proposal = relate("We use Redis for sessions.", "we use Redis for the sessions", DECISION, DECISION)
        assert proposal is not None
        assert proposal.relation is Relation.CONFIRMS

    @pytest.mark.parametrize(
        "new", ["We use Redis for 5 sessions.", "We do not use Redis for sessions.", "We use Mongo for sessions."]
    )
    def test_another_value_name_or_polarity_does_not(self, new: str) -> None:
        proposal = relate("We use Redis for 3 sessions." if "5" in new else "We use Redis for sessions.", new)
        assert proposal is None or proposal.relation is not Relation.CONFIRMS

    def test_also_amends(self) -> None:
        proposal = relate("Redis holds session data.", "Redis also holds session data of guests.")
        assert proposal is not None
        assert proposal.relation is Relation.AMENDS

    @given(st.text(max_size=120), st.text(max_size=120))
    def test_any_two_texts_compare_in_order_of_confidence(self, old: str, new: str) -> None:
        found = proposals(statement(new, minutes=1), [statement(old), statement(old + " 5", id="other")])
        assert [p.confidence for p in found] == sorted((p.confidence for p in found), reverse=True)
        assert all(POSSIBLE <= p.confidence <= 1 for p in found)
