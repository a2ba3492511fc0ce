"""Each arm is what it says: what is lossless keeps every word, what is lossy loses what it is said to lose."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from evals.arms import ARMS, find
from evals.arms.base import BaseArm
from evals.arms.bm25 import Index
from evals.arms.flat_cache import compress
from evals.arms.rrf import fuse
from evals.model import EvalError, Probe, Query, Recalled, Sample, Turn
from evals.tasks import TASKS

START = datetime(2026, 3, 1, tzinfo=UTC)
SAID = (
    "We use Redis for the mapping from code to address.",
    "Short codes are generated in base62, seven characters long.",
    "We could refresh the TTL of a link on each access.",
    "The landing page is served by nginx from a read-only volume.",
    "Rate limits are per address, a hundred requests a minute.",
    "Metrics leave the service through the Prometheus endpoint.",
)
TURNS = tuple(Turn(f"t{i}", f"s{i // 2}", "user", text, START + timedelta(days=i)) for i, text in enumerate(SAID))
NOW = START + timedelta(days=40)
SAMPLE = Sample("s", "s", TURNS, (Probe("p", Query("?", NOW), {}),), {"markdown_curated": "# Notes\n- We use Redis.\n"})
CONTROLS = {"no_memory", "full_context", "recency"}
SEARCHING = sorted(set(ARMS) - CONTROLS - {"markdown_curated"})


@pytest.fixture
def opened(tmp_path: Path):
    arms: list[BaseArm] = []

    def open_arm(name: str, sample: Sample = SAMPLE) -> BaseArm:
        arm = find(name)()
        if arm.missing():
            pytest.skip(f"{name} {arm.missing()}")
        arm.open(tmp_path, sample)
        arms.append(arm)
        arm.ingest(sample.items)
        return arm

    yield open_arm
    for arm in arms:
        arm.close()


def refs(recalled: list[Recalled]) -> list[str]:
    return [ref for r in recalled for ref in r.refs]


class TestEveryArm:
    @pytest.mark.parametrize("name", ARMS)
    def test_its_name_is_its_key_and_it_says_what_it_is(self, name: str) -> None:
        assert ARMS[name].name == name
        assert ARMS[name].about

    @pytest.mark.parametrize("name", sorted(ARMS))
    def test_it_stays_in_its_working_directory_and_points_only_at_what_was_said(self, name: str, opened) -> None:
        arm = opened(name)
        said = {t.ref for t in TURNS}
        assert set(refs(arm.recall(Query("Which database keeps the mapping?", NOW, k=3)))) <= said

    @pytest.mark.parametrize("name", SEARCHING)
    def test_it_finds_what_was_said_first(self, name: str, opened) -> None:
        recalled = opened(name).recall(Query("How are short codes generated in base62?", NOW, k=3))
        assert refs(recalled)[0] == "t1"

    @pytest.mark.parametrize("name", SEARCHING)
    def test_asked_as_of_a_date_it_does_not_know_the_future(self, name: str, opened) -> None:
        asked = Query("Prometheus metrics endpoint and short codes", NOW, k=5, as_of=START + timedelta(days=3))
        assert "t5" not in refs(opened(name).recall(asked))

    @pytest.mark.parametrize("name", sorted(set(ARMS) - {"flat_cache", "no_memory", "markdown_curated"}))
    def test_a_lossless_memory_gives_back_the_words(self, name: str, opened) -> None:
        recalled = opened(name).recall(Query("Could we refresh the TTL of a link on each access?", NOW, k=10))
        assert any("We could refresh the TTL of a link on each access." in (r.quote or r.text) for r in recalled)

    def test_an_unknown_name_lists_the_names_there_are(self) -> None:
        with pytest.raises(EvalError, match="bm25"):
            find("nothing")


class TestFlatCache:
    def test_it_loses_the_hedge_by_construction(self) -> None:
        assert compress("We could refresh the TTL of a link on each access.") == [
            "refresh the TTL of a link on each access"
        ]
        assert compress("Should we shard the table by tenant?") == ["shard the table by tenant"]
        assert compress("Maybe we might use Kafka for the queue.") == ["use Kafka for the queue"]

    def test_it_marks_nothing_and_every_table_must_say_what_it_is(self, opened) -> None:
        assert {r.modality for r in opened("flat_cache").recall(Query("refresh the TTL", NOW))} == {None}
        assert "says nothing of any product" in ARMS["flat_cache"].caveat

    def test_its_compressor_is_booked(self, opened) -> None:
        assert {t.purpose for t in opened("flat_cache").spent()} == {"compress"}


class TestMarkdown:
    def test_the_curated_file_is_injected_word_for_word(self, opened) -> None:
        assert opened("markdown_curated").inject(NOW) == "# Notes\n- We use Redis.\n"

    def test_without_such_a_file_it_does_not_apply(self) -> None:
        assert find("markdown_curated")().applies(Sample("s", "s", TURNS, ())) is not None

    def test_files_that_are_opened_are_paid_for_whole(self, opened) -> None:
        arm = opened("markdown")
        recalled = arm.recall(Query("base62 codes", NOW, k=1))
        assert len(recalled) == 1
        assert sum(t.tokens for t in arm.spent() if t.purpose == "retrieve") > 0


class TestMemstore:
    def test_a_hedge_comes_back_marked_with_its_quote(self, opened) -> None:
        best = opened("memstore").recall(Query("refresh the TTL on access?", NOW))[0]
        assert best.modality == "option_considered"
        assert best.quote == SAID[2]
        assert best.refs == ("t2",)


class TestRanking:
    def test_bm25_is_the_textbook_formula(self) -> None:
        # Three texts of lengths 2, 1, 3; "a" is in two of them: idf = ln(1 + (3 - 2 + .5) / (2 + .5)).
        scores = dict(Index(["a b", "a", "b c d"]).rank("a"))
        idf = 0.4700036292457356
        assert scores[1] == pytest.approx(idf * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 1 / 2)))
        assert scores[0] == pytest.approx(idf * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 2 / 2)))
        assert 2 not in scores

    def test_fusion_prefers_what_both_rankings_hold(self) -> None:
        assert fuse([[(1, 9.0), (2, 8.0)], [(3, 0.9), (2, 0.8)]])[0][0] == 2


class TestOnTheCaseThatStartedThis:
    @pytest.fixture
    def sample(self) -> Sample:
        return TASKS["url_shortener"].load(Path(), None)[0]

    def test_the_markdown_file_costs_what_was_published(self, sample: Sample, opened) -> None:
        from evals.cost import count

        assert count(opened("markdown_curated", sample).inject(NOW)) == pytest.approx(269, abs=2)
