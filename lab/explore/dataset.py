"""A first look at a data set: its numbers, and figures of its images. No TensorFlow."""

import numpy as np
from rich.console import Console
from rich.table import Table

from lab.data import load as datasets
from lab.figures import base as figures

EMBEDDED = 2000


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
        "shape", "type", "minimum", "maximum", "mean", "deviation" (of the pixel values, 0 to 255) and "counts" by class.
    """
    # From the histogram of the 256 values, and by parts: NumPy turns what it counts or averages into 8 bytes a pixel.
    parts = np.array_split(images, max(1, len(images) // 1000))
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
    """Principal component analysis of images.

    Parameters
    ----------
    images : array, shape (n, ...)
    components : int

    Returns
    -------
    points : float array, shape (n, components)
        The images' coordinates.
    explained : float array, shape (components,)
        Share of the variance along each.
    """
    flat = images.reshape(len(images), -1).astype(np.float32) / 255
    flat -= flat.mean(axis=0)
    variances, axes = np.linalg.eigh(flat.T @ flat)  # smallest first
    return flat @ axes[:, : -components - 1 : -1], variances[: -components - 1 : -1] / max(variances.sum(), 1e-12)


def draw(name, arrays, folder):
    """Write the figures of a data set into ``folder``.

    Returns
    -------
    list of Path
    """
    folder.mkdir(parents=True, exist_ok=True)
    classes = datasets.CLASSES[name]
    drawn = {}
    for part, images, labels in (("training", *arrays[:2]), ("validation", *arrays[2:])):
        captions = [classes[label] for label in labels[: figures.ROWS * figures.COLUMNS]]
        drawn[f"{part}_examples"] = figures.examples(images, captions, f"{name}: {part} images")
    drawn["classes"] = figures.class_counts(arrays.train_labels, arrays.validation_labels, classes, f"{name}: images by class")
    drawn["means"] = figures.class_means(arrays.train_images, arrays.train_labels, classes, f"{name}: mean image of each class")
    points, explained = principal_components(arrays.train_images[:EMBEDDED])
    title = f"{name}: {len(points):,} training images in two dimensions (PCA)"
    drawn["embedding"] = figures.embedding(points, arrays.train_labels[:EMBEDDED], classes, explained, title)
    return figures.save_all(drawn, folder)


def print_table(name, arrays):
    """Print the statistics of training and validation images side by side."""
    classes = datasets.CLASSES[name]
    columns = [statistics(*arrays[:2], len(classes)), statistics(*arrays[2:], len(classes))]
    table = Table("", title=name, title_justify="left")
    for part in ("training", "validation"):
        table.add_column(part, justify="right")
    for key in ("shape", "type"):
        table.add_row(key, *(str(column[key]) for column in columns))
    table.add_row("range", *(f"{column['minimum']} to {column['maximum']}" for column in columns))
    for key in ("mean", "deviation"):
        table.add_row(key, *(f"{column[key]:.2f}" for column in columns), end_section=key == "deviation")
    for index, label in enumerate(classes):
        table.add_row(f"images of {label}", *(f"{column['counts'][index]:,}" for column in columns))
    Console().print(table)
