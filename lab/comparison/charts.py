"""What the figures of a comparison show, as numbers."""

import numpy as np

from lab.comparison.groups import have_one_accuracy, of_real_data
from lab.comparison.naming import LAYERS, USUAL, in_words, levels_of, naming_of
from lab.metrics import collapse, intervals
from lab.metrics.table import EVALUATION, METRICS, chosen, heading
from lab.settings import axis, text

MOST_CURVES = 10  # settings to a panel; more cannot be told apart


def panels_of(groups, published):
    """Learning curves in panels that are few enough to be told apart: by the first hidden layer,
    or by what differs first.

    Parameters
    ----------
    groups : list of Group
    published : dict
        As `Published.by_epoch`.

    Returns
    -------
    dict of str to dict of str to (dict, dict)
        As `figures.learning_curves` takes it: by the panel's title, which is empty if there is
        only one; then by the group's name, without what the title says.
    """
    drawn = {group.name: (group.curves(), published.get(group.name, {})) for group in groups}
    marks = {
        group.name: f" (interrupted: {group.interrupted})" if group.interrupted else ""
        for group in groups
    }
    if len(groups) <= MOST_CURVES:
        return {"": {f"{name}{marks[name]}": curves for name, curves in drawn.items()}}
    naming, panels = naming_of(groups), {}
    first = next(iter(naming.names), None)
    for group, setting in zip(groups, naming.settings):
        pairs = {"run": group.run} | setting if group.run else dict(setting)
        name = "run" if group.run else first
        value, _, rest = pairs.pop(name, naming.usual.get(name, "")).partition(
            "," if name == "hidden" else "\n"
        )
        label = in_words(({name: f"...,{rest}"} if rest else {}) | pairs)
        panel = panels.setdefault(f"{name}={value}{',...' if rest else ''}", {})
        panel[f"{label or group.name}{marks[group.name]}"] = drawn[group.name]
    if len(panels) > len(groups) / 2 or max(map(len, panels.values())) > MOST_CURVES:
        names = [*drawn]
        parts = [
            names[start : start + MOST_CURVES // 2]
            for start in range(0, len(names), MOST_CURVES // 2)
        ]
        panels = {
            f"{part[0]} to {part[-1]}": {f"{name}{marks[name]}": drawn[name] for name in part}
            for part in parts
        }
    return panels


def trend_of(groups, published):
    """Validation accuracy and loss against a setting that is a number, in series whose groups
    differ in nothing else.

    Of pairs of hidden layers, the units of one are the number; of any hidden layers, the
    parameters are another.

    Parameters
    ----------
    groups : list of Group
    published : dict
        As `Published.final`.

    Returns
    -------
    (list, dict) or None
        The axes and series that `figures.trend` takes; None if fewer than half of the groups can
        be connected so.
    """
    if not have_one_accuracy(groups) or len({group.settings.source for group in groups}) > 1:
        return None
    levels, found = levels_of(groups), []
    if "epochs" in levels:  # an interrupted run is drawn where it got to
        trained = [max(run.history.epochs for run in group.runs) for group in groups]
        levels["epochs"] = [
            most if group.is_interrupted else given
            for group, given, most in zip(groups, levels["epochs"], trained)
        ]
    for name in levels:
        axes, series = (
            _axes(name, levels, groups),
            _series(name, levels, [group.run for group in groups]),
        )
        apart = (
            [
                places
                for places in series.values()
                if len({axes[0][-1][place] for place in places}) > 1
            ]
            if axes
            else []
        )
        if 2 * sum(map(len, apart)) >= len(groups):
            found.append((name, axes, series))
    if not found:
        return None
    name, axes, series = min(found, key=lambda one: (one[0] == LAYERS[0], len(one[2])))
    kept = {label: places for label, places in series.items() if len(places) > 1 or name in LAYERS}
    drawn = {
        label: _points([values for *_, values in axes], places, groups, published)
        for label, places in kept.items()
    }
    return [(label, positive and _far_apart(values)) for label, positive, values in axes], drawn


def _axes(name, levels, groups):
    """The axes of a trend over what varies under this name: label, whether it may be logarithmic,
    each group's value.
    """
    parameters = "parameters", True, [group.record.parameters for group in groups]
    if name in LAYERS:
        return [
            (f"units of the {name.replace('layer', 'hidden layer')}", True, levels[name]),
            parameters,
        ]
    if name == "hidden":
        return [parameters]
    setting = name.replace("-", "_")
    return [(*axis(setting), levels[name])] if axis(setting) else []


def _series(name, levels, runs):
    """Places of the groups that differ in nothing else, by what they have in common; also by their
    runs, where some differ in nothing at all.
    """
    shared = {other: values for other, values in levels.items() if other != name}
    if len({*zip(*levels.values())}) < len(runs):
        shared["run"] = runs
    if name == "hidden":
        shared["hidden layers"] = [len(units or ()) for units in levels[name]]
    shared = {other: values for other, values in shared.items() if len(set(values)) > 1}
    series = {}
    for place, value in enumerate(levels[name]):
        if value is not None:
            words = [
                f"{other}={text(values[place])}"
                for other, values in shared.items()
                if values[place] is not None
            ]
            series.setdefault(", ".join(words) or USUAL, []).append(place)
    return series


def _points(axes, places, groups, published):
    """A series, as `figures.trend` takes it."""
    points = {"x": [np.array([values[place] for place in places], float) for values in axes]}
    points["interrupted"] = np.array([groups[place].is_interrupted for place in places])
    for metric in ("val_accuracy", "val_loss"):
        estimates = zip(
            *(intervals.mean_and_half_width(groups[place].measures[metric]) for place in places)
        )
        points[metric] = tuple(np.array(values, float) for values in estimates)
        if published:
            figures = [
                published.get(groups[place].name, {}).get(metric, np.nan) for place in places
            ]
            points.setdefault("published", {})[metric] = np.array(figures, float)
    return points


def _far_apart(values):
    """Whether values are far enough apart for a logarithmic axis."""
    positive = [value for value in values if value is not None and value > 0]
    return len(positive) > 1 and max(positive) >= 4 * min(positive)


def labels_of(groups):
    """What `figures.label_counts` takes, of GANs that were all evaluated alike; else None."""
    evaluations = [evaluation for group in groups for evaluation in group.evaluations]
    kinds = {(one.get("samples"), tuple(one.get("classes", ()))) for one in evaluations}
    if len(kinds) > 1 or not all("counts" in one for one in evaluations):
        return None
    ((count, classes),) = kinds
    counts = {
        group.name: intervals.mean_and_half_width([one["counts"] for one in group.evaluations])
        for group in groups
    }
    shares = evaluations[0].get("shares") or np.full(
        len(classes), 1 / len(classes)
    )  # evaluated by an earlier version
    spread = collapse.data_spread(count, shares)
    label = "mode" if "modes" in evaluations[0] else "class"
    return {"groups": counts, "spread": spread, "classes": classes, "label": label}


def followed_of(groups):
    """What `figures.over_time` takes, of up to `MOST_CURVES` GANs whose samples were all followed;
    else None.
    """
    evaluations = [evaluation for group in groups for evaluation in group.evaluations]
    common = set.intersection(*({*one.get("by_epoch", ())} for one in evaluations)) - {"epoch"}
    if len(groups) > MOST_CURVES or not common & {*chosen(source=EVALUATION)}:
        return None
    followed = {group.name: [one["by_epoch"] for one in group.evaluations] for group in groups}
    return followed, of_real_data(groups, "by_epoch_of_data")


def heatmap_of(groups, metric):
    """What `figures.heatmap` takes, of groups that differ in two numbers, or in a third setting
    besides; else None.

    Parameters
    ----------
    groups : list of Group
    metric : str or None
        A measure of theirs; by default the validation accuracy or, of GANs, the kernel distance,
        if it is known.
    """
    metric = (metric or ("kernel" if groups[0].settings.is_gan else "val_accuracy")).replace(
        "-", "_"
    )
    levels = levels_of(groups)
    scales = {name: axis(name.replace("-", "_")) for name in levels if name not in LAYERS}
    several = {name: len({*values}) for name, values in levels.items()}
    fit = [
        name
        for name, scale in scales.items()
        if scale and several[name] > 2 and None not in levels[name]
    ]
    numbers = sorted(fit, key=several.get)[-2:]
    others = [name for name in levels if name not in numbers]
    if len(numbers) < 2 or len(others) > 1 or not all(metric in group.measures for group in groups):
        return None
    panels = {}
    for place, group in enumerate(groups):
        name = f"{others[0]}={text(levels[others[0]][place])}" if others else ""
        point = tuple(levels[number][place] for number in numbers)
        panels.setdefault(name, {})[point] = float(group.measures[metric].mean())
    known = all(
        np.isfinite([*points.values()]).any() and len(points) >= 4 for points in panels.values()
    )
    if not known or sum(map(len, panels.values())) < len(groups):
        return None
    names = [scales[number][0] for number in numbers]
    return {
        "panels": panels,
        "axes": names,
        "metric": heading(metric),
        "more_is_better": METRICS[metric].more_is_better,
    }
