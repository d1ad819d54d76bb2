"""Comparisons on the terminal, as Markdown, CSV and LaTeX, and as figures."""

import os
import re
import shutil
import sys

from lab import console, runs
from lab.comparison import charts, losses, tables, text
from lab.comparison.compared import compare, ordered, warnings_of
from lab.comparison.frame import GANS, by_kind, collect, gather
from lab.comparison.naming import shared_by_rows
from lab.comparison.speed import speeds_of
from lab.io.parallel import in_parallel
from lab.io.words import visible
from lab.metrics.table import METRICS
from lab.settings import UserError

SEVERAL = 20  # figures are drawn by two processes or more


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
    compared, kinds, written = {}, by_kind(folders), []
    are_several = len(kinds) > 1
    for kind, members in kinds.items():
        path = folder.with_name(f"{folder.name},{kind}") if are_several else folder
        seen = view._replace(published=None) if are_several and kind == GANS else view
        compared[path] = compare(*gather(results_dir, members), seen)
    for path, comparison in compared.items():
        runs.make_free(path)
        written += _write(comparison, path)
        if are_several:
            console.say(f"\n{path.name}")
        for table in comparison.tables:
            _show(table)
    return written


def _write(comparison, folder):
    """Write a comparison into a folder that is there: table.md, table.csv and the figures."""
    contents = {
        "table.md": "\n\n".join(map(_in_markdown, comparison.tables)),
        "table.csv": text.as_csv(comparison.numbers),
    }
    for name, content in contents.items():
        with runs.atomic(folder / name) as temporary:
            temporary.write_text(f"{visible(content)}\n", "utf-8")
    title = f"{folder.name}: " + "\n".join(comparison.captions)
    figures = charts.drawn(comparison.charts, title)
    return [*(folder / name for name in contents), *runs.save_figures(figures, folder)]


def _in_markdown(table):
    title, *notes = map(text.in_markdown, [table.title, *table.notes])
    listed = "\n".join(f"- {note}" for note in notes)
    return f"## {title}\n\n{text.as_markdown(table.rows)}\n\n{listed}".rstrip()


def _show(table):
    console.table(table.rows, table.title, left=("run", "setting", "device"))
    for note in table.notes:
        console.say(note)


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
        groups, notes = gather(results_dir, members)
        groups, _ = ordered(groups, view)
        console.paste(_exported(groups, form, view.top))
        shown = groups[: view.top]
        about = [
            shared_by_rows(shown),
            *groups[0].naming.sentences,
            *tables.about_cells(groups, METRICS),
            *notes,
            *warnings_of(groups),
            *losses.sentences(groups),
        ]
        for note in about:
            console.say(note, file=sys.stderr)


def _exported(groups, form, top):
    if form == "csv":
        return text.as_csv(tables.numbers(groups, speeds_of(groups), {})[:top])
    rows, names = tables.runs_table(groups, "", []).rows, groups[0].naming.names
    if samples := tables.samples_table(groups):
        rows = [one | other for one, other in zip(rows, samples.rows)]
    if len(names) == 1:
        rows = [{names[0] if key == "setting" else key: row[key] for key in row} for row in rows]
    write = text.as_latex if form == "latex" else text.as_markdown
    return write(rows[:top])


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
    name = folder.relative_to(results_dir).as_posix()
    groups, notes = collect(results_dir, runs.named(results_dir, [name]))
    curves = {group.folder / runs.File.LEARNING_CURVE: group for group in groups}
    to_draw = {}
    for path, group in curves.items():
        if not _is_old(path, group):
            continue
        # Of a setting with one run, that run's own is its curve; to draw it again would take as
        # long as an epoch.
        own, *others = [run.folder / path.name for run in group.runs]
        is_readable = os.access(own, os.R_OK) and runs.is_inside(results_dir, own)
        if others or own == path or not is_readable:
            to_draw[path] = _mean_curve(group, folder.name)
            continue
        with runs.atomic(path) as temporary:
            shutil.copyfile(own, temporary)
        os.utime(path)  # as below
    with console.Bar("drawing learning curves", len(to_draw)) as bar:
        in_parallel(_draw_curve, [*to_draw.items()], SEVERAL, bar.advance)
    _show(tables.runs_table(groups, folder.name, notes))
    return [*curves]


def _mean_curve(group, name):
    """What `figures.learning_curve` takes for a setting's repeats."""
    repeats = f", mean of {len(group.runs)} runs" if len(group.runs) > 1 else ""
    data = group.record.dataset
    what = f"{data.name}, {group.settings.replace(seed=0).describe(data.train)}"
    cut = f", interrupted after {group.interrupted}" if group.interrupted else ""
    return group.curves(), f"{name}: {what}{repeats}{cut}"


def _draw_curve(path_and_curve):
    from lab import figures  # with matplotlib

    path, curve = path_and_curve
    runs.save_figures({path.name: figures.learning_curve(*curve)}, path.parent, vector=False)
    os.utime(path)  # its folder is not to look changed since


def _is_old(path, group):
    """Whether a figure of some repeats is older than any of them, or than the last that came or
    went.
    """
    parts = [group.folder, *(run.folder / runs.File.HISTORY for run in group.runs)]
    changed = max(part.stat().st_mtime_ns for part in parts)
    return not path.exists() or path.stat().st_mtime_ns < changed


def label_of(names):
    """A folder's name for the comparison of some names."""
    plain = [re.sub(r"[^\w.=-]", "-", name).strip(".-") for name in names]
    label = ",".join(filter(None, plain)) or "all"
    return label if len(label) <= 80 else f"{plain[0][:60]},and-{len(names) - 1}-more"
