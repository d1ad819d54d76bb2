"""What devices take for the same training."""

import re
from typing import NamedTuple

import pandas

from lab.metrics import speed


class Speed(NamedTuple):
    """What a device took for one setting.

    Seconds are medians over repeats; NaN is what is not known.
    """

    setting: str
    device: str
    groups: list  # that it is of
    # From the start of TensorFlow to the first epoch, of the runs for which it was started.
    start: float
    # The first epoch, of the runs that did not use what an earlier one of their process had
    # compiled; and that less the median of the later ones, of the same runs.
    first: float
    compiling: float
    later: float  # epoch, of all runs
    spread: float  # of all later epochs, as `metrics.speed.spread`
    # Against the setting's first device, run by run with the same seed; None of that itself.
    speed_up: speed.SpeedUp | None


def speeds_of(groups):
    """What was trained alike on several devices, and how long each took: a list of Speed.

    Devices that differ in their number of threads are two. The first of a setting is the first by
    name, a CPU before a GPU and fewer threads before more: what the others are held against does
    not hang on how they did.
    """
    alike = {}
    for group in groups:
        settings = group.settings.replace(device="auto", threads=None, seed=0)
        same = settings, group.record.dataset.sha256
        alike.setdefault(same, {}).setdefault(group.device, []).append(group)
    speeds = []
    for (settings, _), by_device in alike.items():
        if len(by_device) < 2:
            continue
        first, *_ = devices = sorted(by_device, key=_in_order)
        setting = settings.describe(by_device[first][0].record.dataset.train)
        for device in devices:
            several = by_device[device]
            ratio = None if device == first else _speed_up(several, by_device[first])
            speeds.append(Speed(setting, device, several, *_seconds(several), ratio))
    return speeds


def _in_order(name):
    return re.sub(r"\d+", lambda digits: digits[0].zfill(6), name)


def _seconds(groups):
    histories = [run.history for group in groups for run in group.runs]
    fresh = [history for history in histories if history.compiled]
    starts = [history.start_seconds for history in histories]
    firsts = [history.epoch_seconds[0] for history in fresh or histories]
    later = [seconds for history in histories for seconds in history.steady_seconds]
    compiling = [one.epoch_seconds[0] - _median(one.steady_seconds) for one in fresh]
    return *map(_median, (starts, firsts, compiling, later)), speed.spread(later)


def _median(values):
    """The median of what is known; NaN if nothing is."""
    return float(pandas.Series(values, dtype=float).median())


def _later_medians(groups):
    """The median later epoch by seed, of runs that have one: pandas.Series."""
    members = [run for group in groups for run in group.runs]
    medians = [_median(run.history.steady_seconds) for run in members]
    seeds = [run.settings.seed for run in members]
    return pandas.Series(medians, seeds).groupby(level=0).median().dropna()


def _speed_up(groups, reference):
    ours, theirs = _later_medians(groups), _later_medians(reference)
    pairs = pandas.concat([ours, theirs], axis=1, join="inner").to_numpy()
    if not len(pairs):  # of other seeds: nothing to pair
        pairs = [(_median(ours), _median(theirs))]
    return speed.speed_up(*zip(*pairs))
