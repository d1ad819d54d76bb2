"""Two runs, or two settings with their repeats, side by side: what differs, and whether it
matters.
"""

import math

import numpy as np

from lab import console, runs
from lab.comparison import losses
from lab.comparison.groups import collect
from lab.comparison.naming import counted, shared_in_words
from lab.comparison.tables import about_cells, told
from lab.metrics import significance
from lab.metrics.cells import cell
from lab.metrics.table import METRICS, heading
from lab.settings import FLAGS, UserError, flag_of, text


def show_difference(results_dir, names):
    """Print in what two runs differ, and by how much.

    Parameters
    ----------
    results_dir : path
    names : list of str
        Two, each of a run or of repeats, or a pattern of such.

    Raises
    ------
    UserError
        If they are not two, or cannot be compared.
    """
    if len(names) != 2:
        raise UserError(
            f"--diff compares two: name two runs, or two settings of a sweep with their repeats; got {len(names)}"
        )
    one, other = (_group(results_dir, name) for name in names)
    mine, its = ({run.folder for run in group.runs} for group in (one, other))
    if mine & its and mine != its:
        raise UserError(f"--diff: {names[0]} and {names[1]} have a run in common: name others")
    if one.settings.is_gan != other.settings.is_gan:
        kinds = ["a GAN" if group.settings.is_gan else "a classifier" for group in (one, other)]
        both = f"{names[0]} is {kinds[0]}, {names[1]} {kinds[1]}"
        raise UserError(f"--diff: {both}: they have no metric in common; name two of one kind")
    for letter, group in zip("AB", (one, other)):
        console.say(f"{letter}: {group.name} ({counted(len(group.runs), 'run')})")
    console.say(f"Both: {shared_in_words([one, other])}.")
    differing = _differing(one, other)
    if differing:
        console.table(differing, "What differs", left=("A", "B"))
    else:
        console.say("Nothing differs in what trained them.")
    console.table(_metrics(one, other), "Metrics of the epoch whose weights were saved")
    console.say(_note(one, other))
    if of_runs := _counted(one, other):
        console.table(of_runs, "How many of the runs", left=("runs",))
        console.say("p: Fisher's exact test.")


def _group(results_dir, name):
    groups, notes = collect(results_dir, runs.named(results_dir, [name]))
    if len(groups) > 1:
        raise UserError(
            f"--diff: {name} holds {len(groups)} settings: name one of them, as {groups[0].path}"
        )
    for note in notes:
        console.say(note)
    return groups[0]


def _differing(one, other):
    """What differs: a row for each setting, and for each fact about how they were trained."""
    settings = [name for name in runs.differences([one.runs[0], other.runs[0]]) if name in FLAGS]
    first, second = (settings_of(group, settings) | facts_of(group) for group in (one, other))
    pairs = {
        what: (first.get(what, "unknown"), second.get(what, "unknown")) for what in first | second
    }
    return [
        {"what": what, "A": mine, "B": its} for what, (mine, its) in pairs.items() if mine != its
    ]


def settings_of(group, names):
    """Some settings of a group: dict of text by their flags' names."""
    return {
        flag_of(name): "none" if value is None else text(value)
        for name, value in group.settings
        if name in names
    }


def facts_of(group):
    """How a group was trained, beside its settings: dict of text by what it is about."""
    record, dataset, commit = group.record, group.record.dataset, group.record.commit or "unknown"
    facts = {"seed": " ".join(map(str, group.seeds))}
    facts |= {
        "parameters": f"{record.parameters:,}",
        "data": f"{dataset.name} {dataset.sha256[:8]}",
    }
    facts |= {
        "training images": f"{dataset.train:,}",
        "device": group.device,
    }  # its name, whatever was typed
    if group.settings.source:
        facts["network"] = group.settings.source_hash
    facts["commit"] = commit[:10] + "-dirty" * commit.endswith("-dirty")
    facts["epochs trained"] = group.epochs_trained
    return facts | {
        f"version of {package}": version for package, version in sorted(record.versions.items())
    }


def _metrics(one, other):
    """A row for each metric that is known of all of their runs."""
    rows = []
    for name, first in one.measures.items():
        second = other.measures.get(name, np.array([]))
        if (
            name != "chi_square_p"
            and len(first)
            and len(second)
            and not np.isnan([*first, *second]).all()
        ):
            by_ranks = (
                one.settings.is_gan
                and min(len(first), len(second)) > 1
                and not name.endswith("seconds")
            )
            row = {"metric": heading(name), "A": cell(name, first), "B": cell(name, second)}
            if _terms(one, name) != _terms(other, name):
                unknown = dict.fromkeys(("B - A", "verdict", "95% interval", "p"), "-")
                rows.append(row | unknown | {"verdict": "not the same"})
                continue
            found = (significance.ranks if by_ranks else significance.welch)(second, first)
            unknown = np.isnan(found.p) or (METRICS[name].listed and not by_ranks)
            row["B - A"] = "-" if np.isnan(found.difference) else f"{found.difference:+.2g}"
            verdict = "differs" if found.p < significance.ERROR else "noise"
            row["verdict"] = (
                "-"
                if unknown or (by_ranks and _least_p(first, second) > significance.ERROR)
                else verdict
            )
            least, most = METRICS[name].bounds
            low, high = np.clip([found.low, found.high], least - most, most - least)
            row["95% interval"] = "-" if unknown or np.isnan(low) else f"{low:+.2g} to {high:+.2g}"
            rows.append(row | {"p": "-" if unknown else f"{found.p:.2g}"})
    return told(rows)


def _terms(group, metric):
    """What a group's metric is made of, if it is a loss."""
    return losses.terms_of(group.settings, metric)


def _least_p(one, other):
    """Below what no p of an exact test of ranks can be: where all of one lie above all of the
    other.
    """
    return 2 / math.comb(len(one) + len(other), len(one))


def _counted(one, other):
    """Of how many runs something is true, a row each: of GANs."""
    modes = {group.record.dataset.name: len(group.record.dataset.classes) for group in (one, other)}
    claims = {"in collapse for most epochs": ("collapsed", 0.5)}
    if len(modes) == 1:
        claims["cover all modes"] = "modes", next(iter(modes.values())) - 0.5
    rows = []
    for words, (name, bound) in claims.items():
        found = [group.measures.get(name, np.array([np.nan])) for group in (one, other)]
        if np.isfinite(np.concatenate(found)).all():
            counts = [(int((values > bound).sum()), len(values)) for values in found]
            cells = dict(zip("AB", (f"{count} of {total}" for count, total in counts)))
            rows.append({"runs": words} | cells | {"p": f"{significance.fisher(*counts):.2g}"})
    return rows


def _note(one, other):
    """What the words in the table of metrics mean."""
    counts = sorted(len(group.runs) for group in (one, other))
    if counts == [1, 1]:
        note = "One run each: whether a difference is noise cannot be told; train both with --repeats 3 or more."
    elif counts[0] == 1:
        note = (
            "Noise: the single run lies within the 95% prediction interval of the other's repeats."
        )
    elif one.settings.is_gan:
        least = _least_p(one.runs, other.runs)
        note = "B - A: the median over all pairs of runs, with its 95% interval (Hodges and Lehmann); p: the exact test of ranks "
        note += f"(Mann and Whitney), which with so many runs cannot be below {least:.2g}; of seconds, Welch's t-test."
    else:
        note = "Noise: 0 lies within the 95% interval of the difference (Welch's t-test); it may be what repeats alone give."
    pairs = [
        [losses.in_words(_terms(group, metric)) for group in (one, other)]
        for metric in one.measures
    ]
    for mine, its in dict.fromkeys(map(tuple, pairs)):
        if mine != its:
            note += f" Not the same: losses of other terms (A: {mine}; B: {its}) do not compare."
    if one.record.dataset.sha256 != other.record.dataset.sha256:
        note += " Their data differ, so the metrics are not of the same images."
    return " ".join([note, *about_cells([one, other], one.measures)])
