"""Figures of numbers by class."""

import numpy as np
from matplotlib import color_sequences
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from lab.figures.base import (
    BAND,
    ERROR_BAR,
    HATCHES,
    INTERVAL,
    MANY,
    in_lines,
    legend_beside,
    name_classes,
    ranked_bars,
    shortened,
    styles,
    subplots,
    write_cells,
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
    figure, axis = subplots((9, 4), title)
    looks = _looks(counts, classes)
    if len(classes) > MANY:
        order = np.argsort(-next(iter(counts.values())), kind="stable")
        classes = np.array(classes)[order]
        edges = np.arange(len(classes) + 1) - 0.5
        for name, look in looks.items():
            axis.stairs(counts[name][order], edges, fill=True, alpha=0.7, **look)
    else:
        for bars in _bars(axis, counts, looks, {}):
            axis.bar_label(bars, fontsize=7)
    name_classes(axis.xaxis, classes)
    axis.set_ylabel("images")
    axis.margins(y=0.1)
    legend_beside(figure, looks)
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
    figure, axis = subplots((8, 5), title)
    number, low, high = spread
    places = np.arange(len(classes))
    axis.bar(places, high - low, 1, low, zorder=0, **BAND)
    axis.hlines(number + 0 * places, places - 0.5, places + 0.5, color="k", linewidth=1)
    looks = _looks(groups, classes)
    means, errors = {}, {}
    for name, (mean, half_width) in groups.items():
        means[name] = mean  # and no more than all samples in a class
        errors[name] = np.minimum(half_width, [mean, mean.sum() - mean])
    _bars(axis, means, looks, errors)
    name_classes(axis.xaxis, classes)
    axis.set_ylim(bottom=0)
    axis.set(xlabel=label, ylabel="samples")
    looks |= {"as the data spread": {"color": "k"}, "of one such run: 95%": BAND}
    if np.isfinite([*errors.values()]).any():
        looks[INTERVAL] = ERROR_BAR
    legend_beside(figure, looks)
    return figure


def _looks(names, classes):
    """How bars are drawn: thin ones without edges, which would hide their colour."""
    edges = {"edgecolor": "k", "linewidth": 0.5 if len(classes) <= MANY else 0}
    looks = styles(names, HATCHES, "hatch", "facecolor")
    return {name: look | edges for name, look in looks.items()}


def _bars(axis, heights, looks, errors):
    """Draw the bars of several names beside each other, and give them."""
    drawn, width = [], 0.8 / len(heights)
    for index, (name, values) in enumerate(heights.items()):
        places = np.arange(len(values)) + (index - (len(heights) - 1) / 2) * width
        error = errors.get(name)
        drawn.append(axis.bar(places, values, width, yerr=error, capsize=3, **looks[name]))
    return drawn


def confusion(counts, classes, title):
    """A confusion matrix: rows true, columns predicted; of many classes without numbers, and
    beside it the pairs that are confused most often.

    Parameters
    ----------
    counts : int array, shape (classes, classes)
    """
    # Coloured by the share of the row, and the many right answers set apart, so that mistakes show.
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    np.fill_diagonal(shares, 0)
    look = {"cmap": "Reds", "vmin": 0, "vmax": max(0.02, shares.max())}
    if len(classes) > MANY:
        figure, (axis, beside) = subplots((16, 8), title, 1, 2, width_ratios=(5, 2))
        drawn = axis.imshow(shares, extent=(0, len(classes), len(classes), 0), **look)
        _confused(beside, counts, classes)
    else:
        figure, axis = subplots((8.5, 7), title)
        drawn = axis.pcolormesh(shares, **look)
        axis.invert_yaxis()
        for index in range(len(classes)):
            right = Rectangle((index, index), 1, 1, facecolor="#dbe9f6", edgecolor="k")
            axis.add_patch(right)
        numbers = np.where(counts, counts, np.nan)
        write_cells(axis, numbers, shares > 0.6 * look["vmax"], "{:.0f}")
        for text in axis.texts:
            column, row = text.get_position()
            text.set(fontsize=8, weight="bold" if row == column else "normal")
    name_classes(axis.xaxis, classes, offset=0.5)
    name_classes(axis.yaxis, classes, offset=0.5)
    axis.set(xlabel="predicted", ylabel="true", aspect="equal")
    label = "mistakes: share of a row's images"
    figure.colorbar(drawn, ax=axis, label=label, format="{x:.2%}", shrink=0.8)
    return figure


def _confused(axis, counts, classes):
    """Bars: the pairs of classes that are confused most often."""
    mistakes = counts * (1 - np.eye(len(classes), dtype=int))
    pairs = np.argsort(-mistakes, axis=None, kind="stable")[: min(MANY, np.count_nonzero(mistakes))]
    true, predicted = np.unravel_index(pairs, counts.shape)
    short = [shortened(name) for name in classes]
    names = [f"{short[one]} as {short[other]}" for one, other in zip(true, predicted)]
    ranked_bars(axis, names, mistakes[true, predicted], "%d")
    axis.set(xlabel="images", title="most often taken for another class", ylim=(MANY - 0.5, -0.5))
    axis.xaxis.get_major_locator().set_params(integer=True)


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
    figure, axis = subplots((7, 6), title)
    frequency = np.bincount(labels, minlength=len(classes))
    shown = np.sort(np.argsort(-frequency, kind="stable")[:MANY])
    looks = {}
    for (index, look), color in zip(styles(shown).items(), 2 * CLASS_COLORS):
        points, name = places[labels == index], classes[index]
        look["color"] = color
        looks[shortened(name, 28)] = look
        axis.scatter(*points.T, s=14, linewidth=0, **look)
        if len(points):
            middle, short = np.median(points, axis=0), in_lines(shortened(name, 12))
            outline = [withStroke(linewidth=3, foreground="w")]
            centred = {"ha": "center", "va": "center", "fontsize": 11, "weight": "bold"}
            axis.text(*middle, short, path_effects=outline, **centred)
    if len(classes) > MANY:
        rest = {"color": "0.8", "marker": "o"}
        looks[f"{len(classes) - MANY} other classes"] = rest
        axis.scatter(*places[~np.isin(labels, shown)].T, s=8, linewidth=0, zorder=0, **rest)
    axis.set_xlabel(f"first principal component ({explained[0]:.0%} of the variance)")
    axis.set_ylabel(f"second principal component ({explained[1]:.0%})")
    legend_beside(figure, {name: look | {"linestyle": ""} for name, look in looks.items()})
    return figure
