"""Figures made of images, and of weights as images."""

import math
import textwrap
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image, ImageOps

from lab.figures.base import DPI, in_lines, shortened, subplots

ROWS, COLUMNS = 3, 5
MEANS = 50  # classes, whose mean images are drawn
UNITS = 100  # of a dense layer, whose weights are drawn
FILTER_COLUMNS, FILTERS_WIDTH = 16, 1200  # filters to a row, and pixels that a row takes at least
_CELLS = 8  # pictures, and images of what was found in them, to a row at most
_BLANK = np.full((1, 1, 3), 255, np.uint8), "", []
_GREY = {"cmap": "gray_r", "vmin": 0, "vmax": 255}


def image_grid(images, captions, columns, title, side=1.9, look=_GREY):
    """A figure of images in rows, and its axes.

    Parameters
    ----------
    images : sequence of array, shape (height, width, 1 or 3)
    captions : sequence of str
        Above the images, of the first ones if there are fewer.
    columns : int
        At most.
    title : str
    side : float
        Inches of an image's longer side, about.
    look : dict
        Of images with one channel: options of ``imshow``.

    Returns
    -------
    matplotlib.figure.Figure, array of matplotlib.axes.Axes of shape (rows, columns)
    """
    columns = min(columns, len(images)) or 1
    rows = math.ceil(len(images) / columns) or 1
    tall = max((image.shape[0] / image.shape[1] for image in images), default=1)
    room = 0.5 if captions else 0.1
    size = columns * side, rows * (side * min(1, tall) + room)
    figure, axes = subplots(size, title, rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[], frame_on=False)
    for axis, image in zip(axes.flat, images):
        axis.imshow(image, **look)
    for axis, caption in zip(axes.flat, captions):
        axis.set_title(in_lines(caption, int(12 * side)), fontsize=9)
    return figure, axes


def examples(images, captions, title):
    """Up to 3 x 5 images with a caption above each, on a sheet as large as they need.

    Parameters
    ----------
    images : uint8 array, shape (n, height, width, channels)
    captions : list of str
    title : str
    """
    figure, _ = image_grid(images[: ROWS * COLUMNS], captions, COLUMNS, title)
    return figure


class Seen(NamedTuple):
    """A user's picture, and what a network saw in it."""

    name: str
    picture: np.ndarray  # uint8, shape (any, any, 3)
    boxes: list  # left, top, width and height in pixels of each image
    images: np.ndarray  # uint8, shape (n, height, width, channels)
    captions: list[str]  # two lines for each image


def predictions(several, title):
    """Framed pictures with a box around each thing that was found, and after each images of these.

    Parameters
    ----------
    several : list of Seen
    title : str
    """
    cells = []  # image, caption, boxes
    for seen in several:
        left = -len(cells) % _CELLS
        if left < 1 + len(seen.images):  # too few of a row: it begins the next one
            cells += [_BLANK] * left
        cells.append((seen.picture, textwrap.fill(seen.name, 14), seen.boxes))
        cells += [(image, caption, []) for image, caption in zip(seen.images, seen.captions)]
    pictures, captions, boxes = zip(*cells)
    figure, axes = image_grid(pictures, captions, _CELLS, title)
    for axis, found in zip(axes.flat, boxes):
        axis.set_frame_on(len(found) > 0)
        for left, top, *size in found:
            corner = left - 0.5, top - 0.5  # of a pixel, whose centre matplotlib counts from
            axis.add_patch(Rectangle(corner, *size, edgecolor="C1", facecolor="none"))
    return figure


def class_means(means, classes, title):
    """The mean image of each class.

    Parameters
    ----------
    means : float array, shape (n, height, width, channels), from 0 to 255
    classes : sequence of str
        At least as many; the first are named.
    title : str
    """
    columns, side = (5, 1.9) if len(means) <= 10 else (10, 1.1)
    names = [shortened(name) for name in classes]
    figure, _ = image_grid(means.astype(np.uint8), names, columns, title, side)
    return figure


def neighbours(images, nearest, title):
    """Images in a row, and under each its nearest others.

    Parameters
    ----------
    images : uint8 array, shape (n, height, width, channels)
    nearest : uint8 array, shape (n, neighbours, height, width, channels)
    title : str
    """
    pictures = np.concatenate([images, *nearest.swapaxes(0, 1)])
    figure, axes = image_grid(pictures, [], len(images), title, 1.1)
    for row, axis in enumerate(axes[:, 0]):
        axis.set_ylabel(f"nearest {row}" if row else "sample", fontsize=9)
    return figure


def first_layer(kernel, input_shape, title):
    """The weights of a dense net's first layer as pictures.

    Parameters
    ----------
    kernel : float array, shape (inputs, units)
        At most 100 units are drawn; the title says so.
    input_shape : (height, width, channels)
        Of the images.
    title : str
    """
    if kernel.shape[1] > UNITS:
        title += f", {UNITS} of {kernel.shape[1]} units"
    kernel = kernel[:, :UNITS].reshape(*input_shape, -1)
    largest, grey = np.abs(kernel).max() or 1.0, input_shape[-1] == 1
    pictures = np.moveaxis(kernel, -1, 0) if grey else _stretched(kernel)
    columns = 10 if len(pictures) > 25 else 5
    look = {"cmap": "RdBu_r", "vmin": -largest, "vmax": largest}
    figure, axes = image_grid(pictures, [], columns, title, 0.9, look)
    if grey:
        figure.colorbar(axes[0, 0].images[0], ax=axes, label="weight", aspect=40)
    return figure


def filters(kernel, title):
    """The filters of a convolution as small pictures, 16 to a row, each stretched to [0, 1] by
    itself.

    Parameters
    ----------
    kernel : float array, shape (height, width, 1 or 3, filters)
    """
    pictures = _stretched(kernel)
    columns = min(len(pictures), FILTER_COLUMNS)
    # One picture of all, with a line of white between filters; every weight a square of whole
    # pixels.
    missing = -len(pictures) % columns
    padded = np.pad(pictures, ((0, missing), (1, 0), (1, 0), (0, 0)), constant_values=1)
    sheet = _tiled(padded, columns)
    height, width = sheet.shape[:2]
    zoom = math.ceil(FILTERS_WIDTH / width)
    figure = Figure((width * zoom / DPI, height * zoom / DPI), DPI)
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set_axis_off()
    axis.imshow(sheet, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axis.set_title(in_lines(title, 100), fontsize=12)
    return figure


def _stretched(kernel):
    """Each filter of a convolution, the last axis, as a picture stretched to [0, 1] by itself; one
    of equal weights becomes a mid-grey.
    """
    pictures = np.moveaxis(kernel.astype(float), -1, 0)
    lower = pictures - pictures.min(axis=(1, 2, 3), keepdims=True)
    spread = lower.max(axis=(1, 2, 3), keepdims=True)
    return np.divide(lower, spread, out=np.full(lower.shape, 0.5), where=spread > 0)


def sample_grid(images, rows=10, columns=10, zoom=2):
    """Tile images into one picture, row by row, so many times as large, grey ones dark on white as
    in all figures.

    Parameters
    ----------
    images : uint8 array, shape (n, height, width, 1 or 3), n >= rows * columns
    rows, columns : int
    zoom : float
        Pixels of the picture to one of an image.

    Returns
    -------
    PIL.Image.Image
    """
    sheet = _tiled(images[: rows * columns], columns)
    picture = Image.fromarray(255 - sheet[..., 0] if sheet.shape[-1] == 1 else sheet)
    return ImageOps.scale(picture, zoom, Image.Resampling.BOX)


def _tiled(images, columns):
    """Images as one, row by row."""
    _, height, width, channels = images.shape
    tiles = images.reshape(-1, columns, height, width, channels).swapaxes(1, 2)
    return tiles.reshape(-1, columns * width, channels)
