"""How well logits tell classes apart: loss, accuracy, confusion, the surest mistakes."""

import numpy as np

# `bdtrc` is the binomial distribution; scipy.stats would take half a second to import.
from scipy.special import bdtrc, log_softmax

from lab.metrics.intervals import CONFIDENCE


def probabilities(logits):
    """The softmax over the last axis, safe from overflow.

    Parameters
    ----------
    logits : float array, shape (..., classes)

    Returns
    -------
    float array of that shape
    """
    return np.exp(log_softmax(logits, axis=-1))


def loss_and_accuracy(logits, labels):
    """Mean cross-entropy (in nats) and fraction of right predictions.

    Parameters
    ----------
    logits : float array, shape (n, classes)
    labels : int array, shape (n,)

    Returns
    -------
    dict with floats "loss" and "accuracy"
    """
    of_truth = log_softmax(logits, axis=-1)[np.arange(len(labels)), labels]
    return {
        "loss": float(-of_truth.mean()),
        "accuracy": float((logits.argmax(axis=-1) == labels).mean()),
    }


def chance(labels):
    """The accuracy of always naming the most frequent class.

    Parameters
    ----------
    labels : int array, shape (n,)
    """
    return np.bincount(labels).max() / len(labels)


def is_at_chance(accuracy, labels):
    """Whether an accuracy is no better than `chance`, but for what images drawn anew would change
    with a probability of 95%.
    """
    right = round(accuracy * len(labels))
    return bool(bdtrc(right - 1, len(labels), chance(labels)) > (1 - CONFIDENCE) / 2)


def confusion_matrix(predicted, labels, classes):
    """Counts by true class (row) and predicted class (column).

    Parameters
    ----------
    predicted, labels : int array, shape (n,)
    classes : int
        How many there are.

    Returns
    -------
    int array, shape (classes, classes)
    """
    counts = np.zeros((classes, classes), int)
    np.add.at(counts, (labels, predicted), 1)
    return counts


def precision_and_recall(counts):
    """Precision and recall of each class, from a confusion matrix; NaN where no image was
    predicted as it, or is of it.

    Parameters
    ----------
    counts : int array, shape (classes, classes)
        As `confusion_matrix` gives it.

    Returns
    -------
    precision, recall : float arrays, shape (classes,)
    """
    with np.errstate(invalid="ignore"):
        precision, recall = (np.diag(counts) / counts.sum(axis=axis) for axis in (0, 1))
    return precision, recall


def weights_that_matter(kernels, accuracy_of, least):
    """How many of the largest weights keep the accuracy when all others are set to 0 (Han et al.
    2015, arXiv 1506.02626).

    Parameters
    ----------
    kernels : list of float array
    accuracy_of : function
        Of such kernels.
    least : float
        The accuracy that is to be kept.

    Returns
    -------
    int
        To within one per cent.
    """
    sizes = np.sort(np.concatenate([np.abs(kernel).ravel() for kernel in kernels]))[::-1]
    low, high = 0, len(sizes)
    while high - low > max(1, high // 100):
        middle = (low + high) // 2
        kept = [np.where(np.abs(kernel) >= sizes[middle - 1], kernel, 0) for kernel in kernels]
        if accuracy_of(kept) >= least:
            high = middle
        else:
            low = middle
    return high


def confident_mistakes(logits, labels, most):
    """Indices of the wrongly predicted images, the most confident mistake first.

    Parameters
    ----------
    logits : float array, shape (n, classes)
    labels : int array, shape (n,)
    most : int

    Returns
    -------
    int array, shape (m,), m <= most
    """
    wrong = np.flatnonzero(logits.argmax(axis=-1) != labels)
    confidence = log_softmax(logits[wrong], axis=-1).max(axis=-1)
    return wrong[np.argsort(-confidence, kind="stable")[:most]]
