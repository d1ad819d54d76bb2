"""A comparison as text on the terminal, as Markdown and CSV, and as figures. Nothing here computes."""

import csv

from lab import console, figures, runs


def show(table):
    """Print a table and its notes."""
    console.table(table.rows, table.title, left=("device", "data set"))
    for note in table.notes:
        console.say(note)


def write(comparison, folder):
    """Write a comparison into a folder: table.md, table.csv and the figures.

    Returns
    -------
    list of Path
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("trend.png", "labels.png"):  # of an older comparison of this name, which had them
        (folder / name).unlink(missing_ok=True)
    with runs.atomic(folder / "table.md") as temporary:
        temporary.write_text("\n\n".join(map(_as_markdown, comparison.tables)) + "\n", "utf-8")
    with runs.atomic(folder / "table.csv") as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, comparison.numbers[0])
        writer.writeheader()
        writer.writerows(comparison.numbers)
    return [folder / "table.md", folder / "table.csv", *runs.save_figures(_drawn(comparison, folder.name), folder)]


def _as_markdown(table):
    columns = list(table.rows[0])
    widths = {name: max(len(name), *(len(row[name]) for row in table.rows)) for name in columns}
    lines = [{name: name for name in columns}, {name: "-" * widths[name] for name in columns}, *table.rows]
    text = "\n".join("| " + " | ".join(line[name].ljust(widths[name]) for name in columns) + " |" for line in lines)
    notes = "\n".join(f"- {note}" for note in table.notes)
    return f"## {table.title}\n\n{text}\n\n{notes}".rstrip()


def _drawn(comparison, name):
    """The figures, by the file's name."""
    datasets = sorted({group.record.dataset.name for group in comparison.groups})
    title = "\n".join([f"{name}: {', '.join(datasets)}", *comparison.warnings])
    curves = {group.name: group.curves() for group in comparison.groups}
    drawn = {"learning_curves.png": figures.learning_curves({"": curves}, title, {"": comparison.published.by_epoch})}
    if comparison.trend:
        points, label, logarithmic = comparison.trend
        series = {name: one | {"x": [one["x"]]} for name, one in points.items()}
        drawn["trend.png"] = figures.trend([(label, logarithmic)], series, title)
    if comparison.labels:
        drawn["labels.png"] = figures.label_counts(*comparison.labels, title)
    return drawn
