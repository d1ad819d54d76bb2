"""Trends: what settings that are numbers do."""

import numpy as np
from matplotlib.colors import LogNorm, Normalize
from matplotlib.patches import Rectangle

from lab.figures.base import (
    ERROR_BAR,
    INTERVAL,
    PUBLISHED,
    ends,
    frame,
    in_lines,
    legend_beside,
    styles,
    subplots,
    tick,
    write_cells,
)
from lab.metrics.table import METRICS

_WIDEST = 0.04  # fraction of an axis for points of the same number, which stand side by side
_SHOWN = "val_accuracy", "val_loss"  # above each other
_INTERRUPTED = {"markerfacecolor": "w", "linestyle": "", "zorder": 3}


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
    several = [*series.values()]
    repeated = any(np.isfinite(one[metric][1]).any() for one in several for metric in _SHOWN)
    looks = styles(series if len(series) > 1 else ["ours"])
    shared = {"sharex": "col", "sharey": "row", "squeeze": False}
    figure, grid = subplots((5 + 3 * len(axes), 8), title, 2, len(axes), **shared)
    for index, (label, logarithmic) in enumerate(axes):
        scale = grid[1, index].xaxis
        scale.set_label_text(label)
        places = [one["x"][index] for one in several]
        if logarithmic:
            _logarithmic(grid[1, index], np.unique(np.concatenate(places)))
        scale.set_major_formatter(tick)
        if repeated:
            places = _side_by_side(scale.get_transform(), places)
        for axis, metric in zip(grid[:, index], _SHOWN):
            for one, x, look in zip(several, places, looks.values()):
                _line(axis, x, one, metric, look)
            axis.grid()
    for axis, metric in zip(grid[:, 0], _SHOWN):
        axis.set_ylabel(METRICS[metric].axis)
        means, half_widths = np.hstack([one[metric] for one in several])
        # No error bar counts for more than the means are apart.
        bars = np.minimum(np.nan_to_num(half_widths), np.nanmax(means) - np.nanmin(means) or np.inf)
        published = [one["published"][metric] for one in several if "published" in one]
        frame(axis, np.concatenate([*ends(means, bars, metric), *published]))
    if published:
        looks["published"] = PUBLISHED
    if any(one["interrupted"].any() for one in several):
        looks["interrupted"] = _INTERRUPTED | {"color": "k", "marker": "o"}
    if repeated:
        beside = "; equal numbers side by side" if len(several) > 1 else ""
        looks[INTERVAL + beside] = ERROR_BAR
    if len(looks) > 1:
        legend_beside(figure, looks)
    return figure


def _side_by_side(scale, several):
    """Places of the points of several lines: a little beside each other where they have the same
    number, so that error bars do not hide each other.
    """
    every = np.concatenate([np.unique(x) for x in several])
    numbers, counts = np.unique(every, return_counts=True)
    width = np.ptp(scale.transform(numbers)) * min(0.01, _WIDEST / len(several))
    shifted = []
    for index, x in enumerate(several):
        shift = (index - (len(several) - 1) / 2) * width
        beside = scale.inverted().transform(scale.transform(x) + shift)
        shifted.append(np.where(np.isin(x, numbers[counts > 1]), beside, x))
    return shifted


def _line(axis, x, one, metric, look):
    """Draw a series by rising x, with error bars as far as they are possible."""
    order = np.argsort(x)
    mean, half_width = one[metric]
    bars = np.abs(ends(mean, half_width, metric) - mean)[:, order]
    axis.errorbar(x[order], mean[order], bars, capsize=3, elinewidth=1, **look)
    cut = one["interrupted"]
    axis.plot(x[cut], mean[cut], **look | _INTERRUPTED)
    if "published" in one:
        cross = PUBLISHED | {"color": look["color"]}
        axis.plot(x, one["published"][metric], **cross)


def _logarithmic(axis, values):
    """Make a horizontal axis logarithmic, numbered at those of its values that are far enough
    apart.
    """
    if values[0] == 0:  # it gets a place a little below the smallest number
        axis.set_xscale("symlog", linthresh=values[1] / 10, linscale=0.5)
    else:
        axis.set_xscale("log")
    places = axis.xaxis.get_transform().transform(values)
    shown = []
    for index, place in enumerate(places):
        if not shown or place - places[shown[-1]] >= np.ptp(places) / 10:
            shown.append(index)
    axis.set_xticks(values[shown])
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
    points = [point for panel in panels.values() for point in panel]
    rows, columns = map(np.unique, zip(*points))
    values = np.array([value for panel in panels.values() for value in panel.values()])
    values = values[np.isfinite(values)]
    least, most = values.min(), values.max()
    # What is 20 times as bad would make all the rest look alike.
    norm = (LogNorm if 0 < 20 * least < most else Normalize)(least, most)
    size = len(panels) * (1.5 + 0.9 * len(columns)) + 1.5, 2.2 + 0.6 * len(rows)
    figure, grid = subplots(size, title, 1, len(panels), sharey=True, squeeze=False)
    for axis, (name, panel) in zip(grid[0], panels.items()):
        numbers = np.array([[panel.get((y, x), np.nan) for x in columns] for y in rows])
        drawn = axis.pcolormesh(numbers, norm=norm, cmap="Blues" if more_is_better else "Blues_r")
        axis.set(title=in_lines(name), xlabel=axes[1])
        axis.set_xticks(np.arange(len(columns)) + 0.5, map(tick, columns))
        axis.set_yticks(np.arange(len(rows)) + 0.5, map(tick, rows))
        write_cells(axis, numbers, (norm(numbers) > 0.5) == more_is_better, "{:.3g}")
        best = (np.nanargmax if more_is_better else np.nanargmin)(numbers)
        row, column = np.unravel_index(best, numbers.shape)
        axis.add_patch(
            Rectangle((column, row), 1, 1, facecolor="none", edgecolor="C1", linewidth=3)
        )
    grid[0, 0].set_ylabel(axes[0])
    figure.colorbar(drawn, ax=grid, label=metric)
    return figure
