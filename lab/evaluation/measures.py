"""What a GAN's samples are measured by; and real data in their place, which tell what is perfect
for so many samples.
"""

from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from lab import runs
from lab.data import DIGITS, GAUSSIANS, joined_labels
from lab.metrics import classification, collapse, features

COMPARED = 3_000  # samples and real images whose features are compared one by one
FEW = 500  # samples whose distances are taken


class Classifier(NamedTuple):
    """A trained classifier, and its run's name."""

    name: str
    model: Any  # keras.Model


class Labelled(NamedTuple):
    """What a classifier makes of images."""

    classes: np.ndarray  # int, shape (n,)
    confidences: np.ndarray  # float, shape (n,)
    features: np.ndarray  # float, shape (n, features)


def label(images, model):
    """What a classifier makes of images; one of single digits, of stacked ones, reads each colour
    by itself.

    Parameters
    ----------
    images : uint8 array, shape (n, height, width, channels)
    model : keras.Model

    Returns
    -------
    Labelled
        Of stacked digits, the confidence is that in all three, and the features are those of all
        three.
    """
    from lab.backend import inference  # with TensorFlow

    count = len(images)
    stacked = images.shape[-1] == DIGITS and model.input_shape[-1] == 1
    if stacked:
        images = np.moveaxis(images, -1, 1).reshape(-1, *images.shape[1:3], 1)
    logits, found = inference.logits_and_features(model, images)
    classes = logits.argmax(axis=-1)
    confidences = classification.probabilities(logits).max(axis=-1)
    if stacked:
        classes = joined_labels(classes.reshape(count, DIGITS))
        confidences = confidences.reshape(count, DIGITS).prod(axis=1)
    return Labelled(classes, confidences, found.reshape(count, -1))


class Yardstick(NamedTuple):
    """What samples are held against."""

    arrays: Any  # data.Arrays
    shares: np.ndarray  # of the classes, or modes, in the training data; shape (classes,)
    gaussians: Any  # data.Gaussians, of points; else None
    classifier: Classifier | None
    # What the classifier makes of the validation images, in a random order.
    validation: Labelled | None
    # What is known of real data so far, by their number and what they were measured by.
    of_data: dict


def yardstick(arrays, dataset, classifier=None):
    """What samples of GANs are held against.

    Parameters
    ----------
    arrays : data.Arrays
        That they were trained and validated on.
    dataset : str
        Its name.
    classifier : Classifier, optional

    Returns
    -------
    Yardstick
    """
    labels, images = arrays.train_labels, arrays.validation_images
    shares = np.bincount(labels, minlength=len(arrays.classes)) / len(labels)
    order = np.random.default_rng(0).permutation(len(images))
    labelled = label(images[order], classifier.model) if classifier else None
    return Yardstick(arrays, shares, GAUSSIANS.get(dataset), classifier, labelled, {})


def _view(samples, against, labelled=None):
    """What measures are taken of: samples or real data in their place, their counts by class or
    mode, and what the classifier makes of them, or of others in place of them.
    """
    counts = features_of = None
    if against.gaussians:
        counts = collapse.counts_near(samples, *against.gaussians.modes)
    elif against.classifier:
        own = label(samples, against.classifier.model)
        labelled, features_of = labelled or own, own.features
        counts = np.bincount(labelled.classes, minlength=len(against.shares))
    return SimpleNamespace(
        samples=samples,
        counts=counts,
        labelled=labelled,
        features=features_of,
        against=against,
    )


def _present(of):
    if collapse.PRESENT * len(of.counts) >= 1:  # of 1,000 classes hardly any is as frequent
        return None
    return int((of.counts > collapse.PRESENT * len(of.samples)).sum())


def _of_counts(test):
    # Of no samples near a mode, no distribution is known.
    return lambda of: test(of.counts, of.against.shares) if of.counts.any() else float("nan")


def _of_features(of):
    real, own = of.against.validation.features, of.features
    found, fewest = {}, min(len(real), len(own))
    if fewest > 1:
        found["frechet"] = features.frechet_distance(own, real)
    if fewest >= features.LEAST:
        found |= features.fidelity(real[:COMPARED], own[:COMPARED])
    return found


# The measures, as functions of `_view`; None is no measure. Those in features come from
# `_of_features`. A row of `lab.metrics.table.METRICS` says how each is shown.
MEASURES = {"distance": lambda of: collapse.mean_distance(of.samples[:FEW])}
OF_POINTS = {
    "modes": lambda of: int((of.counts >= collapse.COVERED * len(of.samples)).sum()),
    "near": lambda of: float(of.counts.sum() / len(of.samples)),
}
OF_LABELS = {
    "confidence": lambda of: float(of.labelled.confidences.mean()),
    "unclear": lambda of: float((of.labelled.confidences < collapse.UNCLEAR).mean()),
    "present": _present,
}
OF_COUNTS = {
    "seen": lambda of: int(np.count_nonzero(of.counts)),
    "counts": lambda of: of.counts.tolist(),
    "reverse_kl": _of_counts(collapse.reverse_kl),
    "chi_square_p": _of_counts(collapse.chi_square_p),
}
_SPREAD = "modes", "present", "seen"  # of which the first is followed over time


def _measures(of, in_features=True):
    """The measures of some samples that are known, NaN those that say nothing."""
    against, functions = of.against, MEASURES
    if of.counts is not None:
        functions = MEASURES | (OF_POINTS if against.gaussians else OF_LABELS) | OF_COUNTS
    found = {name: function(of) for name, function in functions.items()}
    if in_features and against.classifier:
        found |= _of_features(of)
    reasons = collapse.meaningless(found | {"shares": against.shares})
    found |= dict.fromkeys(found.keys() & reasons, float("nan"))
    return {name: value for name, value in found.items() if value is not None}


def _followed(of):
    """The measures that are followed over time: all that tell of collapse and say something of so
    few samples.
    """
    found = _measures(of, in_features=False)
    spread = [name for name in _SPREAD if name in found][:1]
    return {name: found[name] for name in ("distance", *spread, "reverse_kl") if name in found}


def measure_samples(generated, against):
    """The measures of samples, and of as many real data in their place.

    Parameters
    ----------
    generated : array
        As `inference.generate` gives them.
    against : Yardstick

    Returns
    -------
    dict
        Of measures to float; with "of_data", a dict of the same; and with "counts" and "shares",
        lists by class or mode, if these are known.
    """
    found = _measures(_view(generated, against))
    if "counts" in found:
        found["shares"] = against.shares.tolist()
    return found | {"of_data": _of_data(_measures, len(generated), against)}


def _of_data(measures, count, against):
    """The measures of so many training data, drawn as a perfect generator draws. A classifier
    knows its training images better than others: how it labels real ones, the validation images
    tell.
    """
    known, key = against.of_data, (measures, count)
    if key not in known:
        draw, labelled = np.random.default_rng(0), None
        images = against.arrays.train_images
        drawn = images[draw.integers(len(images), size=count)]
        if against.classifier:
            chosen = draw.integers(len(against.validation.classes), size=count)
            labelled = Labelled(*(part[chosen] for part in against.validation))
        known[key] = measures(_view(drawn, against, labelled))
        known[key].pop("counts", None)
    return known[key]


def measure_over_time(run, against):
    """The measures of what a GAN generated in the course of its training, and the share of epochs
    in collapse.

    Parameters
    ----------
    run : Run
    against : Yardstick

    Returns
    -------
    dict
        "by_epoch", a dict of "epoch" and of measures to lists of float; "by_epoch_of_data", a dict
        of the same measures to float, of real data; and "collapsed", of the epochs after the first
        picture, which is from before training. Empty of a run that kept no samples.
    """
    rows, count = [], 0
    for epoch, samples in runs.load_samples(run):
        rows.append({"epoch": epoch} | _followed(_view(samples, against)))
        count = max(count, len(samples))
    if not rows:
        return {}
    by_epoch = {name: [row[name] for row in rows] for name in rows[0]}
    of_data = _of_data(_followed, count, against)
    found = {"by_epoch": by_epoch, "by_epoch_of_data": of_data}
    collapsed = collapse.is_collapsed(by_epoch, of_data)[np.array(by_epoch["epoch"]) > 0]
    if len(collapsed):
        found["collapsed"] = float(collapsed.mean())
    return found
