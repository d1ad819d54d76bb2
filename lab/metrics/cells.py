"""Metrics of repeated runs as text: cells of tables, and the sentences below that explain them."""

from typing import NamedTuple

import numpy as np

from lab.metrics.collapse import meaningless
from lab.metrics.intervals import mean_and_half_width
from lab.metrics.table import CURVE, METRICS, heading

RANGE = "Mean (least to most of the runs) where an interval would leave what a measure can be."
_MOST_LISTED = 5  # runs of which each is listed


class Interval(NamedTuple):
    """The mean of repeats, and its 95% confidence interval."""

    mean: float
    half_width: float  # NaN where there is none
    leaves: bool  # whether there is none as it would leave what the metric can be


def interval_of(name, values):
    """The interval of a metric's mean.

    Where that would leave what the metric can be, runs are far from normally distributed, and
    Student's t says nothing of them.

    Parameters
    ----------
    name : str
        Of a row of `METRICS`.
    values : float array, shape (runs,)

    Returns
    -------
    Interval
    """
    mean, half_width = map(float, mean_and_half_width(values))
    least, most = METRICS[name].bounds
    outside = mean - half_width < least or mean + half_width > most
    leaves = outside and not METRICS[name].listed
    return Interval(mean, np.nan if leaves else half_width, leaves)


def cell(name, values):
    """A metric of some repeats as text: mean ± half-width, or the runs' range or each run's value
    where that would say little.

    Parameters as of `interval_of`.
    """
    if METRICS[name].listed:
        return _listed(name, values)
    mean, half_width, leaves = interval_of(name, values)
    text = _number(name, mean)
    if leaves:
        return f"{text} ({_number(name, np.min(values))} to {_number(name, np.max(values))})"
    return text if np.isnan(half_width) else f"{text} ± {_number(name, half_width)}"


def _listed(name, values):
    if np.isnan(values).all():
        return "-"
    ordered = [_number(name, value) for value in np.sort(values)]  # NaN last
    if len(set(ordered)) == 1:
        return ordered[0]
    if len(values) <= _MOST_LISTED:
        return ", ".join(_number(name, value) for value in values)
    # Of a curve, NaN says that it was never reached.
    unknown = 0 if METRICS[name].source == CURVE else np.isnan(values).sum()
    ends = dict.fromkeys([ordered[0], ordered[-1 - unknown]])
    return " to ".join(ends) + (f" ({unknown} unknown)" if unknown else "")


def _number(name, value):
    of_curve = METRICS[name].source == CURVE
    if np.isnan(value):
        return "never" if of_curve else "-"
    if of_curve and value <= 1:
        return "≤ 1"
    if name == "chi_square_p" and value < 0.001:
        return "< 0.001"
    return f"{value:.{METRICS[name].digits}f}"


def blanks(evaluations, names):
    """Which of these measures are left blank for their saying nothing, and why.

    Parameters
    ----------
    evaluations : iterable of dict
        As `lab.metrics.collapse.meaningless` takes them.
    names : collection of str

    Returns
    -------
    list of str
        Sentences.
    """
    blank = {}
    for evaluation in evaluations:
        for name, reason in meaningless(evaluation).items():
            if name in names:
                blank.setdefault(reason, set()).add(heading(name))
    return [
        f"Left blank: {', '.join(sorted(headings))}, where {reason}."
        for reason, headings in sorted(blank.items())
    ]
