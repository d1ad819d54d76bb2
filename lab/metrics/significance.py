"""Whether differences are more than repeats of one setting give: SciPy's and statsmodels' tests, put to use.

Both packages take half a second to import, so they are imported where a test is made.
"""

import functools
import itertools
import warnings
from typing import NamedTuple

import numpy as np

from lab.metrics.intervals import CONFIDENCE

ERROR = 1 - CONFIDENCE  # probability of calling something different that is not
TOGETHER = "together"  # what several settings do only together


class Difference(NamedTuple):
    """How much the mean of one lies over that of another."""

    difference: float
    low: float  # of its 95% confidence interval; NaN where there is none
    high: float
    p: float  # of no difference


class Noise(NamedTuple):
    """How far single runs scatter around the mean of their setting."""

    counts: np.ndarray  # shape (settings,), runs of each
    means: np.ndarray  # shape (settings,)
    deviations: np.ndarray  # shape (settings,)
    freedoms: np.ndarray  # shape (settings,), degrees of freedom of each deviation
    pooled: bool  # whether there is one deviation for all
    p: float  # of the deviations being equal; NaN where there are no two to be compared

    def interval(self, more=1):
        """The interval in which one more run of each setting lies with a probability of 95%, or with none more, its true mean:
        low and high, float arrays, shape (settings,)."""
        from scipy.special import stdtrit

        half_width = stdtrit(self.freedoms, 1 - ERROR / 2) * self.deviations * np.sqrt(more + 1 / self.counts)
        return self.means - half_width, self.means + half_width

    def p_of(self, distances):
        """Probability of one more run of each setting lying at least so far from the mean: float array, shape (settings,)."""
        from scipy.special import stdtr

        with np.errstate(divide="ignore", invalid="ignore"):
            t = distances / (self.deviations * np.sqrt(1 + 1 / self.counts))
        return 2 * stdtr(self.freedoms, -np.where(distances > 0, t, 0.0))


def welch(one, other):
    """The mean of one set of runs against another's, each with a deviation of its own (Welch 1947, Biometrika 34).

    Where there is but one run of one of them, it is held against the prediction interval of the other, and has no confidence
    interval; of one run each nothing is known.

    Parameters
    ----------
    one, other : float arrays, shapes (n,) and (m,)

    Returns
    -------
    Difference
        Of one's mean over the other's.
    """
    difference, nothing = float(np.mean(one) - np.mean(other)), float("nan")
    if min(len(one), len(other)) > 1:
        from scipy import stats

        if np.ptp(one) == np.ptp(other) == 0:
            return Difference(difference, difference, difference, float(difference == 0))
        with warnings.catch_warnings(action="ignore"):  # about runs that all end alike
            test = stats.ttest_ind(one, other, equal_var=False)
        return Difference(difference, *map(float, test.confidence_interval(CONFIDENCE)), float(test.pvalue))
    several = max(one, other, key=len)
    if len(several) == 1:
        return Difference(difference, nothing, nothing, nothing)
    return Difference(difference, nothing, nothing, float(noise_of([several]).p_of(np.array([abs(difference)]))[0]))


def noise_of(several):
    """How far repeats scatter; None if nothing was repeated.

    Three runs say little of their deviation, those of 21 settings together much: there is one deviation for all, unless
    Bartlett's test (1937, Proc. Royal Soc. A 160) finds theirs unequal. Of three normal repeats Levene's test would find fault
    with half of all tables whose deviations are equal, and its variant by medians (Brown and Forsythe) with none at all.

    Parameters
    ----------
    several : list of float array, shape (n,)
        Runs of each setting. A setting of one run has the common deviation, or none.

    Returns
    -------
    Noise or None
    """
    counts = np.array([len(values) for values in several])
    repeated = [values for values in several if len(values) > 1]
    if not repeated:
        return None
    p = _p_of_equal_deviations(repeated)
    own = np.array([np.var(values, ddof=1) if len(values) > 1 else np.nan for values in several])
    freedoms = np.maximum(counts - 1, 1)
    pooled = len(repeated) == 1 or p >= ERROR
    if pooled:
        common = np.nansum(own * (counts - 1)) / (counts - 1).sum()
        own, freedoms = np.full(len(several), common), np.full(len(several), (counts - 1).sum())
    return Noise(counts, np.array([np.mean(values) for values in several]), np.sqrt(own), freedoms, pooled, p)


def _p_of_equal_deviations(several):
    from scipy import stats

    if len(several) < 2:
        return float("nan")
    with np.errstate(divide="ignore", invalid="ignore"):  # runs that all end alike
        return float(stats.bartlett(*several).pvalue)


def holm(p_values):
    """p-values corrected for their number (Holm 1979, Scand. J. Statist. 6): under 0.05, one is beyond chance among all.

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

    if len(differences) < 2 or np.ptp(differences) == 0:
        return Difference(float(np.mean(differences)), *[float("nan")] * 3)
    test = stats.ttest_1samp(differences, 0)
    return Difference(float(np.mean(differences)), *map(float, test.confidence_interval(CONFIDENCE)), float(test.pvalue))


def unlike(several, noise, best):
    """Which settings differ from one that may have been chosen by its mean, with an error of 5% in all.

    By Tukey and Kramer's test of all pairs where repeats have one deviation (Kramer 1956, Biometrics 12), else by Welch's with
    Holm's correction for all pairs.

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
    distances = np.abs(noise.means - noise.means[best])
    if noise.pooled:
        errors = noise.deviations * np.sqrt((1 / noise.counts + 1 / noise.counts[best]) / 2)
        return distances > _studentized_range(len(several), int(noise.freedoms[0])) * errors
    first, second = np.triu_indices(len(several), 1)
    corrected = holm(np.array([welch(several[i], several[j]).p for i, j in zip(first, second)]))
    differs = np.zeros(len(several), bool)
    for i, j, p in zip(first, second, corrected):
        if best in (i, j):
            differs[i + j - best] = p < ERROR
    return differs


@functools.cache
def _studentized_range(settings, freedom):
    from scipy import stats

    return stats.studentized_range.ppf(CONFIDENCE, settings, freedom)


class Explained(NamedTuple):
    """What one setting does to a metric, whatever the others are."""

    name: str
    share: float  # of the sum of squares, all runs against their mean
    p: float  # of it doing nothing
    steps: list  # from each of its levels to the next: of float, p-values by Holm's correction for all pairs of levels


def explained(several, levels):
    """An analysis of variance: which settings explain how much of the spread of a metric.

    Parameters
    ----------
    several : list of float array, shape (n,)
        Runs of each setting.
    levels : dict of str to list of str
        By the name of what varies, its value in each setting.

    Returns
    -------
    list of Explained
        One for each name, given the others; then one without steps, named `TOGETHER`, for what they do only together, if there
        is more than one and room for it. The rest of the sum of squares lies between repeats.
    """
    import pandas
    from scipy import stats
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    counts = [len(values) for values in several]
    columns = {f"x{place}": np.repeat(values, counts) for place, values in enumerate(levels.values())}
    cells = {"y": np.concatenate(several), "cell": np.repeat(range(len(several)), counts)}
    frame = pandas.DataFrame(columns | cells)

    def model(terms):
        return ols(f"y ~ {' + '.join(f'C({term})' for term in terms) or 1}", frame).fit()

    every, total = model(["cell"]), float(((frame.y - frame.y.mean()) ** 2).sum())
    sum_of_all = model(columns)
    found = []
    for column, (name, values) in zip(columns, levels.items()):
        models = [model([other for other in columns if other != column]), sum_of_all, every]
        table = anova_lm(*models[: 3 if sum_of_all.df_resid > every.df_resid else 2])
        pairs = sum_of_all.t_test_pairwise(f"C({column})", method="holm").result_frame["pvalue-holm"]
        order = list(dict.fromkeys(values))
        steps = [float(pairs.get(f"{b}-{a}", pairs.get(f"{a}-{b}"))) for a, b in itertools.pairwise(order)]
        # Its own p-values take the degrees of freedom of each model, but its F the deviation of the largest.
        ps = stats.f.sf(table.F, table.df_diff, every.df_resid)
        found.append(Explained(name, float(table.ss_diff[1]) / total, float(ps[1]), steps))
    if len(columns) > 1 and len(table) == 3:
        found.append(Explained(TOGETHER, float(table.ss_diff[2]) / total, float(ps[2]), []))
    return found
