"""Export and import: lossless, idempotent, and honest about every line that cannot be taken."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from memstore import MemoryStore, Status
from memstore.errors import ImportFailed, UsageError
from tests.conftest import NOON, Clock


@pytest.fixture
def full(tmp_path: Path) -> MemoryStore:
    """A store in which one of everything has happened."""
    clock = Clock()
    memory = MemoryStore(tmp_path / "full.db", clock=clock)
    turn = memory.record("We use Redis. We could shard it. \U0001f600", role="user", session="s1", ref="1")
    memory.record("According to the manual, always use X.", role="tool", session="s1", ref="2")
    memory.record("We use Redis.", role="user", session="s2", at=NOON)
    memory.capture()
    clock.advance(days=1)
    a = memory.remember("Ten is the limit.", modality="decision", key="limit", valid_to=NOON + timedelta(days=400))
    clock.advance(days=1)
    b = memory.remember("Twenty is the limit.", modality="decision", key="limit")
    memory.remember("Perhaps thirty.", modality="hypothesis", key="limit")
    c = memory.remember("So the queue holds twenty.", modality="observation", depends_on=b, source=turn)
    flagged = memory.flag(c, reason="measured otherwise")
    clock.advance(days=1)
    memory.revert(flagged, reason="the measurement was wrong")
    memory.remember("Gone tomorrow.", modality="decision", session="private")
    memory.forget(session="private")
    memory.amend(a, c, reason="detail")
    memory.record("Not yet read.", role="user", session="s3")
    return memory


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


class TestRoundTrip:
    def test_what_is_exported_and_imported_is_exported_again_to_the_letter(
        self, full: MemoryStore, tmp_path: Path
    ) -> None:
        full.export(tmp_path / "one.jsonl")
        copy = MemoryStore(tmp_path / "copy.db", clock=full.ledger.clock)
        copy.import_(tmp_path / "one.jsonl")
        copy.export(tmp_path / "two.jsonl")
        assert (tmp_path / "one.jsonl").read_text() == (tmp_path / "two.jsonl").read_text()
        assert copy.verify() == []
        assert copy.facts() == full.facts()

    def test_the_copy_answers_as_of_every_moment_as_the_original_does(self, full: MemoryStore, tmp_path: Path) -> None:
        full.export(tmp_path / "one.jsonl")
        copy = MemoryStore(tmp_path / "copy.db", clock=full.ledger.clock)
        copy.import_(tmp_path / "one.jsonl")
        for hours in range(0, 96, 6):
            then = NOON + timedelta(hours=hours)
            for fact in full.facts(as_of=then):
                assert copy.status(fact, as_of=then) is full.status(fact, as_of=then)
            assert copy.facts(as_of=then) == full.facts(as_of=then)

    def test_importing_twice_adds_nothing(self, full: MemoryStore, tmp_path: Path) -> None:
        full.export(tmp_path / "one.jsonl")
        copy = MemoryStore(tmp_path / "copy.db")
        first = copy.import_(tmp_path / "one.jsonl")
        again = copy.import_(tmp_path / "one.jsonl")
        assert first.facts > 0
        assert (again.events, again.facts, again.transitions) == (0, 0, 0)
        assert again.present == first.events + first.facts + first.transitions

    def test_the_same_turn_recorded_in_both_stores_stays_one_event(self, full: MemoryStore, tmp_path: Path) -> None:
        full.export(tmp_path / "one.jsonl")
        other = MemoryStore(tmp_path / "other.db")
        other.record("We use Redis. We could shard it. \U0001f600", role="user", session="s1", ref="1")
        other.import_(tmp_path / "one.jsonl")
        assert other.stats()["events"] == full.stats()["events"]
        assert other.verify() == []

    def test_a_key_that_both_stores_held_becomes_a_conflict(self, full: MemoryStore, tmp_path: Path) -> None:
        full.export(tmp_path / "one.jsonl")
        other = MemoryStore(tmp_path / "other.db")
        other.remember("Forty is the limit.", modality="decision", key="limit")
        other.import_(tmp_path / "one.jsonl")
        assert any("both stores held" in c.reason for c in other.conflicts())
        assert other.verify() == []

    def test_a_newcomer_to_a_key_in_conflict_becomes_a_conflict_too(self, tmp_path: Path) -> None:
        one = MemoryStore(tmp_path / "one.db")
        one.remember("Ten is the limit.", modality="decision", key="limit")
        one.remember("Perhaps twenty.", modality="hypothesis", key="limit")
        two = MemoryStore(tmp_path / "two.db")
        theirs = two.remember("Forty is the limit.", modality="decision", key="limit")
        two.export(tmp_path / "two.jsonl")
        one.import_(tmp_path / "two.jsonl")
        assert any(theirs.id in (*c.old, *c.new) for c in one.conflicts())
        assert one.verify() == []

    def test_what_happened_elsewhere_before_counts_before_though_it_is_imported_after(self, tmp_path: Path) -> None:
        clock = Clock()
        one = MemoryStore(tmp_path / "one.db", clock=clock)
        fact = one.remember("Ten is the limit.", modality="decision")
        so = one.remember("So nine are enough.", modality="decision", depends_on=fact)
        one.export(tmp_path / "common.jsonl")
        two = MemoryStore(tmp_path / "two.db", clock=clock)
        two.import_(tmp_path / "common.jsonl")
        clock.advance(days=1)
        one.flag(fact, reason="measured otherwise")
        clock.advance(days=1)
        two.confirm(fact, reason="measured again")
        two.confirm(so, reason="measured, too")
        one.export(tmp_path / "one.jsonl")
        two.export(tmp_path / "two.jsonl")
        one.import_(tmp_path / "two.jsonl")
        two.import_(tmp_path / "one.jsonl")
        for store in (one, two):
            assert [store.status(f) for f in (fact, so)] == [Status.LIVE, Status.LIVE]
            assert store.status(fact, as_of=clock() - timedelta(hours=1)) is Status.SUSPECT
            assert store.verify() == []

    def test_chains_made_in_opposite_directions_do_not_become_a_circle(self, tmp_path: Path) -> None:
        one = MemoryStore(tmp_path / "one.db")
        a = one.remember("first wording", modality="decision")
        b = one.remember("second wording", modality="decision")
        one.export(tmp_path / "common.jsonl")
        two = MemoryStore(tmp_path / "two.db")
        two.import_(tmp_path / "common.jsonl")
        one.supersede(a, b, reason="x")
        two.supersede(b, a, reason="y")
        one.export(tmp_path / "one.jsonl")
        two.import_(tmp_path / "one.jsonl")
        assert two.verify() == []
        assert [c.refusal for c in two.conflicts()] == ["it would close a circle with what this store holds"]

    def test_an_export_as_of_a_moment_holds_what_was_held_then(self, full: MemoryStore, tmp_path: Path) -> None:
        then = NOON + timedelta(days=1)
        full.export(tmp_path / "then.jsonl", as_of=then)
        copy = MemoryStore(tmp_path / "copy.db", clock=lambda: then)
        copy.import_(tmp_path / "then.jsonl")
        assert [f.id for f in copy.facts()] == [f.id for f in full.facts(as_of=then)]
        held = copy.get("limit")
        assert held is not None
        assert held.text == "Ten is the limit."

    def test_an_export_of_what_was_valid_leaves_out_what_was_not_yet_true(
        self, full: MemoryStore, tmp_path: Path
    ) -> None:
        full.export(tmp_path / "valid.jsonl", valid_at=NOON + timedelta(days=1, hours=1))
        texts = [line["text"] for line in lines(tmp_path / "valid.jsonl") if line["type"] == "fact"]
        assert "Ten is the limit." in texts
        assert "Twenty is the limit." not in texts


class TestBadLines:
    @pytest.mark.parametrize(
        ("damage", "complaint"),
        [
            (lambda record: record | {"text": "other words"}, "hash"),
            (lambda record: record | {"at": "yesterday"}, "at 'yesterday'"),
            (lambda record: {k: v for k, v in record.items() if k != "session"}, "session is missing"),
            (lambda record: record | {"origin": "god"}, "origin 'god' is not one of"),
            (lambda record: record | {"ref": 7}, "ref is int"),
            (lambda _: ["not", "an", "object"], "not a line of a memstore export"),
        ],
    )
    def test_each_is_named_by_number_and_nothing_is_imported(
        self, full: MemoryStore, tmp_path: Path, damage: object, complaint: str
    ) -> None:
        full.export(tmp_path / "one.jsonl")
        records: list[object] = list(lines(tmp_path / "one.jsonl"))
        records[2] = damage(records[2])  # type: ignore[operator]
        (tmp_path / "bad.jsonl").write_text("\n".join(map(json.dumps, records)))
        copy = MemoryStore(tmp_path / "copy.db")
        with pytest.raises(ImportFailed, match=f"line 3: .*{complaint}.*nothing was imported"):
            copy.import_(tmp_path / "bad.jsonl")
        assert copy.stats()["events"] == copy.stats()["facts"] == 0

    def test_on_request_they_are_skipped_and_reported(self, full: MemoryStore, tmp_path: Path) -> None:
        full.export(tmp_path / "one.jsonl")
        text = (tmp_path / "one.jsonl").read_text().splitlines()
        text.insert(2, '{"type": "event", "id": ')
        (tmp_path / "bad.jsonl").write_text("\n".join(text))
        copy = MemoryStore(tmp_path / "copy.db")
        report = copy.import_(tmp_path / "bad.jsonl", skip_bad_lines=True)
        assert report.problems[0].startswith("line 3: not JSON")
        assert copy.facts() == full.facts()

    def test_a_file_that_was_cut_off_is_not_mistaken_for_a_whole_one(self, full: MemoryStore, tmp_path: Path) -> None:
        full.export(tmp_path / "one.jsonl")
        text = (tmp_path / "one.jsonl").read_text().splitlines(keepends=True)
        (tmp_path / "cut.jsonl").write_text("".join(text[:-1]))
        with pytest.raises(ImportFailed, match="cut off"):
            MemoryStore(tmp_path / "copy.db").import_(tmp_path / "cut.jsonl")

    @pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"hello\n", b"[]\n", b"\x00" * 100])
    def test_a_foreign_file_is_refused(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "foreign").write_bytes(content)
        with pytest.raises(ImportFailed):
            MemoryStore(tmp_path / "copy.db").import_(tmp_path / "foreign")

    def test_nothing_is_overwritten(self, full: MemoryStore, tmp_path: Path) -> None:
        (tmp_path / "taken").write_text("mine")
        with pytest.raises(UsageError, match="exists already"):
            full.export(tmp_path / "taken")
        with pytest.raises(UsageError, match="exists already"):
            full.backup(tmp_path / "taken")
        assert (tmp_path / "taken").read_text() == "mine"


class TestBackups:
    def test_a_backup_is_the_same_store_and_certificates_name_it(self, full: MemoryStore, tmp_path: Path) -> None:
        full.backup(tmp_path / "backup.db")
        copy = MemoryStore(tmp_path / "backup.db", clock=lambda: datetime(2026, 3, 9, tzinfo=UTC))
        assert copy.facts() == full.facts()
        assert copy.verify() == []
        certificate = full.forget(full.facts()[0])
        assert any("backup.db" in place for place in certificate.out_of_reach)
