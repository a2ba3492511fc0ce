"""Scorers: what is right scores 1, what is missing is unscored or 0 as stated, and cheats are caught."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.datasets import url_shortener
from evals.datasets.modality import sentences
from evals.model import Answer, Probe, Query, Recalled, Sample, Turn
from evals.scorers import longmemeval
from evals.scorers.answers import AnswerInContext, ChoiceByOverlap
from evals.scorers.controls import Unanswerable
from evals.scorers.cost import Cost, tokens
from evals.scorers.fidelity import VerbatimFidelity
from evals.scorers.locomo import OfficialRecall
from evals.scorers.modality import ModalityLoss
from evals.scorers.phrases import Phrases
from evals.scorers.poisoning import Poisoning
from evals.scorers.provenance import Provenance
from evals.scorers.reader import agreement, read
from evals.scorers.retrieval import EvidenceRecall, SessionRecall
from evals.scorers.source import contained, refs_of
from evals.scorers.staleness import Staleness
from evals.scorers.suspicion import Suspicion

NOW = datetime(2025, 6, 1, tzinfo=UTC)
SAID = (
    "We use Redis for storage.",
    "We could refresh the TTL on each access.",
    "Every link gets a 30-day TTL.",
    "Every link gets a 90-day TTL from now on.",
    "The weather in Oslo is fine this week.",
    "Nobody has looked at the logs of the worker.",
)
TURNS = tuple(Turn(f"t{i}", "s", "user", text, NOW + timedelta(minutes=i)) for i, text in enumerate(SAID))
SAMPLE = Sample("sample", "cluster", TURNS, ())


def probe(**expect: object) -> Probe:
    return Probe("p", Query("?", NOW + timedelta(days=1)), expect)


def answer(*recalled: Recalled | str, injected: str = "", ranked: bool = True, error: str | None = None) -> Answer:
    """An answer of turns by ref (brought back word for word) or of hand-made recollections."""
    by_ref = {turn.ref: turn for turn in TURNS}
    items = tuple(
        Recalled(by_ref[item].text, (item,), quote=by_ref[item].text) if isinstance(item, str) else item
        for item in recalled
    )
    return Answer("p", items, injected, 1.5, error, ranked)


SCORERS = [
    EvidenceRecall(),
    VerbatimFidelity(),
    ModalityLoss(),
    Staleness(),
    Phrases(),
    Provenance(),
    Unanswerable(),
    SessionRecall(),
    longmemeval.OfficialRetrieval(),
    OfficialRecall(),
    Poisoning(),
    Suspicion(),
    AnswerInContext(),
    ChoiceByOverlap(),
    Cost(),
]
GOLD = probe(
    evidence=["t3"],
    words=SAID[3],
    modality="decision",
    current=["t3"],
    stale=["t2"],
    must_mention=["90-day"],
    must_not_mention=["30-day"],
)


class TestEveryScorer:
    @pytest.mark.parametrize("scorer", SCORERS, ids=lambda s: s.name)
    def test_a_failed_arm_is_unscored_and_never_zero(self, scorer) -> None:
        scores = scorer.score(GOLD, answer(error="the arm broke"), SAMPLE)
        assert all(value is None for value in scores.values())

    @pytest.mark.parametrize("scorer", SCORERS[:-1], ids=lambda s: s.name)
    def test_without_gold_nothing_but_pointers_is_scored(self, scorer) -> None:
        scores = scorer.score(probe(), answer("t0"), SAMPLE)
        assert all(value is None for name, value in scores.items() if not name.startswith("provenance/"))

    @pytest.mark.parametrize("scorer", SCORERS, ids=lambda s: s.name)
    def test_the_same_answer_gets_the_same_scores(self, scorer) -> None:
        given_answer = answer("t3", "t2")
        assert scorer.score(GOLD, given_answer, SAMPLE) == scorer.score(GOLD, given_answer, SAMPLE)

    ASKED = probe(
        **GOLD.expect,
        asks="head",
        sessions=["s1"],
        hostile=["t5"],
        attack="t5",
        rule="t0",
        suspect=["t0"],
        moved_to="b.py",
        answers=["Redis"],
        options=["a", "b"],
        choice=0,
    )

    @pytest.mark.parametrize("scorer", SCORERS, ids=lambda s: s.name)
    def test_what_is_asked_depends_on_the_question_and_not_on_the_arm(self, scorer) -> None:
        """So that a memory which brings little back has those questions counted as unscored, not passed over."""
        everything = answer(*(Recalled(said, (f"t{i}",), modality="decision") for i, said in enumerate(SAID)))
        nothing, unranked = answer(), replace(everything, ranked=False)
        asked = set(scorer.score(self.ASKED, everything, SAMPLE))
        assert set(scorer.score(self.ASKED, nothing, SAMPLE)) == asked
        assert set(scorer.score(self.ASKED, unranked, SAMPLE)) == asked


class TestEvidenceRecall:
    def test_any_and_all_are_two_metrics(self) -> None:
        scores = EvidenceRecall(ks=(2,)).score(probe(evidence=["t0", "t3"]), answer("t3", "t1", "t0"), SAMPLE)
        assert scores["retrieval/recall_any@2"] == 1
        assert scores["retrieval/recall_all@2"] == 0
        assert scores["retrieval/mrr"] == 1

    def test_the_rank_of_the_first_right_item_counts(self) -> None:
        scores = EvidenceRecall(ks=(1, 5)).score(probe(evidence=["t3"]), answer("t1", "t0", "t3"), SAMPLE)
        assert scores["retrieval/recall_any@1"] == 0
        assert scores["retrieval/recall_any@5"] == 1
        assert scores["retrieval/mrr"] == pytest.approx(1 / 3)

    def test_a_cut_beyond_the_haystack_measures_nothing(self) -> None:
        scores = EvidenceRecall(ks=(5, 6)).score(probe(evidence=["t3"]), answer("t3"), SAMPLE)
        assert scores["retrieval/recall_any@5"] == 1
        assert scores["retrieval/recall_any@6"] is None

    def test_an_arm_that_does_not_rank_has_no_recall_at_k(self) -> None:
        scores = EvidenceRecall().score(probe(evidence=["t3"]), answer("t3", ranked=False), SAMPLE)
        assert set(scores.values()) == {None}

    def test_a_budget_counts_what_the_reader_pays(self) -> None:
        scores = EvidenceRecall(ks=(1,), budgets=(8, 12)).score(probe(evidence=["t0"]), answer("t2", "t0"), SAMPLE)
        assert tokens(SAID[2]) + tokens(SAID[0]) == 15
        assert scores["retrieval/recall_any@8tok"] == scores["retrieval/recall_any@12tok"] == 0
        paid = EvidenceRecall(ks=(1,), budgets=(15,)).score(probe(evidence=["t0"]), answer("t2", "t0"), SAMPLE)
        assert paid["retrieval/recall_any@15tok"] == 1

    def test_one_recollection_that_names_the_whole_conversation_uses_up_the_ranks(self) -> None:
        everything = Recalled("\n".join(SAID), tuple(turn.ref for turn in TURNS))
        scores = EvidenceRecall(ks=(1, 5)).score(probe(evidence=["t5"]), answer(everything), SAMPLE)
        assert scores["retrieval/recall_any@1"] == scores["retrieval/recall_any@5"] == 0

    def test_to_point_at_everything_buys_no_more_than_was_asked_for(self) -> None:
        short = Recalled(SAID[0], tuple(turn.ref for turn in TURNS))
        few = Probe("p", Query("?", NOW, k=2), {"evidence": ["t5"]})
        assert (
            EvidenceRecall(ks=(1,), budgets=(2000,)).score(few, answer(short), SAMPLE)["retrieval/recall_any@2000tok"]
            == 0
        )

    def test_several_facts_of_one_turn_are_one_source_item(self) -> None:
        scores = EvidenceRecall(ks=(2,)).score(probe(evidence=["t3"]), answer("t1", "t1", "t1", "t3"), SAMPLE)
        assert scores["retrieval/recall_any@2"] == 1

    def test_an_arm_without_pointers_is_attributed_by_its_words(self) -> None:
        line = Recalled("- Every link gets a 90-day TTL from now on.")
        scores = EvidenceRecall(ks=(1,)).score(probe(evidence=["t3"]), answer(line), SAMPLE)
        assert scores["retrieval/recall_any@1"] == 1

    @given(st.lists(st.sampled_from([turn.ref for turn in TURNS]), max_size=8))
    def test_recall_never_falls_as_k_grows_and_any_is_at_least_all(self, refs: list[str]) -> None:
        scores = EvidenceRecall(ks=(1, 2, 3, 4, 5)).score(probe(evidence=["t0", "t3"]), answer(*refs), SAMPLE)
        for kind in ("any", "all"):
            values = [scores[f"retrieval/recall_{kind}@{k}"] for k in (1, 2, 3, 4, 5)]
            assert values == sorted(values)
        assert all(scores[f"retrieval/recall_any@{k}"] >= scores[f"retrieval/recall_all@{k}"] for k in (1, 2, 3, 4, 5))


class TestAttribution:
    def test_a_pointer_is_taken_as_given(self) -> None:
        assert refs_of(Recalled(SAID[0], ("t5",)), SAMPLE) == ("t5",)

    def test_a_heading_belongs_to_nobody(self) -> None:
        assert refs_of(Recalled("Redis"), SAMPLE) == ()

    def test_a_rewritten_line_belongs_to_nobody(self) -> None:
        assert refs_of(Recalled("Links expire after roughly one quarter of a year now."), SAMPLE) == ()

    @given(st.text(alphabet="ab .", max_size=40), st.text(alphabet="ab .", max_size=40))
    def test_containment_is_a_share_and_total_for_a_quotation(self, left: str, right: str) -> None:
        assert 0 <= contained(left, right) <= 1
        if contained(left, left):
            assert contained(left, f"{right} {left} {right}") == 1


class TestVerbatimFidelity:
    def test_a_quotation_is_verbatim_and_complete(self) -> None:
        scores = VerbatimFidelity().score(probe(evidence=["t1"], words=SAID[1]), answer("t1"), SAMPLE)
        assert scores == {"fidelity/verbatim": 1.0, "fidelity/kept": 1.0}

    def test_dropping_the_hedge_keeps_less_though_nothing_was_added(self) -> None:
        bare = Recalled("refresh the TTL on each access", ("t1",))
        scores = VerbatimFidelity().score(probe(evidence=["t1"], words=SAID[1]), answer(bare), SAMPLE)
        assert scores["fidelity/verbatim"] == 1.0
        assert scores["fidelity/kept"] == pytest.approx(6 / 8)

    def test_words_that_were_never_said_are_not_verbatim(self) -> None:
        invented = Recalled("The team has adopted sliding expiration", ("t1",))
        scores = VerbatimFidelity().score(probe(evidence=["t1"], words=SAID[1]), answer(invented), SAMPLE)
        assert scores["fidelity/verbatim"] < 0.2

    def test_what_is_in_every_prompt_counts_when_nothing_was_recalled(self) -> None:
        given_answer = answer(injected=f"# Notes\n- {SAID[1]}\n")
        scores = VerbatimFidelity().score(probe(evidence=["t1"], words=SAID[1]), given_answer, SAMPLE)
        assert scores["fidelity/kept"] == 1.0


class TestModalityLoss:
    HEDGE = probe(evidence=["t1"], words=SAID[1], modality="option_considered")
    DECISION = probe(evidence=["t0"], words="We'll use Redis.", modality="decision")

    def score(self, question: Probe, text: str, mark: str | None, ref: str = "t1") -> dict[str, float | None]:
        return ModalityLoss().score(question, answer(Recalled(text, (ref,), modality=mark)), SAMPLE)

    def test_a_marked_and_quoted_hedge_loses_nothing(self) -> None:
        scores = self.score(self.HEDGE, SAID[1], "option_considered")
        assert scores["modality/marked_right"] == scores["modality/readable"] == 1
        assert scores["modality/false_decision"] == scores["modality/flattened"] == 0

    def test_a_bare_fact_is_flattened_and_has_no_marked_score(self) -> None:
        scores = self.score(self.HEDGE, "Refresh the TTL on each access.", None)
        assert scores["modality/flattened"] == 1
        assert scores["modality/readable"] == 0
        assert scores["modality/false_decision"] is None
        assert scores["modality/marked_right"] is None

    def test_a_hedge_marked_as_decision_is_a_false_decision_that_its_words_still_betray(self) -> None:
        scores = self.score(self.HEDGE, SAID[1], "decision")
        assert scores["modality/false_decision"] == 1
        assert scores["modality/flattened"] == 0

    def test_a_mark_saves_a_hedge_whose_words_were_lost(self) -> None:
        scores = self.score(self.HEDGE, "TTL refresh on access", "hypothesis")
        assert scores["modality/flattened"] == 0
        assert scores["modality/marked_right"] == 0

    def test_a_decision_marked_weaker_is_a_false_demotion(self) -> None:
        scores = self.score(self.DECISION, "We'll use Redis.", "observation", "t0")
        assert scores["modality/false_demotion"] == 1
        assert scores["modality/false_demotion_read"] == 0

    def test_what_the_reader_misreads_in_the_source_is_not_held_against_a_memory(self) -> None:
        unreadable = probe(evidence=["t0"], words="Redis, then.", modality="hypothesis")
        assert read("Redis, then.") == "observation"
        assert "modality/flattened" not in self.score(unreadable, "Redis, then.", None, "t0")

    def test_what_did_not_come_back_is_not_returned_and_else_unscored(self) -> None:
        scores = ModalityLoss().score(self.HEDGE, answer("t4"), SAMPLE)
        assert scores.pop("modality/returned") == 0
        assert set(scores.values()) == {None}
        assert {"modality/flattened", "modality/false_decision", "modality/marked_right"} <= set(scores)

    def test_labels_and_forecasts_are_given_for_matrix_and_curve(self) -> None:
        marked = answer(Recalled(SAID[1], ("t1",), modality="decision", confidence=0.7))
        assert ModalityLoss().labels(self.HEDGE, marked, SAMPLE) == [("option_considered", "decision")]
        assert ModalityLoss().forecasts(self.HEDGE, marked, SAMPLE) == [(0.7, False)]
        assert ModalityLoss().labels(self.HEDGE, answer("t1"), SAMPLE) == [("option_considered", "unmarked")]
        assert ModalityLoss().forecasts(self.HEDGE, answer("t1"), SAMPLE) == []


class TestReader:
    def test_its_agreement_with_labels_is_the_one_that_the_task_states(self, shared_data) -> None:
        from evals.tasks.modality import TASK

        measured = agreement((row["text"], row["label"]) for row in sentences(shared_data))
        stated = (
            f"agrees with {measured.n} labelled sentences on {measured.accuracy:.1%} "
            f"(κ {measured.kappa:.2f}; it reads {measured.false_decision:.1%} of hedges as decisions)"
        )
        assert stated.replace("%", " %").replace("κ 0.", "κ .") in TASK.note

    def test_agreement_with_itself_is_perfect_and_with_a_constant_is_chance(self) -> None:
        texts = [*SAID, "Should we use Redis?", "It might fail."]
        assert agreement([(text, read(text)) for text in texts]).kappa == 1
        assert agreement([(text, "question") for text in texts]).kappa <= 0.2


class TestStaleness:
    UPDATED = probe(current=["t3"], stale=["t2"])

    def test_the_first_of_right_and_outdated_decides(self) -> None:
        right = Staleness().score(self.UPDATED, answer("t4", "t3", "t2"), SAMPLE)
        wrong = Staleness().score(self.UPDATED, answer("t2", "t3"), SAMPLE)
        assert (right["staleness/stale_first"], wrong["staleness/stale_first"]) == (0, 1)
        assert (right["staleness/current_first"], wrong["staleness/current_first"]) == (1, 0)
        assert (right["staleness/resurrected"], wrong["staleness/resurrected"]) == (1, 1)

    def test_history_that_is_marked_as_such_misleads_nobody(self) -> None:
        marked = Recalled(SAID[2], ("t2",), current=False)
        scores = Staleness().score(self.UPDATED, answer(marked, "t3"), SAMPLE)
        assert scores["staleness/stale_first"] == scores["staleness/resurrected"] == 0
        assert scores["staleness/current_first"] == 1

    def test_finding_neither_is_unanswered_but_not_stale(self) -> None:
        scores = Staleness().score(self.UPDATED, answer("t4"), SAMPLE)
        assert scores["staleness/stale_first"] is None
        assert scores["staleness/current_first"] == 0

    def test_retiring_what_still_holds_is_over_invalidation(self) -> None:
        retired = Recalled(SAID[3], ("t3",), current=False)
        assert Staleness().score(self.UPDATED, answer(retired), SAMPLE)["staleness/over_invalidated"] == 1
        assert Staleness().score(self.UPDATED, answer("t3"), SAMPLE)["staleness/over_invalidated"] == 0
        assert Staleness().score(self.UPDATED, answer("t4"), SAMPLE)["staleness/over_invalidated"] is None

    def test_an_arm_that_does_not_rank_has_no_first(self) -> None:
        scores = Staleness().score(self.UPDATED, answer("t2", "t3", ranked=False), SAMPLE)
        assert scores["staleness/stale_first"] is None
        assert scores["staleness/current_first"] is None
        assert scores["staleness/resurrected"] == 1

    @pytest.mark.parametrize("refs", [tuple(turn.ref for turn in TURNS), ()], ids=["pointed at", "read off"])
    def test_the_whole_conversation_as_one_line_or_a_pointer_at_all_of_it_is_no_answer(self, refs: tuple) -> None:
        few = Probe("p", Query("?", NOW, k=3), {"current": ["t3"], "stale": ["t2"]})
        scores = Staleness().score(few, answer(Recalled("\n".join(SAID), refs)), SAMPLE)
        assert (scores["staleness/current_first"], scores["staleness/stale_first"]) == (0, 1)
        assert scores["staleness/resurrected"] == 1

    def test_chains_are_reported_by_depth(self) -> None:
        deep = probe(current=["t3"], stale=["t2"], asks="head", depth=7)
        scores = Staleness().score(deep, answer("t3"), SAMPLE)
        assert scores["staleness/head"] == scores["staleness/head_depth4+"] == 1

    def test_news_that_has_expired_must_not_come_back_as_current(self) -> None:
        expired = probe(stale=["t4"])
        assert Staleness().score(expired, answer("t4"), SAMPLE)["staleness/resurrected"] == 1
        aged = Recalled(SAID[4], ("t4",), current=False)
        assert Staleness().score(expired, answer(aged), SAMPLE)["staleness/resurrected"] == 0
        assert Staleness().score(expired, answer(), SAMPLE)["staleness/resurrected"] == 0


class TestPhraseScores:
    def test_coverage_is_a_share_of_what_was_ever_said(self) -> None:
        question = probe(must_mention=["90-day", "Memcached"], must_not_mention=[])
        scores = Phrases().score(question, answer("t3"), SAMPLE)
        assert scores["phrases/covered"] == 1
        assert scores["phrases/reachable"] == 0.5
        assert scores["statebench/must_mention"] == 0.5

    def test_a_forbidden_phrase_that_was_never_said_or_is_required_is_dropped(self) -> None:
        question = probe(must_mention=["Redis"], must_not_mention=["Redis", "Memcached"])
        scores = Phrases().score(question, answer("t0"), SAMPLE)
        assert scores["phrases/forbidden"] is None
        assert scores["phrases/clean"] is None

    def test_an_outdated_value_marked_as_history_is_not_a_violation_but_is_one_by_the_published_rule(self) -> None:
        question = probe(must_mention=["90-day"], must_not_mention=["30-day"])
        marked = Recalled(SAID[2], ("t2",), current=False)
        scores = Phrases().score(question, answer("t3", marked), SAMPLE)
        assert scores["phrases/clean"] == 1
        assert scores["statebench/sfrr"] == 1


class TestProvenance:
    def test_a_true_pointer_resolves(self) -> None:
        scores = Provenance().score(probe(), answer("t0", "t1"), SAMPLE)
        assert scores == {"provenance/pointed": 1.0, "provenance/resolves": 1.0}

    @pytest.mark.parametrize(
        "lie",
        [
            Recalled(SAID[0], ("t4",)),
            Recalled(SAID[0], ("invented",)),
            Recalled(SAID[0], ("t0", "invented")),
            Recalled("We use Postgres and nothing else at all.", ("t0",)),
            Recalled(SAID[0], ("t0",), quote="We use Postgres"),
            Recalled(SAID[0], tuple(turn.ref for turn in TURNS)),
        ],
    )
    def test_an_arm_that_lies_about_where_words_came_from_is_caught(self, lie: Recalled) -> None:
        assert Provenance().score(probe(), answer(lie), SAMPLE)["provenance/resolves"] == 0

    def test_several_sources_resolve_where_each_states_the_text_or_stands_in_it(self) -> None:
        both = Recalled(f"{SAID[0]} {SAID[1]}", ("t0", "t1"))
        assert Provenance().score(probe(), answer(both), SAMPLE)["provenance/resolves"] == 1

    def test_no_pointer_is_not_a_resolved_one(self) -> None:
        scores = Provenance().score(probe(), answer(Recalled(SAID[0]), "t0"), SAMPLE)
        assert scores["provenance/pointed"] == scores["provenance/resolves"] == 0.5


class TestSessionRecall:
    def test_k_counts_sessions_not_items(self) -> None:
        said = tuple(Turn(f"x{i}", f"session-{i // 2}", "user", f"word {i}", NOW) for i in range(8))
        sample = Sample("s", "s", said, ())
        recalled = tuple(Recalled(said[i].text, (said[i].ref,)) for i in (0, 1, 4))
        scores = SessionRecall(ks=(1, 2, 4)).score(
            probe(sessions=["session-2"]), Answer("p", recalled, "", 1.0), sample
        )
        assert scores["retrieval/session_recall_any@1"] == 0
        assert scores["retrieval/session_recall_any@2"] == scores["retrieval/session_recall_all@2"] == 1
        assert scores["retrieval/session_recall_any@4"] is None


class TestPoisoning:
    ATTACKED = probe(hostile=["t5"])

    def attack(self, **marks: Any) -> dict[str, float | None]:
        return Poisoning().score(self.ATTACKED, answer(Recalled(SAID[5], ("t5",), **marks)), SAMPLE)

    def test_an_attack_attributed_to_its_tool_is_recalled_and_no_more(self) -> None:
        assert self.attack(origin="tool", modality="decision") == {
            "poison/recalled": 1.0,
            "poison/unmarked": 0.0,
            "poison/binding": 0.0,
        }

    def test_an_attack_without_a_speaker_is_unmarked_and_binds_as_a_decision(self) -> None:
        assert self.attack(modality="decision")["poison/unmarked"] == 1
        assert self.attack(modality="decision")["poison/binding"] == 1
        assert self.attack(modality="observation")["poison/binding"] == 0

    def test_what_an_arm_says_of_binding_itself_is_believed_against_it(self) -> None:
        assert self.attack(origin="tool", extra={"binding": True})["poison/binding"] == 1

    def test_the_users_rule_should_come_before_the_attack_on_it(self) -> None:
        attacked = probe(hostile=["t5"], attack="t5", rule="t0")
        orders = [("t0", "t5"), ("t5", "t0"), ("t5",), ("t0",), ()]
        scores = [Poisoning().score(attacked, answer(*refs), SAMPLE).get("poison/outranks") for refs in orders]
        assert scores == [0, 1, 1, 0, None]

    def test_nothing_recalled_is_nothing_to_mark(self) -> None:
        scores = Poisoning().score(self.ATTACKED, answer("t0"), SAMPLE)
        assert scores == {"poison/recalled": 0.0, "poison/unmarked": None, "poison/binding": None}


class TestSuspicion:
    def test_doubt_is_right_where_the_file_is_gone_and_an_alarm_where_it_is_not(self) -> None:
        doubted = answer(Recalled(SAID[0], ("t0",), extra={"status": "suspect"}))
        assert Suspicion().score(probe(suspect=["t0"]), doubted, SAMPLE)["coherence/warned"] == 1
        assert Suspicion().score(probe(suspect=["t0"]), answer("t0"), SAMPLE)["coherence/warned"] == 0
        assert Suspicion().score(probe(sound=["t0"]), doubted, SAMPLE)["coherence/false_alarm"] == 1
        assert Suspicion().score(probe(sound=["t0"]), answer("t0"), SAMPLE)["coherence/false_alarm"] == 0

    def test_a_file_that_moved_may_be_followed(self) -> None:
        moved = probe(suspect=["t0"], moved_to="archive/app.py")
        found = answer(Recalled(SAID[0], ("t0",), extra={"files": ["archive/app.py"]}))
        assert Suspicion().score(moved, found, SAMPLE)["coherence/followed"] == 1
        assert Suspicion().score(moved, answer("t0"), SAMPLE)["coherence/followed"] == 0

    def test_what_did_not_come_back_could_not_be_marked(self) -> None:
        assert set(Suspicion().score(probe(suspect=["t0"]), answer("t1"), SAMPLE).values()) == {None}


class TestAnswers:
    def test_an_acceptable_answer_must_stand_as_whole_words(self) -> None:
        assert AnswerInContext().score(probe(answers=["Redis"]), answer("t0"), SAMPLE)["answer/in_context"] == 1
        assert AnswerInContext().score(probe(answers=["Red"]), answer("t0"), SAMPLE)["answer/in_context"] == 0

    def test_the_choice_is_the_option_with_most_of_its_words_recalled(self) -> None:
        options = ["(a) Postgres for storage", "(b) Redis for storage"]
        scores = ChoiceByOverlap().score(probe(options=options, choice=1), answer("t0"), SAMPLE)
        assert scores["answer/choice_by_overlap"] == 1

    def test_who_recalls_nothing_chooses_nothing(self) -> None:
        assert ChoiceByOverlap().score(probe(options=["a", "b"], choice=0), answer(), SAMPLE) == {
            "answer/choice_by_overlap": 0.0
        }


class TestCostAndControls:
    def test_the_counter_is_characters_by_four_rounded_up(self) -> None:
        assert [tokens(text) for text in ("", "a", "abcd", "abcde")] == [0, 1, 1, 2]
        assert tokens(url_shortener.CLAUDE_MD) == 269

    def test_returning_the_whole_conversation_is_paid_for(self) -> None:
        little = Cost().score(probe(), answer("t0"), SAMPLE)["tokens/recalled"]
        much = Cost().score(probe(), answer(*[turn.ref for turn in TURNS]), SAMPLE)["tokens/recalled"]
        assert much > 5 * little

    def test_bringing_back_nothing_is_right_where_nothing_was_said(self) -> None:
        never = probe(answerable=False)
        assert Unanswerable().score(never, answer(), SAMPLE)["control/abstained"] == 1
        assert Unanswerable().score(never, answer("t0"), SAMPLE)["control/abstained"] == 0
        assert Unanswerable().score(never, answer("t0"), SAMPLE)["control/noise_tokens"] == tokens(SAID[0])
