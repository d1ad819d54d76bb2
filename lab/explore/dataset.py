"""A first look at a data set: its numbers, and figures of its images. No TensorFlow."""

import math

import numpy as np

from lab import console, figures

EMBEDDED = 2000
# Values of an image that the embedding sees: as many as CIFAR-10's have; many more take minutes and
# gigabytes.
VALUES = 3072


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
    counts = sum(np.bincount(part.ravel(), minlength=256) for part in parts)
    values, present = np.arange(256), np.flatnonzero(counts)
    mean = (counts @ values) / counts.sum()
    return {
        "shape": images.shape,
        "type": images.dtype.name,
        "minimum": int(present[0]),
        "maximum": int(present[-1]),
        "mean": float(mean),
        "deviation": float(np.sqrt((counts @ (values - mean) ** 2) / counts.sum())),
        "counts": np.bincount(labels, minlength=classes).tolist(),
    }


def principal_components(images):
    """The first two principal components of images, of large ones every second, third, ... pixel.

    Parameters
    ----------
    images : array, shape (n, height, width, channels)

    Returns
    -------
    points : float array, shape (n, 2)
        The images' coordinates.
    explained : float array, shape (2,)
        Share of the variance along each.
    """
    step = math.ceil(math.sqrt(images[0].size / VALUES))
    flat = images[:, ::step, ::step].reshape(len(images), -1).astype(np.float32) / 255
    flat -= flat.mean(axis=0)
    variances, axes = np.linalg.eigh(flat.T @ flat)  # smallest first
    return flat @ axes[:, :-3:-1], variances[:-3:-1] / max(variances.sum(), 1e-12)


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
    drawn, counts = {}, {}
    for part, images, labels in (("training", *arrays.train), ("validation", *arrays.validation)):
        counts[part] = np.bincount(labels, minlength=len(classes))
        shown = labels[: figures.ROWS * figures.COLUMNS]
        captions = [figures.shortened(classes[label]) for label in shown]
        drawn[f"{part}_examples.png"] = figures.examples(images, captions, f"{name}: {part} images")
    drawn["classes.png"] = figures.class_counts(counts, classes, f"{name}: images by class")
    images, labels = arrays.train
    means = mean_images(images, labels, min(len(classes), figures.MEANS))
    title = f"{name}: mean image of each class"
    if len(means) < len(classes):
        title += f", the first {len(means)} of {len(classes):,}"
    drawn["means.png"] = figures.class_means(means, classes, title)
    points, explained = principal_components(images[:EMBEDDED])
    title = f"{name}: {len(points):,} training images in two dimensions (PCA)"
    drawn["embedding.png"] = figures.embedding(points, labels[:EMBEDDED], classes, explained, title)
    return drawn


def mean_images(images, labels, classes):
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
    means = np.zeros((classes, *images.shape[1:]))
    for index in range(classes):
        if index in labels:
            means[index] = images[labels == index].mean(axis=0)
    return means


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
        "deviation": "{deviation:.2f}",
    }
    rows = [
        {"": what} | {part: cell.format(**numbers) for part, numbers in parts.items()}
        for what, cell in cells.items()
    ]
    by_class = []
    for index, label in enumerate(classes):
        counts = {part: f"{numbers['counts'][index]:,}" for part, numbers in parts.items()}
        by_class.append({"": f"images of {label}"} | counts)
    if len(classes) > figures.MANY:
        half = figures.MANY // 2
        order = np.argsort(-np.array(parts["training"]["counts"]), kind="stable")
        by_class = [by_class[index] for index in order]
        by_class[half:-half] = [{}]
    console.table([*rows, {}, *by_class], name)
    if len(classes) > figures.MANY:
        console.say(
            f"Of {len(classes):,} classes, the {half} with the most training images, "
            f"and the {half} with the least."
        )
