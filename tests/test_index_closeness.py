"""Closeness is the cosine, and the same to the last digit in whatever order and company it is measured."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from memstore.index.closeness import Near, cosines, lengths
from memstore.index.embedding import DIMENSIONS
from memstore.index.places import STATEMENT_BITS

SEEDS = st.integers(0, 2**32 - 1)


def drawn(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """A unit query, and vectors of signed bytes as full as they can be: the largest sums there are."""
    rng = np.random.default_rng(seed)
    query = rng.standard_normal(DIMENSIONS).astype(np.float32)
    vectors = rng.integers(-127, 128, size=(count, DIMENSIONS), dtype=np.int8)
    vectors[0] = np.where(query > 0, 127, -127)
    return query / np.linalg.norm(query), vectors


class TestCosines:
    @given(SEEDS, st.integers(1, 1200))
    def test_they_are_what_double_precision_gives(self, seed: int, count: int) -> None:
        query, vectors = drawn(seed, count)
        plain = vectors.astype(np.float64) @ query.astype(np.float64)
        expected = plain / np.linalg.norm(vectors.astype(np.float64), axis=1)
        assert np.abs(cosines(query, vectors, lengths(vectors)) - expected).max() < 1.1e-6

    @given(SEEDS, st.integers(2, 1200), st.data())
    def test_neither_order_nor_company_shows(self, seed: int, count: int, data: st.DataObject) -> None:
        query, vectors = drawn(seed, count)
        rows = np.array(data.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=30)))
        apart, order = lengths(vectors), np.random.default_rng(seed).permutation(DIMENSIONS)
        whole = cosines(query, vectors, apart)
        assert np.array_equal(whole[rows], cosines(query, vectors, apart, rows))
        assert np.array_equal(whole, cosines(query[order], np.ascontiguousarray(vectors[:, order]), apart))

    def test_a_vector_of_nothing_is_close_to_nothing(self) -> None:
        nothing = np.zeros((1, DIMENSIONS), dtype=np.int8)
        assert cosines(drawn(1, 1)[0], nothing, lengths(nothing)).tolist() == [0.0]
        assert cosines(np.zeros(DIMENSIONS, dtype=np.float32), drawn(1, 1)[1], np.ones(1)).tolist() == [0.0]


@given(
    st.dictionaries(
        st.tuples(st.integers(1, 9), st.integers(0, 4)), st.floats(-1, 1).map(lambda x: round(x, 6)), max_size=20
    )
)
def test_a_turn_is_as_close_as_its_own_vector_and_as_its_closest(held: dict[tuple[int, int], float]) -> None:
    of = {turn << STATEMENT_BITS | number: cosine for (turn, number), cosine in sorted(held.items())}
    near = Near(np.array(list(of), dtype=np.int64), np.array(list(of.values())))
    own, closest = near.of_turns(range(1, 10))
    for turn in range(1, 10):
        cosines_ = [cosine for (one, _), cosine in held.items() if one == turn]
        assert own[turn - 1] == held.get((turn, 0), 0.0)
        assert closest[turn - 1] == max(cosines_, default=0.0)
        found = near.of_statements([turn << STATEMENT_BITS | number for number in range(5)])
        assert found == [held.get((turn, number), held.get((turn, 0), 0.0)) for number in range(5)]
