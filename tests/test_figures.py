"""Figures: that they are written, and say what they should."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from lab import figures
from lab.data import ring
from lab.metrics import collapse, intervals
from lab.runs import save_figures

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 28, 28, 1), np.uint8)
CLASSES = [f"class {i}" for i in range(10)]
LABELS = np.arange(20) % 10


def save(figure, folder):
    """Write a figure as runs do, which lays it out."""
    return save_figures({"f.png": figure}, folder)[0]


def texts(figure):
    return [text.get_text() for axis in figure.axes for text in (axis.title, *axis.texts)]


def test_a_figure_is_written_as_png(tmp_path):
    save(figures.examples(IMAGES, ["a"] * 15, "t"), tmp_path)
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
    save(figures.examples(IMAGES[:count], ["x"] * count, "title"), tmp_path)


def test_learning_curve_has_accuracy_above_and_loss_below():
    history = {"accuracy": [0.5, 0.9], "val_accuracy": [0.6, 0.8], "loss": [2, 1], "val_loss": [1.5, float("nan")]}
    figure = figures.learning_curve(intervals.curves([history]), "run")
    above, below = figure.axes
    assert (above.get_ylabel(), below.get_ylabel()) == ("accuracy", "loss")
    assert above.get_position().y0 > below.get_position().y0
    for axis, name in ((above, "accuracy"), (below, "loss")):
        curves = {line.get_label(): line.get_ydata().tolist() for line in axis.lines}
        np.testing.assert_array_equal(curves["training"], history[name])
        np.testing.assert_array_equal(curves["validation"], history[f"val_{name}"])
        assert axis.lines[0].get_xdata().tolist() == [1, 2]


def repeats(last, count=3, epochs=4):
    """Learning curves of runs that end around ``last``."""
    rising = np.linspace(0.3, last, epochs)
    names = ("accuracy", "val_accuracy", "loss", "val_loss")
    return intervals.curves([{name: list(rising + run / 100) for name in names} for run in range(count)])


def legend_texts(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def test_repeated_runs_are_drawn_as_mean_and_band():
    figure = figures.learning_curve(repeats(0.9), "three runs")
    for axis in figure.axes:
        training, validation = axis.lines
        assert validation.get_ydata()[-1] == pytest.approx(0.91)
        low, high = np.sort(axis.collections[1].get_paths()[0].vertices[:, 1])[[0, -1]]
        # t of 2 degrees of freedom is 4.3027; the deviation is 0.01.
        assert (high - 0.91, 0.31 - low) == pytest.approx([4.3027 * 0.01 / np.sqrt(3)] * 2, rel=1e-4)
        assert training.get_linestyle() == "--" and validation.get_linestyle() == "-"
    assert not figures.learning_curve(repeats(0.9, count=1), "one run").axes[0].collections


@pytest.mark.parametrize("count", [2, 21, 60])
def test_learning_curves_have_a_colour_a_setting_and_their_legend_outside_the_axes(count, tmp_path):
    figure = figures.learning_curves({f"hidden={index},25": repeats(index / count) for index in range(count)}, "many")
    solid = [line for line in figure.axes[0].lines if len(line.get_xdata()) and line.get_linestyle() == "-"]
    dashed = [line for line in figure.axes[0].lines if len(line.get_xdata()) and line.get_linestyle() == "--"]
    colours = {to_hex(line.get_color()) for line in solid}
    assert len(solid) == len(dashed) == count and len(colours) == count
    assert colours == {to_hex(line.get_color()) for line in dashed}
    assert len(legend_texts(figure)) == count + 2 and {"training", "validation"} < set(legend_texts(figure))
    save(figure, tmp_path)  # which lays it out
    legend = figure.legends[0].get_window_extent()
    assert legend.x0 > max(axis.get_window_extent().x1 for axis in figure.axes)
    assert legend.y0 >= 0 and legend.x1 <= figure.bbox.x1


def test_trend_has_error_bars_a_place_for_zero_and_published_crosses(tmp_path):
    x = np.array([0, 1e-10, 1e-2, 1])
    values = np.array([0.98, 0.97, 0.92, 0.11])
    series = {"x": x, "val_accuracy": (values, values / 100), "val_loss": (1 - values, np.full(4, np.nan))}
    series["published"] = {"val_accuracy": values, "val_loss": values}
    figure = figures.trend({"": series}, "lambda", True, "t")
    save(figure, tmp_path)
    places = [figure.axes[1].transData.transform((value, 0))[0] for value in x]
    assert places == sorted(places) and min(np.diff(places)) > 20
    assert legend_texts(figure) == ["ours", "published"]
    save(figures.trend({"a": series, "b": series}, "lambda", False, "t"), tmp_path)


def test_confusion_shows_each_count(tmp_path):
    counts = np.array([[5, 2], [0, 9]])
    figure = figures.confusion(counts, ["a", "b"], "t")
    assert sorted(text.get_text() for text in figure.axes[0].texts) == ["2", "5", "9"]
    save(figures.confusion(np.diag([3, 4]), ["a", "b"], "no mistakes"), tmp_path)
    save(figures.confusion(np.zeros((2, 2), int), ["a", "b"], "nothing"), tmp_path)


@pytest.mark.parametrize(
    ("kernel", "input_shape", "drawn"),
    [
        (np.random.default_rng(0).normal(size=(784, 200)), (28, 28, 1), 100),
        (np.zeros((784, 3)), (28, 28, 1), 3),
        (np.random.default_rng(0).normal(size=(3072, 30)), (32, 32, 3), 30),
        (np.zeros((3072, 3)), (32, 32, 3), 3),
    ],
)
def test_first_layer_draws_each_unit(kernel, input_shape, drawn, tmp_path):
    figure = figures.first_layer(kernel, input_shape, "weights")
    pictures = [axis.images[0].get_array() for axis in figure.axes if axis.images]
    assert len([picture for picture in pictures if np.ndim(picture) >= 2]) >= drawn
    side = 28 if input_shape[2] == 1 else 32
    if input_shape[2] == 1:
        np.testing.assert_array_equal(pictures[1], kernel[:, 1].reshape(side, side))
    save(figure, tmp_path)


def test_filters_stand_in_rows_of_16_each_stretched_by_itself(tmp_path):
    kernel = np.random.default_rng(0).normal(size=(11, 11, 3, 64))
    kernel[..., 5] = 0.25  # constant
    figure = figures.filters(kernel, "filters")
    (axis,) = figure.axes
    sheet = np.asarray(axis.images[0].get_array())
    assert sheet.shape == (4 * 12 + 1, 16 * 12 + 1, 3) and axis.images[0].get_interpolation() == "nearest"
    for index in range(64):
        top, left = index // 16 * 12 + 1, index % 16 * 12 + 1
        mine = kernel[..., index] - kernel[..., index].min()
        mine = np.full_like(mine, 0.5) if index == 5 else mine / mine.max()
        np.testing.assert_allclose(sheet[top : top + 11, left : left + 11], mine)
    assert (sheet[::12] == 1).all() and (sheet[:, ::12] == 1).all()  # the gaps
    save(figure, tmp_path)
    with Image.open(tmp_path / "f.png") as image:
        pixels = np.asarray(image.convert("RGB"))[48:]  # below the title
    grey = (np.abs(pixels.astype(int) - 127.5).max(axis=-1) < 1).nonzero()
    zoom = (np.ptp(grey[0]) + 1) / 11  # every weight is drawn as a square of so many pixels
    assert zoom == int(zoom) >= 6 and np.ptp(grey[1]) + 1 == 11 * zoom


@pytest.mark.parametrize("shape", [(5, 5, 1, 20), (3, 3, 1, 2), (5, 5, 3, 1)])
def test_filters_of_other_convolutions(shape, tmp_path):
    figure = figures.filters(np.random.default_rng(0).normal(size=shape), "a title longer than the filters are wide " * 5)
    save(figure, tmp_path)
    with Image.open(tmp_path / "f.png") as image:
        assert image.width >= 1200


@pytest.mark.parametrize("names", [["run"], [f"{'long' * 12}={index}" for index in range(30)]])
def test_label_counts_have_an_even_band_and_their_legend_within_the_figure(names):
    counts = np.array([[40, 20, 60], [20, 40, 60]])
    groups = dict.fromkeys(names, intervals.mean_and_half_width(counts))
    figure = figures.label_counts(groups, collapse.even_spread(120, 3), ["a", "b", "c"], "t")
    figure.draw_without_rendering()
    (axis,) = figure.axes
    assert [bar.get_height() for bar in axis.containers[-1]] == [30, 30, 60]
    low, band = axis.patches[-1].get_y(), axis.patches[-1].get_height()
    assert (low, band) == pytest.approx((40 - 1.96 * np.sqrt(120 * 2 / 9), 2 * 1.96 * np.sqrt(120 * 2 / 9)), rel=1e-4)
    legend = figure.legends[0].get_window_extent()
    assert legend_texts(figure) == [*names, "even spread", "of one even run: 95%"]
    assert legend.x0 > axis.get_window_extent().x1 and legend.y0 >= 0 and legend.x1 <= figure.bbox.x1


def test_one_epoch_is_a_point_and_what_is_near_a_mode_is_drawn_to_scale():
    figure = figures.learning_curves({"a": repeats(0.9, epochs=1)}, "t")
    assert {line.get_marker() for axis in figure.axes for line in axis.lines if len(line.get_xdata())} == {"."}
    circles = figures.samples(np.zeros((5, 2)), ring.MODES, "t").axes[0].patches
    assert [circle.radius for circle in circles] == pytest.approx([0.06] * 8)


def test_published_curves_are_crosses_beside_ours():
    published = {"a": {1: {"val_loss": 1.5}, 3: {"val_loss": 1.1, "loss": 1.0}}}
    figure = figures.learning_curves({"a": repeats(0.9), "b": repeats(0.8)}, "t", published)
    crosses = [line for line in figure.axes[1].lines if line.get_marker() == "x" and len(line.get_xdata())]
    assert [line.get_xydata().tolist() for line in crosses] == [[[1, 1.5], [3, 1.1]]]
    assert crosses[0].get_color() == "C0"
    assert legend_texts(figure) == ["a", "b", "training", "validation", "published, training", "published, validation"]


def test_data_set_figures(tmp_path):
    for figure in (
        figures.class_counts({"training": np.full(10, 20), "validation": np.arange(10)}, CLASSES, "t"),
        figures.class_means(IMAGES[:10].astype(float), CLASSES, "t"),
        figures.class_means(np.repeat(IMAGES[:10], 3, axis=-1), CLASSES, "t"),
        figures.embedding(np.random.default_rng(0).normal(size=(20, 2)), LABELS, CLASSES, (0.5, 0.2), "t"),
    ):
        save(figure, tmp_path)
        assert figure.legends or len(figure.axes) == 10


def test_grids_show_images_row_by_row_dark_on_white():
    images = np.arange(6, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 3, 1), np.uint8)
    picture = 255 - np.asarray(figures.sample_grid(images, rows=2, columns=3))
    assert picture.shape == (8, 18) and picture[::4, ::6].tolist() == [[0, 1, 2], [3, 4, 5]]
