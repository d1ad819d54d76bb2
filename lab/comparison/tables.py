"""Tables of compared runs: a line for each setting, means with error bars over its repeats, published figures beside them."""

import math
from typing import NamedTuple

import numpy as np

from lab.comparison.groups import LEVELS, varying
from lab.metrics import intervals
from lab.settings import text

# What the columns of `groups.EVALUATED` are called, and their decimal places.
_EVALUATED = {
    "modes": ("modes covered", 1),
    "near": ("samples near a mode", 3),
    "divergence": ("KL to uniform", 4),
    "present": ("classes over 1%", 1),
    "confidence": ("confidence", 3),
    "frechet": ("Fréchet distance", 1),
    "chi_square_p": ("largest p (chi-square)", 3),  # a mean of p-values says nothing
}


class Table(NamedTuple):
    """A table as text."""

    title: str
    rows: list  # of dict of str to str: column to cell
    notes: list  # of str: sentences below it


def runs_table(groups, title, notes):
    """The main table; columns that would tell nothing are left out."""
    rows = []
    for group in groups:
        measures = group.measures
        rows.append(
            {
                "setting": group.name,
                "runs": str(len(group.runs)),
                "parameters": f"{group.record.parameters:,}",
                **_evaluated(measures),
                **{_heading(name): _with_error(measures[name]) for name in group.metrics},
                **{name.replace("_", " "): _epochs(measures[name]) for name in measures if name.startswith("epochs_to_")},
                "s / epoch": f"{measures['epoch_seconds'].mean():.3g}",
                "device": group.device,
                "data set": group.record.dataset.name,
            }
        )
    same = [name for name in ("runs", "device", "data set") if len({row[name] for row in rows}) == 1]
    never = [name for name in rows[0] if all(row[name] == "-" for row in rows)]
    return Table(title, _without(rows, (*same, *never)), [*_in_common(groups), *notes])


def _in_common(groups):
    """What the rows have in common, in sentences."""
    devices = {group.device for group in groups}
    counts = {len(group.runs) for group in groups}
    sentences = ["Values of the epoch whose weights were saved."]
    if max(counts) > 1:
        each = f"{max(counts)} runs each" if len(counts) == 1 else f"up to {max(counts)} runs each"
        sentences[0] = f"Mean ± half-width of its 95% confidence interval (Student's t), {each}; of the epoch that was saved."
    if groups[0].settings.is_gan and not any(any(group.evaluations) for group in groups):
        sentences.append("With --classifier RUN, or --samples 2500 for the ring, the measures of mode collapse come in.")
    if len(devices) == 1:
        sentences.append(f"Device: {devices.pop()}.")
    return sentences


def published_table(groups, published, verdicts):
    """Published figures against ours, each with the 95% prediction interval for one run, if there are repeats.

    Parameters
    ----------
    groups : list of Group
    published : dict
        As `Published.final`.
    verdicts : dict
        As `published.verdicts_of` gives it.
    """
    rows, shown = [], []
    for group in groups:
        if group.name in published:
            row = {"setting": group.name, "parameters": "-"}
            count = published[group.name].get("parameters")
            if count is not None:
                row["parameters"] = f"{count:,.0f} {'equal' if count == group.record.parameters else 'NOT equal'}"
            shown.append(verdicts[group.name, None])
            rows.append(row | {_heading(name): _held_against(verdict) for name, verdict in shown[-1].items()})
    unknown = all(row["parameters"] == "-" for row in rows)
    title = "Published figures, and our 95% prediction interval for one run"
    return Table(title, _without(rows, ["parameters"] if unknown else []), _summed_up(shown))


def _held_against(verdict):
    if verdict.place:
        return f"{verdict.figure:.4f} {verdict.place} {verdict.low:.4f} to {verdict.high:.4f}"
    return "-" if verdict.figure is None else str(verdict.figure)


def published_epochs_table(verdicts):
    """Published learning curves against ours, epoch by epoch: as `published_table`."""
    rows, shown = [], []
    for (group, epoch), of_metrics in verdicts.items():
        if epoch is not None:
            row = {"setting": group, "epoch": str(epoch)}
            for name, verdict in of_metrics.items():
                figure = "-" if verdict.figure is None else str(verdict.figure)
                row[_heading(name)] = _with_error(verdict.ours)
                row[f"published {_heading(name)}"] = f"{figure} {verdict.place or ''}".strip()
            shown.append(of_metrics)
            rows.append(row)
    alone = len({row["setting"] for row in rows}) == 1
    return Table("Published figures by epoch", _without(rows, ["setting"] if alone else []), _summed_up(shown))


def _summed_up(shown):
    """Sentences: how many published figures lie inside, by metric."""
    sums = []
    for name in shown[0]:
        places = [verdicts[name].place for verdicts in shown if verdicts[name].place]
        if places:
            hits = f"{places.count('inside')} of {len(places)}"
            sums.append(f"Published {_heading(name)}: {hits} lie inside our 95% prediction interval for one run.")
    return sums or ["Without --repeats there is no interval to hold the published figures against."]


def speed_table(groups):
    """What two devices take for the same; None unless there are exactly two devices, and something trained on both."""
    devices = sorted({group.device for group in groups})
    if len(devices) != 2:
        return None
    pairs = {}
    for group in groups:
        same = group.settings.replace(device="auto", threads=None)
        pairs.setdefault(same, {})[group.device] = group
    rows = []
    for pair in pairs.values():
        if len(pair) == 2:
            one, other = (pair[device] for device in devices)
            for key, epochs in (("first_epoch_seconds", "first"), ("epoch_seconds", "later")):
                times = [group.measures[key].mean() for group in (one, other)]
                row = {"setting": one.settings.describe(one.record.dataset.train), "epochs": epochs}
                row |= {device: f"{seconds:.3g} s" for device, seconds in zip(devices, times)}
                rows.append(row | {"speed-up": f"{times[0] / times[1]:.2f}"})
    return Table("Two devices", rows, []) if rows else None


def numbers(groups, verdicts):
    """All numbers, unrounded: a dict for each group."""
    compared = next((of_metrics for (_, epoch), of_metrics in verdicts.items() if epoch is None), ())
    rows = []
    for group in groups:
        row = {"setting": group.name, "runs": len(group.runs)}
        given = {name: getattr(group.settings, name) for name in varying(groups)}
        row |= {name: "" if value is None else text(value) for name, value in given.items()}
        row["parameters"] = group.record.parameters
        for name, values in group.measures.items():
            mean, half_width = intervals.mean_and_half_width(values)
            row |= {name: float(mean), f"{name}_half_width": float(half_width)}
            if name in compared:
                low, high = intervals.prediction_interval(values)
                verdict = verdicts.get((group.name, None), {}).get(name)
                row |= {f"published_{name}": verdict and verdict.figure, f"{name}_low": low, f"{name}_high": high}
        # Not "device" and "dataset": so are settings called, which may say "auto".
        row |= {"device_name": group.device, "dataset_name": group.record.dataset.name}
        empty = {key for key, value in row.items() if value is None or (isinstance(value, float) and math.isnan(value))}
        rows.append(row | dict.fromkeys(empty, ""))
    return rows


def fewest_parameters(groups):
    """Sentences: with how few parameters the mean validation accuracy came over each of `LEVELS`."""
    if groups[0].settings.is_gan or len({group.record.parameters for group in groups}) < 2:
        return []
    sentences = []
    for level in LEVELS:
        enough = [group for group in groups if group.measures["val_accuracy"].mean() > level]
        if enough:
            least = min(enough, key=lambda group: group.record.parameters)
            count = f"{least.record.parameters:,}"
            sentences.append(f"Fewest parameters with a mean validation accuracy over {level}: {count} ({least.name}).")
    return sentences


def _without(rows, columns):
    return [{name: cell for name, cell in row.items() if name not in columns} for row in rows]


def _heading(name):
    return name.replace("val_", "val. ").replace("_", " ")


def _evaluated(measures):
    cells = {}
    for name, (heading, digits) in _EVALUATED.items():
        if name in measures:
            values = measures[name].max(keepdims=True) if name == "chi_square_p" else measures[name]
            cells[heading] = _with_error(values, digits)
    return cells


def _with_error(values, digits=4):
    mean, half_width = intervals.mean_and_half_width(values)
    if np.isnan(mean):
        return "-"
    return f"{mean:.{digits}f}" + ("" if np.isnan(half_width) else f" ± {half_width:.{digits}f}")


def _epochs(values):
    reached = values[np.isfinite(values)]
    if not len(reached):
        return "-"
    return _with_error(values, 1) if len(reached) == len(values) else f"by {len(reached)} of {len(values)}"
