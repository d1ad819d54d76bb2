"""What a Dask worker does: in its own process it trains one run at a time, straight into the folder
where the run belongs.

This folder, with its lock, its checkpoint and a history that comes last, makes the task safe to
repeat: Dask retries it after the loss of a worker, and the run is resumed. TensorFlow is started
once in a process. So where a run needs it otherwise, or the process has grown too large, the task
asks for the worker to be restarted.
"""

import contextlib
import importlib.util
import os
import pickle
import signal
import threading
from pathlib import Path
from typing import NamedTuple

import distributed
import psutil

from lab import runs
from lab.backend import devices
from lab.data import Arrays, fingerprint, hold_out
from lab.experiments.pace import Progress
from lab.io import environment, signals
from lab.settings import Settings

# The topic of Dask's events by which clients follow their runs: one for all, since a scheduler
# keeps some of each.
EVENTS = "runs"
PATIENCE = 4  # seconds for a chunk, if the run is to stop
# Bytes, of a process that trains different nets: of each, 10 to 20 MB stay, as what XLA compiled.
MOST_GROWTH = 3e8

_alone = threading.Lock()  # of a worker with several threads: a run's seconds are to be its own
_first_size = 0  # bytes of this process after its first run
_latest = None, None  # what `_arrays` gave last, and of what


def dask_setup(dask_worker):
    """What Dask calls in a new worker of this machine: Ctrl-C, which reaches every process of a
    terminal, is for the client.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class Task(NamedTuple):
    """A run that is to be trained."""

    name: str  # within the sweep
    settings: Settings  # of a trial: what all trials have in common
    threads: int  # of a run that has no setting of its own
    output: runs.Output
    # As of `runs.stamp`, a run that it takes the place of; not what an earlier try has left.
    older: tuple | None = None
    asked: tuple | None = None  # of a search: the arguments of `study.Asked`
    worker: int | None = None  # the number of one on this machine, if no other is to train it
    # A file in the folder of the sweep that is there as long as the client wants the run; its name
    # is the client's.
    mark: Path | None = None


def train(code, task, arrays):
    """Train a run.

    Parameters
    ----------
    code : str
        The hash of the client's code: what another made cannot be understood.
    task : bytes
        A pickled `Task`.
    arrays : tuple of arrays
        As `Arrays`.

    Returns
    -------
    dict
        "fault": why it failed, or None. In its place "unfit", why this worker cannot train it;
        "restart", the number of this process, if it has to be restarted first; or "again", if the
        run was broken off.
    """
    global _first_size
    if why := _unfit(code):
        return {"unfit": why}
    task = pickle.loads(task)
    if not (task.mark.exists() and os.access(task.mark.parent, os.W_OK)):
        return {"unfit": f"it cannot write to the folder {task.mark.parent}"}
    environment.settle()
    with _alone, _Reporter(task) as reporter:
        if not reporter.is_wanted():  # after another run, which it has waited for
            return {"again": True}
        try:
            return _train(task, arrays, reporter)
        except signals.Terminated:
            return {"again": True}
        except BaseException as error:  # of this run, not of the others: own networks raise any
            return {"fault": runs.fault_of(error, task.output.folder)}
        finally:
            if devices.running():
                _first_size = _first_size or _size()


def _unfit(code):
    """Why this worker cannot train a run of this code, or None."""
    for name in ("tensorflow", "keras"):
        if importlib.util.find_spec(name) is None:
            return f"it lacks the package {name}"
    return None if runs.code_hash() == code else "it has another version of this code"


def _train(task, arrays, reporter):
    settings, goes_on, asked = task.settings, None, None
    if task.asked:
        from lab.experiments import study  # with Optuna, which takes a second

        asked = study.Asked(*task.asked, task.mark.name)
        if asked.has_ended:  # by an earlier try, whose worker was lost
            return {"fault": None}
        settings, goes_on = asked.settings, asked.may_win
    setup = devices.setup_of(settings, task.threads)
    if outcome := _restart_for(setup):
        return outcome
    devices.start(setup)
    from lab.training.callbacks import News
    from lab.training.run import train_run

    arrays, folder = _arrays(task, arrays, settings.holdout), task.output.folder
    older = asked.older(setup.threads) if asked else task.older
    overwrite = older is not None and runs.stamp(folder) == older
    run = None
    if runs.has_record(folder) and not overwrite:
        run = runs.load_same(folder, settings.replace(threads=setup.threads), fingerprint(arrays))
    if not run or run.state != runs.COMPLETE:  # by an earlier try
        output = task.output._replace(overwrite=overwrite)
        train_run(settings, arrays, output, quiet=True, news=News(reporter.progress, goes_on))
    if asked:
        asked.tell()
    return {"fault": None}


def _size():
    return psutil.Process().memory_info().rss


def _restart_for(setup):
    """What `train` returns if the process is no good for a run of this setup; None if it is."""
    running = devices.running()
    other = running is not None and running.setup != setup
    has_nanny = distributed.get_worker().nanny is not None
    if other and not has_nanny:
        return {"unfit": "it has no nanny, to restart it for other devices or threads"}
    grown = _first_size and _size() > _first_size + MOST_GROWTH
    return {"restart": os.getpid()} if has_nanny and (other or grown) else None


def _arrays(task, sent, holdout):
    """What a run is trained on: the same arrays for the same data of a client, not only equal ones,
    so that training can use what it has compiled.
    """
    global _latest
    what = task.mark, task.settings.data, holdout
    if _latest[0] != what:
        _latest = what, hold_out(Arrays(*sent), holdout)
    return _latest[1]


class _Reporter(threading.Thread):
    """Reports once a second how far a run is, and looks whether the run is still wanted: by its
    client, and by Dask.
    """

    def __init__(self, task):
        super().__init__(daemon=True)
        self.task, self.worker = task, distributed.get_worker()
        self.key = self.worker.get_current_task()
        # In a process that has trained, TensorFlow runs.
        self.latest = Progress(begun=0 if devices.running() else None)
        self.ended, self.unwanted = threading.Event(), threading.Event()
        self.trains = False  # whether it writes to its folder

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *error):
        self.ended.set()

    def progress(self, *latest):
        """Take note of how far the run is: the values of a `Progress`."""
        self.latest, self.trains = Progress(*latest), True
        if self.unwanted.is_set():
            raise signals.Terminated

    def run(self):
        reported = None
        while not self.ended.wait(1):
            if self.latest != reported:
                reported = self.latest
                news = self.task.mark.name, self.worker.address, self.task.name, *reported
                with contextlib.suppress(Exception):  # the worker is closing
                    self.worker.log_event(EVENTS, news)
            if not self.is_wanted():
                self.unwanted.set()
                if not self.ended.wait(PATIENCE):
                    # A chunk takes too long; the folder is not to stay locked by it.
                    if self.trains:
                        runs.unlock(self.task.output.folder)
                    os._exit(1)

    def is_wanted(self):
        """Whether the client and Dask still want the run."""
        state = self.worker.state.tasks.get(self.key)
        executing = state is not None and state.state == "executing"
        up = self.worker.status.name in ("running", "paused")
        try:
            return executing and up and self.task.mark.exists()
        except OSError:  # a shared disk that is not there for a while
            return True
