"""Figures of a search."""

import numpy as np
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from lab.figures.base import frame, ranked_bars, subplots, tick


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
    numbers, accuracies, parameters = np.array(
        [(one.number, one.accuracy, one.parameters) for one in trials], float
    ).T
    whole, reached = np.array([(one.whole, one.reached) for one in trials], bool).T
    figure, (left, right) = subplots((11, 4.8), title, 1, 2)
    values = parameters if target else accuracies
    for look, name, chosen in (
        ("C0o", "reaches the target" if target else "trial", reached),
        ("C1s", "does not", whole & ~reached),
        ("kx", "stopped early", ~whole),
    ):
        if chosen.any():
            left.plot(numbers[chosen], values[chosen], look, markersize=5, alpha=0.7, label=name)
            right.plot(parameters[chosen], accuracies[chosen], look, markersize=5, alpha=0.7)
    costs = np.where(reached, parameters if target else -accuracies, np.inf)
    best = np.abs(np.minimum.accumulate(costs))
    left.step(numbers, best, "C2", where="post", label="best so far")
    small_first = np.argsort(np.where(whole, parameters, np.inf))[: whole.sum()]
    front = np.maximum.accumulate(accuracies[small_first])
    right.step(parameters[small_first], front, "C3--", where="post", label="Pareto front")
    left.set(xlabel="trial", ylabel="parameters" if target else "accuracy on held-out images")
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    right.set(xlabel="parameters", ylabel="accuracy on held-out images", xscale="log")
    _number_logarithmic(right.xaxis)
    right.tick_params(axis="x", labelsize=8)
    # Trials that hardly learn would squeeze all others if an axis reached down to them.
    some = accuracies[whole] if whole.any() else accuracies
    middle, most = np.median(some), accuracies.max()
    shown = np.clip(accuracies, middle - 2 * (most - middle) - 0.005, 1)
    frame(right, shown)
    if target:
        left.set_yscale("log")
        _number_logarithmic(left.yaxis)
        right.axhline(target, color="k", linestyle=":", linewidth=1, label=f"target {target:g}")
    else:
        frame(left, shown)
    for axis in (left, right):
        axis.grid()
    figure.legend(loc="outside lower center", ncols=6, fontsize=8)
    return figure


def _number_logarithmic(scale):
    """Number a logarithmic axis of parameters: 100, 200, 500, 1,000 and so on."""
    scale.set_major_locator(LogLocator(subs=(1, 2, 5)))
    scale.set_major_formatter(tick)
    scale.set_minor_formatter(NullFormatter())


def importances(shares, title):
    """Bars: the share of each parameter of a search in the spread of its outcome.

    Parameters
    ----------
    shares : dict of str to float
        By the parameter's name; their sum is 1.
    title : str
    """
    figure, axis = subplots((7.5, 1.5 + 0.3 * len(shares)), title)
    names = sorted(shares, key=shares.get, reverse=True)
    words = [name.replace("_", " ") for name in names]
    ranked_bars(axis, words, [shares[name] for name in names], "%.2f")
    axis.set_xlabel("importance for being among the best (PED-ANOVA)")
    axis.grid(axis="x")
    return figure
