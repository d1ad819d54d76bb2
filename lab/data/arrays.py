"""The arrays of a data set, and what tells one from another."""

import hashlib
from typing import NamedTuple

import numpy as np

from lab.data.catalogue import CLASSES, IMAGE_SHAPES
from lab.settings import UserError


class Arrays(NamedTuple):
    """A data set: images uint8, shape (n, height, width, channels); labels int64, shape (n,).

    The images of the ring are points, float32, shape (n, 2).
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    validation_images: np.ndarray
    validation_labels: np.ndarray


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
    return Arrays(images[kept], labels[kept], images[held], labels[held])


def remaining(arrays, holdout):
    """How many training images are left when so many are held out; UserError if there are none."""
    available = len(arrays.train_images)
    if holdout >= available:
        raise UserError(f"cannot hold out {holdout} images: there are {available} training images")
    return available - holdout


def fingerprint(arrays):
    """SHA-256 over the arrays' shapes and bytes: the same data set gives the same one from whichever file it came."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(repr(array.shape).encode())
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


def checked(name, path, arrays):
    """Arrays of a data set in the shapes and types that `Arrays` promises; UserError where the file holds others."""
    parts = []
    for images, labels in (arrays[:2], arrays[2:]):
        shape = IMAGE_SHAPES[name]
        grey = (*shape[:-1], 1) == shape and images.shape[1:] == shape[:-1]  # without the axis of the single channel
        if images.dtype != np.uint8 or not (grey or images.shape[1:] == shape) or not images.size:
            found = f"{images.dtype}, {images.shape}"
            raise UserError(f"{path}: expected uint8 images, shape (n, {', '.join(map(str, shape))}); found {found}")
        if labels.size != len(images) or not np.issubdtype(labels.dtype, np.integer):
            found = f"{labels.size} of type {labels.dtype}"
            raise UserError(f"{path}: expected {len(images)} whole-number labels, one an image; found {found}")
        classes = len(CLASSES[name])
        if labels.min() < 0 or labels.max() >= classes:
            raise UserError(f"{path}: labels must lie in 0 to {classes - 1}, found {labels.min()} to {labels.max()}")
        parts += [images.reshape(-1, *shape), labels.astype(np.int64).reshape(-1)]
    return Arrays(*parts)
