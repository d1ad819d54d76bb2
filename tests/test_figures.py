"""Figures: that they are written, and say what they should."""

import numpy as np
import pytest
from PIL import Image

from lab import figures

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 28, 28, 1), np.uint8)
CLASSES = [f"class {i}" for i in range(10)]
LABELS = np.arange(20) % 10


def texts(figure):
    return [text.get_text() for axis in figure.axes for text in (axis.title, *axis.texts)]


def test_a_figure_is_written_as_png(tmp_path):
    figures.save(figures.examples(IMAGES, ["a"] * 15, "t"), tmp_path / "f.png")
    assert [path.name for path in tmp_path.iterdir()] == ["f.png"]
    with Image.open(tmp_path / "f.png") as image:
        assert image.format == "PNG" and image.width > 800


def test_examples_are_three_by_five_with_captions():
    figure = figures.examples(IMAGES, [f"caption {i}" for i in range(15)], "title")
    assert texts(figure) == [f"caption {i}" for i in range(15)]
    rows = {round(axis.get_position().y0, 2) for axis in figure.axes}
    assert len(rows) == 3 and len(figure.axes) == 15


@pytest.mark.parametrize("count", [0, 1, 7])
def test_fewer_examples(count, tmp_path):
    figures.save(figures.examples(IMAGES[:count], ["x"] * count, "title"), tmp_path / "f.png")


def test_learning_curve_has_accuracy_above_and_loss_below():
    history = {"accuracy": [0.5, 0.9], "val_accuracy": [0.6, 0.8], "loss": [2, 1], "val_loss": [1.5, float("nan")]}
    figure = figures.learning_curve(history, "run")
    above, below = figure.axes
    assert (above.get_ylabel(), below.get_ylabel()) == ("accuracy", "loss")
    assert above.get_position().y0 > below.get_position().y0
    for axis, name in ((above, "accuracy"), (below, "loss")):
        curves = {line.get_label(): line.get_ydata().tolist() for line in axis.lines}
        np.testing.assert_array_equal(curves["training"], history[name])
        np.testing.assert_array_equal(curves["validation"], history[f"val_{name}"])
        assert axis.lines[0].get_xdata().tolist() == [1, 2]


def test_confusion_shows_each_count(tmp_path):
    counts = np.array([[5, 2], [0, 9]])
    figure = figures.confusion(counts, ["a", "b"], "t")
    assert sorted(text.get_text() for text in figure.axes[0].texts) == ["2", "5", "9"]
    figures.save(figures.confusion(np.diag([3, 4]), ["a", "b"], "no mistakes"), tmp_path / "f.png")
    figures.save(figures.confusion(np.zeros((2, 2), int), ["a", "b"], "nothing"), tmp_path / "f.png")


@pytest.mark.parametrize(
    ("kernel", "input_shape", "drawn"),
    [
        (np.random.default_rng(0).normal(size=(784, 200)), (28, 28, 1), 100),
        (np.zeros((784, 3)), (28, 28, 1), 3),
        (np.random.default_rng(0).normal(size=(3072, 30)), (32, 32, 3), 30),
        (np.random.default_rng(0).normal(size=(5, 5, 1, 20)), (28, 28, 1), 20),
        (np.zeros((5, 5, 3, 20)), (32, 32, 3), 20),
    ],
)
def test_first_layer_draws_each_unit_or_kernel(kernel, input_shape, drawn, tmp_path):
    figure = figures.first_layer(kernel, input_shape, "weights")
    pictures = [axis.images[0].get_array() for axis in figure.axes if axis.images]
    assert len([picture for picture in pictures if np.ndim(picture) >= 2]) >= drawn
    side = 28 if input_shape[2] == 1 else 32
    if kernel.ndim == 2 and input_shape[2] == 1:
        np.testing.assert_array_equal(pictures[1], kernel[:, 1].reshape(side, side))
    figures.save(figure, tmp_path / "f.png")


def test_data_set_figures(tmp_path):
    for figure in (
        figures.class_counts(LABELS, LABELS[:5], CLASSES, "t"),
        figures.class_means(IMAGES, LABELS, CLASSES, "t"),
        figures.class_means(np.repeat(IMAGES, 3, axis=-1), LABELS, CLASSES, "t"),
        figures.embedding(np.random.default_rng(0).normal(size=(20, 2)), LABELS, CLASSES, (0.5, 0.2), "t"),
    ):
        figures.save(figure, tmp_path / "f.png")
        assert figure.legends or len(figure.axes) == 10
