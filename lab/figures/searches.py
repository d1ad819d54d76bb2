"""Figures of a search."""

import numpy as np
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from lab.figures.base import frame, new_figure, tick


def search(trials, target, title):
    """The best so far by trial, beside accuracy against parameters with the Pareto front: fewer
    parameters are less accurate.

    Parameters
    ----------
    trials : sequence with ``number``, ``accuracy``, ``parameters``, ``whole`` and ``reached``
    target : float or None
        An accuracy that is to be reached with the fewest parameters; None: the best accuracy is
        looked for.
    title : str
    """
    figure = new_figure(11, 4.8, title)
    left, right = figure.subplots(1, 2)
    numbers = np.array([one.number for one in trials])
    accuracies, parameters = (
        np.array([getattr(one, name) for one in trials], float)
        for name in ("accuracy", "parameters")
    )
    whole, reached = (
        np.array([getattr(one, name) for one in trials], bool) for name in ("whole", "reached")
    )
    names = {
        "C0o": "reaches the target" if target else "trial",
        "C1s": "does not",
        "kx": "stopped early",
    }
    values, best = parameters if target else accuracies, best_so_far(trials, target)
    for (look, name), chosen in zip(names.items(), (reached, whole & ~reached, ~whole)):
        if chosen.any():
            left.plot(numbers[chosen], values[chosen], look, markersize=5, alpha=0.7, label=name)
            right.plot(parameters[chosen], accuracies[chosen], look, markersize=5, alpha=0.7)
    seen = np.isfinite(best)
    left.step(numbers[seen], best[seen], "C2", where="post", linewidth=1.5, label="best so far")
    right.step(*front(trials), "C3--", where="post", linewidth=1.5, label="Pareto front")
    left.set(xlabel="trial", ylabel="parameters" if target else "accuracy on held-out images")
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    right.set(xlabel="parameters", ylabel="accuracy on held-out images", xscale="log")
    scales = [right.xaxis]
    if target:
        left.set_yscale("log")
        scales.append(left.yaxis)
        right.axhline(target, color="k", linestyle=":", linewidth=1, label=f"target {target:g}")
    for scale in scales:
        scale.set_major_locator(LogLocator(subs=(1, 2, 5)))
        scale.set_major_formatter(tick)
        scale.set_minor_formatter(NullFormatter())
    for axis in (right,) if target else (left, right):
        frame(axis, np.clip(accuracies, least_shown(trials) - 0.005, 1))
    for axis in (left, right):
        axis.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=6, fontsize=8)
    return figure


def least_shown(trials):
    """Below what accuracy trials, which hardly learn, would squeeze all others if an axis reached
    down to them.
    """
    most = max(one.accuracy for one in trials)
    middle = np.median(
        [one.accuracy for one in trials if one.whole] or [one.accuracy for one in trials]
    )
    return middle - 2 * (most - middle)


def best_so_far(trials, target):
    """By trial, the best accuracy up to it or, with a target, the fewest parameters that reach it;
    infinite before any does.
    """
    reached = [one.reached for one in trials]
    if target:
        return np.minimum.accumulate(np.where(reached, [one.parameters for one in trials], np.inf))
    return np.maximum.accumulate(np.where(reached, [one.accuracy for one in trials], -np.inf))


def front(trials):
    """The corners of the line above which no whole trial lies: arrays of their parameters and
    accuracies.
    """
    parameters, accuracies = (
        np.array([[one.parameters, one.accuracy] for one in trials if one.whole], float)
        .reshape(-1, 2)
        .T
    )
    order = np.lexsort((-accuracies, parameters))
    parameters, accuracies = parameters[order], np.maximum.accumulate(accuracies[order])
    first = np.diff(accuracies, prepend=-np.inf) > 0
    return parameters[first], accuracies[first]


def importances(shares, title):
    """Bars: the share of each parameter of a search in the spread of its outcome.

    Parameters
    ----------
    shares : dict of str to float
        By the parameter's name; their sum is 1.
    title : str
    """
    figure = new_figure(7.5, 1.5 + 0.3 * len(shares), title)
    axis = figure.subplots()
    names = sorted(shares, key=shares.get)
    bars = axis.barh(
        [name.replace("_", " ") for name in names], [shares[name] for name in names], color="C0"
    )
    axis.bar_label(bars, fmt="%.2f", padding=3, fontsize=8)
    axis.set(xlabel="importance for being among the best (PED-ANOVA)")
    axis.margins(x=0.1)
    axis.grid(alpha=0.3, axis="x")
    return figure
