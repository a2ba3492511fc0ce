"""Odd values in, clear answers out: nothing but a MemstoreError comes back, and no text is ever syntax.

Every public call is fed Unicode of all kinds, lone surrogates, NULs, huge and empty texts, moments at the ends of the
calendar, and values of the wrong type. What is refused changes nothing; what is taken is kept to the letter.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memstore import MemoryStore
from memstore.errors import ImportFailed, MemstoreError, UsageError
from memstore.store.naming import LONGEST_TEXT
from tests.test_ledger_machine import EveryLine

anything = st.text(st.characters(), max_size=60) | st.text(st.sampled_from("'\"();*:-^%_\\\x00\n\ud800\U0001f600é́ \t"))
moments = st.one_of(
    st.datetimes(timezones=st.just(UTC)),
    st.sampled_from(
        [
            datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
            datetime.max.replace(tzinfo=timezone(timedelta(hours=-12))),
            datetime(1, 1, 1, tzinfo=UTC),
            datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
            datetime(2026, 1, 1),  # noqa: DTZ001
        ]
    ),
)
numbers = st.integers(-1, 2**70)
spells = st.timedeltas() | st.sampled_from([timedelta.max, timedelta.min, timedelta(0), None])


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemoryStore]:
    with MemoryStore(tmp_path_factory.mktemp("fuzz") / "memory.db", extractor=EveryLine()) as store:
        store.remember("An anchor in the storm.", modality="decision", key="anchor")
        yield store


def tried(call: Callable[[], Any]) -> Any:
    """The answer, or None if the call was refused with one line of words."""
    try:
        return call()
    except MemstoreError as error:
        return None if str(error) else pytest.fail("refused without a word")


def quietly(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )


class TestNothingButOurErrors:
    @quietly(80)
    @given(text=anything, name=anything, at=moments)
    def test_whatever_is_recorded_comes_back_to_the_letter_or_is_refused(
        self, memory: MemoryStore, text: str, name: str, at: datetime
    ) -> None:
        event = tried(lambda: memory.record(text, role="user", session=name, ref=name or None, at=at))
        if event is not None and event.text:
            again = memory.event(event.id)
            assert (again.text, again.session) == (event.text, name)
            assert again == event

    @quietly(80)
    @given(text=anything, key=st.none() | anything, at=st.none() | moments, ttl=spells, session=anything)
    def test_whatever_is_remembered_is_found_by_id_key_and_history_or_is_refused(
        self, memory: MemoryStore, text: str, key: str | None, at: datetime | None, ttl: timedelta | None, session: str
    ) -> None:
        fact = tried(
            lambda: memory.remember(text, modality="decision", key=key, at=at, ttl=ttl, session=session)
        )  # fmt: skip
        if fact is not None:
            assert memory.fact(fact.id).text == fact.text
            assert fact.provenance[0].quote == fact.text
            assert memory.history(fact).heads == (fact.id,)
            if ttl is None and key is not None and at is None:
                held = memory.get(key)
                assert held is not None
                assert held.id == fact.id

    @quietly(80)
    @given(
        query=anything, moment=st.none() | moments, k=st.integers(-1, 2**70), budget=st.none() | st.integers(-1, 2**70)
    )
    def test_no_query_is_syntax_and_no_number_too_large(
        self, memory: MemoryStore, query: str, moment: datetime | None, k: int, budget: int | None
    ) -> None:
        tried(lambda: memory.recall(query, k=k, budget=budget, now=moment))
        tried(lambda: memory.recall(query, as_of=moment, valid_at=moment, scope=query))
        tried(lambda: memory.get(query, as_of=moment))
        tried(lambda: memory.fact(query))
        tried(lambda: memory.event(query))
        tried(lambda: memory.forget([query]))
        tried(lambda: memory.supersede(query, "f_x", reason=query))
        tried(lambda: memory.revert(query, reason=query))
        assert memory.get("anchor") is not None

    @pytest.mark.parametrize("value", [None, 5, 5.5, b"bytes", [], {}, object(), True])
    def test_values_of_the_wrong_type_are_told_apart_in_a_line(self, memory: MemoryStore, value: Any) -> None:
        before = memory.stats()["transitions"]
        for call in (
            lambda: memory.record(value, role="user", session="s"),
            lambda: memory.record("Text.", role=value, session="s"),
            lambda: memory.record("Text.", role="user", session=value),
            lambda: memory.remember(value, modality="decision"),
            lambda: memory.remember("Text.", modality="decision", kind=value),
            lambda: memory.supersede(value, value, reason="x"),
            lambda: memory.flag(value, reason="x"),
            lambda: memory.flag("f_x", reason=value),
        ):
            with pytest.raises(UsageError):
                call()
        if value is not None:
            for call in (
                lambda: memory.remember("Text.", modality=value),
                lambda: memory.remember("Text.", modality="decision", source=value),
                lambda: memory.remember("Text.", modality="decision", ttl=value),
                lambda: memory.remember("Text.", modality="decision", at=value),
                lambda: memory.remember("Text.", modality="decision", key=value),
                lambda: memory.forget(value),
            ):
                with pytest.raises(UsageError):
                    call()
        assert memory.stats()["transitions"] == before

    def test_the_store_is_sound_after_all_that(self, memory: MemoryStore) -> None:
        memory.capture()
        assert memory.verify() == []


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The lines of an export that has one of every type."""
    folder = tmp_path_factory.mktemp("exported")
    (folder / "app.toml").write_text("ttl = 30\n")
    with MemoryStore(folder / "memory.db", root=folder) as store:
        turn = store.record("We use tea. Perhaps coffee.", role="user", session="s", ref="1")
        tea = store.remember("We use tea.", modality="decision", key="drink", source=turn, ttl=timedelta(days=9))
        store.remember("We use coffee as app.toml says.", modality="decision", key="drink", depends_on=tea)
        store.record("We use milk.", role="user", session="s", ref="2")
        store.forget(store.record("Never mind.", role="user", session="s", ref="3"))
        store.flag(tea, reason="cold")
        store.export(folder / "export.jsonl")
    return [json.loads(line) for line in (folder / "export.jsonl").read_text().splitlines()]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8) | st.just("\ud800"),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=8), inside, max_size=3),
    max_leaves=5,
)


class TestImportLines:
    @quietly(300)
    @given(data=st.data())
    def test_a_line_with_any_value_in_any_field_is_taken_whole_or_refused_by_number(
        self, exported: list[dict[str, Any]], data: st.DataObject
    ) -> None:
        number = data.draw(st.integers(0, len(exported) - 1))
        record = json.loads(json.dumps(exported[number]))
        inner = record.get("provenance") or record.get("pointers") or [record]
        some = data.draw(st.sampled_from([record, inner[0]]))
        some[data.draw(st.sampled_from(sorted(some)))] = data.draw(json_values)
        with tempfile.TemporaryDirectory() as folder:
            changed = [*exported[:number], record, *exported[number + 1 :]]
            (Path(folder) / "export.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in changed))
            with MemoryStore(Path(folder) / "memory.db") as store:
                tried(lambda: store.import_(Path(folder) / "export.jsonl"))
                tried(lambda: store.import_(Path(folder) / "export.jsonl", skip_bad_lines=True))
                assert store.verify() == []
                store.export(Path(folder) / "again.jsonl")

    @pytest.mark.parametrize(
        "line",
        [
            '{"type": "event", "id": ' + "[" * 100_000 + "]" * 100_000 + "}",
            '{"type": "fact", "probability": ' + "9" * 10_000 + "}",
            "[" * 900 + "]" * 900,
            '"\\ud800"',
            "NaN",
            "\x00",
            "{}",
        ],
    )
    def test_what_no_export_holds_is_refused_by_number(
        self, exported: list[dict[str, Any]], tmp_path: Path, line: str
    ) -> None:
        whole = [json.dumps(record) for record in exported]
        (tmp_path / "export.jsonl").write_text("\n".join([whole[0], line, *whole[1:]]))
        with MemoryStore(tmp_path / "memory.db") as store:
            with pytest.raises(ImportFailed, match="line 2: "):
                store.import_(tmp_path / "export.jsonl")
            assert store.import_(tmp_path / "export.jsonl", skip_bad_lines=True).facts == 2


class TestExtremes:
    def test_a_text_of_the_greatest_length_is_kept_and_a_longer_one_refused(self, tmp_path: Path) -> None:
        with MemoryStore(tmp_path / "memory.db") as store:
            text = "wörter \x00" * (LONGEST_TEXT // 8)
            turn = store.record(text, role="tool", session="s1")
            assert store.event(turn.id).text == text
            fact = store.remember(text[-1000:], modality="observation", source=turn)
            assert fact.provenance[0].quote == text[-1000:]
            with pytest.raises(UsageError, match="split it"):
                store.record("x" * 10_000_000, role="tool", session="s1")
            store.forget(turn)
            assert store.verify() == []

    def test_a_long_query_is_answered(self, memory: MemoryStore) -> None:
        assert isinstance(memory.recall("storm " + " ".join(f"word{n}" for n in range(20_000))), list)

    def test_text_is_never_sql(self, memory: MemoryStore) -> None:
        evil = "'); DROP TABLE facts; --"
        fact = memory.remember(evil, modality="decision", key=evil, session=evil)
        held = memory.get(evil)
        assert held is not None
        assert held.id == fact.id
        assert memory.verify() == []

    def test_a_lifetime_past_the_end_of_time_ends_there(self, tmp_path: Path) -> None:
        with MemoryStore(tmp_path / "memory.db") as store:
            at = datetime(9999, 1, 1, tzinfo=UTC)
            fact = store.remember("Late.", modality="observation", at=at, ttl=timedelta(days=3_000_000))
            assert fact.expires_at == datetime.max.replace(tzinfo=UTC)

    def test_paths_with_odd_characters_are_just_names(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            for name in ("a b.db", "per%cent.db", "que?ry#.db", "ünï.db", "it's;--.db", "file:memory"):
                with MemoryStore(Path(folder) / name) as store:
                    store.remember("Here.", modality="decision")
                assert (Path(folder) / name).is_file()
