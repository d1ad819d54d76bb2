"""Figures of numbers by class, and of points."""

import numpy as np
from matplotlib.patches import Circle

from lab.figures.base import colours, legend_beside, name_classes, new_figure, title_above, with_legend


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
    for offset, (name, numbers) in zip((-0.2, 0.2), counts.items()):
        bars = axis.bar(np.arange(len(classes)) + offset, numbers, 0.4, label=name)
        axis.bar_label(bars, fontsize=7)
    name_classes(axis, classes, 30)
    axis.set(ylabel="images")
    axis.margins(y=0.1)
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def label_counts(groups, even, classes, title):
    """How many samples a classifier assigned to each class, beside what an even spread would give.

    Parameters
    ----------
    groups : dict of str to (mean, half_width)
        By the name of a setting: float arrays, shape (classes,). Half-widths of NaN, of a single run, are not drawn.
    even : (float, float, float)
        A class's samples in an even spread, and the band in which those of one run lie: number, low, high.
    classes : sequence of str
    title : str
    """
    figure = with_legend([*groups, "of one even run: 95%"], height=5)
    axis = figure.subplots()
    title_above(axis, title)
    handles = {}
    places, width = np.arange(len(classes)), 0.8 / len(groups)
    for index, ((name, (mean, half_width)), color) in enumerate(zip(groups.items(), colours(len(groups)))):
        error = half_width if np.isfinite(half_width).any() else None
        offset = (index - (len(groups) - 1) / 2) * width
        handles[name] = axis.bar(places + offset, mean, width, yerr=error, capsize=3, color=color)
    number, low, high = even
    handles["even spread"] = axis.axhline(number, color="k", linewidth=1)
    handles["of one even run: 95%"] = axis.axhspan(low, high, color="k", alpha=0.15, linewidth=0, zorder=0)
    name_classes(axis, classes, 30)
    axis.set_ylim(bottom=0)
    axis.set_ylabel("samples")
    legend_beside(figure, handles)
    return figure


def confusion(counts, classes, title):
    """A confusion matrix: rows true, columns predicted.

    Parameters
    ----------
    counts : int array, shape (classes, classes)
    """
    figure = new_figure(7.5, 7, title)
    axis = figure.subplots()
    # Coloured by the share of the row, the many right answers left white, so that mistakes show.
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    np.fill_diagonal(shares, 0)
    darkest = max(0.02, shares.max())
    axis.imshow(shares, cmap="Reds", vmin=0, vmax=darkest)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "w" if shares[row, column] > 0.6 * darkest else "k"
            weight = "bold" if row == column else "normal"
            axis.text(column, row, count, ha="center", va="center", size=8, weight=weight, color=colour)
    name_classes(axis, classes, 45)
    axis.set_yticks(np.arange(len(classes)), classes)
    axis.set(xlabel="predicted", ylabel="true")
    return figure


def embedding(places, labels, classes, explained, title):
    """A scatter plot of images as points, coloured by class.

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
    for index, name in enumerate(classes):
        axis.scatter(*places[labels == index].T, s=8, alpha=0.7, color=f"C{index}", label=name)
    axis.set_xlabel(f"first principal component ({explained[0]:.0%} of the variance)")
    axis.set_ylabel(f"second principal component ({explained[1]:.0%})")
    figure.legend(loc="outside right upper", markerscale=2)
    return figure


def points(places, centres, radius, title):
    """A scatter plot of generated points, and a circle around each centre.

    Parameters
    ----------
    places : float array, shape (n, 2)
    centres : float array, shape (modes, 2)
    radius : float
        Of what is near a centre.
    """
    figure = new_figure(4, 4, title)
    axis = figure.subplots()
    axis.plot(*places.T, "C0.", ms=2, alpha=0.4)
    for centre in centres:
        axis.add_patch(Circle(centre, radius, edgecolor="C1", facecolor="none", zorder=3))
    side = 1.5 * np.abs(centres).max()
    axis.set(xlim=(-side, side), ylim=(-side, side), aspect="equal")
    return figure
