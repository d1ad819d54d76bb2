"""What is noise: held against SciPy's and statsmodels' own tests, and against what is known of
simulated tables.
"""

from decimal import Decimal

import numpy as np
import pandas
import pytest
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.multitest import multipletests

from benchmarks import verdicts
from lab.comparison.published import judged
from lab.metrics import significance

DRAW = np.random.default_rng(0)


def prediction_interval(values):
    scale = values.std(ddof=1) * np.sqrt(1 + 1 / len(values))
    return stats.t.interval(0.95, len(values) - 1, loc=values.mean(), scale=scale)


def test_welch_is_scipys_and_says_what_it_does_not_know():
    one, other = DRAW.normal(1, 2, 5), DRAW.normal(0, 1, 3)
    found, expected = significance.welch(one, other), stats.ttest_ind(one, other, equal_var=False)
    assert found.difference == pytest.approx(
        one.mean() - other.mean()
    ) and found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval()))
    single = significance.welch(one, other[:1])
    low, high = prediction_interval(one)
    assert np.isnan(single.low) and (single.p < 0.05) == (not low <= other[0] <= high)
    assert np.isnan(significance.welch(one[:1], other[:1]).p)
    assert (
        significance.welch(np.ones(3), np.ones(2)).p == 1
        and significance.welch(np.ones(3), np.zeros(2)).p == 0
    )


def test_ranks_are_scipys_also_where_values_are_equal_and_their_interval_holds():
    one, other = DRAW.normal(1, 1, 10), DRAW.normal(0, 2, 8)
    found = significance.ranks(one, other)
    assert found.p == pytest.approx(stats.mannwhitneyu(one, other, method="exact").pvalue)
    assert (
        found.difference == np.median([a - b for a in one for b in other])
        and found.low < found.difference < found.high
    )
    # What lies within the interval is no significant shift; what lies beyond it is.
    for shift, within in (
        (found.low + 1e-9, True),
        (found.low - 1e-9, False),
        (found.high - 1e-9, True),
        (found.high + 1e-9, False),
    ):
        assert (stats.mannwhitneyu(one - shift, other, method="exact").pvalue > 0.05) == within
    equal, mixed = np.array([8, 8, 8, 7, 8.0]), np.array([8, 7, 6, 8, 2, 8.0])

    def distance(a, b, axis):
        return np.abs(
            stats.mannwhitneyu(a, b, axis=axis).statistic - 15
        )  # from the mean of 0 to 30

    every = stats.permutation_test((equal, mixed), distance, alternative="greater")
    assert significance.ranks(equal, mixed).p == pytest.approx(every.pvalue)
    few = significance.ranks(one[:3], other[:3])
    assert np.isnan(few.low) and few.p >= 0.1 and significance.ranks(np.ones(3), np.ones(2)).p == 1
    assert np.isnan(significance.ranks(one, other[:1]).p)
    assert significance.fisher((10, 10), (0, 10)) == pytest.approx(2 / 184_756)


def test_deviations_are_pooled_where_bartletts_test_finds_no_fault():
    equal = [DRAW.normal(place, 1, count) for place, count in enumerate((3, 3, 4, 1))]
    noise = significance.noise_of(equal)
    assert noise.pooled and stats.bartlett(*equal[:3]).pvalue > 0.05
    variances = [values.var(ddof=1) for values in equal[:3]]
    assert noise.deviations == pytest.approx(
        [np.sqrt(np.average(variances, weights=[2, 2, 3]))] * 4
    )
    assert noise.freedoms.tolist() == [7] * 4
    low, high = noise.interval()
    half_width = stats.t.ppf(0.975, 7) * noise.deviations[0] * np.sqrt(1 + 1 / 3)
    assert (low[0], high[0]) == pytest.approx(
        (equal[0].mean() - half_width, equal[0].mean() + half_width)
    )
    assert noise.p_of(np.full(4, half_width))[0] == pytest.approx(0.05)


def test_deviations_that_differ_stay_each_rows_own():
    several = [np.array([1.0, 2.0, 4.0]), np.array([1.0, 1.0, 1.0]), np.array([5.0])]
    noise = significance.noise_of(several)
    assert not noise.pooled and noise.deviations[:2] == pytest.approx(
        [np.std(several[0], ddof=1), 0]
    )
    low, high = noise.interval()
    assert (low[0], high[0]) == pytest.approx(prediction_interval(several[0]))
    assert (
        np.isnan([low[2], noise.deviations[2]]).all()
        and significance.noise_of([np.ones(1)] * 3) is None
    )
    np.testing.assert_array_equal(noise.p_of(np.array([0.0, 0.1, 0.1])), [1, 0, np.nan])
    np.testing.assert_array_equal(noise.p_of(np.array([0.0, np.nan, np.nan])), [1, np.nan, np.nan])


def test_holm_is_statsmodels_and_leaves_out_what_was_not_tested():
    p_values = np.array([0.01, np.nan, 0.04, 0.03])
    expected = multipletests([0.01, 0.04, 0.03], method="holm")[1]
    np.testing.assert_allclose(significance.holm(p_values), [expected[0], np.nan, *expected[1:]])


def test_the_mean_shift_is_the_paired_t_test():
    one, other = DRAW.normal(size=(2, 8))
    found, expected = significance.shift(one - other), stats.ttest_rel(one, other)
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval()))


@pytest.mark.parametrize(("published", "begins"), [(1, 2.02), (2, 2.32), (5, 2.70), (21, 3.23)])
@pytest.mark.parametrize("unknown", [False, True])  # a run of a row without a figure has no value
def test_beyond_chance_begins_where_holm_says_for_the_figures_that_were_published(
    published, begins, unknown
):
    several = [np.array([-1.0, 0, 1]) for _ in range(21)]  # whose deviation is 1
    freedom = 42
    if unknown and published < 21:
        several[-1], freedom = np.array([-1, 0, np.nan]), 40
    threshold = stats.t.ppf(1 - 0.05 / 2 / published, freedom)
    assert unknown or round(threshold, 2) == begins
    for factor, place in ((0.9999, "high" if published > 1 else "inside"), (1.0001, "above")):
        far = Decimal(f"{factor * threshold * np.sqrt(4 / 3):.9f}")
        figures = [far, *[Decimal("0.000000000")] * (published - 1), *[None] * (21 - published)]
        verdicts = judged(figures, several)
        assert [verdict.place for verdict in verdicts] == [
            place,
            *["inside"] * (published - 1),
            *[None] * (21 - published),
        ]


@pytest.mark.parametrize("counts", [(3, 3, 3, 3), (5, 2, 3, 4)])
def test_what_differs_from_the_best_is_tukeys_answer(counts):
    several = [DRAW.normal(place, 1, count) for place, count in zip((0, 0.5, 3, 6), counts)]
    noise = significance.noise_of(several)
    assert noise.pooled
    expected = stats.tukey_hsd(*several).pvalue
    for best in range(4):
        assert (
            significance.unlike(several, noise, best).tolist() == (expected[best] < 0.05).tolist()
        )


@pytest.mark.filterwarnings("ignore:Precision loss")  # SciPy's, of the test's own call
def test_where_deviations_differ_it_is_welchs_corrected_for_all_pairs():
    several = [
        np.array([0.98, 0.981, 0.979]),
        np.array([0.1135, 0.1135, 0.1135]),
        np.array([0.97, 0.9, 0.99]),
    ]
    noise = significance.noise_of(several)
    pairs = [stats.ttest_ind(several[0], other, equal_var=False).pvalue for other in several]
    assert not noise.pooled and (multipletests(pairs, method="bonferroni")[1] < 0.05).tolist() == [
        False,
        True,
        False,
    ]
    assert significance.unlike(several, noise, 0).tolist() == [False, True, False]


def test_what_explains_the_spread_is_statsmodels_analysis_of_variance():
    first, second = [place // 3 for place in range(6)], [place % 3 for place in range(6)]
    several = [DRAW.normal(2 * a + a * b, 1, 4) for a, b in zip(first, second)]
    found = significance.explained(several, {"first": first, "second": second})
    frame = pandas.DataFrame(
        {"a": np.repeat(first, 4), "b": np.repeat(second, 4), "y": np.concatenate(several)}
    )
    table = anova_lm(ols("y ~ C(a) * C(b)", frame).fit(), typ=2)
    assert list(found) == ["first", "second", significance.TOGETHER, significance.REPEATS]
    total = ((frame.y - frame.y.mean()) ** 2).sum()
    for (share, p), squares, expected in zip(found.values(), table["sum_sq"], table["PR(>F)"]):
        assert (share, p) == pytest.approx((squares / total, expected), nan_ok=True)
    # A cell that is missing, as of the pair 47-25 among others, is no hindrance.
    found = significance.explained(several[:5], {"first": first[:5], "second": second[:5]})
    assert len(found) == 4 and np.isfinite([p for _, p in found.values()][:3]).all()
    (_, p), (repeats, _) = significance.explained(several[:3], {"second": second[:3]}).values()
    assert p == pytest.approx(stats.f_oneway(*several[:3]).pvalue)
    within = sum(((values - values.mean()) ** 2).sum() for values in several[:3])
    assert repeats == pytest.approx(
        within / ((np.concatenate(several[:3]) - np.mean(several[:3])) ** 2).sum()
    )
    assert significance.explained([np.ones(3)] * 2, {"first": [0, 1]}) == {}


@pytest.mark.parametrize(
    ("levels", "separable"),
    [
        ({"a": [0, 0, 1, 1], "b": [0, 1, 0, 1]}, True),
        ({"a": [0, 0, 1, 1], "b": [0, 0, 1, 1]}, False),  # one goes along with the other
        ({"a": [0, 1, 2], "b": [0, 1, 1]}, False),
        ({"a": [0, 1, 2]}, True),
        ({"a": [0, 0, 1], "b": [0, 1, 0]}, False),  # too few to tell what they do together
        ({"a": [0, 0, 0, 1, 1, 1, 2], "b": [0, 1, 2, 0, 1, 2, 0]}, True),
    ],
)
def test_settings_that_go_together_cannot_be_told_apart(levels, separable):
    assert significance.separable(levels) == separable


def test_verdicts_call_few_tables_different_by_chance_and_find_what_differs():
    """A hundredth of the measurement in benchmarks/verdicts.py, whose figures stand in
    docs/measured.md.
    """
    by_chance, shifted = (
        verdicts.measure(tables=60, shift=0, seed=1),
        verdicts.measure(tables=60, shift=3, seed=2),
    )
    assert by_chance["settings"] <= 0.15 and by_chance["published"] <= 0.15
    assert all(verdicts.false_alarms(published, tables=60) <= 0.15 for published in (1, 5))
    assert shifted["settings"] >= 0.75
