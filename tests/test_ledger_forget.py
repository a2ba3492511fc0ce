"""Invariant 13: forgetting forgets. After `forget`, the bytes are in no file that the store owns.

Every case writes random words, forgets some of them, and looks for those words, and for their hash, in every byte of
every file beside the store: the database, its write-ahead log, its shared memory, and whatever else is there.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import shutil
import sqlite3
import string
import time
import unicodedata
from pathlib import Path

import pytest

from evals.benchmarks.ledger import export_lines
from memstore import MemoryStore, Status
from memstore.errors import UsageError
from memstore.ledger.forgetting import BLANK
from tests.conftest import NOON, Clock, ticking
from tests.ledger import invariants, workers
from tests.test_ledger_machine import EveryLine


def traces(folder: Path, words: list[str]) -> list[tuple[str, str]]:
    """(file, word) for every one of the words, or its hash, that is still in a file of the folder.

    The full-text index leaves out the letters that a word shares with the one before, strips accents and endings: so
    it is the middle of a word, with and without its accents, that is looked for.
    """
    found = []
    for file in sorted(folder.rglob("*")):
        content = file.read_bytes().lower() if file.is_file() else b""
        for word in words:
            plain = "".join(c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c))
            if any(form[3:-4].encode() in content for form in {word, plain, word.lower(), plain.lower()}):
                found.append((file.name, word))
            digest = hashlib.sha256(word.encode())
            if digest.digest().lower() in content or digest.hexdigest().encode() in content:
                found.append((file.name, f"the hash of {word}"))
    return found


def secret(at: random.Random) -> str:
    """Words that are nowhere else: a long one, which the index keeps as a token of its own."""
    alphabet = string.ascii_lowercase + at.choice(["", "éüñ", "日本語の記憶", "АБВГД"])
    return "q" + "".join(at.choices(alphabet, k=at.randint(14, 24)))


class Case:
    """A store of random words. Each statement holds a secret word of its own; some are long, some have keys."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.at = random.Random(seed)
        self.folder = folder
        self.clock = Clock()
        self.store = MemoryStore(folder / "memory.db", clock=self.clock, extractor=EveryLine())
        self.of_event: dict[str, list[str]] = {}
        self.of_fact: dict[str, list[str]] = {}
        for number in range(self.at.randint(3, 40)):
            self.clock.advance(seconds=1)
            self.at.choice([self.turn, self.turn, self.by_hand, self.by_hand, self.long_one])(number)
        self.store.capture()
        known = set(self.everything())
        for fact in self.store.facts():
            self.of_fact.setdefault(fact.id, sorted(known.intersection(re.findall(r"\w+", fact.text))))

    def everything(self) -> list[str]:
        return [word for words in self.of_event.values() for word in words]

    def turn(self, number: int) -> None:
        words = [secret(self.at) for _ in range(self.at.randint(1, 4))]
        text = "\n".join(f"Line {n} is about {word} and {word.upper()}." for n, word in enumerate(words))
        session = self.at.choice(["s1", "s2"])
        event = self.store.record(text, role="user", session=session, ref=str(number))
        self.of_event[event.id] = words

    def by_hand(self, number: int) -> None:
        word, key = secret(self.at), self.at.choice([None, None, secret(self.at)])
        fact = self.store.remember(f"We chose {word} today.", modality="decision", key=key, session="hand")
        self.of_fact[fact.id] = [word, *([key] if key else [])]
        self.of_event[fact.provenance[0].event_id] = [word, *([key] if key else [])]

    def long_one(self, number: int) -> None:
        word = secret(self.at)
        filler = " ".join(secret(self.at) for _ in range(self.at.randint(200, 2000)))
        event = self.store.record(f"{word} {filler}", role="user", session="s2", ref=f"long{number}")
        self.of_event[event.id] = [word, *filler.split()[:: max(1, len(filler) // 400)]]

    def churn(self) -> None:
        """Other work between writing and forgetting, so that pages split and move."""
        for _ in range(self.at.randint(0, 30)):
            self.store.remember(f"Filler {self.at.getrandbits(300):x}.", modality="observation", session="filler")
        if self.at.random() < 0.3:
            self.store.ledger.checkpoint()
        if self.at.random() < 0.2:
            self.store.rebuild()

    def forget(self) -> list[str]:
        """Forget something; the words that must be gone, which are those of whatever the certificate names."""
        facts = self.store.facts()
        what = self.at.choice(["fact", "fact", "facts", "event", "session", "scope"])
        if what in ("fact", "facts"):
            some = self.at.sample(facts, min(len(facts), 1 if what == "fact" else 5))
            certificate = self.store.forget(some)
        elif what == "event":
            certificate = self.store.forget(self.at.choice(sorted(self.of_event)))
        elif what == "session":
            sessions = sorted({p.session for f in facts for p in f.provenance} & {"s1", "s2", "hand"})
            certificate = self.store.forget(session=self.at.choice(sessions))
        else:
            certificate = self.store.forget(everything=True)
            assert self.store.facts() == []
        assert not certificate.pending
        assert certificate.facts or certificate.events
        return [
            word
            for words in [
                *(self.of_fact.get(id_, []) for id_ in certificate.facts),
                *(self.of_event.get(id_, []) for id_ in certificate.events),
            ]
            for word in words
        ]


class TestNothingIsLeft:
    @pytest.mark.parametrize("part", range(4))
    def test_no_byte_of_what_was_forgotten_is_in_any_file_of_the_store(
        self, tmp_path: Path, part: int, long: bool
    ) -> None:
        cases = 250 if long else 6
        words = 0
        for seed in range(cases * part, cases * part + cases):
            folder = tmp_path / str(seed)
            folder.mkdir()
            case = Case(folder, seed)
            case.churn()
            before = {word for _, word in traces(folder, case.everything())}
            gone = case.forget()
            # Else not being there after would prove nothing. (A page's end cuts a word in two now and then.)
            assert len(before.intersection(gone)) >= 0.8 * len(set(gone))
            assert traces(folder, gone) == []
            assert case.store.verify() == []
            invariants.every_quote_is_in_its_event(case.store, ["default"])
            for word in gone[:3]:
                assert not [r for r in case.store.recall(word, k=50, history=True) if word in r.text]
            case.store.close()
            assert traces(folder, gone) == []
            shutil.rmtree(folder)
            words += len(gone)
        print(f"{cases} cases, {words:,} words forgotten, none found")

    def test_a_fact_that_was_replaced_confirmed_and_refused_leaves_no_words_in_what_happened_to_it(
        self, tmp_path: Path
    ) -> None:
        store = MemoryStore(tmp_path / "memory.db")
        first = store.remember("We chose qwertysecret.", modality="decision", key="qwertykeyforstorage")
        store.remember("Perhaps not qwertysecret.", modality="hypothesis", key="qwertykeyforstorage")
        store.confirm(first, reason="qwertysecret again")
        store.flag(first, reason="qwertysecret?")
        store.forget(store.facts())
        assert traces(tmp_path, ["qwertysecret", "qwertykeyforstorage"]) == []
        assert store.verify() == []


class TestPending:
    def test_an_open_reader_makes_it_pending_and_the_next_write_finishes_it(self, tmp_path: Path) -> None:
        store = MemoryStore(tmp_path / "memory.db")
        fact = store.remember("We chose qwertysecret.", modality="decision")
        reader = workers.start("hold", store.ledger.path)
        assert reader.stdout is not None
        assert json.loads(reader.stdout.readline()) == {"reading": True}
        certificate = store.forget(fact)
        assert certificate.pending
        store.remember("Meanwhile.", modality="decision")
        assert unfinished(store) == [certificate.id]
        reader.communicate()
        store.remember("Afterwards.", modality="decision")
        assert unfinished(store) == []
        assert traces(tmp_path, ["qwertysecret"]) == []

    def test_whoever_opens_the_store_next_finishes_it(self, tmp_path: Path) -> None:
        store = MemoryStore(tmp_path / "memory.db")
        fact = store.remember("We chose qwertysecret.", modality="decision")
        reader = workers.start("hold", store.ledger.path)
        assert reader.stdout is not None
        reader.stdout.readline()
        assert store.forget(fact).pending
        reader.communicate()
        other = MemoryStore(store.ledger.path)
        assert unfinished(other) == []
        assert traces(tmp_path, ["qwertysecret"]) == []

    def test_whoever_asks_is_told_what_is_pending_and_finishes_it(self, tmp_path: Path) -> None:
        store = MemoryStore(tmp_path / "memory.db")
        fact = store.remember("We chose qwertysecret.", modality="decision")
        reader = workers.start("hold", store.ledger.path)
        assert reader.stdout is not None
        reader.stdout.readline()
        certificate = store.forget(fact)
        assert [waiting.id for waiting in store.finish_forgetting()] == [certificate.id]
        reader.communicate()
        assert store.finish_forgetting() == []
        assert traces(tmp_path, ["qwertysecret"]) == []

    def test_forgetting_inside_a_transaction_is_finished_as_that_ends(self, tmp_path: Path) -> None:
        store = MemoryStore(tmp_path / "memory.db")
        fact = store.remember("We chose qwertysecret.", modality="decision")
        with store.transaction():
            assert store.forget(fact).pending
        assert unfinished(store) == []
        assert traces(tmp_path, ["qwertysecret"]) == []

    def test_forgetting_that_was_undone_forgets_nothing(self, tmp_path: Path) -> None:
        store = MemoryStore(tmp_path / "memory.db")
        fact = store.remember("We chose tea.", modality="decision")

        def undone() -> None:
            with store.transaction():
                store.forget(fact)
                raise RuntimeError

        with pytest.raises(RuntimeError):
            undone()
        assert store.fact(fact.id) == fact
        assert store.verify() == []


class TestBesideOthers:
    """The file is rewritten while others want to write: they wait for it, within their bounds, and lose nothing."""

    def test_writers_wait_while_something_is_forgotten_and_meet_no_error(self, tmp_path: Path, long: bool) -> None:
        held = 100_000 if long else 1_500
        (tmp_path / "export.jsonl").write_text("".join(f"{line}\n" for line in export_lines(held)))
        folder = tmp_path / "store"
        folder.mkdir()
        store = MemoryStore(folder / "memory.db")
        store.import_(tmp_path / "export.jsonl")
        doomed = [store.remember(f"We chose qwertysecret{n}.", modality="decision") for n in range(3)]
        writers = [workers.start("steadily", store.ledger.path, f"w{n}", tmp_path / "done") for n in range(2)]
        took = []
        try:
            for writer in writers:
                assert writer.stdout is not None
                assert json.loads(writer.stdout.readline()) == {"begun": True}
            for fact in doomed:
                begun = time.monotonic()
                store.forget(fact)
                took.append(time.monotonic() - begun)
        finally:
            (tmp_path / "done").touch()
        told = [json.loads(writer.communicate(timeout=600)[0]) for writer in writers]
        assert [writer.returncode for writer in writers] == [0, 0]
        assert ["error" in one for one in told] == [False, False]
        assert store.finish_forgetting() == []
        assert traces(folder, [f"qwertysecret{n}" for n in range(3)]) == []
        written = [fact for one in told for fact in one["facts"]]
        assert {fact.id for fact in store.facts(newest=len(written))} == set(written)
        assert store.verify() == []
        print(
            f"{held:,} facts, {len(written):,} written beside: 3 forgettings took"
            f" {', '.join(f'{t:.1f}' for t in took)} s; the longest wait of a writer"
            f" {max(one['longest'] for one in told):.1f} s"
        )


def unfinished(store: MemoryStore) -> list[str]:
    connection = sqlite3.connect(store.ledger.path)
    rows = connection.execute("SELECT id FROM erasures WHERE pending > 0").fetchall()
    connection.close()
    return [row[0] for row in rows]


class TestWhatStays:
    def test_recording_a_forgotten_ref_again_does_not_bring_its_words_back(self, tmp_path: Path) -> None:
        store = MemoryStore(tmp_path / "memory.db", extractor=EveryLine())
        turn = store.record("Line qwertysecret.\nLine two.", role="user", session="s1", ref="1")
        store.capture()
        store.forget(turn)
        again = store.record("Line qwertysecret.\nLine two.", role="user", session="s1", ref="1")
        assert (again.id, again.text) == (turn.id, "")
        assert store.capture().facts == 0
        assert traces(tmp_path, ["qwertysecret"]) == []

    def test_neighbours_in_the_same_event_keep_their_words_and_places(self, tmp_path: Path) -> None:
        store = MemoryStore(tmp_path / "memory.db", extractor=EveryLine())
        turn = store.record("Line one.\nLine qwertysecret.\nLine three.", role="user", session="s1", ref="1")
        store.capture()
        one, two, three = store.facts()
        store.forget(two)
        assert store.event(turn.id).text == f"Line one.\n{BLANK * 18}\nLine three."
        assert [store.fact(f.id).provenance[0].quote for f in (one, three)] == ["Line one.", "Line three."]
        again = store.record("Line one.\nLine qwertysecret.\nLine three.", role="user", session="s1", ref="1")
        assert "qwertysecret" not in again.text

    def test_a_session_is_forgotten_whole_though_a_fact_of_it_was_forgotten_before(self, tmp_path: Path) -> None:
        store = MemoryStore(tmp_path / "memory.db", extractor=EveryLine())
        turn = store.record("Line one.\nLine qwertysecret.", role="user", session="s1", ref="1")
        store.capture()
        store.forget(store.facts()[0])
        certificate = store.forget(session="s1")
        assert certificate.events == (turn.id,)
        assert traces(tmp_path, ["qwertysecret"]) == []

    def test_forgetting_twice_changes_nothing_more(self, tmp_path: Path) -> None:
        store = MemoryStore(tmp_path / "memory.db")
        fact = store.remember("We chose qwertysecret.", modality="decision")
        store.remember("We chose tea.", modality="decision")
        assert store.forget(fact).facts == (fact.id,)
        assert store.forget(fact).facts == ()
        assert store.verify() == []
        assert [r.text for r in store.recall("chose tea")] == ["We chose tea."]

    def test_what_others_said_as_well_stays_and_what_rests_on_it_is_doubted(self, tmp_path: Path) -> None:
        store = MemoryStore(tmp_path / "memory.db", extractor=EveryLine(), clock=ticking())
        first = store.record("We drink tea.", role="user", session="s1", ref="1")
        second = store.record("We drink tea.", role="user", session="s2", ref="1", at=NOON)
        store.capture()
        (tea,) = store.facts()
        so = store.remember("So buy a kettle.", modality="decision", depends_on=tea)
        store.forget(second)
        assert store.status(tea) is Status.LIVE
        assert [p.event_id for p in store.fact(tea.id).provenance] == [first.id]
        store.record("We drink tea.", role="user", session="s3", ref="1")
        store.capture()
        store.forget(first)
        assert store.status(tea) is Status.FORGOTTEN
        assert store.status(so) is Status.SUSPECT
        store.capture()  # the third turn said it as well: now it speaks for itself
        assert [r.text for r in store.recall("drink tea")] == ["We drink tea."]

    def test_an_event_read_again_brings_back_nothing_that_was_replaced_since(self, tmp_path: Path) -> None:
        store = MemoryStore(tmp_path / "memory.db", extractor=EveryLine())
        first = store.record("We drink tea.", role="user", session="s1", ref="1")
        store.record("We drink tea.\nThe cap is ten.", role="user", session="s2", ref="1")
        store.capture()
        cap = next(f for f in store.facts() if "cap" in f.text)
        new = store.remember("The cap is twenty.", modality="decision")
        store.supersede(cap, new, reason="raised")
        store.forget(first)
        assert store.capture().facts == 1
        assert sorted(r.text for r in store.recall("tea cap")) == ["The cap is twenty.", "We drink tea."]

    def test_what_was_forgotten_cannot_be_a_source_or_be_brought_back(self, tmp_path: Path) -> None:
        store = MemoryStore(tmp_path / "memory.db")
        turn = store.record("We chose tea.", role="user", session="s1")
        fact = store.remember("We chose tea.", modality="decision", source=turn)
        store.forget(turn)
        with pytest.raises(UsageError, match="forgotten"):
            store.remember("We chose tea.", modality="decision", source=turn.id)
        for change in (store.confirm, store.flag, store.retract):
            with pytest.raises(UsageError, match="forgotten"):
                change(fact, reason="so")
        with pytest.raises(UsageError, match="gone"):
            store.revert(store.history(fact).transitions[-1], reason="so")

    def test_the_certificate_names_backups_and_exports_as_out_of_reach(self, tmp_path: Path) -> None:
        store = MemoryStore(tmp_path / "memory.db")
        fact = store.remember("We chose tea.", modality="decision")
        store.backup(tmp_path / "copy.db")
        store.export(tmp_path / "copy.jsonl")
        named = " ".join(store.forget(fact).out_of_reach)
        assert str(tmp_path / "copy.db") in named
        assert str(tmp_path / "copy.jsonl") in named
