"""How long epochs take and how much faster one device is than another, by medians: a pause now and
then does not move them.
"""

from typing import NamedTuple

import numpy as np

from lab.metrics.intervals import mean_and_half_width


class SpeedUp(NamedTuple):
    """How many times faster one is than another."""

    ratio: float  # NaN where it is unknown
    low: float = np.nan  # of its 95% confidence interval; NaN where there is none
    high: float = np.nan


def spread(values):
    """The interquartile range of some values as a share of their median; NaN of fewer than two."""
    if len(values) < 2:
        return np.nan
    low, median, high = np.percentile(values, [25, 50, 75])
    return float((high - low) / median) if median else np.nan


def speed_up(seconds, reference):
    """How many times less time was taken than by a reference: the geometric mean over repeats,
    each held against its own.

    Twice and half are equally far from 1 in logarithms, so mean and interval (Student's t) are
    taken of these (Fleming and Wallace 1986, Comm. ACM 29, on means of ratios).

    Parameters
    ----------
    seconds, reference : float arrays, shape (n,)
        Of the same repeats.

    Returns
    -------
    SpeedUp
        Without an interval for a single repeat; unknown where a time is 0, as by a clock that
        stood still.
    """
    if min(*seconds, *reference) <= 0:
        return SpeedUp(np.nan)
    mean, half_width = mean_and_half_width(np.log(reference) - np.log(seconds))
    with np.errstate(over="ignore"):  # of times that are hardly true
        return SpeedUp(
            *(float(np.exp(value)) for value in (mean, mean - half_width, mean + half_width))
        )
