"""The arrays of a data set, and what tells one from another."""

import hashlib
from typing import NamedTuple

import numpy as np

from lab.settings import (
    CLASSES,
    IMAGE_SHAPES,
    LEAST_SIDE,
    MOST_CLASSES,
    MOST_SIDE,
    UserError,
)

_FEW = 100  # images, which may well lack the last class


class Arrays(NamedTuple):
    """A data set: images uint8, shape (n, height, width, channels); labels int64, shape (n,).

    The images of the ring and the grid are points, float32, shape (n, 2).
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    validation_images: np.ndarray
    validation_labels: np.ndarray
    classes: tuple[str, ...] = CLASSES["mnist"]
    # Of data of the user's own.
    path: str | None = None
    divisor: int | None = None  # of pictures with 16 bits a pixel, see `pictures.divisor_for`
    ignored: dict[str, int] | None = None  # other files of a folder: counts by ending

    @property
    def train(self):
        """Images and labels."""
        return self[:2]

    @property
    def validation(self):
        """Images and labels."""
        return self[2:4]

    @property
    def arrays(self):
        return self[:4]

    @property
    def kind(self):
        """The shape of an example, and the number of classes."""
        return self.train_images.shape[1:], len(self.classes)


def hold_out(arrays, count):
    """Validate on ``count`` of the training images in place of the validation images.

    Which ones depends on their number only, so that runs of different seeds are validated alike.

    Raises
    ------
    UserError
        If no training images would be left.
    """
    if not count:
        return arrays
    remaining(arrays, count)
    order = np.random.default_rng(0).permutation(len(arrays.train_images))
    held, kept = np.sort(order[:count]), np.sort(order[count:])
    images, labels = arrays.train
    return Arrays(images[kept], labels[kept], images[held], labels[held], *arrays[4:])


def remaining(arrays, holdout):
    """How many training images are left when so many are held out; UserError if there are none."""
    available = len(arrays.train_images)
    if holdout >= available:
        raise UserError(f"cannot hold out {holdout} images: there are {available} training images")
    return available - holdout


def fingerprint(arrays):
    """SHA-256 over the arrays' shapes and bytes: the same data set gives the same one from
    whichever file it came.
    """
    digest = hashlib.sha256()
    for array in arrays.arrays:
        digest.update(repr(array.shape).encode())
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


def known_arrays(name, path, parts):
    """The `Arrays` of a data set that is known by name.

    Parameters
    ----------
    name : str
        A key of `CLASSES`.
    path : path
        Where they are from.
    parts : list of arrays
        In the order of `Arrays`.

    Raises
    ------
    UserError
        If they are those of another data set, or of none.
    """
    shape, classes = IMAGE_SHAPES[name], CLASSES[name]
    try:
        parts = with_axes(parts)
        found, count = parts[0].shape[1:], parts[1].max() + 1
        is_whole = count == len(classes) or (count < len(classes) and len(parts[1]) < _FEW)
        if found != shape or not is_whole:
            raise ValueError(
                f"expected {name}, uint8 images of {shape_in_words(shape)} in {len(classes)} "
                f"classes; found images of {shape_in_words(found)} in {count} classes"
            )
    except ValueError as error:
        raise UserError(
            f"{path}: {error}; your own data are named by their file: --dataset {path}"
        ) from error
    return Arrays(*parts, classes)


def with_axes(parts):
    """Arrays in the shapes and types of `Arrays`; ValueError if they are no data set.

    Parameters
    ----------
    parts : list of arrays
        See `check_layout`.
    """
    check_layout(parts)
    for labels in parts[1::2]:
        if labels.min() < 0 or labels.max() >= MOST_CLASSES:
            raise ValueError(
                f"labels must be whole numbers from 0 to {MOST_CLASSES - 1}, "
                f"found {labels.min()} to {labels.max()}"
            )
    if parts[3].max() > parts[1].max():
        raise ValueError(f"class {parts[3].max()} has test images, but none for training")
    return [
        part.astype(np.int64).ravel() if index % 2 else part.reshape(*part.shape[:3], -1)
        for index, part in enumerate(parts)
    ]


def check_layout(parts):
    """Raise ValueError if arrays of these shapes and types are no data set: known before they are
    read.

    Parameters
    ----------
    parts : list of arrays
        Images of shape (n, height, width) or (n, height, width, channels), whole-number labels of
        shape (n,) or (n, 1); of training and validation.
    """
    shapes = [(*images.shape[1:], 1)[:3] for images in parts[::2]]
    for images, labels, shape in zip(parts[::2], parts[1::2], shapes):
        if images.dtype != np.uint8 or images.ndim not in (3, 4) or not images.size:
            raise ValueError(
                "expected uint8 images from 0 to 255, shape (n, height, width) or "
                f"(n, height, width, channels); found {images.dtype}, {images.shape}"
            )
        if not has_sides(shape[:2]) or shape[2] not in (1, 3):
            raise ValueError(
                f"expected grey or colour images of {LEAST_SIDE} to {MOST_SIDE} pixels a side; "
                f"found {shape_in_words(shape)}"
            )
        count = len(images)
        if labels.dtype.kind not in "iu" or labels.shape not in ((count,), (count, 1)):
            raise ValueError(
                f"expected {count:,} whole-number labels, one an image, shape ({count},); "
                f"found {labels.dtype}, {labels.shape}"
            )
    if shapes[0] != shapes[1]:
        train, test = map(shape_in_words, shapes)
        raise ValueError(
            f"expected one shape of all images; found {train} for training, {test} for testing"
        )


def has_sides(sides):
    """Whether images may have so many pixels a side."""
    return all(LEAST_SIDE <= side <= MOST_SIDE for side in sides)


def shape_in_words(shape):
    """The shape of an image as text: "28x28, grey"."""
    height, width, channels = shape
    colour = {1: "grey", 3: "colour"}.get(channels, f"{channels} channels")
    return f"{height}x{width}, {colour}"
