"""What runs on a Dask worker: it has runs trained, one at a time, by a process of its own
(`trainer`).
"""

import collections
import contextlib
import importlib.util
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time

import distributed
from distributed.worker import thread_state

from lab import runs
from lab.experiments.pace import Progress
from lab.experiments.trainer import TOLD

WAIT = 8  # seconds for a run to be checkpointed
TRIES = 3  # of a run that ends its process
# The topic of Dask's events by which clients are told: one for all, since a scheduler keeps some of
# each.
EVENTS = "epochs"
# Bytes, of a process that trains different nets: of each, 10 to 20 MB stay, as what XLA compiled.
MOST_GROWTH = 3e8


class Trainer:
    """A process that trains, and what this one knows of it."""

    def __init__(self):
        mine, other = multiprocessing.Pipe()
        # -P: whatever lies in the folder that the command was called from.
        command = [sys.executable, "-P", "-m", "lab.experiments.trainer", str(other.fileno())]
        paths = os.pathsep.join(filter(None, [str(runs.ROOT), os.environ.get("PYTHONPATH")]))
        self.process = subprocess.Popen(
            command,
            env=os.environ | {"PYTHONPATH": paths},
            pass_fds=[other.fileno()],
            stdin=subprocess.DEVNULL,
            # Ctrl-C reaches every process of a terminal, but it is for the client to end this one.
            start_new_session=True,
        )
        other.close()
        self.connection = mine
        self.setup = None  # what TensorFlow was started with in it
        self.data = None  # the name of the arrays that it has
        self.least = None  # its bytes after its first run
        self.told = None  # to end: when
        self.sending = threading.Lock()

    def send(self, *message):
        with self.sending:
            self.connection.send(message)

    def train(self, task, arrays, hear, wanted):
        """Train a run: its files, why it failed, and whether the process has grown too large.

        Raises
        ------
        EOFError
            If the process ends before the run has.
        """
        self.setup = task.setup
        if self.data != task.data:
            self.send("data", task.data, arrays)
            self.data = task.data
        self.send("train", task)
        asked, told = time.monotonic(), None
        # In a process that has trained, TensorFlow runs.
        progress = Progress(begun=None if self.least is None else 0)
        while True:
            heard = self.connection.poll(1)
            if time.monotonic() > asked + 1:
                asked = time.monotonic()
                if not wanted():
                    self.end()
                if progress != told:
                    hear("progress", *progress)
                    told = progress
            if not heard:
                continue
            kind, *content = self.connection.recv()
            if kind == "ended":
                files, fault, size = content
                self.least = self.least or size
                return files, fault, size > self.least + MOST_GROWTH
            if kind == "epoch":
                _, epoch, accuracy = content
                progress = progress._replace(done=epoch + 1, accuracy=accuracy)
                hear("epoch", *content)
            else:
                begun, done = content
                progress = progress._replace(begun=begun, done=done)

    def end(self, seconds=None):
        """Have the run checkpointed, if there is one, and the process ended; wait for it if so
        many seconds are given.
        """
        if self.told is None:  # a second time, it would end at once
            self.told = time.monotonic()
            self.process.send_signal(signal.SIGTERM)
        elif time.monotonic() > self.told + WAIT:
            self.process.kill()
        if seconds is not None:
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()


class Place:
    """What a worker has: this process may be several workers."""

    def __init__(self):
        self.training = None  # the Trainer of the run that is trained
        self.client = None  # whose run it is, or was last
        # A worker may have several threads, but a run's seconds are to be its own.
        self.lock = threading.Lock()


_places = collections.defaultdict(Place)  # by a worker's address
_gone = set()  # clients that want nothing any more
# Trainers that wait for a run, the latest last: also for the next cluster that this process
# starts, as a search does.
_idle = []
_lending = threading.Lock()


def _take(setup):
    """A trainer that suits, be it a new one."""
    with _lending:
        for trainer in reversed(_idle):
            if trainer.setup == setup:
                _idle.remove(trainer)
                return trainer
    return Trainer()


def _give_back(trainer):
    """Keep a trainer for another run: two at a worker, as of two devices that take turns, none is
    to be started anew.
    """
    with _lending:
        _idle.append(trainer)
        working = sum(place.training is not None for place in [*_places.values()])
        while len(_idle) > 2 * (working + 1):
            _idle.pop(0).end()


def run(code, task, arrays):
    """Have a run trained.

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
        "files", as `runs.read_files` gives them, or of a run that was written where it belongs,
        its history alone; and "fault", why it failed, or None. In their place "unfit", why this
        worker cannot train it, or "again", if it was broken off.
    """
    if why := _unfit(code):
        return {"unfit": why}
    task = pickle.loads(task)
    worker, key = distributed.get_worker(), thread_state.key

    def wanted():
        return (
            task.client not in _gone
            and getattr(worker.state.tasks.get(key), "state", None) == "executing"
        )

    def hear(kind, *content):
        if task.watched or kind != "epoch":
            worker.log_event(EVENTS, (task.client, worker.address, task.name, kind, *content))

    place = _places[worker.address]
    with place.lock:
        place.client = task.client
        return train_task(place, task, arrays, (hear, wanted)) if wanted() else {"again": True}


def _unfit(code):
    """Why this worker cannot train a run of this code, or None."""
    for name in ("tensorflow", "keras"):
        if importlib.util.find_spec(name) is None:
            return f"it lacks the package {name}"
    return None if runs.code_hash() == code else "it has another version of this code"


def train_task(place, task, arrays, heard):
    """What `run` returns, by a process that is started if there is none that suits, and again if
    the run ends it.

    Parameters
    ----------
    place : Place
    task : Task
    arrays : tuple of arrays
    heard : (function, function)
        As of `Trainer.train`.
    """
    here = task.mark.exists() and os.access(task.mark.parent, os.W_OK)
    for _ in range(TRIES):
        overwrite = here and runs.stamp(task.output.folder) == task.older
        task = task._replace(output=task.output._replace(overwrite=overwrite), here=here)
        place.training = trainer = _take(task.setup)
        try:
            files, fault, grown = trainer.train(task, arrays, *heard)
        except (EOFError, OSError):
            status = trainer.process.wait()
            if status == TOLD or not heard[1]():
                return {"again": True}
            continue
        finally:
            place.training = None
        if grown:
            trainer.end()
        else:
            _give_back(trainer)
        return {"files": files, "fault": fault}
    why = ": for lack of memory, perhaps" if status else ""
    return {"files": {}, "fault": f"its process died {TRIES} times, with status {status}{why}"}


def stop(name, dask_worker):
    """Let a run end with the epoch that it is in."""
    with contextlib.suppress(AttributeError, OSError):  # it has ended
        _places[dask_worker.address].training.send("stop", name)


def end(client, seconds, dask_worker):
    """Have what a client's run needs to go on written, and its process ended, as those that are
    idle; wait so many seconds.
    """
    _gone.add(client)
    place = _places[dask_worker.address]
    if place.client == client:
        with _lending:
            ending = [place.training, *_idle]
            if seconds is not None:
                _idle.clear()
        for trainer in filter(None, ending):
            trainer.end(seconds)
