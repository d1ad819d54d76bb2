"""How near generated features come to real ones, and how much of these they cover."""

import contextlib
import io
from typing import NamedTuple

import numpy as np

NEIGHBOURS = 5  # as Naeem et al. 2020 recommend
LEAST = NEIGHBOURS + 2  # features of each kind
_DEGREE = 3


class Fidelity(NamedTuple):
    """Of features of generated images against those of real ones.

    Precision and recall (Kynkäänniemi et al. 2019, arXiv 1904.06991): the share of generated images that lie within reach of a
    real one, and of real ones within reach of a generated one; reach: the distance to the fifth neighbour of its own kind.
    Density and coverage (Naeem et al. 2020, arXiv 2002.09797): how many real images reach a generated one, a fifth of it on
    average over generated ones; and the share of real images that reach one. Kernel distance (Binkowski et al. 2018,
    arXiv 1801.01401).
    """

    precision: float
    recall: float
    density: float
    coverage: float
    kernel: float


def fidelity(real, generated):
    """How near generated features come to real ones, and how much of these they cover.

    Parameters
    ----------
    real, generated : float arrays, shapes (n, features) and (m, features), n and m at least `LEAST`

    Returns
    -------
    Fidelity
    """
    from prdc import compute_prdc  # with scikit-learn, whose import takes a second

    with contextlib.redirect_stdout(io.StringIO()):  # it prints its arguments' sizes
        shares = compute_prdc(real, generated, NEIGHBOURS)
    return Fidelity(**{name: float(value) for name, value in shares.items()}, kernel=kernel_distance(real, generated))


def kernel_distance(one, other):
    """Squared maximum mean discrepancy of features under the kernel (x·y / features + 1)^3, without bias: for two samples of
    the same distribution it is 0 on average, and may be less.

    Parameters
    ----------
    one, other : float arrays, shapes (n, features) and (m, features)

    Returns
    -------
    float
    """
    within = []
    for features in (one, other):
        kernel = _kernel(features, features)
        within.append((kernel.sum() - np.trace(kernel)) / (len(features) * (len(features) - 1)))
    return float(sum(within) - 2 * _kernel(one, other).mean())


def _kernel(one, other):
    return (one @ other.T / one.shape[1] + 1) ** _DEGREE
