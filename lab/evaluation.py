"""What a trained classifier can do: metrics, mistakes, predictions of a user's own pictures. NumPy, but for `predict`."""

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from lab.errors import UserError

BATCH_SIZE = 1000


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
    import keras

    logits = keras.Model(model.inputs, model.get_layer("logits").output)
    return logits.predict(images, batch_size=BATCH_SIZE, verbose=0).astype(np.float64)


def log_softmax(logits):
    """The logarithm of the softmax over the last axis, safe from overflow."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def loss_and_accuracy(logits, labels):
    """Mean cross-entropy (in nats) and share of right predictions.

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

    Returns
    -------
    int array, shape (classes, classes)
    """
    counts = np.zeros((classes, classes), int)
    np.add.at(counts, (labels, predicted), 1)
    return counts


def precision_and_recall(counts):
    """Precision and recall of each class, from a confusion matrix; NaN where no image was predicted as it, or is of it.

    Returns
    -------
    precision, recall : float arrays, shape (classes,)
    """
    with np.errstate(invalid="ignore"):
        return np.diag(counts) / counts.sum(axis=0), np.diag(counts) / counts.sum(axis=1)


def confident_mistakes(logits, labels, most):
    """Numbers of the wrongly predicted images, the most confident mistake first."""
    wrong = np.flatnonzero(logits.argmax(axis=-1) != labels)
    confidence = log_softmax(logits[wrong]).max(axis=-1)
    return wrong[np.argsort(-confidence, kind="stable")[:most]]


def load_picture(path, shape):
    """A picture of any size as an image that a network of this input shape understands.

    For grey networks it is done as for MNIST (LeCun et al. 1998): ink light on black, scaled into a box of 20/28 of the
    side, its centre of mass in the middle. For colour networks it is cropped to a square and scaled.

    Parameters
    ----------
    path : path of a PNG or JPEG file
    shape : (height, width, channels)

    Returns
    -------
    uint8 array of that shape

    Raises
    ------
    UserError
        If it is not such a file, or shows nothing.
    """
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as file:
            picture = ImageOps.exif_transpose(file).convert("RGBA")
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
    small = np.asarray(Image.fromarray(ink).resize(size, Image.Resampling.LANCZOS), float)
    canvas = np.zeros((side, side), np.uint8)
    corner = []
    for axis, length in enumerate(small.shape):
        centre = (small.sum(axis=1 - axis) @ (np.arange(length) + 0.5)) / small.sum()
        corner.append(int(np.clip(round(side / 2 - centre), 0, side - length)))
    canvas[corner[0] : corner[0] + small.shape[0], corner[1] : corner[1] + small.shape[1]] = small
    return canvas
