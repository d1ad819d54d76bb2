"""What a trained GAN can do: samples, how they spread, how near they come to the data, whether
they are copies.
"""

import numpy as np

from lab import figures, runs
from lab.console import say, table
from lab.evaluation import measures
from lab.evaluation.classifiers import print_by_class
from lab.metrics import collapse
from lab.metrics.cells import blanks, cell
from lab.metrics.table import EVALUATION, chosen, heading
from lab.runs import File
from lab.settings import POINTS, UserError
from models.networks import CLASSIFIER

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
            f"--samples: at least {LEAST_SAMPLES} and at most {MOST_SAMPLES:,} can be evaluated, "
            f"got {count}"
        )
    if classifier is None:
        return
    ours, theirs = run.record.dataset, classifier.record.dataset
    if ours.name in POINTS:
        raise UserError(f"--classifier: the {ours.name} needs none, its modes are known")
    if classifier.settings.kind is not CLASSIFIER:
        raise UserError(f"--classifier: {classifier.folder} is a GAN, not a classifier")
    other = ours.name != theirs.name and not (ours.name in _DIGITS and theirs.name in _DIGITS[:2])
    if ours.path and theirs.path:  # the user's own, whose names may be anything
        held_alike = run.settings.holdout == classifier.settings.holdout
        alike = (ours.shape, ours.classes) == (theirs.shape, theirs.classes)
        other = ours.sha256 != theirs.sha256 and (other or held_alike or not alike)
    if other:
        their_name, our_name = (
            f"{one.name} {one.sha256[:8]}" if one.path else one.name for one in (theirs, ours)
        )
        raise UserError(
            f"--classifier: {classifier.folder} was trained on {their_name}, the GAN on {our_name}"
        )


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

    gaussians, classifier, settings = against.gaussians, against.classifier, run.settings
    title, dataset = runs.display_name(run.folder), run.record.dataset.name
    is_stacked = dataset == "stacked_mnist"
    if not count:
        of_images = OF_STACKED if is_stacked and classifier else SAMPLES
        count = OF_POINTS if gaussians else of_images
    for network in ("discriminator", "generator"):
        losses = np.array(run.history.curves[f"{network}_loss"], float)
        say(f"{network.capitalize()} loss in the last epoch: {losses[-1]:.4f}")
    latents = gan.draw_latents(settings.latent, count, settings.seed, settings.latent_size)
    generated = inference.generate(model.layers[0], latents)
    results = {"samples": count}
    results |= measures.measure_samples(generated, against) | measures.measure_over_time(
        run, against
    )
    if classifier:
        results["classifier"] = classifier.name
    _print(results)
    # Figures of an older evaluation, with a classifier, go.
    files = File.SAMPLES, File.NEAREST, File.LABELS, File.OVER_TIME
    drawn, modes = dict.fromkeys(files), gaussians and gaussians.modes
    drawn[files[0]] = figures.samples(generated, modes, f"{title}: {count:,} samples")
    if not gaussians:
        nearest, results["nearest_training_image"] = _against_copies(generated, against.arrays)
        drawn[File.NEAREST] = figures.neighbours(
            generated[:DRAWN], nearest, f"{title}: samples, and their nearest training images"
        )
    if "counts" in results:
        results["classes"] = against.arrays.classes
        drawn[File.LABELS] = show_labels(results, title)
    else:
        say(
            f"With --classifier RUN, a run that classifies {'mnist' if is_stacked else dataset}, "
            "come labels.png (the samples by class), their divergence from the data's classes, "
            "the classifier's confidence, and distances to the data in its features."
        )
    if results.get("by_epoch"):
        drawn[File.OVER_TIME] = figures.over_time(
            {title: [results["by_epoch"]]},
            results["by_epoch_of_data"],
            f"{title}: samples over time",
        )
    path = run.folder / File.EVALUATION
    runs.write_json(path, results)
    return [path, *runs.save_figures(drawn, run.folder)]


def _print(results):
    """Print the measures, and beside them those of real data in place of samples."""
    rows, names = [], chosen(source=EVALUATION)
    for name in names:
        if name in results:
            of_samples, of_data = (
                cell(name, np.array([found.get(name, np.nan)], float))
                for found in (results, results["of_data"])
            )
            rows.append({"measure": heading(name), "samples": of_samples, "real data": of_data})
    table(rows, f"{results['samples']:,} samples, and as many real ones", left=("measure",))
    for sentence in blanks([results], names):
        say(sentence)


def _against_copies(generated, arrays):
    """The training images nearest to the first samples; and how far samples, and validation
    images, are from the training images: copies would be much nearer.
    """
    train, validation = arrays.train_images, arrays.validation_images
    indices, of_samples = collapse.nearest(generated[:COMPARED], train, NEIGHBOURS)
    _, of_validation = collapse.nearest(validation[:COMPARED], train, 1)
    distances = {
        "samples": float(np.median(of_samples)),
        "validation": float(np.median(of_validation)),
    }
    told = "samples {samples:.2f}, validation images {validation:.2f}".format(**distances)
    say(f"Median distance to the nearest training image: {told}")
    return train[indices[:DRAWN]], distances


def show_labels(results, name):
    """Print the samples by class or mode, and draw them.

    Parameters
    ----------
    results : dict
        With "counts", "classes", "samples" and "shares", see `measures.measure_samples`.
    name : str
        Of the run.

    Returns
    -------
    matplotlib.figure.Figure
    """
    counts, classes, total = results["counts"], results["classes"], results["samples"]
    kind, counted = "class", f"{total:,} samples by class"
    if "modes" in results:
        kind, counted = "mode", f"{sum(counts):,} of {total:,} samples near a mode, by mode"
    rows = [
        {kind: one, "samples": f"{count:,}", "share": f"{count / total:.1%}"}
        for one, count in zip(classes, counts)
    ]
    print_by_class(rows, counted, np.negative(counts), "with the most samples")
    group = np.array(counts, float), np.full(len(counts), np.nan)
    spread = collapse.data_spread(total, results["shares"])
    names = figures.class_names(tuple(classes))
    return figures.label_counts({name: group}, spread, names, f"{name}: {counted}", kind)
