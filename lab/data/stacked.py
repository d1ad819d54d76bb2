"""Stacked MNIST: three digits as the colours of one image, 1,000 classes (Metz et al. 2017, arXiv
1611.02163).
"""

import numpy as np

from lab.data.arrays import Arrays
from lab.settings import CLASSES

DIGITS = 3


def stack(digits):
    """As many stacked images as there are digits of each part, always the same ones.

    Parameters
    ----------
    digits : Arrays
        MNIST.

    Returns
    -------
    Arrays
        A label is the number that the three digits are, red the hundreds.
    """
    generator = np.random.default_rng(0)
    parts = []
    for images, labels in (digits.train, digits.validation):
        chosen = generator.integers(len(images), size=(len(images), DIGITS))
        parts += [np.moveaxis(images[chosen][..., 0], 1, -1).copy(), joined_labels(labels[chosen])]
    return Arrays(*parts, CLASSES["stacked_mnist"])


def joined_labels(digits):
    """The labels of three digits each: int array, shape (n, 3) -> (n,)."""
    return digits @ [100, 10, 1]
