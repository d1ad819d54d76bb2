"""Runs side by side: learning curves, tables, trends. From history.json and config.json alone, without TensorFlow."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lab.comparison import tables
from lab.comparison.tables import Group
from lab.errors import UserError
from lab.figures import base as figures
from lab.metrics import intervals as estimates
from lab.runs import folders as runs
from lab.runs.files import atomic
from lab.settings import differing, flag_of

# Settings that are numbers, what their axis is called, and whether it may be logarithmic.
_AXES = {
    "regularizer_strength": ("weight decay λ", True),
    "dropout": ("dropout", False),
    "learning_rate": ("learning rate", True),
    "batch_size": ("batch size", True),
    "epochs": ("epochs", True),
    "holdout": ("held-out images", True),
    "threads": ("CPU threads", True),
}


def collect(results_dir, folders):
    """Gather runs into groups: what lies in folders ``seed=...`` beside each other are repeats.

    Parameters
    ----------
    results_dir : path
    folders : list of Path
        Of runs, as `runs.named` gives them.

    Returns
    -------
    groups : list of tables.Group
        Those of a sweep in the order of their settings.
    notes : list of str
        About runs that are left out or were interrupted.

    Raises
    ------
    UserError
        If a file is broken, or nothing is left.
    """
    gathered, notes = {}, []
    for folder in folders:
        config, record = runs.load_config(folder)
        history = runs.load_history(folder, figures.curve_names(config.is_gan))
        if history["status"] in (runs.TRAINING, runs.DIVERGED):
            why = "is not finished" if history["status"] == runs.TRAINING else "diverged"
            notes.append(f"{folder} {why}: left out.")
            continue
        if history["status"] == runs.INTERRUPTED:
            notes.append(f"{folder} was interrupted after {len(history['epoch_seconds'])} epochs.")
        evaluations = runs.load_evaluation(folder, tables.EVALUATED) if config.is_gan else {}
        run = Group(folder.name, folder, config, record, [history], [evaluations])
        repeated = folder.name.startswith("seed=") and folder.parent != Path(results_dir)
        gathered.setdefault(folder.parent if repeated else folder, []).append(run)
    if not gathered:
        raise UserError("none of these runs is finished: there is nothing to compare")
    if len({members[0].config.is_gan for members in gathered.values()}) > 1:
        raise UserError("GANs and classifiers have nothing to be compared by: name runs of one kind")
    groups = [_as_repeats(top, members, results_dir) for top, members in gathered.items()]
    firsts = list(dict.fromkeys(group.name.partition("/")[0] for group in groups))
    groups.sort(key=lambda group: (firsts.index(group.name.partition("/")[0]), _order(group.config)))
    return _with_short_names(groups), notes


def _as_repeats(top, members, results_dir):
    """One group of those that lie beside each other; UserError if they differ in more than their seed."""
    first = members[0]
    for other in members[1:]:
        different = [name for name in differing([first.config, other.config]) if name != "seed"]
        if other.record["dataset"]["sha256"] != first.record["dataset"]["sha256"]:
            different.append("data")
        if different:
            raise UserError(f"the runs in {top} differ in more than their seed ({', '.join(different)}): no mean can be taken")
    histories = [history for one in members for history in one.histories]
    evaluations = [evaluation for one in members for evaluation in one.evaluations]
    name = top.relative_to(results_dir).as_posix()
    return first._replace(name=name, folder=top, histories=histories, evaluations=evaluations)


def compare(groups, notes, folder, published=None):
    """Write the comparison of some groups into a folder, and print its tables.

    Parameters
    ----------
    groups, notes
        As `collect` gives them.
    folder : Path
    published : path of a CSV file, optional
        As of `tables.read_published`.

    Returns
    -------
    list of Path
        What was written.
    """
    if published and groups[0].config.is_gan:
        raise UserError("--published: there are published figures of classifiers only")
    found = tables.read_published(published, groups) if published else tables.Published({}, {})
    warnings = _warnings(groups)
    notes = [*_in_common(groups), *tables.fewest_parameters(groups), *notes, *warnings]
    sections = [("Runs", tables.summary(groups), notes)]
    if found.final:
        sections.append(
            ("Published figures, and our 95% prediction interval for one run", *tables.beside_published(groups, found.final))
        )
    if found.by_epoch:
        sections.append(("Published figures by epoch", *tables.beside_published_epochs(groups, found.by_epoch)))
    faster = tables.speed_up(groups)
    if faster:
        sections.append(("Two devices", faster, []))
    folder.mkdir(parents=True, exist_ok=True)
    names = sorted({group.record["dataset"]["name"] for group in groups})
    title = "\n".join([f"{folder.name}: {', '.join(names)}", *warnings])
    curves = {group.name: estimates.curves(group.histories) for group in groups}
    drawn = {"learning_curves": figures.learning_curves(curves, title, found.by_epoch)}
    for name in ("trend.png", "labels.png"):  # of an older comparison of this name, which had them
        (folder / name).unlink(missing_ok=True)
    points = _trend(groups, found.final)
    if points:
        drawn["trend"] = figures.trend(*points, title)
    labelled = _label_counts(groups)
    if labelled:
        drawn["labels"] = figures.label_counts(*labelled, title)
    tables.write_csv(groups, found.final, folder / "table.csv")
    with atomic(folder / "table.md") as temporary:
        temporary.write_text("\n\n".join(_as_markdown(*section) for section in sections) + "\n", "utf-8")
    for section in sections:
        _print(*section)
    return [folder / "table.md", folder / "table.csv", *figures.save_all(drawn, folder)]


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
        repeats = f", mean of {len(group.histories)} runs, 95% confidence band" if len(group.histories) > 1 else ""
        what = f"{group.record['dataset']['name']}, {replace(group.config, seed=0).describe()}"
        figure = figures.learning_curve(estimates.curves(group.histories), f"{folder.name}: {what}{repeats}")
        paths.append(group.folder / "learning_curve.png")
        figures.save(figure, paths[-1])
    _print(folder.name, tables.summary(groups), [*_in_common(groups), *notes])
    return paths


def label_of(names):
    """A folder's name for the comparison of some names."""
    plain = ["".join(sign if sign.isalnum() or sign in "._=-" else "-" for sign in name).strip(".-") for name in names]
    label = ",".join(part for part in plain if part) or "all"
    return label if len(label) <= 80 else f"{plain[0][:60]},and-{len(names) - 1}-more"


def _with_short_names(groups):
    """Without the folders that all of them have in common."""
    if len(groups) == 1:
        return groups
    common = os.path.commonpath([group.name for group in groups])
    skip = len(common) + 1 if common else 0
    return [group._replace(name=group.name[skip:].replace("/", ", ") or group.folder.name) for group in groups]


def _order(config):
    return [(value is not None, value) for value in vars(config).values()]


def _in_common(groups):
    """What the summary's rows have in common, in a sentence."""
    devices = {tables.device_of(group) for group in groups}
    counts = {len(group.histories) for group in groups}
    sentences = ["Values of the epoch whose weights were saved."]
    if max(counts) > 1:
        each = f"{max(counts)} runs each" if len(counts) == 1 else "up to " + f"{max(counts)} runs each"
        sentences[0] = f"Mean ± half-width of its 95% confidence interval (Student's t), {each}; of the epoch that was saved."
    if groups[0].config.is_gan and not any(any(group.evaluations) for group in groups):
        sentences.append("With --classifier RUN, or --samples 2500 for the ring, the measures of mode collapse come in.")
    if len(devices) == 1:
        sentences.append(f"Device: {devices.pop()}.")
    return sentences


def _warnings(groups):
    warnings = []
    if len({group.record["dataset"]["sha256"] for group in groups}) > 1:
        names = ", ".join(sorted({group.record["dataset"]["name"] for group in groups}))
        warnings.append(f"Warning: these runs were trained or validated on different data ({names}).")
    judged = {(one["samples"], one.get("classifier")) for group in groups for one in group.evaluations if "samples" in one}
    if len(judged) > 1:
        warnings.append("Warning: these runs were evaluated with different classifiers or numbers of samples.")
    return warnings


def _trend(groups, published):
    """What `figures.trend` takes: validation accuracy and loss against a setting that is a number, or against the parameters.

    None if nothing of the kind varies.
    """
    if groups[0].config.is_gan:
        return None
    different = tables.varying(groups)
    numbers = [name for name in different if name in _AXES and all(getattr(group.config, name) is not None for group in groups)]
    if not numbers and not ("hidden" in different and all(group.config.hidden for group in groups)):
        return None
    own = f"{flag_of(numbers[0])}=" if numbers else None
    series = {}
    for group in groups:
        others = [part for part in group.name.split(", ") if not (own and part.startswith(own))]
        series.setdefault(", ".join(others), []).append(group)
    points = {}
    for name, members in series.items():
        x = [getattr(group.config, numbers[0]) if numbers else group.record["parameters"] for group in members]
        reached = [tables.measures(group) for group in members]
        points[name] = {"x": np.array(x, float)}
        for metric in ("val_accuracy", "val_loss"):
            estimate = zip(*(estimates.mean_and_half_width(one[metric]) for one in reached))
            points[name][metric] = tuple(np.array(values, float) for values in estimate)
        if published:
            points[name]["published"] = {
                metric: np.array([published.get(group.name, {}).get(metric, np.nan) for group in members], float)
                for metric in ("val_accuracy", "val_loss")
            }
    every = np.concatenate([one["x"] for one in points.values()])
    positive = every[every > 0]
    label, may_be_logarithmic = _AXES[numbers[0]] if numbers else ("parameters", True)
    return points, label, may_be_logarithmic and len(positive) > 1 and positive.max() >= 10 * positive.min()


def _label_counts(groups):
    """What `figures.label_counts` takes, of GANs that were all evaluated alike; else None."""
    evaluations = [evaluation for group in groups for evaluation in group.evaluations]
    kinds = {(one.get("samples"), tuple(one.get("classes", ()))) for one in evaluations}
    if not evaluations or len(kinds) > 1 or not all("counts" in one for one in evaluations):
        return None
    ((count, classes),) = kinds
    return {group.name: np.array([one["counts"] for one in group.evaluations]) for group in groups}, classes, count


def _as_markdown(title, rows, notes):
    parts = [f"## {title}"] if title else []
    return "\n\n".join([*parts, tables.markdown(rows), "\n".join(f"- {note}" for note in notes)]).rstrip()


def _print(title, rows, notes):
    console = Console()
    if not console.is_terminal:  # what goes into a file or to another program is as wide as it needs to be
        console = Console(width=1000)
    shown, hidden = _fitting(rows, console.width)
    table = Table(title=title or None, title_justify="left")
    for column in shown:
        table.add_column(column, justify="left" if column in ("setting", "device", "data set") else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(row[column]) for column in shown))
    console.print(table)
    if hidden:
        notes = [*notes, f"This terminal is too narrow for: {', '.join(hidden)}."]
    for note in notes:
        console.print(note, highlight=False, markup=False, soft_wrap=True)


def _fitting(rows, width):
    """The first columns of a table that fit side by side into a terminal, at least two; and the others."""
    columns = list(rows[0])
    ends = np.cumsum([max(len(column), *(len(row[column]) for row in rows)) + 3 for column in columns]) + 1
    count = max(2, int((ends <= width).sum()))
    return columns[:count], columns[count:]
