"""What earlier runs tell of one that is in training."""

import statistics

from lab import runs
from lab.backend import devices
from lab.training import engine

MOST = 50  # runs that are looked at, the latest


def compiling_seconds(settings, results_dir):
    """How long compiling took in the latest run that had the same compiled in, on the device in
    use; None if there is none.

    It is the first epoch less the median of the later ones.
    """
    needed = engine.compiled_in(settings)
    for run in runs.latest(results_dir, MOST):
        history, same_device = run.history, run.history.device == devices.running().name
        timed = same_device and history.compiled and history.steady_seconds
        same_net = (run.settings.net, run.settings.source) == (settings.net, settings.source)
        if timed and same_net and _compiled_in(run, settings) == needed:
            return max(0.0, history.epoch_seconds[0] - statistics.median(history.steady_seconds))
    return None


def _compiled_in(run, settings):
    # On the same device, it does not matter how that was chosen.
    return engine.compiled_in(
        run.settings.replace(device=settings.device, threads=settings.threads)
    )
