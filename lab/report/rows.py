"""What lies in a results folder, whatever state it is in, as the rows of a table and as what they
stand for.
"""

import itertools
from typing import NamedTuple

import numpy as np

from lab import console, runs
from lab.comparison import frame
from lab.comparison.difference import facts_of, settings_of
from lab.comparison.naming import seeds_in_words, value_in_words, varying
from lab.comparison.tables import seconds_in_words
from lab.metrics.cells import cell
from lab.metrics.table import EVALUATION, HISTORY, METRICS, chosen, heading
from lab.settings import DATASETS, FLAGS, UserError, flag_of, text

_DATA = ("dataset", "holdout", "resize")  # where these differ, metrics do not compare


class Row(NamedTuple):
    """A line of a table: a run, or repeats of one setting."""

    group: frame.Group  # a single run is a group of its own
    status: str
    reason: str  # what is wrong, and of which run; empty of what is complete
    part: bool = False  # a run whose repeats stand in a line together with it
    number: int = 0  # on the page

    @property
    def is_repeats(self):
        return len(self.group.runs) > 1

    @property
    def counts(self):
        """Whether it can be compared."""
        return bool(frame.that_count(self.group.runs))


class Cell(NamedTuple):
    """A cell of a table: what it says, and what it is sorted by where that is something else."""

    text: str
    key: float | str = ""


def read(results_dir, folders):
    """Read runs, of which any may be broken.

    Parameters
    ----------
    results_dir : path
    folders : list of Path

    Returns
    -------
    rows : list of Row
        Repeats in one line, and behind it a line for each of them.
    broken : dict of str to str
        By the path within the results folder, why a run cannot be read.
    """
    several, broken, faults = [], {}, {}
    with console.Bar("reading runs", len(folders)) as bar:
        for folder in folders:
            try:
                run, evaluation = runs.load(folder), {}
                try:
                    evaluation = frame.evaluation_of(run)
                except (UserError, OSError) as error:
                    faults[run.folder] = f"{error}."
                several.append((run, evaluation))
            except (UserError, OSError) as error:
                name = folder.relative_to(results_dir).as_posix()
                broken[name] = str(error).replace(f"{results_dir}/", "")
            bar.advance(1)
    if not several:
        return [], broken
    every = frame.frame_of(several)
    tops = every["run"].map(lambda run: frame.top_of(run.folder, results_dir))
    found = []
    for top, members in every.groupby(tops, sort=False):
        found.append(_rows(top, members, results_dir, faults))
    ordered = itertools.chain(*frame.by_settings(found, of=lambda rows: rows[0].group))
    return [row._replace(number=number) for number, row in enumerate(ordered)], broken


def _rows(top, members, results_dir, faults):
    """The rows of runs that lie beside each other: a mean only of those that count, and only if
    they differ in nothing else.
    """
    alone = []
    for index, run in enumerate(members["run"]):
        group = frame.group_of(members.iloc[[index]], run.folder, results_dir)
        reasons = [_reason(run), *run.breaks, faults.get(run.folder), run.to_resume]
        alone.append(Row(group, run.history.status, " ".join(filter(None, reasons))))
    counted = frame.that_count([*members["run"]])
    try:
        frame.check_alike(top, counted)
    except UserError as error:
        return [row._replace(reason=f"{row.reason} {error}.".lstrip()) for row in alone]
    if len(counted) < 2:
        return alone
    status = counted[0].history.status  # which all of them have
    group = frame.group_of(members[members["status"] == status], top, results_dir)
    reasons = [f"seed {row.group.seeds[0]}: {row.reason}" for row in alone if row.reason]
    if group.rows["epochs_trained"].nunique() > 1:
        reasons.append("The mean curve goes as far as all of them got.")
    if len(counted) < len(members):
        status = f"{len(counted)} of {len(members)} {status}"
    parts = [row._replace(part=frame.kind_of(row.group) == frame.kind_of(group)) for row in alone]
    # Behind a mean stands a run that it is of.
    parts.sort(key=lambda row: not row.counts)
    return [Row(group, status, " ".join(reasons)), *parts]


def _reason(run):
    status, epochs = run.history.status, f"{run.history.epochs} of {run.settings.epochs}"
    if status == runs.INTERRUPTED:
        return f"Stopped after {epochs} epochs."
    if status == runs.DIVERGED:
        return f"The loss became infinite or no number in epoch {epochs}: train more slowly."
    if status == runs.TRAINING:
        return f"Still in training or killed, after {epochs} epochs."
    return ""


def columns_of(rows):
    """What a table of rows of one kind says beside their names: by column, a `Cell` for each row.

    Metrics first, then on what data and how long they were trained, then what else differs, as
    flags call it.
    """
    several = [row.group for row in rows]
    columns = {}
    for name in chosen(several[0].settings.kind.name):
        if METRICS[name].source in (EVALUATION, HISTORY):
            values = [group.measures[name] for group in several]
            columns[heading(name)] = [_mean(cell(name, one), one.mean(), 8) for one in values]
    parameters = [group.record.parameters for group in several]
    columns["parameters"] = [Cell(f"{count:,}", count) for count in parameters]
    settings = {}
    for name in varying(several):
        words = [value_in_words(group.settings, name) for group in several]
        settings[flag_of(name)] = [Cell(value or "-") for value in words]
    settings["device"] = [Cell(group.device) for group in several]
    columns |= {name: settings.pop(name) for name in _DATA if name in settings}
    columns |= dict.fromkeys(["s / epoch", "s / run", "device"]) | settings
    epochs = [group.measures["epoch_seconds"].mean() for group in several]
    totals = [[run.history.total_seconds or np.nan for run in group.runs] for group in several]
    for name, seconds in (("s / epoch", epochs), ("s / run", map(np.mean, totals))):
        columns[name] = [_mean(seconds_in_words(mean), mean, 6) for mean in seconds]
    columns["seed"] = [Cell(seeds_in_words(group), min(group.seeds)) for group in several]
    columns["epochs trained"] = [Cell(str(group.rows["epochs_trained"].max())) for group in several]
    ended = [max(runs.ended(run.folder) for run in group.runs) for group in several]
    columns["ended"] = [*map(Cell, ended)]
    return {
        name: cells for name, cells in columns.items() if any(cell.text != "-" for cell in cells)
    }


def _mean(words, mean, digits):
    return Cell(words, "" if np.isnan(mean) else f"{mean:.{digits}g}")


def about(row):
    """What there is to say of a run: the command that trains it again, what of its settings is not
    the default, how training went, and every setting.

    Returns
    -------
    dict of str to ...
        "command": str or None; "unusual", "metrics", "facts", "settings": dict of str to str.
    """
    group, (run,) = row.group, row.group.runs
    metrics = {heading(name): cell(name, values) for name, values in group.measures.items()}
    unusual = {flag_of(name): text(value) for name, value in run.unusual.items()}
    if unusual.get("dataset") == DATASETS[0]:
        del unusual["dataset"]
    taken = [name for name, flag in FLAGS.items() if flag.is_for(run.settings.net)]
    return {
        "command": run.command,
        "unusual": unusual,
        "metrics": {name: shown for name, shown in metrics.items() if shown != "-"},
        "facts": {"status": row.status} | facts_of(group) | {"ended": runs.ended(run.folder)},
        "settings": settings_of(group, taken),
    }
