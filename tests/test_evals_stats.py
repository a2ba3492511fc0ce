"""The statistics agree with statsmodels and scipy, and with simulated data whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals import stats
from evals.stats import Value


def clustered(rng: np.random.Generator, clusters: int, size: int, spread: float, mean: float = 0.0) -> list[Value]:
    """Values that share a cluster effect: intraclass correlation spread² / (spread² + 1)."""
    return [
        Value((c, i), c, mean + effect + noise)
        for c, effect in enumerate(rng.normal(0, spread, clusters))
        for i, noise in enumerate(rng.normal(0, 1, size))
    ]


class TestAgainstReference:
    def test_with_clusters_of_one_size_the_interval_is_that_of_statsmodels(self) -> None:
        import statsmodels.api as sm

        values = clustered(np.random.default_rng(1), 12, 9, 0.8)
        x = np.array([v.value for v in values])
        names = {c: i for i, c in enumerate(dict.fromkeys(v.cluster for v in values))}
        groups = np.array([names[v.cluster] for v in values])
        fit = sm.OLS(x, np.ones(len(x))).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
        ours = stats.estimate(values)
        assert ours.mean == pytest.approx(fit.params[0])
        assert ours.se == pytest.approx(fit.bse[0])
        assert (ours.low, ours.high) == pytest.approx(tuple(fit.conf_int()[0]))

    def test_with_uneven_clusters_it_is_the_regression_formula_of_bell_and_mccaffrey(self) -> None:
        from scipy.linalg import fractional_matrix_power

        rng = np.random.default_rng(12)
        sizes = (1, 2, 3, 7, 15)
        cluster = np.repeat(range(len(sizes)), sizes)
        x = rng.normal(0, 1, len(sizes))[cluster] + rng.normal(0, 1, len(cluster))
        # Ordinary least squares on a constant, by the formulas for any regression.
        n = len(x)
        design = np.ones((n, 1))
        bread = np.linalg.inv(design.T @ design)
        residual_maker = np.eye(n) - design @ bread @ design.T
        variance, rows = 0.0, []
        for c in range(len(sizes)):
            own = np.flatnonzero(cluster == c)
            adjusted = fractional_matrix_power(residual_maker[np.ix_(own, own)], -0.5)
            weights = bread @ design[own].T @ adjusted @ residual_maker[own]
            variance += ((weights @ x) ** 2).item()
            rows.append(weights[0])
        gram = np.array(rows) @ np.array(rows).T
        ours = stats.estimate([Value(i, int(c), float(v)) for i, (c, v) in enumerate(zip(cluster, x, strict=True))])
        assert ours.se == pytest.approx(np.sqrt(variance))
        assert ours.df == pytest.approx(np.trace(gram) ** 2 / np.trace(gram @ gram))

    def test_without_clusters_it_is_the_textbook_t_interval(self) -> None:
        from scipy import stats as scipy_stats

        x = np.random.default_rng(2).normal(5, 2, 40)
        ours = stats.estimate([Value(i, i // 8, v) for i, v in enumerate(x)])
        low, high = scipy_stats.t.interval(0.95, 39, x.mean(), scipy_stats.sem(x))
        assert (ours.naive_low, ours.naive_high) == pytest.approx((low, high))

    def test_mcnemar_is_that_of_statsmodels(self) -> None:
        from statsmodels.stats.contingency_tables import mcnemar

        for wins, losses in ((3, 9), (0, 5), (7, 7), (1, 0)):
            reference = mcnemar([[4, wins], [losses, 2]], exact=True).pvalue
            assert stats.mcnemar(wins, losses) == pytest.approx(reference)

    def test_wilson_is_that_of_statsmodels(self) -> None:
        from statsmodels.stats.proportion import proportion_confint

        for successes, n in ((0, 10), (10, 10), (3, 17)):
            assert stats.wilson(successes, n) == pytest.approx(proportion_confint(successes, n, method="wilson"))

    def test_kappa_is_that_of_statsmodels(self) -> None:
        from statsmodels.stats.inter_rater import cohens_kappa

        table = [[20, 5, 1], [3, 30, 4], [2, 2, 15]]
        pairs = [(str(i), str(j)) for i in range(3) for j in range(3) for _ in range(table[i][j])]
        assert stats.kappa(pairs) == pytest.approx(cohens_kappa(table).kappa)

    def test_holm_never_lowers_a_p_value_and_passes_over_what_is_unknown(self) -> None:
        corrected = stats.holm({"a": 0.01, "b": 0.04, "c": None, "d": 0.03})
        assert corrected == {"a": pytest.approx(0.03), "b": pytest.approx(0.06), "c": None, "d": pytest.approx(0.06)}


class TestCoverage:
    @pytest.mark.parametrize("design", stats.DESIGNS, ids=lambda design: design.name)
    def test_nominal_intervals_cover_with_clusters_and_naive_ones_do_not(self, design: stats.Design) -> None:
        runs = 1500 if sum(design.sizes) < 200 else 600
        clustered_ones, naive_ones = stats.coverage(design, seed=3, runs=runs)
        assert 0.93 <= clustered_ones <= 0.97
        assert naive_ones < 0.9

    def test_a_true_difference_of_the_detectable_size_is_found_four_times_in_five(self) -> None:
        rng = np.random.default_rng(4)
        se, found, runs = 0.3, 0, 1500
        effect = stats.minimum_detectable_effect(se, 14)
        for _ in range(runs):
            x = rng.normal(effect, se * np.sqrt(15), 15)
            e = stats.estimate([Value(i, i, v) for i, v in enumerate(x)])
            found += e.low > 0
        assert 0.76 <= found / runs <= 0.84

    def test_under_no_difference_five_comparisons_in_a_hundred_are_called_significant(self) -> None:
        rng = np.random.default_rng(5)
        runs, called = 800, 0
        for _ in range(runs):
            a = clustered(rng, 10, 5, 0.5)
            b = [Value(v.probe, v.cluster, v.value + rng.normal(0, 1)) for v in a]
            called += stats.compare(a, b).p < 0.05
        assert 0.03 <= called / runs <= 0.07


class TestEdges:
    def test_nothing_scored_has_no_mean(self) -> None:
        assert stats.estimate([]).mean is None

    def test_one_cluster_has_a_mean_and_no_interval(self) -> None:
        e = stats.estimate([Value(i, "only", float(i % 2)) for i in range(6)])
        assert e.mean == 0.5
        assert e.low is None

    def test_all_right_is_not_certainty(self) -> None:
        e = stats.estimate([Value(i, i, 1.0) for i in range(10)], bounds=(0, 1))
        assert e.high == pytest.approx(1.0)
        assert 0.6 < e.low < 0.8

    def test_repeats_of_a_question_are_not_new_questions(self) -> None:
        once = [Value(i, i, float(i % 2)) for i in range(8)]
        assert stats.estimate(once * 5) == stats.estimate(once)

    def test_an_amount_that_never_varies_has_no_interval_and_a_share_has_wilson_s(self) -> None:
        amount = stats.estimate([Value(i, i % 4, 22257.3) for i in range(12)], bounds=(0, np.inf))
        assert amount.mean == pytest.approx(22257.3)
        assert (amount.low, amount.naive_low, amount.naive_high) == (None, None, None)
        share = stats.estimate([Value(i, i % 4, 0.0) for i in range(12)], bounds=(0, 1))
        assert 0.4 < share.high < 0.6
        assert 0.1 < share.naive_high < 0.3

    @given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=40))
    def test_an_interval_holds_its_mean(self, drawn: list[tuple[int, bool]]) -> None:
        e = stats.estimate([Value(i, c, float(v)) for i, (c, v) in enumerate(drawn)], bounds=(0, 1))
        if e.low is not None:
            assert e.low <= e.mean <= e.high
            assert e.low >= -1e-9
            assert e.high <= 1 + 1e-9


class TestComparison:
    def test_it_is_paired_by_question(self) -> None:
        a = [Value(i, i, 1.0) for i in range(12)] + [Value("only a", 99, 0.0)]
        b = [Value(i, i, float(i % 2)) for i in range(12)]
        c = stats.compare(a, b)
        assert (c.wins, c.ties, c.losses) == (6, 6, 0)
        assert c.difference.n == 12
        assert c.test == "exact McNemar"
        assert c.p == pytest.approx(0.03125)

    def test_the_other_way_round_it_says_the_opposite(self) -> None:
        rng = np.random.default_rng(6)
        a, b = clustered(rng, 8, 4, 0.5, 0.4), clustered(rng, 8, 4, 0.5)
        one, other = stats.compare(a, b), stats.compare(b, a)
        assert one.difference.mean == pytest.approx(-other.difference.mean)
        assert one.p == pytest.approx(other.p)
        assert (one.wins, one.losses) == (other.losses, other.wins)

    def test_an_arm_against_itself_differs_in_nothing(self) -> None:
        a = [Value(i, i % 3, float(i % 2)) for i in range(9)]
        c = stats.compare(a, a)
        assert c.difference.mean == 0
        assert c.p == 1.0
        assert (c.wins, c.losses) == (0, 0)

    def test_the_same_difference_everywhere_is_told_from_chance_by_the_number_of_conversations(self) -> None:
        def against_nothing(conversations: int) -> stats.Comparison:
            better = [Value((c, i), c, 1.0) for c in range(conversations) for i in range(5)]
            return stats.compare(better, [Value(v.probe, v.cluster, 0.0) for v in better])

        assert against_nothing(1).p is None
        assert against_nothing(3).p == pytest.approx(0.25)
        assert against_nothing(8).p == pytest.approx(2 / 2**8)
        assert against_nothing(8).difference.low is None

    def test_two_conversations_alike_by_chance_are_not_surer_than_their_questions(self) -> None:
        won = {(0, 0), (0, 1), (1, 0), (1, 1)}  # two of a hundred questions here, two of a hundred and one there
        keys = [(c, i) for c, size in enumerate((100, 101)) for i in range(size)]
        one = [stats.Value(key, key[0], float(key in won)) for key in keys]
        other = [stats.Value(key, key[0], 0.0) for key in keys]
        c = stats.compare(one, other, bounds=(-1, 1))
        naive = stats.estimate([stats.Value(key, key, float(key in won)) for key in keys], bounds=(-1, 1))
        assert 0.04 < c.p < 0.05  # the clustered error alone says .002
        assert (c.difference.low, c.difference.high) == pytest.approx((naive.low, naive.high))
        share = stats.estimate(one, bounds=(0, 1))
        assert (share.low, share.high) == (share.naive_low, share.naive_high)

    def test_no_difference_of_shares_is_beyond_one(self) -> None:
        sides = [
            [stats.Value((c, 0), c, float(right)) for c, right in enumerate(a)] for a in ((1, 1, 1, 0), (0, 0, 1, 1))
        ]
        c = stats.compare(*[[*side, stats.Value("more", 0, 0.5)] for side in sides], bounds=(-1, 1))
        assert c.difference.high == 1

    def test_questions_of_one_conversation_give_no_p_value(self) -> None:
        a = [Value(i, "only", float(i < 9)) for i in range(10)]
        assert stats.compare(a, [Value(i, "only", 0.0) for i in range(10)]).p is None

    def test_no_question_in_common_is_no_comparison(self) -> None:
        assert stats.compare([Value(1, 1, 1.0)], [Value(2, 2, 1.0)]).p is None


class TestBootstrap:
    def test_the_same_seed_gives_the_same_interval_and_another_seed_another(self) -> None:
        values = clustered(np.random.default_rng(7), 10, 5, 0.5)
        assert stats.bootstrap(values, seed=1) == stats.bootstrap(values, seed=1)
        assert stats.bootstrap(values, seed=1).low != stats.bootstrap(values, seed=2).low

    def test_it_agrees_with_the_clustered_interval_on_well_behaved_data(self) -> None:
        values = clustered(np.random.default_rng(8), 60, 5, 0.5)
        a, b = stats.bootstrap(values, seed=1, resamples=4000), stats.estimate(values)
        assert (a.low, a.high) == pytest.approx((b.low, b.high), abs=0.04)


class TestForecasts:
    def test_a_perfectly_calibrated_forecaster_has_no_calibration_error(self) -> None:
        forecasts = [(0.75, True)] * 3 + [(0.75, False)]
        assert stats.calibration_error(forecasts) == pytest.approx(0)
        assert stats.brier(forecasts) == pytest.approx(0.1875)

    def test_certainty_that_is_wrong_is_as_bad_as_it_gets(self) -> None:
        assert stats.brier([(1.0, False)]) == 1
        assert stats.calibration_error([(1.0, False)]) == 1
        assert stats.reliability([(1.0, False)]) == [(1.0, 0.0, 1)]
