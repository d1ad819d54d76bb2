"""What a trained classifier can do: metrics, mistakes, filters, predictions of a user's own
pictures.

Keras gives the logits; everything after them is NumPy.
"""

import itertools
import math

import numpy as np

from lab import console, figures, runs
from lab.comparison import losses
from lab.comparison.text import as_csv
from lab.data import decode_picture
from lab.io.words import in_a_line, visible
from lab.metrics import classification

TOLERANCE = 0.001  # of the validation accuracy, that weights which do not matter may cost
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
            console.say(
                f"{part.capitalize()} {metric}: {value:.4f}{_beside_history(run, part, metric)}"
            )
    results["penalty"] = inference.penalty(model)
    if results["penalty"]:
        console.say(
            f"Weight decay penalty: {results['penalty']:.4f} (in training it is added to the loss)"
        )
    if run.settings.hidden and not run.settings.is_own_net:  # of the others, it would take minutes
        results["weights_that_matter"] = _weights_that_matter(
            model, arrays, results["validation"]["accuracy"]
        )
    counts = classification.confusion(
        logits.argmax(axis=-1), arrays.validation_labels, len(classes)
    )
    precision, recall = classification.precision_and_recall(counts)
    results |= {
        "classes": classes,
        "precision": precision.tolist(),
        "recall": recall.tolist(),
        "confusion": counts.tolist(),
    }
    rows = [
        {"class": name, "images": f"{images:,}", "precision": _share(one), "recall": _share(other)}
        for name, images, one, other in zip(classes, counts.sum(axis=1), precision, recall)
    ]
    heading = "Validation images by class"
    if len(classes) > figures.MANY:
        rows = [rows[index] for index in np.argsort(recall, kind="stable")[: figures.MANY]]
        heading += f": the {figures.MANY} of {len(classes):,} with the lowest recall; {runs.File.EVALUATION} has all"
    console.table(rows, heading)
    runs.write_json(run.folder / runs.File.EVALUATION, results)
    drawn = _mistakes(run, arrays, logits) | _first_layer(run, model)
    title = f"{runs.display_name(run.folder)}: validation images"
    drawn[runs.File.CONFUSION] = figures.confusion(counts, figures.class_names(classes), title)
    return [run.folder / runs.File.EVALUATION, *runs.save_figures(drawn, run.folder)]


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


def _weights_that_matter(model, arrays, accuracy):
    """Print and give back how many weights the validation accuracy depends on; the model is left
    as it was.
    """
    from lab.backend import inference

    layers = [layer for layer in model.layers if hasattr(layer, "kernel")]
    kernels = [np.asarray(layer.kernel) for layer in layers]

    def assign(changed):
        for layer, kernel in zip(layers, changed):
            layer.kernel.assign(kernel)

    def accuracy_of(changed):
        assign(changed)
        logits, _ = inference.logits_and_features(model, arrays.validation_images)
        return classification.loss_and_accuracy(logits, arrays.validation_labels)["accuracy"]

    matter = classification.weights_that_matter(kernels, accuracy_of, accuracy - TOLERANCE)
    assign(kernels)
    total = sum(kernel.size for kernel in kernels)
    console.say(
        f"Weights that matter: {matter:,} of {total:,} (all others 0 cost {TOLERANCE} of the validation accuracy at most)"
    )
    return matter


def _share(value):
    return "-" if np.isnan(value) else f"{value:.4f}"


def _percent(probability):
    return (
        ">99%" if probability > 0.99 else f"{probability:.0%}"
    )  # what is not certain never looks so


def _mistakes(run, arrays, logits):
    """A figure of what the network gets wrong."""
    classes, labels = figures.class_names(run.record.dataset.classes), arrays.validation_labels
    worst = classification.confident_mistakes(logits, labels, figures.ROWS * figures.COLUMNS)
    captions = [
        f"Pred {figures.shortened(classes[row.argmax()])} ({_percent(row.max())})\nTrue {figures.shortened(classes[true])}"
        for row, true in zip(np.exp(classification.log_softmax(logits[worst])), labels[worst])
    ]
    mistakes = int((logits.argmax(axis=-1) != labels).sum())
    title = (
        f"{runs.display_name(run.folder)}: {mistakes:,} of {len(logits):,} validation images wrong"
    )
    title += ", the surest" if mistakes else ""
    return {runs.File.MISTAKES: figures.examples(arrays.validation_images[worst], captions, title)}


def _first_layer(run, model):
    """A figure of the filters or the weights that see the image."""
    from lab.backend.introspection import operations_of  # with Keras

    name = runs.display_name(run.folder)
    kernel = next(
        (np.asarray(layer.kernel) for layer in operations_of(model) if hasattr(layer, "kernel")),
        np.empty(0),
    )
    shape = model.input_shape[1:]
    if kernel.shape[:1] != (math.prod(shape),) and (
        kernel.ndim != 4 or kernel.shape[2] != shape[2]
    ):
        console.say(
            "No filters.png and no weights.png: the first layer with a kernel does not see the image itself."
        )
        return {}
    if kernel.ndim == 4:
        title = (
            f"{name}: the {kernel.shape[-1]} filters of the first layer, each stretched by itself"
        )
        return {runs.File.FILTERS: figures.filters(kernel, title)}
    console.say(
        "No filters.png: the first layer is no convolution. Its weights are in weights.png."
    )
    return {
        runs.File.WEIGHTS: figures.first_layer(kernel, shape, f"{name}: weights of the first layer")
    }


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

    classes = run.record.dataset.classes
    images = np.concatenate([reading.images for reading in readings])
    probabilities = np.exp(
        classification.log_softmax(inference.logits_and_features(model, images)[0])
    )
    places = [
        (reading.path, place, box)
        for reading in readings
        for place, box in enumerate(reading.boxes, 1)
    ]
    rows = []
    for (path, place, box), row in zip(places, probabilities):
        first, second = row.argsort()[:-3:-1]
        cells = {
            "picture": path,
            "place": place,
            **box._asdict(),
            "prediction": classes[first],
            "probability": row[first],
        }
        rows.append(cells | {"second": classes[second], "its probability": row[second]})
    _print_predictions(rows)
    csv = run.folder / runs.File.PREDICTIONS
    with runs.atomic(csv) as temporary:
        temporary.write_text(
            as_csv([{name: _cell(value) for name, value in row.items()} for row in rows]) + "\n",
            "utf-8",
        )
    drawn = {
        runs.File.PICTURES: figures.predictions(
            _seen(run, readings, rows), _title(run, len(readings))
        )
    }
    return [csv, *runs.save_figures(drawn, run.folder)]


def _print_predictions(rows):
    shown = [
        {
            "picture": row["picture"].name,
            "place": str(row["place"]),
            "prediction": row["prediction"],
            "probability": f"{row['probability']:.4f}",
            "second": row["second"],
            "its probability": f"{row['its probability']:.4f}",
        }
        for row in rows[:_PRINTED]
    ]
    console.table(shown, left=("prediction", "second"))
    if len(rows) > _PRINTED:
        console.say(f"{len(rows) - _PRINTED:,} more in {runs.File.PREDICTIONS}")


def _cell(value):
    if isinstance(value, float):
        return f"{value:.6f}"
    return in_a_line(str(value))


def _seen(run, readings, rows):
    """The first pictures, for `figures.predictions`."""
    rows, several, about = iter(rows), [], run.record.dataset
    names = dict(zip(about.classes, figures.class_names(about.classes)))
    for path, boxes, images in readings[:_DRAWN]:
        picture, factor = decode_picture(path, about.pictures, about.divisor)
        of_this = itertools.islice(rows, len(boxes))
        captions = [
            f"{figures.shortened(names[row['prediction']], 14)}\n{_percent(row['probability'])}"
            for row in of_this
        ]
        name = figures.shortened(visible(path.name).replace("\n", " "))
        boxes = [[side / factor for side in box] for box in boxes]
        several.append(figures.Seen(name, np.asarray(picture), boxes, images, captions))
    return several


def _title(run, count):
    title = f"What {runs.display_name(run.folder)} saw"
    return title + (f": the first {_DRAWN} of {count:,} pictures" if count > _DRAWN else "")
