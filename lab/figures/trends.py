"""Trends: what settings that are numbers do."""

import numpy as np
from matplotlib.colors import LogNorm, Normalize
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator, NullFormatter

from lab.figures.base import (
    INTERVAL,
    ends,
    frame,
    legend_beside,
    literal,
    new_figure,
    styles,
    tick,
    with_legend,
)
from lab.metrics.table import METRICS

_WIDEST = (
    0.04  # fraction of an axis over which points of the same number are drawn beside each other
)
_SHOWN = ("val_accuracy", "val_loss")  # above each other


def trend(axes, series, title):
    """What the validation images say about settings that are numbers: accuracy above, loss below,
    a column for each axis.

    Parameters
    ----------
    axes : list of (str, bool)
        One or two horizontal axes: the label, and whether it is logarithmic, with a place for zero.
    series : dict of str to dict
        By the name of a line: "x", a float array for each axis, and "val_accuracy" and "val_loss",
        each (mean, half_width), all float arrays of shape (n,); "interrupted", a bool array, whose
        points are drawn as rings; perhaps "published", with arrays "val_accuracy" and "val_loss".
    title : str
    """
    if len(series) == 1:  # which needs no name
        series = {"ours": next(iter(series.values()))}
    looks = styles(series)
    handles = {name: Line2D([], [], **look) for name, look in looks.items()} | _marks(series)
    figure = with_legend(handles, title, 8 if len(axes) == 1 else 11)
    if len(handles) > 1:
        legend_beside(figure, handles)
    grid = figure.subplots(2, len(axes), sharex="col", sharey="row", squeeze=False)
    for index, (axis, (label, logarithmic)) in enumerate(zip(grid[1], axes)):
        axis.set_xlabel(label)
        if logarithmic:
            _logarithmic(axis, np.concatenate([one["x"][index] for one in series.values()]))
        axis.xaxis.set_major_formatter(tick)
    for row, metric in zip(grid, _SHOWN):
        for index, axis in enumerate(row):
            places = [one["x"][index] for one in series.values()]
            if any(np.isfinite(one[metric][1]).any() for one in series.values()):
                places = _side_by_side(axis.xaxis.get_transform(), places)
            for (name, one), x in zip(series.items(), places):
                _line(axis, x, one, metric, looks[name])
            axis.grid(alpha=0.3)
        row[0].set_ylabel(METRICS[metric].axis)
        frame(row[0], _reach(series, metric))
    return figure


def _side_by_side(scale, several):
    """Places of the points of several lines: a little beside each other where they have the same
    number, so that error bars do not hide each other.
    """
    numbers, counts = np.unique(np.concatenate([np.unique(x) for x in several]), return_counts=True)
    equal = numbers[counts > 1]
    if not len(equal):
        return several
    width = np.ptp(scale.transform(numbers)) * min(0.01, _WIDEST / len(several))
    shifted = []
    for index, x in enumerate(several):
        beside = scale.inverted().transform(
            scale.transform(x) + (index - (len(several) - 1) / 2) * width
        )
        shifted.append(np.where(np.isin(x, equal), beside, x))
    return shifted


def _reach(series, metric):
    """What sets a vertical axis: means, published figures, and error bars, but none longer than
    the means are apart.
    """
    means, half_widths = (
        np.concatenate([one[metric][part] for one in series.values()]) for part in (0, 1)
    )
    bars = np.minimum(np.nan_to_num(half_widths), np.nanmax(means) - np.nanmin(means) or np.inf)
    return np.concatenate([*ends(means, bars, metric), *_published(series, metric)])


def _marks(series):
    """What a legend says beside the names: artists by name."""
    marks = {}
    if _published(series, "val_loss"):
        marks["published"] = Line2D([], [], color="k", marker="x", markersize=8, linestyle="")
    if any(one["interrupted"].any() for one in series.values()):
        marks["interrupted"] = Line2D(
            [], [], color="k", marker="o", markerfacecolor="w", linestyle=""
        )
    if any(np.isfinite(one[metric][1]).any() for one in series.values() for metric in _SHOWN):
        beside = "; equal numbers side by side" if len(series) > 1 else ""
        marks[f"{INTERVAL}{beside}"] = Line2D(
            [], [], color="k", marker="|", markersize=14, linestyle=""
        )
    return marks


def _published(series, metric):
    return [one["published"][metric] for one in series.values() if "published" in one]


def _line(axis, x, one, metric, look):
    """Draw a series by rising x, with error bars as far as they are possible."""
    order = np.argsort(x)
    mean, half_width = (values[order] for values in one[metric])
    low, high = ends(mean, half_width, metric)
    axis.errorbar(x[order], mean, [mean - low, high - mean], capsize=3, elinewidth=1, **look)
    cut = one["interrupted"][order]
    axis.plot(
        x[order][cut], mean[cut], **look | {"linestyle": "", "markerfacecolor": "w", "zorder": 3}
    )
    if "published" in one:
        axis.plot(
            x,
            one["published"][metric],
            "x",
            markersize=8,
            color=look["color"],
            markeredgewidth=1.5,
            zorder=3,
        )


def _logarithmic(axis, values):
    positive = values[values > 0]
    if len(positive) < len(values):  # zero gets a place a little below the smallest number
        axis.set_xscale("symlog", linthresh=positive.min() / 10, linscale=0.5)
    else:
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_minor_formatter(NullFormatter())
    ticks = np.unique(values)
    places = axis.xaxis.get_transform().transform(ticks)
    if (np.diff(places) >= np.ptp(places) / 10).all():  # apart enough to be labelled
        axis.set_xticks(ticks)
        axis.minorticks_off()
    elif ticks[0] == 0:
        axis.set_xticks(
            np.append(
                0,
                10.0 ** np.arange(np.ceil(np.log10(positive.min())), np.log10(positive.max()) + 1),
            )
        )
        axis.minorticks_off()


def heatmap(panels, axes, metric, more_is_better, title):
    """A measure over the values of two settings, in a panel for each value of a third: the darker,
    the better; the best of each panel framed.

    Parameters
    ----------
    panels : dict of str to dict of (float, float) to float
        By the panel's title, and the values of both settings.
    axes : (str, str)
        What the settings are called: of rows, and of columns.
    metric : str
    more_is_better : bool
    title : str
    """
    points = [point for one in panels.values() for point in one]
    rows, columns = (sorted({point[place] for point in points}) for place in (0, 1))
    figure = new_figure(
        len(panels) * (1.5 + 0.9 * len(columns)) + 1.5, 2.2 + 0.6 * len(rows), title
    )
    values = {
        name: np.array([[one.get((y, x), np.nan) for x in columns] for y in rows])
        for name, one in panels.items()
    }
    every = np.concatenate([one[np.isfinite(one)] for one in values.values()])
    least, most = every.min(), every.max()
    # What is 20 times as bad would make all the rest look alike.
    norm = (LogNorm if 0 < 20 * least < most else Normalize)(least, most)
    grid = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axis, (name, numbers) in zip(grid, values.items()):
        drawn = axis.pcolormesh(numbers, norm=norm, cmap="Blues" if more_is_better else "Blues_r")
        axis.set(title=literal(name), xlabel=axes[1])
        axis.set_xticks(np.arange(len(columns)) + 0.5, map(tick, columns))
        axis.set_yticks(np.arange(len(rows)) + 0.5, map(tick, rows))
        _write_values(axis, numbers, norm, more_is_better)
    grid[0].set_ylabel(axes[0])
    figure.colorbar(drawn, ax=list(grid), label=metric)
    return figure


def _write_values(axis, numbers, norm, more_is_better):
    """The numbers of a heat map, white where it is dark, and a frame around the best."""
    best = np.unravel_index(
        (np.nanargmax if more_is_better else np.nanargmin)(numbers), numbers.shape
    )
    axis.add_patch(
        Rectangle((best[1], best[0]), 1, 1, facecolor="none", edgecolor="C1", linewidth=3)
    )
    for (row, column), value in np.ndenumerate(numbers):
        if np.isfinite(value):
            dark = (norm(value) > 0.5) == more_is_better
            axis.text(
                column + 0.5,
                row + 0.5,
                f"{value:.3g}",
                ha="center",
                va="center",
                color="w" if dark else "k",
            )
