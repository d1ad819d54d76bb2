"""Trained runs are evaluated as their kind is, and predict a user's own pictures."""

import functools

from lab import console
from lab.data import fingerprint, hold_out, load_dataset
from lab.evaluation import classifiers, gans, measures
from lab.evaluation.archive import load_model
from lab.settings import CLASSIFIER, GAN, UserError


def check_run(run, labeller=None, samples=None, images=None):
    """Raise UserError if a run cannot do what is asked of it.

    Parameters
    ----------
    run : Run
    labeller : Run, optional
        A classifier that is to label the samples of a GAN.
    samples : int, optional
        Of a GAN.
    images : list of path, optional
        Pictures to predict.
    """
    if run.settings.kind is GAN:
        if images:
            raise UserError("--images: only classifiers predict pictures")
        gans.check(run, labeller, samples)
    elif labeller is not None or samples is not None:
        raise UserError(
            f"--classifier and --samples are for GANs, but {run.folder} is a classifier"
        )


def load_arrays(several, data_dir=None):
    """The data of some runs, each data set loaded once: a dict of Arrays, by `_data_of`."""
    of_data = {_data_of(run): run for run in several}
    return {key: data_of(run, data_dir) for key, run in of_data.items()}


def _data_of(run):
    return run.record.dataset, run.settings.holdout


def evaluate_runs(several, arrays, classifier=None, samples=None, own=None):
    """Evaluate runs one after the other, on a device that was started.

    Parameters
    ----------
    several : list of Run
    arrays : dict of Arrays
        As `load_arrays` gives them.
    classifier : measures.Classifier, optional
        That labels the samples of GANs.
    samples : int, optional
        Of each GAN.
    own : Settings, optional
        With which the network is to be built by the user's own function.

    Returns
    -------
    list of Path
        What was written for the last.
    """
    from lab.backend.faults import in_words  # with TensorFlow

    @functools.cache
    def yardstick(dataset, holdout):
        return measures.yardstick(arrays[dataset, holdout], dataset.name, classifier)

    def evaluate_classifier(run, model):
        return classifiers.evaluate_classifier(run, model, arrays[_data_of(run)])

    def evaluate_gan(run, model):
        return gans.evaluate_gan(run, model, yardstick(*_data_of(run)), samples)

    evaluators = {CLASSIFIER.name: evaluate_classifier, GAN.name: evaluate_gan}
    for run in several:
        if len(several) > 1:
            console.say(f"\n{run.folder}")
        with in_words(own):
            paths = evaluators[run.settings.kind.name](run, load_model(run, own))
    return paths


def predict(run, readings, own=None):
    """Predict a user's own pictures, on a device that was started.

    Parameters
    ----------
    run : Run
        Of a classifier.
    readings : list of Reading
        As `data.read_pictures` gives them.
    own : Settings, optional
        As of `evaluate_runs`.

    Returns
    -------
    list of Path
        What was written.
    """
    from lab.backend.faults import in_words  # with TensorFlow

    with in_words(own):
        return classifiers.predict_pictures(run, load_model(run, own), readings)


def data_of(run, data_dir=None):
    """The arrays that a run was trained and validated on; says so if they are not the same any
    more.

    Parameters
    ----------
    run : Run
    data_dir : path, optional
        As of `data.load_dataset`.

    Returns
    -------
    data.Arrays
    """
    about = run.record.dataset
    whole = load_dataset(about.name, data_dir, about.path, about.resize)
    arrays = hold_out(whole, run.settings.holdout)
    if (arrays.train_images.shape[1:], arrays.classes) != (about.shape, about.classes):
        raise UserError(
            f"{arrays.path}: other images or classes than the run {run.folder} was trained on"
        )
    if fingerprint(arrays) != about.sha256:
        console.say(
            f"Note: this {about.name} is not the one that the run was trained on; its images or "
            "labels differ."
        )
    return arrays
