"""Each arm is what it says: what is lossless keeps every word, what is lossy loses what it is said to lose."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from evals.arms import ARMS, find
from evals.arms.base import BaseArm
from evals.arms.bm25 import Index
from evals.arms.flat_cache import compress
from evals.arms.rrf import fuse
from evals.model import Edge, EvalError, Probe, Query, Recalled, Sample, Turn
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
SOON = START + timedelta(days=7)
NOW = START + timedelta(days=40)
LATER = Query("refresh the TTL on access?", START + timedelta(days=900))
SAMPLE = Sample("s", "s", TURNS, (Probe("p", Query("?", NOW), {}),), {"markdown_curated": "# Notes\n- We use Redis.\n"})
CONTROLS = {"no_memory", "full_context", "recency"}
ORACLES = {"oracle", "markdown_oracle"}
MADE_ELSEWHERE = {
    "markdown_curated",
    "claude_mem",
    "flat_cache_claude",
    "memstore_claude",
    "memstore_select",
}  # they need a file, a database or a model
SEARCHING = sorted(set(ARMS) - CONTROLS - ORACLES - MADE_ELSEWHERE)
LOSSLESS = sorted({*SEARCHING, "full_context", "recency"} - {"flat_cache"})


OPEN_FILES = Path("/proc/self/fd")


def files_open_in(folder: Path) -> list[str]:
    names = []
    for entry in OPEN_FILES.iterdir():
        with suppress(OSError):  # closed since it was listed
            names.append(os.readlink(entry))
    return [name for name in names if name.startswith(str(folder))]


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
    @pytest.mark.parametrize("name", sorted({*SEARCHING, "full_context", "recency"}))
    def test_nothing_from_behind_another_wall_is_brought_back_or_injected(self, name: str, opened) -> None:
        walled = tuple(replace(t, scope="left" if i % 2 else "right") for i, t in enumerate(TURNS))
        arm = opened(name, replace(SAMPLE, items=walled))
        for scope, other in (("left", "right"), ("right", "left")):
            asked = [arm.recall(Query(turn.text, NOW, k=20, scope=scope)) for turn in walled]
            found = {ref for recalled in asked for ref in refs(recalled)}
            assert found
            assert found <= {turn.ref for turn in walled if turn.scope == scope}
            injected = arm.inject(NOW, scope)
            assert not any(" ".join(t.text.split()[:5]) in injected for t in walled if t.scope == other)

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

    @pytest.mark.parametrize("name", LOSSLESS)
    def test_a_lossless_memory_gives_back_the_words(self, name: str, opened) -> None:
        recalled = opened(name).recall(Query("Could we refresh the TTL of a link on each access?", NOW, k=10))
        assert any("We could refresh the TTL of a link on each access." in (r.quote or r.text) for r in recalled)

    @pytest.mark.skipif(not OPEN_FILES.exists(), reason="this system does not list a process's open files")
    @pytest.mark.parametrize("name", sorted(set(ARMS) - {"mempalace"}))  # which keeps two, its palace closed or not
    def test_once_closed_it_holds_no_file_open(self, name: str, tmp_path: Path, opened) -> None:
        arm = opened(name)
        arm.recall(Query("Which database keeps the mapping?", NOW, k=3))
        arm.close()
        for _ in range(200):  # Chroma closes its files by threads of its own
            if not (held := files_open_in(tmp_path)):
                break
            time.sleep(0.05)
        assert held == []

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


class TestClaudeMem:
    @pytest.fixture
    def database(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Two observations and a summary, in the published schema."""
        folder = tmp_path / "databases"
        folder.mkdir()
        monkeypatch.setenv("MEMEVAL_CLAUDE_MEM", str(folder))
        db = sqlite3.connect(folder / "s.db")
        db.execute(
            "create table observations(id integer primary key, memory_session_id text, project text, type text, "
            "title text, facts text, narrative text, discovery_tokens int, created_at text, created_at_epoch int)"
        )
        db.execute("create table session_summaries(id integer primary key, learned text, created_at_epoch int)")
        for number, facts in enumerate((["Codes use base62", "Chose Redis for links"], ["Refreshed TTL on access"])):
            epoch = int((START + timedelta(days=number)).timestamp() * 1000)
            row = (number, "m", "p", "decision", f"Work {number}", json.dumps(facts), None, 700, "", epoch)
            db.execute(f"insert into observations values ({', '.join('?' * 10)})", row)
        past = int((START - timedelta(days=200)).timestamp() * 1000)
        db.execute("insert into session_summaries values (1, 'Codes used to be hex', ?)", (past,))
        db.commit()
        db.close()
        return folder

    def test_each_fact_is_a_document_newest_first_within_ninety_days(self, database: Path, opened) -> None:
        arm = opened("claude_mem")
        back = [r.text for r in arm.recall(Query("How are codes made?", NOW))]
        assert back[0] == "Refreshed TTL on access"  # the newest, though the least alike
        assert set(back[1:]) == {"Codes use base62", "Chose Redis for links"}
        assert arm.inject(NOW) == "- 2026-03-01 00:00 Work 0\n- 2026-03-02 00:00 Work 1"

    def test_it_keeps_no_pointer_and_books_what_its_model_took(self, database: Path, opened) -> None:
        arm = opened("claude_mem")
        assert refs(arm.recall(Query("Redis", NOW))) == []
        assert [(t.purpose, t.tokens) for t in arm.spent()] == [("compress", 1400)]

    def test_a_sample_that_it_never_watched_is_skipped_with_a_reason(self, database: Path) -> None:
        assert "no claude-mem database other.db" in find("claude_mem")().applies(Sample("other", "s", TURNS, ()))

    def test_what_is_no_such_database_is_refused_in_one_line(self, database: Path, opened) -> None:
        (database / "s.db").write_bytes(b"not a database at all, but long enough to be read as one")
        with pytest.raises(EvalError, match="not a claude-mem database"):
            opened("claude_mem")

    def test_without_a_folder_it_says_what_it_needs(self) -> None:
        assert "MEMEVAL_CLAUDE_MEM" in find("claude_mem").missing()


class TestMemstoreMarkdown:
    def test_the_mark_stands_in_the_line_and_is_read_back(self, opened, tmp_path: Path) -> None:
        back = opened("memstore_markdown").recall(Query("refresh the TTL on access?", SOON, k=1))
        assert [(r.modality, r.refs) for r in back] == [("option_considered", ("t2",))]
        said = "".join(p.read_text() for p in tmp_path.rglob("*.md"))
        assert "- [option, not decided · 2026-03-03 · user] We could refresh the TTL of a link on each access." in said

    def test_what_was_replaced_is_not_in_the_files(self, opened) -> None:
        edge = Edge("supersedes", ("t1",), ("t5",), START + timedelta(days=6), "declared")
        arm = opened("memstore_markdown", Sample("s", "s", (*TURNS, edge), ()))
        assert "t1" not in refs(arm.recall(Query("How are short codes generated in base62?", NOW)))


class TestMemstore:
    def test_a_hedge_comes_back_marked_with_its_quote(self, opened) -> None:
        best = opened("memstore").recall(Query("refresh the TTL on access?", SOON))[0]
        assert best.modality == "option_considered"
        assert best.quote == SAID[2]
        assert best.refs == ("t2",)

    def test_without_marks_the_words_still_come_back(self, opened) -> None:
        best = opened("memstore_no_modality").recall(Query("refresh the TTL on access?", SOON))[0]
        assert best.modality is None
        assert best.quote == SAID[2]

    def test_without_lifetimes_a_hedge_never_expires(self, opened) -> None:
        (hedge,) = [r for r in opened("memstore_no_lifetimes").recall(LATER) if "t2" in r.refs]
        assert hedge.current

    def test_with_lifetimes_it_comes_back_as_past(self, opened) -> None:
        (hedge,) = [r for r in opened("memstore").recall(LATER) if "t2" in r.refs]
        assert not hedge.current

    def test_an_entry_of_a_register_stands_until_its_key_is_written_again_and_what_was_read_off_goes_stale(
        self, opened
    ) -> None:
        said = [
            Turn("r", "s", "document", "The status of PEP 8 is Active.", START, modality="observation", key="pep-8"),
            Turn("w", "s", "system", "The build passes.", START, modality="observation", key="build"),
        ]
        arm = opened("memstore", Sample("s", "s", tuple(said), ()))
        later = START + timedelta(days=900)
        current = {
            r.refs[0]: r.current for q in ("status of PEP 8", "build passes") for r in arm.recall(Query(q, later))
        }
        assert current == {"r": True, "w": False}

    @pytest.mark.parametrize(("name", "binding"), [("memstore", False), ("memstore_no_authority", True)])
    def test_only_without_authority_does_a_document_speak_for_the_user(self, name: str, binding: bool, opened) -> None:
        told = Turn("d1", "s1", "document", "We will use Postgres for storage.", START)
        sample = Sample("d", "d", (told,), ())
        asked = Query("What do we use for storage?", START)
        assert opened(name, sample).recall(asked)[0].extra["binding"] == binding

    @pytest.mark.parametrize(("name", "replaced"), [("memstore", True), ("memstore_no_chains", False)])
    def test_a_declared_replacement_counts_only_with_chains(self, name: str, replaced: bool, opened) -> None:
        old = Turn("o", "s", "user", "Records of visits go to the blue bucket.", START)
        new = Turn("n", "s", "user", "We will keep no address of a visitor.", START + timedelta(days=1))
        edge = Edge("supersedes", ("o",), ("n",), START + timedelta(days=1), "said so")
        recalled = opened(name, Sample("c", "c", (old, new, edge), ())).recall(
            Query("visits, visitor, bucket, address", SOON)
        )
        assert ("o" not in refs([r for r in recalled if r.current])) == replaced

    @pytest.mark.parametrize(("name", "warned"), [("memstore", True), ("memstore_no_anchors", False)])
    def test_a_file_that_went_is_noticed_only_with_anchors(self, name: str, warned: bool, opened) -> None:
        told = Turn("f", "s", "user", "The handlers live in app/handlers.py for now.", START)
        extras = {"files": {"app/handlers.py": "x\n"}, "files_later": {}}
        recalled = opened(name, Sample("f", "f", (told,), (), extras)).recall(Query("app/handlers.py handlers", START))
        assert (recalled[0].extra["status"] == "suspect") == warned

    def test_a_sample_cannot_write_outside_its_folder(self, tmp_path: Path) -> None:
        told = Turn("f", "s", "user", "It lives in ../../evil.py.", START)
        arm = find("memstore")()
        with pytest.raises(EvalError, match="outside its folder"):
            arm.open(tmp_path, Sample("f", "f", (told,), (), {"files": {"../../evil.py": "x"}}))


class TestOracles:
    @pytest.mark.parametrize("name", sorted(ORACLES))
    def test_they_give_back_what_the_key_says(self, name: str, opened) -> None:
        asked = Query("How are codes made, in base62?", NOW)
        sample = Sample("s", "s", TURNS, (Probe("p", asked, {"evidence": ["t1"]}),))
        assert refs(opened(name, sample).recall(asked)) == ["t1"]

    @pytest.mark.parametrize("name", sorted(ORACLES))
    def test_where_there_is_no_key_they_do_not_apply(self, name: str) -> None:
        assert find(name)().applies(SAMPLE) is not None


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
