"""How long runs will still take, told from the epochs that are done.

A run begins with what is no epoch: the network is compiled. So epochs are timed from the first
news that something of a run is done, and what else the workers' time went into, but for the start
of TensorFlow, is counted once a run.
"""

from typing import NamedTuple


class Progress(NamedTuple):
    """How far a run is, as its worker tells it."""

    begun: int | None = None  # epochs that it goes on after; None: TensorFlow is being started
    # Epochs, the last of them in part perhaps; as many as begun: it is being compiled.
    done: float = 0.0
    # Of the validation images after the last epoch; None: of a GAN, or not yet known.
    accuracy: float | None = None

    @property
    def trained(self):
        """Epochs since it began."""
        return self.done - (self.begun or 0)


class Pace:
    """What is known of the epochs of some runs.

    Parameters
    ----------
    epochs : dict of str to int
        Of each run that is to be trained.
    now : float
        Seconds on any clock; below, on the same.
    """

    def __init__(self, epochs, now):
        self.total = sum(epochs.values())
        self.left = dict(epochs)  # of runs that have not ended
        self.running = {}  # name -> (Progress, since when)
        # Runs in training, the seconds that all of them took, until when.
        self.count, self.spent, self.now = 0, 0.0, now
        self.most = 1  # runs that were in training at a time
        self.timed, self.seconds = 0.0, 0.0  # epochs, and what they took
        self.ended, self.planned, self.trained = 0, 0, 0  # runs; of those that did not fail, epochs

    def hear(self, count, running, now):
        """Take note that so many runs are in training, and of the Progress, by name, of those that
        have told of it.
        """
        # Once a process, not once a run.
        starting = sum(progress.begun is None for progress, _ in self.running.values())
        self.spent += max(0, self.count - starting) * (now - self.now)
        self.count, self.now, self.most = count, now, max(self.most, count)
        before, self.running = self.running, {}
        for name, progress in running.items():
            old, since = before.get(name, (None, now))
            if old and old.trained and progress.done > old.done:
                self.timed += progress.done - old.done
                self.seconds += now - since
            self.running[name] = progress, since if progress == old else now

    def end(self, name, history=None):
        """Take note that a run ended; with its `runs.History`, if it did not fail."""
        planned = self.left.pop(name, 0)
        self.running.pop(name, None)
        self.ended += 1
        if history:
            begun, steady = max(history.resumed, default=0), history.steady_seconds
            self.planned += planned - begun
            self.trained += history.epochs - begun
            self.timed += len(steady)
            self.seconds += sum(steady)

    @property
    def done(self):
        """Epochs that are done, or not needed any more."""
        running = sum(progress.done for progress, _ in self.running.values())
        return self.total - sum(self.left.values()) + running

    @property
    def seconds_left(self):
        """Seconds until all runs have ended; None as long as no epoch is known, nor two parts of
        one.
        """
        known = self._seconds()
        if known is None:
            return None
        epoch, start, new = known
        running = [
            max(0.0, self.left.get(name, 0) - progress.done)
            for name, (progress, _) in self.running.items()
        ]
        waiting = [epochs for name, epochs in self.left.items() if name not in self.running]
        # Of a run's epochs: some stop early.
        needed = self.trained / self.planned if self.planned else 1.0
        starts = start * len(waiting) + sum(max(0.0, start - seconds) for seconds in new)
        work = epoch * (sum(running) + needed * sum(waiting)) + starts
        return max(work / max(1, self.count), epoch * max(running, default=0.0))

    def seconds_of(self, runs, epochs):
        """Seconds that so many other runs take, of so many epochs, side by side as these were;
        None as `seconds_left`.
        """
        known = self._seconds()
        if known is None:
            return None
        epoch, start, _ = known
        return runs * (start + epoch * epochs) / min(self.most, max(1, runs))

    def _seconds(self):
        """Of an epoch, and of what goes before the first one; and those that runs have taken so
        far of which nothing is done; None as long as no epoch is known.
        """
        trained = self.trained + sum(progress.trained for progress, _ in self.running.values())
        if not self.timed and trained < 1:  # the first part of an epoch contains the compiling
            return None
        epoch = self.seconds / self.timed if self.timed else self.spent / trained
        new = [
            self.now - since if one.begun is not None else 0.0
            for one, since in self.running.values()
            if not one.trained
        ]
        compiled = max(1, self.ended + len(self.running) - len(new))
        start = max(0.0, self.spent - sum(new) - epoch * trained) / compiled
        return epoch, start, new
