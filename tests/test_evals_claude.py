"""Claude as answerer, judge and compressor, against a scripted Messages API on loopback: the unclear is never wrong."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from evals import log
from evals.arms import find
from evals.claude import ANSWER, BILLED, DOES_NOT_KNOW, JUDGE, READ, Exam, Examiner, Files, criteria, prompts_sha256
from evals.cli import cli
from evals.cost import COUNTER, billed
from evals.model import Probe, Query, Recalled, Sample, Tokens, Turn, Verdict

pytest.importorskip("anthropic")

NOW = datetime(2026, 3, 2, tzinfo=UTC)
REPOSITORY = Path(__file__).resolve().parent.parent


class Api:
    """A Messages API on loopback: `script(system, content)` gives the JSON of each answer, or text, or a status."""

    def __init__(self, script: Callable[[str, Any], Any]) -> None:
        self.requests: list[dict[str, Any]] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
                api.requests.append(asked)
                said = script(asked["system"], asked["messages"][0]["content"])
                status, stop = (said, "end_turn") if isinstance(said, int) else (200, "end_turn")
                if said == "refuse":
                    stop = "refusal"
                text = said if isinstance(said, str) else json.dumps(said)
                body = {
                    "id": "msg_1", "type": "message", "role": "assistant", "model": asked["model"],
                    "content": [{"type": "text", "text": text}], "stop_reason": stop, "stop_sequence": None,
                    "usage": {"input_tokens": 1000, "output_tokens": 10},
                }  # fmt: skip
                if status != 200:
                    body = {"type": "error", "error": {"type": "invalid_request_error", "message": "scripted"}}
                sent = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def asked(self, system: str) -> list[Any]:
        return [json.loads(r["messages"][0]["content"]) for r in self.requests if r["system"] == system]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[Callable[[str, Any], Any]], Api]]:
    made: list[Api] = []

    def start(script: Callable[[str, Any], Any]) -> Api:
        made.append(Api(script))
        monkeypatch.setenv("ANTHROPIC_BASE_URL", f"http://127.0.0.1:{made[-1].server.server_port}")
        monkeypatch.setenv("ANTHROPIC_API_KEY", "scripted")
        monkeypatch.setenv("MEMEVAL_CACHE", str(tmp_path / "cache"))
        return made[-1]

    yield start
    for one in made:
        one.server.shutdown()
        one.server.server_close()


def honest(system: str, content: str) -> Any:
    """Answers with what came back first, and judges by whether the criterion's words stand in the answer."""
    asked = json.loads(content) if system in (ANSWER, JUDGE, READ) else content
    if system == ANSWER:
        return {"answer": asked["recalled"][0] if asked["recalled"] else "I do not know."}
    if system == JUDGE:
        return {"verdicts": [_verdict(one, asked["answer"]) for one in asked["criteria"]]}
    if system == READ:
        return {"labels": ["decision"] * len(asked)}
    return {"facts": [content[:40]]}


def _verdict(criterion: str, answer: str) -> str:
    if criterion == DOES_NOT_KNOW:
        return "met" if "not know" in answer else "not_met"
    return "met" if criterion.removeprefix("States: ") in answer else "not_met"


def probe(**expect: Any) -> Probe:
    return Probe("p", Query("What stores the links?", NOW), expect)


RECALLED = (Recalled("We use Redis for storage.", ("t1",), modality="decision"),)


class TestJudging:
    def test_the_answerer_never_sees_the_gold_and_the_judge_never_sees_the_memory(self, api, tmp_path: Path) -> None:
        scripted = api(honest)
        got = Examiner(Exam(tmp_path)).examine(probe(answer="We use Redis"), RECALLED, "# Notes")
        assert got == Verdict("[decision] We use Redis for storage.", ("met",))
        assert got.scores() == {"answer/met": 1.0, "answer/correct": 1.0}
        (answering,), (judging,) = scripted.asked(ANSWER), scripted.asked(JUDGE)
        assert set(answering) == {"question", "asked_at", "in_the_prompt", "recalled"}
        assert set(judging) == {"question", "criteria", "answer"}

    def test_each_line_of_a_rubric_is_a_criterion_and_half_counts_half(self, api, tmp_path: Path) -> None:
        api(lambda s, c: honest(s, c) if s == ANSWER else {"verdicts": ["met", "partly"]})
        got = Examiner(Exam(tmp_path)).examine(probe(rubric=["says Redis", "says since when"]), RECALLED, "")
        assert got.scores() == {"answer/met": 0.75, "answer/correct": 0.0}

    def test_where_nothing_was_said_not_knowing_is_right(self, api, tmp_path: Path) -> None:
        api(honest)
        assert Examiner(Exam(tmp_path)).examine(probe(answerable=False), (), "").scores()["answer/correct"] == 1.0
        assert criteria(probe()) == ()

    @pytest.mark.parametrize(
        "reply",
        [
            {"verdicts": []},
            {"verdicts": ["met", "met"]},
            {"verdicts": ["mostly"]},
            {"verdicts": "met"},
            {"verdict": "met"},
            "met",
            "refuse",
            400,
        ],
        ids=str,
    )
    def test_what_does_not_parse_as_asked_is_unscored_and_not_wrong(self, reply: Any, api, tmp_path: Path) -> None:
        api(lambda s, c: honest(s, c) if s == ANSWER else reply)
        got = Examiner(Exam(tmp_path)).examine(probe(answer="Redis"), RECALLED, "")
        assert got.said
        assert got.verdicts is None
        assert got.problem.startswith("not judged")
        assert got.scores() == {"answer/met": None, "answer/correct": None}

    @pytest.mark.parametrize("reply", [{"answer": ""}, {"answer": None}, {}, "Redis", "refuse", 400], ids=str)
    def test_without_an_answer_there_is_nothing_to_judge(self, reply: Any, api, tmp_path: Path) -> None:
        scripted = api(lambda s, c: reply)
        got = Examiner(Exam(tmp_path)).examine(probe(answer="Redis"), RECALLED, "")
        assert got.said is None
        assert got.scores()["answer/correct"] is None
        assert not scripted.asked(JUDGE)

    def test_a_spent_budget_leaves_the_rest_unscored(self, api, tmp_path: Path) -> None:
        api(honest)
        got = Examiner(Exam(tmp_path, tokens_a_sample=10)).examine(probe(answer="Redis"), RECALLED, "")
        assert got.problem == "no answer: token budget spent"


class TestKeeping:
    def test_judging_again_costs_no_answering(self, api, tmp_path: Path) -> None:
        scripted = api(honest)
        for judge in ("claude-haiku-4-5", "claude-sonnet-4-6"):
            Examiner(Exam(tmp_path, judge=judge)).examine(probe(answer="Redis"), RECALLED, "")
        assert len(scripted.asked(ANSWER)) == 1
        assert len(scripted.asked(JUDGE)) == 2
        assert len(Files(tmp_path / "answers")) == 1
        assert len(Files(tmp_path / "judgements")) == 2

    def test_what_failed_is_not_kept(self, api, tmp_path: Path) -> None:
        api(lambda s, c: 400)
        Examiner(Exam(tmp_path)).examine(probe(answer="Redis"), RECALLED, "")
        assert len(Files(tmp_path / "answers")) == 0

    def test_every_token_is_booked_as_billed_and_by_the_common_counter(self, api, tmp_path: Path) -> None:
        api(honest)
        examiner = Examiner(Exam(tmp_path))
        examiner.examine(probe(answer="Redis"), RECALLED, "")
        paid = [t for t in examiner.booked.tokens if t.counter == BILLED]
        assert [(t.purpose, t.tokens, t.kind) for t in paid] == [
            ("answer", 1000, "input"), ("answer", 10, "output"), ("judge", 1000, "input"), ("judge", 10, "output"),
        ]  # fmt: skip
        assert billed(examiner.booked.tokens) == pytest.approx((2000 * 1.0 + 20 * 5.0) / 1e6)
        assert {t.purpose for t in examiner.booked.tokens if t.counter == COUNTER} == {"answer", "judge"}
        assert billed([Tokens("judge", 5, BILLED, "a-model-without-a-price")]) is None


class TestARun:
    def test_answers_are_in_the_log_and_scored_again_without_asking(self, api, tmp_path: Path) -> None:
        scripted = api(honest)
        runner = CliRunner()
        command = ["run", "url_shortener", "--arm", "bm25", "--arm", "no_memory", "--claude", "--out", str(tmp_path)]
        done = runner.invoke(cli, [*command, "--workers", "1", "--nl"])
        assert done.exit_code == 0, done.output
        (path,) = tmp_path.glob("*.jsonl")
        run = log.read(path)
        assert run.header["models"] == {"answerer": "claude-haiku-4-5", "judge": "claude-haiku-4-5"}
        assert run.header["judge_prompt_sha256"] == prompts_sha256()
        assert run.header["tasks"]["url_shortener"]["headline"][0] == "answer/correct"
        judged = [(s.arm, p.scores["answer/correct"]) for s in run.samples for p in s.probes if p.verdict]
        right = {arm: sum(score for of, score in judged if of == arm) for arm in run.header["arms"]}
        assert right["bm25"] > 0
        assert right["no_memory"] == 3  # on the controls, where nothing was said, not knowing is right
        asked = len(scripted.requests)
        again = runner.invoke(cli, ["score", str(path), "--nl"])
        assert again.exit_code == 0, again.output
        assert len(scripted.requests) == asked

    def test_without_a_key_it_is_refused_in_one_line(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
        done = CliRunner().invoke(cli, ["run", "url_shortener", "--claude", "--out", str(tmp_path)])
        assert "ANTHROPIC_API_KEY" in str(done.exception)
        assert not list(tmp_path.iterdir())

    def test_claude_is_calibrated_on_labels_and_on_answers_known_to_be_wrong(self, api, tmp_path: Path) -> None:
        api(honest)
        done = CliRunner().invoke(cli, ["calibrate", "--claude", "--out", str(tmp_path), "--json"])
        assert done.exit_code == 0, done.output
        rows = {(r["instrument"], r["measure"]): r["value"] for r in json.loads(done.stdout)}
        assert rows["Claude as judge", "κ"] == 1
        assert rows["Claude as judge", "base rate (right)"] == pytest.approx(0.5)
        assert rows["Claude as reader", "κ"] == pytest.approx(0)  # it says "decision" to everything
        assert rows["Claude as reader", "unscored"] == 0


class TestTheCompressor:
    def test_a_flat_cache_of_claude_s_facts_keeps_no_modality_and_books_both_counters(
        self, api, tmp_path: Path
    ) -> None:
        api(lambda s, c: {"facts": ["Refreshed the TTL on access"]} if "TTL" in c else "nothing")
        arm = find("flat_cache_claude")()
        if arm.missing():
            pytest.skip(str(arm.missing()))
        turns = (
            Turn("t0", "s", "user", "We could refresh the TTL on each access.", NOW),
            Turn("t1", "s", "user", "Thanks, that is all.", NOW),
        )
        sample = Sample("s", "s", turns, ())
        arm.open(tmp_path, sample)
        assert arm.ingest(turns) == 1
        (back,) = arm.recall(Query("refresh the TTL?", NOW))
        assert (back.text, back.modality, back.refs) == ("Refreshed the TTL on access", None, ("t0",))
        assert {t.counter for t in arm.spent()} == {COUNTER, BILLED}
        arm.close()


class TestSelecting:
    def test_claude_picks_from_what_words_find_and_is_asked_for_nothing_else(self, api, tmp_path: Path) -> None:
        served = api(lambda system, content: {"chosen": [1]})
        arm = find("memstore_select")()
        if arm.missing():
            pytest.skip(str(arm.missing()))
        said = ("We use Redis for links.", "The links expire in March.", "Lunch was good.")
        turns = tuple(Turn(f"t{i}", "s", "user", text, NOW) for i, text in enumerate(said))
        arm.open(tmp_path, Sample("s", "s", turns, ()))
        arm.ingest(turns)
        assert served.requests == []
        (back,) = arm.recall(Query("what about the links?", NOW))
        assert back.text in said[:2]
        assert len(served.requests) == 1
        assert {t.counter for t in arm.spent()} == {BILLED}
        arm.close()


def test_the_prompts_in_the_docs_are_the_prompts_that_are_sent() -> None:
    from evals.arms.flat_cache_claude import COMPRESS

    printed = (REPOSITORY / "evals" / "PROMPTS.md").read_text()
    for prompt in (ANSWER, JUDGE, READ, COMPRESS, DOES_NOT_KNOW):
        assert prompt in printed
