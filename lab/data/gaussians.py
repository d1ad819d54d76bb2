"""Data sets of points whose modes are known: Gaussians on a circle (Metz et al. 2017, arXiv
1611.02163), or on a grid (Srivastava et al. 2017, arXiv 1705.07761).
"""

from typing import NamedTuple

import numpy as np

from lab.data.arrays import Arrays
from lab.settings import CLASSES

_NEAR = 3  # standard deviations within which a point is near a mode


class Gaussians(NamedTuple):
    """Equally likely Gaussians of one standard deviation."""

    centres: np.ndarray  # shape (modes, 2)
    deviation: float

    @property
    def modes(self):
        """Where the modes are, and within what distance a point is near one."""
        return self.centres, _NEAR * self.deviation


_CIRCLE = 2 * np.exp(2j * np.pi * np.arange(8) / 8)
_STEPS = np.arange(-4.0, 5, 2)
GAUSSIANS = {
    "ring": Gaussians(_CIRCLE.view(float).reshape(8, 2), 0.02),
    "grid": Gaussians(np.stack(np.meshgrid(_STEPS, _STEPS), axis=-1).reshape(25, 2), 0.05),
}


def draw_points(name):
    """100,000 points for training and 2,500 for validation, always the same ones.

    Parameters
    ----------
    name : str
        A key of `GAUSSIANS`.

    Returns
    -------
    Arrays
    """
    centres, deviation = GAUSSIANS[name]
    generator = np.random.default_rng(0)
    parts = []
    for count in (100_000, 2_500):
        labels = generator.integers(len(centres), size=count)
        points = centres[labels] + deviation * generator.standard_normal((count, 2))
        parts += [points.astype(np.float32), labels]
    return Arrays(*parts, CLASSES[name])
