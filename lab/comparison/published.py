"""Published figures: read from a CSV file, matched with groups of runs, checked."""

import csv
import io
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from lab import console, runs
from lab.comparison import losses
from lab.comparison.naming import counted
from lab.comparison.text import as_written
from lab.io.files import read
from lab.io.words import visible
from lab.metrics import significance
from lab.metrics.table import HISTORY, METRICS, chosen, heading
from lab.settings import FLAGS, UserError, flag_of, parse, text

FIGURES = chosen("classifier", source=HISTORY)  # that are read, beside parameters
# Settings that say what was trained on and for how long. Figures that differ from ours in these
# alone are shown, but not judged.
CONDITIONS = ("dataset", "holdout", "epochs")
# A figure outside an interval, but not beyond what chance gives among all.
_BY_CHANCE = {"below": "low", "above": "high"}
_NONE = MappingProxyType({})


class Published(NamedTuple):
    """Published figures, with the digits that were published: of one kind or the other, as a file
    says it.
    """

    final: dict  # group's name -> column -> Decimal
    by_epoch: dict  # group's name -> epoch, from 1 -> column -> Decimal
    conditions: Mapping = _NONE  # group's name -> what differs: "epochs 10, ours 2"
    losses: Mapping = _NONE  # likewise, of their losses alone
    unchecked: tuple = ()  # sentences: what of the file could not be checked or read

    @property
    def unjudged(self):
        """Sentences: on which figures there is no verdict, and why."""
        found = []
        for what, by_group in (("figures", self.conditions), ("losses", self.losses)):
            for words, count in Counter(by_group.values()).items():
                rows = counted(count, "row")
                found.append(f"No verdict on {what} published with {words} ({rows}).")
        return found

    @property
    def notes(self):
        """As `unjudged`, and what could not be checked."""
        return [*self.unjudged, *self.unchecked]


NOTHING = Published({}, {})


class Verdict(NamedTuple):
    """A published figure held against ours."""

    figure: Decimal | None  # None: not published
    ours: np.ndarray  # shape (runs,)
    low: float  # our 95% prediction interval for one run; NaN without repeats
    high: float
    # Of the figure: "inside"; "low" or "high": outside, as one of 20 is by chance; "below" or
    # "above": beyond chance among all.
    place: str | None
    pooled: bool  # whether the interval comes from the scatter of all rows, or of its own runs


class NothingPublished(UserError):
    """A file of published figures has none of these runs."""


class _Row(NamedTuple):
    line: int  # of the file
    settings: dict  # that say which group it is of; None: the default
    epoch: int | None
    figures: dict  # column -> Decimal
    interrupted: bool


class File(NamedTuple):
    """A file of published figures."""

    path: str
    rows: list  # of _Row
    unread: list  # columns that are neither settings nor figures


def read_published(path, groups):
    """Published figures that belong to some of the groups: `read_figures` and `match`."""
    return match(read_figures(path), groups)


def match(file, groups):
    """The figures of a file that belong to some of the groups.

    Parameters
    ----------
    file : File
    groups : list of Group

    Returns
    -------
    Published

    Raises
    ------
    UserError
        If no row belongs to any group, or two say of the same.
    """
    keys = [*file.rows[0].settings] if file.rows else []
    published, is_reached = Published({}, {}, {}, {}), False
    for group in groups:
        lines = {}
        for row in _rows_of(group, file.rows):
            first = lines.setdefault(row.epoch, row.line)
            if first != row.line:
                what = group.name if row.epoch is None else f"epoch {row.epoch} of {group.name}"
                raise UserError(f"{file.path}: lines {first} and {row.line} are both of {what}")
            if row.epoch is None:
                published.final[group.name] = row.figures
            else:
                published.by_epoch.setdefault(group.name, {})[row.epoch] = row.figures
            is_reached |= (row.epoch or 0) <= group.rows["epochs_trained"].max()
            if words := _other_conditions(row, group):
                published.conditions[group.name] = words
            if words := _other_loss(row, group.settings):
                published.losses[group.name] = words
    lines = {}
    for row in file.rows:  # whether or not a run is of it
        first = lines.setdefault((*row.settings.values(), row.epoch), row.line)
        if first != row.line:
            columns = ", ".join(keys + ["epoch"] * bool(row.epoch))
            raise UserError(
                f"{file.path}: lines {first} and {row.line} have the same {columns}: "
                "remove one of them"
            )
    if not (published.final or published.by_epoch):
        what = f"the settings ({', '.join(keys)})" if keys else "figures"
        raise NothingPublished(f"{file.path}: none of its rows has {what} of one of these runs")
    if not is_reached:
        raise NothingPublished(f"{file.path}: none of its epochs was trained")
    unchecked = []
    unsaid = ", ".join(name for name in CONDITIONS if name not in keys)
    if published.final and unsaid:
        unchecked.append(f"Not checked, as the published file has no such column: {unsaid}.")
    if file.unread:
        columns = ", ".join(file.unread)
        unchecked.append(
            f"Not read, as they are neither settings nor figures: the columns {columns}."
        )
    return published._replace(unchecked=tuple(unchecked))


def verdicts_of(groups, published):
    """Published figures held against ours.

    Parameters
    ----------
    groups : list of Group
    published : Published

    Returns
    -------
    dict of (str, int or None) to dict of str to Verdict
        By group and epoch, None for the one that was saved, as far as there are published figures
        of it and runs that reached it; then by metric, all of `FIGURES` that are published of any
        group.
    """
    rows = {}
    for group in groups:
        if group.name in published.final:
            rows[group.name, None] = published.final[group.name], group.measures
        for epoch, figures in sorted(published.by_epoch.get(group.name, {}).items()):
            curves = [run.history.curves for run in group.runs if epoch <= run.history.epochs]
            if not curves:
                continue
            ours = {}
            for name in FIGURES:
                ours[name] = np.array([curve[name][epoch - 1] for curve in curves], float)
            rows[group.name, epoch] = figures, ours
    verdicts = {key: {} for key in rows}
    for name in FIGURES:
        figures = [figures.get(name) for figures, _ in rows.values()]
        if figures == [None] * len(rows):
            continue
        comparable = []
        for (group, _), figure in zip(rows, figures):
            is_other = name.endswith("loss") and group in published.losses
            comparable.append(None if is_other or group in published.conditions else figure)
        several = [ours[name] for _, ours in rows.values()]
        found = judged(comparable, several, not published.by_epoch, METRICS[name].bounds)
        for key, figure, verdict in zip(rows, figures, found):
            verdicts[key][name] = verdict._replace(figure=figure)
    return verdicts


def judged(figures, several, pool=True, bounds=(-np.inf, np.inf)):
    """Verdicts on the figures of one metric, row by row: by one deviation for all rows, where
    theirs are equal, and so strict that in no more than 5% of such tables any row is called below
    or above by chance. No run lies beyond the metric's bounds, so that an interval that ends there
    holds as many.
    """
    noise = significance.noise_of(several, pool)
    if not noise:
        return [Verdict(*row, np.nan, np.nan, None, False) for row in zip(figures, several)]
    distances = [_outside(figure, mean, mean) for figure, mean in zip(figures, noise.means)]
    beyond = significance.holm(noise.p_of(np.abs(distances))) < significance.ERROR
    verdicts, intervals = [], np.clip(noise.interval(), *bounds)
    for figure, ours, low, high, is_beyond in zip(figures, several, *intervals, beyond):
        place = place_of(figure, low, high)
        if not is_beyond:
            place = _BY_CHANCE.get(place, place)
        verdicts.append(Verdict(figure, ours, low, high, place, noise.pooled))
    return verdicts


def _outside(figure, low, high):
    """How far a figure, which may have been rounded by half a unit of its last digit, lies below
    an interval (less than 0) or above it; NaN if either is missing.
    """
    if figure is None:
        return np.nan
    rounding = 0.5 * 10.0 ** figure.as_tuple().exponent
    below = np.minimum(float(figure) + rounding - low, 0)
    return below + np.maximum(float(figure) - rounding - high, 0)


def place_of(figure, low, high):
    """Where a published figure lies.

    Parameters
    ----------
    figure : Decimal, or None
    low, high : float
        Our interval; NaN if there is none.

    Returns
    -------
    str
        "inside" the interval, "below", "above"; None if either is missing.
    """
    outside = _outside(figure, low, high)
    if np.isnan(outside):
        return None
    return ("below", "inside", "above")[int(np.sign(outside)) + 1]


def judgements(verdicts):
    """Sentences: how many published figures of each metric lie where, and whether all of them lie
    lower or higher.

    Parameters
    ----------
    verdicts : dict
        As `verdicts_of` gives it.
    """
    by_epoch = any(epoch for _, epoch in verdicts)
    sentences, pooled, has_interval = [], set(), False
    for name in FIGURES:
        found = [row[name] for row in verdicts.values() if name in row]
        has_interval |= any(np.isfinite(verdict.low) for verdict in found)
        placed = [verdict for verdict in found if verdict.place]
        if placed:
            sentences.append(_judgement(heading(name), placed, by_epoch))
            pooled.update(verdict.pooled for verdict in placed)
    if not sentences:
        advice = "Without --repeats there is no interval to hold the published figures against."
        return [] if has_interval else [advice]
    whose = "of each row's own runs"
    if True in pooled:
        whose = "of all rows" + " where they are equal" * (False in pooled)
    return [
        *sentences,
        f"Intervals by the deviation {whose} (Bartlett's test). low, high: outside, as 1 of 20 is "
        "by chance; below, above: outside beyond chance among all rows (Holm's correction).",
    ]


def _judgement(name, placed, by_epoch):
    places = [verdict.place for verdict in placed]
    text = f"Published {name}: {places.count('inside')} of {len(places)} lie inside"
    if len(places) > 1:
        beyond = places.count("below") + places.count("above") or "none"
        by_chance = (1 - significance.ERROR) * len(places)
        text += f", where by chance {by_chance:.3g} would; {beyond} outside beyond chance"
    shift = significance.shift([float(verdict.figure) - verdict.ours.mean() for verdict in placed])
    # The epochs of a run are not independent of each other; and there is no p if figures were
    # published of these very runs.
    if len(places) > 2 and not by_epoch and np.isfinite(shift.p):
        where = "higher" if shift.difference > 0 else "lower"
        text += (
            f". They are {where} by {abs(shift.difference):.2g} on average (95% interval "
            f"{shift.low:.2g} to {shift.high:.2g}, paired t-test {console.p_value(shift.p)})"
        )
    return f"{text}."


def read_figures(path):
    """Read a file of published figures.

    Parameters
    ----------
    path : path of a CSV file
        Columns that are settings say which row belongs to which group; of the others, "parameters"
        and `FIGURES` are read. A table.csv of ours is such a file. With a column "epoch" there is
        a row for each epoch, and without settings all of them belong to every group. A row that
        differs in `CONDITIONS` alone is taken where there is none that does not.

    Returns
    -------
    File

    Raises
    ------
    UserError
        If it is no such file.
    """
    lines = _lines_of(path)
    columns = [name for name in lines[0][1] if name] if lines else []
    keys = [name for name in columns if name in FLAGS]
    values = [name for name in columns if name in ("parameters", *FIGURES)]
    epoch = ["epoch"] if "epoch" in columns else []
    if not values or not keys + epoch:
        raise UserError(
            f"{path}: expected a row of column names, some of them settings (as hidden, "
            f"regularizer_strength) or epoch, others of parameters, {', '.join(FIGURES)}; "
            f"found {', '.join(map(str, columns)) or 'nothing'}"
        )
    is_ours = "data_sha256" in columns  # a table.csv, whose numbers are not rounded
    rows = []
    for line, row in lines:
        if None in row:
            raise UserError(f"{path}, line {line}: it has more cells than there are columns")
        cells = {}
        for name in keys + values + epoch:
            try:
                cells[name] = _parse(name, as_written((row[name] or "").strip()))
            except UserError as error:
                raise UserError(f"{path}, line {line}, column {name}: {error}") from error
        figures = {name: cells[name] for name in values if cells[name] is not None}
        if is_ours:
            figures = {name: _unrounded(figure) for name, figure in figures.items()}
        if figures:
            settings = {name: cells[name] for name in keys}
            interrupted = row.get("status") == runs.INTERRUPTED
            rows.append(_Row(line, settings, cells.get("epoch"), figures, interrupted))
    # Of a table of ours, nobody would miss any column.
    known = columns if is_ours else (*FLAGS, *values, "epoch")
    unread = [" ".join(visible(name).split())[:50] for name in columns if name not in known]
    return File(path, rows, unread)


def _lines_of(path):
    """The rows of a CSV file as dicts of text by column, each with its line in the file."""
    try:
        # Spreadsheets begin it with a byte order mark.
        content = read(path, "csv").decode("utf-8-sig")
        reader = csv.DictReader(io.StringIO(content, newline=""))
        names = [name.strip().replace("-", "_") for name in reader.fieldnames or []]
        reader.fieldnames = names
        lines = [(reader.line_num, row) for row in reader]
    except (ValueError, csv.Error) as error:
        raise UserError(
            f"{path}: not readable as a table of comma-separated values ({error})"
        ) from error
    for name, count in Counter(names).items():
        if name and count > 1:
            raise UserError(f"{path}: the column {name} is there twice")
    return lines


def _unrounded(figure):
    """A figure with so many digits that it counts as exact: 1 as 1.000000000000."""
    return figure.quantize(Decimal("1e-12")) if figure.as_tuple().exponent > -12 else figure


def _parse(name, cell):
    """What a cell of a column says; None if it is empty; UserError if its column can have no such
    thing.
    """
    if name == "epoch":
        return parse("epochs", cell)
    if not cell:
        return None
    if name in FLAGS:
        return parse(name, cell)
    try:
        number = Decimal(cell)
    except InvalidOperation:
        raise UserError(f"expected a number, got {cell!r}") from None
    # The exponent first: to compare what has a huge one is an error of its own.
    if not number.is_finite() or abs(number.as_tuple().exponent) > 30:
        raise UserError(f"expected a number of sensible size, got {cell!r}")
    if "accuracy" in name and not 0 <= number <= 1:
        raise UserError(f"expected an accuracy from 0 to 1, got {cell!r}")
    if not 0 <= number <= 10**12:
        raise UserError(f"expected a number of sensible size that is not below 0, got {cell!r}")
    if name == "parameters" and number != number.to_integral_value():
        raise UserError(f"expected a whole number of parameters, got {cell!r}")
    return number


def _rows_of(group, rows):
    """The rows of a group; where there is none, those of other conditions, if they are all of the
    same.
    """
    near, exact = [], []
    for row in rows:
        meant = _meant(row, group.settings)
        # Whatever device trained them, the same is the same.
        apart = {name for name in meant if getattr(group.settings, name) != meant[name]}
        apart -= {"device", "threads"}
        if apart <= {*CONDITIONS}:
            near.append(row)
        if not apart:
            exact.append(row)
    conditions = {tuple(map(row.settings.get, CONDITIONS)) for row in near}
    return exact or (near if len(conditions) == 1 else [])


def _meant(row, settings):
    """The settings that a row names, of which those without a value are the defaults."""
    meant = {}
    for name, value in row.settings.items():
        meant[name] = settings.default(name) if value is None else value
    return meant


def _other_conditions(row, group):
    """In what a row's figures were made otherwise than a group: "epochs 10, ours 2"; or nothing."""
    settings, meant = group.settings, _meant(row, group.settings)
    ours = {name: getattr(settings, name) for name in CONDITIONS}
    if row.epoch is None and group.is_interrupted:
        ours["epochs"] = f"{group.epochs_trained}, interrupted"
        meant.setdefault("epochs", "unknown")
    if row.interrupted:
        meant["epochs"] = "interrupted"
    elif row.epoch is not None and settings.schedule == "constant":
        meant.pop("epochs", None)  # an epoch is the same, however many follow
    words = []
    for name in CONDITIONS:
        theirs = meant.get(name)
        if theirs not in (None, ours[name]):
            words.append(f"{flag_of(name)} {text(theirs)}, ours {text(ours[name])}")
    return "; ".join(words)


def _other_loss(row, settings):
    """The terms of a group's loss that a row's file does not name, if there are any."""
    unsaid = {name: settings.default(name) for name in losses.SETTINGS if name not in row.settings}
    theirs, ours = (losses.terms_of(one, "loss") for one in (settings.replace(**unsaid), settings))
    return "" if theirs == ours else f"{losses.in_words(theirs)}, ours {losses.in_words(ours)}"
