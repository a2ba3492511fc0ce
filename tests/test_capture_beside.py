"""Reading beside: another process may read, and nothing about the facts tells which one did."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from memstore import MemoryStore
from memstore.capture import beside
from memstore.capture.beside import Beside

START = datetime(2026, 1, 1, tzinfo=UTC)


def captured(path: Path) -> list[tuple[str, str, str]]:
    with MemoryStore(path, clock=lambda: START + timedelta(days=1)) as store:
        for n in range(6):
            text = f"We decided to use Redis {n}. We could move step {n} to Valkey later.\n" + "x = 1;\n" * 3_000
            store.record(text, role="user", session="s", at=START + timedelta(minutes=n))
        assert store.capture().events == 6
        assert store.verify() == []
        return [(fact.text, fact.modality, fact.provenance[0].extractor) for fact in store.facts()]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str, str]]:
    """The facts of a store that read by itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(beside, "WORTH_IT", 1 << 60)
        return captured(tmp_path_factory.mktemp("alone") / "m.db")


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[Beside]:
    """Every process that was begun to read beside; each is the real one, only noted."""
    made: list[Beside] = []

    class Noted(Beside):
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

    monkeypatch.setattr(beside, "Beside", Noted)
    monkeypatch.setattr(beside, "WORTH_IT", 50_000)
    return made


def test_it_gives_the_same_facts_and_is_gone_afterwards(
    tmp_path: Path, alone: list[tuple[str, str, str]], begun: list[Beside]
) -> None:
    assert captured(tmp_path / "m.db") == alone
    assert len(alone) >= 12
    (process,) = begun
    assert process._process.poll() is not None


def test_when_it_dies_the_rest_is_read_here(
    tmp_path: Path, alone: list[tuple[str, str, str]], begun: list[Beside], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = Beside.answer

    def answer_once(self: Beside) -> object:
        found = answer(self)
        self._process.kill()
        return found

    monkeypatch.setattr(Beside, "answer", answer_once)
    assert captured(tmp_path / "m.db") == alone
    assert len(begun) == 1


def test_a_short_text_begins_no_process(tmp_path: Path, begun: list[Beside]) -> None:
    with MemoryStore(tmp_path / "m.db") as store:
        store.record("We use Redis.", role="user", session="s")
        store.capture()
    assert begun == []
