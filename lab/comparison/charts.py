"""CHARTS: the one table of a comparison's figures, and the numbers that each of them shows.

To add a chart, add a row and the two functions that it names: files, their removal where there is
nothing to show, and the page follow from it.
"""

import pkgutil
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from lab.comparison.frame import have_one_accuracy, of_real_data
from lab.comparison.naming import LAYERS, USUAL, in_words, levels_of
from lab.comparison.published import NOTHING
from lab.metrics import collapse, intervals
from lab.metrics.table import EVALUATION, METRICS, chosen, heading
from lab.settings import axis, text

MOST_CURVES = 10  # settings to a panel; more cannot be told apart


def panels_of(groups, published=NOTHING, *_):
    """Learning curves in panels that are few enough to be told apart: by the first hidden layer,
    or by what differs first.

    Parameters
    ----------
    groups : list of Group
    published : Published

    Returns
    -------
    dict
        What `figures.learning_curves` takes: the panels by their titles, which are empty if there
        is only one; then by the group's name, without what the title says.
    """
    names = [group.name for group in groups]
    places = [("", name) for name in names]
    if len(groups) > MOST_CURVES:
        places = _places_by_first_difference(groups)
        counts = Counter(title for title, _ in places).values()
        if len(counts) > len(groups) / 2 or max(counts) > MOST_CURVES:
            places = []
            for start in range(0, len(names), MOST_CURVES // 2):
                part = names[start : start + MOST_CURVES // 2]
                places += [(f"{part[0]} to {part[-1]}", name) for name in part]
    panels = {}
    for group, (title, label) in zip(groups, places):
        mark = f" (interrupted: {group.interrupted})" if group.interrupted else ""
        pair = group.curves(), published.by_epoch.get(group.name, {})
        panels.setdefault(title, {})[label + mark] = pair
    return {"panels": panels}


def _places_by_first_difference(groups):
    """The title of its panel, and its label there, for each group: a list of pairs."""
    naming, places = groups[0].naming, []
    first = "run" if groups[0].run else next(iter(naming.names), None)
    for group in groups:
        setting = group.setting.copy()
        value = group.run or setting.pop(first, naming.usual.get(first, ""))
        title = f"{first}={value}"
        if first == "hidden" and "," in value:
            units, _, rest = value.partition(",")
            title, setting = f"{first}={units},...", {first: f"...,{rest}"} | setting
        places.append((title, in_words(setting) or group.name))
    return places


def trend_of(groups, published=NOTHING, *_):
    """Validation accuracy and loss against a setting that is a number, in series whose groups
    differ in nothing else.

    Of pairs of hidden layers, the units of one are the number; of any hidden layers, the
    parameters are another. Parameters as of `panels_of`.

    Returns
    -------
    dict or None
        The axes and series that `figures.trend` takes; None if fewer than half of the groups can
        be connected so.
    """
    if not have_one_accuracy(groups) or len({group.settings.source for group in groups}) > 1:
        return None
    levels, found = levels_of(groups), []
    if "epochs" in levels:  # an interrupted run is drawn where it got to
        levels["epochs"] = [
            group.rows["epochs_trained"].max() if group.is_interrupted else group.settings.epochs
            for group in groups
        ]
    for name in levels:
        axes, series, connected = _axes(name, levels, groups), _series(name, levels, groups), 0
        for members in series.values():
            if axes and len({axes[0][-1][index] for index in members}) > 1:
                connected += len(members)
        if 2 * connected >= len(groups):
            found.append((name, axes, series))
    if not found:
        return None
    name, axes, series = min(found, key=lambda one: (one[0] == LAYERS[0], len(one[2])))
    columns = [np.array(values, float) for *_, values in axes]
    return {
        "axes": [
            (label, is_positive and _far_apart(values))
            for (label, is_positive, _), values in zip(axes, columns)
        ],
        "series": {
            label: _points(columns, members, groups, published.final)
            for label, members in series.items()
            if len(members) > 1 or name in LAYERS
        },
    }


def _axes(name, levels, groups):
    """The axes of a trend over what varies under this name: label, whether it may be logarithmic,
    each group's value.
    """
    parameters = "parameters", True, [group.record.parameters for group in groups]
    if name in LAYERS:
        label = f"units of the {name.replace('layer', 'hidden layer')}"
        return [(label, True, levels[name]), parameters]
    if name == "hidden":
        return [parameters]
    scale = axis(name.replace("-", "_"))
    return [(*scale, levels[name])] if scale else []


def _series(name, levels, groups):
    """Indices of the groups that differ in nothing else, by what they have in common; also by their
    runs, where some differ in nothing at all.
    """
    shared = {other: values for other, values in levels.items() if other != name}
    if len({*zip(*levels.values())}) < len(groups):
        shared["run"] = [group.run for group in groups]
    if name == "hidden":
        shared["hidden layers"] = [len(units or ()) for units in levels[name]]
    series = {}
    for index, value in enumerate(levels[name]):
        if value is None:
            continue
        words = {}
        for other, values in shared.items():
            if len(set(values)) > 1 and values[index] is not None:
                words[other] = text(values[index])
        series.setdefault(in_words(words) or USUAL, []).append(index)
    return series


def _points(columns, members, groups, published):
    """A series, as `figures.trend` takes it."""
    several = [groups[index] for index in members]
    points = {
        "x": [values[members] for values in columns],
        "interrupted": np.array([group.is_interrupted for group in several]),
    }
    for metric in ("val_accuracy", "val_loss"):
        estimates = [intervals.mean_and_half_width(group.measures[metric]) for group in several]
        points[metric] = tuple(np.transpose(estimates))
        if published:
            figures = [published.get(group.name, {}).get(metric, np.nan) for group in several]
            points.setdefault("published", {})[metric] = np.array(figures, float)
    return points


def _far_apart(values):
    """Whether values are far enough apart for a logarithmic axis."""
    positive = values[values > 0]
    return len(positive) > 1 and bool(positive.max() >= 4 * positive.min())


def labels_of(groups, *_):
    """What `figures.label_counts` takes, of GANs that were all evaluated alike; else None."""
    evaluations = [evaluation for group in groups for evaluation in group.evaluations]
    kinds = {(one.get("samples"), tuple(one.get("classes", ()))) for one in evaluations}
    if len(kinds) > 1 or not all("counts" in one for one in evaluations):
        return None
    ((count, classes),) = kinds
    counts = {}
    for group in groups:
        several = [one["counts"] for one in group.evaluations]
        counts[group.name] = intervals.mean_and_half_width(several)
    # Evaluated by an earlier version, all classes count as equally frequent.
    fractions = evaluations[0].get("shares") or np.full(len(classes), 1 / len(classes))
    return {
        "groups": counts,
        "spread": collapse.data_spread(count, fractions),
        "classes": classes,
        "label": "mode" if "modes" in evaluations[0] else "class",
    }


def followed_of(groups, *_):
    """What `figures.over_time` takes, of up to `MOST_CURVES` GANs whose samples were all followed;
    else None.
    """
    followed, common = {}, {*chosen(source=EVALUATION)}
    for group in groups:
        followed[group.name] = [one.get("by_epoch", {}) for one in group.evaluations]
        common.intersection_update(*followed[group.name])
    if len(groups) > MOST_CURVES or not common:
        return None
    return {"groups": followed, "of_data": of_real_data(groups, "by_epoch_of_data")}


def heatmap_of(groups, _, metric):
    """What `figures.heatmap` takes, of groups that differ in two numbers, or in a third setting
    besides; else None.

    Parameters
    ----------
    groups : list of Group
    metric : str or None
        A measure of theirs; by default the validation accuracy or, of GANs, the kernel distance,
        if it is known.
    """
    measures, levels = groups[0].measures, levels_of(groups)
    metric = metric or ("kernel" if "kernel" in measures else "val_accuracy")
    metric = metric.replace("-", "_")
    labels = {}
    for name, values in levels.items():
        scale = None if name in LAYERS else axis(name.replace("-", "_"))
        if scale and len(set(values)) > 2 and None not in values:
            labels[name] = scale[0]
    numbers = sorted(labels, key=lambda name: len(set(levels[name])))[-2:]
    others = [name for name in levels if name not in numbers]
    if len(numbers) < 2 or len(others) > 1 or metric not in measures:
        return None
    panels = {}
    for index, group in enumerate(groups):
        name = in_words({other: text(levels[other][index]) for other in others})
        point = tuple(levels[number][index] for number in numbers)
        panels.setdefault(name, {})[point] = float(group.measures[metric].mean())
    for points in panels.values():
        if len(points) < 4 or not np.isfinite([*points.values()]).any():
            return None
    if sum(map(len, panels.values())) < len(groups):
        return None
    return {
        "panels": panels,
        "axes": [labels[number] for number in numbers],
        "metric": heading(metric),
        "more_is_better": METRICS[metric].more_is_better,
    }


class Chart(NamedTuple):
    """A figure of a comparison."""

    numbers: Callable  # of groups, `Published`, a metric or None: the arguments of `draw`
    draw: str  # "MODULE:FUNCTION" of `lab.figures`, not imported before something is drawn
    caption: Callable | None = None  # on the page, of the numbers; None: it is not there


CHARTS = {
    "learning_curves.png": Chart(panels_of, "curves:learning_curves"),
    "trend.png": Chart(
        trend_of,
        "trends:trend",
        lambda numbers: (
            "validation accuracy and loss by "
            + " and by ".join(label for label, _ in numbers["axes"])
        ),
    ),
    "labels.png": Chart(
        labels_of, "numbers:label_counts", lambda numbers: f"samples by {numbers['label']}"
    ),
    "over_time.png": Chart(followed_of, "gans:over_time"),
    "heatmap.png": Chart(heatmap_of, "trends:heatmap"),
}


def numbers_of(groups, published=NOTHING, metric=None):
    """What the charts of some groups show: dict of file to dict, or None where there is nothing to
    show; parameters as of `heatmap_of`.
    """
    return {file: chart.numbers(groups, published, metric) for file, chart in CHARTS.items()}


def drawn(numbers, title):
    """The figures of `numbers_of`: dict of file to matplotlib.figure.Figure, or None."""
    figures = {}
    for file, arguments in numbers.items():
        draw = pkgutil.resolve_name(f"lab.figures.{CHARTS[file].draw}")  # with matplotlib
        figures[file] = draw(**arguments, title=title) if arguments else None
    return figures
