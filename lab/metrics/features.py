"""How near generated features come to real ones, and how much of these they cover."""

import contextlib
import io

import numpy as np

NEIGHBOURS = 5  # as Naeem et al. 2020 recommend
LEAST = NEIGHBOURS + 2  # features of each kind


def fidelity(real, generated):
    """How near generated features come to real ones, and how much of these they cover.

    Precision and recall (Kynkäänniemi et al. 2019, arXiv 1904.06991): the fraction of generated
    images that lie within reach of a real one, and of real ones within reach of a generated one;
    reach: the distance to the fifth neighbour of its own kind. Density and coverage (Naeem et al.
    2020, arXiv 2002.09797): how many real images reach a generated one, a fifth of it on average
    over generated ones; and the fraction of real images that reach one. Kernel distance (Binkowski
    et al. 2018, arXiv 1801.01401).

    Parameters
    ----------
    real, generated : float arrays, shapes (n, features) and (m, features), n and m at least `LEAST`

    Returns
    -------
    dict with floats "precision", "recall", "density", "coverage" and "kernel"
    """
    from prdc import compute_prdc  # with scikit-learn, whose import takes a second

    with contextlib.redirect_stdout(io.StringIO()):  # it prints its arguments' sizes
        found = compute_prdc(real, generated, NEIGHBOURS)
    found["kernel"] = kernel_distance(real, generated)
    return {name: float(value) for name, value in found.items()}


def frechet_distance(one, other):
    """Squared Fréchet distance of two normal distributions fitted to features (Heusel et al. 2017,
    arXiv 1706.08500).

    Parameters
    ----------
    one, other : float arrays, shapes (n, features) and (m, features)

    Returns
    -------
    float
        0 for the same distribution; with n and m small against the features, too large.
    """
    difference = one.mean(axis=0) - other.mean(axis=0)
    a, b = (np.atleast_2d(np.cov(part, rowvar=False)) for part in (one, other))
    # The trace of (ab)^(1/2) is that of (a^(1/2) b a^(1/2))^(1/2), whose matrices are symmetric.
    values, vectors = np.linalg.eigh(a)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    mixed = np.sqrt(np.linalg.eigvalsh(root @ b @ root).clip(0)).sum()
    return float(difference @ difference + np.trace(a) + np.trace(b) - 2 * mixed)


def kernel_distance(one, other):
    """Squared maximum mean discrepancy of features under the kernel (x·y / features + 1)^3,
    without bias: for two samples of the same distribution it is 0 on average, and may be less.

    Parameters: see `frechet_distance`.
    """

    def kernel(left, right):
        return (left @ right.T / left.shape[1] + 1) ** 3

    within = []
    for features in (one, other):
        values, count = kernel(features, features), len(features)
        within.append((values.sum() - np.trace(values)) / (count * (count - 1)))
    return float(sum(within) - 2 * kernel(one, other).mean())
