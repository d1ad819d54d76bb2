"""What a trained GAN can do: samples, how they spread, how near they come to the data, whether
they are copies.
"""

import numpy as np

from lab import figures, runs
from lab.console import say, table
from lab.evaluation import measures
from lab.metrics import collapse
from lab.metrics.cells import blanks, cell
from lab.metrics.table import EVALUATION, chosen, heading
from lab.settings import POINTS, UserError

SAMPLES, OF_POINTS, OF_STACKED = 3_000, 2_500, 25_600  # as the papers count modes
LEAST_SAMPLES, MOST_SAMPLES = 100, 1_000_000
COMPARED = 100  # samples, and validation images, whose nearest training images are looked for
DRAWN, NEIGHBOURS = 10, 3  # samples, and nearest training images of each, that are drawn
# Data sets of written digits, whose classifiers label each other's images.
_DIGITS = ("mnist", "mnist5k", "stacked_mnist")


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
        raise UserError(
            f"--samples: at least {LEAST_SAMPLES} and at most {MOST_SAMPLES:,} can be evaluated, got {count}"
        )
    if classifier is None:
        return
    ours, theirs = run.record.dataset, classifier.record.dataset
    if ours.name in POINTS:
        raise UserError(f"--classifier: the {ours.name} needs none, its modes are known")
    if classifier.settings.is_gan:
        raise UserError(f"--classifier: {classifier.folder} is a GAN, not a classifier")
    other = ours.name != theirs.name and not (ours.name in _DIGITS and theirs.name in _DIGITS[:2])
    if ours.path and theirs.path:  # the user's own, whose names may be anything
        held_alike = run.settings.holdout == classifier.settings.holdout
        alike = (ours.shape, ours.classes) == (theirs.shape, theirs.classes)
        other = ours.sha256 != theirs.sha256 and (other or held_alike or not alike)
    if other:
        raise UserError(
            f"--classifier: {classifier.folder} was trained on {_in_words(theirs)}, the GAN on {_in_words(ours)}"
        )


def _in_words(dataset):
    return f"{dataset.name} {dataset.sha256[:8]}" if dataset.path else dataset.name


def evaluate_gan(run, model, against, count=None):
    """Evaluate a GAN, print the outcome, and write it into its folder.

    Parameters
    ----------
    run : Run
    model : keras.Sequential
        Its two networks, as `archive.load_model` gives them.
    against : measures.Yardstick
        Of the run's data.
    count : int, optional
        Of samples.

    Returns
    -------
    list of Path
        What was written.
    """
    from lab.backend import gan, inference  # with TensorFlow

    gaussians, classifier, arrays = against.gaussians, against.classifier, against.arrays
    stacked = run.record.dataset.name == "stacked_mnist"
    count = count or (OF_POINTS if gaussians else OF_STACKED if stacked and classifier else SAMPLES)
    for network in ("discriminator", "generator"):
        losses = np.array(run.history.curves[f"{network}_loss"], float)
        say(f"{network.capitalize()} loss in the last epoch: {losses[-1]:.4f}")
    settings, generator = run.settings, model.layers[0]
    generated = inference.generate(
        generator, gan.draw_latents(settings.latent, count, settings.seed, settings.latent_size)
    )
    title = runs.display_name(run.folder)
    drawn = {
        runs.File.SAMPLES: figures.samples(
            generated, gaussians and gaussians.modes, f"{title}: {count:,} samples"
        ),
        runs.File.NEAREST: None,
        runs.File.LABELS: None,  # of an older evaluation, with a classifier
        runs.File.OVER_TIME: None,
    }
    results = (
        {"samples": count} | measures.measure(generated, against) | measures.over_time(run, against)
    )
    if classifier:
        results["classifier"] = classifier.name
    _print(results)
    if not gaussians:
        nearest, distances = _against_copies(generated, arrays)
        results["nearest_training_image"] = distances
        heading = f"{title}: samples, and their nearest training images"
        drawn[runs.File.NEAREST] = figures.neighbours(generated[: len(nearest)], nearest, heading)
    if "counts" in results:
        results["classes"] = arrays.classes
        drawn[runs.File.LABELS] = _labels(results, title)
    else:
        labels = "mnist" if stacked else run.record.dataset.name
        say(
            f"With --classifier RUN, a run that classifies {labels}, come labels.png (the samples by class), their divergence "
            "from the data's classes, the classifier's confidence, and distances to the data in its features."
        )
    if results.get("by_epoch"):
        heading = f"{title}: samples over time"
        drawn[runs.File.OVER_TIME] = figures.over_time(
            {title: [results["by_epoch"]]}, results["by_epoch_of_data"], heading
        )
    runs.write_json(run.folder / runs.File.EVALUATION, results)
    return [run.folder / runs.File.EVALUATION, *runs.save_figures(drawn, run.folder)]


def _print(results):
    """Print the measures, and beside them those of real data in place of samples."""
    rows, of_data = [], results["of_data"]
    names = chosen(source=EVALUATION)
    for name in names:
        if name in results:
            pair = (
                cell(name, np.array([one.get(name, np.nan)], float)) for one in (results, of_data)
            )
            rows.append({"measure": heading(name)} | dict(zip(("samples", "real data"), pair)))
    table(rows, f"{results['samples']:,} samples, and as many real ones", left=("measure",))
    for sentence in blanks([results], names):
        say(sentence)


def _against_copies(generated, arrays):
    """The training images nearest to the first samples; and how far samples, and validation
    images, are from the training images: copies would be much nearer.
    """
    indices, of_samples = collapse.nearest(generated[:COMPARED], arrays.train_images, NEIGHBOURS)
    _, of_validation = collapse.nearest(arrays.validation_images[:COMPARED], arrays.train_images, 1)
    samples, validation = float(np.median(of_samples)), float(np.median(of_validation))
    say(
        f"Median distance to the nearest training image: samples {samples:.2f}, validation images {validation:.2f}"
    )
    return arrays.train_images[indices[:DRAWN]], {"samples": samples, "validation": validation}


def _labels(results, name):
    """Print the samples by class or mode, and draw them."""
    counts, classes, total = results["counts"], results["classes"], results["samples"]
    kind, counted = "class", f"{total:,} samples by class"
    if "modes" in results:
        kind, counted = "mode", f"{sum(counts):,} of {total:,} samples near a mode, by mode"
    rows = [
        {kind: one, "samples": f"{count:,}", "share": f"{count / total:.1%}"}
        for one, count in zip(classes, counts)
    ]
    heading = counted
    if len(rows) > figures.MANY:
        rows = [
            rows[index] for index in np.argsort(-np.array(counts), kind="stable")[: figures.MANY]
        ]
        heading += (
            f": the {figures.MANY} most frequent of {len(counts):,}; {runs.File.EVALUATION} has all"
        )
    table(rows, heading)
    group = np.array(counts, float), np.full(len(counts), np.nan)
    spread = collapse.data_spread(total, results["shares"])
    return figures.label_counts(
        {name: group}, spread, figures.class_names(tuple(classes)), f"{name}: {counted}", kind
    )
