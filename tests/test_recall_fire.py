"""Coherence under fire: whatever happens to the indexes, no answer says what the ledger does not.

Processes write, embed and fill Chroma at once, and are killed at random instants; then one of the indexes is damaged.
After each of these every answer is compared with a model so naive that it cannot be wrong: a fact comes back as it
stands in the ledger's table, and not if a transition that counts replaced, withdrew or erased it. Made anew, the
indexes give the answers that a copy of the file gives which never had any.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from memstore import MemoryStore
from memstore.index import lexical
from tests.test_recall_meaning import Letters

NOW = datetime(2026, 3, 18, tzinfo=UTC)
QUERIES = ("Where does the ferry to the island leave?", "the old lighthouse keeper", "island supplies by boat")
WRITE = """
import random, sys
from memstore import MemoryStore
seed = int(sys.argv[2])
rng, memory, mine = random.Random(seed), MemoryStore(sys.argv[1]), []
words = "ferry island lighthouse keeper boat supplies harbour leaves old fog".split()
for number in range(10**6):
    text = f"Note w{seed}x{number}: the {' '.join(rng.sample(words, 4))}."
    fact = memory.remember(text, modality="observation", ttl=None)
    turn = rng.random()
    if mine and turn < 0.3:
        memory.supersede(mine.pop(rng.randrange(len(mine))), fact, reason="it changed")
    elif mine and turn < 0.4:
        memory.retract(mine.pop(rng.randrange(len(mine))), reason="it was wrong")
    elif mine and turn < 0.45:
        memory.forget(mine.pop(rng.randrange(len(mine))), reason="asked to")
    mine.append(fact)
    print(text, flush=True)
"""
EMBED = """
import sys
from memstore import MemoryStore
from tests.test_recall_meaning import Letters
memory = MemoryStore(sys.argv[1], encoder=Letters(), chroma=True)
while True:
    print(memory.embed(), len(memory.recall("the ferry to the island", mode="hybrid")), flush=True)
"""
DAMAGE = (
    "DROP TABLE lists",
    "DROP TABLE words",
    "DELETE FROM turns WHERE turn % 3 = 0",
    "DELETE FROM statements WHERE place % 2",
    "UPDATE statements SET fact = fact % 7 + 1",
    "UPDATE lists SET places = zeroblob(length(places))",
    "UPDATE lists_state SET generation = ''",
    "UPDATE vectors SET vector = zeroblob(384)",
    "UPDATE OR REPLACE vectors SET place = place + (1 << 18)",
    "UPDATE vectors_state SET upto = 1000000",
    "DELETE FROM vectors",
)


def opened(path: Path) -> MemoryStore:
    return MemoryStore(path, clock=lambda: NOW, encoder=Letters(), chroma=True)


def answers(memory: MemoryStore) -> dict[tuple[str, str], list[tuple[str, float, str]]]:
    return {
        (query, mode): [(r.fact_id, r.score, r.text) for r in memory.recall(query, k=8, mode=mode, now=NOW)]
        for query in QUERIES
        for mode in ("exact", "hybrid")
    }


def no_answer_is_wrong(memory: MemoryStore) -> None:
    db = memory.ledger.connection
    held = {id_: (text, modality) for id_, text, modality in db.execute("SELECT id, text, modality FROM facts")}
    fell = {
        row[0]
        for row in db.execute(
            "SELECT f.id FROM facts f JOIN involved i ON i.fact = f.pk JOIN transitions t ON t.pk = i.transition"
            " WHERE i.side = 'old' AND t.refusal IS NULL AND t.change IN ('superseded', 'retracted', 'forgotten')"
        )
    }
    for query in QUERIES:
        for mode in ("exact", "hybrid"):
            for r in memory.recall(query, k=8, mode=mode, now=NOW):
                assert (r.text, r.modality) == held[r.fact_id]
                assert r.fact_id not in fell
                assert r.status == "live"
                assert set(r.replaces) <= {held[id_][0] for id_ in fell}


def every_fact_is_found_or_what_replaced_it(memory: MemoryStore) -> None:
    """By the word that only its own text has."""
    rows = memory.ledger.connection.execute("SELECT id, text, state FROM facts WHERE state IN (0, 2)").fetchall()
    for id_, text, state in random.Random(0).sample(rows, min(12, len(rows))):
        found = memory.recall(text.split()[1].rstrip(":"), k=3, now=NOW)
        if state == 0:
            assert found[0].fact_id == id_
        else:
            assert all(text in r.replaces for r in found[:1])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "memory.db"


def test_no_answer_is_wrong_whatever_happens_to_the_indexes(path: Path, long: bool) -> None:
    pytest.importorskip("chromadb")
    rng = random.Random(8)
    damages = rng.sample(DAMAGE, len(DAMAGE) if long else 1)
    opened(path).close()
    told = ""
    for number, damage in enumerate(damages):
        children = [
            subprocess.Popen([sys.executable, "-c", code, str(path), str(number)], stdout=subprocess.PIPE, text=True)
            for code in (WRITE, WRITE.replace("int(sys.argv[2])", "100 + int(sys.argv[2])"), EMBED, EMBED)
        ]
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline()  # at work
        time.sleep(rng.uniform(0.1, 0.8))
        for child in children:
            child.kill()
        told += "".join(child.communicate()[0] for child in children[:2])
        with opened(path) as memory:
            no_answer_is_wrong(memory)
            memory.ledger.connection.execute(damage)
            no_answer_is_wrong(memory)
        if number % 2:
            for file in path.with_name("memory.db.chroma").rglob("*.bin"):
                file.write_bytes(b"\\0" * 100)
        with opened(path) as memory:
            no_answer_is_wrong(memory)
            memory.rebuild()
            memory.embed()
            no_answer_is_wrong(memory)
            every_fact_is_found_or_what_replaced_it(memory)
            assert not [problem for problem in memory.verify() if problem.code != "index" or problem.record == "words"]
            held = {fact.text for fact in memory.facts()}
            erased = memory.ledger.connection.execute("SELECT count(*) FROM facts WHERE state = 4").fetchone()[0]
            lost = set(told.splitlines()) - held
            assert len(lost) <= erased
            made_again = answers(memory)
    assert all(made_again[query, "exact"] for query in QUERIES)
    bare = path.with_name("bare.db")
    shutil.copy(path, bare)
    with MemoryStore(bare, clock=lambda: NOW, encoder=Letters()) as memory:
        with memory.ledger.writing() as tx:
            lexical.drop(tx)
            tx.execute("DROP TABLE vectors")
            tx.execute("DROP TABLE vectors_state")
        memory.close()
        with MemoryStore(bare, clock=lambda: NOW, encoder=Letters()) as anew:
            anew.embed()
            assert answers(anew) == made_again
