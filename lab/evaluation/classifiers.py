"""What a trained classifier can do: metrics, mistakes, filters, predictions of a user's own
pictures.

Keras gives the logits; everything after them is NumPy.
"""

import math

import numpy as np

from lab import figures, runs
from lab.comparison import losses
from lab.comparison.text import as_csv
from lab.console import say, table
from lab.data import Box, decode_picture
from lab.io.words import in_a_line, visible
from lab.metrics import classification
from lab.runs import File

TOLERANCE = 0.001  # of the validation accuracy, that weights which do not matter may cost
_FRACTIONS = "precision", "recall"
_PRINTED = 20  # lines of predictions
_DRAWN = 15  # pictures


def evaluate_classifier(run, model, arrays):
    """Evaluate a classifier on its training and validation images, print the outcome, and write it
    into its folder.

    Parameters
    ----------
    run : Run
    model : keras.Model
        As `archive.load_model` gives it.
    arrays : data.Arrays

    Returns
    -------
    list of Path
        What was written.
    """
    from lab.backend import inference  # with TensorFlow

    classes = run.record.dataset.classes
    results = {}
    for part, images, labels in (("training", *arrays.train), ("validation", *arrays.validation)):
        logits, _ = inference.logits_and_features(model, images)
        results[part] = classification.loss_and_accuracy(logits, labels)
        for metric, value in results[part].items():
            beside = _beside_history(run, part, metric)
            say(f"{part.capitalize()} {metric}: {value:.4f}{beside}")
    results["penalty"] = inference.penalty(model)
    if results["penalty"]:
        say(f"Weight decay penalty: {results['penalty']:.4f} (in training it is added to the loss)")
    if run.settings.hidden and not run.settings.is_own_net:  # of the others, it would take minutes
        least = results["validation"]["accuracy"] - TOLERANCE
        results["weights_that_matter"] = _weights_that_matter(model, arrays, least)
    counts = classification.confusion_matrix(logits.argmax(axis=-1), labels, len(classes))
    precision, recall = classification.precision_and_recall(counts)
    results |= {
        "classes": classes,
        "precision": precision.tolist(),
        "recall": recall.tolist(),
        "confusion": counts.tolist(),
    }
    rows = []
    for name, images, *fractions in zip(classes, counts.sum(axis=1), precision, recall):
        cells = ["-" if np.isnan(fraction) else f"{fraction:.4f}" for fraction in fractions]
        rows.append({"class": name, "images": f"{images:,}"} | dict(zip(_FRACTIONS, cells)))
    print_by_class(rows, "Validation images by class", recall, "with the lowest recall")
    path, title = run.folder / File.EVALUATION, runs.display_name(run.folder)
    runs.write_json(path, results)
    drawn = _mistakes(run, arrays, logits) | _first_layer(run, model)
    drawn[File.CONFUSION] = figures.confusion(
        counts, figures.class_names(classes), f"{title}: validation images"
    )
    return [path, *runs.save_figures(drawn, run.folder)]


def print_by_class(rows, title, order, first):
    """Print a table of classes; of many classes, the first of them.

    Parameters
    ----------
    rows : list of dict of str to str
    title : str
    order : float array, shape (classes,)
        By which the rows are sorted, if there are too many.
    first : str
        What the first of them are.
    """
    if len(rows) > figures.MANY:
        of_all = f"the {figures.MANY} of {len(rows):,} {first}"
        title += f": {of_all}; {File.EVALUATION} has all"
        rows = [rows[index] for index in np.argsort(order, kind="stable")[: figures.MANY]]
    table(rows, title)


def _beside_history(run, part, metric):
    """What tells a metric of the trained network from that of the history, where they are not the
    same quantity.
    """
    name = metric if part == "training" else f"val_{metric}"
    terms, recorded = losses.terms_of(run.settings, name), run.history.final[name]
    if recorded is None or (part == "validation" and not terms):
        return ""
    words = [f"as {losses.in_words(terms)}"] if terms else []
    words += ["while learning"] if part == "training" else []
    return f" (evaluated; in the history, {' and '.join(words)}: {recorded:.4f})"


def _weights_that_matter(model, arrays, least):
    """Print and give back how many weights such a validation accuracy depends on; the model is
    left as it was.
    """
    from lab.backend import inference

    layers = [layer for layer in model.layers if hasattr(layer, "kernel")]
    kernels = [np.asarray(layer.kernel) for layer in layers]
    images, labels = arrays.validation

    def accuracy_of(changed):
        for layer, kernel in zip(layers, changed):
            layer.kernel.assign(kernel)
        logits, _ = inference.logits_and_features(model, images)
        return classification.loss_and_accuracy(logits, labels)["accuracy"]

    matter = classification.weights_that_matter(kernels, accuracy_of, least)
    accuracy_of(kernels)
    total = sum(kernel.size for kernel in kernels)
    cost = f"all others 0 cost {TOLERANCE} of the validation accuracy at most"
    say(f"Weights that matter: {matter:,} of {total:,} ({cost})")
    return matter


def percent(probability):
    """A probability as a caption says it: what is not certain never looks so."""
    return ">99%" if probability > 0.99 else f"{probability:.0%}"


def _mistakes(run, arrays, logits):
    """A figure of what the network gets wrong."""
    images, labels = arrays.validation
    classes = [figures.shortened(name) for name in figures.class_names(run.record.dataset.classes)]
    worst = classification.confident_mistakes(logits, labels, figures.ROWS * figures.COLUMNS)
    captions = []
    for row, true in zip(classification.probabilities(logits[worst]), labels[worst]):
        guess = f"{classes[row.argmax()]} ({percent(row.max())})"
        captions.append(f"Pred {guess}\nTrue {classes[true]}")
    mistakes = int((logits.argmax(axis=-1) != labels).sum())
    counted = f"{mistakes:,} of {len(logits):,} validation images wrong"
    title = f"{runs.display_name(run.folder)}: {counted}" + ", the surest" * (mistakes > 0)
    return {File.MISTAKES: figures.examples(images[worst], captions, title)}


def _first_layer(run, model):
    """A figure of the filters or the weights that see the image."""
    from lab.backend.introspection import operations_of  # with Keras

    name, shape = runs.display_name(run.folder), model.input_shape[1:]
    kernels = (layer.kernel for layer in operations_of(model) if hasattr(layer, "kernel"))
    kernel = np.asarray(next(kernels, []))
    if kernel.ndim == 4 and kernel.shape[2] == shape[2]:
        filters = f"the {kernel.shape[-1]} filters of the first layer, each stretched by itself"
        return {File.FILTERS: figures.filters(kernel, f"{name}: {filters}")}
    if len(kernel) == math.prod(shape):
        say("No filters.png: the first layer is no convolution. Its weights are in weights.png.")
        title = f"{name}: weights of the first layer"
        return {File.WEIGHTS: figures.first_layer(kernel, shape, title)}
    say(
        "No filters.png and no weights.png: "
        "the first layer with a kernel does not see the image itself."
    )
    return {}


def predict_pictures(run, model, readings):
    """Predict what was found in a user's own pictures, print the outcome, write it as CSV, and
    draw what the network saw.

    Parameters
    ----------
    run : Run
    model : keras.Model
    readings : list of data.Reading
        At least one.

    Returns
    -------
    list of Path
        What was written.
    """
    from lab.backend import inference  # with TensorFlow

    about = run.record.dataset
    names = dict(zip(about.classes, figures.class_names(about.classes)))
    images = np.concatenate([reading.images for reading in readings])
    logits, _ = inference.logits_and_features(model, images)
    found = iter(classification.probabilities(logits))
    rows, seen = [], []
    for path, boxes, images in readings:
        captions = []
        for place, box in enumerate(boxes, 1):
            row = next(found)
            first, second = row.argsort()[:-3:-1]
            rows.append(
                {
                    "picture": path,
                    "place": place,
                    **box._asdict(),
                    "prediction": about.classes[first],
                    "probability": row[first],
                    "second": about.classes[second],
                    "its probability": row[second],
                }
            )
            name = figures.shortened(names[about.classes[first]], 14)
            captions.append(f"{name}\n{percent(row[first])}")
        if len(seen) < _DRAWN:
            picture, factor = decode_picture(path, about.pictures, about.divisor)
            scaled = [[side / factor for side in box] for box in boxes]
            name = figures.shortened(visible(path.name).replace("\n", " "))
            seen.append(figures.Seen(name, np.asarray(picture), scaled, images, captions))
    _print_predictions(rows)
    title = f"What {runs.display_name(run.folder)} saw"
    if len(readings) > _DRAWN:
        title += f": the first {_DRAWN} of {len(readings):,} pictures"
    csv = run.folder / File.PREDICTIONS
    with runs.atomic(csv) as temporary:
        text = as_csv([_as_text(row, 6) for row in rows])
        temporary.write_text(f"{text}\n", "utf-8")
    drawn = {File.PICTURES: figures.predictions(seen, title)}
    return [csv, *runs.save_figures(drawn, run.folder)]


def _print_predictions(rows):
    shown = []
    for row in rows[:_PRINTED]:
        row = row | {"picture": row["picture"].name}
        shown.append(_as_text({name: row[name] for name in row if name not in Box._fields}, 4))
    table(shown, left=("prediction", "second"))
    if len(rows) > _PRINTED:
        say(f"{len(rows) - _PRINTED:,} more in {File.PREDICTIONS}")


def _as_text(row, digits):
    """The values of a row as text, floats with so many digits."""
    return {
        name: f"{value:.{digits}f}" if isinstance(value, float) else in_a_line(str(value))
        for name, value in row.items()
    }
