"""What a user sees of many runs while they are trained."""

import math
import time

from lab import runs
from lab.console import Bar, duration
from lab.experiments.pace import Pace

PATIENCE = 10  # seconds without a worker, before the user is told
SILENCE = 60  # seconds without a line, where there is no bar
MOST_LINES = 8  # of runs in training


class Display(Bar):
    """A bar, below it the runs in training, and a line for each that ended.

    Where there is no terminal to draw it on, a line now and then takes the place of the bar.

    Parameters
    ----------
    epochs : dict of str to int
        Of each run that is to be trained.
    done : int
        Runs beside these that ended earlier.
    """

    def __init__(self, epochs, done=0):
        super().__init__("starting workers", sum(epochs.values()))
        now = time.monotonic()
        self.epochs, self.pace = epochs, Pace(epochs, now)
        self.total, self.done, self.failed = done + len(epochs), done, 0
        self.faults, self.notes = set(), set()  # that were told
        # What else is to be said of the state, in lines and beside the bar.
        self.note = self.brief = ""
        self.seen = self.said = now  # the last time that there was a worker; that there was a line
        self.since = {}  # name of a run in training, what it does -> when that began

    def running(self, count, told):
        """Show that so many runs are in training, and the Progress, by name, of those whose
        workers have told of it.
        """
        now = time.monotonic()
        if count:
            self.seen = now
        elif now - self.seen > PATIENCE:
            self.seen = math.inf  # said once
            self.say(
                "The cluster has no worker: waiting for one. Do they find the packages, and this "
                "code on PYTHONPATH?"
            )
        self.pace.hear(count, told, now)
        state = (
            f"{self.done} of {self.total} done, {count} running, {self.failed} failed{self.brief}"
        )
        if not count:
            state += "; waiting for a worker"
        done, left = self.pace.done, self.pace.seconds_left
        self.show(done, state, left, self._lines(told, now))
        if not self.drawn and now - self.said >= SILENCE:
            needed = "" if left is None else f", {duration(left)} left"
            self.say(f"{state}; {done:.1f} of {self.pace.total} epochs{needed}")

    def _lines(self, told, now):
        """A line for each run in training, or for some of them."""
        doing = [(name, _doing(progress)) for name, progress in told.items()]
        self.since = {one: self.since.get(one, now) for one in doing}
        lines = []
        for name, what in doing[:MOST_LINES]:
            words = _epoch(told[name], self.epochs[name]) if what == "epoch" else what
            lines.append(f"  {duration(now - self.since[name, what])}  {_short(name)}  {words}")
        if len(told) > MOST_LINES:
            lines.append(f"  and {len(told) - MOST_LINES} more")
        return lines

    def finished(self, name, folder, fault):
        """Show that a run ended, which lies in a folder if it is not at fault."""
        history = None if fault else runs.load(folder).history
        self.pace.end(name, history)
        self.done += 1
        self.failed += bool(fault)
        if fault:
            outcome = f"FAILED: {'as before' if fault in self.faults else fault}"
            self.faults.add(fault)
        else:
            outcome = _last_line(history)
        number = str(self.done).rjust(len(str(self.total)))
        self.say(f"[{number}/{self.total}] {_short(name)}  {outcome}{self.note}")
        for note in history.notes.splitlines() if history else ():
            if note not in self.notes:
                self.say(f"{note}.")
                self.notes.add(note)

    def say(self, line):
        """Print a line."""
        self.said = time.monotonic()
        super().say(line)


def _doing(progress):
    if progress.begun is None:
        return "starting TensorFlow"
    return "epoch" if progress.trained else "compiling"


def _epoch(progress, epochs):
    """The epoch that a run is in, and what the last one gave."""
    accuracy = "" if progress.accuracy is None else f"  val_accuracy {progress.accuracy:.4f}"
    return f"epoch {min(int(progress.done) + 1, epochs)}/{epochs}{accuracy}"


def _short(name):
    """A run's name without what is the same in all: "0.0001, seed=2" of
    "regularizer-strength=0.0001/seed=2".
    """
    swept, _, seed = name.rpartition("/")
    return ", ".join(filter(None, [swept if "/" in swept else swept.partition("=")[2], seed]))


def _last_line(history):
    """What matters of a run in a line: metrics of the validation images, where there are any."""
    final = history.final
    validation = {name: value for name, value in final.items() if name.startswith("val_")}
    parts = [f"{name} {value:.4f}" for name, value in (validation or final).items()]
    if history.status == runs.INTERRUPTED:
        parts.append(f"stopped after {history.epochs} epochs")
    if history.resumed:
        parts.append(f"went on after epoch {history.resumed[-1]}")
    return "  ".join([*parts, f"{history.total_seconds:.1f} s"])
