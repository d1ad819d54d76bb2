"""Learning curves: what changes by epoch."""

import itertools
import math

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from lab.figures.base import (
    INTERVAL,
    band,
    ends,
    frame,
    legend_below,
    legend_beside,
    new_figure,
    short_lines,
    styles,
    with_legend,
)

# What learning curves show above each other: the axis, and its lines by name; the first is dashed.
OF_CLASSIFIERS = {
    "accuracy": {"training": "accuracy", "validation": "val_accuracy"},
    "loss": {"training": "loss", "validation": "val_loss"},
}
OF_GANS = {
    "loss": {"generator": "generator_loss", "discriminator": "discriminator_loss"},
    "discriminator's accuracy": {"generated images": "generated_accuracy", "real images": "real_accuracy"},
}
# How the two lines of an axis differ: a ring stays visible around a point.
_LINES = (
    {"linestyle": "--", "linewidth": 1, "markersize": 7, "markerfacecolor": "none"},
    {"linestyle": "-", "linewidth": 1.5, "markersize": 4},
)
_BANDS = f"bands: {INTERVAL}"
_PANELS, _WIDTH = 6, 13  # panels to a row, and the inches of a row, at most
_MARKED = 8  # markers to a line, about


def learning_curve(curves, title):
    """Accuracy and loss by epoch: of a classifier for training and validation images, of a GAN for its two networks.

    The first of at least five epochs does not set the vertical axes.

    Parameters
    ----------
    curves : dict
        As `intervals.curves` gives it; where runs were repeated, bands show the half-widths. What is not finite is left out.
    title : str
    """
    quantities, drawn = _quantities(curves), [(curves, {})]
    figure = new_figure(7, 7, title)
    axes = figure.subplots(2, sharex=True)
    for axis, (quantity, metrics) in zip(axes, quantities.items()):
        handles = []
        for (name, metric), look, line in zip(metrics.items(), styles(metrics).values(), _LINES):
            handles.append(_curve(axis, curves[metric], quantity, look | line | {"label": name}, len(handles) / 2))
        if axis is axes[0] and _repeated(drawn):
            handles.append(band(label=_BANDS))
        _frame(axis, quantity, _numbers(drawn, metrics.values()))
        axis.legend(handles=handles, loc="best")
    _count_epochs(axes[1], drawn, 6)
    return figure


def learning_curves(panels, title):
    """The learning curves of several settings, which keep colour and marker in every panel: training (or generator) dashed,
    validation solid.

    Panels stand side by side and have the same axes, which the first of at least five epochs does not set.

    Parameters
    ----------
    panels : dict of str to dict of str to (dict, dict)
        By the panel's title, "" if there is one, and the setting's name: what `learning_curve` takes; and published figures,
        drawn as crosses: epoch -> "loss", "val_loss" and so on -> number.
    title : str
    """
    drawn = [pair for several in panels.values() for pair in several.values()]
    quantities = _quantities(drawn[0][0])
    looks = styles(dict.fromkeys(name for several in panels.values() for name in several))
    figure, blocks = _blocks(len(panels), _handles(looks, quantities, drawn), title)
    for axes, (panel, several) in zip(blocks, panels.items()):
        axes[0].set_title(short_lines(panel), fontsize=9)
        for axis, (quantity, metrics) in zip(axes, quantities.items()):
            for name, pair in several.items():
                _setting(axis, pair, (quantity, metrics.values()), looks[name], [*looks].index(name) / len(looks))
            _frame(axis, quantity, _numbers(drawn, metrics.values()))
        _count_epochs(axes[1], drawn, 6 if len(blocks) < 3 else 3)
    return figure


def _quantities(curves):
    return OF_GANS if "generator_loss" in curves else OF_CLASSIFIERS


def _repeated(drawn):
    return any(np.isfinite(half_width).any() for curves, _ in drawn for _, half_width in curves.values())


def _handles(looks, quantities, drawn):
    """The legend of `learning_curves`: artists by name."""
    handles = {name: Line2D([], [], markersize=5, **look) for name, look in looks.items()}
    for labels, line in zip(zip(*quantities.values()), _LINES):
        handles[" / ".join(dict.fromkeys(labels))] = Line2D([], [], color="k", marker="o", **line)
    if any(rows for _, rows in drawn):
        for name, marker in zip(("training", "validation"), "+x"):
            handles[f"published, {name}"] = Line2D([], [], color="k", marker=marker, markersize=8, linestyle="")
    return handles | ({_BANDS: band()} if _repeated(drawn) else {})


def _blocks(count, handles, title):
    """A figure with a legend, and the two axes of each of so many panels."""
    if count == 1:
        figure = with_legend(handles, title)
        legend_beside(figure, handles)
        blocks = [figure.subplots(2, sharex=True)]
    else:
        rows = math.ceil(count / _PANELS)
        columns = math.ceil(count / rows)
        figure = new_figure(min(_WIDTH, 4.5 * columns), 5.5 * rows + 1, title)
        legend_below(figure, handles)
        axes = figure.subplots(2 * rows, columns, sharex=True, sharey="row", squeeze=False)
        blocks = [axes[row : row + 2, column] for row in range(0, 2 * rows, 2) for column in range(columns)]
        for axis in itertools.chain(*blocks[count:]):
            axis.remove()
    return figure, blocks[:count]


def _setting(axis, pair, quantity, look, shift):
    """Draw the two lines of a setting, and what was published of it."""
    curves, rows = pair
    name, metrics = quantity
    for metric, line, marker in zip(metrics, _LINES, "+x"):
        _curve(axis, curves[metric], name, look | line, shift)
        values = np.array([row.get(metric) for row in rows.values()], float)
        axis.plot([*rows], values, marker, color=look["color"], markersize=8, zorder=3)


def _curve(axis, estimate, quantity, style, shift):
    """Draw a line, with a marker every few epochs, from the first of them on by a shift from 0 to 1; and its band."""
    mean, half_width = estimate
    epochs, step = np.arange(1, len(mean) + 1), math.ceil(len(mean) / _MARKED)
    (line,) = axis.plot(epochs, mean, markevery=(int(shift * step), step), **style)
    if np.isfinite(half_width).any():
        axis.fill_between(epochs, *ends(mean, half_width, quantity), color=style["color"], alpha=0.15, linewidth=0)
    return line


def _numbers(drawn, metrics):
    """What sets a vertical axis: means and published figures after the first of at least five epochs."""
    numbers = []
    for curves, rows in drawn:
        for metric in metrics:
            mean = curves[metric][0]
            skipped = 1 if len(mean) > 4 else 0
            numbers += [*mean[skipped:], *(row.get(metric) for epoch, row in rows.items() if epoch > skipped)]
    return np.array(numbers, float)


def _frame(axis, quantity, numbers):
    axis.grid(alpha=0.3)
    if axis.get_subplotspec().is_first_col():
        axis.set_ylabel(quantity)
    finite = numbers[np.isfinite(numbers)]
    if quantity == "loss" and len(finite) and 0 < 100 * finite.min() < finite.max():
        axis.set_yscale("log")  # one that does not learn would flatten all others
    frame(axis, numbers)


def _count_epochs(axis, drawn, most):
    """Label the horizontal axis, at about so many round numbers and the first epoch."""
    epochs = max(len(mean) for curves, _ in drawn for mean, _ in curves.values())
    ticks = MaxNLocator(most, integer=True, steps=[1, 2, 2.5, 5, 10]).tick_values(1, epochs)
    axis.set_xticks([1, *ticks[(ticks > 1) & (ticks <= epochs)]])
    axis.set_xlabel("epoch")
    axis.tick_params(labelbottom=True)
