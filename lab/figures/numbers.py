"""Figures of numbers by class."""

import numpy as np
from matplotlib import color_sequences
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import PercentFormatter

from lab.figures.base import (
    HATCHES,
    INTERVAL,
    MANY,
    legend_beside,
    letters_in,
    literal,
    name_classes,
    new_figure,
    shortened,
    styles,
    with_legend,
    wrapped,
)

# Of points that lie among each other, where two greys, or two blues, would be one.
CLASS_COLORS = color_sequences["tab10"]


def class_counts(counts, classes, title):
    """Bars: how many images of each class there are; of many classes their outline, the most
    frequent class first.

    Parameters
    ----------
    counts : dict of str to int array, shape (classes,)
        Of two parts of a data set, by their names.
    classes : sequence of str
    title : str
    """
    figure = new_figure(9, 4, title)
    axis = figure.subplots()
    order = (
        np.argsort(-next(iter(counts.values())), kind="stable")
        if len(classes) > MANY
        else np.arange(len(classes))
    )
    for offset, (name, look) in zip((-0.2, 0.2), _bars(counts, classes).items()):
        if len(classes) > MANY:
            axis.stairs(
                counts[name][order],
                np.arange(len(classes) + 1) - 0.5,
                fill=True,
                alpha=0.7,
                label=name,
                **look,
            )
        else:
            bars = axis.bar(order + offset, counts[name], 0.4, label=name, **look)
            axis.bar_label(bars, fontsize=7)
    name_classes(axis.xaxis, [classes[index] for index in order], 30)
    axis.set(ylabel="images")
    axis.margins(y=0.1)
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def label_counts(groups, spread, classes, title, label="class"):
    """How many samples a classifier assigned to each class, beside what samples that spread as the
    data do would give.

    Parameters
    ----------
    groups : dict of str to (mean, half_width)
        By the name of a setting: float arrays, shape (classes,). Half-widths of NaN, of a single
        run, are not drawn.
    spread : (float array, float array, float array), shapes (classes,); or numbers, the same for
        all classes
        A class's samples if they spread as the data do, and the band in which those of one run
        lie: number, low, high.
    classes : sequence of str
    title, label : str
        Of the figure, and of its horizontal axis.
    """
    number, low, high = (np.broadcast_to(part, len(classes)) for part in spread)
    marks = {
        "as the data spread": Line2D([], [], color="k"),
        "of one such run: 95%": Patch(color="k", alpha=0.15, linewidth=0),
    }
    if any(np.isfinite(half_width).any() for _, half_width in groups.values()):
        marks[INTERVAL] = Line2D([], [], color="k", marker="|", markersize=12, linestyle="")
    figure = with_legend([*groups, *marks], title, height=5)
    axis = figure.subplots()
    places = np.arange(len(classes))
    axis.bar(places, high - low, 1, low, color="k", alpha=0.15, linewidth=0, zorder=0)
    axis.hlines(number, places - 0.5, places + 0.5, color="k", linewidth=1)
    handles, width = {}, 0.8 / len(groups)
    for index, (name, look) in enumerate(_bars(groups, classes).items()):
        mean, half_width = groups[name]
        beside = places + (index - (len(groups) - 1) / 2) * width
        bars = (
            np.minimum(half_width, mean),
            np.minimum(half_width, mean.sum() - mean),
        )  # no more than all samples
        handles[name] = axis.bar(beside, mean, width, yerr=bars, capsize=3, **look)
    name_classes(axis.xaxis, classes, 30)
    axis.set_ylim(bottom=0)
    axis.set(xlabel=label, ylabel="samples")
    legend_beside(figure, handles | marks)
    return figure


def _bars(names, classes):
    edges = {
        "edgecolor": "k",
        "linewidth": 0.5 if len(classes) <= MANY else 0,
    }  # which would hide the colour of thin bars
    return {name: look | edges for name, look in styles(names, HATCHES, "hatch").items()}


def confusion(counts, classes, title):
    """A confusion matrix: rows true, columns predicted; of many classes without numbers, and
    beside it the pairs that are confused most often.

    Parameters
    ----------
    counts : int array, shape (classes, classes)
    """
    many = len(classes) > MANY
    figure = new_figure(16 if many else 8.5, 8 if many else 7, title)
    axis, *beside = figure.subplots(1, 1 + many, squeeze=False, width_ratios=(5, 2)[: 1 + many])[0]
    # Coloured by the share of the row, and the many right answers set apart, so that mistakes show.
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    np.fill_diagonal(shares, 0)
    darkest = max(0.02, shares.max())
    if many:
        drawn = axis.imshow(
            shares, cmap="Reds", vmin=0, vmax=darkest, extent=(0, len(classes), len(classes), 0)
        )
        _confused(beside[0], counts, classes)
    else:
        drawn = axis.pcolormesh(shares, cmap="Reds", vmin=0, vmax=darkest)
        _cells(axis, counts, shares > 0.6 * darkest)
        axis.invert_yaxis()
    name_classes(axis.xaxis, classes, 45, offset=0.5)
    name_classes(axis.yaxis, classes, 0, offset=0.5)
    axis.set(xlabel="predicted", ylabel="true", aspect="equal")
    figure.colorbar(
        drawn,
        ax=axis,
        label="mistakes: share of a row's images",
        format=PercentFormatter(1),
        shrink=0.8,
    )
    return figure


def _cells(axis, counts, dark):
    """The numbers of a confusion matrix, white where it is dark, and its diagonal."""
    for index in range(len(counts)):
        axis.add_patch(
            Rectangle((index, index), 1, 1, facecolor="#dbe9f6", edgecolor="k", linewidth=1)
        )
    for (row, column), count in np.ndenumerate(counts):
        if count:
            weight = "bold" if row == column else "normal"
            look = {"size": 8, "weight": weight, "color": "w" if dark[row, column] else "k"}
            axis.text(column + 0.5, row + 0.5, count, ha="center", va="center", **look)


def _confused(axis, counts, classes):
    """Bars: the pairs of classes that are confused most often."""
    mistakes = counts * (1 - np.eye(len(classes), dtype=int))
    pairs = np.argsort(-mistakes, axis=None, kind="stable")[: min(MANY, np.count_nonzero(mistakes))]
    places, (true, predicted) = np.arange(len(pairs)), np.unravel_index(pairs, counts.shape)
    axis.bar_label(axis.barh(places, mistakes[true, predicted]), fontsize=8, padding=2)
    names = [
        f"{shortened(classes[one])} as {shortened(classes[other])}"
        for one, other in zip(true, predicted)
    ]
    axis.set_yticks(places, map(literal, names), fontsize=8)
    axis.set(xlabel="images", title="most often taken for another class", ylim=(MANY - 0.5, -0.5))
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.margins(x=0.1)


def embedding(places, labels, classes, explained, title):
    """A scatter plot of images as points, in a colour and with a marker for each class, whose name
    stands at its median; of many classes the most frequent, the others grey.

    Parameters
    ----------
    places : float array, shape (n, 2)
    labels : int array, shape (n,)
    classes : sequence of str
    explained : pair of float
        Share of the variance along each axis.
    """
    shown = np.arange(len(classes))
    if len(classes) > MANY:
        shown = np.sort(
            np.argsort(-np.bincount(labels, minlength=len(classes)), kind="stable")[:MANY]
        )
    names = [shortened(classes[index]) for index in shown]
    others = [f"{len(classes) - MANY} other classes"] if len(classes) > MANY else []
    # A wide legend gets its room, and the title is clear of it.
    spare = 0.1 * max(0, max(map(letters_in, names + others)) - 12)
    figure = new_figure(8 + spare, 6, None if spare else title)
    if spare:
        figure.suptitle(wrapped(title, 6), fontsize=12, x=0.01, horizontalalignment="left")
    axis = figure.subplots()
    rest = [
        axis.scatter(*places[~np.isin(labels, shown)].T, s=8, color="0.8", linewidth=0)
        for _ in others
    ]
    looks = styles(map(str, shown)).values()
    points = [
        axis.scatter(
            *places[labels == index].T,
            s=14,
            linewidth=0,
            **look | {"color": CLASS_COLORS[rank % len(CLASS_COLORS)]},
        )
        for rank, (index, look) in enumerate(zip(shown, looks))
    ]
    for index, name in zip(shown, names):
        if (labels == index).any():
            middle = np.median(places[labels == index], axis=0)
            label = axis.text(
                *middle,
                literal(shortened(name, 12)),
                fontsize=11,
                weight="bold",
                ha="center",
                va="center",
            )
            label.set_path_effects([withStroke(linewidth=3, foreground="w")])
    axis.set_xlabel(f"first principal component ({explained[0]:.0%} of the variance)")
    axis.set_ylabel(f"second principal component ({explained[1]:.0%})")
    figure.legend(
        points + rest, [*map(literal, names + others)], loc="outside right upper", markerscale=2
    )
    return figure
