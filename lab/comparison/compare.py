"""Runs become groups of repeats, and those a comparison: data, computed once, that is only rendered from here on."""

from typing import NamedTuple

from lab import figures, runs
from lab.comparison import charts, render, tables
from lab.comparison.groups import collect
from lab.comparison.published import Published, read_published, verdicts_of
from lab.settings import UserError


class Comparison(NamedTuple):
    """All that is known of some runs side by side."""

    groups: list  # of Group
    published: Published
    verdicts: dict  # as `published.verdicts_of` gives it
    tables: list  # of Table, as text
    numbers: list  # of dict, a group each: all numbers, unrounded
    warnings: list  # of str
    trend: tuple | None  # as `charts.trend_of` gives it
    labels: tuple | None  # as `charts.labels_of` gives it


def compare_runs(results_dir, folders, folder, published=None):
    """Compare runs: print the tables, and write them and the figures into a folder.

    Parameters
    ----------
    results_dir : path
    folders : list of Path
        Of the runs, as `runs.named` gives them.
    folder : Path
        Of the comparison.
    published : path of a CSV file, optional
        As of `read_published`.

    Returns
    -------
    list of Path
        What was written.
    """
    comparison = compare(*collect(results_dir, folders), published)
    runs.check_free(folder, overwrite=True)
    paths = render.write(comparison, folder)
    for table in comparison.tables:
        render.show(table)
    return paths


def compare(groups, notes=(), published=None):
    """Compare groups.

    Parameters
    ----------
    groups, notes
        As `collect` gives them.
    published : path of a CSV file, optional

    Returns
    -------
    Comparison
    """
    if published and groups[0].settings.is_gan:
        raise UserError("--published: there are published figures of classifiers only")
    found = read_published(published, groups) if published else Published({}, {})
    warnings = _warnings(groups)
    verdicts = verdicts_of(groups, found)
    several = [
        tables.runs_table(groups, "Runs", [*tables.fewest_parameters(groups), *notes, *warnings]),
        tables.published_table(groups, found.final, verdicts) if found.final else None,
        tables.published_epochs_table(verdicts) if found.by_epoch else None,
        tables.speed_table(groups),
    ]
    numbers, trend, labels = tables.numbers(groups, verdicts), charts.trend_of(groups, found.final), charts.labels_of(groups)
    return Comparison(groups, found, verdicts, [table for table in several if table], numbers, warnings, trend, labels)


def _warnings(groups):
    warnings = []
    if len({group.record.dataset.sha256 for group in groups}) > 1:
        names = ", ".join(sorted({group.record.dataset.name for group in groups}))
        warnings.append(f"Warning: these runs were trained or validated on different data ({names}).")
    evaluated = {(one["samples"], one.get("classifier")) for group in groups for one in group.evaluations if "counts" in one}
    if len(evaluated) > 1:
        warnings.append("Warning: these runs were evaluated with different classifiers or numbers of samples.")
    return warnings


def report_sweep(results_dir, folder):
    """After a sweep: print its table, and draw the learning curve of each setting's repeats into the setting's folder.

    Parameters
    ----------
    results_dir : path
    folder : Path
        Of the sweep.

    Returns
    -------
    list of Path
        What was drawn.
    """
    groups, notes = collect(results_dir, runs.named(results_dir, [folder.relative_to(results_dir).as_posix()]))
    paths = []
    for group in groups:
        repeats = f", mean of {len(group.runs)} runs, 95% confidence band" if len(group.runs) > 1 else ""
        what = f"{group.record.dataset.name}, {group.settings.replace(seed=0).describe(group.record.dataset.train)}"
        drawn = figures.learning_curve(group.curves(), f"{folder.name}: {what}{repeats}")
        paths += runs.save_figures({runs.File.LEARNING_CURVE: drawn}, group.folder)
    render.show(tables.runs_table(groups, folder.name, notes))
    return paths


def label_of(names):
    """A folder's name for the comparison of some names."""
    plain = ["".join(sign if sign.isalnum() or sign in "._=-" else "-" for sign in name).strip(".-") for name in names]
    label = ",".join(part for part in plain if part) or "all"
    return label if len(label) <= 80 else f"{plain[0][:60]},and-{len(names) - 1}-more"
