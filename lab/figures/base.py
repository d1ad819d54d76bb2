"""The figures. Each function returns a matplotlib Figure; `save` writes it."""

import math
import os
import textwrap

import numpy as np

# A notebook tells every process that it starts to draw into the notebook; there matplotlib would not even be imported.
if os.environ.get("MPLBACKEND", "").startswith("module:"):
    del os.environ["MPLBACKEND"]

from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from lab.data.load import RING_CENTRES, RING_DEVIATION, RING_RADIUS
from lab.errors import UserError
from lab.metrics.collapse import NEAR, uniform_band
from lab.metrics.intervals import mean_and_half_width
from lab.runs.files import atomic

DPI = 120
ROWS, COLUMNS = 3, 5
NEIGHBOURS_OF, NEIGHBOURS = 10, 3  # images, and nearest images of each
FILTER_COLUMNS, FILTERS_WIDTH = 16, 1200  # filters to a row, and pixels that a row takes at most


def save(figure, path):
    """Write a figure as PNG."""
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=DPI)


def save_all(figures, folder):
    """Write figures into a folder.

    Parameters
    ----------
    figures : dict of str to Figure
        By the file's name, without its ending.
    folder : Path

    Returns
    -------
    list of Path
    """
    paths = [folder / f"{stem}.png" for stem in figures]
    for path, figure in zip(paths, figures.values()):
        save(figure, path)
    return paths


def check_display(wanted):
    """Raise UserError if figures are to be shown and there is no display."""
    if wanted:
        from matplotlib import pyplot

        if pyplot.get_backend().lower() in ("agg", "cairo", "pdf", "pgf", "ps", "svg", "template"):
            raise UserError("--show: there is no display to show figures on; without it they are saved all the same")


def show(paths):
    """Show saved figures in windows and wait until they are closed."""
    from matplotlib import pyplot

    for path in paths:
        picture = pyplot.imread(path)
        height, width = picture.shape[:2]
        figure = pyplot.figure(str(path), figsize=(width / DPI, height / DPI))
        axis = figure.add_axes((0, 0, 1, 1))
        axis.set_axis_off()
        axis.imshow(picture)
    pyplot.show()


def examples(images, captions, title):
    """Up to 3 x 5 images with a caption under each.

    Parameters
    ----------
    images : uint8 array, shape (n, height, width, channels)
    captions : list of str
    title : str
    """
    figure = Figure(figsize=(COLUMNS * 1.7, ROWS * 1.95 + 0.5), layout="constrained")
    _title(figure, title)
    axes = figure.subplots(ROWS, COLUMNS)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, image, caption in zip(axes.flat, images, captions):
        _draw(axis, image)
        axis.set_title(caption, fontsize=10)
    return figure


def class_counts(train_labels, validation_labels, classes, title):
    """Bars: how many images of each class there are.

    Parameters
    ----------
    train_labels, validation_labels : int array, shape (n,)
    classes : sequence of str
    title : str
    """
    figure = Figure(figsize=(9, 4), layout="constrained")
    axis = figure.subplots()
    place = np.arange(len(classes))
    for offset, labels, name in ((-0.2, train_labels, "training"), (0.2, validation_labels, "validation")):
        bars = axis.bar(place + offset, np.bincount(labels, minlength=len(classes)), 0.4, label=name)
        axis.bar_label(bars, fontsize=7)
    axis.set_xticks(place, classes, rotation=30 if max(map(len, classes)) > 2 else 0)
    axis.set(ylabel="images")
    _title(figure, title)
    axis.margins(y=0.1)
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def class_means(images, labels, classes, title):
    """The mean image of each class.

    Parameters
    ----------
    images : uint8 array, shape (n, height, width, channels)
    labels : int array, shape (n,)
    classes : sequence of str
    title : str
    """
    blank = np.zeros((1, *images.shape[1:]))  # for a class without images
    means = [(images[labels == index] if index in labels else blank).mean(axis=0) for index in range(len(classes))]
    figure = Figure(figsize=(8.5, 4), layout="constrained")
    _title(figure, title)
    for axis, mean, name in zip(figure.subplots(2, math.ceil(len(classes) / 2)).flat, means, classes):
        _draw(axis, mean.astype(np.uint8))
        axis.set_title(name, fontsize=10)
        axis.set_axis_off()
    return figure


def embedding(points, labels, classes, explained, title):
    """A scatter plot of images as points, coloured by class.

    Parameters
    ----------
    points : float array, shape (n, 2)
    labels : int array, shape (n,)
    classes : sequence of str
    explained : pair of float
        Share of the variance along each axis.
    """
    figure = Figure(figsize=(8, 6), layout="constrained")
    axis = figure.subplots()
    for index, name in enumerate(classes):
        axis.scatter(*points[labels == index].T, s=8, alpha=0.7, color=f"C{index}", label=name)
    _title(figure, title)
    axis.set_xlabel(f"first principal component ({explained[0]:.0%} of the variance)")
    axis.set_ylabel(f"second principal component ({explained[1]:.0%})")
    figure.legend(loc="outside right upper", markerscale=2)
    return figure


# What learning curves show above each other: the axis, and its lines by name.
_OF_CLASSIFIERS = {
    "accuracy": {"training": "accuracy", "validation": "val_accuracy"},
    "loss": {"training": "loss", "validation": "val_loss"},
}
_OF_GANS = {
    "loss": {"generator": "generator_loss", "discriminator": "discriminator_loss"},
    "discriminator's accuracy": {"generated images": "generated_accuracy", "real images": "real_accuracy"},
}


def learning_curve(curves, title):
    """Accuracy and loss by epoch: of a classifier for training and validation images, of a GAN for its two networks.

    Parameters
    ----------
    curves : dict
        As `estimates.curves` gives it; where runs were repeated, bands show the half-widths. What is not finite is left out.
    title : str
    """
    figure = Figure(figsize=(7, 7), layout="constrained")
    _title(figure, title)
    panels = _panels(curves)
    for axis, lines in zip(_curve_axes(figure, panels), panels.values()):
        for (label, name), color, style in zip(lines.items(), ("C0", "C1"), ("--", "-")):
            _curve(axis, curves[name], color=color, linestyle=style, marker=".", label=label)
        axis.legend(loc="best")
    return figure


def curve_names(of_gans):
    """The lists of a history that learning curves show."""
    return [name for lines in (_OF_GANS if of_gans else _OF_CLASSIFIERS).values() for name in lines.values()]


def _panels(curves):
    return _OF_GANS if "generator_loss" in curves else _OF_CLASSIFIERS


def learning_curves(groups, title, published=None):
    """The learning curves of several settings: a colour for each, training (or generator) dashed, validation solid.

    Parameters
    ----------
    groups : dict of str to dict
        By the setting's name: what `learning_curve` takes.
    title : str
    published : dict, optional
        Published figures, drawn as crosses: setting's name -> epoch -> "loss", "val_loss" and so on -> number.
    """
    panels = _panels(next(iter(groups.values())))
    styles = {"--": 1, "-": 1.5}  # and their widths: of a panel's first and second line
    kinds = {" / ".join(dict.fromkeys(labels)): style for labels, style in zip(zip(*panels.values()), styles)}
    marks = {"published, training": "+", "published, validation": "x"} if published else {}
    figure = _figure_with_legend([*groups, *kinds, *marks])
    axes = _curve_axes(figure, panels)
    _title_above(axes[0], title)
    handles = {}
    for (name, curves), color in zip(groups.items(), colours(len(groups))):
        for axis, lines in zip(axes, panels.values()):
            for metric, style in zip(lines.values(), styles):
                handles[name] = _curve(axis, curves[metric], color=color, linestyle=style, linewidth=styles[style])
            for metric, marker in zip(lines.values(), marks.values()):
                points = {epoch: row.get(metric, np.nan) for epoch, row in published.get(name, {}).items()}
                axis.plot([*points], np.array([*points.values()], float), marker, color=color, ms=7)
    losses = np.concatenate([curves[name][0] for curves in groups.values() for name in panels["loss"].values()])
    losses = losses[np.isfinite(losses)]
    if len(losses) and 0 < 100 * losses.min() < losses.max():  # one that does not learn would flatten all others
        axes[list(panels).index("loss")].set_yscale("log")
    handles |= {label: axes[0].plot([], [], "k", ls=style, lw=styles[style])[0] for label, style in kinds.items()}
    handles |= {label: axes[0].plot([], [], f"k{marker}", ms=7)[0] for label, marker in marks.items()}
    _legend_outside(figure, handles)
    return figure


def trend(points, label, logarithmic, title):
    """What the validation images say about settings that are numbers: accuracy above, loss below.

    Parameters
    ----------
    points : dict of str to dict
        By the name of a series: "x", and "val_accuracy" and "val_loss", each (mean, half_width), all float arrays of shape
        (n,); perhaps "published", with arrays "val_accuracy" and "val_loss".
    label : str
        Of the horizontal axis.
    logarithmic : bool
        A logarithmic horizontal axis, with a place for zero.
    title : str
    """
    figure = _figure_with_legend([*points, "published"])
    axes = figure.subplots(2, sharex=True)
    _title_above(axes[0], title)
    handles, published = {}, False
    for (name, series), color in zip(points.items(), colours(len(points))):
        for axis, metric in zip(axes, ("val_accuracy", "val_loss")):
            mean, half_width = series[metric]
            style = {"fmt": "o-", "ms": 5, "capsize": 3, "color": color}
            handles[name] = axis.errorbar(series["x"], mean, np.nan_to_num(half_width), **style)
            if "published" in series:
                published = True
                published_color = color if len(points) > 1 else "C1"
                axis.plot(series["x"], series["published"][metric], "x", ms=8, zorder=3, color=published_color)
    for axis, metric in zip(axes, ("accuracy", "loss")):
        axis.set_ylabel(f"validation {metric}")
        axis.grid(alpha=0.3)
    if published:
        handles["published"] = axes[0].plot([], [], "x", ms=8, color="k" if len(points) > 1 else "C1")[0]
    axes[1].set_xlabel(label)
    if logarithmic:
        every = np.concatenate([series["x"] for series in points.values()])
        _logarithmic(axes[1], every)
    if len(handles) > 1:
        _legend_outside(figure, {name or "ours": handle for name, handle in handles.items()})
    return figure


def colours(count):
    """So many colours that can be told apart."""
    if count <= 10:
        return [f"C{index}" for index in range(count)]
    return colormaps["turbo"](np.linspace(0.02, 0.98, count))


def _curve_axes(figure, names):
    axes = figure.subplots(2, sharex=True)
    for axis, name in zip(axes, names):
        axis.set_ylabel(name)
        axis.grid(alpha=0.3)
    axes[1].set_xlabel("epoch")
    axes[1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return axes


def _curve(axis, estimate, **style):
    mean, half_width = estimate
    epochs = np.arange(1, len(mean) + 1)
    style = {"marker": "." if len(mean) == 1 else ""} | style  # a line through one point would not be seen
    (line,) = axis.plot(epochs, mean, **style)
    if np.isfinite(half_width).any():
        axis.fill_between(epochs, mean - half_width, mean + half_width, color=style["color"], alpha=0.15, linewidth=0)
    return line


def _figure_with_legend(names, height=8):
    """A figure whose axes are 8 inches wide, with a legend of these names beside them."""
    width = _legend_columns(names, height) * (max(map(len, names)) * 0.075 + 0.6)
    return Figure(figsize=(8 + width, height), layout="constrained")


def _legend_columns(names, height):
    return math.ceil(len(names) / (4.25 * height))


def _legend_outside(figure, handles):
    # Handles and labels by hand: matplotlib leaves out names that begin with an underscore.
    columns = _legend_columns(handles, figure.get_figheight())
    figure.legend([*handles.values()], [*handles], loc="outside right upper", fontsize=8, ncols=columns)


def _title_above(axis, text):
    # Above the axes and not the figure, where it would run into the legend; 8 inches hold about 80 characters.
    axis.set_title("\n".join(textwrap.fill(line, 80) for line in text.split("\n")), fontsize=12)


def _logarithmic(axis, values):
    positive = values[values > 0]
    if len(positive) < len(values):  # zero gets a place a little below the smallest number
        axis.set_xscale("symlog", linthresh=positive.min() / 10, linscale=0.5)
        ticks = np.unique(values)
        if (ticks[2:] < 4 * ticks[1:-1]).any():  # too near to each other to be labelled
            ticks = np.append(0, 10.0 ** np.arange(np.ceil(np.log10(positive.min())), np.log10(positive.max()) + 1))
        axis.set_xticks(ticks)
        axis.minorticks_off()
    else:
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_minor_formatter(NullFormatter())
    axis.xaxis.set_major_formatter(lambda value, place: f"{value:,.0f}" if value >= 1 else f"{value:g}")


def label_counts(groups, classes, samples, title):
    """How many samples a classifier assigned to each class, beside what an even spread would give.

    Parameters
    ----------
    groups : dict of str to int array, shape (runs, classes)
        Counts by the name of a setting; of several runs the mean is drawn, with the half-width of its 95% confidence interval.
    classes : sequence of str
    samples : int
        Of each run.
    title : str
    """
    figure = _figure_with_legend([*groups, "of one even run: 95%"], height=5)
    axis = figure.subplots()
    _title_above(axis, title)
    handles = {}
    places, width = np.arange(len(classes)), 0.8 / len(groups)
    for index, ((name, counts), color) in enumerate(zip(groups.items(), colours(len(groups)))):
        mean, half_width = mean_and_half_width(counts)
        error = half_width if len(counts) > 1 else None
        offset = (index - (len(groups) - 1) / 2) * width
        handles[name] = axis.bar(places + offset, mean, width, yerr=error, capsize=3, color=color)
    low, high = uniform_band(samples, len(classes))
    handles["even spread"] = axis.axhline(samples / len(classes), color="k", linewidth=1)
    handles["of one even run: 95%"] = axis.axhspan(low, high, color="k", alpha=0.15, linewidth=0, zorder=0)
    axis.set_xticks(places, classes, rotation=30 if max(map(len, classes)) > 2 else 0)
    axis.set_ylim(bottom=0)
    axis.set_ylabel("samples")
    _legend_outside(figure, handles)
    return figure


def neighbours(images, nearest, title):
    """Images in a row, and under each its nearest others.

    Parameters
    ----------
    images : uint8 array, shape (n, height, width, channels)
    nearest : uint8 array, shape (n, neighbours, height, width, channels)
    title : str
    """
    count, rows = nearest.shape[:2]
    figure = Figure(figsize=(0.85 * count + 1, 0.9 * (rows + 1) + 0.4), layout="constrained")
    _title(figure, title)
    axes = figure.subplots(rows + 1, count)
    for column in range(count):
        for row, image in enumerate([images[column], *nearest[column]]):
            _draw(axes[row, column], image)
            axes[row, column].set(xticks=[], yticks=[])
    for row, axis in enumerate(axes[:, 0]):
        axis.set_ylabel("sample" if row == 0 else f"nearest {row}", fontsize=9)
    return figure


def confusion(counts, classes, title):
    """A confusion matrix: rows true, columns predicted.

    Parameters
    ----------
    counts : int array, shape (classes, classes)
    """
    figure = Figure(figsize=(7.5, 7), layout="constrained")
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
    places = np.arange(len(classes))
    axis.set_xticks(places, classes, rotation=45 if max(map(len, classes)) > 2 else 0)
    axis.set_yticks(places, classes)
    axis.set(xlabel="predicted", ylabel="true")
    _title(figure, title)
    return figure


def first_layer(kernel, input_shape, title):
    """The weights of a dense net's first layer as pictures.

    Parameters
    ----------
    kernel : float array, shape (inputs, units)
        At most 100 units are drawn.
    input_shape : (height, width, channels)
        Of the images.
    """
    kernel = kernel[:, :100].reshape(*input_shape, -1)
    count = kernel.shape[-1]
    columns = 10 if count > 25 else 5
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(columns * 0.9 + 1, rows * 0.9 + 0.6), layout="constrained")
    _title(figure, title)
    axes = figure.subplots(rows, columns, squeeze=False)
    largest = np.abs(kernel).max() or 1.0
    pictures = stretched(kernel)
    for index, axis in enumerate(axes.flat):
        axis.set_axis_off()
        if index >= count:
            continue
        if kernel.shape[-2] == 1:
            drawn = axis.imshow(kernel[..., 0, index], cmap="RdBu_r", vmin=-largest, vmax=largest)
        else:
            axis.imshow(pictures[..., index])
    if kernel.shape[-2] == 1:
        figure.colorbar(drawn, ax=axes, label="weight", aspect=40)
    return figure


def filters(kernel, title):
    """The filters of a convolution as small pictures, 16 to a row, each stretched to [0, 1] by itself.

    Parameters
    ----------
    kernel : float array, shape (height, width, 1 or 3, filters)
    """
    pictures = np.moveaxis(stretched(kernel), -1, 0)
    count, height, width, channels = pictures.shape
    columns = min(count, FILTER_COLUMNS)
    rows = math.ceil(count / columns)
    # One picture of all, with a line of white around each filter; every weight a square of whole pixels.
    sheet = np.ones((rows * (height + 1) + 1, columns * (width + 1) + 1, channels))
    for index, picture in enumerate(pictures):
        top, left = (index // columns) * (height + 1) + 1, (index % columns) * (width + 1) + 1
        sheet[top : top + height, left : left + width] = picture
    zoom = max(1, FILTERS_WIDTH // sheet.shape[1])
    below, above = 0.1, 0.2 + 0.2 * len(_wrapped(title, FILTERS_WIDTH / DPI).split("\n"))
    size = np.array([sheet.shape[1], sheet.shape[0]]) * zoom / DPI
    figure = Figure(figsize=(max(size[0], FILTERS_WIDTH / DPI) + 2 * below, size[1] + below + above))
    left = (figure.get_figwidth() - size[0]) / 2
    axis = figure.add_axes((left / figure.get_figwidth(), below / figure.get_figheight(), *(size / figure.get_size_inches())))
    axis.set_axis_off()
    axis.imshow(sheet if channels == 3 else sheet[..., 0], cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    _title(figure, title)
    return figure


def stretched(kernel):
    """Each filter of a convolution stretched to [0, 1] by itself; one of equal weights becomes a mid-grey.

    Parameters
    ----------
    kernel : float array, shape (..., filters)

    Returns
    -------
    float64 array of that shape
    """
    kernel = np.asarray(kernel, float)
    everything = tuple(range(kernel.ndim - 1))
    least = kernel.min(axis=everything)
    spread = kernel.max(axis=everything) - least
    return np.where(spread > 0, (kernel - least) / np.where(spread > 0, spread, 1), 0.5)


def points(made, title):
    """A scatter plot of generated points, and a circle around what is near each of the ring's modes.

    Parameters
    ----------
    made : float array, shape (n, 2)
    """
    figure = Figure(figsize=(4, 4), layout="constrained")
    axis = figure.subplots()
    axis.plot(*made.T, "C0.", ms=2, alpha=0.4)
    for centre in RING_CENTRES:
        axis.add_patch(Circle(centre, NEAR * RING_DEVIATION, edgecolor="C1", facecolor="none", zorder=3))
    side = 1.5 * RING_RADIUS
    axis.set(xlim=(-side, side), ylim=(-side, side), aspect="equal")
    _title(figure, title)
    return figure


def fits(x, y, everywhere, truth, panels, title):
    """Curves fitted to samples, side by side.

    Parameters
    ----------
    x, y : float arrays, shape (n,)
        The samples.
    everywhere, truth : float arrays, shape (m,)
        The function behind them.
    panels : list of (str, float array of shape (m,))
        Title and fitted curve of each.
    """
    figure = Figure(figsize=(4 * len(panels), 4.6), layout="constrained")
    _title(figure, title)
    axes = figure.subplots(1, len(panels), sharey=True)
    for axis, (name, curve) in zip(axes, panels):
        axis.plot(everywhere, truth, "k--", linewidth=1, label="truth")
        axis.plot(everywhere, curve, "C0", label="fit")
        axis.plot(x, y, "C1o", ms=4, label="samples")
        axis.set_title(name, fontsize=10)
        axis.set_xlabel("x")
        axis.grid(alpha=0.3)
    margin = np.ptp(y) / 2
    axes[0].set_ylim(y.min() - margin, y.max() + margin)  # where the fit shoots out, it is cut off
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
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    _title(figure, title)
    axis = figure.subplots()
    axis.plot(offsets, shifted, "C0", linewidth=5, alpha=0.4, label="shifted by the maximum")
    axis.plot(offsets, naive, "C1", label="naive")
    failed = ~np.isfinite(naive)
    axis.fill_between(offsets, 0, 1.03, where=failed, color="C3", alpha=0.15, linewidth=0, label="naive gives NaN")
    axis.axvline(overflow, color="C3", linestyle="--", label=f"exp overflows from c = {overflow:.1f} on")
    axis.set(xlabel="offset c of all logits", ylabel="largest probability", ylim=(0, 1.03))
    axis.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def discriminator(x, data, model, learned, optimal, title):
    """A trained and the optimal discriminator of two distributions, above the distributions.

    Parameters
    ----------
    x, data, model, learned, optimal : float arrays, shape (n,)
        Points, the two densities there, and the two discriminators' probabilities.
    """
    figure = Figure(figsize=(8, 6), layout="constrained")
    _title(figure, title)
    above, below = figure.subplots(2, sharex=True)
    above.plot(x, optimal, "k--", label="p_data / (p_data + p_model)")
    above.plot(x, learned, "C2", label="trained discriminator")
    above.axhline(0.5, color="grey", linewidth=0.8)
    above.set_ylabel("probability of real")
    below.plot(x, data, "C0", label="p_data")
    below.plot(x, model, "C1", label="p_model")
    below.set(xlabel="x", ylabel="density")
    for axis in (above, below):
        axis.grid(alpha=0.3)
        axis.legend(loc="upper left")
    return figure


def _title(figure, text):
    figure.suptitle(_wrapped(text, figure.get_figwidth()), fontsize=12)


def _wrapped(text, inches):
    # A character of 12 points is about 7 points wide.
    return textwrap.fill(text, int(inches * 72 / 7))


def _draw(axis, image):
    if image.shape[-1] == 1:
        axis.imshow(image[..., 0], cmap="gray_r", vmin=0, vmax=255)
    else:
        axis.imshow(image)
