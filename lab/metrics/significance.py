"""Whether differences are more than repeats of one setting give: SciPy's and statsmodels' tests,
put to use.

scipy.stats and statsmodels take half a second to import each, so they are imported where a test is
made.
"""

import functools
import warnings
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr, stdtrit  # Student's t and its quantile

from lab.metrics.intervals import CONFIDENCE

ERROR = 1 - CONFIDENCE  # probability of calling something different that is not
# The p of equal deviations below which each setting has its own: at 0.05, verdicts would err in
# 5.7% of tables.
UNEQUAL = 0.005
TOGETHER, REPEATS = "only together", "repeats"


class Difference(NamedTuple):
    """How much the mean of one lies over that of another."""

    difference: float
    low: float = np.nan  # of its 95% confidence interval; NaN where there is none
    high: float = np.nan
    p: float = np.nan  # of no difference; NaN where nothing is known


class Noise(NamedTuple):
    """How far single runs scatter around the mean of their setting."""

    counts: np.ndarray  # shape (settings,), runs of each
    means: np.ndarray  # shape (settings,)
    deviations: np.ndarray  # shape (settings,)
    freedoms: np.ndarray  # shape (settings,), degrees of freedom of each deviation
    pooled: bool  # whether there is one deviation for all

    def interval(self):
        """The interval in which one more run of each setting lies with a probability of 95%, if
        runs are normally distributed (Hahn and Meeker 1991, *Statistical Intervals*): low and
        high, float arrays, shape (settings,).
        """
        quantile = stdtrit(self.freedoms, 1 - ERROR / 2)
        half_width = quantile * self.deviations * np.sqrt(1 + 1 / self.counts)
        return self.means - half_width, self.means + half_width

    def lows(self):
        """What the true means of all settings lie above with a probability of 95%: float array,
        shape (settings,).
        """
        quantile = stdtrit(self.freedoms, 1 - ERROR / len(self.means))
        return self.means - quantile * self.deviations / np.sqrt(self.counts)

    def p_of(self, distances):
        """Probability of one more run of each setting lying at least so far from the mean: float
        array, shape (settings,); NaN where the distance or the deviation is unknown.
        """
        scale = self.deviations * np.sqrt(1 + 1 / self.counts)
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.where((distances == 0) & (scale == 0), 0.0, distances / scale)
        return 2 * stdtr(self.freedoms, -t)


def welch(one, other):
    """The mean of one set of runs against another's, each with a deviation of its own (Welch 1947,
    Biometrika 34).

    Where there is but one run of one of them, it is held against the prediction interval of the
    other, and has no confidence interval; of one run each nothing is known.

    Parameters
    ----------
    one, other : float arrays, shapes (n,) and (m,)

    Returns
    -------
    Difference
        Of one's mean over the other's.
    """
    difference = float(np.mean(one) - np.mean(other))
    if min(len(one), len(other)) > 1:
        from scipy import stats

        if np.ptp(one) == np.ptp(other) == 0:
            return Difference(difference, difference, difference, float(difference == 0))
        with warnings.catch_warnings(action="ignore"):  # about runs that all end alike
            return _tested(difference, stats.ttest_ind(one, other, equal_var=False))
    noise = noise_of([max(one, other, key=len)])
    return Difference(difference, p=float(noise.p_of(abs(difference))[0]) if noise else np.nan)


def _tested(difference, test):
    low, high = test.confidence_interval(CONFIDENCE)
    return Difference(difference, float(low), float(high), float(test.pvalue))


def ranks(one, other):
    """How much one set of runs lies over another, by their ranks: of measures that are far from
    normally distributed.

    The difference and its interval are Hodges and Lehmann's (1963, Ann. Math. Statist. 34), the p
    is the exact one of Wilcoxon, Mann and Whitney's test, also where values are equal.

    Parameters
    ----------
    one, other : float arrays, shapes (n,) and (m,)

    Returns
    -------
    Difference
        The median of the differences of all pairs, and its interval, NaN where there are too few
        runs for one. Only the difference, if there is but one run of one of them.
    """
    from scipy.stats import rankdata

    pairs = np.sort(np.subtract.outer(np.asarray(one, float), np.asarray(other, float)).ravel())
    difference = float(np.median(pairs))
    if min(len(one), len(other)) < 2 or np.isnan(difference):
        return Difference(difference)
    count, total = len(one), len(one) + len(other)
    # The interval leaves out as many of the pairs, at either end, as the sum of ranks seldom is
    # above the least that it can be.
    usual = _chances_of_sums(np.arange(total), count)
    outside = np.searchsorted(usual.cumsum(), ERROR / 2, side="right") - count * (count - 1) // 2
    low, high = (pairs[outside - 1], pairs[-outside]) if outside > 0 else (np.nan, np.nan)
    # Equal values share their ranks, which are whole or half.
    doubled = np.rint(2 * rankdata([*one, *other])).astype(int)
    chances, mean = _chances_of_sums(doubled, count), doubled.mean() * count
    distances = np.abs(np.arange(len(chances)) - mean)
    p = chances[distances >= abs(doubled[:count].sum() - mean) - 1e-9].sum()
    return Difference(difference, float(low), float(high), float(min(p, 1)))


def _chances_of_sums(values, count):
    """The probabilities of 0, 1, ... as the sum of so many of some whole numbers, if each choice
    of them is equally likely.
    """
    ways = np.zeros((count + 1, values.sum() + 1))
    ways[0, 0] = 1
    for value in values:
        ways[1:, value:] += ways[:-1, : ways.shape[1] - value].copy()
    return ways[count] / ways[count].sum()


def fisher(one, other):
    """Probability of two counts at least so different by chance: Fisher's exact test.

    Parameters
    ----------
    one, other : (int, int)
        Of how many runs each, how many.

    Returns
    -------
    float
    """
    from scipy.stats import fisher_exact

    return float(fisher_exact([[count, total - count] for count, total in (one, other)]).pvalue)


def noise_of(several, pool=True):
    """How far repeats scatter; None if nothing was repeated.

    Three runs say little of their deviation, those of 21 settings together much: there is one
    deviation for all, unless Bartlett's test (1937, Proc. Royal Soc. A 160) finds theirs unequal.
    Of three normal repeats Levene's test would find fault with half of all tables whose deviations
    are equal, and its variant by medians (Brown and Forsythe) with none at all.

    Parameters
    ----------
    several : list of float array, shape (n,)
        Runs of each setting. A setting of one run, or of one whose value is unknown, has the
        common deviation, or none.
    pool : bool
        False: each has its own, as where the same runs are looked at in several epochs.

    Returns
    -------
    Noise or None
    """
    counts = np.array([len(values) for values in several])
    means = np.array([np.mean(values) for values in several])
    known = (counts > 1) & np.isfinite(means)
    if not known.any():
        return None
    repeated = [values for values, is_known in zip(several, known) if is_known]
    variances = np.full(len(several), np.nan)
    variances[known] = [np.var(values, ddof=1) for values in repeated]
    freedoms = np.maximum(counts - 1, 1)
    pooled = len(repeated) == 1
    if pool and not pooled:
        from scipy.stats import bartlett

        # The p is NaN where all runs of each setting end alike, which is equal enough.
        with np.errstate(divide="ignore", invalid="ignore"):
            pooled = not bartlett(*repeated).pvalue < UNEQUAL
    if pooled:
        freedom = freedoms[known].sum()
        variances[:] = (variances * freedoms)[known].sum() / freedom
        freedoms[:] = freedom
    return Noise(counts, means, np.sqrt(variances), freedoms, pooled)


def holm(p_values):
    """p-values corrected for their number (Holm 1979, Scand. J. Statist. 6): under 0.05, one is
    beyond chance among all.

    Parameters
    ----------
    p_values : float array, shape (n,)
        NaN where nothing was tested.

    Returns
    -------
    float array, shape (n,)
    """
    from statsmodels.stats.multitest import multipletests

    corrected, tested = np.array(p_values, float), np.isfinite(p_values)
    if tested.any():
        corrected[tested] = multipletests(corrected[tested], method="holm")[1]
    return corrected


def shift(differences):
    """The mean of differences that are taken row by row, as `welch`, by the paired t-test."""
    from scipy import stats

    mean = float(np.mean(differences))
    if len(differences) < 2 or np.ptp(differences) == 0:
        return Difference(mean)
    return _tested(mean, stats.ttest_1samp(differences, 0))


def unlike(several, noise, best):
    """Which settings differ from one that may have been chosen by its mean, with an error of 5% in
    all.

    By Tukey and Kramer's test of all pairs where repeats have one deviation (Kramer 1956,
    Biometrics 12), else by Welch's with Bonferroni's correction for all pairs.

    Parameters
    ----------
    several : list of float array, shape (n,)
        Runs of each setting.
    noise : Noise
        Of them.
    best : int
        Index of the one.

    Returns
    -------
    bool array, shape (settings,)
    """
    if noise.pooled:
        distances = np.abs(noise.means - noise.means[best])
        errors = noise.deviations * np.sqrt((1 / noise.counts + 1 / noise.counts[best]) / 2)
        return distances > _studentized_range(len(several), int(noise.freedoms[0])) * errors
    pairs = len(several) * (len(several) - 1) / 2
    return np.array([welch(values, several[best]).p for values in several]) * pairs < ERROR


@functools.cache
def _studentized_range(settings, freedom):
    from scipy import stats

    return stats.studentized_range.ppf(CONFIDENCE, settings, freedom)


def explained(several, levels):
    """An analysis of variance: which settings explain how much of the spread of a metric.

    Parameters
    ----------
    several : list of float array, shape (n,)
        Runs of each setting.
    levels : dict of str to list
        By the name of what varies, its value in each setting.

    Returns
    -------
    dict of str to (share, p)
        By each name, given the others, the share of the sum of squares of all runs against their
        mean, and the probability of as much by chance; under `TOGETHER`, of what they do only
        together; under `REPEATS`, what lies between these, p NaN. The shares add up to 1 if every
        combination has as many runs.
    """
    import pandas
    from scipy.stats import f
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    columns = [f"x{index}" for index in range(len(levels))]
    cells = {column: list(map(str, values)) for column, values in zip(columns, levels.values())}
    frame = pandas.DataFrame(cells | {"cell": range(len(several)), "y": list(several)})
    frame = frame.explode("y").astype({"y": float})

    def model(terms):
        return ols(f"y ~ {' + '.join(f'C({term})' for term in terms) or 1}", frame).fit()

    every, found = model(["cell"]), {}
    if every.centered_tss == 0:
        return {}
    for column, name in zip(columns, levels):
        others = [other for other in columns if other != column]
        table = anova_lm(model(others), model(columns), every)
        # Its own p-values take the degrees of freedom of each model, but its F the deviation of
        # the largest.
        ps = f.sf(table.F, table.df_diff, every.df_resid)
        shares = table.ss_diff / every.centered_tss
        found[name] = float(shares[1]), float(ps[1])
    if table.df_diff[2] > 0:
        found[TOGETHER] = float(shares[2]), float(ps[2])
    return found | {REPEATS: (every.ssr / every.centered_tss, float("nan"))}


def separable(levels):
    """Whether an analysis of variance can tell what varies apart: nothing goes along with the
    rest, and there is more than one cell to each of their values; or there is only one thing that
    varies.

    Parameters
    ----------
    levels : dict of str to list
        See `explained`.
    """
    columns = []
    for values in levels.values():
        words = list(map(str, values))
        columns += [np.equal(words, word) for word in sorted({*words})[1:]]
    cells = len(words)
    rank = np.linalg.matrix_rank(np.array([np.ones(cells), *columns])) - 1
    return len(levels) == 1 or len(columns) == rank < cells - 1
