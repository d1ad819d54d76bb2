"""What a trained GAN can do: samples, how evenly they spread over the classes, whether they are copies."""

from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from lab.data import load as datasets
from lab.errors import UserError
from lab.evaluation import classifiers as evaluation
from lab.figures import base as figures
from lab.metrics import collapse
from lab.runs import folders as runs
from lab.runs.files import write_json

SAMPLES, RING_SAMPLES = 3_000, 2_500
LEAST_SAMPLES, MOST_SAMPLES = 100, 1_000_000
COMPARED = 100  # samples, and validation images, whose nearest training images are looked for


class Classifier(NamedTuple):
    """A trained classifier, and its run's name."""

    name: str
    model: Any  # keras.Model


def check(folder, config, record, classifier, count):
    """Raise UserError if a GAN cannot be evaluated with a classifier, or with so many samples.

    Parameters
    ----------
    folder, config, record
        Of the GAN, the latter as `runs.load_config` gives them.
    classifier : Path or None
        Folder of the classifier's run.
    count : int or None
    """
    if not config.is_gan:
        raise UserError(f"--classifier and --samples are for GANs, but {folder} is a classifier")
    if count is not None and not LEAST_SAMPLES <= count <= MOST_SAMPLES:
        raise UserError(f"--samples: at least {LEAST_SAMPLES} and at most {MOST_SAMPLES:,} can be evaluated, got {count}")
    if classifier is None:
        return
    if record["dataset"]["name"] == "ring":
        raise UserError("--classifier: the ring needs none, its modes are known")
    other, judged = runs.load_config(classifier)
    if other.is_gan:
        raise UserError(f"--classifier: {classifier} is a GAN, not a classifier")
    names = record["dataset"]["name"], judged["dataset"]["name"]
    if names[0] != names[1]:
        raise UserError(f"--classifier: {classifier} was trained on {names[1]}, the GAN on {names[0]}")


def load_classifier(name, folder):
    """The classifier of a run."""
    return Classifier(name, runs.load_model(folder, runs.load_trained(folder)[1]))


def evaluate(folder, model, arrays, config, record, classifier=None, count=None):
    """Evaluate a GAN, print the outcome, and write it into its folder.

    Parameters
    ----------
    folder : Path
    model : keras.Sequential
        Its two networks, as `runs.load_model` gives them.
    arrays : datasets.Arrays
    config, record
        As `runs.load_config` gives them.
    classifier : Classifier, optional
        That labels the samples.
    count : int, optional
        Of samples.

    Returns
    -------
    list of Path
        What was written.
    """
    from lab.training import samples  # with TensorFlow, which is started after the settings were checked

    name = record["dataset"]["name"]
    count = count or (RING_SAMPLES if name == "ring" else SAMPLES)
    history = runs.load_history(folder, figures.curve_names(of_gans=True))
    for network in ("discriminator", "generator"):
        print(f"{network.capitalize()} loss in the last epoch: {np.array(history[f'{network}_loss'], float)[-1]:.4f}")
    made = samples.generate(model.layers[0], samples.draw_latents(config, count))
    neighbours = None
    if name == "ring":
        results = {"samples": count} | _on_ring(made)
    else:
        neighbours, distances = _against_copies(made, arrays)
        results = {"samples": count, "nearest_training_image": distances}
    if classifier:
        results |= _classified(made, arrays, classifier)
    if "counts" in results:
        results["classes"] = datasets.CLASSES[name]
        _print_counts(results)
    elif name != "ring":
        print(
            f"With --classifier RUN, a run that classifies {name}, come labels.png (the samples by class), their divergence "
            "to uniform, the number of classes present, the classifier's confidence, and a Fréchet distance."
        )
    write_json(folder / "evaluation.json", results)
    (folder / "labels.png").unlink(missing_ok=True)  # of an evaluation with a classifier
    title = runs.title(folder)
    shown = made if name == "ring" else made[: samples.ROWS * samples.COLUMNS]
    samples.save(shown, folder / "samples.png", f"{title}: {count:,} samples")
    drawn = _draw(title, made, neighbours, results)
    return [folder / "evaluation.json", folder / "samples.png", *figures.save_all(drawn, folder)]


def _draw(name, made, neighbours, results):
    drawn = {}
    if neighbours is not None:
        title = f"{name}: samples, and their nearest training images"
        drawn["nearest"] = figures.neighbours(made[: len(neighbours)], neighbours, title)
    if "counts" in results:
        counts = {name: np.array([results["counts"]])}
        title = f"{name}: {_counted(results)}"
        drawn["labels"] = figures.label_counts(counts, results["classes"], results["samples"], title)
    return drawn


def _on_ring(points):
    counts = collapse.ring_counts(points)
    modes = int((counts >= collapse.COVERED * len(points)).sum())
    near = float(counts.sum() / len(points))
    print(f"Modes covered: {modes} of {len(counts)} (with at least {collapse.COVERED:.1%} of the samples)")
    print(f"Samples within {collapse.NEAR} standard deviations of a mode: {near:.1%}")
    return {"counts": counts.tolist(), "modes": modes, "near": near}


def _against_copies(made, arrays):
    """The training images nearest to the first samples; and how far samples, and validation images, are from the training
    images: copies would be much nearer."""
    indices, of_samples = collapse.nearest(made[:COMPARED], arrays.train_images, figures.NEIGHBOURS)
    _, of_validation = collapse.nearest(arrays.validation_images[:COMPARED], arrays.train_images, 1)
    distances = {"samples": float(np.median(of_samples)), "validation": float(np.median(of_validation))}
    print(
        f"Median distance to the nearest training image: samples {distances['samples']:.2f}, validation images "
        f"{distances['validation']:.2f}"
    )
    return arrays.train_images[indices[: figures.NEIGHBOURS_OF]], distances


def _classified(made, arrays, classifier):
    logits, features = evaluation.logits_and_features(classifier.model, made)
    _, of_validation = evaluation.logits_and_features(classifier.model, arrays.validation_images)
    counts = np.bincount(logits.argmax(axis=-1), minlength=logits.shape[-1])
    results = {
        "classifier": classifier.name,
        "counts": counts.tolist(),
        "divergence": collapse.divergence(counts),
        "chi_square_p": collapse.chi_square_p(counts),
        "present": int((counts > collapse.PRESENT * len(made)).sum()),
        "confidence": float(np.exp(evaluation.log_softmax(logits).max(axis=-1)).mean()),
        "frechet": collapse.frechet_distance(features, of_validation) if len(of_validation) > 1 else float("nan"),
    }
    print(f"KL divergence of the predicted classes to uniform: {results['divergence']:.4f} nats (0: even; all in one: 2.3026)")
    print(f"Chi-square test of an even spread: p = {results['chi_square_p']:.3g}")
    print(f"Classes with over {collapse.PRESENT:.0%} of the samples: {results['present']} of {len(counts)}")
    print(f"Mean confidence of the classifier: {results['confidence']:.4f}")
    print(f"Fréchet distance to the validation images, in the classifier's last hidden layer: {results['frechet']:.4g}")
    return results


def _counted(results):
    if "modes" in results:
        return f"{sum(results['counts']):,} of {results['samples']:,} samples near a mode, by mode"
    return f"{results['samples']:,} samples by class"


def _print_counts(results):
    table = Table("class", title=_counted(results), title_justify="left")
    for column in ("samples", "share"):
        table.add_column(column, justify="right")
    for name, count in zip(results["classes"], results["counts"]):
        table.add_row(name, f"{count:,}", f"{count / results['samples']:.1%}")
    Console().print(table)
