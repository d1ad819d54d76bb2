"""Figures of numbers by class."""

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import PercentFormatter

from lab.figures.base import HATCHES, INTERVAL, legend_beside, name_classes, new_figure, styles, with_legend


def class_counts(counts, classes, title):
    """Bars: how many images of each class there are.

    Parameters
    ----------
    counts : dict of str to int array, shape (classes,)
        Of two parts of a data set, by their names.
    classes : sequence of str
    title : str
    """
    figure = new_figure(9, 4, title)
    axis = figure.subplots()
    for offset, (name, look) in zip((-0.2, 0.2), _bars(counts).items()):
        bars = axis.bar(np.arange(len(classes)) + offset, counts[name], 0.4, label=name, **look)
        axis.bar_label(bars, fontsize=7)
    name_classes(axis, classes, 30)
    axis.set(ylabel="images")
    axis.margins(y=0.1)
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def label_counts(groups, even, classes, title, label="class"):
    """How many samples a classifier assigned to each class, beside what an even spread would give.

    Parameters
    ----------
    groups : dict of str to (mean, half_width)
        By the name of a setting: float arrays, shape (classes,). Half-widths of NaN, of a single run, are not drawn.
    even : (float, float, float)
        A class's samples in an even spread, and the band in which those of one run lie: number, low, high.
    classes : sequence of str
    title, label : str
        Of the figure, and of its horizontal axis.
    """
    number, low, high = even
    marks = {"even spread": Line2D([], [], color="k"), "of one even run: 95%": Patch(color="k", alpha=0.15, linewidth=0)}
    if any(np.isfinite(half_width).any() for _, half_width in groups.values()):
        marks[INTERVAL] = Line2D([], [], color="k", marker="|", markersize=12, linestyle="")
    figure = with_legend([*groups, *marks], title, height=5)
    axis = figure.subplots()
    handles, width = {}, 0.8 / len(groups)
    for index, (name, look) in enumerate(_bars(groups).items()):
        mean, half_width = groups[name]
        places = np.arange(len(classes)) + (index - (len(groups) - 1) / 2) * width
        handles[name] = axis.bar(places, mean, width, yerr=[np.minimum(half_width, mean), half_width], capsize=3, **look)
    axis.axhline(number, color="k", linewidth=1)
    axis.axhspan(low, high, color="k", alpha=0.15, linewidth=0, zorder=0)
    name_classes(axis, classes, 30)
    axis.set_ylim(bottom=0)
    axis.set(xlabel=label, ylabel="samples")
    legend_beside(figure, handles | marks)
    return figure


def _bars(names):
    return {name: look | {"edgecolor": "k", "linewidth": 0.5} for name, look in styles(names, HATCHES, "hatch").items()}


def confusion(counts, classes, title):
    """A confusion matrix: rows true, columns predicted.

    Parameters
    ----------
    counts : int array, shape (classes, classes)
    """
    figure = new_figure(8.5, 7, title)
    axis = figure.subplots()
    # Coloured by the share of the row, and the many right answers set apart, so that mistakes show.
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    np.fill_diagonal(shares, 0)
    darkest = max(0.02, shares.max())
    drawn = axis.pcolormesh(shares, cmap="Reds", vmin=0, vmax=darkest)
    for index in range(len(classes)):
        axis.add_patch(Rectangle((index, index), 1, 1, facecolor="#dbe9f6", edgecolor="k", linewidth=1))
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "w" if shares[row, column] > 0.6 * darkest else "k"
            weight = "bold" if row == column else "normal"
            axis.text(column + 0.5, row + 0.5, count, ha="center", va="center", size=8, weight=weight, color=colour)
    name_classes(axis, classes, 45, offset=0.5)
    axis.set_yticks(np.arange(len(classes)) + 0.5, classes)
    axis.set(xlabel="predicted", ylabel="true", aspect="equal")
    axis.invert_yaxis()
    figure.colorbar(drawn, label="mistakes: share of a row's images", format=PercentFormatter(1), shrink=0.8)
    return figure


def embedding(places, labels, classes, explained, title):
    """A scatter plot of images as points, in a colour and with a marker for each class.

    Parameters
    ----------
    places : float array, shape (n, 2)
    labels : int array, shape (n,)
    classes : sequence of str
    explained : pair of float
        Share of the variance along each axis.
    """
    figure = new_figure(8, 6, title)
    axis = figure.subplots()
    for index, (name, look) in enumerate(styles(classes).items()):
        axis.scatter(*places[labels == index].T, s=14, alpha=0.7, linewidth=0, label=name, **look)
    axis.set_xlabel(f"first principal component ({explained[0]:.0%} of the variance)")
    axis.set_ylabel(f"second principal component ({explained[1]:.0%})")
    figure.legend(loc="outside right upper", markerscale=2)
    return figure
