"""The cue model: pure Python, explained by words of the sentence, and aware of whose words they are."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memstore.capture.tagger import cues, tag_lines
from memstore.capture.tagger.cue_tagger import MODALITIES, choose, load_cue_tagger
from memstore.capture.tagger.cues import clauses, clip, find_cues, left_open, settled
from memstore.model import Modality

TAGGER = load_cue_tagger()
#: Every word that stands in a pattern, and the marks that patterns look for.
WORDS = {*re.findall(r"[a-z']{2,}", " ".join(p.pattern for p in cues.PATTERNS.values())), "?", ",", "if", "12"}


def modality(text: str) -> Modality:
    return TAGGER.tag([text])[0].modality


def roles(text: str, cue: str) -> set[str]:
    return {found.role for found in find_cues(text) if found.name == cue}


class TestAnyTextIsTagged:
    @given(st.text(max_size=300))
    def test_every_string_gets_five_probabilities_that_sum_to_one(self, text: str) -> None:
        (tag,) = TAGGER.tag([text])
        assert set(tag.probabilities) == set(Modality)
        assert sum(tag.probabilities.values()) == pytest.approx(1)
        assert tag.probability == tag.probabilities[tag.modality]

    @given(st.text(max_size=300))
    def test_what_it_names_as_why_are_words_of_the_text(self, text: str) -> None:
        (tag,) = TAGGER.tag([text])
        flat = " ".join(text.split())
        assert all(words in flat for words in tag.why)

    def test_a_megabyte_without_a_space_is_tagged_by_its_beginning_and_its_end(self) -> None:
        text = "We could cache this " + "x" * 1_000_000 + " but is it worth it?"
        assert len(clip(text)) < 2000
        assert modality(text) is Modality.QUESTION

    def test_blanks_between_words_say_nothing(self) -> None:
        (spread,), (tight,) = (TAGGER.tag([f"We could{blanks}cache this."]) for blanks in (" " * 1100, " "))
        assert spread == tight


class TestClauses:
    def test_clauses_cover_the_sentence_in_order(self) -> None:
        text = "If it breaks, we roll back, but Ann said we should wait because the queue is full."
        found = clauses(text)
        assert [c.start for c in found] == [0, *(c.end for c in found[:-1])]
        assert found[-1].end == len(text)

    def test_a_word_in_a_condition_is_not_the_main_clause_s(self) -> None:
        assert roles("If we must wait, the build stops.", "must") == {"condition"}
        assert "condition" not in roles("If the build stops, we must wait.", "must")

    def test_what_someone_else_said_is_reported(self) -> None:
        assert roles("Ann suggested we should move.", "should") == {"reported"}
        assert "reported" not in roles("We should move.", "should")

    def test_a_negated_decision_is_seen_as_one_however_it_is_typed(self) -> None:
        for text in ("We haven't decided on it.", "We haven’t decided on it.", "We have not yet decided on it."):
            assert "undecided" in {found.name for found in find_cues(text)}

    def test_a_sentence_is_left_open_only_by_its_last_clause(self) -> None:
        def left(text: str) -> bool:
            return left_open(text, find_cues(text))

        assert left("We have not decided yet.")
        assert left("It is fast, but we haven't decided on it.")
        assert not left("We haven't decided on it, so we keep the old one.")
        assert not left("We decided on it.")

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("I'm torn between the two, but I've already decided against the larger.", True),
            ("However, it was agreed that both stay.", True),
            ("We made a deliberate decision to keep it, whatever it costs.", True),
            ("We have settled on plain tables.", True),
            ("I've decided to buy it, but I'm not sure where.", False),
            ("We decided to buy it, right?", False),
            ("If we decided to do this, it would break.", False),
            ("I like the style we decided on.", False),
            ("Ann said we decided on it.", False),
            ("We have not decided to buy it.", False),
            ("We finally agreed to buy it.", True),
            ("I nearly agreed to buy it.", False),
            ("We tentatively agreed to buy it.", False),
            ("It was never agreed to buy it.", False),
        ],
    )
    def test_a_decision_is_told_by_a_last_clause_that_opens_with_it(self, text: str, told: bool) -> None:
        assert settled(text, find_cues(text)) is told


class TestLookingForPlainStringsFirst:
    @given(st.lists(st.sampled_from(sorted({"Maybe", "maybe", "shouldn't", *WORDS})), max_size=12).map(" ".join))
    def test_hides_no_cue(self, text: str) -> None:
        found = find_cues(text)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cues, "SIEVE", cues.Sieve({}, list(cues.PATTERNS)))
            assert find_cues(text) == found

    @given(st.data())
    def test_hides_no_cue_of_a_text_that_a_pattern_matches(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(cues.PATTERNS)))
        text = data.draw(st.from_regex(cues.PATTERNS[name]))
        assert name in cues.SIEVE.passed(text.translate(cues.LOWER))

    def test_spares_most_patterns_a_search(self) -> None:
        text = "the third node of the cluster was restarted by the operator after lunch"
        assert len(cues.SIEVE.passed(text)) < 0.2 * len(cues.PATTERNS)


class TestStance:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("I'll rename the column tonight.", Modality.DECISION),
            ("Implementations MUST reject unknown fields.", Modality.DECISION),
            ("We could refresh the TTL on each access.", Modality.OPTION_CONSIDERED),
            ("Another option would be to shard by tenant.", Modality.OPTION_CONSIDERED),
            ("This is probably caused by the retry loop.", Modality.HYPOTHESIS),
            ("How does the cache get invalidated?", Modality.QUESTION),
            ("Can you help me understand this trace?", Modality.QUESTION),
            ("The build passed this morning.", Modality.OBSERVATION),
        ],
    )
    def test_plain_cases(self, text: str, expected: Modality) -> None:
        assert modality(text) is expected

    @given(st.lists(st.floats(0, 1), min_size=5, max_size=5), st.floats(0, 1))
    def test_a_decision_is_said_exactly_from_its_threshold_on(
        self, probabilities: list[float], threshold: float
    ) -> None:
        decided = choose(probabilities, threshold) is Modality.DECISION
        assert decided == (probabilities[MODALITIES.index(Modality.DECISION)] >= threshold)


class TestLines:
    def test_blank_lines_are_passed_over_and_broken_bytes_cost_nothing_else(self) -> None:
        lines = [b"We use Redis.\n", b"\n", b"   \n", b"Caf\xe9 could \xff close.\r\n", b"x" * 100_000]
        found = list(tag_lines(lines, TAGGER))
        assert [line["text"] for line in found][:2] == ["We use Redis.", "Caf\ufffd could \ufffd close."]
        assert len(found) == 3
        assert all(json.loads(json.dumps(line)).keys() == {"text", "modality", "probability", "why"} for line in found)

    def test_a_stream_longer_than_a_batch_keeps_its_order(self) -> None:
        texts = [f"Line {i} could change." for i in range(700)]
        assert [line["text"] for line in tag_lines(iter(texts), TAGGER)] == texts


def test_no_module_used_at_run_time_loads_torch_or_the_training_code() -> None:
    code = (
        "import sys; from memstore.capture.tagger import default_tagger; default_tagger().tag(['We use it.']);"
        "sys.exit(any(m == 'torch' or 'tagger.train' in m for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
