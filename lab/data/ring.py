"""A data set of points whose modes are known: 8 Gaussians on a circle (Metz et al. 2017, arXiv 1611.02163)."""

import numpy as np

from lab.data.arrays import Arrays
from lab.settings import CLASSES

RADIUS, DEVIATION = 2.0, 0.02
CENTRES = RADIUS * np.exp(2j * np.pi * np.arange(8) / 8).view(float).reshape(8, 2)
MODES = CENTRES, 3 * DEVIATION  # and what counts as near one


def generate(train=100_000, validation=2_500):
    """So many points of each part, always the same ones."""
    generator = np.random.default_rng(0)
    parts = []
    for count in (train, validation):
        labels = generator.integers(len(CENTRES), size=count)
        points = CENTRES[labels] + DEVIATION * generator.standard_normal((count, 2))
        parts += [points.astype(np.float32), labels]
    return Arrays(*parts, CLASSES["ring"])
