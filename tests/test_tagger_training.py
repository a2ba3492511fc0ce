"""What the tagger is trained on, as far as it can be checked without torch."""

from __future__ import annotations

from memstore.capture.tagger.train.made import GRAMMAR, made
from memstore.capture.tagger.train.sentences import careless


class TestMadeSentences:
    def test_they_are_as_many_as_asked_for_and_no_two_alike(self) -> None:
        assert len(set(made(500, seed=1))) == 500

    def test_the_same_seed_makes_the_same_sentences_and_another_makes_others(self) -> None:
        assert made(50, seed=1) == made(50, seed=1)
        assert made(50, seed=1) != made(50, seed=2)

    def test_no_hole_is_left_open(self) -> None:
        assert not [text for text in made(500, seed=3) if "[" in text or any(f"<{name}>" in text for name in GRAMMAR)]


def test_a_careless_sentence_keeps_its_words() -> None:
    assert careless("Should we use Redis?") == "should we use Redis"
