"""What runs are called beside each other: by what differs between them."""

import itertools
from collections import Counter
from typing import NamedTuple

from lab import runs
from lab.settings import FLAGS, flag_of, text

LAYERS = ("first layer", "second layer")  # of two hidden ones
USUAL = "usual"  # the setting of a group that has nothing otherwise than most


class Naming(NamedTuple):
    """What tells groups apart."""

    names: list  # of str: what differs, as flags call it; "seed" and "data" may be among it
    usual: dict  # of str to str: of these, what more than half of the groups have, which their settings do not say again
    settings: list  # of dict of str to str, a group each: the rest
    runs: list  # of str, a group each: the run, or the sweep, in the results folder; empty where it is the same for all


def varying(groups):
    """The settings in which groups differ, as `runs.differences`, and which do not follow from
    another: a list of names.
    """
    different = runs.differences([group.runs[0] for group in groups])
    several = [group.settings for group in groups]
    return [
        name
        for name in different
        if name in FLAGS and any(getattr(one, name) != one.default(name) for one in several)
    ]


def levels_of(groups):
    """What varies between groups: by the name of its flag, the value in each group; of pairs of
    hidden layers each, if not both go together.
    """
    levels = {}
    for name in varying(groups):
        values = [getattr(group.settings, name) for group in groups]
        levels |= (
            dict(zip(LAYERS, zip(*values)))
            if name == "hidden" and _are_pairs(values)
            else {flag_of(name): values}
        )
    return {name: values for name, values in levels.items() if len(set(values)) > 1}


def _are_pairs(hidden):
    """Whether hidden layers are two, of which one may change while the other stays."""
    if {len(units or ()) for units in hidden} != {2}:
        return False
    fewest, most = sorted(len(set(units)) for units in zip(*hidden))
    return fewest == 1 or len(set(hidden)) > most


def naming_of(groups):
    """What tells groups apart; of a single one, nothing does."""
    given = {
        flag_of(name): [value_in_words(group.settings, name) for group in groups]
        for name in varying(groups)
    }
    # Its kind alone: how many threads is no setting.
    given.setdefault("device", [group.device.partition(":")[0] for group in groups])
    given["seed"] = [seeds_in_words(group) for group in groups]
    if not {"dataset", "holdout", "resize"} & set(
        given
    ):  # other data for a reason that is not said
        given["data"] = [group.record.dataset.sha256[:8] for group in groups]
    given["network"] = [group.settings.source_hash for group in groups]
    given = {name: values for name, values in given.items() if len(set(values)) > 1}
    most = {name: Counter(values).most_common(1)[0] for name, values in given.items()}
    usual = {
        name: value
        for name, (value, count) in most.items()
        if value and len(groups) > 2 and count > len(groups) / 2
    }
    settings = [
        {
            name: values[place]
            for name, values in given.items()
            if values[place] not in (None, usual.get(name))
        }
        for place in range(len(groups))
    ]
    return Naming(list(given), usual, settings, _runs(groups))


def usual_in_words(naming):
    """A sentence about what most groups have and their names do not say, if there is such a thing:
    a list.
    """
    return (
        [f"Usual here: {in_words(naming.usual)}; named is what differs from it."]
        if naming.usual
        else []
    )


def shared_in_words(groups):
    """What all groups share of data, epochs, batch size, runs and device, in a line for tables and
    figures; what they do not share is left out, but for the number of runs and of threads.
    """
    datasets = {group.record.dataset.sha256: group.record.dataset for group in groups}
    shared = []
    if len(datasets) == 1:
        (dataset,) = datasets.values()
        shared.append(
            f"{dataset.name} ({dataset.train:,} training, {dataset.validation:,} validation examples)"
        )
    given = {group.settings.epochs for group in groups}
    trained = {run.history.epochs for group in groups for run in group.runs}
    if len(given) == 1:  # fewer, if they were interrupted or stopped early
        shared.append(f"{'up to ' if trained != given else ''}{counted(*given, 'epoch')}")
    sizes = {group.settings.batch_size for group in groups}
    shared += [f"batch size {size}" for size in sizes if len(sizes) == 1]
    counts = sorted({len(group.runs) for group in groups})
    shared.append(
        f"{counts[0]} to {counted(counts[-1], 'run')} each"
        if counts[1:]
        else f"{counted(*counts, 'run')} each"
    )
    devices = sorted({group.device for group in groups})
    common, rests = short_devices(devices)
    if common is not None:
        shared.append(", ".join(filter(None, [common, " or ".join(rests)])))
    elif len(classes := {device.partition(":")[0] for device in devices}) == 1:
        shared += classes
    return ", ".join(shared)


def shared_by_rows(groups):
    """As `shared_in_words`, a sentence for a table."""
    return f"All rows: {shared_in_words(groups)}."


def short_devices(devices):
    """What all devices have in common, None for nothing, and each without it: of the threads of
    one CPU, their number.
    """
    parts = [device.rpartition(", ") for device in devices]
    common = {first for first, *_ in parts}
    return (common.pop(), [last for *_, last in parts]) if len(common) == 1 else (None, devices)


def counted(number, noun):
    """A number and its noun: "1 run", "3 runs"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def in_words(setting):
    """What a group has, as it is called by: "hidden=50,25, dropout=0.5"."""
    return ", ".join(f"{name}={value}" for name, value in setting.items())


def value_in_words(settings, name):
    """A setting as text; None of a net that has none."""
    value = getattr(settings, name)
    if value is None:
        return (
            "none"
            if FLAGS[name].is_for(settings.net) and name not in ("hidden", "threads")
            else None
        )
    return text(value)


def seeds_in_words(group):
    """Its seeds as text: "0-2"."""
    seeds = sorted(group.seeds)
    if len(set(seeds)) == len(seeds) == seeds[-1] - seeds[0] + 1 > 1:
        return f"{seeds[0]}-{seeds[-1]}"
    return ",".join(map(str, seeds))


def _runs(groups):
    # What a sweep appends to its name says the setting once more.
    parts = [
        [first, *(part for part in rest if "=" not in part)]
        for first, *rest in (one.path.split("/") for one in groups)
    ]
    common = len(list(itertools.takewhile(lambda several: len(set(several)) == 1, zip(*parts))))
    names = ["/".join(several[common:] or several[-1:]) for several in parts]
    return names if len(set(names)) > 1 else [""] * len(groups)


def with_names(groups):
    """The groups, each called by its run, where there are several, and by what differs: no two
    alike.

    Parameters
    ----------
    groups : list of Group

    Returns
    -------
    list of Group
    """
    if len(groups) == 1:
        return groups
    naming = naming_of(groups)
    named = []
    for group, run, setting in zip(groups, naming.runs, naming.settings):
        words = in_words(setting) or (USUAL if naming.names else "")
        named.append(group._replace(name=": ".join(filter(None, [run, words])), run=run))
    count = Counter(group.name for group in named)
    return [group if count[group.name] == 1 else group._replace(name=group.path) for group in named]
