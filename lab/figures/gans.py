"""Figures of a GAN's samples, images or points, and of what is measured of them over time."""

import math

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Circle
from matplotlib.ticker import MaxNLocator
from PIL import Image, ImageDraw, ImageOps

from lab.figures.base import legend_beside, new_figure, short_lines, styles, with_legend
from lab.metrics.table import METRICS

SMALL, LARGE = 64, 128  # pixels: an image is enlarged to one side, and reduced to the other


def samples(generated, modes, title=None):
    """A GAN's samples: a grid of images without a title, or a scatter plot of points, perhaps with
    one.

    Parameters
    ----------
    generated : uint8 array, shape (n, height, width, channels), n >= 100; or float array, shape
        (n, 2)
    modes : (float array, shape (modes, 2), float) or None
        Of points: where the modes lie, and how far around each is near.
    title : str, optional

    Returns
    -------
    PIL.Image.Image or matplotlib.figure.Figure
    """
    return (
        points(generated, *modes, title)
        if generated.ndim == 2
        else sample_grid(generated[:100], zoom=_zoom(generated))
    )


def _zoom(images):
    side = max(images.shape[1:3])
    return SMALL // side or min(1, LARGE / side)


def sample_grid(images, rows=10, columns=10, zoom=2):
    """Tile images into one picture, row by row, so many times as large, grey ones dark on white as
    in all figures.

    Parameters
    ----------
    images : uint8 array, shape (rows * columns, height, width, 1 or 3)
    rows, columns : int
    zoom : float
        Pixels of the picture to one of an image.

    Returns
    -------
    PIL.Image.Image
    """
    _, height, width, channels = images.shape
    tiles = images.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    sheet = tiles.reshape(rows * height, columns * width, channels)
    picture = Image.fromarray(255 - sheet[..., 0] if channels == 1 else sheet)
    return picture.resize(
        (int(zoom * picture.width), int(zoom * picture.height)), Image.Resampling.BOX
    )


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
        axis.add_patch(Circle(centre, radius, edgecolor="k", facecolor="none", zorder=3))
    side = 1.5 * np.abs(centres).max()
    axis.set(xlim=(-side, side), ylim=(-side, side), aspect="equal")
    return figure


def captioned(picture, text):
    """A picture with a line of text above it.

    Parameters
    ----------
    picture : PIL.Image.Image
    text : str

    Returns
    -------
    PIL.Image.Image
        In colour, 24 pixels higher.
    """
    sheet = ImageOps.expand(picture.convert("RGB"), (0, 24, 0, 0), "white")
    ImageDraw.Draw(sheet).text((picture.width / 2, 12), text, "black", anchor="mm", font_size=16)
    return sheet


def strip(rows, epochs, title):
    """Samples by epoch, side by side, of several runs below each other; those of one run in rows
    of three, if they are many.

    Parameters
    ----------
    rows : dict of str to list of uint8 array, shape (height, width, 3)
        By the run's name: a picture for each epoch.
    epochs : sequence of int
    title : str
    """
    pictures = [picture for row in rows.values() for picture in row]
    wraps = len(rows) == 1 and len(epochs) > 4
    columns = 3 if wraps else len(epochs)
    lines, side = math.ceil(len(pictures) / columns), min(3.2, 15.6 / columns)
    height = side * len(pictures[0]) / len(pictures[0][0])
    figure = new_figure(columns * side, lines * (height + (0.2 if wraps else 0)) + 0.6, title)
    figure.get_layout_engine().set(wspace=0.03)
    axes = figure.subplots(lines, columns, squeeze=False)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[], frame_on=False)
    for index, (axis, picture) in enumerate(zip(axes.flat, pictures)):
        axis.imshow(picture)
        if wraps or index < columns:
            axis.set_title(f"epoch {epochs[index]}", fontsize=10)
    for axis, name in zip(axes[:, 0], () if wraps else rows):
        axis.set_ylabel(short_lines(name, int(height * 11)), fontsize=10)
    return figure


def over_time(groups, of_data, title):
    """Measures of a GAN's samples by epoch, below each other: a thin line for every run, and a
    dotted one for real data.

    Parameters
    ----------
    groups : dict of str to list of dict
        By the name of a setting, for each of its runs: "epoch" and metrics that have an axis, each to
        a list of float by epoch. Those that all of them have are drawn.
    of_data : dict of str to float
        The same measures of real data; of those that are known.
    title : str
    """
    runs = [run for several in groups.values() for run in several]
    known = [name for name in runs[0] if name in METRICS and all(name in run for run in runs)]
    names = [name for name in known if METRICS[name].axis]
    looks = {name: {"color": look["color"]} for name, look in styles(groups).items()}
    handles = {name: Line2D([], [], **look) for name, look in looks.items()}
    handles |= {"real data": Line2D([], [], color="k", linestyle=":")} if of_data else {}
    figure = with_legend(handles, title, height=1 + 2.2 * len(names))
    legend_beside(figure, handles)
    axes = figure.subplots(len(names), sharex=True, squeeze=False)[:, 0]
    for axis, name in zip(axes, names):
        for group, several in groups.items():
            for run in several:
                axis.plot(
                    run["epoch"], np.array(run[name], float), linewidth=1, alpha=0.7, **looks[group]
                )
        if of_data.get(name) is not None:
            axis.axhline(of_data[name], color="k", linestyle=":", linewidth=1.5)
        axis.set_ylim(bottom=min(0, axis.get_ylim()[0]) if name == "reverse_kl" else 0)
        axis.set_ylabel(METRICS[name].axis)
        axis.grid(alpha=0.3)
    axes[-1].set_xlim(0, max(max(run["epoch"]) for run in runs) or 1)
    axes[-1].set_xlabel("epoch")
    axes[-1].xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 5, 10]))
    return figure
