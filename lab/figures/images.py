"""Figures made of images, and of weights as images."""

import math
import textwrap
from typing import NamedTuple

import numpy as np
from matplotlib.patches import Rectangle

from lab.figures.base import DPI, letters_in, literal, new_figure, shortened, wrapped

ROWS, COLUMNS = 3, 5
WIDEST, PICTURE, CELL, LINE, _GAP = (
    13,
    1.9,
    1.0,
    0.18,
    0.12,
)  # inches: of a sheet of pictures, and what is on it
MEANS = 50  # classes, whose mean images are drawn
UNITS = 100  # of a dense layer, whose weights are drawn
FILTER_COLUMNS, FILTERS_WIDTH = 16, 1200  # filters to a row, and pixels that a row takes at most


def examples(images, captions, title):
    """Up to 3 x 5 images with a caption above each, on a sheet as large as they need.

    Parameters
    ----------
    images : uint8 array, shape (n, height, width, channels)
    captions : list of str
    title : str
    """
    count = max(1, min(len(images), ROWS * COLUMNS))
    rows, columns = math.ceil(count / COLUMNS), min(count, COLUMNS)
    longest = max(
        (letters_in(line) for caption in captions for line in caption.split("\n")), default=0
    )
    wide, tall = _cell(images)
    figure = new_figure(
        max(columns * max(1.7 * wide, longest * 0.08), 5), rows * (1.7 * tall + 0.25) + 0.5, title
    )
    _captioned(figure.subplots(rows, columns, squeeze=False), images, captions, 9)
    return figure


class Seen(NamedTuple):
    """A user's picture, and what a network saw in it."""

    name: str
    picture: np.ndarray  # uint8, shape (any, any, 3)
    boxes: list  # left, top, width and height in pixels of each image
    images: np.ndarray  # uint8, shape (n, height, width, channels)
    captions: list[str]  # two lines for each image


def predictions(several, title):
    """Pictures with a box around each thing that was found, beside images of these, in two rows if
    they are many.

    Parameters
    ----------
    several : list of Seen
    title : str
    """
    blocks = [_Block(seen) for seen in several]
    rows = [[blocks[0]]]
    for block in blocks[1:]:
        if sum(one.width for one in rows[-1]) + block.width <= WIDEST:
            rows[-1].append(block)
        else:
            rows.append([block])
    width = max(4, *(sum(block.width for block in row) for row in rows)) + _GAP
    top = 0.2 + 0.2 * len(wrapped(title, width).split("\n"))
    height = top + sum(max(block.height for block in row) for row in rows)
    figure = new_figure(width, height, layout=None)
    figure.suptitle(wrapped(title, width), fontsize=12, y=1 - 0.1 / height, va="top")
    for row in rows:
        left = _GAP
        for block in row:
            block.draw(figure, left, top)
            left += block.width
        top += max(block.height for block in row)
    return figure


class _Block:
    """A picture and images beside it, in inches."""

    def __init__(self, seen):
        self.seen = seen
        height, width = seen.picture.shape[:2]
        self.picture = PICTURE * np.array([width, height]) / max(width, height)
        self.columns = max(min(len(seen.images), 3), math.ceil(len(seen.images) / 2))
        self.width = PICTURE + self.columns * CELL + 3 * _GAP
        self.height = (
            LINE
            + max(self.picture[1], math.ceil(len(seen.images) / self.columns) * (CELL + LINE))
            + _GAP
        )

    def draw(self, figure, left, top):
        inches = figure.get_size_inches()
        seen = self.seen

        def axis_at(left, top, size):
            return figure.add_axes(
                (left / inches[0], 1 - (top + size[1]) / inches[1], *(size / inches))
            )

        figure.text(
            left / inches[0],
            1 - (top + LINE / 2) / inches[1],
            literal(seen.name),
            fontsize=9,
            va="center",
        )
        axis = axis_at(left, top + LINE, self.picture)
        axis.imshow(seen.picture, extent=(0, seen.picture.shape[1], seen.picture.shape[0], 0))
        axis.set(xticks=[], yticks=[])
        for number, (box, image, caption) in enumerate(zip(seen.boxes, seen.images, seen.captions)):
            axis.add_patch(Rectangle(box[:2], *box[2:], edgecolor="C1", facecolor="none"))
            row, column = divmod(number, self.columns)
            place = left + PICTURE + _GAP + column * CELL, top + LINE + row * (CELL + LINE)
            small = axis_at(*place, np.full(2, CELL - 2 * LINE))
            _draw(small, image)
            small.set(xticks=[], yticks=[])
            small.set_xlabel(literal(caption), fontsize=8, labelpad=2)


def class_means(means, classes, title):
    """The mean image of each class.

    Parameters
    ----------
    means : float array, shape (n, height, width, channels), from 0 to 255
    classes : sequence of str
        At least as many; the first are named.
    title : str
    """
    columns, size, side = (min(len(means), 5), 10, 1.7) if len(means) <= 10 else (10, 8, 0.9)
    rows, (wide, tall) = math.ceil(len(means) / columns), _cell(means)
    letters = int(
        side * wide * 115 / size
    )  # a letter is at most 0.63 as wide as it is high, of 72 points to an inch
    captions = [textwrap.fill(shortened(name), letters) for name in classes[: len(means)]]
    lines = max(caption.count("\n") for caption in captions)
    figure = new_figure(
        max(columns * side * wide, 5), rows * (side * tall + 0.05 + lines * 0.17) + 0.5, title
    )
    _captioned(
        figure.subplots(rows, columns, squeeze=False), means.astype(np.uint8), captions, size
    )
    return figure


def _cell(images):
    """How many times as wide and as high as a square's an image's place is; those of very long
    ones stay partly empty.
    """
    height, width = images.shape[-3:-1]
    tall = float(np.clip(np.sqrt(height / width), 0.7, 1.4))
    return 1 / tall, tall


def _captioned(axes, images, captions, size):
    """Draw images without axes, each below its caption; what is left of the sheet stays empty."""
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, image, caption in zip(axes.flat, images, captions):
        _draw(axis, image)
        axis.set_title(literal(caption), fontsize=size)


def neighbours(images, nearest, title):
    """Images in a row, and under each its nearest others.

    Parameters
    ----------
    images : uint8 array, shape (n, height, width, channels)
    nearest : uint8 array, shape (n, neighbours, height, width, channels)
    title : str
    """
    count, rows = nearest.shape[:2]
    wide, tall = _cell(images)
    figure = new_figure(0.85 * wide * count + 1, 0.9 * tall * (rows + 1) + 0.4, title)
    axes = figure.subplots(rows + 1, count)
    for column in range(count):
        for row, image in enumerate([images[column], *nearest[column]]):
            _draw(axes[row, column], image)
            axes[row, column].set(xticks=[], yticks=[])
    for row, axis in enumerate(axes[:, 0]):
        axis.set_ylabel("sample" if row == 0 else f"nearest {row}", fontsize=9)
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
    count, grey = kernel.shape[-1], input_shape[-1] == 1
    columns = 10 if count > 25 else 5
    rows = math.ceil(count / columns)
    wide, tall = _cell(np.empty(input_shape))
    figure = new_figure(columns * 0.9 * wide + 1, rows * 0.9 * tall + 0.6, title)
    axes = figure.subplots(rows, columns, squeeze=False)
    largest = np.abs(kernel).max() or 1.0
    pictures = _stretched(kernel)
    for axis in axes.flat:
        axis.set_axis_off()
    for index, axis in enumerate(axes.flat[:count]):
        if grey:
            drawn = axis.imshow(kernel[..., 0, index], cmap="RdBu_r", vmin=-largest, vmax=largest)
        else:
            axis.imshow(pictures[..., index])
    if grey:
        figure.colorbar(drawn, ax=axes, label="weight", aspect=40)
    return figure


def filters(kernel, title):
    """The filters of a convolution as small pictures, 16 to a row, each stretched to [0, 1] by
    itself.

    Parameters
    ----------
    kernel : float array, shape (height, width, 1 or 3, filters)
    """
    pictures = np.moveaxis(_stretched(kernel), -1, 0)
    count, height, width, channels = pictures.shape
    columns = min(count, FILTER_COLUMNS)
    rows = math.ceil(count / columns)
    # One picture of all, with a line of white around each filter; every weight a square of whole
    # pixels.
    sheet = np.ones((rows * (height + 1) + 1, columns * (width + 1) + 1, channels))
    for index, picture in enumerate(pictures):
        top, left = (index // columns) * (height + 1) + 1, (index % columns) * (width + 1) + 1
        sheet[top : top + height, left : left + width] = picture
    zoom = max(1, FILTERS_WIDTH // sheet.shape[1])
    below, above = 0.1, 0.2 + 0.2 * len(wrapped(title, FILTERS_WIDTH / DPI).split("\n"))
    size = np.array([sheet.shape[1], sheet.shape[0]]) * zoom / DPI
    figure = new_figure(
        max(size[0], FILTERS_WIDTH / DPI) + 2 * below, size[1] + below + above, title, layout=None
    )
    left = (figure.get_figwidth() - size[0]) / 2
    axis = figure.add_axes(
        (
            left / figure.get_figwidth(),
            below / figure.get_figheight(),
            *(size / figure.get_size_inches()),
        )
    )
    axis.set_axis_off()
    axis.imshow(
        sheet if channels == 3 else sheet[..., 0],
        cmap="gray",
        vmin=0,
        vmax=1,
        interpolation="nearest",
    )
    return figure


def _stretched(kernel):
    """Each filter of a convolution, the last axis, stretched to [0, 1] by itself; one of equal
    weights becomes a mid-grey.
    """
    kernel = np.asarray(kernel, float)
    everything = tuple(range(kernel.ndim - 1))
    least = kernel.min(axis=everything)
    spread = kernel.max(axis=everything) - least
    return np.where(spread > 0, (kernel - least) / np.where(spread > 0, spread, 1), 0.5)


def _draw(axis, image):
    if image.shape[-1] == 1:
        axis.imshow(image[..., 0], cmap="gray_r", vmin=0, vmax=255)
    else:
        axis.imshow(image)
