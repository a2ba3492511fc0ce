"""A run is only worth its validity checks: arms that do nothing, lie, or hand over everything are caught."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from evals import log
from evals.arms.base import TurnArm, verbatim
from evals.arms.bm25 import BM25
from evals.arms.full_context import FullContext
from evals.arms.no_memory import NoMemory
from evals.arms.recency import Recency
from evals.model import Answer, DataMissing, EvalError, Item, Probe, Query, Recalled, Sample, Task, Turn
from evals.runner import Plan, rescore, run
from evals.scorers.provenance import Provenance
from evals.scorers.retrieval import EvidenceRecall

START = datetime(2026, 1, 1, tzinfo=UTC)
TOPICS = ("redis storage", "short codes", "expiry lifetime", "landing page", "rate limits", "metrics export")


def sample(number: int) -> Sample:
    turns = tuple(
        Turn(f"t{i}", "s1", "user", f"About {topic}: we chose variant {number}-{i}.", START + timedelta(days=i))
        for i, topic in enumerate(TOPICS)
    )
    probes = tuple(
        Probe(f"p{i}", Query(f"What was said about {topic}?", START + timedelta(days=30), k=2), {"evidence": [f"t{i}"]})
        for i, topic in enumerate(TOPICS)
    )
    return Sample(f"chat-{number}", f"chat-{number}", turns, probes)


def load(data: Path, limit: int | None) -> list[Sample]:
    return [sample(n) for n in range(4)][:limit]


@dataclass(frozen=True)
class Evidence:
    name: str = "evidence"

    def score(self, probe: Probe, answer: Answer, sample: Sample) -> dict[str, float | None]:
        refs = {ref for r in answer.recalled for ref in r.refs}
        return {"retrieval/recall_any@2": float(bool(refs & set(probe.expect["evidence"]))) if answer.ranked else None}


TASK = Task("tiny", "Tiny", load, (Evidence(),), ("retrieval/recall_any@2",))


class Silent(TurnArm):
    """Claims to have written, gives nothing back."""

    name = "silent"
    about = ""

    def recall(self, query: Query) -> list[Recalled]:
        return []


class WritesNothing(BM25):
    """Answers well, but out of what? It reports that nothing was kept."""

    name = "writes_nothing"

    def ingest(self, items: Sequence[Item]) -> int:
        super().ingest(items)
        return 0


class Liar(TurnArm):
    """Points at a source that nobody said."""

    name = "liar"
    about = ""

    def recall(self, query: Query) -> list[Recalled]:
        return [Recalled("We use Postgres.", ("t99",))]


class Misattributes(TurnArm):
    """Gives the right words and points at somebody else's."""

    name = "misattributes"
    about = ""

    def recall(self, query: Query) -> list[Recalled]:
        right = next(i for i, turn in enumerate(self.turns) if query.text[19:-1] in turn.text)
        return [Recalled(self.turns[right].text, (self.turns[right - 1].ref,))]


class PointsAtAll(TurnArm):
    """Gives one line back and says that it comes from every turn there is."""

    name = "points_at_all"
    about = ""

    def recall(self, query: Query) -> list[Recalled]:
        return [Recalled(self.turns[0].text, tuple(turn.ref for turn in self.turns))]


class Everything(TurnArm):
    """Hands over the whole conversation and calls it a ranking."""

    name = "everything"
    about = ""

    def recall(self, query: Query) -> list[Recalled]:
        return [verbatim(turn) for turn in self.turns]


class Broken(TurnArm):
    name = "broken"
    about = ""

    def recall(self, query: Query) -> list[Recalled]:
        raise RuntimeError("index\nis gone")


class Repaired(TurnArm):
    """The same arm by name and version, after the repair."""

    name = "broken"
    about = ""

    def recall(self, query: Query) -> list[Recalled]:
        return [verbatim(self.turns[0])]


class Dice(TurnArm):
    """Random, but only by the seed it is given."""

    name = "dice"
    about = ""

    def recall(self, query: Query) -> list[Recalled]:
        return [verbatim(random.choice(self.turns))]


class Slow(BM25):
    name = "slow"

    def recall(self, query: Query) -> list[Recalled]:
        time.sleep(0.03)
        return super().recall(query)


def plan(*arms: type, **kwargs: object) -> Plan:
    return Plan((TASK,), arms, Path(), **kwargs)


def statuses(result: log.RunLog, arm: str) -> set[str]:
    return {s.status for s in result.samples if s.arm == arm}


def mean(result: log.RunLog, arm: str) -> float | None:
    return result.footer["scores"]["tiny"][arm]["retrieval/recall_any@2"]["mean"]


class TestValidity:
    def test_an_arm_that_gives_nothing_back_is_invalid_and_not_zero(self, tmp_path: Path) -> None:
        result = run(plan(Silent), tmp_path / "r.jsonl")
        assert statuses(result, "silent") == {"invalid"}
        assert result.footer["scores"] == {}
        assert "gave nothing back" in result.samples[0].reason

    def test_an_arm_that_writes_nothing_is_invalid(self, tmp_path: Path) -> None:
        result = run(plan(WritesNothing), tmp_path / "r.jsonl")
        assert {s.reason for s in result.samples} == {"wrote nothing"}

    def test_an_arm_that_invents_its_sources_is_invalid(self, tmp_path: Path) -> None:
        result = run(plan(Liar), tmp_path / "r.jsonl")
        assert statuses(result, "liar") == {"invalid"}
        assert "t99" in result.samples[0].reason

    def test_an_arm_that_points_at_the_wrong_source_is_caught_by_the_metrics(self, tmp_path: Path) -> None:
        task = replace(TASK, scorers=(Provenance(), EvidenceRecall(ks=(1,))))
        scores = run(Plan((task,), (Misattributes, BM25), Path()), tmp_path / "r.jsonl").footer["scores"]["tiny"]
        assert scores["misattributes"]["provenance/pointed"]["mean"] == 1.0
        assert scores["misattributes"]["provenance/resolves"]["mean"] == 0.0
        assert scores["misattributes"]["retrieval/recall_any@1"]["mean"] == 0.0
        assert scores["bm25"]["provenance/resolves"]["mean"] == 1.0

    def test_an_arm_that_points_at_everything_is_caught_by_the_metrics(self, tmp_path: Path) -> None:
        task = replace(TASK, scorers=(Provenance(), EvidenceRecall(ks=(1,), budgets=(500,))))
        scores = run(Plan((task,), (PointsAtAll,), Path()), tmp_path / "r.jsonl").footer["scores"]["tiny"][
            "points_at_all"
        ]
        assert scores["provenance/resolves"]["mean"] == 0.0
        assert scores["retrieval/recall_any@1"]["mean"] == pytest.approx(1 / 6, abs=1e-6)
        assert scores["retrieval/recall_any@500tok"]["mean"] == pytest.approx(2 / 6, abs=1e-6)

    def test_returning_everything_is_cut_to_k_and_gains_nothing(self, tmp_path: Path) -> None:
        result = run(plan(Everything, BM25), tmp_path / "r.jsonl")
        assert all(len(p.answer.recalled) == 2 for s in result.samples for p in s.probes if s.arm == "everything")
        assert mean(result, "everything") == pytest.approx(2 / 6, abs=1e-6)
        assert mean(result, "bm25") == 1.0

    def test_the_full_context_is_not_scored_as_a_ranking(self, tmp_path: Path) -> None:
        result = run(plan(FullContext), tmp_path / "r.jsonl")
        row = result.footer["scores"]["tiny"]["full_context"]["retrieval/recall_any@2"]
        assert (row["mean"], row["unscored"]) == (None, 24)

    def test_no_memory_is_a_control_and_scores_zero(self, tmp_path: Path) -> None:
        result = run(plan(NoMemory), tmp_path / "r.jsonl")
        assert statuses(result, "no_memory") == {"ok"}
        assert mean(result, "no_memory") == 0.0

    def test_a_failing_arm_is_an_error_in_one_line_and_others_go_on(self, tmp_path: Path) -> None:
        result = run(plan(Broken, Recency), tmp_path / "r.jsonl")
        assert statuses(result, "broken") == {"error"}
        assert statuses(result, "recency") == {"ok"}
        assert {s.reason for s in result.samples if s.arm == "broken"} == {"RuntimeError: index is gone"}

    def test_tokens_are_counted_by_the_harness(self, tmp_path: Path) -> None:
        result = run(plan(FullContext, limit=1), tmp_path / "r.jsonl")
        (record,) = result.samples
        injected = sum(len(p.answer.injected) for p in record.probes)
        booked = {t.purpose: t.tokens for t in record.tokens}
        assert booked["inject"] == pytest.approx(injected / 4, abs=len(record.probes))
        assert {t.counter for t in record.tokens} == {"chars/4"}

    def test_a_task_without_samples_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(EvalError, match="no samples"):
            run(plan(BM25, limit=0), tmp_path / "r.jsonl")

    def test_missing_data_leaves_no_log_behind(self, tmp_path: Path) -> None:
        def absent(data: Path, limit: int | None) -> list[Sample]:
            raise DataMissing("not here: get it there")

        with pytest.raises(DataMissing):
            run(Plan((Task("t", "T", absent, (), ()),), (BM25,), Path()), tmp_path / "r.jsonl")
        assert not (tmp_path / "r.jsonl").exists()


class TestSameAgain:
    def test_two_runs_with_one_seed_are_identical_but_for_times(self, tmp_path: Path) -> None:
        a = run(plan(BM25, Dice, seed=3), tmp_path / "a.jsonl")
        b = run(plan(BM25, Dice, seed=3), tmp_path / "b.jsonl", workers=2)
        assert a.footer == b.footer
        assert run(plan(BM25, Dice, seed=4), tmp_path / "c.jsonl").footer != a.footer

    def test_scores_can_be_computed_again_from_the_log(self, tmp_path: Path) -> None:
        result = run(plan(BM25), tmp_path / "r.jsonl")
        assert tuple(rescore(result.samples, TASK, load(Path(), None))) == result.samples

    def test_a_finished_run_is_left_as_it_is(self, tmp_path: Path) -> None:
        run(plan(BM25), tmp_path / "r.jsonl")
        before = (tmp_path / "r.jsonl").read_bytes()
        run(plan(BM25), tmp_path / "r.jsonl")
        assert (tmp_path / "r.jsonl").read_bytes() == before

    def test_errors_are_kept_and_tried_again_when_asked(self, tmp_path: Path) -> None:
        run(plan(Broken), tmp_path / "r.jsonl")
        assert statuses(run(plan(Repaired), tmp_path / "r.jsonl"), "broken") == {"error"}
        assert statuses(run(plan(Repaired), tmp_path / "r.jsonl", retry_errors=True), "broken") == {"ok"}

    def test_other_arms_or_another_seed_are_another_run(self, tmp_path: Path) -> None:
        run(plan(BM25), tmp_path / "r.jsonl")
        with pytest.raises(log.LogError, match="arms changed"):
            run(plan(Recency), tmp_path / "r.jsonl")
        with pytest.raises(log.LogError, match="seed changed"):
            run(plan(BM25, seed=9), tmp_path / "r.jsonl")


CHILD = """
import sys
from pathlib import Path
sys.path.insert(0, {here!r})
import test_evals_runner as t
from evals.runner import run
run(t.plan(t.Slow, t.Recency, t.Dice), Path({path!r}))
"""


WORKING = """
import sys
from pathlib import Path
sys.path.insert(0, {here!r})
import test_evals_runner as t
from evals.fanout import fan_out
if __name__ == "__main__":
    list(fan_out(t.sleep_and_say_who, [Path({folder!r})] * 2, 2))
"""


def sleep_and_say_who(folder: Path) -> None:
    (folder / str(os.getpid())).touch()
    time.sleep(120)


def running(pid: int) -> bool:
    """Whether a process is there and is no zombie waiting to be buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class TestKilled:
    @pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked for in /proc")
    def test_the_workers_of_a_killed_run_do_not_outlive_it(self, tmp_path: Path) -> None:
        script, folder = tmp_path / "working.py", tmp_path / "who"
        folder.mkdir()
        script.write_text(WORKING.format(here=str(Path(__file__).parent), folder=str(folder)))
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
        parent = subprocess.Popen([sys.executable, str(script)], env=environment)
        patience = time.monotonic() + 60
        while len(list(folder.iterdir())) < 2 and time.monotonic() < patience:
            time.sleep(0.05)
        workers = [int(path.name) for path in folder.iterdir()]
        assert len(workers) == 2
        parent.kill()
        parent.wait()
        while any(map(running, workers)) and time.monotonic() < patience:
            time.sleep(0.05)
        assert not any(map(running, workers))

    def test_killed_at_random_and_resumed_it_ends_with_the_same_footer(self, tmp_path: Path) -> None:
        whole = run(plan(Slow, Recency, Dice), tmp_path / "whole.jsonl").footer
        path = tmp_path / "killed.jsonl"
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
        code = CHILD.format(here=str(Path(__file__).parent), path=str(path))
        dice = random.Random(11)
        for _ in range(20):
            child = subprocess.Popen([sys.executable, "-c", code], env=environment)
            while child.poll() is None and not path.exists():
                time.sleep(0.005)
            size = path.stat().st_size if path.exists() else 0
            while child.poll() is None and path.stat().st_size < size + dice.randrange(1, 4000):
                time.sleep(0.001)
            child.send_signal(signal.SIGKILL)
            child.wait()
        assert run(plan(Slow, Recency, Dice), path).footer == whole
        keys = [json.loads(line)["sample"] for line in path.read_text().splitlines() if '"type":"sample"' in line]
        assert len(keys) == 12
