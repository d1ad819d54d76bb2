"""What runs are called beside each other: by what differs between them."""

import itertools
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from lab import runs
from lab.settings import FLAGS, flag_of, text

LAYERS = ("first layer", "second layer")  # of two hidden ones
USUAL = "usual"  # the setting of a group that has nothing otherwise than most


class Naming(NamedTuple):
    """What tells groups apart: that of a single one is empty."""

    names: tuple = ()  # what differs, as flags call it; "seed" and "data" may be among it
    # Of these, as text, what more than half of the groups have: their settings do not repeat it.
    usual: Mapping = MappingProxyType({})

    @property
    def sentences(self):
        """A sentence about what is usual, if anything is: a list."""
        words = f"Usual here: {in_words(self.usual)}; named is what differs from it."
        return [words] if self.usual else []

    def title(self, words):
        """A table's title, with the name of the one setting whose values its rows give, if there
        is but one.
        """
        return f"{words}, by {self.names[0]}" if len(self.names) == 1 else words

    def cells(self, group):
        """The cells that say which group a row is of: its run, where there are several, and what
        differs.
        """
        if not self.names:
            return {"run": group.name}
        alone = len(self.names) == 1
        words = "".join(group.setting.values()) if alone else in_words(group.setting)
        run = {"run": group.run} if group.run else {}
        return run | {"setting": words or USUAL}


UNNAMED = Naming()  # of a single group


def with_names(groups):
    """The groups, each called by its run, where there are several, and by what differs: no two
    alike.

    Parameters
    ----------
    groups : list of Group

    Returns
    -------
    list of Group
        With their ``name``, ``run``, ``setting`` and ``naming``.
    """
    if len(groups) == 1:
        return groups
    words = _values_that_differ(groups)
    usual = {}
    for name, values in words.items():
        value, count = Counter(values).most_common(1)[0]
        if value and count > len(groups) / 2:
            usual[name] = value
    naming, named = Naming(tuple(words), usual), []
    for index, (group, run) in enumerate(zip(groups, _runs(groups))):
        setting = {}
        for name, values in words.items():
            if values[index] not in (None, usual.get(name)):
                setting[name] = values[index]
        called = in_words(setting) or (USUAL if words else "")
        name = ": ".join(filter(None, [run, called]))
        named.append(replace(group, name=name, run=run, setting=setting, naming=naming))
    count = Counter(group.name for group in named)
    return [group if count[group.name] == 1 else replace(group, name=group.path) for group in named]


def _values_that_differ(groups):
    """What differs between groups: dict of a flag's name to a list of text, None of a net that has
    no such setting.
    """
    words = {
        flag_of(name): [value_in_words(group.settings, name) for group in groups]
        for name in varying(groups)
    }
    # Its kind alone: how many threads is no setting.
    words.setdefault("device", [group.device.partition(":")[0] for group in groups])
    words["seed"] = [seeds_in_words(group) for group in groups]
    if not {"dataset", "holdout", "resize"} & {*words}:  # other data for a reason that is not said
        words["data"] = [group.record.dataset.sha256[:8] for group in groups]
    words["network"] = [group.settings.source_hash for group in groups]
    return {name: values for name, values in words.items() if len(set(values)) > 1}


def varying(groups):
    """The settings in which groups differ, as `runs.differences`, and which do not follow from
    another: a list of names.
    """
    several = [group.settings for group in groups]
    names = []
    for name in runs.differences([group.runs[0] for group in groups]):
        if name in FLAGS and any(getattr(one, name) != one.default(name) for one in several):
            names.append(name)
    return names


def levels_of(groups):
    """What varies between groups: by the name of its flag, the value in each group; of pairs of
    hidden layers each, if not both go together.
    """
    levels = {}
    for name in varying(groups):
        values = [getattr(group.settings, name) for group in groups]
        if name == "hidden" and _are_pairs(values):
            levels |= dict(zip(LAYERS, zip(*values)))
        else:
            levels[flag_of(name)] = values
    return {name: values for name, values in levels.items() if len(set(values)) > 1}


def _are_pairs(hidden):
    """Whether hidden layers are two, of which one may change while the other stays."""
    if {len(units or ()) for units in hidden} != {2}:
        return False
    fewest, most = sorted(len(set(units)) for units in zip(*hidden))
    return fewest == 1 or len(set(hidden)) > most


def shared_in_words(groups):
    """What all groups share of data, epochs, batch size, runs and device, in a line for tables and
    figures; what they do not share is left out, but for the number of runs and of threads.
    """
    data, shared = groups[-1].record.dataset, []
    if {group.record.dataset.sha256 for group in groups} == {data.sha256}:
        examples = f"{data.train:,} training, {data.validation:,} validation examples"
        shared.append(f"{data.name} ({examples})")
    given = {group.settings.epochs for group in groups}
    if len(given) == 1:  # fewer, if they were interrupted or stopped early
        trained = {run.history.epochs for group in groups for run in group.runs}
        shared.append(f"{'up to ' if trained != given else ''}{counted(*given, 'epoch')}")
    size, *others = {group.settings.batch_size for group in groups}
    if not others:
        shared.append(f"batch size {size}")
    counts = [len(group.runs) for group in groups]
    least = "" if min(counts) == max(counts) else f"{min(counts)} to "
    shared.append(f"{least}{counted(max(counts), 'run')} each")
    devices = sorted({group.device for group in groups})
    common, rests = short_devices(devices)
    first, *others = {device.partition(":")[0] for device in devices}
    if common is not None:
        shared += filter(None, [common, " or ".join(rests)])
    elif not others:
        shared.append(first)
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
        unsaid = name in ("hidden", "threads") or not FLAGS[name].is_for(settings.net)
        return None if unsaid else "none"
    return text(value)


def seeds_in_words(group):
    """Its seeds as text: "0-2"."""
    seeds = sorted(group.seeds)
    if len(seeds) > 1 and seeds == [*range(seeds[0], seeds[0] + len(seeds))]:
        return f"{seeds[0]}-{seeds[-1]}"
    return ",".join(map(str, seeds))


def _runs(groups):
    """The run, or the sweep, of each group; empty where it is the same for all."""
    # What a sweep appends to its name, behind "/", says the setting once more.
    parts = [re.sub("/[^/]*=[^/]*", "", group.path).split("/") for group in groups]
    common = len([*itertools.takewhile(lambda several: len(set(several)) == 1, zip(*parts))])
    names = ["/".join(several[common:] or several[-1:]) for several in parts]
    return names if len(set(names)) > 1 else [""] * len(groups)
