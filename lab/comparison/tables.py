"""Tables of compared runs: a line for each setting, means with error bars over its repeats,
published figures beside them.
"""

import contextlib
from typing import NamedTuple

import numpy as np

from lab import runs
from lab.comparison.groups import of_real_data
from lab.comparison.naming import USUAL, in_words, naming_of, short_devices, usual_in_words
from lab.comparison.published import judgements
from lab.comparison.speed import speeds_of
from lab.io.words import suggestion
from lab.metrics.cells import RANGE, blanks, cell, interval_of
from lab.metrics.table import FIRST, LATER, METRICS, SAMPLES, chosen, heading
from lab.settings import UserError, text

_FIRST, _LATER = chosen(place=FIRST), chosen(place=LATER)
DEVICES, REAL = "Seconds by device", "(real data)"
_TOLD = ("seed", "source")  # settings that a row tells otherwise
WIDE = 0.1  # a spread of epochs, above which the reader is warned


class Table(NamedTuple):
    """A table as text."""

    title: str
    rows: list  # of dict of str to str: column to cell
    notes: list  # of str: sentences below it


def runs_table(groups, title, notes):
    """The main table: what differs first, then the metrics; columns that would tell nothing are
    left out.
    """
    naming, rows = naming_of(groups), []
    _, devices = short_devices([group.device for group in groups])
    for group, row, device in zip(groups, first_cells(groups, naming), devices):
        row |= (
            _cells(group, _FIRST)
            | {"parameters": f"{group.record.parameters:,}"}
            | _cells(group, _LATER)
        )
        seconds = f"{group.measures['epoch_seconds'].mean():.3g}"
        epochs = group.epochs_trained + ", interrupted" * group.is_interrupted
        row |= {
            heading("epoch_seconds"): seconds,
            "epochs trained": epochs,
            "runs": str(len(group.runs)),
        }
        rows.append(row | {"device": device})
    same = [name for name in ("runs", "device") if len({row[name] for row in rows}) == 1]
    same += [] if any(group.is_interrupted for group in groups) else ["epochs trained"]
    return Table(
        titled(title, naming), told(_without(rows, same)), [*_about(groups, naming), *notes]
    )


def fidelity_table(groups, top=None):
    """How near the samples of GANs, or of so many of them, come to the data; None where that was
    not measured.
    """
    names = [
        name
        for name in chosen(place=SAMPLES)
        if any(np.isfinite(group.measures.get(name, np.nan)).any() for group in groups)
    ]
    if not names:
        return None
    naming = naming_of(groups)
    rows = [
        row | _cells(group, names) for group, row in zip(groups[:top], first_cells(groups, naming))
    ]
    notes = ["Unclear: the share of samples of which the classifier is less than 50% sure."]
    notes += ["The rest in the features of the classifier: its last hidden layer (docs/gans.md)."]
    notes += about_cells(groups[:top], chosen(place=SAMPLES))
    return Table(titled("Samples against the validation images", naming), rows, notes)


def with_real_data(table, groups):
    """The table with a last row for real data in place of samples, if all runs were held against
    the same.
    """
    known = {
        heading(name): cell(name, value[np.newaxis]) for name, value in of_real_data(groups).items()
    }
    if not table or not known:
        return table
    first = next(iter(table.rows[0]))
    row = {column: REAL if column == first else known.get(column, "-") for column in table.rows[0]}
    return table._replace(rows=[*table.rows, row]) if {*row.values()} - {REAL, "-"} else table


def titled(title, naming):
    """A table's title, with the name of the one setting whose values its rows give, if there is
    but one.
    """
    return f"{title}, by {naming.names[0]}" if len(naming.names) == 1 else title


def first_cells(groups, naming):
    """The cells that say which group a row is of: the run, where there are several, and what
    differs.
    """
    if not naming.names:
        return [{"run": group.name} for group in groups]
    alone = len(naming.names) == 1
    words = ["".join(one.values()) if alone else in_words(one) for one in naming.settings]
    return [
        ({"run": group.run} if group.run else {}) | {"setting": one or USUAL}
        for group, one in zip(groups, words)
    ]


def _cells(group, names):
    return {
        heading(name): cell(name, group.measures[name]) for name in names if name in group.measures
    }


def _about(groups, naming):
    """How the main table is to be read, in sentences."""
    mean = "Mean ± half-width of its 95% confidence interval (Student's t), of the epoch that was saved."
    repeated = any(len(group.runs) > 1 for group in groups)
    sentences = [
        *usual_in_words(naming),
        mean if repeated else "Values of the epoch whose weights were saved.",
    ]
    if groups[0].settings.is_gan and not any(any(group.evaluations) for group in groups):
        sentences.append(
            "With --classifier RUN, or --samples 2500 for points, the measures of mode collapse come in."
        )
    return sentences + about_cells(groups, (*_FIRST, *_LATER))


def about_cells(groups, names):
    """Where an interval or a value of these measures would say nothing, in sentences."""
    shown = [
        (name, group.measures[name]) for group in groups for name in {*names} & {*group.measures}
    ]
    has_range = any(interval_of(name, values).leaves for name, values in shown)
    evaluations = [evaluation for group in groups for evaluation in group.evaluations]
    return [*([RANGE] if has_range else []), *blanks(evaluations, names)]


def published_table(groups, published, verdicts, top=None):
    """Published figures against ours, each with the 95% prediction interval for one run, if there
    are repeats.

    Parameters
    ----------
    groups : list of Group
    published : dict
        As `Published.final`.
    verdicts : dict
        As `published.verdicts_of` gives it.
    top : int, optional
        Only of so many groups.
    """
    naming, rows = naming_of(groups), []
    for group, row in zip(groups[:top], first_cells(groups, naming)):
        if group.name in published:
            count, ours = published[group.name].get("parameters"), group.record.parameters
            row["parameters"] = (
                "-"
                if count is None
                else f"{count:,.0f} {'equal' if count == ours else 'NOT equal'}"
            )
            rows.append(
                row
                | {
                    heading(name): _held_against(one)
                    for name, one in verdicts[group.name, None].items()
                }
            )
    counts = {row["parameters"].partition(" ")[2] for row in rows}
    notes = (
        ["All numbers of parameters are equal to the published ones."]
        if counts == {"equal"}
        else []
    )
    title = titled("Published figures, and our 95% prediction interval for one run", naming)
    return Table(
        title,
        _without(rows, [] if "NOT equal" in counts else ["parameters"]),
        [*notes, *judgements(verdicts)],
    )


def _held_against(verdict):
    interval = f" {verdict.place} {verdict.low:.4f} to {verdict.high:.4f}" if verdict.place else ""
    return _as_published(verdict.figure) + interval


def _as_published(figure):
    """A figure with the digits that it was published with, at most four."""
    if figure is None:
        return "-"
    return f"{figure:.4f}" if figure.as_tuple().exponent < -4 else str(figure)


def published_epochs_table(groups, verdicts, top=None):
    """Published learning curves against ours, epoch by epoch: as `published_table`."""
    shown = [group.name for group in groups[:top]]
    cells, rows, ranges = dict(zip(shown, first_cells(groups, naming_of(groups)))), [], []
    alone = len({name for name, _ in verdicts}) == 1
    for (name, epoch), of_metrics in verdicts.items():
        if name in cells:
            row = ({} if alone else cells[name]) | {"epoch": str(epoch)}
            for metric, verdict in of_metrics.items():
                figure = _as_published(verdict.figure)
                row[heading(metric)] = cell(metric, verdict.ours)
                row[f"published {heading(metric)}"] = f"{figure} {verdict.place or ''}".strip()
                ranges.append(interval_of(metric, verdict.ours).leaves)
            rows.append(row)
    return Table("Published figures by epoch", rows, [RANGE] * any(ranges) + judgements(verdicts))


def of_several_devices(groups):
    """The groups that `speed_table` is about."""
    paths = {path for speed in speeds_of(groups) for path in speed.paths}
    return [group for group in groups if group.path in paths]


def speed_table(groups):
    """What devices take for the same, a line for each; None unless something was trained on
    several devices.
    """
    speeds = speeds_of(groups)
    if not speeds:
        return None
    common, short = short_devices([speed.device for speed in speeds])
    rows = []
    for speed, device in zip(speeds, short):
        row = {
            "setting": speed.setting,
            "device": device,
            "start": _seconds(speed.start),
            "first": _seconds(speed.first),
        }
        row |= {"compiling": _seconds(speed.compiling), "later": _seconds(speed.later)}
        row |= {
            "spread": "-" if np.isnan(speed.spread) else f"{speed.spread:.1%}",
            "speed-up": _speed_up(speed.speed_up),
        }
        rows.append(row)
    settings = {speed.setting for speed in speeds}
    alone = ["setting"] if len(settings) == 1 else []
    notes = [f"Setting: {settings.pop()}."] if alone else []
    notes += [f"Device: {common}."] if common else []
    rows = told(_without(rows, alone))
    return Table(DEVICES, rows, [*notes, *_about_speeds(speeds), *_wide(speeds, rows)])


def _seconds(value):
    return "-" if np.isnan(value) else f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"


def _speed_up(found):
    if found is None:
        return "1"
    if np.isnan(found.ratio):
        return "-"
    ratio, low, high = (f"{value:.2f}" if value < 1000 else f"{value:.3g}" for value in found)
    return ratio if np.isnan(found.low) else f"{ratio} ({low} to {high})"


def _about_speeds(speeds):
    """What the columns of times mean, in sentences."""
    sentences = []
    if not all(np.isnan(speed.start) for speed in speeds):
        sentences.append("Start: from the start of TensorFlow to the first epoch.")
    sentences.append("Compiling: the first epoch less the median of the later ones.")
    sentences.append(
        "Later: the median later epoch of all runs; spread: the interquartile range of these epochs, in % of it."
    )
    found = [
        speed.speed_up for speed in speeds if speed.speed_up and not np.isnan(speed.speed_up.ratio)
    ]
    alone = [np.isnan(one.low) for one in found]
    if found:
        mean = (
            ""
            if all(alone)
            else "; the mean over seeds, in brackets its 95% interval (Student's t of the logarithms)"
        )
        sentences.append(
            f"Speed-up: how many times faster later epochs are than on the setting's first device{mean}."
        )
    if any(alone):
        sentences.append(
            f"{'Single runs' if all(alone) else 'Some are single runs'}: --repeats 5 gives an interval."
        )
    return sentences


def _wide(speeds, rows):
    """A warning of times that scatter, in a list."""
    wide = [
        f"{' on '.join(row[name] for name in ('setting', 'device') if name in row)}: {speed.spread:.0%}"
        for speed, row in zip(speeds, rows)
        if speed.spread > WIDE
    ]
    advice = "something else may have been running, so measure again on an idle machine"
    return (
        [f"Warning: the spread is over {WIDE:.0%} ({'; '.join(wide)}): {advice}."] if wide else []
    )


def numbers(groups, verdicts):
    """All numbers, unrounded, and every setting: a dict for each group."""
    compared = next(
        (of_metrics for (_, epoch), of_metrics in verdicts.items() if epoch is None), ()
    )
    speeds = {path: speed for speed in speeds_of(groups) for path in speed.paths}
    rows = []
    for group in groups:
        row = {"setting": group.name, "folder": group.path, "runs": len(group.runs)}
        row["seeds"] = " ".join(map(str, group.seeds))
        settings = {
            name: "" if value is None else text(value)
            for name, value in group.settings
            if name not in _TOLD
        }
        # Some are called as a measure is: a GAN's generator loss, and its precision.
        row |= {
            f"{name}_setting" if name in group.measures else name: value
            for name, value in settings.items()
        }
        row["parameters"] = group.record.parameters
        for name, values in group.measures.items():
            mean, half_width, _ = interval_of(name, values)
            scatter = {} if METRICS[name].listed else {f"{name}_half_width": half_width}
            of_runs = " ".join(f"{value:g}" for value in values)
            row |= {name: mean} | scatter | {f"{name}_of_runs": of_runs}
            if name in compared:
                verdict = verdicts.get((group.name, None), {}).get(name)
                row |= {
                    f"published_{name}": verdict and verdict.figure,
                    f"{name}_place": verdict and verdict.place,
                }
                row |= {
                    f"{name}_low": verdict and verdict.low,
                    f"{name}_high": verdict and verdict.high,
                }
        row |= _of_speed(speeds.get(group.path)) if speeds else {}
        # Not "device" and "dataset", which are settings: the device may be "auto".
        row["status"] = runs.INTERRUPTED if group.is_interrupted else runs.COMPLETE
        row["epochs_trained"] = " ".join(str(run.history.epochs) for run in group.runs)
        row |= {"device_name": group.device, "data_sha256": group.record.dataset.sha256}
        rows.append(
            {key: "" if value is None or value != value else value for key, value in row.items()}
        )  # of NaN, too
    return rows


def _of_speed(speed):
    """What `numbers` says of a group's speed beside its measures; None of a group that was trained
    on one device only.
    """
    names = (
        "start_seconds",
        "compiling_seconds",
        "epoch_seconds_spread",
        "speed_up",
        "speed_up_low",
        "speed_up_high",
    )
    if speed is None:
        return dict.fromkeys(names)
    return dict(
        zip(
            names,
            [speed.start, speed.compiling, speed.spread, *(speed.speed_up or [1.0, None, None])],
        )
    )


def told(rows):
    """The rows without the columns that tell nothing of any."""
    return _without(rows, [name for name in rows[0] if all(row[name] == "-" for row in rows)])


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
    rows = numbers(groups, {})
    if column not in rows[0]:
        meant = suggestion(
            column, {heading(name): name for name in rows[0]} | {name: name for name in rows[0]}
        )
        choice = meant or f"; choose from {', '.join(rows[0])}"
        raise UserError(f"--sort: there is no column {column!r}{choice}")

    def key(place):
        value = rows[place][column]
        with contextlib.suppress(ValueError):
            value = float(value) * (
                -1 if column in METRICS and METRICS[column].more_is_better else 1
            )
        return value == "", isinstance(value, str), value

    return [groups[place] for place in sorted(range(len(groups)), key=key)]
