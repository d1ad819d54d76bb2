"""Two runs, or two settings with their repeats, side by side: what differs, and whether it
matters.
"""

import math

import numpy as np

from lab import console, runs
from lab.comparison import losses
from lab.comparison.frame import GANS, collect, kind_of
from lab.comparison.naming import counted, shared_in_words
from lab.comparison.tables import about_cells, without_blank
from lab.metrics import significance
from lab.metrics.cells import cell
from lab.metrics.table import CLOCK, METRICS, heading
from lab.settings import FLAGS, UserError, flag_of, text

_NOT_TESTED = dict.fromkeys(("B - A", "verdict", "95% interval", "p"), "-")


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
            "--diff compares two: name two runs, or two settings of a sweep with their repeats; "
            f"got {len(names)}"
        )
    both = one, other = [_group(results_dir, name) for name in names]
    mine, its = ({run.folder for run in group.runs} for group in both)
    if mine & its and mine != its:
        raise UserError(f"--diff: {names[0]} and {names[1]} have a run in common: name others")
    kinds = [f"a {group.settings.kind.name}" for group in both]
    if kinds[0] != kinds[1]:
        who = f"{names[0]} is {kinds[0]}, {names[1]} {kinds[1]}"
        raise UserError(f"--diff: {who}: they have no metric in common; name two of one kind")
    for letter, group in zip("AB", both):
        console.say(f"{letter}: {group.name} ({counted(len(group.runs), 'run')})")
    console.say(f"Both: {shared_in_words(both)}.")
    if differing := _differing(both):
        console.table(differing, "What differs", left=("A", "B"))
    else:
        console.say("Nothing differs in what trained them.")
    # Those of GANs are far from normally distributed, and compared by their ranks.
    by_ranks = kind_of(one) == GANS
    rows = []
    for name in one.measures:
        is_unknown = np.isnan([*one.measures[name], *other.measures[name]]).all()
        if not is_unknown and name != "chi_square_p":
            rows.append(_compared(name, both, by_ranks))
    console.table(without_blank(rows), "Metrics of the epoch whose weights were saved")
    console.say(" ".join(_notes(both, by_ranks)))
    if of_runs := _counted(both):
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


def _differing(both):
    """What differs: a row for each setting, and for each fact about how they were trained."""
    names = [name for name in runs.differences([group.runs[0] for group in both]) if name in FLAGS]
    mine, its = (settings_of(group, names) | facts_of(group) for group in both)
    rows = []
    for what in mine | its:
        row = {"what": what, "A": mine.get(what, "unknown"), "B": its.get(what, "unknown")}
        if row["A"] != row["B"]:
            rows.append(row)
    return rows


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
    facts = {
        "seed": " ".join(map(str, group.seeds)),
        "parameters": f"{record.parameters:,}",
        "data": f"{dataset.name} {dataset.sha256[:8]}",
        "training images": f"{dataset.train:,}",
        "device": group.device,  # its name, whatever was typed
    }
    if group.settings.source:
        facts["network"] = group.settings.source_hash
    facts["commit"] = commit[:10] + "-dirty" * commit.endswith("-dirty")
    facts["epochs trained"] = group.epochs_trained
    versions = sorted(record.versions.items())
    return facts | {f"version of {package}": version for package, version in versions}


def _compared(name, both, by_ranks):
    """The row of a metric."""
    first, second = (group.measures[name] for group in both)
    row = {"metric": heading(name), "A": cell(name, first), "B": cell(name, second)} | _NOT_TESTED
    mine, its = (losses.terms_of(group.settings, name) for group in both)
    if mine != its:
        return row | {"verdict": "not the same"}
    metric, fewest = METRICS[name], min(len(first), len(second))
    by_ranks = by_ranks and metric.source != CLOCK and fewest > 1
    found = (significance.ranks if by_ranks else significance.welch)(second, first)
    if not np.isnan(found.difference):
        row["B - A"] = f"{found.difference:+.2g}"
    if np.isnan(found.p) or (metric.listed and not by_ranks):
        return row
    row["p"] = f"{found.p:.2g}"
    if not by_ranks or _least_p(first, second) <= significance.ERROR:
        row["verdict"] = "differs" if found.p < significance.ERROR else "noise"
    if not np.isnan(found.low):
        least, most = metric.bounds
        low, high = np.clip([found.low, found.high], least - most, most - least)
        row["95% interval"] = f"{low:+.2g} to {high:+.2g}"
    return row


def _least_p(one, other):
    """Below what no p of an exact test of ranks can be: where all of one lie above all of the
    other.
    """
    return 2 / math.comb(len(one) + len(other), len(one))


def _counted(both):
    """Of how many runs something is true, a row each: of GANs."""
    claims = {"in collapse for most epochs": ("collapsed", 0.5)}
    one, other = (group.record.dataset for group in both)
    if one.name == other.name:
        claims["cover all modes"] = "modes", len(other.classes) - 0.5
    rows = []
    for words, (name, bound) in claims.items():
        found = [group.measures.get(name, np.array([np.nan])) for group in both]
        if not np.isfinite(np.concatenate(found)).all():
            continue
        counts = [(int((values > bound).sum()), len(values)) for values in found]
        mine, its = (f"{count} of {total}" for count, total in counts)
        p = significance.fisher(*counts)
        rows.append({"runs": words, "A": mine, "B": its, "p": f"{p:.2g}"})
    return rows


def _notes(both, by_ranks):
    """What the words in the table of metrics mean: sentences."""
    one, other = both
    fewest, most = sorted(len(group.runs) for group in both)
    if most == 1:
        note = (
            "One run each: whether a difference is noise cannot be told; train both with --repeats "
            "3 or more."
        )
    elif fewest == 1:
        note = (
            "Noise: the single run lies within the 95% prediction interval of the other's repeats."
        )
    elif by_ranks:
        note = (
            "B - A: the median over all pairs of runs, with its 95% interval (Hodges and Lehmann); "
            "p: the exact test of ranks (Mann and Whitney), which with so many runs cannot be "
            f"below {_least_p(one.runs, other.runs):.2g}; of seconds, Welch's t-test."
        )
    else:
        note = (
            "Noise: 0 lies within the 95% interval of the difference (Welch's t-test); it may be "
            "what repeats alone give."
        )
    notes = [note]
    for metric in one.measures:
        mine, its = (losses.in_words(losses.terms_of(group.settings, metric)) for group in both)
        note = f"Not the same: losses of other terms (A: {mine}; B: {its}) do not compare."
        if mine != its and note not in notes:
            notes.append(note)
    if one.record.dataset.sha256 != other.record.dataset.sha256:
        notes.append("Their data differ, so the metrics are not of the same images.")
    return [*notes, *about_cells(both, METRICS)]
