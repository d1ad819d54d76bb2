"""What a GAN's samples are measured by; and real data in their place, which tell what is perfect
for so many samples.
"""

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

    stacked = images.shape[-1] == DIGITS and model.input_shape[-1] == 1
    if stacked:
        images = np.moveaxis(images, -1, 1).reshape(-1, *images.shape[1:3], 1)
    logits, features = inference.logits_and_features(model, images)
    classes, confidences = (
        logits.argmax(axis=-1),
        np.exp(classification.log_softmax(logits).max(axis=-1)),
    )
    if not stacked:
        return Labelled(classes, confidences, features)
    several = len(images) // DIGITS, DIGITS
    return Labelled(
        joined_labels(classes.reshape(several)),
        confidences.reshape(several).prod(axis=1),
        features.reshape(several[0], -1),
    )


class Yardstick(NamedTuple):
    """What samples are held against."""

    arrays: Any  # data.Arrays
    shares: np.ndarray  # of the classes, or modes, in the training data; shape (classes,)
    gaussians: Any  # data.Gaussians, of points; else None
    classifier: Classifier | None
    validation: (
        Labelled | None
    )  # what the classifier makes of the validation images, in a random order
    of_data: (
        dict  # what is known of real data so far, by their number and what they were measured by
    )


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
    shares = np.bincount(arrays.train_labels, minlength=len(arrays.classes)) / len(
        arrays.train_labels
    )
    order = np.random.default_rng(0).permutation(len(arrays.validation_images))
    labelled = label(arrays.validation_images[order], classifier.model) if classifier else None
    return Yardstick(arrays, shares, GAUSSIANS.get(dataset), classifier, labelled, {})


def measure(generated, against):
    """The measures of samples, and of as many real data in their place.

    Parameters
    ----------
    generated : array
        As `inference.generate` gives them.
    against : Yardstick

    Returns
    -------
    dict
        Measures of `lab.metrics.table` to float; with "of_data", a dict of the same; and with "counts" and
        "shares", lists by class or mode, if these are known.
    """
    found = _with_meaning(_measures(generated, against), against)
    if "counts" in found:
        found |= {"counts": found["counts"].tolist(), "shares": against.shares.tolist()}
    return found | {"of_data": _of_data(_measures, len(generated), against)}


def _with_meaning(found, against):
    """Measures, NaN those that say nothing."""
    reasons = collapse.meaningless(found | {"shares": against.shares})
    return {name: float("nan") if name in reasons else value for name, value in found.items()}


def _of_data(measures, count, against):
    """The measures of so many training data, drawn as a perfect generator draws. A classifier
    knows its training images better than others: how it labels real ones, the validation images
    tell.
    """
    known, key = against.of_data, (measures, count)
    if key not in known:
        draw = np.random.default_rng(0)
        arrays = against.arrays
        known[key] = measures(
            arrays.train_images[draw.integers(len(arrays.train_images), size=count)], against
        )
        if against.classifier:
            chosen = draw.integers(len(against.validation.classes), size=count)
            labelled = Labelled(*(part[chosen] for part in against.validation))
            of_labels = _of_labels(labelled, against)
            known[key] |= {name: value for name, value in of_labels.items() if name in known[key]}
        known[key] = _with_meaning(known[key], against)
        known[key].pop("counts", None)
    return known[key]


def _measures(samples, against):
    found = {"distance": collapse.mean_distance(samples[:FEW])}
    if against.gaussians:
        return found | _of_points(samples, against)
    return found | _of_images(samples, against) if against.classifier else found


def _of_points(points, against):
    counts = collapse.counts_near(points, *against.gaussians.modes)
    modes = int((counts >= collapse.COVERED * len(points)).sum())
    return {"modes": modes, "near": float(counts.sum() / len(points))} | _of_counts(
        counts, against.shares
    )


def _of_images(images, against):
    samples, real = label(images, against.classifier.model), against.validation
    found, fewest = _of_labels(samples, against), min(len(samples.features), len(real.features))
    if fewest > 1:
        found["frechet"] = features.frechet_distance(samples.features, real.features)
    if fewest >= features.LEAST:
        found |= features.fidelity(real.features[:COMPARED], samples.features[:COMPARED])._asdict()
    return found


def _of_labels(samples, against):
    found = {"confidence": float(samples.confidences.mean())}
    found["unclear"] = float((samples.confidences < collapse.UNCLEAR).mean())
    counts = np.bincount(samples.classes, minlength=len(against.shares))
    if collapse.PRESENT * len(counts) < 1:  # of 1,000 classes hardly any is as frequent
        found["present"] = int((counts > collapse.PRESENT * len(samples.classes)).sum())
    return found | _of_counts(counts, against.shares)


def _of_counts(counts, shares):
    """The measures of samples by class or mode; of none at all, no distribution is known."""
    tested = {"reverse_kl": collapse.reverse_kl, "chi_square_p": collapse.chi_square_p}
    found = {
        name: test(counts, shares) if counts.any() else float("nan")
        for name, test in tested.items()
    }
    return {"seen": int(np.count_nonzero(counts)), "counts": counts} | found


def over_time(run, against):
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
        rows.append({"epoch": epoch} | _followed(samples, against))
        count = max(count, len(samples))
    if not rows:
        return {}
    by_epoch = {name: [row[name] for row in rows] for name in rows[0]}
    of_data = _of_data(_followed, count, against)
    collapsed = collapse.is_collapsed(by_epoch, of_data)[np.array(by_epoch["epoch"]) > 0]
    share = {"collapsed": float(collapsed.mean())} if len(collapsed) else {}
    return {"by_epoch": by_epoch, "by_epoch_of_data": of_data} | share


def _followed(samples, against):
    """The measures that are followed over time: all that tell of collapse and say something of so
    few samples.
    """
    found = {"distance": collapse.mean_distance(samples[:FEW])}
    if against.gaussians:
        found |= _of_points(samples, against)
    elif against.classifier:
        found |= _of_labels(label(samples, against.classifier.model), against)
    found = _with_meaning(found, against)
    kept = (
        "distance",
        "modes" if "modes" in found else "present" if "present" in found else "seen",
        "reverse_kl",
    )
    return {name: found[name] for name in kept if name in found}
