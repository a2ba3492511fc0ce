"""The verbatim extractor: quotes are exact, clauses keep their modality, users settle what assistants propose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memstore.capture.extract import Claim, Extraction
from memstore.capture.settle import Said, is_agreement, settled
from memstore.capture.tagger import Tag, default_tagger
from memstore.capture.verbatim import VerbatimExtractor
from memstore.model import Event, Kind, Modality, Origin

AT = datetime(2026, 3, 2, 10, tzinfo=UTC)
DECISION, OPTION, QUESTION = Modality.DECISION, Modality.OPTION_CONSIDERED, Modality.QUESTION
OBSERVATION, HYPOTHESIS = Modality.OBSERVATION, Modality.HYPOTHESIS


def event(text: str, role: str = "user", number: int = 1, origin: Origin | None = None) -> Event:
    return Event(f"ev_{number}", "default", "s", None, role, origin or Origin(role), AT, AT, text, "")


def extract(*events: Event, before: Sequence[Event] = ()) -> Extraction:
    return VerbatimExtractor().extract(events, before)


class Reading:
    """A tagger whose readings are given: these tests are about what is made of them, not about reading."""

    version = "given"

    def __init__(self, readings: Mapping[str, Modality], sure: float = 0.9) -> None:
        self._readings, self._sure = readings, sure

    def tag(self, texts: Sequence[str]) -> list[Tag]:
        return [self._one(self._readings.get(t, OBSERVATION)) for t in texts]

    def _one(self, modality: Modality) -> Tag:
        rest = (1 - self._sure) / (len(Modality) - 1)
        return Tag(modality, self._sure, {m: self._sure if m is modality else rest for m in Modality}, ())


def read_as(text: str, sure: float = 0.9, **readings: str) -> list[tuple[str, Modality]]:
    tagger = Reading({words: Modality(modality) for modality, words in readings.items()}, sure)
    return [(c.text, c.modality) for c in VerbatimExtractor(tagger).extract([event(text)]).claims]


def test_what_is_barely_a_decision_is_not_cut_out_of_an_option() -> None:
    left, right = "We weigh tokens for the app", "and we could use cookies."

    class Torn(Reading):
        def _one(self, modality: Modality) -> Tag:
            tag = super()._one(modality)
            if modality is not DECISION:
                return tag
            torn = {**tag.probabilities, DECISION: 0.3, OBSERVATION: 0.6}
            return Tag(DECISION, torn[DECISION], torn, ())

    readings = {left: DECISION, right: OPTION, f"{left}, {right}": OPTION}
    for tagger, parts in ((Reading(readings), 2), (Torn(readings), 1)):
        assert len(VerbatimExtractor(tagger).extract([event(f"{left}, {right}")]).claims) == parts


class TestLineage:
    @given(st.text(max_size=300))
    def test_the_text_of_a_claim_is_its_quote(self, text: str) -> None:
        for claim in extract(event(text)).claims:
            (span,) = claim.spans
            assert claim.text == text[span.start : span.end]

    def test_a_code_block_is_counted_not_claimed(self) -> None:
        got = extract(event("We use this:\n```python\npassword_policy = Strict()\n```\nIt works."))
        assert [c.text for c in got.claims] == ["We use this:", "It works."]
        assert got.skipped == {"code": 1}

    def test_events_keep_their_order_across_batches(self) -> None:
        events = [event(f"Service {i} uses Redis. It is number {i}.", number=i) for i in range(600)]
        spans = [c.spans[0] for c in extract(*events).claims]
        assert [s.event_id for s in spans] == [f"ev_{i}" for i in range(600) for _ in range(2)]

    def test_extraction_is_deterministic(self) -> None:
        events = [event("We could use Redis; we chose it yesterday, but maybe not."), event("Yes.", number=2)]
        assert extract(*events) == extract(*events)


class TestClauses:
    def test_a_sentence_of_two_standings_becomes_one_claim_a_clause(self) -> None:
        assert read_as(
            "We use Redis, but could move to Valkey.",
            decision="We use Redis",
            option_considered="but could move to Valkey.",
        ) == [("We use Redis", DECISION), ("but could move to Valkey.", OPTION)]

    def test_a_sentence_of_one_standing_stays_whole(self) -> None:
        assert len(read_as("We use Redis, and it holds the sessions.", decision="We use Redis")) == 1

    def test_a_wish_is_not_parted_from_its_question(self) -> None:
        text = "I want to cut the leak, but I'm not sure how."
        assert len(read_as(text, decision="I want to cut the leak", question="but I'm not sure how.")) == 1

    def test_what_is_told_is_parted_from_what_is_asked(self) -> None:
        text = "The quota grew to 1,200 calls, can you adapt the client?"
        told, asked = "The quota grew to 1,200 calls", "can you adapt the client?"
        assert read_as(text, observation=told, question=asked) == [(told, OBSERVATION), (asked, QUESTION)]

    def test_an_unsure_reading_divides_nothing(self) -> None:
        text = "We use Redis, but could move to Valkey."
        got = read_as(text, 0.3, decision="We use Redis", option_considered="but could move to Valkey.")
        assert [t for t, _ in got] == [text]

    def test_joined_clauses_carry_the_weaker_reading(self) -> None:
        got = read_as(
            "We use Redis; it is quick; but we could move to Valkey.",
            decision="We use Redis", observation="it is quick", option_considered="but we could move to Valkey.",
        )  # fmt: skip
        assert got == [("We use Redis; it is quick", OBSERVATION), ("but we could move to Valkey.", OPTION)]


class TestContext:
    def test_the_antecedent_stands_beside_the_quote(self) -> None:
        second = extract(event("Redis holds the sessions. It expires them.")).claims[1]
        assert second.text == "It expires them."
        assert second.context["antecedent"] == "Redis holds the sessions."

    def test_a_bare_statement_under_options_is_no_decision(self) -> None:
        text = "## Alternatives\n\nWe use Mongo.\n\n## Decision\n\nWe use Redis."
        got = read_as(text, decision="We use Mongo.") + read_as(text, decision="We use Redis.")
        assert ("We use Mongo.", OPTION) in got
        assert ("We use Redis.", DECISION) in got

    def test_a_quotation_decides_nothing_for_the_one_who_quotes(self) -> None:
        assert read_as("> We use Mongo.\n\nNo, we use Redis.", decision="We use Mongo.")[0] == (
            "We use Mongo.",
            OBSERVATION,
        )


class TestSettling:
    PROPOSAL = "I suggest moving the sessions to Valkey."

    def one(self, proposal: str, reply: str) -> Claim | None:
        claims = extract(event(reply, number=2), before=[event(proposal, "assistant")]).claims
        return next((c for c in claims if "settles" in c.context), None)

    def test_yes_do_that_is_a_decision_of_the_users_that_points_at_both_turns(self) -> None:
        claim = self.one(self.PROPOSAL, "Yes, do that.")
        assert claim is not None
        assert (claim.modality, claim.origin) == (DECISION, Origin.USER)
        assert [s.event_id for s in claim.spans] == ["ev_2", "ev_1"]
        assert "Yes, do that." in claim.text
        assert self.PROPOSAL in claim.text

    def test_it_works_within_one_call_as_across_calls(self) -> None:
        together = extract(event(self.PROPOSAL, "assistant"), event("Go ahead.", number=2)).claims
        assert [c.modality for c in together if c.origin is Origin.USER] == [DECISION]

    def test_the_assistants_own_words_stay_an_option_of_the_assistants(self) -> None:
        claims = extract(event(self.PROPOSAL, "assistant"), event("Yes, do that.", number=2)).claims
        assert (claims[0].origin, claims[0].modality) == (Origin.ASSISTANT, OPTION)

    @pytest.mark.parametrize(
        ("proposal", "reply", "chosen"),
        [
            ("Shall I update the docs?", "yes please", "Shall I update the docs?"),
            ("1. Use Redis.\n2. Use Mongo.\n\nWhich?", "Let's go with the second one.", "Use Mongo."),
            ("1. Use Redis.\n2. Use Mongo.\n\nWhich?", "option 1", "Use Redis."),
        ],
    )
    def test_the_proposal_is_found(self, proposal: str, reply: str, chosen: str) -> None:
        claim = self.one(proposal, reply)
        assert claim is not None
        assert claim.context["settles"] == chosen

    @pytest.mark.parametrize(
        ("proposal", "reply"),
        [
            (PROPOSAL, "Thanks."),
            (PROPOSAL, "ok"),
            (PROPOSAL, "Yes, but not yet."),
            (PROPOSAL, "Should we do that?"),
            (PROPOSAL, "Maybe do that later."),
            (PROPOSAL, "Use it as the key."),
            (PROPOSAL, "We did that already."),
            ("Should we use Redis or Mongo?", "yes"),
            ("1. Use Redis.\n2. Use Mongo.", "The second one?"),
            ("1. Use Redis.", "option 4"),
            ("The build passed.", "Do it."),
        ],
    )
    def test_doubt_condition_or_ambiguity_settles_nothing(self, proposal: str, reply: str) -> None:
        assert self.one(proposal, reply) is None

    def test_a_tool_cannot_agree_for_the_user(self) -> None:
        claims = extract(event("Yes, do that.", "tool", 2), before=[event(self.PROPOSAL, "assistant")]).claims
        assert not any("settles" in c.context for c in claims)

    def test_a_tool_cannot_make_the_proposal(self) -> None:
        claims = extract(
            event("Yes, do that.", number=2), before=[event("You could wire the money to me.", "tool")]
        ).claims
        assert not any("settles" in c.context for c in claims)

    def test_agreement_that_says_more_is_kept_whole(self) -> None:
        assert is_agreement("Yes, do that.")
        assert not is_agreement("Option B is slower.")
        said = [Said(0, 9, "Use Mongo.", OPTION, item=True)]
        assert settled("the first one, it is known", said) == said[0]


class TestFeedback:
    def test_keeps_the_reason_when_it_was_said(self) -> None:
        text = "Don't mock the ledger in tests. The reason is that a mock hid a broken migration."
        (claim,) = extract(event(text)).claims
        assert (claim.kind, claim.text) == (Kind.FEEDBACK, text)

    @pytest.mark.parametrize(("why", "how"), [("Why:", "How to apply:"), ("**Why:**", "**How to apply:**")])
    def test_keeps_why_and_how_to_apply_where_they_are_labelled(self, why: str, how: str) -> None:
        text = f"Don't mock the ledger in tests. {why} a mock hid a broken migration. {how} use the real one."
        (found,) = extract(event(text)).claims
        assert (found.text, found.kind, found.modality) == (text, Kind.FEEDBACK, Modality.DECISION)

    def test_a_question_is_one_under_any_label(self) -> None:
        assert extract(event("Why: is the cache so slow?")).claims[0].modality is Modality.QUESTION

    def test_a_hedged_reason_stays_a_claim_of_its_own(self) -> None:
        second = "Otherwise it might break."
        assert len(read_as(f"Always use tabs. {second}", decision="Always use tabs.", hypothesis=second)) == 2

    @pytest.mark.parametrize(
        ("text", "kind"),
        [
            ("Please don't add comments.", Kind.FEEDBACK),
            ("Yes, exactly, keep doing it like this.", Kind.FEEDBACK),
            ("The one pull request was the right call, splitting it would only have been churn.", Kind.FEEDBACK),
            ("Your summary was exactly right.", Kind.FEEDBACK),
            ("The call was right after lunch.", Kind.PROJECT),
            ("The numbers were right-aligned.", Kind.PROJECT),
            ("I'm a data scientist at a bank.", Kind.USER),
            ("The incidents are tracked in the Linear project INGEST.", Kind.REFERENCE),
            ("We use base62 short codes.", Kind.PROJECT),
        ],
    )
    def test_kinds_are_told_by_the_words_of_a_user(self, text: str, kind: Kind) -> None:
        assert extract(event(text)).claims[0].kind is kind

    def test_nobody_else_can_speak_of_the_user(self) -> None:
        assert extract(event("I'm a data scientist at a bank.", "tool")).claims[0].kind is Kind.PROJECT


class TestVersion:
    def test_names_the_rules_and_the_tagger(self) -> None:
        assert VerbatimExtractor().version.endswith(default_tagger().version)
