"""Figures of the theory behind the exercises."""

import numpy as np

from lab.figures.base import subplots


def fits(samples, truth, panels, title):
    """Curves fitted to samples, side by side.

    Parameters
    ----------
    samples : (x, y), float arrays, shape (n,)
    truth : (x, y), float arrays, shape (m,)
        The function behind them.
    panels : dict of str to float array, shape (m,)
        Each fitted curve, by its title.
    title : str
    """
    figure, axes = subplots((4 * len(panels), 4.6), title, 1, len(panels), sharey=True)
    for axis, (name, curve) in zip(axes, panels.items()):
        axis.plot(*truth, "k--", linewidth=1, label="truth")
        axis.plot(truth[0], curve, "C0", label="fit")
        axis.plot(*samples, "C1o", ms=4, label="samples")
        axis.set_title(name, fontsize=10)
        axis.set_xlabel("x")
        axis.grid()
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def softmax(offsets, naive, shifted, overflow, title):
    """One probability by the offset of its logits, computed in two ways.

    Parameters
    ----------
    offsets, naive, shifted : float arrays, shape (n,)
        ``naive`` is NaN where it fails.
    overflow : float
        The offset from which on exp overflows.
    """
    figure, axis = subplots((8, 4.6), title)
    axis.plot(offsets, shifted, "C0", linewidth=5, alpha=0.4, label="shifted by the maximum")
    axis.plot(offsets, naive, "k--", label="naive")
    failed = ~np.isfinite(naive)
    axis.fill_between(
        offsets, 0, 1.03, where=failed, color="C1", alpha=0.3, linewidth=0, label="naive gives NaN"
    )
    axis.axvline(
        overflow, color="C2", linestyle=":", label=f"exp overflows from c = {overflow:.1f} on"
    )
    axis.set(xlabel="offset c of all logits", ylabel="largest probability", ylim=(0, 1.03))
    axis.grid()
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def discriminator(x, densities, probabilities, title):
    """A trained and the optimal discriminator of two distributions, above the distributions.

    Parameters
    ----------
    x : float array, shape (n,)
    densities : (float array, float array), shape (n,)
        Of the data, and of the model.
    probabilities : (float array, float array), shape (n,)
        That x is real, as the trained and as the optimal discriminator have it.
    title : str
    """
    figure, (above, below) = subplots((8, 6), title, 2, sharex=True)
    learned, optimal = probabilities
    above.plot(x, learned, "C0", linewidth=5, alpha=0.4, label="trained discriminator")
    above.plot(x, optimal, "k--", label="p_data / (p_data + p_model)")
    above.axhline(0.5, color="grey", linewidth=0.8)
    above.set_ylabel("probability of real")
    for density, style, name in zip(densities, ("C0", "C1-."), ("p_data", "p_model")):
        below.plot(x, density, style, label=name)
    below.set(xlabel="x", ylabel="density")
    for axis in (above, below):
        axis.grid()
        axis.legend(loc="upper left")
    return figure
