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
    paths: list  # of its groups
    start: float  # from the start of TensorFlow to the first epoch, of the runs for which it was started
    first: float  # epoch, of the runs that did not use what an earlier one of their process had compiled
    compiling: float  # the first epoch less the median of the later ones, of the same runs
    later: float  # epoch, of all runs
    spread: float  # of all later epochs, as `metrics.speed.spread`
    speed_up: (
        speed.SpeedUp | None
    )  # against the setting's first device, run by run with the same seed; None of that itself


def speeds_of(groups):
    """What was trained alike on several devices, and how long each took: a list of Speed.

    Devices that differ in their number of threads are two. The first of a setting is the first by
    name, a CPU before a GPU and fewer threads before more: what the others are held against does
    not hang on how they did.
    """
    alike = {}
    for group in groups:
        same = (
            group.settings.replace(device="auto", threads=None, seed=0),
            group.record.dataset.sha256,
        )
        alike.setdefault(same, {}).setdefault(group.device, []).append(group)
    speeds = []
    for (settings, _), by_device in alike.items():
        devices = sorted(by_device, key=_in_order)
        reference = _later_medians(by_device[devices[0]])
        for device in devices if len(devices) > 1 else ():
            several = by_device[device]
            speed_up = (
                None if device == devices[0] else _speed_up(_later_medians(several), reference)
            )
            setting = settings.describe(several[0].record.dataset.train)
            speeds.append(
                Speed(
                    setting, device, [group.path for group in several], *_seconds(several), speed_up
                )
            )
    return speeds


def _in_order(name):
    return re.sub(r"\d+", lambda digits: digits[0].zfill(6), name)


def _seconds(groups):
    histories = [run.history for group in groups for run in group.runs]
    fresh = [one for one in histories if one.compiled]
    later = [seconds for one in histories for seconds in one.steady_seconds]
    compiling = [
        one.epoch_seconds[0] - statistics.median(one.steady_seconds)
        for one in fresh
        if one.steady_seconds
    ]
    starts = [one.start_seconds for one in histories if one.start_seconds is not None]
    firsts = [one.epoch_seconds[0] for one in fresh or histories]
    return *map(_median, (starts, firsts, compiling, later)), speed.spread(later)


def _median(values):
    return float(statistics.median(values)) if values else np.nan


def _later_medians(groups):
    """The median later epoch by seed, of runs that have one."""
    medians = {}
    for run in (run for group in groups for run in group.runs):
        if run.history.steady_seconds:
            medians.setdefault(run.settings.seed, []).append(
                statistics.median(run.history.steady_seconds)
            )
    return {seed: _median(values) for seed, values in medians.items()}


def _speed_up(medians, reference):
    seeds = sorted(set(medians) & set(reference))
    if seeds:
        return speed.speed_up(
            [medians[seed] for seed in seeds], [reference[seed] for seed in seeds]
        )
    if medians and reference:  # of other seeds: nothing to pair
        return speed.speed_up([_median(medians.values())], [_median(reference.values())])
    return speed.SpeedUp(np.nan)
