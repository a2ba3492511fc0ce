"""The shipped network: what it says, what it costs to load, and that it is the one the card describes."""

from __future__ import annotations

import hashlib
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memstore.capture.tagger import default_tagger
from memstore.capture.tagger.network import Network
from memstore.capture.tagger.network_tagger import MODEL
from memstore.capture.tagger.wordpiece import WordPiece, words_of
from memstore.model import Modality
from tests.conftest import DATA

TAGGER = default_tagger()
WEAKER = (Modality.OPTION_CONSIDERED, Modality.HYPOTHESIS, Modality.QUESTION)


def modality(text: str) -> Modality:
    return TAGGER.tag([text])[0].modality


class TestAnyTextIsTagged:
    @settings(deadline=None)
    @given(st.lists(st.text(max_size=200), max_size=5))
    def test_a_tag_for_every_text_with_probabilities_that_sum_to_one(self, texts: list[str]) -> None:
        tags = TAGGER.tag(texts)
        assert len(tags) == len(texts)
        for tag in tags:
            assert set(tag.probabilities) == set(Modality)
            assert sum(tag.probabilities.values()) == pytest.approx(1, abs=1e-5)
            assert tag.probability == tag.probabilities[tag.modality]

    @settings(deadline=None)
    @given(st.text(max_size=200))
    def test_why_quotes_the_text(self, text: str) -> None:
        (tag,) = TAGGER.tag([text])
        assert all(words in " ".join(text.split()) for words in tag.why)

    @settings(deadline=None, max_examples=30)
    @given(st.lists(st.text(min_size=1, max_size=120), min_size=2, max_size=40))
    def test_a_sentence_is_tagged_alike_whatever_stands_beside_it(self, texts: list[str]) -> None:
        together = TAGGER.tag(texts)
        alone = TAGGER.tag([texts[0]])[0]
        for name in Modality:
            assert together[0].probabilities[name] == pytest.approx(alone.probabilities[name], abs=1e-4)

    def test_a_megabyte_costs_no_more_than_a_paragraph(self) -> None:
        assert modality("Could you help me with this? " + "word " * 200_000 + "What is wrong?") is Modality.QUESTION


class TestStance:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("We use Redis for storage.", Modality.DECISION),
            ("We decided to keep the monolith.", Modality.DECISION),
            ("We dropped the retry queue.", Modality.DECISION),
            ("We could refresh the TTL on each access.", Modality.OPTION_CONSIDERED),
            ("We might move to Valkey one day.", Modality.OPTION_CONSIDERED),
            ("The timeout is probably caused by the proxy.", Modality.HYPOTHESIS),
            ("If we drop the index, reads would slow down.", Modality.HYPOTHESIS),
            ("Why does the cache miss on every request?", Modality.QUESTION),
            ("I'm not sure how to mock the clock.", Modality.QUESTION),
            ("The tests ran for ten minutes.", Modality.OBSERVATION),
            ("The deploy finished at noon.", Modality.OBSERVATION),
        ],
    )
    def test_plain_cases(self, text: str, expected: Modality) -> None:
        assert modality(text) is expected

    @pytest.mark.parametrize(
        "text",
        [
            "The binary format was chosen for its compactness.",
            "Retries are out of scope for this document.",
            "We considered Kafka but went with Postgres.",
        ],
    )
    def test_a_decision_need_not_say_we_decided(self, text: str) -> None:
        assert modality(text) is Modality.DECISION

    @pytest.mark.parametrize(
        ("news", "settled"),
        [
            ("The staging server is down.", "The staging server must be down by nine."),
            ("All tests pass now.", "All tests must pass before a merge."),
            ("The build is green again.", "We keep the build green."),
            ("The branch is ready for review.", "We will have the branch ready for review."),
            ("The cert expires on Friday.", "We let the cert expire on Friday."),
        ],
    )
    def test_bare_news_is_no_decision_and_what_is_to_be_so_is_one(self, news: str, settled: str) -> None:
        tag = TAGGER.tag([news])[0]
        assert tag.modality is Modality.OBSERVATION
        assert sum(tag.probabilities.values()) == pytest.approx(1)
        assert modality(settled) is Modality.DECISION

    def test_a_decision_that_is_told_last_is_one_whatever_was_weighed_before(self) -> None:
        text = "Maybe it would have been nicer to use Kafka, but it was decided to stay with the queue."
        (tag,) = TAGGER.tag([text])
        assert tag.modality is Modality.DECISION
        assert tag.probability >= 0.9
        assert sum(tag.probabilities.values()) == pytest.approx(1)

    def test_whose_words_they_are_matters(self) -> None:
        assert modality("We will use Kafka.") is not modality("Ann suggested that we use Kafka.")

    def test_a_hedge_is_not_a_decision(self) -> None:
        hedges = [
            "Maybe we should use Postgres.",
            "We may want to use Postgres.",
            "I'm considering Postgres for this.",
            "Should we use Postgres?",
            "Postgres would probably be fine.",
            "We haven't decided on Postgres yet.",
            "We have not decided yet.",
            "They never agreed to use Postgres.",
            "We leave it as an open question which of the two stores we choose.",
        ]
        assert Modality.DECISION not in {tag.modality for tag in TAGGER.tag(hedges)}


class TestQuality:
    """On shipped sentences that no one trained on: wide bounds, so that only a broken model fails."""

    def test_most_sentences_are_tagged_right_and_few_hedges_become_decisions(self) -> None:
        rows = [json.loads(line) for line in (DATA / "modality" / "dev.jsonl").read_text().splitlines()]
        said = [tag.modality for tag in TAGGER.tag([row["text"] for row in rows])]
        truth = [Modality(row["label"]) for row in rows]
        hedges = [s for s, t in zip(said, truth, strict=True) if t in WEAKER]
        assert np.mean([s is t for s, t in zip(said, truth, strict=True)]) > 0.8
        assert hedges.count(Modality.DECISION) / len(hedges) < 0.06

    def test_no_measured_sentence_is_a_training_row(self) -> None:
        measured = {json.loads(line)["text"] for line in (DATA / "modality" / "dev.jsonl").read_text().splitlines()}
        trained = {
            json.loads(line)["text"]
            for name in ("labelled", "written")
            for line in (DATA / "tagger" / f"{name}.jsonl").read_text().splitlines()
        }
        assert not measured & trained


class TestModelFile:
    def test_it_is_at_most_twenty_five_megabytes(self) -> None:
        assert MODEL.stat().st_size <= 25_000_000

    def test_it_says_its_version_and_its_calibration(self) -> None:
        found = Network(MODEL).settings
        assert found["version"] == TAGGER.version
        assert all(temperature > 0 for temperature in found["temperatures"])
        assert 0 < found["decision_threshold"] < 1
        assert -1 < found["doubtful"] < 1

    def test_some_sentences_are_looked_at_twice_and_most_are_not(self, monkeypatch: pytest.MonkeyPatch) -> None:
        texts = [json.loads(line)["text"] for line in (DATA / "modality" / "dev.jsonl").read_text().splitlines()]
        again: list[int] = []
        second_look = Network._second_look

        def counted(network: Network, ids: np.ndarray, inside: np.ndarray) -> np.ndarray:
            again.append(len(ids))
            return second_look(network, ids, inside)

        monkeypatch.setattr(Network, "_second_look", counted)
        TAGGER.tag(texts)
        assert 0.05 < sum(again) / len(texts) < 0.5

    def test_past_the_first_layers_few_positions_are_worked_on(self) -> None:
        for picked in Network(MODEL).settings["picked"]:
            assert picked[0] == 0
            assert 0 < picked[-1] < picked[-2]

    def test_its_card_names_its_version_and_its_hash(self) -> None:
        card = MODEL.with_name("MODEL_CARD.md").read_text(encoding="utf-8")
        assert TAGGER.version in card
        assert hashlib.sha256(MODEL.read_bytes()).hexdigest() in card


class TestWordPiece:
    TOKENS = WordPiece(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "we", "re", "##fresh", "##s", "'", "!"])

    def test_words_fall_into_the_longest_known_pieces(self) -> None:
        assert self.TOKENS.encode("We refreshs!", 64) == [2, 4, 5, 6, 7, 9, 3]

    def test_what_has_no_pieces_is_unknown(self) -> None:
        assert self.TOKENS.encode("we xyz", 64) == [2, 4, 1, 3]

    @given(st.text(max_size=400), st.integers(8, 64))
    def test_never_more_pieces_than_the_limit(self, text: str, limit: int) -> None:
        assert len(self.TOKENS.encode(text, limit)) <= limit

    @given(st.text(alphabet=st.characters(codec="ascii"), max_size=80))
    def test_ascii_and_other_text_are_cut_by_the_same_rule(self, text: str) -> None:
        # an accented letter takes the slow road; stripped of its accent it must not change the rest
        assert words_of(text + " é")[:-1] == words_of(text + " e")[:-1] or any(ord(c) < 32 for c in text)


def test_probability_is_finite_on_control_characters() -> None:
    (tag,) = TAGGER.tag(["\x00\x01\x7f\u200b"])
    assert math.isfinite(tag.probability)
