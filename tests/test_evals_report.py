"""The report is one file that loads nothing, believes no transcript, and leads from a score to the words behind it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from evals import log
from evals.arms.bm25 import BM25
from evals.arms.full_context import FullContext
from evals.arms.no_memory import NoMemory
from evals.arms.recency import Recency
from evals.cost import Curve, crossover, fit
from evals.log import ProbeRecord, SampleRecord
from evals.model import Answer, Probe, Query, Sample, Task, Tokens, Turn
from evals.publish import joined
from evals.report import costs, markdown, page
from evals.report.tables import flat, number, task_tables
from evals.runner import Plan, run
from evals.scorers.fidelity import VerbatimFidelity
from evals.scorers.retrieval import EvidenceRecall

START = datetime(2026, 1, 1, tzinfo=UTC)
HOSTILE = "We use </script><script>document.title='owned'</script><img src=x onerror=alert(1)> & Redis for storage."
SAID = (HOSTILE, "Short codes are in base62 always.", "Links live for thirty days now.", "The page is served by nginx.")


def load(data: Path, limit: int | None) -> list[Sample]:
    samples = []
    for n in range(3):
        turns = tuple(Turn(f"t{i}", "s1", "user", text, START + timedelta(hours=i)) for i, text in enumerate(SAID))
        asked = START + timedelta(days=2)
        probes = tuple(
            Probe(f"{n}/p{i}", Query(text, asked, k=5), {"evidence": [f"t{i}"], "words": text}, "plain")
            for i, text in enumerate(SAID)
        )
        filler = tuple(Turn(f"f{i}", "s2", "user", f"Filler {i} of chat {n}", START) for i in range(10 * n + 6))
        samples.append(Sample(f"chat-{n}", f"chat-{n}", turns + filler, probes))
    return samples


TASK = Task(
    "tiny",
    "Tiny <b>task</b>",
    load,
    (EvidenceRecall(ks=(1, 5)), VerbatimFidelity()),
    ("retrieval/recall_any@5", "fidelity/kept"),
    note="A note & more.",
)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> log.RunLog:
    path = tmp_path_factory.mktemp("report") / "tiny-run.jsonl"
    return run(Plan((TASK,), (NoMemory, FullContext, Recency, BM25), Path()), path)


@pytest.fixture(scope="module")
def written(result: log.RunLog) -> Path:
    return page.write(result, result.path.with_suffix(".html"))


def test_what_has_to_be_asked_for_takes_a_round_trip_and_what_is_in_the_prompt_none(result: log.RunLog) -> None:
    trips = {row["arm"]: row["round_trips"] for row in flat(result)}
    assert trips["bm25"] == 1.0
    assert trips["full_context"] == trips["no_memory"] == 0.0


def test_the_interval_that_forgets_conversations_stands_beside_the_one_that_does_not(result: log.RunLog) -> None:
    rows = [row for row in flat(result) if row["metric"] == "fidelity/kept" and row["arm"] == "recency"]
    assert [row["naive_low"] is not None for row in rows] == [True]


class Tags(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


class TestOneFile:
    def test_nothing_is_loaded_from_anywhere(self, written: Path) -> None:
        tags = Tags(written.read_text()).found
        assert not [t for t, a in tags if "src" in a or t in ("link", "img", "iframe")]
        assert all((a.get("href") or "#").startswith("#") for t, a in tags if t == "a")
        text = written.read_text()
        assert "@import" not in text
        assert not re.search(r"url\(", text)

    def test_it_forbids_itself_to_load_anything(self, written: Path) -> None:
        assert "default-src 'none'" in written.read_text()

    def test_links_within_it_lead_somewhere(self, written: Path) -> None:
        tags = Tags(written.read_text()).found
        ids = {a["id"] for _, a in tags if "id" in a}
        assert {a["href"][1:] for t, a in tags if t == "a"} <= ids

    def test_what_a_transcript_says_is_never_markup(self, written: Path) -> None:
        text = written.read_text()
        assert "<script>document" not in text
        assert "<img" not in text
        assert "Tiny &lt;b&gt;task" in text
        assert len([t for t, _ in Tags(text).found if t == "script"]) == 2


class TestNumbers:
    def test_every_table_says_n_clusters_unscored_and_the_counter(self, result: log.RunLog, written: Path) -> None:
        text = written.read_text()
        for said in ("clusters", "unscored", "invalid", "chars/4", "inject", "retrieve", "recall ms"):
            assert said in text

    def test_unscored_is_a_dash_and_zero_a_number(self, result: log.RunLog) -> None:
        (table,) = task_tables(result)
        means = {line.arm: line.cells["retrieval/recall_any@5"].estimate.mean for line in table.lines}
        assert means["full_context"] is None
        assert means["no_memory"] == 0.0
        assert number(None) == "–"
        assert number(0.0) == ".000"
        assert number(-0.25) == "-.250"
        assert number(1234.5, "tokens/injected") == "1,234"

    def test_the_markdown_table_holds_the_same_means(self, result: log.RunLog) -> None:
        text = markdown.render(result)
        rows = {row["arm"]: row for row in flat(result) if row["metric"] == "retrieval/recall_any@5"}
        line = next(line for line in text.splitlines() if line.startswith("| `bm25`"))
        assert number(rows["bm25"]["mean"]) in line
        assert len([line for line in text.splitlines() if line.startswith("| `")]) == 4

    def test_several_runs_are_one_page_that_names_them(self, result: log.RunLog, tmp_path: Path) -> None:
        halves = [
            replace(result, path=tmp_path / f"{name}.jsonl", samples=tuple(s for s in result.samples if s.arm in arms))
            for name, arms in (("one", ("bm25", "recency")), ("two", ("no_memory", "full_context")))
        ]
        text = page.write(joined(halves), tmp_path / "both.html").read_text()
        assert "one.jsonl, two.jsonl" in text
        assert f"{len(result.samples)} ok" in text

    def test_an_unfinished_run_says_so(self, result: log.RunLog, tmp_path: Path) -> None:
        lines = result.path.read_text().splitlines(keepends=True)
        (tmp_path / "half.jsonl").write_text("".join(lines[:-2]))
        assert "not finished" in page.render(log.read(tmp_path / "half.jsonl"))


class TestDrillDown:
    @pytest.fixture
    def data(self, written: Path) -> dict:
        found = re.search(r'<script type="application/json" id="data">(.*?)</script>', written.read_text(), re.S)
        return json.loads(found[1])

    def test_every_question_leads_to_its_source_turn(self, data: dict) -> None:
        (task,) = data["tasks"]
        assert task["asked"] == 12
        for question in task["questions"]:
            for ref in question["evidence"]:
                assert data["texts"][question["sources"][ref][3]] == data["texts"][question["question"]]

    def test_every_arm_s_words_are_there(self, data: dict) -> None:
        question = data["tasks"][0]["questions"][0]
        given = {arm["arm"]: arm for arm in question["arms"]}
        assert set(given) == {"no_memory", "full_context", "recency", "bm25"}
        assert data["texts"][given["bm25"]["recalled"][0][0]] == HOSTILE
        assert given["no_memory"]["recalled"] == []


PRESSING = """
const seen = {}, all = (css) => [...document.querySelectorAll(css)];
const background = () => getComputedStyle(document.body).backgroundColor;
const turns = () => all("#answer .turn").length, mark = all("#answer button.ref.hit")[0];
seen["turns before, open, closed"] = [turns()];
mark.click(); seen["turns before, open, closed"].push(turns());
seen["the turn that opened"] = mark.closest("li").querySelector(".turn").textContent;
mark.click(); seen["turns before, open, closed"].push(turns());
seen.links = all("nav a").map((a) => a.getAttribute("href"));
seen["links that lead nowhere"] = seen.links.filter((href) => !document.querySelector(href));
const words = document.getElementById("words"), contested = document.getElementById("contested");
words.value = "base62"; words.dispatchEvent(new Event("input"));
seen["found by words"] = all("#list button").length;
words.value = ""; contested.click(); seen.contested = all("#list button").length;
seen.background = background(); document.getElementById("theme").click();
seen["background after the button"] = background();
seen["wider than the window"] = Math.max(0, document.documentElement.scrollWidth - innerWidth);
const pre = document.createElement("pre"); pre.id = "seen"; pre.textContent = JSON.stringify(seen);
document.body.append(pre);
"""


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium to look at the page with")
class TestInABrowser:
    def dom(self, written: Path, fragment: str, profile: Path) -> str:
        command = [
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--window-size=520,900", f"--user-data-dir={profile}",
            "--virtual-time-budget=3000",
            "--dump-dom", f"{written.as_uri()}{fragment}",
        ]  # fmt: skip
        return subprocess.run(command, capture_output=True, text=True, timeout=120).stdout

    def test_a_link_to_a_question_opens_it_and_nothing_hostile_runs(self, written: Path, tmp_path: Path) -> None:
        dom = self.dom(written, "#q/tiny/chat-1/1/p1", tmp_path)
        answer = dom[dom.index('id="answer"') :]
        assert "Short codes are in base62 always." in answer
        assert "Where it was said" in answer
        assert "t1 · user · 2026-01-01 01:00" in answer
        assert "owned" not in re.search(r"<title>(.*?)</title>", dom)[1]

    def test_links_marks_filters_and_the_theme_do_what_they_say_when_pressed(
        self, written: Path, tmp_path: Path
    ) -> None:
        """One visit: a script at the end of a copy of the page presses everything and notes what it saw."""
        copy = tmp_path / "pressed.html"
        copy.write_text(written.read_text().replace("</body>", f"<script>{PRESSING}</script></body>"))
        dom = self.dom(copy, "#q/tiny/chat-1/1/p1", tmp_path / "profile")
        seen = json.loads(unescape(re.search(r'<pre id="seen">(.*?)</pre>', dom, re.S)[1]))
        assert seen["turns before, open, closed"] == [1, 2, 1]
        assert seen["the turn that opened"].startswith("t1 · user · 2026-01-01 01:00")
        assert "Short codes are in base62 always." in seen["the turn that opened"]
        assert seen["links that lead nowhere"] == []
        assert len(seen["links"]) >= 5
        assert seen["found by words"] == 3  # one in each chat
        assert seen["contested"] == 12  # no_memory never finds what the others do
        assert seen["background"] != seen["background after the button"]
        assert seen["wider than the window"] == 0


class TestCostCurves:
    def test_a_curve_is_what_its_points_lie_on(self) -> None:
        curve = fit([(size, 2.0 + 0.5 * size, 1.0) for size in (10.0, 100.0, 1000.0)], build_per_token=0.25)
        assert curve.fixed == pytest.approx(2.0)
        assert curve.grows == pytest.approx(0.5)
        assert curve.at(100, churn=0.2, queries=10) == pytest.approx(25 + 5 + 520)

    def test_two_curves_cross_where_they_cost_the_same(self) -> None:
        file = Curve(build=0, maintain=0, fixed=0, grows=0.01)
        index = Curve(build=0.1, maintain=0.1, fixed=0.5, grows=0)
        size = crossover(file, index, churn=0.5, queries=100)
        assert file.at(size, 0.5, 100) == pytest.approx(index.at(size, 0.5, 100))
        assert file.at(size / 2, 0.5, 100) < index.at(size / 2, 0.5, 100)

    def test_what_a_model_was_paid_for_is_priced_as_billed_and_never_as_free(self) -> None:
        billed = [
            Tokens("write", 1_000_000, "anthropic usage", "claude-haiku-4-5", kind) for kind in ("input", "output")
        ]
        assert costs.building(billed) == pytest.approx(1 + 5)
        by_rule = [Tokens("compress", 1_000_000, "chars/4")]
        assert costs.building(by_rule) == pytest.approx(1)
        assert costs.building([*billed, *by_rule]) == pytest.approx(6)  # the same words, counted twice
        assert costs.building([Tokens("write", 5, "anthropic usage", "a-model-without-a-price")]) is None
        assert costs.building([Tokens("compress", 5, "counted elsewhere")]) is None
        chosen = Tokens("retrieve", 1_000_000, "anthropic usage", "claude-haiku-4-5")
        read = Tokens("retrieve", 1_000_000, "chars/4")
        assert costs.reading([read, chosen]) == pytest.approx(3 + 1)
        assert costs.reading([read, Tokens("judge", 9, "anthropic usage", "claude-haiku-4-5")]) == pytest.approx(3)

    def test_a_curve_is_of_one_task_and_another_s_turns_do_not_bend_it(self) -> None:
        """Ten short turns cost what ten short turns cost, however long the turns of another task are."""

        def sample(task: str, name: str, size: int, tokens: int) -> SampleRecord:
            probe = ProbeRecord("p", "", "?", "", 5, {}, Answer("p", (), "", 0.0))
            spent = (Tokens("retrieve", tokens, "chars/4"),)
            return SampleRecord(
                task, "a", name, name, 0, "ok", writes=1, source_tokens=size, probes=(probe,), tokens=spent
            )

        small = [sample("short", str(size), size, 100) for size in (100, 400, 1600)]
        large = [sample("long", str(size), size, 7000) for size in (140_000, 160_000)]
        run = log.RunLog(Path("x"), {"arms": {"a": {"settings": {}}}}, (*small, *large), None)
        assert costs.widest(run) == "short"
        curve = costs.arm_curves(run, "short")["a"].curve
        assert curve.at(200, churn=0.2, queries=100) == pytest.approx(100 * 100 * 3e-6)
        assert costs.arm_curves(run, "long") == {}

    def test_where_one_is_always_cheaper_they_never_cross(self) -> None:
        assert crossover(Curve(0, 0, 1, 0), Curve(0, 0, 2, 0.1), churn=0.1, queries=10) is None
