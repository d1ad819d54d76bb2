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
from pathlib import Path
from typing import NamedTuple

import distributed
from distributed.worker import thread_state

from lab import runs
from lab.backend import devices
from lab.experiments.pace import Progress
from lab.experiments.trainer import TOLD, Job
from lab.settings import Settings

WAIT = 8  # seconds for a run to be checkpointed
TRIES = 3  # of a run that ends its process
EVENTS = "epochs"  # the topic of Dask's events by which clients are told: one for all, since a scheduler keeps some of each
MOST_GROWTH = 3e8  # bytes, of a process that trains different nets: of each, 10 to 20 MB stay, as what XLA compiled


class Task(NamedTuple):
    """A run that is to be trained."""

    name: str  # within the sweep
    settings: Settings
    setup: devices.Setup
    output: runs.Output
    older: (
        tuple | None
    )  # as of `runs.stamp`, a run that it takes the place of; not what an earlier try has left
    mark: Path  # a file that is there where the output's folder can be reached
    watched: bool  # whether the client is to hear of each epoch; if not, of how far the run is, once a second at most
    client: str  # its id


class Trainer:
    """A process that trains, and what this one knows of it."""

    def __init__(self):
        mine, other = multiprocessing.Pipe()
        # -P: whatever lies in the folder that the command was called from.
        command = [sys.executable, "-P", "-m", "lab.experiments.trainer", str(other.fileno())]
        paths = os.pathsep.join(filter(None, [str(runs.ROOT), os.environ.get("PYTHONPATH")]))
        # A session of its own: Ctrl-C reaches every process of a terminal, but it is for the
        # client to end this one.
        options = {
            "pass_fds": [other.fileno()],
            "stdin": subprocess.DEVNULL,
            "start_new_session": True,
        }
        self.process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": paths}, **options)
        other.close()
        self.connection = mine
        self.data = None  # the name of the arrays that it has
        self.least = None  # its bytes after its first run
        self.told = None  # to end: when
        self.sending = threading.Lock()

    def send(self, *message):
        with self.sending:
            self.connection.send(message)

    def train(self, job, arrays, hear, wanted):
        """Train a run: its files, why it failed, and whether the process has grown too large.

        Raises
        ------
        EOFError
            If the process ends before the run has.
        """
        if self.data != job.data:
            self.send("data", job.data, arrays)
            self.data = job.data
        self.send("train", job)
        asked, told = time.monotonic(), None
        progress = Progress(
            begun=None if self.least is None else 0
        )  # in a process that has trained, TensorFlow runs
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


class _Place:
    """What a worker has: this process may be several workers."""

    def __init__(self):
        self.training = None  # the Trainer of the run that is trained
        self.client = None  # whose run it is, or was last
        self.lock = (
            threading.Lock()
        )  # a worker may have several threads, but a run's seconds are to be its own


_places = collections.defaultdict(_Place)  # by a worker's address
_gone = set()  # clients that want nothing any more
# Trainers that wait for a run, and what TensorFlow was started with in each, the latest last: also
# for the next cluster that this process starts, as a search does.
_idle = []
_lending = threading.Lock()


def _take(setup):
    """A trainer that suits, be it a new one."""
    with _lending:
        for one in reversed(_idle):
            if one[0] == setup:
                _idle.remove(one)
                return one[1]
    return Trainer()


def _give_back(setup, trainer):
    """Keep a trainer for another run: two at a worker, as of two devices that take turns, none is
    to be started anew.
    """
    with _lending:
        _idle.append((setup, trainer))
        working = sum(place.training is not None for place in [*_places.values()])
        while len(_idle) > 2 * (working + 1):
            _idle.pop(0)[1].end()


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
        return _trained(place, task, arrays, (hear, wanted)) if wanted() else {"again": True}


def _unfit(code):
    """Why this worker cannot train a run of this code, or None."""
    missing = [name for name in ("tensorflow", "keras") if importlib.util.find_spec(name) is None]
    if missing:
        return f"it lacks the package {missing[0]}"
    return None if runs.code_hash() == code else "it has another version of this code"


def _trained(place, task, arrays, heard):
    """What `run` returns, by a process that is started if there is none that suits, and again if
    the run ends it.
    """
    data = task.settings.data, task.client
    here = task.mark.exists() and os.access(task.mark.parent, os.W_OK)
    for _ in range(TRIES):
        output = task.output._replace(
            overwrite=here and runs.stamp(task.output.folder) == task.older
        )
        job = Job(task.name, task.settings, data, task.setup, output, here)
        place.training = trainer = _take(task.setup)
        try:
            files, fault, grown = trainer.train(job, arrays, *heard)
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
            _give_back(task.setup, trainer)
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
            ending = [place.training, *(trainer for _, trainer in _idle)]
            if seconds is not None:
                _idle.clear()
        for trainer in filter(None, ending):
            trainer.end(seconds)
