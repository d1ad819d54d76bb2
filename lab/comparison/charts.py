"""What the figures of a comparison show, as numbers."""

import numpy as np

from lab.comparison.groups import varying
from lab.metrics import collapse, intervals
from lab.settings import axis, flag_of


def trend_of(groups, published):
    """What `figures.trend` takes: validation accuracy and loss against a setting that is a number, or against the parameters.

    None if nothing of the kind varies.
    """
    if groups[0].settings.is_gan:
        return None
    different = varying(groups)
    numbers = [name for name in different if axis(name) and _is_axis(name, [group.settings for group in groups])]
    if not numbers and not ("hidden" in different and all(group.settings.hidden for group in groups)):
        return None
    own = f"{flag_of(numbers[0])}=" if numbers else None
    series = {}
    for group in groups:
        others = [part for part in group.name.split(", ") if not (own and part.startswith(own))]
        series.setdefault(", ".join(others), []).append(group)
    points = {}
    for name, members in series.items():
        x = [getattr(group.settings, numbers[0]) if numbers else group.record.parameters for group in members]
        points[name] = {"x": np.array(x, float)}
        for metric in ("val_accuracy", "val_loss"):
            estimates = zip(*(intervals.mean_and_half_width(group.measures[metric]) for group in members))
            points[name][metric] = tuple(np.array(values, float) for values in estimates)
        if published:
            points[name]["published"] = {
                metric: np.array([published.get(group.name, {}).get(metric, np.nan) for group in members], float)
                for metric in ("val_accuracy", "val_loss")
            }
    label, may_be_logarithmic = axis(numbers[0]) if numbers else ("parameters", True)
    every = np.concatenate([one["x"] for one in points.values()])
    positive = every[every > 0]
    return points, label, may_be_logarithmic and len(positive) > 1 and positive.max() >= 10 * positive.min()


def _is_axis(name, several):
    """Whether each of several settings has a value of this name, which does not only follow from another setting."""
    values = [getattr(settings, name) for settings in several]
    return None not in values and values != [settings.default(name) for settings in several]


def labels_of(groups):
    """What `figures.label_counts` takes, of GANs that were all evaluated alike; else None."""
    evaluations = [evaluation for group in groups for evaluation in group.evaluations]
    kinds = {(one.get("samples"), tuple(one.get("classes", ()))) for one in evaluations}
    if len(kinds) > 1 or not all("counts" in one for one in evaluations):
        return None
    ((count, classes),) = kinds
    counts = {group.name: intervals.mean_and_half_width([one["counts"] for one in group.evaluations]) for group in groups}
    return counts, collapse.even_spread(count, len(classes)), classes
