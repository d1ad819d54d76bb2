"""Tables of compared runs: a line for each setting, means with error bars over its repeats,
published figures beside them.
"""

import contextlib
from typing import NamedTuple

import numpy as np
import pandas

from lab.comparison.frame import of_real_data
from lab.comparison.naming import shared_by_rows, short_devices
from lab.comparison.published import judgements
from lab.comparison.speed import speeds_of
from lab.io.words import suggestion
from lab.metrics.cells import RANGE, blanks, cell, interval_of
from lab.metrics.table import FIRST, LATER, METRICS, SAMPLES, chosen, heading
from lab.settings import UserError, text

DEVICES, REAL = "Seconds by device", "(real data)"
# The columns of table.csv, where something was trained on several devices.
_SPEED = (
    "start_seconds",
    "compiling_seconds",
    "epoch_seconds_spread",
    "speed_up",
    "speed_up_low",
    "speed_up_high",
)
WIDE = 0.1  # a spread of epochs, above which the reader is warned


class Table(NamedTuple):
    """A table as text."""

    title: str
    rows: list  # of dict of str to str: column to cell
    notes: list  # of str: sentences below it


def runs_table(groups, title, notes, top=None):
    """The main table: what differs first, then the metrics; columns that would tell nothing are
    left out.

    Parameters
    ----------
    groups : list of Group
    title : str
    notes : list of str
    top : int, optional
        Only of so many groups.
    """
    naming, rows = groups[0].naming, []
    _, devices = short_devices([group.device for group in groups])
    for group, device in zip(groups, devices):
        row = naming.cells(group) | _cells(group, chosen(place=FIRST))
        row["parameters"] = f"{group.record.parameters:,}"
        row |= _cells(group, chosen(place=LATER))
        row[heading("epoch_seconds")] = f"{group.measures['epoch_seconds'].mean():.3g}"
        row["epochs trained"] = group.epochs_trained + ", interrupted" * group.is_interrupted
        rows.append(row | {"runs": str(len(group.runs)), "device": device})
    same = [name for name in ("runs", "device") if len({row[name] for row in rows}) == 1]
    if not any(group.is_interrupted for group in groups):
        same.append("epochs trained")
    rows = _without(without_blank(rows), same)[:top]
    about = [shared_by_rows(groups[:top]), *naming.sentences]
    if any(len(group.runs) > 1 for group in groups):
        about.append(
            "Mean ± half-width of its 95% confidence interval (Student's t), of the epoch that was "
            "saved."
        )
    else:
        about.append("Values of the epoch whose weights were saved.")
    if "modes" in groups[0].measures and not any(any(group.evaluations) for group in groups):
        about.append(
            "With --classifier RUN, or --samples 2500 for points, the measures of mode collapse "
            "come in."
        )
    about += about_cells(groups, [*chosen(place=FIRST), *chosen(place=LATER)])
    return Table(naming.title(title), rows, [*about, *notes])


def samples_table(groups, top=None):
    """How near the samples of GANs come to the data, as `runs_table`; None where that was not
    measured.
    """
    names = []
    for name in chosen(groups[0].settings.kind.name, place=SAMPLES):
        if any(np.isfinite(group.measures[name]).any() for group in groups):
            names.append(name)
    if not names:
        return None
    naming, shown = groups[0].naming, groups[:top]
    rows = [naming.cells(group) | _cells(group, names) for group in shown]
    notes = [
        shared_by_rows(shown),
        "Unclear: the share of samples of which the classifier is less than 50% sure.",
        "The rest in the features of the classifier: its last hidden layer (docs/gans.md).",
        *about_cells(shown, chosen(place=SAMPLES)),
    ]
    return Table(naming.title("Samples against the validation images"), rows, notes)


def with_real_data(table, groups):
    """The table, if there is one, with a last row for real data in place of samples, if all runs
    were held against the same.
    """
    if not table:
        return None
    row = dict.fromkeys(table.rows[0], "-")
    for name, value in of_real_data(groups).items():
        if name in METRICS and heading(name) in row:
            row[heading(name)] = cell(name, np.array([value]))
    if {*row.values()} == {"-"}:
        return table
    row[next(iter(row))] = REAL
    return table._replace(rows=[*table.rows, row])


def _cells(group, names):
    measures = group.measures
    return {heading(name): cell(name, measures[name]) for name in names if name in measures}


def about_cells(groups, names):
    """Where an interval or a value of these measures would say nothing, in sentences."""
    sentences, evaluations = set(), []
    for group in groups:
        evaluations += group.evaluations
        for name, values in group.measures.items():
            if name in names and interval_of(name, values).leaves:
                sentences.add(RANGE)
    return [*sentences, *blanks(evaluations, names)]


def published_table(groups, published, verdicts):
    """Published figures against ours, each with the 95% prediction interval for one run, if there
    are repeats; None if there are none of these groups.

    Parameters
    ----------
    groups : list of Group
    published : Published
    verdicts : dict
        As `published.verdicts_of` gives it.
    """
    naming, rows, equal = groups[0].naming, [], set()
    shown = [group for group in groups if group.name in published.final]
    if not shown:
        return None
    for group in shown:
        count = published.final[group.name].get("parameters")
        is_equal = "equal" if count == group.record.parameters else "NOT equal"
        equal.add(is_equal if count is not None else "-")
        row = naming.cells(group)
        row["parameters"] = "-" if count is None else f"{count:,.0f} {is_equal}"
        for name, verdict in verdicts[group.name, None].items():
            row[heading(name)] = _as_published(verdict.figure)
            if verdict.place:
                row[heading(name)] += f" {verdict.place} {verdict.low:.4f} to {verdict.high:.4f}"
        rows.append(row)
    notes = [shared_by_rows(shown), *published.notes]
    if equal == {"equal"}:
        notes.append("All numbers of parameters are equal to the published ones.")
    if "NOT equal" not in equal:
        rows = _without(rows, ["parameters"])
    title = naming.title("Published figures, and our 95% prediction interval for one run")
    return Table(title, rows, [*notes, *judgements(verdicts)])


def _as_published(figure):
    """A figure with the digits that it was published with, at most four."""
    if figure is None:
        return "-"
    return f"{figure:.4f}" if figure.as_tuple().exponent < -4 else str(figure)


def published_epochs_table(groups, published, verdicts):
    """Published learning curves against ours, epoch by epoch: as `published_table`."""
    shown = {group.name: group for group in groups if group.name in published.by_epoch}
    if not shown:
        return None
    rows, has_range = [], False
    alone = len({name for name, _ in verdicts}) == 1
    for (name, epoch), of_metrics in verdicts.items():
        if name not in shown:
            continue
        row = {} if alone else groups[0].naming.cells(shown[name])
        row["epoch"] = str(epoch)
        for metric, verdict in of_metrics.items():
            figure = _as_published(verdict.figure)
            row[heading(metric)] = cell(metric, verdict.ours)
            row[f"published {heading(metric)}"] = f"{figure} {verdict.place or ''}".strip()
            has_range |= interval_of(metric, verdict.ours).leaves
        rows.append(row)
    notes = [shared_by_rows([*shown.values()]), *published.notes]
    if has_range:
        notes.append(RANGE)
    return Table("Published figures by epoch", rows, notes + judgements(verdicts))


def speed_table(speeds):
    """What devices take for the same, a line for each of `speeds_of`; None if there are none."""
    if not speeds:
        return None
    common, short = short_devices([speed.device for speed in speeds])
    rows, wide, groups = [], [], []
    is_alone = len({speed.setting for speed in speeds}) == 1
    for speed, device in zip(speeds, short):
        row = {} if is_alone else {"setting": speed.setting}
        row["device"] = device
        if speed.spread > WIDE:
            wide.append(f"{' on '.join(row.values())}: {speed.spread:.0%}")
        for name in ("start", "first", "compiling", "later"):
            row[name] = seconds_in_words(getattr(speed, name))
        row["spread"] = "-" if np.isnan(speed.spread) else f"{speed.spread:.1%}"
        row["speed-up"] = _speed_up(speed.speed_up)
        rows.append(row)
        groups += speed.groups
    notes = [shared_by_rows(groups)]
    if is_alone:
        notes.append(f"Setting: {speeds[0].setting}.")
    if common:
        notes.append(f"Device: {common}.")
    notes += _about_speeds(speeds)
    if wide:
        notes.append(
            f"Warning: the spread is over {WIDE:.0%} ({'; '.join(wide)}): something else may have "
            "been running, so measure again on an idle machine."
        )
    return Table(DEVICES, without_blank(rows), notes)


def seconds_in_words(value):
    """Seconds as a cell: "0.123", "1,234", or "-" where they are unknown."""
    if np.isnan(value):
        return "-"
    return f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"


def _speed_up(found):
    if found is None:
        return "1"
    if np.isnan(found.ratio):
        return "-"
    ratio, low, high = (f"{value:.2f}" if value < 1000 else f"{value:.3g}" for value in found)
    return ratio if np.isnan(found.low) else f"{ratio} ({low} to {high})"


def _about_speeds(speeds):
    """What the columns of times mean, in sentences."""
    sentences = [
        "Compiling: the first epoch less the median of the later ones.",
        "Later: the median later epoch of all runs; spread: the interquartile range of these "
        "epochs, in % of it.",
    ]
    if not all(np.isnan(speed.start) for speed in speeds):
        sentences.insert(0, "Start: from the start of TensorFlow to the first epoch.")
    known = [one.speed_up for one in speeds if one.speed_up and not np.isnan(one.speed_up.ratio)]
    alone = [np.isnan(one.low) for one in known]
    if alone:
        mean = "; the mean over seeds, in brackets its 95% interval (Student's t of the logarithms)"
        sentences.append(
            "Speed-up: how many times faster later epochs are than on the setting's first device"
            f"{'' if all(alone) else mean}."
        )
    if any(alone):
        who = "Single runs" if all(alone) else "Some are single runs"
        sentences.append(f"{who}: --repeats 5 gives an interval.")
    return sentences


def numbers(groups, speeds, verdicts):
    """All numbers, unrounded, and every setting.

    Parameters
    ----------
    groups : list of Group
    speeds : list of Speed
        As `speeds_of` gives them.
    verdicts : dict
        As `published.verdicts_of` gives it.

    Returns
    -------
    list of dict
        A row of table.csv for each group, by column; empty texts for what is unknown.
    """
    compared = next((row for (_, epoch), row in verdicts.items() if epoch is None), ())
    rows, seconds = [], {}
    for speed in speeds:
        for group in speed.groups:
            speed_up = speed.speed_up or (1.0, None, None)
            seconds[group.path] = speed.start, speed.compiling, speed.spread, *speed_up
    for group in groups:
        row = {"setting": group.name, "folder": group.path, "runs": len(group.runs)}
        row["seeds"] = " ".join(map(str, group.seeds))
        for column, value in group.rows.loc[:, :"parameters"].iloc[0].items():
            row[column] = None if value is None else text(value)
        for name, values in group.measures.items():
            row[name], half_width, _ = interval_of(name, values)
            if not METRICS[name].listed:
                row[f"{name}_half_width"] = half_width
            row[f"{name}_of_runs"] = " ".join(f"{value:g}" for value in values)
            if name in compared:
                verdict = verdicts.get((group.name, None), {}).get(name)
                row[f"published_{name}"] = verdict and verdict.figure
                for part in ("place", "low", "high"):
                    row[f"{name}_{part}"] = verdict and getattr(verdict, part)
        if speeds:
            row |= dict.fromkeys(_SPEED) | dict(zip(_SPEED, seconds.get(group.path, ())))
        # Not "device" and "dataset", which are settings: the device may be "auto".
        row |= group.rows.loc[:, "status":"data_sha256"].iloc[0]
        row["epochs_trained"] = " ".join(map(str, group.rows["epochs_trained"]))
        rows.append(row)
    frame = pandas.DataFrame(rows, dtype=object)
    return frame.where(frame.notna(), "").to_dict("records")


def without_blank(rows):
    """The rows without the columns that say nothing in any of them."""
    return _without(rows, [name for name in rows[0] if {row[name] for row in rows} == {"-"}])


def _without(rows, columns):
    return [{name: cell for name, cell in row.items() if name not in columns} for row in rows]


def in_order(groups, column):
    """Groups sorted by a column of `numbers`, the best first, the least or, where more is better,
    the most.

    Parameters
    ----------
    groups : list of Group
    column : str

    Returns
    -------
    list of Group
        Those without a value last.

    Raises
    ------
    UserError
        Naming the columns that there are, if there is no such one.
    """
    rows = numbers(groups, speeds_of(groups), {})
    if column not in rows[0]:
        known = {heading(name): name for name in rows[0]} | {name: name for name in rows[0]}
        choice = suggestion(column, known) or f"; choose from {', '.join(rows[0])}"
        raise UserError(f"--sort: there is no column {column!r}{choice}")
    sign = -1 if column in METRICS and METRICS[column].more_is_better else 1

    def key(pair):
        value = pair[1][column]
        with contextlib.suppress(ValueError):
            value = sign * float(value)
        return value == "", isinstance(value, str), value

    return [group for group, _ in sorted(zip(groups, rows), key=key)]
