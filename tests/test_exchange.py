"""Export and import: lossless, idempotent, and honest about every line that cannot be taken."""

from __future__ import annotations

import gc
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from memstore import MemoryStore, Status
from memstore.errors import ImportFailed, UsageError
from memstore.ledger.exchange.spool import Spool
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


class TestForgottenHere:
    @staticmethod
    def elsewhere(tmp_path: Path, here: MemoryStore) -> Path:
        """An export of another store, which read what this one recorded, and was told more about it."""
        here.export(tmp_path / "given.jsonl")
        other = MemoryStore(tmp_path / "other.db", clock=here.ledger.clock)
        other.import_(tmp_path / "given.jsonl")
        other.capture()
        vault, *_ = other.recall("vault", mode="exact")
        other.flag(vault.fact_id, reason="heliotrope was a joke")
        other.remember("Lunch is at noon.", modality="observation", depends_on=vault.fact_id)
        other.export(tmp_path / "back.jsonl")
        return tmp_path / "back.jsonl"

    @pytest.mark.parametrize("captured", [False, True])
    def test_what_others_made_of_forgotten_words_does_not_bring_them_back(self, tmp_path: Path, captured: bool) -> None:
        here = MemoryStore(tmp_path / "here.db", clock=Clock())
        turn = here.record("The vault word is heliotrope. We use Redis.", role="user", session="s")
        if captured:
            here.capture()
        back = self.elsewhere(tmp_path, here)
        if captured:
            here.forget(next(fact for fact in here.facts() if "heliotrope" in fact.text))
        else:
            here.forget(turn)
        taken = here.import_(back)
        assert taken.problems == ()
        assert here.import_(back).facts == 0
        assert here.verify() == []
        held = {fact.text for fact in here.facts()}
        assert "Lunch is at noon." in held
        assert ("We use Redis." in held) == captured  # only the sentence was forgotten then, not the turn
        here.close()
        assert b"heliotrope" not in (tmp_path / "here.db").read_bytes()

    @pytest.mark.parametrize("whole", [False, True])
    def test_a_turn_that_both_stores_recorded_stays_forgotten_here(self, tmp_path: Path, whole: bool) -> None:
        here, other = (MemoryStore(tmp_path / f"{name}.db", clock=Clock()) for name in ("here", "other"))
        for store in (here, other):
            store.record("The vault word is heliotrope. We use Redis.", role="user", session="s", ref="1")
            store.capture()
        other.export(tmp_path / "other.jsonl")
        here.forget(here.facts()[0] if not whole else here.event(here.facts()[0].provenance[0].event_id))
        assert here.import_(tmp_path / "other.jsonl").problems == ()
        assert not any("heliotrope" in fact.text for fact in here.facts())
        assert here.verify() == []
        odd = MemoryStore(tmp_path / "odd.db", clock=Clock())
        odd.record("Something else under that name.", role="user", session="s", ref="1")
        with pytest.raises(ImportFailed, match="other words"):
            odd.import_(tmp_path / "other.jsonl")


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
            (lambda record: record | {"role": "\ud800"}, "not valid Unicode"),
            (lambda record: record | {"type": ["event"]}, "not a line of a memstore export"),
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

    @pytest.mark.parametrize("before", [True, False])
    def test_whatever_becomes_of_it_the_collector_is_as_it_was(
        self, full: MemoryStore, tmp_path: Path, before: bool
    ) -> None:
        full.export(tmp_path / "one.jsonl")
        good = (tmp_path / "one.jsonl").read_text()
        refused = good.replace('"start": 0, "end": ', '"start": 0, "end": 9')  # seen only when it is to be written
        (tmp_path / "bad.jsonl").write_text(good + "{}")
        (tmp_path / "refused.jsonl").write_text(refused)
        copy = MemoryStore(tmp_path / "copy.db")
        try:
            gc.enable() if before else gc.disable()
            for name, complaint in (("bad", "nothing was imported"), ("refused", "reaches past"), ("one", None)):
                if complaint is None:
                    copy.import_(tmp_path / f"{name}.jsonl")
                else:
                    with pytest.raises(ImportFailed, match=complaint):
                        copy.import_(tmp_path / f"{name}.jsonl")
                assert gc.isenabled() is before
        finally:
            gc.enable()

    def test_so_it_is_while_the_error_is_kept(
        self, full: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        full.export(tmp_path / "one.jsonl")
        monkeypatch.setattr(Spool, "add", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError) as kept:
            MemoryStore(tmp_path / "copy.db").import_(tmp_path / "one.jsonl")
        assert kept.tb is not None
        assert gc.isenabled()

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


class TestAnchors:
    """A fact stays tied to its file, but no file is looked at because an export says so."""

    @pytest.fixture
    def project(self, tmp_path: Path) -> Path:
        folder = tmp_path / "project"
        folder.mkdir()
        (folder / "app.toml").write_text('[cache]\nttl = "30d"\n')
        (folder / "gone.txt").write_text("soon\n")
        return folder

    @pytest.fixture
    def tied(self, tmp_path: Path, project: Path) -> Path:
        """An export of a store with a tie that holds, one in doubt, and one of a fact that was replaced since."""
        memory = MemoryStore(tmp_path / "one.db", root=project)
        memory.remember("The lifetime in app.toml is 30 days.", modality="decision", key="ttl")
        memory.remember("app.toml sets the lifetime.", modality="observation")
        memory.remember("It is said in app.toml that it is 60.", modality="decision", key="ttl")
        soon = memory.remember("There is a note in gone.txt.", modality="observation")
        (project / "gone.txt").unlink()
        assert memory.check_anchors().flagged == (soon.id,)
        memory.export(tmp_path / "one.jsonl")
        memory.close()
        return tmp_path / "one.jsonl"

    def test_they_are_exported_and_imported_to_the_letter_and_twice_is_once(
        self, tmp_path: Path, tied: Path, project: Path
    ) -> None:
        now = datetime.fromisoformat(str(lines(tied)[0]["exported_at"]))
        for root in (None, project):
            copy = MemoryStore(tmp_path / f"copy{bool(root)}.db", root=root, clock=lambda: now)
            assert copy.import_(tied).anchors == 4
            again = copy.import_(tied)
            assert (again.anchors, again.facts) == (0, 0)
            copy.export(tmp_path / f"two{bool(root)}.jsonl")
            assert (tmp_path / f"two{bool(root)}.jsonl").read_text() == tied.read_text()
            assert copy.verify() == []

    def test_under_the_same_root_a_change_of_the_file_is_noticed(
        self, tmp_path: Path, tied: Path, project: Path
    ) -> None:
        copy = MemoryStore(tmp_path / "copy.db", root=project)
        copy.import_(tied)
        assert copy.check_anchors().flagged == ()
        (project / "app.toml").write_text("")
        assert len(copy.check_anchors().flagged) == 2
        (project / "gone.txt").write_text("soon\n")
        assert len(copy.check_anchors().restored) == 1

    def test_without_a_root_nothing_is_read_though_the_files_are_there(
        self, tmp_path: Path, tied: Path, project: Path
    ) -> None:
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        for root in (None, elsewhere):
            copy = MemoryStore(tmp_path / f"copy{bool(root)}.db", root=root)
            copy.import_(tied)
            (project / "app.toml").write_text("")
            assert copy.check_anchors().checked == 0
            assert copy.anchored_files() == []
            assert copy.file_changed(project / "app.toml").checked == 0
            (found,) = copy.recall("app.toml sets the lifetime", k=1)
            assert (found.status, "anchors" in found.why) == (Status.LIVE, False)
            (anchor,) = copy.anchors(found.fact_id)
            assert (anchor.root, anchor.path, anchor.here) == (str(project), "app.toml", False)
            copy.confirm(found.fact_id, reason="so it is")
            assert len(copy.anchors(found.fact_id)) == 1

    def test_naming_the_root_later_binds_what_waited(self, tmp_path: Path, tied: Path, project: Path) -> None:
        moved = project.rename(tmp_path / "moved")
        copy = MemoryStore(tmp_path / "copy.db")
        copy.import_(tied)
        report = copy.import_(tied, root=moved)
        assert (report.anchors, copy.check_anchors().checked) == (0, 3)
        (moved / "app.toml").write_text("")
        assert len(copy.check_anchors().flagged) == 2
        copy.import_(tied)
        assert len(copy.check_anchors().restored) == 0

    @pytest.mark.parametrize("path", ["/etc/passwd", "../secret", "a/../../secret", "", ".", "a\0b"])
    def test_a_path_that_leaves_its_root_is_refused_by_number(self, tmp_path: Path, tied: Path, path: str) -> None:
        records = lines(tied)
        assert records[-2]["type"] == "anchor"
        records[-2]["path"] = path
        (tmp_path / "bad.jsonl").write_text("\n".join(map(json.dumps, records)))
        with pytest.raises(ImportFailed, match=f"line {len(records) - 1}: the path .* is not one under its root"):
            MemoryStore(tmp_path / "copy.db", root=tmp_path).import_(tmp_path / "bad.jsonl")

    def test_what_a_forgotten_fact_saw_does_not_come_back(self, tmp_path: Path, tied: Path, project: Path) -> None:
        copy = MemoryStore(tmp_path / "copy.db", root=project)
        copy.import_(tied)
        (fact,) = (f for f in copy.facts() if "sets the lifetime" in f.text)
        copy.forget(fact)
        assert copy.import_(tied).anchors == 0
        assert copy.anchors(fact) == []

    def test_an_export_of_before_there_were_anchors_is_read(self, full: MemoryStore, tmp_path: Path) -> None:
        full.export(tmp_path / "new.jsonl")
        records = lines(tmp_path / "new.jsonl")
        records[0]["version"] = 1
        del records[-1]["anchors"]
        (tmp_path / "old.jsonl").write_text("\n".join(map(json.dumps, records)))
        copy = MemoryStore(tmp_path / "copy.db")
        copy.import_(tmp_path / "old.jsonl")
        assert copy.facts() == full.facts()


class TestLargeImports:
    def test_what_does_not_fit_in_memory_comes_through_in_order(
        self, full: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        full.export(tmp_path / "one.jsonl")
        monkeypatch.setattr("memstore.ledger.exchange.spool._IN_MEMORY", 1)
        monkeypatch.setattr("memstore.ledger.exchange.spool.BATCH", 2)
        monkeypatch.setattr("memstore.index.lists._WAITING", 1)
        copy = MemoryStore(tmp_path / "copy.db", clock=full.ledger.clock)
        copy.import_(tmp_path / "one.jsonl")
        copy.export(tmp_path / "two.jsonl")
        assert (tmp_path / "one.jsonl").read_text() == (tmp_path / "two.jsonl").read_text()
        assert copy.verify() == []
        assert {file.name for file in tmp_path.iterdir() if "db" not in file.name} == {"one.jsonl", "two.jsonl"}


class TestBackups:
    def test_a_backup_is_the_same_store_and_certificates_name_it(self, full: MemoryStore, tmp_path: Path) -> None:
        full.backup(tmp_path / "backup.db")
        copy = MemoryStore(tmp_path / "backup.db", clock=lambda: datetime(2026, 3, 9, tzinfo=UTC))
        assert copy.facts() == full.facts()
        assert copy.verify() == []
        certificate = full.forget(full.facts()[0])
        assert any("backup.db" in place for place in certificate.out_of_reach)
