"""Columns give the same numbers with numpy and without, to the last digit."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memstore.index.columns import ARRAYS, LISTS, Engine

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
            return [*found.tolist(), *engine.rounded(found, 6)]

        both(use)

    @given(PLACES, PLACES, st.lists(st.tuples(st.integers(0, 60), st.integers(0, 9)), max_size=6))
    def test_on_places(self, places: list[int], new: list[int], spans: list[tuple[int, int]]) -> None:
        ranges, at = [], 0
        for gap, width in spans:
            ranges.append((at + gap << BITS, at + gap + width << BITS))
            at += gap + width

        def use(engine: Engine) -> list[list[int]]:
            held = engine.insert(packed(engine, places), new)
            asked = engine.ranges(ranges)
            keys = engine.begins(held, BITS)
            return [
                list(map(int, part))
                for part in (
                    held,
                    keys,
                    engine.among(keys, 2, {1, 3, 7}),
                    engine.within(held, asked),
                    engine.begins_within(held, BITS, asked),
                    engine.slots([1, 5, 9], [2, 3, 7], 10).count(held, BITS),
                )
            ]

        both(use)
        assert use(LISTS)[0] == sorted({*places, *new})

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
    ranges = engine.ranges([(0, 8), (8, 80), (400, 2000)])
    engine.begins_within(damaged, BITS, ranges)
    engine.slots([1, 9], [0, 1], 2).count(engine.within(damaged, ranges), BITS)
