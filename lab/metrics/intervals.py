"""Statistics of repeated runs: means with 95% confidence, and when a curve reaches a level."""

import numpy as np
from scipy.special import (
    stdtrit,
)  # the quantile of Student's t; scipy.stats would take a second to import

CONFIDENCE = 0.95


def mean_and_half_width(values):
    """Mean over the first axis, and half the width of its 95% confidence interval by Student's t.

    Parameters
    ----------
    values : float array, shape (n, ...)

    Returns
    -------
    mean, half_width : float arrays, shape (...)
        The half-width is NaN for a single value.
    """
    values = np.asarray(values, float)
    count = len(values)
    if count < 2:
        return values.mean(axis=0), np.full(values.shape[1:], np.nan)
    quantile = stdtrit(count - 1, (1 + CONFIDENCE) / 2)
    return values.mean(axis=0), quantile * values.std(axis=0, ddof=1) * np.sqrt(1 / count)


def epochs_until(curve, level):
    """Epochs until a rising curve first reaches a level, linearly interpolated between epochs.

    Parameters
    ----------
    curve : sequence of float, by epoch
    level : float

    Returns
    -------
    float
        NaN if it is never reached; 1 if within the first epoch: of when in it, nothing is known.
    """
    values = np.array(curve, float)
    reached = np.flatnonzero(values >= level)
    if not len(reached):
        return float("nan")
    after = reached[0]
    if after == 0 or not np.isfinite(values[after - 1]):
        return float(after + 1)
    return float(after + (level - values[after - 1]) / (values[after] - values[after - 1]))


def curves(histories):
    """Learning curves of repeated runs, as far as all of them got.

    Parameters
    ----------
    histories : list of dict
        Lists by epoch, None for what was no finite number.

    Returns
    -------
    dict of str to (mean, half_width)
        Of every list that all of them have: float arrays, shape (epochs,), as
        `mean_and_half_width` gives them.
    """
    names = [
        name
        for name in histories[0]
        if all(isinstance(history.get(name), list) for history in histories)
    ]
    epochs = min(len(history[names[0]]) for history in histories)
    return {
        name: mean_and_half_width(
            [np.array(history[name][:epochs], float) for history in histories]
        )
        for name in names
    }
