"""States that exclude one another, time that runs down, and plans told with their past."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memstore import MemoryStore, Status
from memstore.capture.states import counts_down, states
from memstore.capture.updates import Relation, Statement, proposals
from memstore.model import Modality

AT = datetime(2026, 3, 2, 10, tzinfo=UTC)
OBSERVATION = Modality.OBSERVATION


def relate(old: str, new: str, *, about: str = "", one_turn: bool = False):
    later = AT if one_turn else AT + timedelta(hours=1)
    held = Statement("old", old, OBSERVATION, AT, "e1", about=about)
    found = proposals(Statement("new", new, OBSERVATION, later, "e1" if one_turn else "e2"), [held])
    return found[0] if found else None


class TestOneThingIsInOneState:
    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("Note: pipeline 88 passed.", "Update: pipeline 88 failed in the lint step."),
            ("The payment gateway is up", "The payment gateway is down"),
            ("The vendor contract is approved.", "The vendor contract was rejected by Legal."),
            ("The migration is on track.", "The migration is now delayed."),
            ("Gate B7 is open", "Gate B7 is closed"),
            ("Ann's request was approved", "Ann's request for leave is now denied"),
            ("Request 12 was approved", "Request 12 for leave was denied"),
        ],
    )
    def test_the_later_of_two_that_exclude_each_other_replaces_the_earlier(self, old: str, new: str) -> None:
        found = relate(old, new)
        assert found is not None
        assert found.relation is Relation.REPLACES
        assert found.certain

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("Build 12 passed", "Build 13 failed"),
            ("The billing service is up", "The search service is down"),
            ("The login test was failing last week", "The login test is stable"),
            ("The audit passed", "If the audit failed, we would hear of it"),
            ("Flag new_cart is enabled in staging", "Flag new_cart is disabled in production"),
            ("Dark mode is enabled by default", "Dark mode is disabled for print"),
            ("The issue tracker is open to everyone", "The issue tracker is closed on weekends"),
            ("The payment gateway is up", "The payment gateway is down for maintenance tomorrow"),
            ("The status badge is red when the job fails", "The status badge is green when the job passes"),
            ("The user account is active after sign-up", "The user account is inactive until it is verified"),
            ("Ann's request was approved", "Ann's request for leave was denied"),
            ("Ann's request for leave was approved", "Ann's request was denied"),
            ("The build passed", "The nightly build failed"),
        ],
    )
    def test_another_thing_or_another_time_is_left_alone(self, old: str, new: str) -> None:
        found = relate(old, new)
        assert found is None or not found.certain

    def test_up_and_down_are_not_the_same_words_again(self) -> None:
        found = relate("The server is up", "The server is down")
        assert found is None or found.relation is not Relation.CONFIRMS
        found = relate("The server was down", "The server is up")
        assert found is None or found.relation is not Relation.CONFIRMS

    def test_a_state_without_its_subject_is_read_with_the_sentence_before(self) -> None:
        assert relate("Ready for release.", "Build 12 failed the scan", about="Build 12 passed").certain
        assert relate("Ready for release.", "Build 12 failed the scan") is None

    @given(st.text(max_size=120), st.text(max_size=60))
    def test_any_text_can_be_read(self, text: str, about: str) -> None:
        for state in states(text, about):
            assert state.subject.words


class TestTimeRunsDown:
    def test_the_time_left_until_one_thing_is_what_was_said_last(self) -> None:
        assert relate("CASE-17 response due in 6 hours", "CASE-17 response breach in 10 minutes").certain
        assert relate("The AcmeOne licence expires in 20 days", "AcmeOne expires tomorrow, the licence lapses").certain

    def test_of_another_thing_it_says_nothing(self) -> None:
        for old, new in (
            ("CASE-17 response due in 6 hours", "CASE-18 response due in 10 minutes"),
            ("Ann's flight to Rome leaves in 2 days", "Ann's flight to Oslo leaves tomorrow"),
            ("PROJ-7 review is scheduled tomorrow", "PROJ-7 launch is scheduled in 3 weeks"),
            ("PROJ-7 tests are due in 3 days", "PROJ-7 docs are due in 5 days"),
            ("The demo starts in 2 hours", "The demo ends in 3 hours"),
        ):
            found = relate(old, new)
            assert found is None or not found.certain

    def test_what_lies_behind_does_not_run_down(self) -> None:
        assert not counts_down("The report was due in 4 hours then")
        assert not counts_down("It was due 3 days ago")

    def test_what_somebody_means_to_do_by_then_is_a_commitment_and_stays(self) -> None:
        assert not counts_down("We will pay the invoice that is due tomorrow")
        assert not counts_down("I'll close the ticket that is due today")

    @pytest.mark.parametrize(
        "rule",
        [
            "Sessions expire in 15 minutes.",
            "Access tokens expire in one hour.",
            "The password reset link expires in 24 hours.",
            "A share ends in 30 days.",
            "Invoices are due in 30 days.",
            "Trials end in two weeks and auto-renew.",
            "The worker starts within five minutes of boot.",
        ],
    )
    def test_a_rule_of_how_long_things_last_is_not_over_after_so_long(self, rule: str, tmp_path) -> None:
        assert not counts_down(rule)
        with MemoryStore(tmp_path / "m.db", clock=lambda: AT) as memory:
            memory.record(rule, role="user", session="s")
            memory.capture()
            (fact,) = memory.facts()
            assert memory.status(fact, now=AT + timedelta(days=20)) is Status.LIVE

    @pytest.mark.parametrize(
        "news",
        [
            "Support for Python 3.9 ends today.",
            "The contract ends in two weeks; after that we move to Acme.",
            "The old certificate expires tomorrow.",
            "The offer is valid until Friday; after that the price doubles.",
            "The new pricing starts tomorrow.",
        ],
    )
    def test_what_is_true_for_good_once_its_time_has_come_does_not_end_with_it(self, news: str, tmp_path) -> None:
        with MemoryStore(tmp_path / "m.db", clock=lambda: AT) as memory:
            memory.record(news, role="user", session="s")
            memory.capture()
            assert memory.facts()
            for fact in memory.facts():
                assert memory.status(fact, now=AT + timedelta(days=20)) is Status.LIVE

    @pytest.mark.parametrize("left", ["The offer ends in two days: 2 days left.", "The report is due tomorrow."])
    def test_time_left_is_over_when_it_has_run_out(self, left: str, tmp_path) -> None:
        with MemoryStore(tmp_path / "m.db", clock=lambda: AT) as memory:
            memory.record(left, role="user", session="s")
            memory.capture()
            (fact,) = memory.facts()
            assert memory.status(fact, now=AT + timedelta(days=4)) is Status.EXPIRED

    def test_what_holds_for_the_next_weeks_ends_then_whatever_it_is_about(self, tmp_path) -> None:
        with MemoryStore(tmp_path / "m.db", clock=lambda: AT) as memory:
            memory.record("All deploys that end a release are frozen for the next two weeks.", role="user", session="s")
            memory.capture()
            (fact,) = memory.facts()
            assert memory.status(fact, now=AT + timedelta(days=10)) is Status.LIVE
            assert memory.status(fact, now=AT + timedelta(days=20)) is Status.EXPIRED

    def test_what_counts_down_or_says_until_when_is_over_at_that_time(self, tmp_path) -> None:
        now = AT
        with MemoryStore(tmp_path / "m.db", clock=lambda: now) as memory:
            memory.record("CASE-17 is due in 4 hours. The freeze holds until Friday.", role="user", session="s")
            memory.capture()
            due, freeze = memory.facts()
            assert memory.status(due, now=AT + timedelta(hours=3)) is Status.LIVE
            assert memory.status(due, now=AT + timedelta(hours=6)) is Status.EXPIRED
            assert memory.status(freeze, now=AT + timedelta(days=3)) is Status.LIVE
            assert memory.status(freeze, now=AT + timedelta(days=6)) is Status.EXPIRED
            told = memory.recall("CASE-17", now=AT + timedelta(days=1), current_only=True)
            assert due.id not in {r.fact_id for r in told}

    def test_a_fact_that_is_given_an_end_is_over_then_unless_it_is_given_a_lifetime(self, tmp_path) -> None:
        with MemoryStore(tmp_path / "m.db", clock=lambda: AT) as memory:
            ends = memory.remember("We are frozen", modality="decision", valid_to=AT + timedelta(days=2))
            told = memory.remember("They are frozen", modality="decision", valid_to=AT + timedelta(days=2), ttl=None)
            assert memory.status(ends, now=AT + timedelta(days=3)) is Status.EXPIRED
            assert memory.status(told, now=AT + timedelta(days=3)) is Status.LIVE


class TestAPlanToldWithItsPast:
    def test_what_it_was_at_first_gives_way_to_what_it_came_to_be(self) -> None:
        assert relate("The original date was May 3rd.", "The final date is May 9th.", one_turn=True).certain
        assert relate("At first we planned 20 seats.", "We settled on 35 seats.", one_turn=True).certain

    def test_other_sentences_of_one_turn_stay(self) -> None:
        assert relate("The demo is on May 3rd.", "The final date is May 9th.", one_turn=True) is None
        assert relate("The earlier run used 16 GB.", "The final binary is 40 MB.", one_turn=True) is None


class TestDocuments:
    @staticmethod
    def between(old: str, new: str):
        held = Statement("old", old, OBSERVATION, AT, "e1", document=True)
        return proposals(Statement("new", new, OBSERVATION, AT + timedelta(days=90), "e2", document=True), [held])

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("ADR 12: Where sessions are kept", "ADR 45: Where sessions are kept"),
            ("ADR 12: Format of the audit log 1.1", "ADR 45: Format of the audit log 2.0"),
            ("ADR 12: Where sessions are kept", "This record supersedes ADR 12."),
            ("The timeout of the queue is 30 seconds.", "The timeout of the queue is now 60 seconds."),
            ("Sessions are kept in Redis.", "Sessions are kept in Postgres instead of Redis."),
        ],
    )
    def test_a_title_used_again_a_number_named_or_plain_words_of_one_thing_may_replace_and_retire_nothing(
        self, old: str, new: str
    ) -> None:
        (found,) = self.between(old, new)
        assert found.relation is Relation.REPLACES
        assert not found.certain

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("The queue has a timeout of 30 seconds.", "Timeouts of 60 seconds are now usual."),
            ("ADR 12: Statistics (November 1972)", "ADR 45: Statistics (November 1973)"),
            ("ADR 12: Where sessions are kept", "This record builds on ADR 12."),
            ("ADR 12: A response to RFC 28", "ADR 45: A response to RFC 467"),
        ],
    )
    def test_likeness_between_two_documents_tells_little(self, old: str, new: str) -> None:
        assert [p for p in self.between(old, new) if p.relation in (Relation.REPLACES, Relation.CONTRADICTS)] == []
