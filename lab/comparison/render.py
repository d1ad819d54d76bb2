"""A comparison as text on the terminal, as Markdown and CSV, and as figures. Nothing here computes."""

import concurrent.futures
import multiprocessing
import os
import signal
import threading

from lab import console, figures, runs
from lab.comparison import text

SEVERAL = 20  # figures are drawn by two processes or more: these take a second to start


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
    tables = [f"## {table.title}\n\n{text.as_markdown(table.rows)}\n\n{_as_list(table.notes)}" for table in comparison.tables]
    written = {"table.md": "\n\n".join(map(str.rstrip, tables)), "table.csv": text.as_csv(comparison.numbers)}
    for name, content in written.items():
        with runs.atomic(folder / name) as temporary:
            temporary.write_text(f"{content}\n", "utf-8")
    return [*(folder / name for name in written), *runs.save_figures(_drawn(comparison, folder.name), folder)]


def _as_list(notes):
    return "\n".join(f"- {note}" for note in notes)


def _drawn(comparison, name):
    """The figures, by the file's name; None, for one that an older comparison of this name may have had."""
    title = f"{name}: " + "\n".join(comparison.captions)
    trend, labels = comparison.trend, comparison.labels
    return {
        "learning_curves.png": figures.learning_curves(comparison.panels, title),
        "trend.png": figures.trend(*trend, title) if trend else None,
        "labels.png": figures.label_counts(**labels, title=title) if labels else None,
    }


def draw_curves(drawn):
    """Draw learning curves, each into its file.

    Parameters
    ----------
    drawn : dict of Path to tuple
        What `figures.learning_curve` takes.
    """
    with console.Bar("drawing learning curves", len(drawn)) as bar:
        if len(drawn) < SEVERAL:
            for one in drawn.items():
                _draw_curve(*one)
                bar.advance(1)
            return
        context = multiprocessing.get_context("spawn")
        pool = concurrent.futures.ProcessPoolExecutor(mp_context=context, initializer=_end_with_parent)
        try:
            for ended in concurrent.futures.as_completed(pool.submit(_draw_curve, *one) for one in drawn.items()):
                ended.result()
                bar.advance(1)
        finally:
            pool.shutdown(cancel_futures=True)


def _end_with_parent():
    """Leave Ctrl-C to the process that has started this one, and end when it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def wait():
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _draw_curve(path, curve):
    runs.save_figures({path.name: figures.learning_curve(*curve)}, path.parent, vector=False)
    os.utime(path)  # its folder is not to look changed since
