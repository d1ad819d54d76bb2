"""The arrays of a data set, and what tells one from another."""

import hashlib
from typing import NamedTuple

import numpy as np

from lab.settings import CLASSES, IMAGE_SHAPES, UserError

LEAST_SIDE, MOST_SIDE = 8, 256
MOST_CLASSES = 1_000
_FEW = 100  # images


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
    divisor: int | None = None  # of pictures with 16 bits a pixel, as of `pictures.divisor_for`
    ignored: dict[str, int] | None = (
        None  # files of a folder that are no pictures: counts by ending
    )

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
    images, labels = arrays.train_images, arrays.train_labels
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


def checked(name, path, parts):
    """The arrays of a data set that is known by name in the shapes and types that `Arrays`
    promises.

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
        If they are others.
    """
    shape, classes = IMAGE_SHAPES[name], CLASSES[name]
    try:
        found = with_axes(parts)
        count = found[1].max() + 1
        # A few images may well lack the last class.
        if (
            found[0].shape[1:] != shape
            or count > len(classes)
            or (count < len(classes) and len(found[1]) >= _FEW)
        ):
            about = f"images of {in_words(found[0].shape[1:])} in {count} classes"
            raise ValueError(
                f"expected {name}, uint8 images of {in_words(shape)} in {len(classes)} classes; found {about}"
            )
    except ValueError as error:
        raise UserError(
            f"{path}: {error}; your own data are named by their file: --dataset {path}"
        ) from error
    return Arrays(*found, classes)


def with_axes(parts):
    """Arrays as `Arrays` has them; ValueError if they are none.

    Parameters
    ----------
    parts : list of arrays
        As of `check_layout`.
    """
    check_layout(parts)
    found = []
    for images, labels in (parts[:2], parts[2:]):
        if labels.min() < 0 or labels.max() >= MOST_CLASSES:
            expected = f"labels must be whole numbers from 0 to {MOST_CLASSES - 1}"
            raise ValueError(f"{expected}, found {labels.min()} to {labels.max()}")
        found += [images.reshape(*images.shape[:3], -1), labels.astype(np.int64).reshape(-1)]
    if found[3].max() > found[1].max():
        raise ValueError(f"class {found[3].max()} has test images, but none for training")
    return found


def check_layout(parts):
    """Raise ValueError if arrays of these shapes and types are no data set: known before they are
    read.

    Parameters
    ----------
    parts : list of arrays
        Images of shape (n, height, width) or (n, height, width, channels), whole-number labels of
        shape (n,) or (n, 1); of training and validation.
    """
    for images, labels in (parts[:2], parts[2:]):
        if images.dtype != np.uint8 or images.ndim not in (3, 4) or not images.size:
            expected = "uint8 images from 0 to 255, shape (n, height, width) or (n, height, width, channels)"
            raise ValueError(f"expected {expected}; found {images.dtype}, {images.shape}")
        height, width, channels = (*images.shape[1:], 1)[:3]
        if not all(LEAST_SIDE <= side <= MOST_SIDE for side in (height, width)) or channels not in (
            1,
            3,
        ):
            expected = f"grey or colour images of {LEAST_SIDE} to {MOST_SIDE} pixels a side"
            raise ValueError(f"expected {expected}; found {in_words((height, width, channels))}")
        count = len(images)
        if labels.dtype.kind not in "iu" or labels.shape not in ((count,), (count, 1)):
            expected = f"{count:,} whole-number labels, one an image, shape ({count},)"
            raise ValueError(f"expected {expected}; found {labels.dtype}, {labels.shape}")
    train, test = (in_words((*images.shape[1:], 1)[:3]) for images in parts[::2])
    if train != test:
        raise ValueError(
            f"expected one shape of all images; found {train} for training, {test} for testing"
        )


def in_words(shape):
    """The shape of an image as text: "28x28, grey"."""
    *sides, channels = shape
    return f"{'x'.join(map(str, sides))}, {({1: 'grey', 3: 'colour'}).get(channels, f'{channels} channels')}"
