"""Mode collapse in numbers: how evenly a GAN's samples spread over the classes, and how near they come to the data."""

import numpy as np
from scipy.special import chdtrc, ndtri  # scipy.stats would take a second to import

PRESENT = 0.01  # share of the samples over which a class counts as present
COVERED = 20 / 2_500  # share from which on a mode of known place counts as covered


def divergence(counts):
    """Kullback-Leibler divergence of the classes' distribution to the uniform one, in nats, corrected for the sample size.

    The plain estimate is too large by about (m - 1) / 2n for n samples in m classes (Miller 1955, *Note on the bias of
    information estimates*); without it an even spread gives 0 on average, and may give less.

    Parameters
    ----------
    counts : int array, shape (classes,)

    Returns
    -------
    float
    """
    counts = np.asarray(counts, float)
    shares = counts[counts > 0] / counts.sum()
    return float(np.log(len(counts)) + (shares * np.log(shares)).sum() - (len(shares) - 1) / (2 * counts.sum()))


def chi_square_p(counts):
    """Probability that an even spread gives counts at least so uneven, by Pearson's chi-square test."""
    expected = np.sum(counts) / len(counts)
    return float(chdtrc(len(counts) - 1, ((np.asarray(counts) - expected) ** 2 / expected).sum()))


def even_spread(samples, classes):
    """What each class has of so many samples if all are equally likely: the expected number, and low and high, between which
    the number of one class lies with a probability of 95%."""
    expected = samples / classes
    low, high = expected + ndtri([0.025, 0.975]) * np.sqrt(expected * (1 - 1 / classes))
    return expected, low, high


def frechet_distance(one, other):
    """Squared Fréchet distance of two normal distributions fitted to features (Heusel et al. 2017, arXiv 1706.08500).

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


def counts_near(points, centres, distance):
    """How many points lie within a distance of each of some centres.

    Parameters
    ----------
    points : float array, shape (n, coordinates)
    centres : float array, shape (modes, coordinates)
    distance : float

    Returns
    -------
    int array, shape (modes,)
    """
    distances = np.linalg.norm(points[:, np.newaxis] - centres, axis=-1)
    return (distances <= distance).sum(axis=0)


def nearest(images, among, count):
    """The nearest images by the Euclidean distance of their pixels.

    Parameters
    ----------
    images : uint8 array, shape (n, ...)
    among : uint8 array, shape (m, ...)
    count : int

    Returns
    -------
    indices : int array, shape (n, count), the nearest first
    distances : float array, shape (n,)
        To the nearest, in units of a pixel's full range.
    """
    mine = images.reshape(len(images), -1).astype(np.float32) / 255
    squares = []
    for part in np.array_split(among, max(1, among.size // 8_000_000)):  # as floats, all of them would take hundreds of MB
        others = part.reshape(len(part), -1).astype(np.float32) / 255
        squares.append((others**2).sum(axis=1) - 2 * mine @ others.T)
    squares = np.concatenate(squares, axis=1) + (mine**2).sum(axis=1)[:, np.newaxis]
    indices = squares.argsort(axis=1)[:, :count]
    return indices, np.sqrt(np.take_along_axis(squares, indices[:, :1], axis=1)[:, 0].clip(0))
