"""The process that trains runs for a Dask worker, one after the other, and everything of a run but
its scheduling.

The worker itself stays small and never imports TensorFlow: so Dask does not pause it for its
memory, and this process can be ended and started anew where a run needs TensorFlow otherwise,
where memory has grown, or where a run has ended it. If the worker is gone, or says so by SIGTERM,
the run in training is checkpointed and this process ends.
"""

import contextlib
import functools
import os
import queue
import signal
import sys
import tempfile
import threading
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import psutil

from lab import runs
from lab.backend import devices
from lab.data import Arrays, hold_out
from lab.io import signals
from lab.settings import Settings


class Job(NamedTuple):
    """A run to be trained."""

    name: str  # within the sweep
    settings: Settings
    data: tuple  # names arrays that were sent before
    setup: devices.Setup
    output: runs.Output
    here: bool  # whether the output's folder is to be written to; if not, the files are sent back


TOLD = 128 + signal.SIGTERM  # the status with which this process ends if it is told to
_data = {}  # the arrays that were sent last, by name
_stopped = set()  # names of runs that are not to go on


def main(descriptor):
    """Train what comes through a connection, until its other end is closed."""
    connection, jobs = Connection(descriptor), queue.SimpleQueue()
    signals.take_sigterm()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is for the client
    try:
        threading.Thread(target=_receive, args=(connection, jobs), daemon=True).start()
        while True:
            job = jobs.get()
            files, fault = _train(job, functools.partial(_tell, connection))
            connection.send(("ended", files, fault, psutil.Process().memory_info().rss))
    except (signals.Terminated, OSError):  # OSError: nobody listens any more
        pass


def _tell(connection, *message):
    """Tell of a run.

    If nobody listens any more, that is no fault of the run: `_receive` will have it checkpointed.
    """
    with contextlib.suppress(OSError):
        connection.send(message)


def _receive(connection, jobs):
    """Take what comes, also while a run is trained."""
    while True:
        try:
            kind, *content = connection.recv()
        except (EOFError, OSError):
            if (
                signal.getsignal(signal.SIGTERM) != signal.SIG_DFL
            ):  # a second signal would end a run that is being checkpointed
                os.kill(os.getpid(), signal.SIGTERM)
            return
        except Exception:  # nobody would ever come back to it
            traceback.print_exc()
            os._exit(1)
        if kind == "data":
            _data.clear()
            _data.update([content])
        elif kind == "stop":
            _stopped.update(content)
        else:
            jobs.put(*content)


def _train(job, send):
    """The files of a run that are to be sent back, and why it failed, or None."""
    with contextlib.nullcontext() if job.here else tempfile.TemporaryDirectory() as parent:
        output = job.output if job.here else job.output._replace(folder=Path(parent, "run"))
        fault = None
        try:
            devices.start(job.setup)
            from lab.training.callbacks import News
            from lab.training.run import train_run

            _stopped.discard(job.name)  # of an earlier search
            goes_on = functools.partial(_goes_on, job, functools.partial(send, "epoch"))
            news = News(functools.partial(send, "progress"), goes_on)
            arrays = _arrays(job.data, job.settings.holdout)
            train_run(job.settings, arrays, output, quiet=True, news=news)
        except signals.Terminated:
            raise
        except BaseException as error:  # a fault of this run, not of the others: a network of the user's own may raise any
            fault = runs.fault_of(error, output.folder)
        if not job.here:
            return runs.read_files(output.folder), fault
        history = output.folder / runs.File.HISTORY
        return {runs.File.HISTORY.value: history.read_bytes()} if history.exists() else {}, fault


@functools.lru_cache(
    maxsize=1
)  # the same arrays again, not only equal ones, let training use what it has compiled
def _arrays(name, holdout):
    return hold_out(Arrays(*_data[name]), holdout)


def _goes_on(job, tell, parameters, epoch, logs):
    """Tell of an epoch; whether there is to be another."""
    tell(parameters, epoch, logs.get("val_accuracy"))
    return job.name not in _stopped or epoch + 1 == job.settings.epochs


if __name__ == "__main__":
    main(int(sys.argv[1]))
    os._exit(
        TOLD
    )  # at once: another SIGTERM may come, and TensorFlow takes a second to tidy up what is gone anyway
