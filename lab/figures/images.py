"""Figures made of images, and of weights as images."""

import math
import textwrap

import numpy as np

from lab.figures.base import DPI, literal, new_figure, shortened, wrapped

ROWS, COLUMNS = 3, 5
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
    longest = max((len(line) for caption in captions for line in caption.split("\n")), default=0)
    wide, tall = _cell(images)
    figure = new_figure(max(columns * max(1.7 * wide, longest * 0.08), 5), rows * (1.7 * tall + 0.25) + 0.5, title)
    _captioned(figure.subplots(rows, columns, squeeze=False), images, captions, 9)
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
    columns, size, side = (min(len(means), 5), 10, 1.7) if len(means) <= 10 else (10, 8, 0.9)
    rows, (wide, tall) = math.ceil(len(means) / columns), _cell(means)
    letters = int(side * wide * 115 / size)  # a letter is at most 0.63 as wide as it is high, of 72 points to an inch
    captions = [textwrap.fill(shortened(name), letters) for name in classes[: len(means)]]
    lines = max(caption.count("\n") for caption in captions)
    figure = new_figure(max(columns * side * wide, 5), rows * (side * tall + 0.05 + lines * 0.17) + 0.5, title)
    _captioned(figure.subplots(rows, columns, squeeze=False), means.astype(np.uint8), captions, size)
    return figure


def _cell(images):
    """How many times as wide and as high as a square's an image's place is; those of very long ones stay partly empty."""
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
    """The filters of a convolution as small pictures, 16 to a row, each stretched to [0, 1] by itself.

    Parameters
    ----------
    kernel : float array, shape (height, width, 1 or 3, filters)
    """
    pictures = np.moveaxis(_stretched(kernel), -1, 0)
    count, height, width, channels = pictures.shape
    columns = min(count, FILTER_COLUMNS)
    rows = math.ceil(count / columns)
    # One picture of all, with a line of white around each filter; every weight a square of whole pixels.
    sheet = np.ones((rows * (height + 1) + 1, columns * (width + 1) + 1, channels))
    for index, picture in enumerate(pictures):
        top, left = (index // columns) * (height + 1) + 1, (index % columns) * (width + 1) + 1
        sheet[top : top + height, left : left + width] = picture
    zoom = max(1, FILTERS_WIDTH // sheet.shape[1])
    below, above = 0.1, 0.2 + 0.2 * len(wrapped(title, FILTERS_WIDTH / DPI).split("\n"))
    size = np.array([sheet.shape[1], sheet.shape[0]]) * zoom / DPI
    figure = new_figure(max(size[0], FILTERS_WIDTH / DPI) + 2 * below, size[1] + below + above, title, layout=None)
    left = (figure.get_figwidth() - size[0]) / 2
    axis = figure.add_axes((left / figure.get_figwidth(), below / figure.get_figheight(), *(size / figure.get_size_inches())))
    axis.set_axis_off()
    axis.imshow(sheet if channels == 3 else sheet[..., 0], cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    return figure


def _stretched(kernel):
    """Each filter of a convolution, the last axis, stretched to [0, 1] by itself; one of equal weights becomes a mid-grey."""
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
