"""Learning curves: what changes by epoch."""

import math

import numpy as np
from matplotlib.ticker import MaxNLocator

from lab.figures.base import (
    BAND,
    INTERVAL,
    PUBLISHED,
    ends,
    frame,
    in_lines,
    legend_beside,
    styles,
    subplots,
)
from models import CLASSIFIER, GAN

# How the two lines of an axis differ: a ring stays visible around a point.
_LINES = (
    {"linestyle": "--", "linewidth": 1, "markersize": 7, "markerfacecolor": "none"},
    {"linestyle": "-", "linewidth": 1.5, "markersize": 4},
)
_CROSSES = {
    "published, training": PUBLISHED | {"marker": "+"},
    "published, validation": PUBLISHED,
}
_BANDS = f"bands: {INTERVAL}"
_PANELS = 6  # panels to a row at most
_MARKED = 8  # markers to a line, about
_FLAT = 0.25  # fraction of an axis's height that the later epochs need at least


def learning_curve(curves, title):
    """Accuracy and loss by epoch: of a classifier for training and validation images, of a GAN for
    its two networks.

    Every epoch is shown. Only where the first one would flatten all others, the axis leaves it
    out: it is marked at the edge, with its value.

    Parameters
    ----------
    curves : dict
        As `intervals.curves` gives it; where runs were repeated, bands show the half-widths. What
        is not finite is left out.
    title : str
    """
    figure, axes = subplots((7, 7), title, 2, sharex=True)
    for axis, (quantity, metrics) in zip(axes, _quantities(curves).items()):
        for (name, metric), look, line in zip(metrics.items(), styles(metrics).values(), _LINES):
            _curve(axis, curves[metric], quantity, look | line | {"label": name})
        if axis is axes[0] and axis.collections:
            axis.fill_between([], [], label=_BANDS, **BAND)
        _frame([axis], quantity, 6)
        axis.legend()
    axes[1].set_xlabel("epoch")
    return figure


def learning_curves(panels, title):
    """The learning curves of several settings, which keep colour and marker in every panel:
    training (or generator) dashed, validation solid.

    Panels stand side by side and have the same axes, which show every epoch, as those of
    `learning_curve`.

    Parameters
    ----------
    panels : dict of str to dict of str to (dict, dict)
        By the panel's title, "" if there is one, and the setting's name: what `learning_curve`
        takes; and published figures, drawn as crosses: epoch -> "loss", "val_loss" and so on ->
        number.
    title : str
    """
    rows = math.ceil(len(panels) / _PANELS)
    columns = math.ceil(len(panels) / rows)
    size = min(13, 5 + 3 * columns), 2 + 6 * rows
    shared = {"sharex": True, "sharey": "row", "squeeze": False}
    figure, grid = subplots(size, title, 2 * rows, columns, **shared)
    pairs = grid.reshape(rows, 2, columns).swapaxes(1, 2).reshape(-1, 2)  # a row for each panel
    for axis in pairs[len(panels) :].flat:
        axis.remove()
    pairs = pairs[: len(panels)]
    drawn = [pair for settings in panels.values() for pair in settings.values()]
    quantities = _quantities(drawn[0][0])
    looks = styles(dict.fromkeys(name for settings in panels.values() for name in settings))
    for axes, (quantity, metrics) in zip(pairs.T, quantities.items()):
        for axis, settings in zip(axes, panels.values()):
            for name, (curves, published) in settings.items():
                look, shift = looks[name], [*looks].index(name) / len(looks)
                for metric, line, cross in zip(metrics.values(), _LINES, _CROSSES.values()):
                    _curve(axis, curves[metric], quantity, look | line, shift)
                    values = np.array([row.get(metric) for row in published.values()], float)
                    axis.plot([*published], values, **cross | {"color": look["color"]})
        _frame(axes, quantity, 6 if len(panels) < 3 else 3)
    for (above, below), panel in zip(pairs, panels):
        above.set_title(in_lines(panel), fontsize=9)
        below.set_xlabel("epoch")
        below.tick_params(labelbottom=True)
    for labels, line in zip(zip(*quantities.values()), _LINES):
        looks[" / ".join(dict.fromkeys(labels))] = {"color": "k", "marker": "o"} | line
    if any(published for _, published in drawn):
        looks |= _CROSSES
    if any(axis.collections for axis in pairs.flat):
        looks[_BANDS] = BAND
    legend_beside(figure, looks)
    return figure


def _quantities(curves):
    return (GAN if "generator_loss" in curves else CLASSIFIER).panels


def _curve(axis, estimate, quantity, style, shift=0.0):
    """Draw a line, with a marker every few epochs, from the first of them on by a shift from 0 to
    1; and its band.
    """
    mean, half_width = estimate
    epochs, step = np.arange(1, len(mean) + 1), math.ceil(len(mean) / _MARKED)
    axis.plot(epochs, mean, markevery=(int(shift * step), step), **style)
    if np.isfinite(half_width).any():
        band = BAND | {"color": style["color"]}
        axis.fill_between(epochs, *ends(mean, half_width, quantity), **band)


def _frame(axes, quantity, most):
    """Set the scales and limits of axes: to every epoch or, where the first would flatten them, to
    the later ones; and number about so many epochs.
    """
    epochs, values = np.hstack([line.get_data() for axis in axes for line in axis.lines])
    last = epochs.max()
    ticks = MaxNLocator(most, integer=True, steps=[1, 2, 2.5, 5, 10]).tick_values(1, last)
    epochs, values = epochs[np.isfinite(values)], values[np.isfinite(values)]
    later = values[epochs > 1]
    height = np.log10 if _scale(quantity, values) == "log" else np.asarray
    flat = (epochs > 2).any() and np.ptp(height(later)) < _FLAT * np.ptp(height(values))
    shown = later if flat else values
    for axis in axes:
        axis.grid()
        axis.set_xticks([1, *ticks[(ticks > 1) & (ticks <= last)]])
        axis.set_yscale(_scale(quantity, shown))
        frame(axis, shown)
        axis.set_ylabel(quantity)
        axis.label_outer()
        if flat:
            _mark_first(axis)


def _scale(quantity, values):
    """Logarithmic for losses, if one that does not learn would flatten all others."""
    far_apart = quantity == "loss" and len(values) and 0 < 100 * values.min() < values.max()
    return "log" if far_apart else "linear"


def _mark_first(axis):
    """Mark the values of epoch 1 that lie beyond an axis's limits, at its edge."""
    limits, at_edge = axis.get_ylim(), axis.get_xaxis_transform()
    firsts = {line: line.get_ydata()[0] for line in axis.lines if 1 in line.get_xdata()[:1]}
    for edge, limit in enumerate(limits):
        beyond = [line for line, value in firsts.items() if np.clip(value, *limits) == limit]
        for line in beyond:
            look = {"color": line.get_color(), "clip_on": False, "zorder": 4}
            axis.plot(1, edge, "v^"[edge], transform=at_edge, **look)
        if beyond:
            text = f"epoch 1: {_in_words({line.get_label(): firsts[line] for line in beyond})}"
            look = {"va": ("bottom", "top")[edge], "fontsize": 8, "backgroundcolor": "w"}
            axis.annotate(text, (1, edge), (8, (6, -6)[edge]), at_edge, "offset points", **look)


def _in_words(values):
    """Values by the name of their line; as a range, where matplotlib named the lines."""
    if not any(name.startswith("_") for name in values):
        return ", ".join(f"{name} {value:.3g}" for name, value in values.items())
    ends_of_range = min(values.values()), max(values.values())
    return " to ".join(dict.fromkeys(f"{value:.3g}" for value in ends_of_range))
