"""Runs become groups of repeats, and those a comparison: data, computed once, that is only
rendered from here on.
"""

import os
import sys
from typing import NamedTuple

from lab import console, runs
from lab.comparison import charts, effects, losses, tables, text
from lab.comparison.groups import GANS, by_kind, collect, gather
from lab.comparison.naming import naming_of, shared_by_rows, shared_in_words, usual_in_words
from lab.comparison.published import Published, read_published, verdicts_of
from lab.settings import UserError


class View(NamedTuple):
    """How a comparison is to be seen."""

    published: str | None = None  # path of a CSV file, as of `read_published`
    sort: str | None = None  # a column, as of `tables.in_order`
    top: int | None = None  # so many rows only


class Comparison(NamedTuple):
    """All that is known of some runs side by side."""

    tables: list  # of Table, as text
    numbers: list  # of dict, a group each: all numbers, unrounded
    captions: list  # of str: what a reader of a figure has to know, the data sets first
    panels: dict  # as `charts.panels_of` gives it
    trend: tuple | None  # as `charts.trend_of` gives it
    labels: dict | None  # as `charts.labels_of` gives it
    followed: tuple | None  # as `charts.followed_of` gives it
    heatmap: dict | None  # as `charts.heatmap_of` gives it
    published: Published


def compare_runs(results_dir, folders, folder, view):
    """Compare runs: print the tables, and write them and the figures into a folder; of several
    kinds one after the other, each into a folder of its own.

    Parameters
    ----------
    results_dir : path
    folders : list of Path
        Of the runs, as `runs.named` gives them.
    folder : Path
        Of the comparison.
    view : View
        Published figures are held against the classifiers.

    Returns
    -------
    list of Path
        What was written.
    """
    from lab.comparison import render  # with matplotlib

    compared, kinds = {}, by_kind(folders)
    for kind, members in kinds.items():
        path = folder.with_name(f"{folder.name},{kind}") if len(kinds) > 1 else folder
        seen = view._replace(published=None) if len(kinds) > 1 and kind == GANS else view
        compared[path] = compare(*gather(results_dir, members), seen)
    written = []
    for path, comparison in compared.items():
        runs.make_free(path)
        written += render.write(comparison, path)
        if len(kinds) > 1:
            console.say(f"\n{path.name}")
        for table in comparison.tables:
            render.show(table)
    return written


_ALL = View()


def compare(groups, notes=(), view=_ALL):
    """Compare groups.

    Parameters
    ----------
    groups, notes
        As `collect` gives them.
    view : View

    Returns
    -------
    Comparison
        Its tests and sentences are of all groups; its tables and figures of those at the top, if
        not all are to be seen.
    """
    if view.published and groups[0].settings.is_gan:
        raise UserError("--published: there are published figures of classifiers only")
    groups, cut = _ordered(groups, view)
    found = read_published(view.published, groups) if view.published else Published({}, {})
    verdicts, warnings = verdicts_of(groups, found), warnings_of(groups)
    about = [*cut, *effects.sentences(groups), *notes, *warnings, *losses.sentences(groups)]
    main = tables.runs_table(groups, "Runs", about)
    held = []
    if found.final:
        held.append(tables.published_table(groups, found.final, verdicts, view.top))
    if found.by_epoch:
        held.append(tables.published_epochs_table(groups, verdicts, view.top))
    shown = groups[: view.top]
    published = [group for group in shown if group.name in (found.final or found.by_epoch)]
    several = [
        (tables.with_real_data(main._replace(rows=main.rows[: view.top]), shown), shown),
        (tables.with_real_data(tables.fidelity_table(groups, view.top), shown), shown),
        *((table._replace(notes=[*found.notes, *table.notes]), published) for table in held),
        (tables.speed_table(groups), tables.of_several_devices(groups)),
    ]
    several = [_with_shared(table, rows) for table, rows in several if table]
    captions = [
        shared_in_words(shown),
        *usual_in_words(naming_of(groups)),
        *_cut_short(shown),
        *warnings,
    ]
    captions += [*losses.sentences(shown), *found.unjudged]
    drawn = (
        charts.panels_of(shown, found.by_epoch),
        charts.trend_of(shown, found.final),
        charts.labels_of(shown),
    )
    drawn += charts.followed_of(shown), charts.heatmap_of(shown, view.sort)
    return Comparison(several, tables.numbers(groups, verdicts), captions, *drawn, found)


def _ordered(groups, view):
    """The groups in the order asked for, and a sentence in a list about those that are not shown;
    UserError if there is no such order.
    """
    if view.top is not None and view.top < 1:
        raise UserError(f"--top must be a whole number of at least 1, got {view.top}")
    if view.top and not view.sort and groups[0].settings.is_gan:
        raise UserError("--top: of GANs, say with --sort by which column")
    if view.sort is None and not view.top:
        return groups, []
    column = ("val_accuracy" if view.sort is None else view.sort).replace("-", "_")
    cut = f"The first {view.top} of {len(groups)} by {tables.heading(column)}; table.csv has all."
    return tables.in_order(groups, column), [cut] if view.top and view.top < len(groups) else []


def _with_shared(table, groups):
    """A table with a first note on what these groups, its rows, share."""
    return table._replace(notes=[shared_by_rows(groups), *table.notes]) if groups else table


def _cut_short(groups):
    """Sentences about what ended early, which figures cannot show."""
    cut = [f"{group.name} ({group.interrupted})" for group in groups if group.interrupted]
    sentences = [f"Interrupted: {effects.joined(cut)}."] if cut else []
    lengths = [{run.history.epochs for run in group.runs} for group in groups]
    if any(len(several) > 1 for several in lengths):
        sentences.append("A mean curve ends where the first of its runs ended.")
    return sentences


def warnings_of(groups, counted=False):
    """What makes metrics incomparable, in sentences: with the names of the groups, or only with
    how many they are.
    """
    warnings, alike = [], {}
    for group in groups:
        alike.setdefault(group.record.dataset.sha256, []).append(group)
    if len(alike) > 1:
        names = [
            [*dict.fromkeys(group.run or group.name for group in several)]
            for several in alike.values()
        ]
        who = [
            f"{len(several)} rows" if counted else effects.joined(one)
            for one, several in zip(names, alike.values())
        ]
        parts = [f"{who} ({_data(several[0])})" for who, several in zip(who, alike.values())]
        warnings.append(
            f"Warning: trained or validated on different images, so metrics do not compare: {', '.join(parts)}."
        )
    evaluated = {
        (one["samples"], one.get("classifier"))
        for group in groups
        for one in group.evaluations
        if "counts" in one
    }
    if len(evaluated) > 1:
        warnings.append(
            "Warning: these runs were evaluated with different classifiers or numbers of samples."
        )
    several = [one for group in groups if group.settings.is_gan for one in group.evaluations]
    if any(several) and not all(several):
        warnings.append(
            f"Warning: {sum(not one for one in several)} of {len(several)} runs were not evaluated."
        )
    return warnings


def _data(group):
    dataset, holdout = group.record.dataset, group.settings.holdout
    held_out = f" --holdout {holdout}" if holdout else ""
    return f"{dataset.name}{held_out}, {dataset.train:,} training images, hash {dataset.sha256[:6]}"


def export(results_dir, folders, view, form):
    """Print the table of a comparison alone, to be pasted elsewhere; of several kinds of runs one
    table after the other.

    Parameters
    ----------
    results_dir, folders, view
        As of `compare_runs`.
    form : "latex", "csv" or "markdown"
        csv: all numbers, unrounded, and every setting.
    """
    kinds = by_kind(folders)
    if form == "csv" and len(kinds) > 1:
        raise UserError(
            "--export csv: GANs and classifiers have other columns: name runs of one kind"
        )
    for members in kinds.values():
        _export(*gather(results_dir, members), view, form)


def _export(groups, notes, view, form):
    groups, _ = _ordered(groups, view)
    naming = naming_of(groups)
    shown = groups[: view.top]
    rows = tables.numbers(groups, {}) if form == "csv" else tables.runs_table(groups, "", []).rows
    if form != "csv" and (fidelity := tables.fidelity_table(groups)):
        rows = [one | other for one, other in zip(rows, fidelity.rows)]
    if form != "csv" and len(naming.names) == 1:
        rows = [
            {naming.names[0] if name == "setting" else name: cell for name, cell in row.items()}
            for row in rows
        ]
    console.paste(
        {"csv": text.as_csv, "latex": text.as_latex, "markdown": text.as_markdown}[form](
            rows[: view.top]
        )
    )
    about = [shared_by_rows(shown), *usual_in_words(naming)]
    about += [*tables.about_cells(groups, groups[0].measures), *notes]
    for note in [*about, *warnings_of(groups), *losses.sentences(groups)]:
        console.say(note, file=sys.stderr)


def report_sweep(results_dir, folder):
    """After a sweep: print its table, and draw the learning curve of each setting's repeats into
    the setting's folder.

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
    from lab.comparison import render  # with matplotlib

    groups, notes = collect(
        results_dir, runs.named(results_dir, [folder.relative_to(results_dir).as_posix()])
    )
    curves = {group.folder / runs.File.LEARNING_CURVE: group for group in groups}
    old = {path: group for path, group in curves.items() if _is_old(path, group)}
    # Of a setting with one run, that run's own is its curve; to draw it again would take as long
    # as an epoch.
    own = {
        path: group.runs[0].folder / path.name
        for path, group in old.items()
        if len(group.runs) == 1
    }
    own = {
        path: source
        for path, source in own.items()
        if source != path and os.access(source, os.R_OK)
    }
    own = {path: source for path, source in own.items() if runs.is_inside(results_dir, source)}
    render.copy_curves(own)
    render.draw_curves(
        {path: _curve(group, folder.name) for path, group in old.items() if path not in own}
    )
    render.show(tables.runs_table(groups, folder.name, [shared_by_rows(groups), *notes]))
    return [*curves]


def _curve(group, name):
    """What `figures.learning_curve` takes for a setting's repeats."""
    repeats = f", mean of {len(group.runs)} runs" if len(group.runs) > 1 else ""
    what = f"{group.record.dataset.name}, {group.settings.replace(seed=0).describe(group.record.dataset.train)}"
    cut = f", interrupted after {group.interrupted}" if group.interrupted else ""
    return group.curves(), f"{name}: {what}{repeats}{cut}"


def _is_old(path, group):
    """Whether a figure of some repeats is older than any of them, or than the last that came or
    went.
    """
    parts = [group.folder, *(run.folder / runs.File.HISTORY for run in group.runs)]
    return not path.exists() or path.stat().st_mtime_ns < max(
        part.stat().st_mtime_ns for part in parts
    )


def label_of(names):
    """A folder's name for the comparison of some names."""
    plain = [
        "".join(sign if sign.isalnum() or sign in "._=-" else "-" for sign in name).strip(".-")
        for name in names
    ]
    label = ",".join(part for part in plain if part) or "all"
    return label if len(label) <= 80 else f"{plain[0][:60]},and-{len(names) - 1}-more"
