"""What a trained classifier can do: metrics, mistakes, predictions of a user's own pictures.

Keras gives the logits; everything after them is NumPy.
"""

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lab.data import load as datasets
from lab.errors import UserError
from lab.figures import base as figures
from lab.runs import folders as runs
from lab.runs.files import write_json

BATCH_SIZE = 1000


def data_of(config, record, data_dir=None):
    """The arrays that a run was trained and validated on; says so if they are not the same any more.

    Parameters
    ----------
    config, record
        As `runs.load_config` gives them.
    """
    name = record["dataset"]["name"]
    arrays = datasets.hold_out(datasets.load(name, data_dir), config.holdout)
    if datasets.fingerprint(arrays) != record["dataset"]["sha256"]:
        print(f"Note: this {name} is not the one that the run was trained on; its images or labels differ.")
    return arrays


def data_of_all(trained, data_dir=None):
    """As `data_of` of several runs, each data set loaded once.

    Parameters
    ----------
    trained : iterable of (config, record)

    Returns
    -------
    dict of (name, holdout) to datasets.Arrays
    """
    several = {(record["dataset"]["name"], config.holdout): (config, record) for config, record in trained}
    return {key: data_of(*one, data_dir) for key, one in several.items()}


def evaluate(folder, model, arrays, record):
    """Evaluate a classifier on its training and validation images, print the outcome, and write it into its folder.

    Parameters
    ----------
    folder : Path
    model : keras.Model
    arrays : datasets.Arrays
        As `data_of` gives them.
    record : dict
        As `runs.load_config` gives it.

    Returns
    -------
    list of Path
        What was written.
    """
    classes = datasets.CLASSES[record["dataset"]["name"]]
    results = {}
    for part, images, labels in (("training", *arrays[:2]), ("validation", *arrays[2:])):
        logits = predict(model, images)
        results[part] = loss_and_accuracy(logits, labels)
        for metric, value in results[part].items():
            print(f"{part.capitalize()} {metric}: {value:.4f}", flush=True)
    results["penalty"] = penalty(model)
    if results["penalty"]:
        print(f"Weight decay penalty: {results['penalty']:.4f} (in training it is added to the loss)")
    counts = confusion(logits.argmax(axis=-1), arrays.validation_labels, len(classes))
    precision, recall = precision_and_recall(counts)
    results |= {"classes": classes, "precision": precision.tolist(), "recall": recall.tolist(), "confusion": counts.tolist()}
    _print_classes(classes, counts, precision, recall)
    write_json(folder / "evaluation.json", results)
    return [folder / "evaluation.json", *_draw(folder, model, arrays, logits, counts, classes)]


def _draw(folder, model, arrays, logits, counts, classes):
    worst = confident_mistakes(logits, arrays.validation_labels, figures.ROWS * figures.COLUMNS)
    captions = [
        f"Pred {classes[predicted]}\nTrue {classes[true]}"
        for predicted, true in zip(logits[worst].argmax(axis=-1), arrays.validation_labels[worst])
    ]
    mistakes = len(arrays.validation_labels) - np.trace(counts)
    name = runs.title(folder)
    title = f"{name}: {mistakes:,} of {len(logits):,} validation images wrong" + (", the surest" if mistakes else "")
    drawn = {
        "mistakes": figures.examples(arrays.validation_images[worst], captions, title),
        "confusion": figures.confusion(counts, classes, f"{name}: validation images"),
    }
    kernel = np.asarray(next(layer.kernel for layer in model.layers if hasattr(layer, "kernel")))
    if kernel.ndim == 4:
        title = f"{name}: the {kernel.shape[-1]} filters of the first layer, each stretched by itself"
        drawn["filters"] = figures.filters(kernel, title)
    else:
        print("No filters.png: the first layer is no convolution. Its weights are in weights.png.")
        drawn["weights"] = figures.first_layer(kernel, model.input_shape[1:], f"{name}: weights of the first layer")
    return figures.save_all(drawn, folder)


def _print_classes(classes, counts, precision, recall):
    table = Table("class", title="Validation images by class", title_justify="left")
    for column in ("images", "precision", "recall"):
        table.add_column(column, justify="right")
    for name, images, *shares in zip(classes, counts.sum(axis=1), precision, recall):
        table.add_row(name, f"{images:,}", *("-" if np.isnan(share) else f"{share:.4f}" for share in shares))
    Console().print(table)


def predict_pictures(folder, model, paths, pictures, record):
    """Predict a user's own pictures, print the outcome, and draw what the network saw.

    Parameters
    ----------
    paths : list of path
        Where the pictures are from.
    pictures : uint8 array, shape (n, height, width, channels)
        As `load_pictures` gives them.

    Returns
    -------
    list of Path
        What was written.
    """
    classes = datasets.CLASSES[record["dataset"]["name"]]
    probabilities = np.exp(log_softmax(predict(model, pictures)))
    table = Table("picture", "prediction")
    for column in ("probability", "second", "probability"):
        table.add_column(column, justify="right" if column == "probability" else "left")
    captions = []
    for path, row in zip(paths, probabilities):
        first, second = row.argsort()[:-3:-1]
        table.add_row(Text(Path(path).name), classes[first], f"{row[first]:.4f}", classes[second], f"{row[second]:.4f}")
        captions.append(f"{classes[first]} ({row[first]:.0%})")
    Console().print(table)
    most = figures.ROWS * figures.COLUMNS
    title = f"What {runs.title(folder)} saw" + (f": the first {most} of {len(paths)}" if len(paths) > most else "")
    return figures.save_all({"pictures": figures.examples(pictures, captions, title)}, folder)


def predict(model, images):
    """The network's logits, before the softmax.

    Parameters
    ----------
    model : keras.Model with a layer called "logits"
    images : uint8 array, shape (n, height, width, channels)

    Returns
    -------
    float64 array, shape (n, classes)
    """
    return logits_and_features(model, images)[0]


def logits_and_features(model, images):
    """As `predict`; and the values that the logits are made of, those of the last hidden layer.

    Returns
    -------
    logits : float64 array, shape (n, classes)
    features : float64 array, shape (n, features)
    """
    import keras

    layer = model.get_layer("logits")
    outputs = keras.Model(model.inputs, [layer.output, layer.input])
    # Not `predict`, which can take two seconds to end its input pipeline.
    batches = [outputs.predict_on_batch(images[start : start + BATCH_SIZE]) for start in range(0, len(images), BATCH_SIZE)]
    return tuple(np.concatenate(part).astype(np.float64) for part in zip(*batches))


def log_softmax(logits):
    """The logarithm of the softmax over the last axis, safe from overflow.

    Parameters
    ----------
    logits : float array, shape (..., classes)

    Returns
    -------
    float array of that shape
    """
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def loss_and_accuracy(logits, labels):
    """Mean cross-entropy (in nats) and share of right predictions.

    Parameters
    ----------
    logits : float array, shape (n, classes)
    labels : int array, shape (n,)

    Returns
    -------
    dict with floats "loss" and "accuracy"
    """
    of_truth = log_softmax(logits)[np.arange(len(labels)), labels]
    return {"loss": float(-of_truth.mean()), "accuracy": float((logits.argmax(axis=-1) == labels).mean())}


def penalty(model):
    """What the weight decay adds to the loss."""
    return float(sum(float(term) for term in model.losses))


def confusion(predicted, labels, classes):
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
    """Precision and recall of each class, from a confusion matrix; NaN where no image was predicted as it, or is of it.

    Parameters
    ----------
    counts : int array, shape (classes, classes)
        As `confusion` gives it.

    Returns
    -------
    precision, recall : float arrays, shape (classes,)
    """
    with np.errstate(invalid="ignore"):
        return np.diag(counts) / counts.sum(axis=0), np.diag(counts) / counts.sum(axis=1)


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
    confidence = log_softmax(logits[wrong]).max(axis=-1)
    return wrong[np.argsort(-confidence, kind="stable")[:most]]


def load_pictures(paths, shape):
    """Pictures of any size as images that a network of this input shape understands.

    For grey networks it is done as for MNIST (LeCun et al. 1998): ink light on black, scaled into a box of 20/28 of the
    side, its centre of mass in the middle. For colour networks it is cropped to a square and scaled.

    Parameters
    ----------
    paths : list of paths of PNG or JPEG files
    shape : (height, width, channels)

    Returns
    -------
    uint8 array, shape (n, height, width, channels)

    Raises
    ------
    UserError
        If one is not such a file, or shows nothing.
    """
    return np.stack([_load_picture(path, shape) for path in paths])


def _load_picture(path, shape):
    try:
        quiet = warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning)
        with quiet, Image.open(path, formats=("PNG", "JPEG")) as file:  # a picture twice as large is an error
            picture = ImageOps.exif_transpose(file)
            if picture.mode.startswith("I"):  # 16 bits a pixel, which Pillow would cut off instead of scaling
                picture = Image.fromarray((np.asarray(picture) // 257).astype(np.uint8))
            picture = picture.convert("RGBA")
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or "not a readable PNG or JPEG picture"
        raise UserError(f"{path}: {reason}") from error
    # What is transparent is seen as white paper.
    picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    if shape[-1] == 3:
        return np.asarray(ImageOps.fit(picture, (shape[1], shape[0]), Image.Resampling.LANCZOS))
    return _centre(_ink(picture.convert("L"), path), shape[0])[..., np.newaxis]


def _ink(picture, path):
    """Light ink on black, cropped to the ink."""
    values = np.asarray(picture, int)
    border = np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])
    if np.median(border) > 127:
        values = 255 - values
    values = np.clip(values - np.median(np.minimum(border, 255 - border)), 0, None)
    if values.max() < 32:
        raise UserError(f"{path}: shows nothing that stands out from its background")
    values = values * 255 / values.max()
    rows, columns = (np.flatnonzero((values > 64).any(axis=axis)) for axis in (1, 0))
    return values[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.uint8)


def _centre(ink, side):
    box = side * 20 // 28
    scale = box / max(ink.shape)
    size = [max(1, round(length * scale)) for length in reversed(ink.shape)]
    small = np.asarray(Image.fromarray(ink.astype(np.float32)).resize(size, Image.Resampling.BOX), float)
    small *= 255 / small.max()  # thin lines grow pale as they shrink
    canvas = np.zeros((side, side), np.uint8)
    corner = []
    for axis, length in enumerate(small.shape):
        centre = (small.sum(axis=1 - axis) @ (np.arange(length) + 0.5)) / small.sum()
        corner.append(int(np.clip(round(side / 2 - centre), 0, side - length)))
    canvas[corner[0] : corner[0] + small.shape[0], corner[1] : corner[1] + small.shape[1]] = small
    return canvas
