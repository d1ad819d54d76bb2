"""Learning curves: what changes by epoch."""

import itertools
import math

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from lab.figures.base import (
    INTERVAL,
    LINE,
    band,
    ends,
    frame,
    height_below,
    legend_below,
    legend_beside,
    lines_of,
    new_figure,
    short_lines,
    styles,
    with_legend,
)

# What learning curves show above each other: the axis, and its lines by name; the first is dashed.
OF_CLASSIFIERS = {
    "accuracy": {"training, while learning": "accuracy", "validation": "val_accuracy"},
    "loss": {"training, while learning": "loss", "validation": "val_loss"},
}
OF_GANS = {
    "loss": {"generator": "generator_loss", "discriminator": "discriminator_loss"},
    "discriminator's accuracy": {
        "generated images": "generated_accuracy",
        "real images": "real_accuracy",
    },
}
# How the two lines of an axis differ: a ring stays visible around a point.
_LINES = (
    {"linestyle": "--", "linewidth": 1, "markersize": 7, "markerfacecolor": "none"},
    {"linestyle": "-", "linewidth": 1.5, "markersize": 4},
)
_BANDS = f"bands: {INTERVAL}"
_PANELS, _WIDTH = 6, 13  # panels to a row, and the inches of a row, at most
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
    quantities, drawn = _quantities(curves), [(curves, {})]
    figure = new_figure(7, 7, title)
    axes = figure.subplots(2, sharex=True)
    for axis, (quantity, metrics) in zip(axes, quantities.items()):
        handles = []
        for (name, metric), look, line in zip(metrics.items(), styles(metrics).values(), _LINES):
            handles.append(_curve(axis, curves[metric], quantity, look | line | {"label": name}))
        if axis is axes[0] and _repeated(drawn):
            handles.append(band(label=_BANDS))
        _frame(axis, quantity, drawn, metrics.values())
        axis.legend(handles=handles, loc="best")
    _count_epochs(axes[1], drawn, 6)
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
    drawn = [pair for several in panels.values() for pair in several.values()]
    quantities = _quantities(drawn[0][0])
    looks = styles(dict.fromkeys(name for several in panels.values() for name in several))
    figure, blocks = _blocks(len(panels), _handles(looks, quantities, drawn), title)
    for axes, (panel, several) in zip(blocks, panels.items()):
        axes[0].set_title(short_lines(panel), fontsize=9)
        for axis, (quantity, metrics) in zip(axes, quantities.items()):
            for name, pair in several.items():
                _setting(
                    axis,
                    pair,
                    (quantity, metrics.values()),
                    looks[name],
                    [*looks].index(name) / len(looks),
                )
            _frame(axis, quantity, drawn, metrics.values())
        _count_epochs(axes[1], drawn, 6 if len(blocks) < 3 else 3)
    return figure


def _quantities(curves):
    return OF_GANS if "generator_loss" in curves else OF_CLASSIFIERS


def _repeated(drawn):
    return any(
        np.isfinite(half_width).any() for curves, _ in drawn for _, half_width in curves.values()
    )


def _handles(looks, quantities, drawn):
    """The legend of `learning_curves`: artists by name."""
    handles = {name: Line2D([], [], markersize=5, **look) for name, look in looks.items()}
    for labels, line in zip(zip(*quantities.values()), _LINES):
        handles[" / ".join(dict.fromkeys(labels))] = Line2D([], [], color="k", marker="o", **line)
    if any(rows for _, rows in drawn):
        for name, marker in zip(("training", "validation"), "+x"):
            handles[f"published, {name}"] = Line2D(
                [], [], color="k", marker=marker, markersize=8, linestyle=""
            )
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
        width = min(_WIDTH, 4.5 * columns)
        height = 5.5 * rows + lines_of(title, width) * LINE + height_below(handles, width)
        figure = new_figure(width, height, title)
        legend_below(figure, handles)
        axes = figure.subplots(2 * rows, columns, sharex=True, sharey="row", squeeze=False)
        blocks = [
            axes[row : row + 2, column]
            for row in range(0, 2 * rows, 2)
            for column in range(columns)
        ]
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


def _curve(axis, estimate, quantity, style, shift=0.0):
    """Draw a line, with a marker every few epochs, from the first of them on by a shift from 0 to
    1; and its band.
    """
    mean, half_width = estimate
    epochs, step = np.arange(1, len(mean) + 1), math.ceil(len(mean) / _MARKED)
    (line,) = axis.plot(epochs, mean, markevery=(int(shift * step), step), **style)
    if np.isfinite(half_width).any():
        axis.fill_between(
            epochs, *ends(mean, half_width, quantity), color=style["color"], alpha=0.15, linewidth=0
        )
    return line


def _numbers(drawn, metrics, first):
    """Means and published figures from an epoch on."""
    numbers = []
    for curves, rows in drawn:
        for metric in metrics:
            numbers += [*curves[metric][0][first - 1 :]]
            numbers += [row.get(metric) for epoch, row in rows.items() if epoch >= first]
    numbers = np.array(numbers, float)
    return numbers[np.isfinite(numbers)]


def _frame(axis, quantity, drawn, metrics):
    """Set an axis's scale and limits: to every epoch or, where the first would flatten them, to
    the later ones.
    """
    axis.grid(alpha=0.3)
    if axis.get_subplotspec().is_first_col():
        axis.set_ylabel(quantity)
    numbers, later = _numbers(drawn, metrics, 1), _numbers(drawn, metrics, 2)
    _scale(axis, quantity, numbers)
    transform = axis.yaxis.get_transform().transform
    epochs = [len(mean) for curves, _ in drawn for mean, _ in curves.values()]
    can_leave_out = min(epochs) > 1 and max(epochs) > 2
    if (
        can_leave_out
        and len(later)
        and np.ptp(transform(later)) < _FLAT * np.ptp(transform(numbers))
    ):
        _scale(axis, quantity, later)
        frame(axis, later)
        _mark_first(axis)
    else:
        frame(axis, numbers)


def _scale(axis, quantity, numbers):
    """Make an axis of losses logarithmic if one that does not learn would flatten all others."""
    far_apart = quantity == "loss" and len(numbers) and 0 < 100 * numbers.min() < numbers.max()
    axis.set_yscale("log" if far_apart else "linear")


def _mark_first(axis):
    """Mark the values of epoch 1 that lie beyond an axis's limits, at its edge."""
    low, high = axis.get_ylim()
    lines = [line for line in axis.lines if 1 in line.get_xdata()[:1]]
    for edge, offset, align in ((0, 6, "bottom"), (1, -6, "top")):
        beyond = [
            line
            for line in lines
            if (line.get_ydata()[0] > high if edge else line.get_ydata()[0] < low)
        ]
        for line in beyond:
            look = {"color": line.get_color(), "clip_on": False, "zorder": 4}
            axis.plot(1, edge, "v^"[edge], transform=axis.get_xaxis_transform(), **look)
        if beyond:
            look = {"verticalalignment": align, "fontsize": 8}
            look["bbox"] = {"facecolor": "w", "edgecolor": "none", "alpha": 0.7, "pad": 1}
            at_edge = (1, edge), (8, offset), axis.get_xaxis_transform()
            axis.annotate(f"epoch 1: {_firsts(beyond)}", *at_edge, "offset points", **look)


def _firsts(lines):
    """The first values of some lines in words: by the line's name, if they have names of their
    own, or as a range.
    """
    values = {line.get_label(): f"{line.get_ydata()[0]:.3g}" for line in lines}
    if not any(name.startswith("_") for name in values):
        return ", ".join(f"{name} {value}" for name, value in values.items())
    ordered = sorted({*values.values()}, key=float)
    return " to ".join(dict.fromkeys([ordered[0], ordered[-1]]))


def _count_epochs(axis, drawn, most):
    """Label the horizontal axis, at about so many round numbers and the first epoch."""
    epochs = max(len(mean) for curves, _ in drawn for mean, _ in curves.values())
    ticks = MaxNLocator(most, integer=True, steps=[1, 2, 2.5, 5, 10]).tick_values(1, epochs)
    axis.set_xticks([1, *ticks[(ticks > 1) & (ticks <= epochs)]])
    axis.set_xlabel("epoch")
    axis.tick_params(labelbottom=True)
