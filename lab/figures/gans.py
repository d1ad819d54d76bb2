"""Figures of a GAN's samples, images or points, and of what is measured of them over time."""

import numpy as np
from matplotlib.patches import Circle
from matplotlib.ticker import MaxNLocator
from PIL import ImageDraw, ImageOps

from lab.figures.base import in_lines, legend_beside, styles, subplots
from lab.figures.images import image_grid, sample_grid
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
    if generated.ndim > 2:
        side = max(generated.shape[1:3])
        return sample_grid(generated, zoom=SMALL // side or min(1, LARGE / side))
    centres, radius = modes
    figure, axis = subplots((4, 4), title)
    axis.plot(*generated.T, "C0.", ms=2, alpha=0.4)
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
    wraps = len(rows) == 1 and len(epochs) > 4
    columns = 3 if wraps else len(epochs)
    side = min(3.2, 15.6 / columns)
    pictures = [picture for row in rows.values() for picture in row]
    captions = [f"epoch {epoch}" for epoch in epochs]
    figure, axes = image_grid(pictures, captions, columns, title, side)
    for axis, name in zip(axes[:, 0], () if wraps else rows):
        axis.set_ylabel(in_lines(name, int(11 * side)), fontsize=10)
    return figure


def over_time(groups, of_data, title):
    """Measures of a GAN's samples by epoch, below each other: a thin line for every run, and a
    dotted one for real data.

    Parameters
    ----------
    groups : dict of str to list of dict
        By the name of a setting, for each of its runs: "epoch" and metrics that have an axis, each
        to a list of float by epoch. Those that all of them have are drawn.
    of_data : dict of str to float
        The same measures of real data; of those that are known.
    title : str
    """
    runs = [run for several in groups.values() for run in several]
    common = [name for name in runs[0] if all(name in run for run in runs)]
    names = [name for name in common if name in METRICS and METRICS[name].axis]
    looks = styles(groups, "-", "linestyle")
    real = {"color": "k", "linestyle": ":"}
    size = 8, 1 + 2.2 * len(names)
    figure, axes = subplots(size, title, len(names), sharex=True, squeeze=False)
    for axis, name in zip(axes[:, 0], names):
        for group, several in groups.items():
            for run in several:
                values = np.array(run[name], float)
                axis.plot(run["epoch"], values, linewidth=1, alpha=0.7, **looks[group])
        if of_data.get(name) is not None:
            axis.axhline(of_data[name], linewidth=1.5, **real)
        axis.set_ylim(bottom=min(0, axis.dataLim.y0))
        axis.set_ylabel(METRICS[name].axis)
        axis.grid()
    axis.set_xlim(0, max(max(run["epoch"]) for run in runs) or 1)
    axis.set_xlabel("epoch")
    axis.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 5, 10]))
    legend_beside(figure, looks | ({"real data": real} if of_data else {}))
    return figure
