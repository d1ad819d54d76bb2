"""What lies in a results folder, whatever state it is in, as the rows of a table and as what they
stand for.
"""

import itertools
from typing import NamedTuple

import numpy as np

from lab import console, runs
from lab.comparison import groups
from lab.comparison.difference import facts_of, settings_of
from lab.comparison.naming import seeds_in_words, value_in_words, varying
from lab.metrics.cells import cell
from lab.metrics.table import EVALUATION, HISTORY, METRICS, chosen, heading
from lab.settings import DATASETS, FLAGS, UserError, flag_of, text

_DATA = ("dataset", "holdout", "resize")  # where these differ, metrics do not compare


class Row(NamedTuple):
    """A line of a table: a run, or repeats of one setting."""

    group: groups.Group  # a single run is a group of its own
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
        return bool(groups.that_count(self.group.runs))


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
    tops, broken, faults = {}, {}, {}
    with console.Bar("reading runs", len(folders)) as bar:
        for folder in folders:
            try:
                run = runs.load(folder)
                tops.setdefault(groups.top_of(folder, results_dir), []).append(
                    (run, _evaluation(run, faults))
                )
            except (UserError, OSError) as error:
                broken[folder.relative_to(results_dir).as_posix()] = str(error).replace(
                    f"{results_dir}/", ""
                )
            bar.advance(1)
    found = [_rows(top, members, results_dir, faults) for top, members in tops.items()]
    ordered = itertools.chain(*groups.by_settings(found, of=lambda several: several[0].group))
    return [row._replace(number=number) for number, row in enumerate(ordered)], broken


def _evaluation(run, faults):
    try:
        return groups.evaluation_of(run)
    except (UserError, OSError) as error:
        faults[run.folder] = f"{error}."
        return {}


def _rows(top, members, results_dir, faults):
    """The rows of runs that lie beside each other: a mean only of those that count, and only if
    they differ in nothing else.
    """
    alone = [
        _row(run, groups.group_of(run.folder, [run], [evaluation], results_dir), faults)
        for run, evaluation in members
    ]
    counted = groups.that_count([run for run, _ in members])
    try:
        groups.check_alike(top, counted)
    except UserError as error:
        return [
            row._replace(reason=" ".join(filter(None, [row.reason, f"{error}."]))) for row in alone
        ]
    if len(counted) < 2:
        return alone
    status = counted[0].history.status  # which all of them have
    evaluations = [evaluation for run, evaluation in members if run.history.status == status]
    told = [f"seed {row.group.seeds[0]}: {row.reason}" for row in alone if row.reason]
    if len(counted) < len(members):
        status = f"{len(counted)} of {len(members)} {status}"
    if len({run.history.epochs for run in counted}) > 1:
        told.append("The mean curve goes as far as all of them got.")
    mean = Row(groups.group_of(top, counted, evaluations, results_dir), status, " ".join(told))
    of_kind = [
        row._replace(part=row.group.settings.is_gan == mean.group.settings.is_gan) for row in alone
    ]
    return [
        mean,
        *sorted(of_kind, key=lambda row: not row.counts),
    ]  # behind a mean stands one that it is of


def _row(run, group, faults):
    history, epochs = run.history, run.settings.epochs
    reason = {
        runs.COMPLETE: "",
        runs.INTERRUPTED: f"Stopped after {history.epochs} of {epochs} epochs.",
        runs.DIVERGED: f"The loss became infinite or no number in epoch {history.epochs} of {epochs}: train more slowly.",
        runs.TRAINING: f"Still in training or killed, after {history.epochs} of {epochs} epochs.",
    }[history.status]
    return Row(
        group,
        history.status,
        " ".join(filter(None, [reason, *run.breaks, faults.get(run.folder), run.to_resume])),
    )


def columns_of(rows):
    """What a table of rows of one kind says beside their names: by column, a `Cell` for each row.

    Metrics first, then on what data and how long they were trained, then what else differs, as
    flags call it.
    """
    several = [row.group for row in rows]
    kind = several[0].settings.kind.name
    metrics = [name for name in chosen(kind) if METRICS[name].source in (EVALUATION, HISTORY)]
    columns = {heading(name): [_measure(name, group) for group in several] for name in metrics}
    columns["parameters"] = [
        Cell(f"{group.record.parameters:,}", group.record.parameters) for group in several
    ]
    settings = {
        name: [Cell(value_in_words(group.settings, name) or "-") for group in several]
        for name in varying(several)
    }
    columns |= {flag_of(name): settings.pop(name) for name in _DATA if name in settings}
    columns["s / epoch"] = [_seconds(group.measures["epoch_seconds"].mean()) for group in several]
    columns["s / run"] = [
        _seconds(np.mean([run.history.total_seconds or np.nan for run in group.runs]))
        for group in several
    ]
    columns["device"] = [Cell(group.device) for group in several]
    columns |= {flag_of(name): cells for name, cells in settings.items() if name != "device"}
    columns["seed"] = [Cell(seeds_in_words(group), min(group.seeds)) for group in several]
    columns["epochs trained"] = [
        Cell(str(max(run.history.epochs for run in group.runs))) for group in several
    ]
    columns["ended"] = [
        Cell(max(runs.ended(run.folder) for run in group.runs)) for group in several
    ]
    return {
        name: cells for name, cells in columns.items() if any(cell.text != "-" for cell in cells)
    }


def _measure(name, group):
    values = group.measures[name]
    mean = values.mean()
    return Cell(cell(name, values), f"{mean:.8g}" if mean == mean else "")


def _seconds(value):
    return (
        Cell("-")
        if np.isnan(value)
        else Cell(f"{value:,.3g}" if value < 1000 else f"{value:,.0f}", f"{value:.6g}")
    )


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
    metrics = {name: shown for name, shown in metrics.items() if shown != "-"}
    unusual = {
        flag_of(name): text(value)
        for name, value in run.unusual.items()
        if (name, value) != ("dataset", DATASETS[0])
    }
    settings = settings_of(
        group, [name for name, flag in FLAGS.items() if flag.is_for(run.settings.net)]
    )
    facts = {"status": run.history.status} | facts_of(group) | {"ended": runs.ended(run.folder)}
    return {
        "command": run.command,
        "unusual": unusual,
        "metrics": metrics,
        "facts": facts,
        "settings": settings,
    }
