"""A comparison as text on the terminal, as Markdown and CSV, and as figures.

Nothing here computes.
"""

import os
import shutil

from lab import console, figures, runs
from lab.comparison import text
from lab.io.parallel import in_parallel
from lab.io.words import visible

SEVERAL = 20  # figures are drawn by two processes or more


def show(table):
    """Print a table and its notes."""
    console.table(table.rows, table.title, left=("run", "setting", "device"))
    for note in table.notes:
        console.say(note)


def write(comparison, folder):
    """Write a comparison into a folder that is there: table.md, table.csv and the figures.

    Returns
    -------
    list of Path
    """
    tables = "\n\n".join(map(_in_markdown, comparison.tables))
    written = {"table.md": tables, "table.csv": text.as_csv(comparison.numbers)}
    for name, content in written.items():
        with runs.atomic(folder / name) as temporary:
            temporary.write_text(f"{visible(content)}\n", "utf-8")
    return [
        *(folder / name for name in written),
        *runs.save_figures(_drawn(comparison, folder.name), folder),
    ]


def _in_markdown(table):
    title, *notes = map(text.in_markdown, [table.title, *table.notes])
    listed = "\n".join(f"- {note}" for note in notes)
    return f"## {title}\n\n{text.as_markdown(table.rows)}\n\n{listed}".rstrip()


def _drawn(comparison, name):
    """The figures, by the file's name; None, for one that an older comparison of this name may
    have had.
    """
    title = f"{name}: " + "\n".join(comparison.captions)
    trend, labels = comparison.trend, comparison.labels
    return {
        "learning_curves.png": figures.learning_curves(comparison.panels, title),
        "trend.png": figures.trend(*trend, title) if trend else None,
        "labels.png": figures.label_counts(**labels, title=title) if labels else None,
        "over_time.png": figures.over_time(*comparison.followed, title)
        if comparison.followed
        else None,
        "heatmap.png": figures.heatmap(**comparison.heatmap, title=title)
        if comparison.heatmap
        else None,
    }


def copy_curves(sources):
    """Take learning curves, by where they are to be, from where they are."""
    for path, source in sources.items():
        with runs.atomic(path) as temporary:
            shutil.copyfile(source, temporary)
        os.utime(path)  # as below


def draw_curves(drawn):
    """Draw learning curves, each into its file.

    Parameters
    ----------
    drawn : dict of Path to tuple
        What `figures.learning_curve` takes.
    """
    with console.Bar("drawing learning curves", len(drawn)) as bar:
        in_parallel(_draw_curve, [*drawn.items()], SEVERAL, bar.advance)


def _draw_curve(path_and_curve):
    path, curve = path_and_curve
    runs.save_figures({path.name: figures.learning_curve(*curve)}, path.parent, vector=False)
    os.utime(path)  # its folder is not to look changed since
