"""Tables of compared runs: a line for each setting, means with error bars over its repeats, published figures beside them."""

import csv
import math
import statistics
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lab.data.load import CLASSES
from lab.errors import UserError
from lab.metrics import intervals as estimates
from lab.runs.files import atomic
from lab.settings import RunConfig, differing, parse_setting, setting_text

METRICS = ("val_accuracy", "val_loss", "accuracy", "loss")
GAN_METRICS = ("generator_loss", "discriminator_loss")
# What evaluate.py finds out about a GAN: what a column calls it, and its decimal places.
EVALUATED = {
    "modes": ("modes covered", 1),
    "near": ("samples near a mode", 3),
    "divergence": ("KL to uniform", 4),
    "present": ("classes over 1%", 1),
    "confidence": ("confidence", 3),
    "frechet": ("Fréchet distance", 1),
    "chi_square_p": ("largest p (chi-square)", 3),  # a mean of p-values says nothing
}
LEVELS = (0.95, 0.97)  # of validation accuracy, that convergence is measured by


class Group(NamedTuple):
    """Runs that differ in their seed only: one line of a table, one colour of a figure."""

    name: str
    folder: Path
    config: RunConfig  # of the first
    record: dict  # its config.json
    histories: list
    evaluations: list = ()  # of GANs: by run, what of EVALUATED is known, and "counts" and "samples"


def measures(group):
    """What each run of a group reached and took.

    Returns
    -------
    dict of str to float array, shape (runs,)
        `metrics_of` in the epoch whose weights were saved; "epoch_seconds", the median after the first epoch;
        "first_epoch_seconds", only of the runs that did not use what an earlier one of their process had compiled;
        "epochs_to_0.95" and so on, of the validation accuracy, as `estimates.epochs_until` with the accuracy of guessing
        before the first epoch. Of GANs, in their place, what of `EVALUATED` is known of every run.
    """
    guessing = 1 / len(CLASSES[group.record["dataset"]["name"]])
    names = metrics_of(group)
    rows = []
    for history in group.histories:
        saved = history.get("saved_epoch", len(history["epoch_seconds"])) - 1
        first, *later = history["epoch_seconds"]
        row = {name: history[name][saved] for name in names}
        row |= {"epoch_seconds": statistics.median(later or [first]), "first_epoch_seconds": first}
        if not group.config.is_gan:
            curve = np.array(history["val_accuracy"], float)
            row |= {f"epochs_to_{level}": estimates.epochs_until(curve, level, guessing) for level in LEVELS}
        rows.append(row)
    reached = {name: np.array([row[name] for row in rows], float) for name in rows[0]}
    if group.config.is_gan:
        reached |= {name: np.array([one.get(name, np.nan) for one in group.evaluations or [{}]], float) for name in EVALUATED}
    compiled = [history.get("compiled", True) for history in group.histories]
    reached["first_epoch_seconds"] = reached["first_epoch_seconds"][compiled if any(compiled) else ...]
    return reached


class Published(NamedTuple):
    """Published figures, with the digits that were published."""

    final: dict  # group's name -> column -> Decimal
    by_epoch: dict  # group's name -> epoch, from 1 -> column -> Decimal


def metrics_of(group):
    """The lists of a history that a table shows."""
    return GAN_METRICS if group.config.is_gan else METRICS


def varying(groups):
    """The settings, but for the seed, in which some groups differ: a list of names."""
    return [name for name in differing(group.config for group in groups) if name != "seed"]


def read_published(path, groups):
    """Published figures that belong to some of the groups.

    Parameters
    ----------
    path : path of a CSV file
        Columns that are settings (`RunConfig`'s names) say which row belongs to which group; of the others, "parameters" and
        `METRICS` are read. A table.csv of ours is such a file. With a column "epoch" there is a row for each epoch, and without
        settings all of them belong to every group.
    groups : list of Group

    Returns
    -------
    Published

    Raises
    ------
    UserError
        If it is no such file, or no row belongs to any group.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:  # spreadsheets begin it with a byte order mark
            reader = csv.DictReader(file)
            reader.fieldnames = [name.strip().replace("-", "_") for name in reader.fieldnames or []]
            rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: not readable as a table of comma-separated values ({error})") from error
    columns = list(rows[0]) if rows else []
    keys = [name for name in columns if name in RunConfig.__dataclass_fields__]
    values = [name for name in columns if name in ("parameters", *METRICS)]
    if not (keys or "epoch" in columns) or not values:
        raise UserError(
            f"{path}: expected a row of column names, some of them settings (as hidden, regularizer_strength) or epoch, others "
            f"of parameters, {', '.join(METRICS)}; found {', '.join(map(str, columns)) or 'nothing'}"
        )
    published, lines = Published({}, {}), {}
    for number, row in enumerate(rows, 2):
        try:
            wanted = {name: parse_setting(name, row[name]) if row[name] else None for name in keys}
            figures = {name: _decimal(row[name]) for name in values if row[name]}
            epoch = _epoch(row["epoch"]) if "epoch" in columns else None
        except (UserError, TypeError, AttributeError) as error:
            raise UserError(f"{path}, line {number}: {error}") from error
        for group in groups:
            if figures and all(getattr(group.config, name) == value for name, value in wanted.items()):
                what = group.name if epoch is None else f"epoch {epoch} of {group.name}"
                if what in lines:
                    raise UserError(f"{path}: lines {lines[what]} and {number} are both of {what}")
                lines[what] = number
                if epoch is None:
                    published.final[group.name] = figures
                else:
                    published.by_epoch.setdefault(group.name, {})[epoch] = figures
    if not lines:
        what = f"the settings ({', '.join(keys)})" if keys else "figures"
        raise UserError(f"{path}: none of its rows has {what} of one of these runs")
    trained = {group.name: max(len(history["loss"]) for history in group.histories) for group in groups}
    if published.by_epoch and all(min(curve) > trained[name] for name, curve in published.by_epoch.items()):
        raise UserError(f"{path}: none of its epochs was trained")
    return published


def summary(groups):
    """The main table as text: a list of dicts, column to cell; columns that would tell nothing are left out."""
    rows = []
    for group in groups:
        reached = measures(group)
        rows.append(
            {
                "setting": group.name,
                "runs": str(len(group.histories)),
                "parameters": f"{group.record['parameters']:,}",
                **_evaluated(reached),
                **{_title(name): _with_error(reached[name]) for name in metrics_of(group)},
                **{name.replace("_", " "): _epochs(reached[name]) for name in reached if name.startswith("epochs_to_")},
                "s / epoch": f"{reached['epoch_seconds'].mean():.3g}",
                "device": device_of(group),
                "data set": group.record["dataset"]["name"],
            }
        )
    same = [name for name in ("runs", "device", "data set") if len({row[name] for row in rows}) == 1]
    never = [name for name in rows[0] if all(row[name] == "-" for row in rows)]
    return _without(rows, (*same, *never))


def beside_published(groups, published):
    """Published figures against ours: a list of dicts, column to cell, and a list of sentences that sum them up.

    A cell shows the published figure and, if the group was repeated, whether it lies in our 95% prediction interval for one
    run (`estimates.prediction_interval`).

    Parameters
    ----------
    groups : list of Group
    published : dict
        As `Published.final`.
    """
    columns = [name for name in METRICS if any(name in figures for figures in published.values())]
    rows, inside = [], {name: [] for name in columns}
    for group in groups:
        figures = published.get(group.name)
        if figures is None:
            continue
        row = {"setting": group.name, "parameters": "-"}
        if "parameters" in figures:
            same = figures["parameters"] == group.record["parameters"]
            row["parameters"] = f"{figures['parameters']:,.0f} {'equal' if same else 'NOT equal'}"
        reached = measures(group)
        for name in columns:
            row[_title(name)], place = _verdict(figures.get(name), *estimates.prediction_interval(reached[name]))
            if place:
                inside[name].append(place == "inside")
        rows.append(row)
    unknown = all(row["parameters"] == "-" for row in rows)
    return _without(rows, ["parameters"] if unknown else []), _summed_up(inside)


def beside_published_epochs(groups, published):
    """Published learning curves against ours, epoch by epoch: as `beside_published`.

    Parameters
    ----------
    groups : list of Group
    published : dict
        As `Published.by_epoch`.
    """
    figures = [row for curve in published.values() for row in curve.values()]
    columns = [name for name in METRICS if any(name in row for row in figures)]
    rows, inside = [], {name: [] for name in columns}
    for group in groups:
        for epoch, row in sorted(published.get(group.name, {}).items()):
            reached = [history for history in group.histories if epoch <= len(history["loss"])]
            if not reached:
                continue
            cells = {"setting": group.name, "epoch": str(epoch)}
            for name in columns:
                values = np.array([history[name][epoch - 1] for history in reached], float)
                place = _place(row.get(name), *estimates.prediction_interval(values))
                if place:
                    inside[name].append(place == "inside")
                cells[_title(name)] = _with_error(values)
                cells[f"published {_title(name)}"] = " ".join(filter(None, [str(row.get(name, "-")), place]))
            rows.append(cells)
    alone = len({row["setting"] for row in rows}) == 1
    return _without(rows, ["setting"] if alone else []), _summed_up(inside)


def _without(rows, columns):
    return [{name: cell for name, cell in row.items() if name not in columns} for row in rows]


def _summed_up(inside):
    sums = [
        f"Published {_title(name)}: {sum(hits)} of {len(hits)} lie inside our 95% prediction interval for one run."
        for name, hits in inside.items()
        if hits
    ]
    return sums or ["Without --repeats there is no interval to hold the published figures against."]


def speed_up(groups):
    """What two devices take for the same: a list of dicts, column to cell; empty unless there are exactly two devices."""
    devices = sorted({device_of(group) for group in groups})
    if len(devices) != 2:
        return []
    pairs = {}
    for group in groups:
        same = replace(group.config, device="auto", threads=None)
        pairs.setdefault(same, {})[device_of(group)] = group
    rows = []
    for pair in pairs.values():
        if len(pair) == 2:
            one, other = (measures(pair[device]) for device in devices)
            setting = pair[devices[0]].config.describe()
            for key, epochs in (("first_epoch_seconds", "first"), ("epoch_seconds", "later")):
                times = [reached[key].mean() for reached in (one, other)]
                row = {"setting": setting, "epochs": epochs}
                row |= {device: f"{seconds:.3g} s" for device, seconds in zip(devices, times)}
                rows.append(row | {"speed-up": f"{times[0] / times[1]:.2f}"})
    return rows


def fewest_parameters(groups):
    """Sentences: with how few parameters the mean validation accuracy came over each of `LEVELS`."""
    if groups[0].config.is_gan or len({group.record["parameters"] for group in groups}) < 2:
        return []
    sentences = []
    for level in LEVELS:
        enough = [group for group in groups if measures(group)["val_accuracy"].mean() > level]
        if enough:
            least = min(enough, key=lambda group: group.record["parameters"])
            count = f"{least.record['parameters']:,}"
            sentences.append(f"Fewest parameters with a mean validation accuracy over {level}: {count} ({least.name}).")
    return sentences


def write_csv(groups, published, path):
    """Write all numbers, unrounded: a row for each group."""
    settings = varying(groups)
    rows = []
    for group in groups:
        row = {"setting": group.name, "runs": len(group.histories)}
        given = {name: getattr(group.config, name) for name in settings}
        row |= {name: "" if value is None else setting_text(value) for name, value in given.items()}
        row["parameters"] = group.record["parameters"]
        figures = published.get(group.name, {})
        for name, values in measures(group).items():
            mean, half_width = estimates.mean_and_half_width(values)
            row |= {name: float(mean), f"{name}_half_width": float(half_width)}
            if any(name in figures for figures in published.values()):
                low, high = estimates.prediction_interval(values)
                row |= {f"published_{name}": figures.get(name, ""), f"{name}_low": low, f"{name}_high": high}
        # Not "device" and "dataset": so are settings called, which may say "auto".
        row |= {"device_name": device_of(group), "dataset_name": group.record["dataset"]["name"]}
        rows.append({key: "" if isinstance(value, float) and math.isnan(value) else value for key, value in row.items()})
    with atomic(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def markdown(rows):
    """A table as Markdown, its columns aligned."""
    columns = list(rows[0])
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in columns}

    def line(cells):
        return "| " + " | ".join(cells) + " |"

    return "\n".join(
        [
            line(name.ljust(widths[name]) for name in columns),
            line("-" * widths[name] for name in columns),
            *(line(row[name].ljust(widths[name]) for name in columns) for row in rows),
        ]
    )


def device_of(group):
    """The name of the device that a group was trained on."""
    return group.histories[0].get("device", "unknown")


def _title(name):
    return name.replace("val_", "val. ").replace("_", " ")


def _evaluated(reached):
    columns = {}
    for name, (title, digits) in EVALUATED.items():
        if name in reached:
            values = reached[name].max(keepdims=True) if name == "chi_square_p" else reached[name]
            columns[title] = _with_error(values, digits)
    return columns


def _with_error(values, digits=4):
    mean, half_width = estimates.mean_and_half_width(values)
    if np.isnan(mean):
        return "-"
    return f"{mean:.{digits}f}" + ("" if np.isnan(half_width) else f" ± {half_width:.{digits}f}")


def _epochs(values):
    reached = values[np.isfinite(values)]
    if not len(reached):
        return "-"
    if len(reached) < len(values):
        return f"by {len(reached)} of {len(values)}"
    mean, half_width = estimates.mean_and_half_width(values)
    return f"{mean:.1f}" + ("" if np.isnan(half_width) else f" ± {half_width:.1f}")


def _verdict(figure, low, high):
    """A cell, a published figure and our interval; and its place."""
    place = _place(figure, low, high)
    if place is None:
        return "-" if figure is None else str(figure), None
    return f"{figure:.4f} {place} {low:.4f} to {high:.4f}", place


def _place(figure, low, high):
    """Where a published figure lies: "inside" our interval, "below", "above"; None if either is missing."""
    if figure is None or math.isnan(low):
        return None
    # It may have been rounded by half a unit of its last digit.
    rounding = 0.5 * 10.0 ** figure.as_tuple().exponent
    return "below" if figure + Decimal(rounding) < low else "above" if figure - Decimal(rounding) > high else "inside"


def _epoch(text):
    epoch = parse_setting("epochs", text)
    if epoch < 1:
        raise UserError(f"epochs are counted from 1, got {text!r}")
    return epoch


def _decimal(text):
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise UserError(f"expected a number, got {text!r}") from None
    if not number.is_finite() or abs(number) > 10**12 or number.as_tuple().exponent < -30:
        raise UserError(f"expected a number of sensible size, got {text!r}")
    return number
