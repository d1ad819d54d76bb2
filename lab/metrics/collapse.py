"""Mode collapse in numbers: how a GAN's samples spread over the classes, how far they are apart,
whether they are copies.
"""

import numpy as np
from scipy.special import chdtrc, ndtri, rel_entr  # scipy.stats would take a second to import

PRESENT = 0.01  # share of the samples over which a class counts as present
COVERED = 20 / 2_500  # share from which on a mode of known place counts as covered
UNCLEAR = 0.5  # confidence below which a sample looks like nothing
# Share of such samples over which the classifier's features say nothing of how near they come to
# the data.
UNKNOWN = 0.9


def reverse_kl(counts, shares):
    """Kullback-Leibler divergence of the samples' classes from those of the data, in nats,
    corrected for the sample size.

    The plain estimate is too large by about (m - 1) / 2n for n samples in m classes (Miller 1955,
    *Note on the bias of information estimates*); without it samples that spread as the data do
    give 0 on average, and may give less, if there are several of each class.

    Parameters
    ----------
    counts : int array, shape (classes,)
        Of samples.
    shares : float array, shape (classes,)
        Of the classes in the data; their sum is 1.

    Returns
    -------
    float
        Infinite where the data lack a class that the samples have.
    """
    total = np.sum(counts)
    plain = rel_entr(np.divide(counts, total), shares).sum()
    return float(plain - (np.count_nonzero(counts) - 1) / (2 * total))


def chi_square_p(counts, shares):
    """Probability that samples which spread as the data do give counts at least so far from it, by
    Pearson's chi-square test.

    Parameters as of `reverse_kl`.
    """
    expected = np.multiply(np.sum(counts), shares)
    with np.errstate(divide="ignore", invalid="ignore"):  # a class that neither has says nothing
        distances = np.where(expected == counts, 0, (counts - expected) ** 2 / expected)
    return float(chdtrc(np.count_nonzero(shares) - 1, distances.sum()))


def meaningless(measured):
    """Which measures of samples say nothing, and why.

    Pearson's test needs 5 samples expected of four classes in five, and 1 of each (Cochran 1954,
    Biometrics 10).

    Parameters
    ----------
    measured : dict
        Of an evaluation, what is known of "unclear", "counts", and "shares" of the classes in the
        data.

    Returns
    -------
    dict of str to str
        By measure, the reason.
    """
    reasons = {}
    if measured.get("unclear", 0) > UNKNOWN:
        # Coverage is 0 of what is like nothing, whatever lies near its features.
        unsure = f"the classifier is unsure of over {UNKNOWN:.0%} of the samples"
        reasons |= dict.fromkeys(("precision", "recall", "density"), unsure)
    counts, shares = measured.get("counts"), measured.get("shares")
    if counts is None or shares is None:
        return reasons
    total, shares = np.sum(counts), np.array(shares)
    expected = total * shares[shares > 0]
    if len(expected) < 2 or total < 2:
        few = "fewer than 2 samples are of a class or mode"
        reason = "the data have a single class" if len(expected) < 2 else few
        reasons |= dict.fromkeys(("reverse_kl", "chi_square_p"), reason)
    elif expected.min() < 1 or np.mean(expected >= 5) < 0.8:
        reasons["chi_square_p"] = "too few samples for the number of classes or modes"
    return reasons


def data_spread(samples, shares):
    """What each class has of so many samples that spread as the data do.

    Parameters
    ----------
    samples : int
    shares : float array, shape (classes,)

    Returns
    -------
    expected, low, high : float arrays, shape (classes,)
        Between low and high the number of one class lies with a probability of 95%.
    """
    expected = samples * np.asarray(shares, float)
    low, high = expected + ndtri([[0.025], [0.975]]) * np.sqrt(expected * (1 - expected / samples))
    return expected, low, high


def mean_distance(samples):
    """The mean Euclidean distance between two samples, of images in units of a pixel's full range.

    Parameters
    ----------
    samples : uint8 array, shape (n, height, width, channels); or float array, shape (n,
        coordinates)

    Returns
    -------
    float
        NaN of a single sample.
    """
    from scipy.spatial.distance import pdist  # whose import takes longer than to read a run

    flat = _flat(samples)
    return float(pdist(flat).mean()) if len(flat) > 1 else float("nan")


def _flat(samples):
    """Samples as float32 vectors, those of images in units of a pixel's full range."""
    unit = 255 if samples.dtype == np.uint8 else 1
    return samples.reshape(len(samples), -1).astype(np.float32) / unit


def is_collapsed(measured, of_data):
    """In which epochs a GAN's samples are in collapse: points that cover fewer than half of the
    modes, or images that are on average less than half as far from each other as those of the
    data.

    Parameters
    ----------
    measured : dict of str to list of float
        By epoch: "modes" of points, else "distance".
    of_data : dict of str to float
        The same of the data.

    Returns
    -------
    bool array, shape (epochs,)
    """
    name = "modes" if "modes" in measured else "distance"
    return np.array(measured[name], float) < of_data[name] / 2


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
    mine, squares = _flat(images), []
    # As floats, all of them would take hundreds of MB.
    for part in np.array_split(among, max(1, among.size // 8_000_000)):
        others = _flat(part)
        squares.append((others**2).sum(axis=1) - 2 * mine @ others.T)
    squares = np.concatenate(squares, axis=1) + (mine**2).sum(axis=1)[:, np.newaxis]
    indices = squares.argsort(axis=1)[:, :count]
    least = np.take_along_axis(squares, indices[:, :1], axis=1)[:, 0]
    return indices, np.sqrt(least.clip(0))
