"""A first look at a data set: its numbers, and figures of its images. No TensorFlow."""

import math

import numpy as np

from lab import console, figures

EMBEDDED = 2000
VALUES = 3072  # of an image, that the embedding sees: as many as CIFAR-10's have; many more take minutes and gigabytes


def statistics(images, labels, classes):
    """Numbers that describe a set of images.

    Parameters
    ----------
    images : uint8 array, shape (n, height, width, channels)
    labels : int array, shape (n,)
    classes : int
        How many there are.

    Returns
    -------
    dict
        "shape", "type", "minimum", "maximum", "mean", "deviation" (of the pixel values, 0 to 255)
        and "counts" by class.
    """
    # From the histogram of the 256 values, and by parts: NumPy turns what it counts or averages
    # into 8 bytes a pixel.
    parts = np.array_split(images, max(1, images.size // 1_000_000))
    counts = sum(np.bincount(part.reshape(-1), minlength=256) for part in parts)
    values = np.arange(256)
    mean = (counts @ values) / counts.sum()
    return {
        "shape": images.shape,
        "type": images.dtype.name,
        "minimum": int(values[counts > 0].min()),
        "maximum": int(values[counts > 0].max()),
        "mean": float(mean),
        "deviation": float(np.sqrt((counts @ (values - mean) ** 2) / counts.sum())),
        "counts": np.bincount(labels, minlength=classes).tolist(),
    }


def principal_components(images, components=2):
    """Principal component analysis of images, of large ones every second, third, ... pixel.

    Parameters
    ----------
    images : array, shape (n, height, width, channels)
    components : int

    Returns
    -------
    points : float array, shape (n, components)
        The images' coordinates.
    explained : float array, shape (components,)
        Share of the variance along each.
    """
    step = math.ceil(math.sqrt(images[0].size / VALUES))
    images = images[:, ::step, ::step]
    flat = images.reshape(len(images), -1).astype(np.float32) / 255
    flat -= flat.mean(axis=0)
    variances, axes = np.linalg.eigh(flat.T @ flat)  # smallest first
    return flat @ axes[:, : -components - 1 : -1], variances[: -components - 1 : -1] / max(
        variances.sum(), 1e-12
    )


def draw_dataset(name, arrays):
    """The figures of a data set.

    Parameters
    ----------
    name : str
    arrays : data.Arrays

    Returns
    -------
    dict of str to matplotlib.figure.Figure
        By the file's name.
    """
    classes = figures.class_names(arrays.classes)
    parts = {"training": arrays.train, "validation": arrays.validation}
    drawn = {}
    for part, (images, labels) in parts.items():
        captions = [
            figures.shortened(classes[label]) for label in labels[: figures.ROWS * figures.COLUMNS]
        ]
        drawn[f"{part}_examples.png"] = figures.examples(images, captions, f"{name}: {part} images")
    counts = {
        part: np.bincount(labels, minlength=len(classes)) for part, (_, labels) in parts.items()
    }
    drawn["classes.png"] = figures.class_counts(counts, classes, f"{name}: images by class")
    means = class_means(arrays.train_images, arrays.train_labels, min(len(classes), figures.MEANS))
    title = f"{name}: mean image of each class"
    title += f", the first {len(means)} of {len(classes):,}" if len(means) < len(classes) else ""
    drawn["means.png"] = figures.class_means(means, classes, title)
    points, explained = principal_components(arrays.train_images[:EMBEDDED])
    title = f"{name}: {len(points):,} training images in two dimensions (PCA)"
    drawn["embedding.png"] = figures.embedding(
        points, arrays.train_labels[:EMBEDDED], classes, explained, title
    )
    return drawn


def class_means(images, labels, classes):
    """The mean image of each class; zeros for a class without images.

    Parameters
    ----------
    images : uint8 array, shape (n, height, width, channels)
    labels : int array, shape (n,)
    classes : int
        How many means are wanted, of the first classes.

    Returns
    -------
    float array, shape (classes, height, width, channels)
    """
    blank = np.zeros((1, *images.shape[1:]))
    return np.stack(
        [
            (images[labels == index] if index in labels else blank).mean(axis=0)
            for index in range(classes)
        ]
    )


def print_table(name, arrays):
    """Print the statistics of training and validation images side by side; of many classes, the
    most and the least frequent.
    """
    classes = arrays.classes
    parts = {
        "training": statistics(*arrays.train, len(classes)),
        "validation": statistics(*arrays.validation, len(classes)),
    }
    cells = {
        "shape": "{shape}",
        "type": "{type}",
        "range": "{minimum} to {maximum}",
        "mean": "{mean:.2f}",
    }
    cells["deviation"] = "{deviation:.2f}"
    rows = [
        {"": what} | {part: cell.format(**of_part) for part, of_part in parts.items()}
        for what, cell in cells.items()
    ]
    rows.append({})
    shown, half = [*range(len(classes))], figures.MANY // 2
    if len(classes) > figures.MANY:
        shown = np.argsort(-np.array(parts["training"]["counts"]), kind="stable").tolist()
        shown[half:-half] = [None]
    for index in shown:
        counts = (
            {part: f"{numbers['counts'][index]:,}" for part, numbers in parts.items()}
            if index is not None
            else {}
        )
        rows.append({"": f"images of {classes[index]}"} | counts if counts else {})
    console.table(rows, name)
    if len(classes) > figures.MANY:
        console.say(
            f"Of {len(classes):,} classes, the {half} with the most training images, and the {half} with the least."
        )
