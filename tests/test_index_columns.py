"""Columns give the same numbers with numpy and without, to the last digit."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memstore.index.arrays import ARRAYS
from memstore.index.columns import LISTS, Engine

BITS = 3
PLACES = st.lists(st.integers(0, 400), unique=True, max_size=60).map(sorted)
NUMBERS = st.lists(st.floats(0.001, 1e6), min_size=1, max_size=20)


def both(engine_use: Any) -> None:
    assert engine_use(LISTS) == engine_use(ARRAYS)


def packed(engine: Engine, places: list[int]) -> Any:
    return engine.insert(engine.unpack(b""), places)


class TestEnginesAgree:
    @given(NUMBERS, st.floats(0.001, 1e3), st.data())
    def test_on_arithmetic_in_every_bit(self, values: list[float], number: float, data: st.DataObject) -> None:
        indexes = data.draw(st.lists(st.integers(0, len(values) - 1), min_size=1))

        def use(engine: Engine) -> list[float]:
            a, at = engine.column(values), engine.column(indexes)
            b = engine.take(a, at - 0)
            found = (b * number / (b + engine.take(a * 2, at)) + engine.holders(b) * number) / number
            order, rounded = engine.best(3 - found, 6)
            return [*(at // 3).tolist(), *(at >> 1).tolist(), *found.tolist(), *order, *rounded]

        both(use)

    @given(PLACES, PLACES)
    def test_on_places(self, places: list[int], new: list[int]) -> None:
        def use(engine: Engine) -> list[list[int]]:
            held = engine.insert(packed(engine, places), new)
            keys = engine.begins(held, BITS)
            few = engine.joined([keys]) & 7
            parts = (
                held,
                keys,
                engine.among(keys, 2, {1, 3, 7}),
                engine.are(few, {1, 3}),
                engine.distinct(few),
            )
            return [list(map(int, part)) for part in parts]

        both(use)
        assert use(LISTS)[0] == sorted({*places, *new})

    @given(
        st.lists(PLACES, max_size=3),
        st.lists(st.integers(0, 30), unique=True, max_size=9).map(sorted),
        st.integers(0, 4),
        st.lists(st.integers(1, 50), unique=True, max_size=9).map(sorted),
    )
    def test_on_what_is_of_groups(self, lists: list[list[int]], groups: list[int], more: int, keys: list[int]) -> None:
        def use(engine: Engine) -> tuple[list[int], list[int], list[tuple[int, int]]]:
            of = packed(engine, groups) if groups else engine.unpack(b"")
            hits = engine.hits([packed(engine, places) for places in lists], of, BITS + more, BITS)
            slots = engine.column(range(0, 2 * len(keys), 2))
            at_slots = hits.by_slot(engine.unpack(b"") if not keys else packed(engine, keys), slots, 2 * len(keys))
            return hits.by_group().tolist(), at_slots.tolist(), hits.of(keys[:3])

        both(use)
        within = [[place for place in places if place >> BITS + more in groups] for places in lists]
        by_group, by_slot, of = use(LISTS)
        assert sum(by_group) == sum(len({place >> BITS for place in places}) for places in within)
        assert sum(by_slot) == sum(place >> BITS in keys for places in within for place in places)
        assert of == [(n, place) for n, places in enumerate(within) for place in places if place >> BITS in keys[:3]]

    @given(st.lists(st.tuples(st.integers(1, 99), st.booleans()), min_size=1, max_size=20, unique_by=lambda x: x[0]))
    def test_on_slots_which_keep_the_distances_that_are_small(self, given_: list[tuple[int, bool]]) -> None:
        keys, apart = map(list, zip(*sorted(given_), strict=True))

        def use(engine: Engine) -> list[list[int]]:
            slots = engine.spaced(engine.column(keys), engine.column(list(map(int, apart))), 3)
            laid = engine.laid(engine.column(keys), slots, int(slots[-1]) + 3, 0)
            at = engine.at(engine.column(keys), [keys[-1], 1000, keys[0]])
            near = engine.near(slots, engine.take(slots, at), len(laid), 2)
            return [list(map(int, part)) for part in (slots, laid, at, near)]

        both(use)
        slots, laid, at, near = use(LISTS)
        assert [laid[slot] for slot in slots] == keys
        assert sorted(laid) == sorted(keys + [0] * (len(laid) - len(keys)))
        assert [keys[index] for index in at] == [keys[-1], keys[0]]
        assert near == [n for n, slot in enumerate(slots) if min(abs(slot - slots[0]), abs(slot - slots[-1])) <= 2]
        for one in range(len(keys) - 1):
            alone = apart[one] or apart[one + 1]
            assert slots[one + 1] - slots[one] == (3 if alone else min(3, keys[one + 1] - keys[one]))

    @given(st.lists(NUMBERS, min_size=1, max_size=4))
    def test_on_columns_given_one_after_another(self, columns: list[list[float]]) -> None:
        length = min(map(len, columns))
        columns = [column[:length] for column in columns]

        def use(engine: Engine) -> list[list[float]]:
            many = engine.column([value for column in columns for value in column])
            whole = [engine.column(range(n)) for n in map(int, columns[0][:2])] if columns[0][0] < 50 else []
            return [
                engine.summed(many, len(columns), length).tolist(),
                engine.most([engine.column(column) for column in columns]).tolist(),
                engine.repeated(engine.column(columns[0]), 2).tolist(),
                engine.take_of_each(many, len(columns), engine.column([length - 1, 0])).tolist(),
                engine.take_of_each(engine.column([]), 0, engine.column([length - 1, 0])).tolist(),
                engine.stretched(engine.column(columns[0]), 2).tolist(),
                list(map(int, engine.joined(whole[:1]))),
            ]

        both(use)
        summed, most, repeated, ends, nothing, stretched, _ = use(LISTS)
        assert nothing == []
        assert ends == [value for column in columns for value in (column[-1], column[0])]
        assert summed == [sum(values) for values in zip(*columns, strict=True)]
        assert most == [max(values) for values in zip(*columns, strict=True)]
        assert repeated == 2 * columns[0]
        assert stretched == [value for value in columns[0] for _ in range(2)]

    @given(st.lists(st.tuples(PLACES, st.integers(1, 9)), min_size=1, max_size=5), PLACES)
    def test_on_what_is_added_up(self, added: list[tuple[list[int], int]], later: list[int]) -> None:
        def use(engine: Engine) -> tuple[int, int, list[int], list[int]]:
            tally = engine.tally()
            for keys, worth in added:
                tally.add(packed(engine, keys), worth)
            size, last, best = len(tally), tally.last_of_best(min(4, len(tally))) if len(tally) else 0, tally.best(4)
            tally.keep(last)
            tally.add_if_known(packed(engine, later), BITS, 5)
            return size, last, best, tally.best(100)

        both(use)
        total: dict[int, int] = {}
        for keys, worth in added:
            for key in keys:
                total[key] = total.get(key, 0) + worth
        assert use(LISTS)[2] == sorted(total, key=lambda key: (-total[key], key))[:4]


@pytest.mark.parametrize("engine", [LISTS, ARRAYS])
def test_a_list_without_order_is_read_without_an_error(engine: Engine) -> None:
    damaged = engine.unpack(b"".join(n.to_bytes(8, "little") for n in (900, 3, 77, 2, 2, 500)))
    hits = engine.hits([damaged], engine.distinct(engine.column([7, 0, 3, 0])), 7, BITS)
    hits.by_group()
    hits.by_slot(engine.column([1, 9]), engine.column([0, 1]), 2)
    hits.of([1, 9])
