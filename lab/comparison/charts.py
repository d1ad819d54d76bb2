"""What the figures of a comparison show, as numbers."""

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
        label = ", ".join([f"{name}=...,{rest}"] * bool(rest) + [f"{other}={one}" for other, one in pairs.items()])
        panels.setdefault(f"{name}={value}{',...' if rest else ''}", {})[label or group.name] = group
    if len(panels) > len(groups) / 2 or max(map(len, panels.values())) > MOST_CURVES:
        parts = [groups[start : start + MOST_CURVES // 2] for start in range(0, len(groups), MOST_CURVES // 2)]
        panels = {f"{part[0].name} to {part[-1].name}": {group.name: group for group in part} for part in parts}
    return panels


class Trend(NamedTuple):
    """What `figures.trend` takes."""

    axes: list  # of (label, whether it is to be logarithmic)
    series: dict


class _Along(NamedTuple):
    """What a trend may go along: a setting that is a number, or the units of one of two hidden layers; of hidden layers
    otherwise, the parameters."""

    name: str
    layer: int | None = None

    def axes(self):
        """The axes, each (label, whether it may be logarithmic, value of a group)."""
        if self.name != "hidden":
            return [(*axis(self.name), lambda group: getattr(group.settings, self.name))]
        parameters = "parameters", True, lambda group: group.record.parameters
        if self.layer is None:
            return [parameters]
        units = f"units of the {_LAYERS[self.layer]} hidden layer", True, lambda group: group.settings.hidden[self.layer]
        return [units, parameters]

    def series(self, groups):
        """The groups in series that differ in nothing else, by what each has in common."""
        kept = [name for name in FLAGS if name not in (self.name, "seed", "device", "threads")]
        depths = {len(group.settings.hidden or ()) for group in groups}
        found = {}
        for group, setting in zip(groups, naming_of(groups).settings):
            if getattr(group.settings, self.name) is None:
                continue
            words = [f"{name}={value}" for name, value in setting.items() if name not in (flag_of(self.name), "seed")]
            if self.layer is not None:
                words.insert(0, f"{_LAYERS[1 - self.layer]} layer: {group.settings.hidden[1 - self.layer]}")
            elif self.name == "hidden" and len(depths) > 1:
                words.insert(0, f"hidden layers: {len(group.settings.hidden)}")
            shared = tuple(getattr(group.settings, name) for name in kept), *words
            found.setdefault(shared, (", ".join(words), []))[1].append(group)
        return {label: members for label, members in found.values() if len(members) > 1 or self.layer is not None}


_LAYERS = ("first", "second")


def trend_of(groups, published):
    """Validation accuracy and loss against a setting that is a number, in series whose groups differ in nothing else.

    Of pairs of hidden layers, the units of one are the number; of any hidden layers, the parameters are another.

    Parameters
    ----------
    groups : list of Group
    published : dict
        As `Published.final`.

    Returns
    -------
    Trend or None
        None if fewer than half of the groups can be connected so.
    """
    if groups[0].settings.is_gan or len({group.record.dataset.sha256 for group in groups}) > 1:
        return None
    pairs = {len(group.settings.hidden or ()) for group in groups} == {2}
    found = []
    for name in varying(groups):
        if axis(name) or name == "hidden":
            found += [_Along(name, 1), _Along(name, 0)] if name == "hidden" and pairs else [_Along(name)]
    connected = [
        (along, series) for along, series in ((along, along.series(groups)) for along in found) if _most(series, groups)
    ]
    if not connected:
        return None
    along, series = min(connected, key=lambda one: (one[0].layer == 0, len(one[1])))
    drawn = {name: _points(along.axes(), members, published) for name, members in series.items()}
    axes = [(label, positive and _far_apart(drawn, place)) for place, (label, positive, _) in enumerate(along.axes())]
    return Trend(axes, drawn)


def _most(series, groups):
    """Whether most of the groups have another beside them in their series."""
    return 2 * sum(len(members) for members in series.values() if len(members) > 1) >= len(groups)


def _points(axes, members, published):
    members = sorted(members, key=axes[0][2])
    points = {"x": [np.array([value_of(group) for group in members], float) for *_, value_of in axes]}
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
    even = collapse.even_spread(count, len(classes))
    label = "mode" if "modes" in evaluations[0] else "class"
    return {"groups": counts, "even": even, "classes": classes, "label": label}
