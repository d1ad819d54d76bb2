"""What a page says of runs together: kinds of them, sweeps, searches."""

import contextlib
from typing import NamedTuple

from lab import figures, runs
from lab.comparison import charts, compare, losses, tables
from lab.comparison.compared import Comparison, warnings_of
from lab.comparison.frame import experiment_of
from lab.comparison.naming import shared_by_rows, with_names
from lab.comparison.published import NOTHING, NothingPublished, match, read_figures
from lab.comparison.speed import speeds_of
from lab.io.words import visible
from lab.report.pictures import as_svg
from lab.report.rows import columns_of
from lab.settings import FLAGS, KINDS, UserError

MOST_CHOICES = 50  # of values to choose from


class Kind(NamedTuple):
    """Runs that have metrics in common."""

    name: str
    panels: dict  # what their learning curves show, see `models.Kind`
    rows: list  # of Row
    columns: dict  # as `rows.columns_of` gives it
    choices: dict  # of str to list of str: what runs may be chosen by, and the values there are
    notes: list  # of str
    speed: tables.Table | None  # of devices

    @property
    def lines(self):
        """Each row with its cells."""
        return zip(self.rows, zip(*self.columns.values()))


class Experiment(NamedTuple):
    """What a sweep, or any runs in one folder, say together."""

    name: str
    comparison: Comparison

    @property
    def tables(self):
        """The tables that the page does not show elsewhere: a single group is but a row of that of
        all runs.
        """
        first = 0 if len(self.comparison.groups) > 1 else 1
        shown = self.comparison.tables[first:]
        return [table for table in shown if table.title != tables.DEVICES]

    @property
    def charts(self):
        """The figures that evaluate.py would write, as SVG by their captions; but for the learning
        curves, which the page draws itself.
        """
        shown = {}
        for file, numbers in self.comparison.charts.items():
            if numbers and charts.CHARTS[file].caption:
                shown[file] = numbers
        drawn = charts.drawn(shown, f"{self.name}: " + "\n".join(self.comparison.captions))
        images = {}
        for file, numbers in shown.items():
            images[f"{self.name}: {charts.CHARTS[file].caption(numbers)}"] = as_svg(drawn[file])
        return images


def kinds_of(rows):
    """The kinds of runs that there are."""
    kinds = []
    for kind in KINDS:
        some = [row for row in rows if row.group.settings.kind.name == kind.name]
        if some:
            groups = [row.group for row in some if row.counts and not row.part]
            notes = [shared_by_rows(groups)] if groups else []
            notes += [*warnings_of(groups, counted=True), *losses.sentences(groups)]
            speed, columns = tables.speed_table(speeds_of(groups)), columns_of(some)
            choices = _choices(some, columns)
            kinds.append(Kind(kind.plural, kind.panels, some, columns, choices, notes, speed))
    return kinds


def _choices(rows, columns):
    shown = {"status": {row.status for row in rows}}
    for name, cells in columns.items():
        if name.replace("-", "_") in FLAGS:
            shown[name] = {cell.text for cell in cells}
    return {name: sorted(words) for name, words in shown.items() if 1 < len(words) <= MOST_CHOICES}


def experiments_of(kind, searches, path):
    """The comparisons of what lies in one folder each, as far as they tell more than the table of
    all.

    Parameters
    ----------
    kind : Kind
    searches : collection of str
        Folders whose trials are no comparison.
    path : path or None
        Of published figures. They stand with those experiments that have the most of its rows: many
        others have a run that is like one of them.

    Returns
    -------
    list of Experiment
    """
    several = {}
    for row in kind.rows:
        name = experiment_of(row.group.path)
        if row.counts and not row.part and name not in searches:
            several.setdefault(name, []).append(row.group)
    file, published, matches = read_figures(path) if path else None, {}, {}
    for name, groups in several.items():
        several[name] = groups = with_names(groups)
        published[name] = NOTHING
        if file and "val_accuracy" in groups[0].measures:
            with contextlib.suppress(NothingPublished):
                published[name] = match(file, groups)
        matches[name] = _matches(published[name])
    most, found = max(matches.values(), default=None), []
    for name, groups in several.items():
        is_matching = any(matches[name]) and matches[name] == most
        comparison = compare(groups, published=published[name] if is_matching else NOTHING)
        has_labels = comparison.charts["labels.png"] and len(groups[0].runs) > 1
        if len(groups) > 1 or is_matching or has_labels:
            found.append(Experiment(name, comparison))
    return found


def _matches(published):
    """How many rows of published figures are of some groups, and how many of them under other
    conditions.
    """
    found = set(), set()
    curves = published.by_epoch | {name: {0: row} for name, row in published.final.items()}
    for name, curve in curves.items():
        found[name in published.conditions].update(map(id, curve.values()))
    return tuple(map(len, found))


def searches_of(results_dir, folders):
    """Searches, of whose trials these are the folders.

    Returns
    -------
    found : dict of str to runs.Search
        By the path within the results folder.
    broken : dict of str to str
        Likewise, why another cannot be read.
    """
    found, broken = {}, {}
    trials = [folder for folder in folders if folder.name.startswith("trial=")]
    for folder in dict.fromkeys(trial.parent for trial in trials):
        name = visible(folder.relative_to(results_dir).as_posix())
        try:
            search = runs.load_search(folder)
        except (UserError, OSError) as error:
            broken[f"{name}/{runs.SEARCH}"] = str(error)
        else:
            if search and search.trials:
                found[name] = search
    return found, broken


def charts_of(name, search):
    """The figures of a search, as those of an `Experiment`."""
    trials = search.trials
    words = f"{name}: the best so far, and accuracy by parameters"
    drawn = {words: figures.search(trials, search.target_accuracy, name)}
    if search.importances:
        words = f"{name}: what the accuracy of a trial depends on"
        drawn[words] = figures.importances(search.importances, name)
    return {words: as_svg(figure) for words, figure in drawn.items()}
