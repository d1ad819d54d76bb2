"""Figures: that they are written, say what they should, and can be read by the colour-blind."""

import itertools

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager, get_data_path, rcParams
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.transforms import TransformedBbox
from PIL import Image

from lab import figures
from lab.data import GAUSSIANS
from lab.figures import base
from lab.metrics import collapse, intervals
from lab.runs import save_figures

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 28, 28, 1), np.uint8)
CLASSES = [f"class {i}" for i in range(10)]
LABELS = np.arange(20) % 10


def save(figure, folder):
    """Write a figure as runs do, which lays it out."""
    return save_figures({"f.png": figure}, folder, vector=False)[0]


def saved(figure):
    """What a file of a figure shows, in pixels of the figure: a box."""
    return TransformedBbox(figure.get_tightbbox(), figure.dpi_scale_trans)


def assert_beside(figure):
    """The legend is within the picture, clear of all axes and of the title, in the last quarter."""
    (legend,) = (one.get_window_extent() for one in figure.legends)
    box, title = saved(figure), figure.findobj(Text, include_self=False)
    assert legend.x0 > max(axis.get_window_extent().x1 for axis in figure.axes)
    assert box.x0 <= legend.x0 and legend.x1 <= box.x1
    assert box.y0 <= legend.y0 and legend.y1 <= box.y1
    assert legend.width <= box.width / 4
    titles = [text for text in title if text.get_text() == figure.get_suptitle()]
    assert titles and all(text.get_window_extent().x1 < legend.x0 for text in titles)


def seen_by_the_colour_blind(colour):
    """CIE L*a*b* of a colour under deuteranopia (Machado et al.

    2009), of the standard illuminant D65.
    """
    linear = np.array(
        [
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
            for part in to_rgb(colour)
        ]
    )
    blind = [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ]
    to_xyz = [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
    ratios = to_xyz @ np.clip(blind @ linear, 0, 1) / [0.95047, 1, 1.08883]
    x, y, z = np.where(ratios > (6 / 29) ** 3, np.cbrt(ratios), ratios * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def look(handle):
    """The colour of what a legend shows, and what there is to it beside its colour."""
    if isinstance(handle, Line2D):
        return handle.get_color(), (
            handle.get_marker(),
            handle.get_linestyle(),
            handle.get_markerfacecolor() == "none",
        )
    if isinstance(handle, PathCollection):
        return handle.get_facecolor()[0], handle.get_paths()[0].vertices.tobytes()
    return handle.get_facecolor(), handle.get_hatch()


def assert_told_apart(figure):
    """In each of a figure's legends any two series differ in more than what the colour-blind do
    not see.
    """
    legends = [*figure.legends, *(axis.get_legend() for axis in figure.axes if axis.get_legend())]
    assert legends
    for legend in legends:
        for (one, mine), (other, its) in itertools.combinations(
            map(look, legend.legend_handles), 2
        ):
            distance = np.linalg.norm(
                seen_by_the_colour_blind(one) - seen_by_the_colour_blind(other)
            )
            assert mine != its or distance >= 10, (one, other, distance)


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


@pytest.mark.parametrize(("count", "rows", "columns"), [(0, 1, 1), (1, 1, 1), (7, 2, 5)])
def test_fewer_examples_take_a_smaller_sheet(count, rows, columns, tmp_path):
    figure = figures.examples(IMAGES[:count], ["x"] * count, "title")
    save(figure, tmp_path)
    assert len(figure.axes) == rows * columns and figure.get_figheight() < 2.6 * rows


def test_learning_curve_has_accuracy_above_and_loss_below():
    history = {
        "accuracy": [0.5, 0.9],
        "val_accuracy": [0.6, 0.8],
        "loss": [2, 1],
        "val_loss": [1.5, float("nan")],
    }
    figure = figures.learning_curve(intervals.curves([history]), "run")
    above, below = figure.axes
    assert (above.get_ylabel(), below.get_ylabel()) == ("accuracy", "loss")
    assert above.get_position().y0 > below.get_position().y0
    for axis, name in ((above, "accuracy"), (below, "loss")):
        curves = {line.get_label(): line.get_ydata().tolist() for line in axis.lines}
        np.testing.assert_array_equal(curves["training, while learning"], history[name])
        np.testing.assert_array_equal(curves["validation"], history[f"val_{name}"])
        assert axis.lines[0].get_xdata().tolist() == [1, 2]


def repeats(last, count=3, epochs=4):
    """Learning curves of runs that end around ``last``."""
    rising = np.linspace(0.3, last, epochs)
    names = ("accuracy", "val_accuracy", "loss", "val_loss")
    return intervals.curves(
        [{name: list(rising + run / 100) for name in names} for run in range(count)]
    )


def panel(groups, **published):
    """Of several settings, what `figures.learning_curves` takes."""
    return {name: (curves, published.get(name, {})) for name, curves in groups.items()}


def legend_texts(figure):
    """Of its legends outside of the axes, however their lines are broken."""
    return [
        text.get_text().replace("\n", " ")
        for legend in figure.legends
        for text in legend.get_texts()
    ]


def test_repeated_runs_are_drawn_as_mean_and_band():
    figure = figures.learning_curve(repeats(0.9), "three runs")
    for axis in figure.axes:
        training, validation = axis.lines
        assert validation.get_ydata()[-1] == pytest.approx(0.91)
        low, high = np.sort(axis.collections[1].get_paths()[0].vertices[:, 1])[[0, -1]]
        # t of 2 degrees of freedom is 4.3027; the deviation is 0.01.
        assert (high - 0.91, 0.31 - low) == pytest.approx(
            [4.3027 * 0.01 / np.sqrt(3)] * 2, rel=1e-4
        )
        assert training.get_linestyle() == "--" and validation.get_linestyle() == "-"
    assert not figures.learning_curve(repeats(0.9, count=1), "one run").axes[0].collections


@pytest.mark.parametrize(
    ("count", "name"),
    [(2, "regularizer-strength=0, "), (21, "hidden={},25 "), (60, ""), (8, "long " * 15)],
)
def test_learning_curves_have_a_look_a_setting_and_their_legend_outside_the_axes(
    count, name, tmp_path
):
    groups = {f"{name.format(index)}seed={index}": repeats(index / count) for index in range(count)}
    figure = figures.learning_curves({"": panel(groups)}, "many")
    solid, dashed = (
        [line for line in figure.axes[0].lines if line.get_linestyle() == style]
        for style in ("-", "--")
    )
    looks = {(line.get_color(), line.get_marker()) for line in solid}
    assert len(solid) == len(dashed) == count and len(looks) == count
    assert looks == {(line.get_color(), line.get_marker()) for line in dashed}
    assert len(legend_texts(figure)) == count + 3 and legend_texts(figure)[-3:-1] == [
        "training, while learning",
        "validation",
    ]
    assert legend_texts(figure)[-1] == "bands: 95% confidence interval of the mean"
    path = save(figure, tmp_path)  # which lays it out
    assert_beside(figure)
    with Image.open(path) as image:  # with a margin around all of it
        assert np.ptp([image.size, saved(figure).size], axis=0) == pytest.approx(24, abs=2)


def test_panels_share_axes_and_legend_and_a_setting_looks_the_same_in_each(tmp_path):
    panels = {
        f"first={i}": {f"second={j}": repeats(0.5 + i / 20 + j / 100) for j in range(i, 5)}
        for i in range(5)
    }
    figure = figures.learning_curves(
        {title: panel(groups) for title, groups in panels.items()}, "t"
    )
    save(figure, tmp_path)
    above, below = figure.axes[:5], figure.axes[5:]
    assert [axis.get_title() for axis in above] == [f"first={i}" for i in range(5)]
    assert len({axis.get_ylim() for axis in above}) == len({axis.get_ylim() for axis in below}) == 1
    looks = {
        (line.get_color(), line.get_marker()) for line in above[4].lines if line.get_xdata().size
    }
    assert (
        looks == {("C4", "v")} <= {(line.get_color(), line.get_marker()) for line in above[0].lines}
    )
    assert legend_texts(figure)[:5] == [f"second={j}" for j in range(5)]
    assert_beside(figure)
    many = figures.learning_curves(
        {str(place): panel({"a": repeats(0.9)}) for place in range(7)}, "seven, in two rows"
    )
    assert (
        len(many.axes) == 14 and len({round(axis.get_position().y0, 3) for axis in many.axes}) == 4
    )


def drawn_both_ways(curves):
    return figures.learning_curve(curves, "t"), figures.learning_curves(
        {"": panel({"a": curves})}, "t"
    )


def curves_of(accuracy, loss, half_width=np.nan):
    """Learning curves of which training and validation are the same."""
    of_both = {"accuracy": np.array(accuracy, float), "loss": np.array(loss, float)}
    names = {
        name: name.removeprefix("val_") for name in ("accuracy", "val_accuracy", "loss", "val_loss")
    }
    return {
        name: (of_both[kind], np.full(len(accuracy), half_width)) for name, kind in names.items()
    }


def test_every_epoch_is_shown_and_bands_as_far_as_they_are_possible():
    curves = curves_of([0.8, 0.9, 0.95, 0.97, 0.99], [2, 1, 0.5, 0.3, 0.1], 0.2)
    for figure in drawn_both_ways(curves):
        above, below = figure.axes
        assert above.get_ylim() == pytest.approx((0.8 - 0.0095, 0.99 + 0.0095))
        assert below.get_ylim() == pytest.approx((0.1 - 0.095, 2 + 0.095))
        assert not above.texts and not below.texts
        drawn = [axis.collections[0].get_paths()[0].vertices[:, 1] for axis in (above, below)]
        assert drawn[0].max() == 1 and drawn[1].min() == 0


@pytest.mark.parametrize(
    ("accuracy", "loss", "edges"),
    [
        ([0.1, 0.9, 0.95, 0.97, 0.99], [9, 1, 0.5, 0.3, 0.1], {"0.1": 0, "9": 1}),
        ([0.25, 0.96, 0.97], [2.5, 0.2, 0.1], {"0.25": 0, "2.5": 1}),
        ([0.99, 0.5, 0.51, 0.52], [0.01, 2, 2.1, 2], {"0.99": 1, "0.01": 0}),  # one that gets worse
    ],
)
def test_a_first_epoch_that_would_flatten_the_others_is_marked_at_the_edge_with_its_value(
    accuracy, loss, edges
):
    for figure in drawn_both_ways(curves_of(accuracy, loss)):
        for axis, (value, edge), values in zip(figure.axes, edges.items(), (accuracy, loss)):
            low, high = axis.get_ylim()
            assert low < min(values[1:]) and max(values[1:]) < high and not low <= values[0] <= high
            (text,) = axis.texts
            assert (
                text.get_text().startswith("epoch 1: ")
                and value in text.get_text()
                and text.xy == (1, edge)
            )
            marks = [
                line for line in axis.lines if line.get_transform() == axis.get_xaxis_transform()
            ]
            assert len(marks) == 2 and {
                line.get_xydata().tolist()[0] == [1, edge] for line in marks
            } == {True}


def test_what_would_still_be_seen_beside_the_first_epoch_hides_nothing():
    two = curves_of([0.1, 0.9], [9, 1])  # without a third epoch, nothing can be flattened
    slow = curves_of(
        [0.1, 0.5, 0.9, 0.95], [10, 5, 1, 0.02]
    )  # one that does not learn would flatten all others
    for curves in (two, slow):
        for figure in drawn_both_ways(curves):
            for axis, name in zip(figure.axes, ("accuracy", "loss")):
                low, high = axis.get_ylim()
                assert low < min(curves[name][0]) and max(curves[name][0]) < high and not axis.texts
    assert figure.axes[1].get_yscale() == "log"


def test_training_and_validation_of_a_setting_are_marked_at_the_same_epochs():
    one, several = repeats(0.9, epochs=30), {name: repeats(0.9, epochs=30) for name in "abc"}
    for figure in (
        figures.learning_curve(one, "t"),
        figures.learning_curves({"": panel(several)}, "t"),
    ):
        for axis in figure.axes:
            lines = [line for line in axis.lines if len(line.get_xdata()) == 30]
            for training, validation in zip(lines[::2], lines[1::2]):
                assert training.get_markevery() == validation.get_markevery()


@pytest.mark.parametrize(
    ("epochs", "ticks"),
    [(1, [1]), (3, [1, 2, 3]), (10, [1, 2, 4, 6, 8, 10]), (50, [1, 10, 20, 30, 40, 50])],
)
def test_epochs_are_counted_in_round_numbers(epochs, ticks):
    assert (
        figures.learning_curve(repeats(0.9, epochs=epochs), "t").axes[1].get_xticks().tolist()
        == ticks
    )


SERIES = {
    "x": [np.array([1e-2, 0, 1e-10, 1])],
    "val_accuracy": (np.array([0.92, 0.98, 0.97, 0.11]), np.array([0.1, 0.01, 0.01, 0.3])),
    "val_loss": (np.array([0.08, 0.02, 0.03, 0.89]), np.full(4, np.nan)),
    "interrupted": np.full(4, False),
}


def test_trend_has_error_bars_a_place_for_zero_and_published_crosses(tmp_path):
    published = {
        "val_accuracy": SERIES["val_accuracy"][0],
        "val_loss": np.array([0.08, 0.02, 0.03, 1.09]),
    }
    figure = figures.trend([("lambda", True)], {"": SERIES | {"published": published}}, "t")
    save(figure, tmp_path)
    above, below = figure.axes
    places = [below.transData.transform((value, 0))[0] for value in (0, 1e-10, 1e-2, 1)]
    assert places == sorted(places) and min(np.diff(places)) > 20
    assert above.lines[0].get_xdata().tolist() == [
        0,
        1e-10,
        1e-2,
        1,
    ]  # one line, from left to right
    assert legend_texts(figure) == ["ours", "published", "95% confidence interval of the mean"]
    bars = np.array([segment[:, 1] for segment in above.collections[0].get_segments()])
    assert bars.min() == 0 and bars.max() == 1
    assert above.get_ylim() == pytest.approx(
        (-0.05, 1.05)
    )  # of bars, that are cut at 0 and 1, and a margin
    assert below.get_ylim() == pytest.approx((0.02 - 0.0535, 1.09 + 0.0535))


def test_trend_over_two_axes_and_a_series_of_one_point(tmp_path):
    two = SERIES | {"x": [SERIES["x"][0], np.array([40, 10, 20, 80.0])]}
    point = np.array([0.5]), np.array([np.nan])
    one = {
        "x": [np.array([0.5]), np.array([30.0])],
        "val_accuracy": point,
        "val_loss": point,
        "interrupted": np.array([True]),
    }
    figure = figures.trend([("lambda", False), ("parameters", True)], {"a": two, "b": one}, "t")
    save(figure, tmp_path)
    assert [axis.get_xlabel() for axis in figure.axes] == ["", "", "lambda", "parameters"]
    assert [axis.get_ylabel() for axis in figure.axes] == [
        "validation accuracy",
        "",
        "validation loss",
        "",
    ]
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
    assert figure.axes[3].get_xticks().tolist() == [10, 20, 30, 40, 80]  # the series' own numbers
    assert_told_apart(figure)


@pytest.mark.parametrize(
    ("values", "logarithmic"),
    [
        ((12.5, 25, 50), True),
        ((0.125, 1000.5, 4), True),
        ((1.5, 2.5, 3.5), False),
        ((1e-5, 2, 30), True),
    ],
)
def test_the_numbers_beside_an_axis_are_what_they_stand_for(values, logarithmic, tmp_path):
    x = np.array(values, float)
    point = np.array([0.5, 0.6, 0.7]), np.full(3, np.nan)
    series = {"x": [x], "val_accuracy": point, "val_loss": point, "interrupted": np.full(3, False)}
    figure = figures.trend([("x", logarithmic)], {"a": series}, "t")
    save(figure, tmp_path)
    axis = figure.axes[1]
    labels = [float(label.get_text().replace(",", "")) for label in axis.get_xticklabels()]
    assert labels == pytest.approx(axis.get_xticks()) and len(labels) > 2
    panels = {"": {(one, other): one * other for one in values for other in (0.5, 12.5)}}
    drawn = figures.heatmap(panels, ("a", "b"), "m", True, "t").axes[0]
    assert [
        float(label.get_text().replace(",", "")) for label in drawn.get_yticklabels()
    ] == sorted(values)
    assert [label.get_text() for label in drawn.get_xticklabels()] == ["0.5", "12.5"]


def test_points_stand_where_they_are_unless_error_bars_would_hide_each_other(tmp_path):
    def drawn(half_width):
        estimate = np.array([0.5, 0.6]), np.full(2, half_width)
        one = {
            "x": [np.array([1, 2])],
            "val_accuracy": estimate,
            "val_loss": estimate,
            "interrupted": np.array([False, True]),
        }
        figure = figures.trend([("x", False)], {"a": one, "b": one}, "t")
        return [
            line
            for line in figure.axes[0].lines
            if len(line.get_xdata()) == 2 and line.get_linestyle() == "-"
        ], figure

    (first, second), figure = drawn(np.nan)
    assert first.get_xdata().tolist() == second.get_xdata().tolist() == [1, 2]
    assert "interrupted" in legend_texts(figure)
    rings = [line for line in figure.axes[0].lines if line.get_markerfacecolor() == "w"]
    assert [line.get_xydata().tolist() for line in rings] == [[[2, 0.6]]] * 2
    (first, second), _ = drawn(0.1)
    assert first.get_xdata().max() < 2 < second.get_xdata().max()


def test_many_lines_differ_in_colour_or_marker_and_their_legend_has_its_quarter(tmp_path):
    names = [f"regularizer-strength=0.001, units={index}" for index in range(12)]
    figure = figures.trend([("lambda", False)], dict.fromkeys(names, SERIES), "t")
    save(figure, tmp_path)
    looks = {
        (line.get_color(), line.get_marker())
        for line in figure.axes[0].lines
        if len(line.get_xdata()) > 1
    }
    assert len(looks) >= 12
    assert_beside(figure)


def test_confusion_shows_each_count(tmp_path):
    counts = np.array([[5, 2], [0, 9]])
    figure = figures.confusion(counts, ["a", "b"], "t")
    assert sorted(text.get_text() for text in figure.axes[0].texts) == ["2", "5", "9"]
    assert [text.get_text() for text in figure.axes[0].texts if text.get_weight() == "bold"] == [
        "5",
        "9",
    ]
    assert "share" in figure.axes[1].get_ylabel()  # of the colour bar
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
    assert ("100 of 200 units" in figure.get_suptitle()) == (kernel.shape[1] == 200)
    save(figure, tmp_path)


def test_filters_stand_in_rows_of_16_each_stretched_by_itself(tmp_path):
    kernel = np.random.default_rng(0).normal(size=(11, 11, 3, 64))
    kernel[..., 5] = 0.25  # constant
    figure = figures.filters(kernel, "filters")
    (axis,) = figure.axes
    sheet = np.asarray(axis.images[0].get_array())
    assert sheet.shape == (4 * 12, 16 * 12, 3) and axis.images[0].get_interpolation() == "nearest"
    for index in range(64):
        top, left = index // 16 * 12 + 1, index % 16 * 12 + 1
        mine = kernel[..., index] - kernel[..., index].min()
        mine = np.full_like(mine, 0.5) if index == 5 else mine / mine.max()
        np.testing.assert_allclose(sheet[top : top + 11, left : left + 11], mine)
    assert (sheet[::12] == 1).all() and (sheet[:, ::12] == 1).all()  # the gaps
    save(figure, tmp_path)
    with Image.open(tmp_path / "f.png") as image:
        pixels = np.asarray(image.convert("RGB"))[38:]  # below the title
    grey = (np.abs(pixels.astype(int) - 127.5).max(axis=-1) < 1).nonzero()
    zoom = (np.ptp(grey[0]) + 1) / 11  # every weight is drawn as a square of so many pixels
    assert zoom == int(zoom) >= 6 and np.ptp(grey[1]) + 1 == 11 * zoom


@pytest.mark.parametrize("shape", [(5, 5, 1, 20), (3, 3, 1, 2), (5, 5, 3, 1)])
def test_filters_of_other_convolutions(shape, tmp_path):
    figure = figures.filters(
        np.random.default_rng(0).normal(size=shape), "a title longer than the filters are wide " * 5
    )
    save(figure, tmp_path)
    with Image.open(tmp_path / "f.png") as image:
        assert image.width >= 1200


@pytest.mark.parametrize("names", [["run"], [f"{'long' * 12}={index}" for index in range(30)]])
def test_label_counts_have_the_datas_band_and_their_legend_within_the_figure(names):
    counts = np.array([[40, 20, 60], [20, 40, 60]])
    groups = dict.fromkeys(names, intervals.mean_and_half_width(counts))
    figure = figures.label_counts(
        groups, collapse.data_spread(120, [1 / 3] * 3), ["a", "b", "c"], "t", "mode"
    )
    figure.draw_without_rendering()
    (axis,) = figure.axes
    assert [bar.get_height() for bar in axis.containers[-1]] == [30, 30, 60]
    low, band = axis.containers[0][1].get_y(), axis.containers[0][1].get_height()
    assert (low, band) == pytest.approx(
        (40 - 1.96 * np.sqrt(120 * 2 / 9), 2 * 1.96 * np.sqrt(120 * 2 / 9)), rel=1e-4
    )
    bars = np.array([segment[:, 1] for segment in axis.containers[1].lines[2][0].get_segments()])
    assert bars.min() == 0 and axis.get_xlabel() == "mode"  # an error bar ends where counts do
    assert [text.replace("long long", "longlong") for text in legend_texts(figure)] == [
        *names,
        "as the data spread",
        "of one such run: 95%",
        "95% confidence interval of the mean",
    ]
    assert_beside(figure)


def test_one_epoch_is_a_point_and_what_is_near_a_mode_is_drawn_to_scale():
    for figure in (
        figures.learning_curve(repeats(0.9, epochs=1), "t"),
        figures.learning_curves({"": panel({"a": repeats(0.9)})}, "t"),
    ):
        for axis in figure.axes:
            training, validation = (line for line in axis.lines if len(line.get_xdata()))
            assert "None" not in (training.get_marker(), validation.get_marker())
            # A ring around a point: both are seen, wherever they lie.
            assert (
                training.get_markerfacecolor() == "none"
                and training.get_markersize() > 1.5 * validation.get_markersize()
            )
    circles = figures.samples(np.zeros((5, 2)), GAUSSIANS["ring"].modes, "t").axes[0].patches
    assert [circle.radius for circle in circles] == pytest.approx([0.06] * 8)


def test_published_curves_are_crosses_beside_ours():
    published = {1: {"val_loss": 1.5}, 3: {"val_loss": 1.1, "loss": 1.0}}
    figure = figures.learning_curves(
        {"": panel({"a": repeats(0.9), "b": repeats(0.8)}, a=published)}, "t"
    )
    crosses = [
        line for line in figure.axes[1].lines if line.get_marker() == "x" and len(line.get_xdata())
    ]
    assert [line.get_xydata().tolist() for line in crosses] == [[[1, 1.5], [3, 1.1]]]
    assert crosses[0].get_color() == "C0"
    lines = [
        "training, while learning",
        "validation",
        "published, training",
        "published, validation",
    ]
    assert legend_texts(figure)[:6] == ["a", "b", *lines]


def test_data_set_figures(tmp_path):
    for figure in (
        figures.class_counts(
            {"training": np.full(10, 20), "validation": np.arange(10)}, CLASSES, "t"
        ),
        figures.class_means(IMAGES[:10].astype(float), CLASSES, "t"),
        figures.class_means(np.repeat(IMAGES[:10], 3, axis=-1), CLASSES, "t"),
        figures.embedding(
            np.random.default_rng(0).normal(size=(20, 2)), LABELS, CLASSES, (0.5, 0.2), "t"
        ),
    ):
        save(figure, tmp_path)
        assert figure.legends or len(figure.axes) == 10


def test_classes_of_an_embedding_differ_in_colour_and_are_named_where_they_lie():
    draw = np.random.default_rng(0)
    labels = np.arange(400) % 10
    centres = draw.normal(size=(10, 2)) * 9
    figure = figures.embedding(
        centres[labels] + draw.normal(size=(400, 2)), labels, "abcdefghij", (0.5, 0.2), "t"
    )
    axis = figure.axes[0]
    colors = [points.get_facecolor()[0] for points in axis.collections]
    assert min(np.abs(one - other).max() for one, other in itertools.combinations(colors, 2)) > 0.2
    assert {color[3] for color in colors} == {1}  # what shines through becomes another colour
    for text in axis.texts:
        nearest = np.linalg.norm(centres - text.get_position(), axis=1).argmin()
        assert text.get_text() == "abcdefghij"[nearest]


def many(count):
    """Of so many classes with long names: the names, labels of 60 images, a confusion matrix."""
    names, labels = (
        [f"a $species$ of a very long name: {index}" for index in range(count)],
        np.arange(60) % count,
    )
    counts = np.zeros((count, count), int)
    np.add.at(counts, (labels, (labels + labels % 3) % count), 1)
    return names, labels, counts


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("count", [2, 20, pytest.param(400, marks=pytest.mark.slow)])
def test_figures_by_class_name_as_many_as_they_have_room_for(count, tmp_path):
    names, _, counts = many(count)
    number = np.arange(count) + 5
    group = {"run": (number.astype(float), np.full(count, np.nan))}
    matrix = figures.confusion(counts, names, "t")
    drawn = [
        figures.class_counts({"training": number, "validation": number}, names, "t"),
        figures.label_counts(group, (4, 3, 5), names, "t"),
        matrix,
    ]
    for figure in drawn:
        save(figure, tmp_path)
        (axis, *_) = figure.axes
        for one, side in ((axis.xaxis, 0), (axis.yaxis, 1))[: 1 + (figure is matrix)]:
            labels = one.get_ticklabels()
            assert min(count, 20) <= len(labels) <= 50
            boxes = [label.get_window_extent() for label in labels]
            assert all(saved(figure).padded(1).containsx(box.x0) for box in boxes)
            assert all(saved(figure).padded(1).containsy(box.y0) for box in boxes)
            # Where names run aslant, lines that are parallel lie as far apart as they are high.
            aslant = np.sin(np.radians(labels[0].get_rotation())) if side == 0 else 1
            apart = np.abs(
                np.diff(
                    [
                        label.get_transform().transform(label.get_position())[side]
                        for label in labels
                    ]
                )
            )
            for label in labels:
                label.set_rotation(0)
            heights = [label.get_window_extent().height for label in labels]
            assert apart.min() * aslant >= max(heights)
    assert len(matrix.axes) == (3 if count > 20 else 2) and bool(matrix.axes[0].images) == (
        count > 20
    )
    if count > 20:
        pairs = [label.get_text() for label in matrix.axes[1].get_yticklabels()]
        assert (
            len(pairs) == 20 and pairs[0] == r"a \$species\$ of…name: 1 as a \$species\$ of…name: 2"
        )


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("count", "entries"), [(2, 2), (20, 20), (47, 21)])
def test_the_map_names_twenty_classes_clear_of_its_title(count, entries, tmp_path):
    names, labels, _ = many(count)
    places = np.random.default_rng(0).normal(size=(60, 2))
    figure = figures.embedding(
        places, labels, names, (0.5, 0.2), "a data set of a long name: 2,000 training images (PCA)"
    )
    save(figure, tmp_path)
    assert (
        len(legend_texts(figure)) == entries
        and sum(len(drawn.get_offsets()) for drawn in figure.axes[0].collections) == 60
    )
    assert (legend_texts(figure)[-1] == "27 other classes") == (count == 47)
    assert_beside(figure)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("shape", [(12, 40, 1), (128, 32, 3)])
def test_images_of_any_shape_have_room(shape, tmp_path):
    images, names = np.zeros((20, *shape), np.uint8), many(20)[0]
    shown = {
        "examples": figures.examples(images, names, "t"),
        "means": figures.class_means(images, names, "t"),
        "weights": figures.first_layer(np.zeros((np.prod(shape), 12)), shape, "t"),
        "neighbours": figures.neighbours(images[:10], images.reshape(10, 2, *shape), "t"),
    }
    for name, figure in shown.items():
        save(figure, tmp_path)
        axes = [axis for axis in figure.axes if axis.images]
        sizes = [axis.get_window_extent() for axis in axes]
        assert len(axes) == {"examples": 15, "means": 20, "weights": 12, "neighbours": 30}[name]
        assert (
            min(max(size.width, size.height) for size in sizes) > 60
            and min(size.y0 for size in sizes) >= 0
        )
        titles = [axis.title.get_window_extent() for axis in axes if axis.title.get_text()]
        assert all(
            one.x1 <= other.x0 for one, other in itertools.pairwise(titles) if one.x0 < other.x0
        )
    grid = figures.samples(np.zeros((100, *shape), np.uint8), GAUSSIANS["ring"].modes)
    assert 400 <= max(grid.size) <= 1280 and grid.width * shape[0] == grid.height * shape[1]


def test_no_two_series_differ_only_in_what_the_colour_blind_do_not_see():
    line = np.linspace(0, 1, 5)
    ten, many = ({f"a={index}": repeats(0.9) for index in range(count)} for count in (10, 30))
    counts = dict.fromkeys(many, (np.full(3, 5.0), np.full(3, np.nan)))
    for figure in (
        figures.learning_curve(repeats(0.9), "t"),
        figures.learning_curves({"": panel(ten, **{"a=0": {1: {"loss": 1.0}}})}, "t"),
        figures.learning_curves({"": panel(many)}, "t"),
        figures.trend([("x", False)], dict.fromkeys(ten, SERIES), "t"),
        figures.label_counts(counts, (4, 3, 5), "abc", "t"),
        figures.class_counts(
            {"training": np.full(10, 20), "validation": np.arange(10)}, CLASSES, "t"
        ),
        figures.embedding(np.zeros((20, 2)), LABELS, CLASSES, (0.5, 0.2), "t"),
        figures.fits((line, line), (line, line), {"one": line, "other": line}, "t"),
        figures.softmax(line, line, line, 0.5, "t"),
        figures.discriminator(line, (line, line), (line, line), "t"),
    ):
        assert_told_apart(figure)


@pytest.mark.parametrize(
    ("runs", "epochs", "rows", "columns"), [(1, 3, 1, 3), (1, 6, 2, 3), (2, 6, 2, 6)]
)
def test_strips_have_a_row_for_a_run_and_a_column_for_an_epoch(
    runs, epochs, rows, columns, tmp_path
):
    pictures = {
        f"run {run} " * 9: [np.zeros((560, 560, 3), np.uint8)] * epochs for run in range(runs)
    }
    figure = figures.strip(pictures, range(0, 10 * epochs, 10), "t")
    save(figure, tmp_path)
    assert (
        len(figure.axes) == rows * columns
        and len({round(axis.get_position().y0, 3) for axis in figure.axes}) == rows
    )
    assert [title for title in texts(figure) if title] == [
        f"epoch {epoch}" for epoch in range(0, 10 * epochs, 10)
    ]
    assert min(axis.get_window_extent().width for axis in figure.axes) >= 280
    if runs == 2:
        assert [figure.axes[row * columns].get_ylabel().replace("\n", " ") for row in range(2)] == [
            *map(str.strip, pictures)
        ]


def test_a_caption_stands_above_its_picture():
    picture = figures.sample_grid(np.zeros((100, 28, 28, 1), np.uint8))
    captioned = np.asarray(figures.captioned(picture, "epoch 7"))
    assert (
        captioned.shape == (584, 560, 3)
        and (captioned[24:] == 255).all()
        and captioned[:24].min() < 100
    )


def test_svg_beside_png_keeps_text_and_is_the_same_again(tmp_path):
    drawn = {
        "f.png": figures.confusion(np.diag([3, 4]), ["a", "b"], "a title"),
        "g.png": Image.new("L", (4, 4)),
    }
    drawn["h.png"] = figures.class_means(IMAGES[:10].astype(float), CLASSES, "of pixels")
    assert [path.name for path in save_figures(drawn, tmp_path)] == ["f.png", "g.png", "h.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.png", "f.svg", "g.png", "h.png"]
    written = (tmp_path / "f.svg").read_text()
    assert ">a title</text>" in written
    save_figures(drawn, tmp_path)
    assert (tmp_path / "f.svg").read_text() == written


def test_grids_show_images_row_by_row_dark_on_white():
    images = np.arange(6, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 3, 1), np.uint8)
    picture = 255 - np.asarray(figures.sample_grid(images, rows=2, columns=3))
    assert picture.shape == (8, 18) and picture[::4, ::6].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_heat_map_frames_the_best_of_each_panel_and_every_run_has_its_line(tmp_path):
    rates = (1e-4, 3e-4, 1e-3)
    panels = {
        f"unroll={k}": {
            (y, x): 3.0 - i - 3 * j + 9 * k
            for i, x in enumerate(rates)
            for j, y in enumerate(rates)
        }
        for k in (0, 1)
    }
    for more, best in ((False, (2, 2)), (True, (0, 0))):
        figure = figures.heatmap(panels, ("rate", "other rate"), "kernel distance", more, "t")
        save(figure, tmp_path)
        for axis in figure.axes[:2]:
            (frame,) = (
                one for one in axis.patches if not one.get_fill() or one.get_facecolor()[-1] == 0
            )
            assert frame.get_xy() == best and len(axis.texts) == 9
    runs = [
        {"epoch": [0, 5], "distance": [1.0, 2.0 + shift], "reverse_kl": [None, 0.1]}
        for shift in range(3)
    ]
    figure = figures.over_time({"a": runs[:2], "b": runs[2:]}, {"distance": 4.0}, "t")
    save(figure, tmp_path)
    assert [len(axis.lines) for axis in figure.axes] == [4, 3] and legend_texts(figure) == [
        "a",
        "b",
        "real data",
    ]
    assert len({line.get_color() for line in figure.axes[1].lines}) == 2


@pytest.fixture
def fonts(monkeypatch):
    """A machine with no fonts but those of matplotlib; gives a function that installs one, of
    square signs, for these.
    """
    manager = font_manager.fontManager
    ours = [entry for entry in manager.ttflist if entry.fname.startswith(get_data_path())]
    monkeypatch.setattr(manager, "ttflist", ours)
    monkeypatch.setitem(rcParams, "font.family", ["sans-serif"])
    caches = [one for one in vars(base).values() if hasattr(one, "cache_clear")]

    def install(signs, path):
        names = {ord(sign): f"u{ord(sign):x}" for sign in signs}
        pen = TTGlyphPen(None)
        for corner, move in zip(
            ((100, 0), (100, 700), (900, 700), (900, 0)), (pen.moveTo, *[pen.lineTo] * 3)
        ):
            move(corner)
        pen.closePath()
        shape, glyphs = pen.glyph(), [".notdef", *names.values()]
        font = FontBuilder(1000)
        font.setupGlyphOrder(glyphs)
        font.setupCharacterMap(names)
        font.setupGlyf(dict.fromkeys(glyphs, shape))
        font.setupHorizontalMetrics(dict.fromkeys(glyphs, (1000, 100)))
        font.setupHorizontalHeader(ascent=800, descent=-200)
        font.setupNameTable({"familyName": "Squares", "styleName": "Regular"})
        font.setupOS2(sTypoAscender=800, usWinAscent=800, usWinDescent=200)
        font.setupPost()
        font.save(path)
        manager.addfont(path)

    for one in caches:
        one.cache_clear()
    yield install
    for one in caches:
        one.cache_clear()


def texts_of(figure):
    return {text.get_text() for text in figure.findobj(Text)}


@pytest.mark.filterwarnings("error")
def test_text_that_no_font_has_is_written_out_and_classes_are_shown_by_their_numbers(
    fonts, tmp_path, capsys
):
    classes = ("cat", "\u732b", "\u0642\u0637", "owl \U0001f989", "K\xe4se $x$")
    names = figures.class_names(classes)
    assert (
        names
        == ("cat", "class 1", "\u0642\u0637", "class 3", "K\xe4se $x$")
        == figures.class_names(classes)
    )
    said = capsys.readouterr().out
    assert (
        said.count("\n") == 1 and "no font of this machine can write \u732b, owl \U0001f989" in said
    )
    # Names of files and data sets in every kind of figure.
    odd, images = "\u732b \U0001f989", IMAGES[:5]
    history = {
        name: np.array([[0.5, 0.6]]) for name in ("loss", "accuracy", "val_loss", "val_accuracy")
    }
    curves = intervals.curves([{name: values[0].tolist() for name, values in history.items()}])
    estimates = {name: (np.arange(2.0), np.full(2, 0.1)) for name in ("val_accuracy", "val_loss")}
    series = {odd: {"x": [np.arange(2.0)], "interrupted": np.full(2, False)} | estimates}
    counts = np.arange(25).reshape(5, 5)
    drawn = [
        figures.examples(images, [odd] * 5, odd),
        figures.predictions(
            [figures.Seen(odd, np.zeros((9, 9, 3), np.uint8), [[1, 1, 5, 5]], images[:1], [odd])],
            odd,
        ),
        figures.class_means(images.astype(float), [odd] * 5, odd),
        figures.class_counts({"training": counts[0], "validation": counts[1]}, [odd] * 5, odd),
        figures.label_counts({odd: (counts[0] * 1.0, counts[1] * 0.1)}, (1, 0, 2), [odd] * 5, odd),
        figures.confusion(counts, [odd] * 5, odd),
        figures.embedding(np.zeros((5, 2)), np.arange(5), [odd] * 5, (0.5, 0.2), odd),
        figures.learning_curves({odd: {odd: (curves, {})}, "": {odd: (curves, {})}}, odd),
        figures.trend([("x", False)], series | {"other": series[odd]}, odd),
        figures.heatmap({odd: {(0, 0): 1.0, (1, 1): 2.0}}, ("a", "b"), "accuracy", True, odd),
        figures.strip(
            {odd: [np.zeros((9, 9, 3), np.uint8)] * 2, "b": [np.zeros((9, 9, 3), np.uint8)] * 2},
            (0, 1),
            odd,
        ),
    ]
    for number, figure in enumerate(drawn):
        save_figures({f"{number}.png": figure}, tmp_path)
        assert any(r"\u732b" in text for text in texts_of(figure))
        assert not any("\u732b" in text for text in texts_of(figure))


@pytest.mark.filterwarnings("error")
def test_a_font_of_the_machine_that_has_the_names_of_classes_is_used(fonts, tmp_path, capsys):
    fonts("\u732b\u9ce5", tmp_path / "squares.ttf")
    classes = ("\u732b", "\u9ce5 2", "\u72d7")
    assert figures.class_names(classes) == ("\u732b", "\u9ce5 2", "class 2")
    assert "can write \u72d7." in capsys.readouterr().out
    figure = figures.examples(IMAGES[:3], list(figures.class_names(classes)), "\u732b")
    save_figures({"x.png": figure}, tmp_path)
    assert texts_of(figure) >= {"\u732b", "\u9ce5 2", "class 2"}
