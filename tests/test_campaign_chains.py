"""The campaigns over chains and costs count what they say they count."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from evals.campaigns import chains, cost, reliability
from evals.campaigns.chains import Document, Library

START = datetime(2020, 1, 1, tzinfo=UTC)
TITLES = ("Host tables of the net", "Mail for hosts", "Host tables of the net", "Routes and hosts", "Host names")


def library() -> Library:
    """Document 1 is replaced by 3; 3 splits into 4 and 5; 2 is only updated."""
    documents = {
        number: Document(number, title, "", START + timedelta(days=number)) for number, title in enumerate(TITLES, 1)
    }
    days = {number: document.at for number, document in documents.items()}
    return Library("ADR", documents, {(1, 3): days[3], (3, 4): days[4], (3, 5): days[5]}, {(2, 4): days[4]})


def test_declared_edges_give_the_heads_and_statuses_of_every_date(tmp_path: Path) -> None:
    tally = chains.ask(library(), tmp_path, dates=5)
    assert not any(tally.wrong.values())
    assert (tally.asked["statuses"], tally.asked["not yet published, not known"]) == (15, 10)
    assert tally.asked["only updated, still live"] == 2
    assert tally.deepest == 2


def test_what_the_store_gets_wrong_is_counted(tmp_path: Path) -> None:
    from memstore import MemoryStore

    clock = chains.Calendar()
    with MemoryStore(tmp_path / "m.db", clock=clock) as memory:
        facts = chains.feed(library(), memory, clock)
        memory.retract(facts[2], reason="gone")
        tally = chains.Tally()
        chains.compare(library(), memory, facts, clock() + timedelta(days=1), tally)
    assert {what: n for what, n in tally.wrong.items() if n} == {"statuses": 1, "only updated, still live": 1}


def test_withheld_edges_are_proposed_by_their_titles(tmp_path: Path) -> None:
    assert chains.propose(library(), tmp_path) == {(1, 3): False}


def test_the_oldest_documents_keep_the_edges_among_them() -> None:
    assert set(library().oldest(3).obsoletes) == {(1, 3)}


def test_ten_definitions_are_found_in_a_package_and_a_tree_is_planted(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.py").write_text("".join(f"def f{n}():\n    return {n}\n\n\n" for n in range(6)))
    assert len(set(cost.definitions(tmp_path))) == 10
    assert len(cost.plant(tmp_path / "tree", 250)) == 3
    assert len(list((tmp_path / "tree").rglob("*.py"))) == 250


def test_the_reliability_diagram_is_drawn_from_the_shipped_fit(tmp_path: Path) -> None:
    report = {"n": 10, "ece": 0.01, "brier": 0.1, "reliability": [[0.1, 0.0, 5], [0.9, 1.0, 5]]}
    reliability.draw({"all": report}, tmp_path / "a.svg")
    reliability.draw({"all": report}, tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert (reliability.SHIPPED / "reliability.svg").is_file()
