"""Review lists what could do harm, worst first; consolidation settles only what can be undone, and only once."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from memstore import Concern, Fact, MemoryStore, Modality, Origin, Status
from memstore.policy import harm
from tests.conftest import NOON, ticking


def listed(memory: MemoryStore, **how) -> list[tuple[Concern, tuple[str, ...]]]:
    return [(item.concern, tuple(fact.text for fact in item.facts)) for item in memory.review(**how)]


class TestReview:
    def test_what_is_in_order_is_not_listed(self, memory) -> None:
        memory.remember("Redis holds the sessions", modality="decision")
        memory.remember("the cache is warm", modality="observation", ttl=timedelta(days=60))
        assert memory.review() == []

    def test_a_suspect_is_listed_with_its_reasons_and_leaves_when_settled(self, memory) -> None:
        premise = memory.remember("Redis holds the sessions", modality="decision")
        memory.remember("sessions survive a restart", modality="observation", depends_on=premise)
        memory.flag(premise, reason="the chart says Postgres")
        first, second = memory.review()
        assert (first.concern, first.reasons) == (Concern.SUSPECT, ("the chart says Postgres",))
        assert "rests on «Redis holds the sessions»" in second.reasons[0]
        memory.confirm(premise)
        assert memory.review() == []

    def test_a_refused_change_is_open_until_one_side_is_confirmed_replaced_or_withdrawn(self, memory) -> None:
        for settle in ("confirm", "retract", "supersede"):
            old = memory.remember("we use Redis", modality="decision", key=settle)
            new = memory.remember("we might use Valkey", modality="hypothesis", key=settle)
            (item,) = memory.review()
            assert (item.concern, [f.id for f in item.facts]) == (Concern.CONFLICT, [old.id, new.id])
            assert item.conflict == new.conflicts[0].id
            if settle == "confirm":
                memory.confirm(old)
                memory.retract(new, reason="no")
            elif settle == "retract":
                memory.retract([old, new], reason="both gone")
            else:
                memory.supersede([old, new], memory.remember("we use Valkey", modality="decision"), reason="settled")
            assert memory.review() == []

    def test_what_expires_within_the_time_is_listed(self, memory) -> None:
        memory.remember("the build passes", modality="observation", ttl=timedelta(days=3))
        memory.remember("the quarter ends", modality="observation", ttl=timedelta(days=60))
        assert listed(memory) == [(Concern.EXPIRING, ("the build passes",))]
        assert len(listed(memory, within=timedelta(days=90))) == 2
        assert listed(memory, now=NOON + timedelta(days=4)) == []

    def test_the_most_harmful_comes_first(self, memory) -> None:
        question = memory.remember("do we shard?", modality="question")
        plain = memory.remember("the queue is long", modality="observation")
        bearing = memory.remember("the queue is durable", modality="observation")
        for number in range(3):
            memory.remember(f"so {number}", modality="observation", depends_on=bearing)
        binding = memory.remember("we use Kafka", modality="decision")
        for fact in (question, plain, bearing, binding):
            memory.flag(fact, reason="doubtful")
        order = [text for _, (text,) in listed(memory)]
        assert order.index("the queue is durable") < order.index("we use Kafka") < order.index("the queue is long")
        assert order[-1] == "do we shard?"

    def test_nothing_of_another_scope_is_listed(self, memory) -> None:
        memory.flag(memory.remember("secret", modality="decision", scope="acme"), reason="x", scope="acme")
        assert memory.review() == []
        assert len(memory.review(scope="acme")) == 1
        assert len(memory.review(scope=["default", "acme"])) == 1

    @given(
        st.sampled_from(list(Concern)),
        st.sampled_from(list(Modality)),
        st.sampled_from(list(Origin)),
        st.integers(0, 9),
    )
    def test_harm_grows_with_what_rests_on_a_fact_and_with_its_standing(self, concern, modality, origin, n) -> None:
        assert harm(concern, modality, origin, n + 1) > harm(concern, modality, origin, n) > 0
        assert harm(concern, modality, Origin.USER, n) >= harm(concern, modality, origin, n)
        assert harm(Concern.SUSPECT, modality, origin, n) >= harm(concern, modality, origin, n)


def duplicates(memory: MemoryStore) -> list[Fact]:
    return [
        memory.remember(text, modality="decision", session=text)
        for text in ("We use Redis for sessions.", "we use redis for sessions", "We use Redis, for sessions!")
    ]


class TestConsolidate:
    def test_duplicates_become_one_with_the_sources_of_all(self, memory) -> None:
        held = duplicates(memory)
        report = memory.consolidate()
        (group,) = report.merged
        assert set(group) == {fact.id for fact in held}
        survivor = memory.fact(group[0])
        assert {p.event_id for p in survivor.provenance} == {p.event_id for f in held for p in f.provenance}
        assert [memory.status(fact) for fact in held] == [Status.SUPERSEDED, Status.SUPERSEDED, Status.LIVE]
        assert len(memory.recall("redis sessions", k=10)) == 1
        assert memory.verify() == []

    def test_it_changes_nothing_the_second_time(self, memory) -> None:
        duplicates(memory)
        memory.remember("do we shard?", modality="question")
        memory.consolidate()
        before = memory.stats()["transitions"]
        again = memory.consolidate()
        assert (again.merged, again.dropped, again.left) == ((), (), 0)
        assert memory.stats()["transitions"] == before

    def test_a_dry_run_writes_nothing_and_tells_the_same(self, memory) -> None:
        duplicates(memory)
        memory.remember("do we shard?", modality="question")
        later = NOON + timedelta(days=400)
        before = memory.stats()
        planned = memory.consolidate(dry_run=True, now=later)
        assert memory.stats() == before
        done = memory.consolidate(now=later)
        assert (planned.merged, planned.dropped) == (done.merged, done.dropped)
        assert planned.dropped

    def test_every_step_can_be_undone(self, memory) -> None:
        held = duplicates(memory)
        question = memory.remember("do we shard?", modality="question")
        memory.consolidate(now=NOON + timedelta(days=400))
        assert memory.status(question) is Status.RETRACTED
        for fact in (held[0], question):
            (last,) = memory.history(fact).transitions[-1:]
            memory.revert(last, reason="not so fast")
        assert [memory.status(fact) for fact in held] == [Status.LIVE] * 3
        assert memory.status(question, now=NOON) is Status.LIVE

    def test_what_says_the_same_of_another_kind_speaker_or_key_is_left_apart(self, memory) -> None:
        text = "We use Redis for sessions"
        memory.remember(text, modality="decision")
        memory.remember(text, modality="observation")
        memory.remember(text, modality="decision", origin="assistant", session="b")
        memory.remember(text, modality="decision", key="store", session="c")
        memory.remember(text, modality="decision", scope="acme")
        memory.remember("We do not use Redis for sessions", modality="decision")
        assert memory.consolidate(scope=["default", "acme"]).merged == ()

    def test_what_binds_or_carries_conclusions_is_never_dropped(self, memory) -> None:
        guess = memory.remember("perhaps the disk is slow", modality="hypothesis")
        memory.remember("so we cache", modality="decision", depends_on=guess)
        memory.remember("the build passes", modality="observation", ttl=timedelta(days=1))
        young = memory.remember("do we shard?", modality="question", at=NOON + timedelta(days=300))
        assert memory.consolidate(now=NOON + timedelta(days=400)).dropped == ()
        assert memory.status(young, now=NOON + timedelta(days=301)) is Status.LIVE

    def test_a_conclusion_from_a_duplicate_stands_when_its_premise_is_merged(self, memory) -> None:
        held = duplicates(memory)
        conclusion = memory.remember("sessions are fast", modality="observation", depends_on=held[0])
        memory.consolidate()
        assert memory.status(held[0]) is Status.SUPERSEDED
        assert memory.status(conclusion) is Status.LIVE

    def test_out_of_time_it_leaves_the_rest_for_the_next_run(self, memory) -> None:
        duplicates(memory)
        assert memory.consolidate(seconds=0).left == 1
        assert len(memory.consolidate().merged) == 1

    def test_it_looks_at_files_and_says_how_much_waits_for_review(self, memory, tmp_path) -> None:
        (tmp_path / "a.py").write_text("def f():\n    return 1\n")
        tied = MemoryStore(tmp_path / "memory.db", root=tmp_path, clock=ticking())
        tied.remember("f() in a.py gives one", modality="observation")
        (tmp_path / "a.py").write_text("def f():\n    return 2\n")
        assert tied.consolidate(dry_run=True).anchors.checked == 0
        report = tied.consolidate()
        assert len(report.anchors.flagged) == 1
        assert report.proposed == 1

    @settings(max_examples=25, deadline=None)
    @given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["decision", "question"])), max_size=10))
    def test_every_statement_stays_current_once_and_no_source_is_lost(self, tmp_path_factory, said) -> None:
        memory = MemoryStore(tmp_path_factory.mktemp("merge") / "memory.db", clock=ticking())
        held = [memory.remember(text, modality=m, session=str(at)) for at, (text, m) in enumerate(said)]
        memory.consolidate()
        live = [fact for fact in memory.facts() if memory.status(fact) is Status.LIVE]
        assert sorted((f.text, f.modality) for f in live) == sorted(set(said))
        events = {(f.text, f.modality, p.event_id) for f in held for p in f.provenance}
        assert {(f.text, f.modality, p.event_id) for f in live for p in f.provenance} == events
        assert memory.verify() == []
