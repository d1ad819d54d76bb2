"""What the figures of a comparison show, as numbers."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from lab.comparison.naming import naming_of, varying
from lab.metrics import collapse, intervals
from lab.settings import FLAGS, axis, flag_of

MOST_CURVES = 10  # settings to a panel; more cannot be told apart


def panels_of(groups):
    """The groups in panels that are few enough to be told apart: by their first hidden layer, or by the first of what differs.

    Returns
    -------
    dict of str to dict of str to Group
        By the panel's title, which is empty if there is only one; then by the group's name, without what the title says.
    """
    if len(groups) <= MOST_CURVES:
        return {"": {group.name: group for group in groups}}
    naming, panels = naming_of(groups), {}
    first = next(iter(naming.names), None)
    for group, setting in zip(groups, naming.settings):
        pairs = {"run": group.run} | setting if group.run else dict(setting)
        name = "run" if group.run else first
        value, _, rest = pairs.pop(name, naming.usual.get(name, "")).partition("," if name == "hidden" else "\n")
        label = ", ".join([rest] * bool(rest) + [f"{other}={one}" for other, one in pairs.items()])
        panels.setdefault(f"{name}={value}{',...' if rest else ''}", {})[label or group.name] = group
    if len(panels) > len(groups) / 2 or max(map(len, panels.values())) > MOST_CURVES:
        parts = [groups[start : start + MOST_CURVES // 2] for start in range(0, len(groups), MOST_CURVES // 2)]
        panels = {f"{part[0].name} to {part[-1].name}": {group.name: group for group in part} for part in parts}
    return panels


class Trend(NamedTuple):
    """What `figures.trend` takes."""

    axes: list  # of (label, whether it is to be logarithmic)
    series: dict


class _Axis(NamedTuple):
    label: str
    may_be_logarithmic: bool
    value_of: Callable  # of a group


def trend_of(groups, published):
    """Validation accuracy and loss against a setting that is a number, in series whose groups differ in nothing else.

    Of two hidden layers, the units of the second are the number; of any, the parameters are another.

    Parameters
    ----------
    groups : list of Group
    published : dict
        As `Published.final`.

    Returns
    -------
    Trend or None
        None if no two groups differ in such a setting alone.
    """
    if groups[0].settings.is_gan or len({group.record.dataset.sha256 for group in groups}) > 1:
        return None
    found = [(_axes(name, groups), _series(name, groups)) for name in varying(groups) if axis(name) or name == "hidden"]
    connected = [(axes, series) for axes, series in found if series]
    if not connected:
        return None
    axes, series = min(connected, key=lambda one: len(one[1]))
    drawn = {name: _points(axes, members, published) for name, members in series.items()}
    return Trend([(one.label, one.may_be_logarithmic and _far_apart(drawn, place)) for place, one in enumerate(axes)], drawn)


def _axes(name, groups):
    if name != "hidden":
        return [_Axis(*axis(name), lambda group: getattr(group.settings, name))]
    parameters = _Axis("parameters", True, lambda group: group.record.parameters)
    if {len(group.settings.hidden or ()) for group in groups} != {2}:
        return [parameters]
    return [_Axis("units of the second hidden layer", True, lambda group: group.settings.hidden[1]), parameters]


def _series(name, groups):
    """Groups that differ in one setting alone, by the name of what they share: those that have another to be connected with, or
    another layer beside them."""
    kept = [other for other in FLAGS if other not in (name, "seed", "device", "threads")]
    depths = {len(group.settings.hidden or ()) for group in groups}
    layered, series = depths == {2}, {}
    for group, setting in zip(groups, naming_of(groups).settings):
        value = getattr(group.settings, name)
        if value is None:
            continue
        words = [f"{other}={one}" for other, one in setting.items() if other not in (flag_of(name), "seed")]
        if (name == "hidden" and len(depths) > 1) or layered:
            words.insert(0, f"first layer: {value[0]}" if layered else f"hidden layers: {len(value)}")
        shared = tuple(getattr(group.settings, other) for other in kept), *words
        series.setdefault(shared, (", ".join(words), []))[1].append(group)
    connected = any(len(members) > 1 for _, members in series.values())
    return {label: members for label, members in series.values() if connected and (len(members) > 1 or layered)}


def _points(axes, members, published):
    members = sorted(members, key=axes[0].value_of)
    points = {"x": [np.array([one.value_of(group) for group in members], float) for one in axes]}
    for metric in ("val_accuracy", "val_loss"):
        estimates = zip(*(intervals.mean_and_half_width(group.measures[metric]) for group in members))
        points[metric] = tuple(np.array(values, float) for values in estimates)
    if published:
        points["published"] = {
            metric: np.array([published.get(group.name, {}).get(metric, np.nan) for group in members], float)
            for metric in ("val_accuracy", "val_loss")
        }
    return points


def _far_apart(series, place):
    """Whether the values along an axis are far enough apart for a logarithmic one."""
    every = np.concatenate([one["x"][place] for one in series.values()])
    positive = every[every > 0]
    return len(positive) > 1 and positive.max() >= 4 * positive.min()


def labels_of(groups):
    """What `figures.label_counts` takes, of GANs that were all evaluated alike; else None."""
    evaluations = [evaluation for group in groups for evaluation in group.evaluations]
    kinds = {(one.get("samples"), tuple(one.get("classes", ()))) for one in evaluations}
    if len(kinds) > 1 or not all("counts" in one for one in evaluations):
        return None
    ((count, classes),) = kinds
    counts = {group.name: intervals.mean_and_half_width([one["counts"] for one in group.evaluations]) for group in groups}
    return counts, collapse.even_spread(count, len(classes)), classes
