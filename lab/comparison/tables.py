"""Tables of compared runs: a line for each setting, means with error bars over its repeats, published figures beside them."""

import contextlib
from typing import NamedTuple

import numpy as np

from lab.comparison.groups import EVALUATED, GAN_METRICS, HIGHER, LEVELS
from lab.comparison.naming import USUAL, in_words, naming_of, usual_in_words
from lab.comparison.published import judgements
from lab.metrics import intervals
from lab.settings import UserError, text

# The measures that the main table shows first, and those behind the number of parameters, as far as a group has them.
_EPOCHS_TO = tuple(f"epochs_to_{level}" for level in LEVELS)
_FIRST = (*EVALUATED, *GAN_METRICS, "val_accuracy", "val_loss")
_LATER = ("accuracy", "loss", *_EPOCHS_TO)
# Small counts and shares, often at their bound, of which Student's t knows nothing: each run's is told.
LISTED = ("modes", "near", "present", "chi_square_p", *_EPOCHS_TO)
_HEADINGS = {name: words for name, (words, _) in EVALUATED.items()}
_HEADINGS |= {"epoch_seconds": "s / epoch", "first_epoch_seconds": "s / first epoch"}
TWO_DEVICES = "Two devices"
_MOST_LISTED = 5  # runs of which each is told


class Table(NamedTuple):
    """A table as text."""

    title: str
    rows: list  # of dict of str to str: column to cell
    notes: list  # of str: sentences below it


def runs_table(groups, title, notes):
    """The main table: what differs first, then the metrics; columns that would tell nothing are left out."""
    naming, rows = naming_of(groups), []
    for group, row in zip(groups, first_cells(groups, naming)):
        row |= _cells(group, _FIRST) | {"parameters": f"{group.record.parameters:,}"} | _cells(group, _LATER)
        seconds = f"{group.measures['epoch_seconds'].mean():.3g}"
        rows.append(row | {heading("epoch_seconds"): seconds, "runs": str(len(group.runs)), "device": group.device})
    same = [name for name in ("runs", "device") if name in naming.names or len({row[name] for row in rows}) == 1]
    return Table(titled(title, naming), told(_without(rows, same)), [*_in_common(groups, naming), *notes])


def titled(title, naming):
    """A table's title, with the name of the one setting whose values its rows give, if there is but one."""
    return f"{title}, by {naming.names[0]}" if len(naming.names) == 1 else title


def first_cells(groups, naming):
    """The cells that say which group a row is of: the run, where there are several, and what differs."""
    if not naming.names:
        return [{"run": group.name} for group in groups]
    alone = len(naming.names) == 1
    words = ["".join(one.values()) if alone else in_words(one) for one in naming.settings]
    return [({"run": group.run} if group.run else {}) | {"setting": one or USUAL} for group, one in zip(groups, words)]


def _cells(group, names):
    return {heading(name): cell(name, group.measures[name]) for name in names if name in group.measures}


def _in_common(groups, naming):
    """What the rows have in common, in sentences."""
    counts = {len(group.runs) for group in groups}
    each = f"{'up to ' * (len(counts) > 1)}{max(counts)} runs each"
    mean = f"Mean ± half-width of its 95% confidence interval (Student's t), {each}; of the epoch that was saved."
    sentences = [*usual_in_words(naming), mean if max(counts) > 1 else "Values of the epoch whose weights were saved."]
    if groups[0].settings.is_gan and not any(any(group.evaluations) for group in groups):
        sentences.append("With --classifier RUN, or --samples 2500 for the ring, the measures of mode collapse come in.")
    several = {"Device": {group.device for group in groups}, "Data set": {group.record.dataset.name for group in groups}}
    return sentences + [f"{what}: {values.pop()}." for what, values in several.items() if len(values) == 1]


def published_table(groups, published, verdicts, top=None):
    """Published figures against ours, each with the 95% prediction interval for one run, if there are repeats.

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
            row["parameters"] = "-" if count is None else f"{count:,.0f} {'equal' if count == ours else 'NOT equal'}"
            rows.append(row | {heading(name): _held_against(one) for name, one in verdicts[group.name, None].items()})
    counts = {row["parameters"].partition(" ")[2] for row in rows}
    notes = ["All numbers of parameters are equal to the published ones."] if counts == {"equal"} else []
    title = titled("Published figures, and our 95% prediction interval for one run", naming)
    return Table(title, _without(rows, [] if "NOT equal" in counts else ["parameters"]), [*notes, *judgements(verdicts)])


def _held_against(verdict):
    if verdict.place:
        return f"{verdict.figure:.4f} {verdict.place} {verdict.low:.4f} to {verdict.high:.4f}"
    return "-" if verdict.figure is None else str(verdict.figure)


def published_epochs_table(groups, verdicts, top=None):
    """Published learning curves against ours, epoch by epoch: as `published_table`."""
    shown = [group.name for group in groups[:top]]
    cells, rows = dict(zip(shown, first_cells(groups, naming_of(groups)))), []
    alone = len({name for name, _ in verdicts}) == 1
    for (name, epoch), of_metrics in verdicts.items():
        if name in cells:
            row = ({} if alone else cells[name]) | {"epoch": str(epoch)}
            for metric, verdict in of_metrics.items():
                figure = "-" if verdict.figure is None else str(verdict.figure)
                row[heading(metric)] = cell(metric, verdict.ours)
                row[f"published {heading(metric)}"] = f"{figure} {verdict.place or ''}".strip()
            rows.append(row)
    return Table("Published figures by epoch", rows, judgements(verdicts))


def speed_table(groups):
    """What two devices take for the same; None unless there are exactly two devices, and something trained on both."""
    devices = sorted({group.device for group in groups})
    if len(devices) != 2:
        return None
    pairs = {}
    for group in groups:
        same = group.settings.replace(device="auto", threads=None, seed=0), group.record.dataset.sha256
        pairs.setdefault(same, {})[group.device] = group
    rows = []
    for pair in pairs.values():
        if len(pair) == 2:
            one, other = (pair[device] for device in devices)
            for key, epochs in (("first_epoch_seconds", "first"), ("epoch_seconds", "later")):
                times = [group.measures[key].mean() for group in (one, other)]
                row = {"setting": one.settings.describe(one.record.dataset.train), "epochs": epochs}
                row |= {device: f"{seconds:.3g} s" for device, seconds in zip(devices, times)}
                rows.append(row | {"speed-up": f"{times[0] / times[1]:.2f}" if times[1] else "-"})
    return Table(TWO_DEVICES, rows, []) if rows else None


def numbers(groups, verdicts):
    """All numbers, unrounded, and every setting: a dict for each group."""
    compared = next((of_metrics for (_, epoch), of_metrics in verdicts.items() if epoch is None), ())
    rows = []
    for group in groups:
        row = {"setting": group.name, "folder": group.path, "runs": len(group.runs)}
        row["seeds"] = " ".join(map(str, group.seeds))
        row |= {name: "" if value is None else text(value) for name, value in group.settings if name != "seed"}
        row["parameters"] = group.record.parameters
        for name, values in group.measures.items():
            mean, half_width = intervals.mean_and_half_width(values)
            of_runs = " ".join(f"{value:g}" for value in values)
            scatter = {f"{name}_of_runs": of_runs} if name in LISTED else {f"{name}_half_width": float(half_width)}
            row |= {name: float(mean)} | scatter
            if name in compared:
                verdict = verdicts.get((group.name, None), {}).get(name)
                row |= {f"published_{name}": verdict and verdict.figure, f"{name}_place": verdict and verdict.place}
                row |= {f"{name}_low": verdict and verdict.low, f"{name}_high": verdict and verdict.high}
        # Not "device" and "dataset", which are settings: the device may be "auto".
        row |= {"device_name": group.device, "data_sha256": group.record.dataset.sha256}
        rows.append({key: "" if value is None or value != value else value for key, value in row.items()})  # of NaN, too
    return rows


def told(rows):
    """The rows without the columns that tell nothing of any."""
    return _without(rows, [name for name in rows[0] if all(row[name] == "-" for row in rows)])


def _without(rows, columns):
    return [{name: cell for name, cell in row.items() if name not in columns} for row in rows]


def heading(name):
    """What a column of a measure is called."""
    return _HEADINGS.get(name, name.replace("val_", "val. ").replace("_", " "))


def cell(name, values):
    """A measure of some repeats as text: mean ± half-width, or each run's where a mean would say little."""
    if name in LISTED:
        return _list(name, values)
    _, digits = EVALUATED.get(name, ("", 4))
    mean, half_width = intervals.mean_and_half_width(values)
    if np.isnan(mean):
        return "-"
    return f"{mean:.{digits}f}" + ("" if np.isnan(half_width) else f" ± {half_width:.{digits}f}")


def _list(name, values):
    if np.isnan(values).all():
        return "-"
    several = sorted(values) if len(values) > _MOST_LISTED else values
    told = [_number(name, value) for value in several]
    if len(set(told)) == 1:
        return told[0]
    return f"{told[0]} to {told[-1]}" if len(values) > _MOST_LISTED else ", ".join(told)


def _number(name, value):
    if name in _EPOCHS_TO:
        return "never" if np.isnan(value) else "≤ 1" if value <= 1 else f"{value:.1f}"
    if np.isnan(value):
        return "-"
    return "< 0.001" if name == "chi_square_p" and value < 0.001 else f"{value:.{EVALUATED[name][1]}f}"


def in_order(groups, column):
    """Groups sorted by a column of `numbers`, the best first, the least or, where more is better, the most.

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
        raise UserError(f"--sort: there is no column {column!r}; choose from {', '.join(rows[0])}")

    def key(place):
        value = rows[place][column]
        with contextlib.suppress(ValueError):
            value = float(value) * (-1 if column in HIGHER else 1)
        return value == "", isinstance(value, str), value

    return [groups[place] for place in sorted(range(len(groups)), key=key)]
