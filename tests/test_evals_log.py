"""The run log keeps every answer word for word, through torn writes, kills and resumptions."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals import log
from evals.header import code_hash
from evals.log import LogError, ProbeRecord, SampleRecord
from evals.model import Answer, EvalError, Recalled, Tokens
from evals.publish import joined, publish
from evals.summary import footer

RUNS = Path(__file__).resolve().parent.parent / "data" / "runs"

HEADER = {
    "format": log.FORMAT,
    "tasks": {},
    "arms": {},
    "seed": 1,
    "counter": "chars/4",
    "times": {"started": "2026-01-01"},
    "where": {"git": "abc"},
}
TEXT = st.text(max_size=40)


def record(sample: str = "s1", arm: str = "a", text: str = "We use Redis.", latency: float = 1.5) -> SampleRecord:
    recalled = Recalled(text, ("t1",), "decision", score=0.5, quote=text, confidence=0.9, extra={"status": "live"})
    answer = Answer("p1", (recalled, Recalled("old", current=False)), "injected " + text, latency)
    probe = ProbeRecord(
        "p1",
        "decisions",
        "What do we use?",
        "2026-01-02",
        5,
        {"evidence": ["t1"]},
        answer,
        {"retrieval/recall_any@5": 1.0, "latency/recall_ms": latency},
    )
    source = {"t1": {"role": "user", "at": "2026-01-01", "session": "s", "text": text}}
    return SampleRecord(
        "task",
        arm,
        sample,
        "c1",
        0,
        "ok",
        None,
        2,
        1,
        7,
        (probe,),
        source,
        (Tokens("inject", 3, "chars/4"),),
        {"ingest_s": 0.1},
    )


def written(path: Path, *records: SampleRecord, footer: bool = True) -> Path:
    writer, _ = log.begin(path, HEADER)
    for one in records:
        writer.sample(one)
    if footer:
        writer.footer({"samples": {"ok": len(records)}})
    writer.close()
    return path


class TestReading:
    def test_what_was_written_is_what_is_read(self, tmp_path: Path) -> None:
        read = log.read(written(tmp_path / "run.jsonl", record(), record("s2")))
        assert read.samples == (record(), record("s2"))
        assert read.complete

    @given(text=TEXT)
    def test_any_text_comes_back_as_it_was(self, text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
        path = tmp_path_factory.mktemp("log") / "run.jsonl"
        assert log.read(written(path, record(text=text))).samples == (record(text=text),)

    def test_a_lone_surrogate_comes_back_as_it_was(self, tmp_path: Path) -> None:
        assert (
            log.read(written(tmp_path / "r.jsonl", record(text="\ud800 half")))
            .samples[0]
            .probes[0]
            .answer.recalled[0]
            .text
            == "\ud800 half"
        )

    def test_a_log_without_a_footer_was_interrupted(self, tmp_path: Path) -> None:
        assert not log.read(written(tmp_path / "run.jsonl", record(), footer=False)).complete

    def test_a_sample_written_again_replaces_the_earlier_one(self, tmp_path: Path) -> None:
        read = log.read(written(tmp_path / "run.jsonl", record(text="first"), record(text="second")))
        assert [s.probes[0].answer.recalled[0].text for s in read.samples] == ["second"]

    @pytest.mark.parametrize("damage", ["", "not json\n", '{"type":"sample"}\n', "[1,2]\n"])
    def test_a_file_that_is_no_log_is_refused_in_one_line(self, damage: str, tmp_path: Path) -> None:
        path = tmp_path / "run.jsonl"
        path.write_text(damage)
        with pytest.raises(LogError, match="is not a run log") as refused:
            log.read(path)
        assert "\n" not in str(refused.value)

    def test_damage_in_the_middle_names_its_line(self, tmp_path: Path) -> None:
        path = written(tmp_path / "run.jsonl", record(), record("s2"))
        lines = path.read_text().splitlines(keepends=True)
        lines[1] = lines[1][:50] + "\n"
        path.write_text("".join(lines))
        with pytest.raises(LogError, match="damaged at line 2"):
            log.read(path)

    @pytest.mark.parametrize("header", ['{"type":"header","format":1}', '{"type":"header","format":1,"tasks":[]}'])
    def test_a_header_that_says_too_little_is_none(self, header: str, tmp_path: Path) -> None:
        (tmp_path / "run.jsonl").write_text(header + "\n")
        with pytest.raises(LogError, match="is not a run log"):
            log.read(tmp_path / "run.jsonl")

    def test_a_packed_log_that_was_cut_short_or_is_not_packed_is_damaged(self, tmp_path: Path) -> None:
        whole = gzip.compress(written(tmp_path / "run.jsonl", record()).read_bytes())
        for content in (whole[:-20], b"{}" + whole, whole[:40] + b"\0" * 40 + whole[80:]):
            (tmp_path / "run.jsonl.gz").write_bytes(content)
            with pytest.raises(LogError, match="does not unpack"):
                log.read(tmp_path / "run.jsonl.gz")

    def test_a_line_of_an_unknown_kind_is_damage(self, tmp_path: Path) -> None:
        path = written(tmp_path / "run.jsonl", record())
        path.write_text(path.read_text() + '{"type":"something"}\n')
        with pytest.raises(LogError, match="damaged at line 4"):
            log.read(path)

    def test_a_directory_and_a_missing_file_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(LogError, match="is a directory"):
            log.read(tmp_path)
        with pytest.raises(LogError, match="no run log"):
            log.read(tmp_path / "none.jsonl")

    def test_a_log_of_a_later_format_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "run.jsonl"
        path.write_text(json.dumps({"type": "header", "format": 99}) + "\n")
        with pytest.raises(LogError, match="later version"):
            log.read(path)


def means(footer: Mapping[str, Any]) -> dict[tuple[str, str, str], tuple[Any, ...]]:
    """What a footer says of each metric but for the intervals, whose method may get better."""
    return {
        (task, arm, metric): tuple(row[k] for k in ("mean", "n", "clusters", "unscored"))
        for task, arms in footer["scores"].items()
        for arm, metrics in arms.items()
        for metric, row in metrics.items()
    }


class TestOldLogs:
    """Logs of every format that was ever written stay readable, to the last score and the last token."""

    PATHS = (*sorted((Path(__file__).parent / "evals").glob("log_format_*.jsonl")), *sorted(RUNS.glob("*.jsonl*")))

    @pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
    def test_an_old_log_reads_as_it_was_written(self, path: Path) -> None:
        run = log.read(path)
        assert run.complete
        assert run.samples
        assert means(footer(run.samples)) == means(run.footer)
        if run.header.get("words") != "left out":
            assert log.digest_samples(run.samples) == run.footer["answers_sha256"]

    def test_the_frozen_one_holds_every_kind_of_field(self) -> None:
        run = log.read(self.PATHS[0])
        by_arm = {record.arm: record for record in run.samples}
        hedge = next(p for p in by_arm["memstore"].probes if p.id == "published/hedge")
        assert hedge.answer.recalled[0].modality == "option_considered"
        assert hedge.answer.recalled[0].quote == "We could refresh the TTL on each access."
        assert hedge.labels == {"modality": [["option_considered", "option_considered"]]}
        assert hedge.verdict.said.startswith("[option_considered]")
        assert hedge.verdict.verdicts == ("met",)
        assert by_arm["memstore"].sources["r9"]["role"] == "user"
        assert {t.kind for t in by_arm["bm25"].tokens} == {"input", "output"}

    def test_a_log_can_be_written_again_byte_for_byte(self, tmp_path: Path) -> None:
        run = log.read(self.PATHS[0])
        plain = (
            {k: v for k, v in run.header.items() if k != "type"},
            {k: v for k, v in run.footer.items() if k != "type"},
        )
        again = log.write(replace(run, path=tmp_path / "again.jsonl", header=plain[0], footer=plain[1]))
        assert again.path.read_bytes() == self.PATHS[0].read_bytes()


class TestOneWriter:
    def test_a_second_process_is_refused_until_the_first_is_done(self, tmp_path: Path) -> None:
        path = tmp_path / "run.jsonl"
        writer, _ = log.begin(path, HEADER)
        code = (
            "import sys; from pathlib import Path; from evals import log; log.begin(Path(sys.argv[1]), {'format': 1})"
        )
        command = [sys.executable, "-c", code, str(path)]
        there = {**os.environ, "PYTHONPATH": str(RUNS.parent.parent)}
        refused = subprocess.run(command, env=there, capture_output=True, text=True, timeout=60)
        assert "is being written by another process" in refused.stderr
        writer.sample(record())
        writer.close()
        assert len(log.read(path).samples) == 1
        with pytest.raises(LogError, match="begun under other conditions"):
            log.begin(path, {"format": 1})


class TestPublishing:
    def test_without_words_every_number_stays_and_nothing_that_anybody_said(self, tmp_path: Path) -> None:
        run = log.read(TestOldLogs.PATHS[0])
        bare = publish(run, tmp_path / "bare.jsonl.gz", words=False)
        assert footer(bare.samples)["scores"] == footer(run.samples)["scores"]
        text = gzip.decompress(bare.path.read_bytes()).decode()
        said = {turn["text"] for record in run.samples for turn in record.sources.values()}
        assert said
        assert not [words for words in said if words in text]
        assert not [p.question for record in run.samples for p in record.probes if p.question in text]

    def test_two_runs_of_the_same_data_are_one_table(self, tmp_path: Path) -> None:
        run = log.read(TestOldLogs.PATHS[0])
        halves = [replace(run, samples=tuple(r for r in run.samples if (r.arm == "bm25") == mine)) for mine in (0, 1)]
        assert {r.key for r in joined(halves).samples} == {r.key for r in run.samples}

    def test_runs_of_other_data_are_not_joined(self) -> None:
        run = log.read(TestOldLogs.PATHS[0])
        task = {**run.header["tasks"]["url_shortener"], "data_sha256": "other"}
        with pytest.raises(EvalError, match="other data"):
            joined([run, replace(run, header={**run.header, "tasks": {"url_shortener": task}})])

    def test_an_unfinished_run_is_not_published(self, tmp_path: Path) -> None:
        run = replace(log.read(TestOldLogs.PATHS[0]), footer=None)
        with pytest.raises(EvalError, match="not finished"):
            publish(run, tmp_path / "x.jsonl", words=True)


class TestTornWrites:
    @given(data=st.data())
    def test_cut_anywhere_a_log_reads_as_the_samples_that_were_whole(
        self, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        path = written(tmp_path_factory.mktemp("log") / "run.jsonl", record(), record("s2"), record("s3"))
        whole = path.read_bytes()
        first = whole.index(b"\n") + 1
        cut = data.draw(st.integers(first, len(whole)))
        path.write_bytes(whole[:cut])
        assert len(log.read(path).samples) == min(3, whole[first:cut].count(b"\n"))

    def test_going_on_after_a_torn_line_leaves_a_sound_log(self, tmp_path: Path) -> None:
        path = written(tmp_path / "run.jsonl", record(), record("s2"), footer=False)
        path.write_bytes(path.read_bytes()[:-20])
        writer, before = log.begin(path, HEADER)
        assert before is not None
        assert [s.sample for s in before.samples] == ["s1"]
        writer.sample(record("s2"))
        writer.close()
        assert [s.sample for s in log.read(path).samples] == ["s1", "s2"]

    def test_going_on_after_a_lost_newline_leaves_a_sound_log(self, tmp_path: Path) -> None:
        path = written(tmp_path / "run.jsonl", record(), record("s2"), footer=False)
        path.write_bytes(path.read_bytes()[:-1])
        writer, _ = log.begin(path, HEADER)
        writer.sample(record("s3"))
        writer.close()
        assert [s.sample for s in log.read(path).samples] == ["s1", "s3"]

    @pytest.mark.parametrize("length", [0, 5, 30])
    def test_a_run_killed_in_its_header_begins_anew(self, length: int, tmp_path: Path) -> None:
        path = tmp_path / "run.jsonl"
        path.write_bytes(written(tmp_path / "whole.jsonl").read_bytes()[:length])
        assert log.read(written(path, record())).samples == (record(),)

    def test_a_file_that_is_something_else_is_never_written_over(self, tmp_path: Path) -> None:
        path = tmp_path / "notes.txt"
        path.write_text("my notes")
        with pytest.raises(LogError):
            log.begin(path, HEADER)
        assert path.read_text() == "my notes"


class TestResuming:
    def test_a_changed_header_is_refused_and_named(self, tmp_path: Path) -> None:
        path = written(tmp_path / "run.jsonl", record())
        before = path.read_bytes()
        with pytest.raises(LogError, match="seed changed"):
            log.begin(path, {**HEADER, "seed": 2})
        assert path.read_bytes() == before

    def test_time_and_place_may_change(self, tmp_path: Path) -> None:
        path = written(tmp_path / "run.jsonl", record())
        moved = {**HEADER, "times": {"started": datetime.now(UTC)}, "where": {"git": "elsewhere"}}
        writer, before = log.begin(path, moved)
        writer.close()
        assert before is not None


class TestCodeHash:
    def test_it_covers_what_the_code_reads_and_not_what_is_written_about_it(self, tmp_path: Path) -> None:
        model = tmp_path / "memstore" / "tagger" / "model.npz"
        model.parent.mkdir(parents=True)
        model.write_bytes(b"one")
        before = code_hash(tmp_path)
        (model.parent / "README.md").write_text("about the model")
        assert code_hash(tmp_path) == before
        model.write_bytes(b"two")
        assert code_hash(tmp_path) != before


class TestDigest:
    def test_order_and_time_do_not_matter_and_words_do(self) -> None:
        a, b = record(), record("s2")
        assert log.digest_samples([a, b]) == log.digest_samples([b, a])
        assert log.digest_samples([record(latency=9.0)]) == log.digest_samples([record(latency=1.0)])
        assert log.digest_samples([record(text="could")]) != log.digest_samples([record(text="will")])
