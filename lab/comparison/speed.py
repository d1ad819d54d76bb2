"""What devices take for the same training."""

import re
import statistics
from typing import NamedTuple

import numpy as np

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
        first, *others = sorted(by_device, key=_in_order)
        reference = _later_medians(by_device[first])
        for device in [first, *others] if others else []:
            several = by_device[device]
            ratio = None if device == first else _speed_up(_later_medians(several), reference)
            setting = settings.describe(several[0].record.dataset.train)
            speeds.append(Speed(setting, device, several, *_seconds(several), ratio))
    return speeds


def _in_order(name):
    return re.sub(r"\d+", lambda digits: digits[0].zfill(6), name)


def _seconds(groups):
    histories = [run.history for group in groups for run in group.runs]
    fresh = [history for history in histories if history.compiled]
    later = [seconds for history in histories for seconds in history.steady_seconds]
    compiling = [
        history.epoch_seconds[0] - statistics.median(history.steady_seconds)
        for history in fresh
        if history.steady_seconds
    ]
    starts = [one.start_seconds for one in histories if one.start_seconds is not None]
    firsts = [history.epoch_seconds[0] for history in fresh or histories]
    return *map(_median, (starts, firsts, compiling, later)), speed.spread(later)


def _median(values):
    return float(statistics.median(values)) if values else np.nan


def _later_medians(groups):
    """The median later epoch by seed, of runs that have one."""
    medians = {}
    for run in (run for group in groups for run in group.runs):
        if run.history.steady_seconds:
            median = statistics.median(run.history.steady_seconds)
            medians.setdefault(run.settings.seed, []).append(median)
    return {seed: _median(values) for seed, values in medians.items()}


def _speed_up(medians, reference):
    seeds = sorted(set(medians) & set(reference))
    pairs = [(medians[seed], reference[seed]) for seed in seeds]
    if not pairs and medians and reference:  # of other seeds: nothing to pair
        pairs = [(_median(medians.values()), _median(reference.values()))]
    return speed.speed_up(*zip(*pairs)) if pairs else speed.SpeedUp(np.nan)
