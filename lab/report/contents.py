"""What a page says of runs together: kinds of them, sweeps, searches."""

from typing import NamedTuple

from lab import runs
from lab.comparison import Comparison, View, compare, losses, tables, warnings_of, with_names
from lab.comparison.groups import experiment_of
from lab.comparison.naming import shared_by_rows
from lab.comparison.published import NothingPublished, read_published
from lab.figures import interactive
from lab.figures.curves import OF_CLASSIFIERS, OF_GANS
from lab.io.words import visible
from lab.report.rows import columns_of
from lab.settings import FLAGS, UserError

MOST_CHOICES = 50  # of values to choose from
KINDS = {"classifiers": OF_CLASSIFIERS, "GANs": OF_GANS}  # by name, what their learning curves show


class Kind(NamedTuple):
    """Runs that have metrics in common."""

    name: str
    panels: dict  # as of `figures.curves`
    rows: list  # of Row
    columns: dict  # as `rows.columns_of` gives it
    choices: (
        dict  # of str to list of str: what runs may be chosen by, and the values that there are
    )
    notes: list  # of str
    speed: list  # of tables.Table: of devices

    @property
    def lines(self):
        """Each row with its cells."""
        return zip(self.rows, zip(*self.columns.values()))


class Experiment(NamedTuple):
    """What a sweep, or any runs in one folder, say together."""

    name: str
    groups: list  # of comparison.Group, called by what differs between them
    comparison: Comparison
    charts: dict  # of str to dict: figures of Plotly, by their titles

    @property
    def tables(self):
        """The tables that the page does not show elsewhere: a single group is but a row of that of
        all runs.
        """
        main, *others = self.comparison.tables
        return [
            *([main] if len(self.groups) > 1 else []),
            *(table for table in others if table.title != tables.DEVICES),
        ]


def kinds_of(rows):
    """The kinds of runs that there are."""
    kinds = []
    for name, panels in KINDS.items():
        chosen = [row for row in rows if row.group.settings.is_gan == (panels is OF_GANS)]
        if chosen:
            groups = [row.group for row in chosen if row.counts and not row.part]
            speed = [*filter(None, [tables.speed_table(groups)])]
            columns, notes = (
                columns_of(chosen),
                [*warnings_of(groups, counted=True), *losses.sentences(groups)],
            )
            if groups:
                notes.insert(0, shared_by_rows(groups))
            kinds.append(
                Kind(name, panels, chosen, columns, _choices(chosen, columns), notes, speed)
            )
    return kinds


def _choices(rows, columns):
    settings = [name for name in columns if name.replace("-", "_") in FLAGS]
    choices = {"status": [row.status for row in rows]}
    choices |= {
        name: [cell.text for cell in columns[name]]
        for name in (*settings, "device")
        if name in columns
    }
    choices = {name: sorted(set(values)) for name, values in choices.items()}
    return {name: values for name, values in choices.items() if 1 < len(values) <= MOST_CHOICES}


def experiments_of(kind, searches, published):
    """The comparisons of what lies in one folder each, as far as they tell more than the table of
    all.

    Parameters
    ----------
    kind : Kind
    searches : collection of str
        Folders whose trials are no comparison.
    published : path or None
        As of `comparison.View`. Its figures stand with those experiments that have the most of its
        rows: many others have a run that is like one of them.

    Returns
    -------
    list of Experiment
    """
    several = {}
    for row in kind.rows:
        name = experiment_of(row.group.path)
        if row.counts and not row.part and name not in searches:
            several.setdefault(name, []).append(row.group)
    several = {name: with_names(groups) for name, groups in several.items()}
    matches = {name: _matches(groups, published) for name, groups in several.items()}
    found = []
    for name, groups in several.items():
        matching = any(matches[name]) and matches[name] == max(matches.values())
        comparison = compare(groups, view=View(published if matching else None))
        if len(groups) > 1 or matching or (comparison.labels and len(groups[0].runs) > 1):
            found.append(Experiment(name, groups, comparison, _charts(comparison)))
    return found


def _matches(groups, path):
    """How many rows of published figures are of these groups, and how many of them under other
    conditions.
    """
    if path is None or groups[0].settings.is_gan:
        return 0, 0
    try:
        published = read_published(path, groups)
    except NothingPublished:
        return 0, 0
    of_these, of_others = set(), set()
    for name, curve in (
        published.by_epoch | {name: {0: row} for name, row in published.final.items()}
    ).items():
        of_kind = of_others if published.conditions.get(name) else of_these
        of_kind.update(map(id, curve.values()))
    return len(of_these), len(of_others)


def _charts(comparison):
    trend, labels = comparison.trend, comparison.labels
    charts = {}
    if trend:
        words = " and by ".join(label for label, _ in trend[0])
        charts[f"validation accuracy and loss by {words}"] = interactive.trend(*trend)
    if labels:
        charts[f"samples by {labels['label']}"] = interactive.label_counts(**labels)
    return charts


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
    for folder in dict.fromkeys(
        folder.parent for folder in folders if folder.name.startswith("trial=")
    ):
        name = visible(folder.relative_to(results_dir).as_posix())
        try:
            search = runs.load_search(folder)
        except (UserError, OSError) as error:
            broken[f"{name}/{runs.SEARCH}"] = str(error)
        else:
            if search and search.trials:
                found[name] = search
    return found, broken
