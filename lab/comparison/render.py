"""A comparison as text on the terminal, as Markdown and CSV, and as figures. Nothing here computes."""

from lab import console, figures, runs
from lab.comparison import text


def show(table):
    """Print a table and its notes."""
    console.table(table.rows, table.title, left=("run", "setting", "value", "device"))
    for note in table.notes:
        console.say(note)


def write(comparison, folder):
    """Write a comparison into a folder: table.md, table.csv and the figures.

    Returns
    -------
    list of Path
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("trend", "labels"):  # of an older comparison of this name, which had them
        for ending in ("png", "svg"):
            (folder / f"{name}.{ending}").unlink(missing_ok=True)
    tables = [f"## {table.title}\n\n{text.as_markdown(table.rows)}\n\n{_as_list(table.notes)}" for table in comparison.tables]
    written = {"table.md": "\n\n".join(map(str.rstrip, tables)), "table.csv": text.as_csv(comparison.numbers)}
    for name, content in written.items():
        with runs.atomic(folder / name) as temporary:
            temporary.write_text(f"{content}\n", "utf-8")
    return [*(folder / name for name in written), *runs.save_figures(_drawn(comparison, folder.name), folder)]


def _as_list(notes):
    return "\n".join(f"- {note}" for note in notes)


def _drawn(comparison, name):
    """The figures, by the file's name."""
    datasets = sorted({group.record.dataset.name for group in comparison.groups})
    title = "\n".join([f"{name}: {', '.join(datasets)}", *comparison.captions])
    by_epoch = comparison.published.by_epoch
    panels = {
        panel: {label: (group.curves(), by_epoch.get(group.name, {})) for label, group in members.items()}
        for panel, members in comparison.panels.items()
    }
    drawn = {"learning_curves.png": figures.learning_curves(panels, title)}
    if comparison.trend:
        drawn["trend.png"] = figures.trend(*comparison.trend, title)
    if comparison.labels:
        drawn["labels.png"] = figures.label_counts(**comparison.labels, title=title)
    return drawn
