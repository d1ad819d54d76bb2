"""What a trained GAN can do: samples, how evenly they spread over the classes, whether they are copies."""

from typing import Any, NamedTuple

import numpy as np

from lab import figures, runs
from lab.console import p_value, say, table
from lab.data import ring
from lab.metrics import classification, collapse
from lab.settings import UserError

SAMPLES, RING_SAMPLES = 3_000, 2_500
LEAST_SAMPLES, MOST_SAMPLES = 100, 1_000_000
COMPARED = 100  # samples, and validation images, whose nearest training images are looked for
DRAWN, NEIGHBOURS = 10, 3  # samples, and nearest training images of each, that are drawn


class Classifier(NamedTuple):
    """A trained classifier, and its run's name."""

    name: str
    model: Any  # keras.Model


def check(run, classifier, count):
    """Raise UserError if a GAN cannot be evaluated with a classifier, or with so many samples.

    Parameters
    ----------
    run : Run
        Of the GAN.
    classifier : Run or None
    count : int or None
    """
    if count is not None and not LEAST_SAMPLES <= count <= MOST_SAMPLES:
        raise UserError(f"--samples: at least {LEAST_SAMPLES} and at most {MOST_SAMPLES:,} can be evaluated, got {count}")
    if classifier is None:
        return
    ours, theirs = run.record.dataset, classifier.record.dataset
    if ours.name == "ring":
        raise UserError("--classifier: the ring needs none, its modes are known")
    if classifier.settings.is_gan:
        raise UserError(f"--classifier: {classifier.folder} is a GAN, not a classifier")
    other = ours.name != theirs.name
    if ours.path and theirs.path:  # the user's own, whose names may be anything
        held_alike = run.settings.holdout == classifier.settings.holdout
        other = ours.sha256 != theirs.sha256 and (other or held_alike)
    if other:
        raise UserError(f"--classifier: {classifier.folder} was trained on {_in_words(theirs)}, the GAN on {_in_words(ours)}")


def _in_words(dataset):
    return f"{dataset.name} {dataset.sha256[:8]}" if dataset.path else dataset.name


def evaluate_gan(run, model, arrays, classifier=None, count=None):
    """Evaluate a GAN, print the outcome, and write it into its folder.

    Parameters
    ----------
    run : Run
    model : keras.Sequential
        Its two networks, as `runs.load_model` gives them.
    arrays : data.Arrays
    classifier : Classifier, optional
        That labels the samples.
    count : int, optional
        Of samples.

    Returns
    -------
    list of Path
        What was written.
    """
    from lab.backend import gan, inference  # with TensorFlow

    of_ring = run.record.dataset.name == "ring"
    count = count or (RING_SAMPLES if of_ring else SAMPLES)
    for network in ("discriminator", "generator"):
        losses = np.array(run.history.curves[f"{network}_loss"], float)
        say(f"{network.capitalize()} loss in the last epoch: {losses[-1]:.4f}")
    generated = inference.generate(model.layers[0], gan.draw_latents(run.settings.latent, count, run.settings.seed))
    title = runs.display_name(run.folder)
    drawn = {runs.File.SAMPLES: figures.samples(generated, ring.MODES, f"{title}: {count:,} samples")}
    results = {"samples": count}
    if of_ring:
        results |= _on_ring(generated)
    else:
        nearest, distances = _against_copies(generated, arrays)
        results["nearest_training_image"] = distances
        heading = f"{title}: samples, and their nearest training images"
        drawn[runs.File.NEAREST] = figures.neighbours(generated[: len(nearest)], nearest, heading)
    if classifier:
        results |= _classified(generated, arrays, classifier)
    if "counts" in results:
        results["classes"] = run.record.dataset.classes
        drawn[runs.File.LABELS] = _labels(results, title)
    else:
        drawn[runs.File.LABELS] = None  # of an older evaluation, with a classifier
        say(
            f"With --classifier RUN, a run that classifies {run.record.dataset.name}, come labels.png (the samples by class), "
            "their divergence to uniform, the number of classes present, the classifier's confidence, and a Fréchet distance."
        )
    runs.write_json(run.folder / runs.File.EVALUATION, results)
    return [run.folder / runs.File.EVALUATION, *runs.save_figures(drawn, run.folder)]


def _on_ring(points):
    counts = collapse.counts_near(points, *ring.MODES)
    modes = int((counts >= collapse.COVERED * len(points)).sum())
    near = float(counts.sum() / len(points))
    say(f"Modes covered: {modes} of {len(counts)} (with at least {collapse.COVERED:.1%} of the samples)")
    say(f"Samples within {ring.MODES[1] / ring.DEVIATION:.0f} standard deviations of a mode: {near:.1%}")
    return {"counts": counts.tolist(), "modes": modes, "near": near}


def _against_copies(generated, arrays):
    """The training images nearest to the first samples; and how far samples, and validation images, are from the training
    images: copies would be much nearer."""
    indices, of_samples = collapse.nearest(generated[:COMPARED], arrays.train_images, NEIGHBOURS)
    _, of_validation = collapse.nearest(arrays.validation_images[:COMPARED], arrays.train_images, 1)
    samples, validation = float(np.median(of_samples)), float(np.median(of_validation))
    say(f"Median distance to the nearest training image: samples {samples:.2f}, validation images {validation:.2f}")
    return arrays.train_images[indices[:DRAWN]], {"samples": samples, "validation": validation}


def _classified(generated, arrays, classifier):
    from lab.backend import inference

    logits, features = inference.logits_and_features(classifier.model, generated)
    _, of_validation = inference.logits_and_features(classifier.model, arrays.validation_images)
    counts = np.bincount(logits.argmax(axis=-1), minlength=logits.shape[-1])
    results = {
        "classifier": classifier.name,
        "counts": counts.tolist(),
        "divergence": collapse.divergence(counts),
        "chi_square_p": collapse.chi_square_p(counts),
        "present": int((counts > collapse.PRESENT * len(generated)).sum()),
        "confidence": float(np.exp(classification.log_softmax(logits).max(axis=-1)).mean()),
        "frechet": collapse.frechet_distance(features, of_validation) if len(of_validation) > 1 else float("nan"),
    }
    most = np.log(len(counts))
    say(
        f"KL divergence of the predicted classes to uniform: {results['divergence']:.4f} nats (0: even; all in one: {most:.4f})"
    )
    say(f"Chi-square test of an even spread: {p_value(results['chi_square_p'])}")
    say(f"Classes with over {collapse.PRESENT:.0%} of the samples: {results['present']} of {len(counts)}")
    say(f"Mean confidence of the classifier: {results['confidence']:.4f}")
    say(f"Fréchet distance to the validation images, in the classifier's last hidden layer: {results['frechet']:.4g}")
    return results


def _labels(results, name):
    """Print the samples by class or mode, and draw them."""
    counts, classes, total = results["counts"], results["classes"], results["samples"]
    kind, counted = "class", f"{total:,} samples by class"
    if "modes" in results:
        kind, counted = "mode", f"{sum(counts):,} of {total:,} samples near a mode, by mode"
    rows = [{kind: one, "samples": f"{count:,}", "share": f"{count / total:.1%}"} for one, count in zip(classes, counts)]
    heading = counted
    if len(rows) > figures.MANY:
        rows = [rows[index] for index in np.argsort(-np.array(counts), kind="stable")[: figures.MANY]]
        heading += f": the {figures.MANY} most frequent of {len(counts):,}; {runs.File.EVALUATION} has all"
    table(rows, heading)
    group = np.array(counts, float), np.full(len(counts), np.nan)
    return figures.label_counts({name: group}, collapse.even_spread(total, len(classes)), classes, f"{name}: {counted}", kind)
