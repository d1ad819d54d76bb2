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


class Task(NamedTuple):
    """A run that is to be trained."""

    name: str  # within the sweep
    settings: Settings
    setup: devices.Setup
    output: runs.Output
    # As of `runs.stamp`, a run that it takes the place of; not what an earlier try has left.
    older: tuple | None
    mark: Path  # a file that is there where the output's folder can be reached
    # Whether the client is to hear of each epoch; if not, of how far the run is, once a second at
    # most.
    watched: bool
    client: str  # its id
    here: bool = False  # whether the output's folder is written to; if not, files are sent back

    @property
    def data(self):
        """The name of its arrays."""
        return self.settings.data, self.client


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
            files, fault = _train(jobs.get(), functools.partial(_tell, connection))
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
            # A second signal would end a run that is being checkpointed.
            if signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
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


def _train(task, send):
    """The files of a run that are to be sent back, and why it failed, or None."""
    with contextlib.nullcontext() if task.here else tempfile.TemporaryDirectory() as parent:
        output = task.output if task.here else task.output._replace(folder=Path(parent, "run"))
        fault = None
        try:
            devices.start(task.setup)
            from lab.training.callbacks import News
            from lab.training.run import train_run

            _stopped.discard(task.name)  # of an earlier search
            watch = functools.partial(goes_on, task, functools.partial(send, "epoch"))
            news = News(functools.partial(send, "progress"), watch)
            arrays = _arrays(task.data, task.settings.holdout)
            train_run(task.settings, arrays, output, quiet=True, news=news)
        except signals.Terminated:
            raise
        except BaseException as error:  # of this run, not of the others: own networks raise any
            fault = runs.fault_of(error, output.folder)
        if not task.here:
            return runs.read_files(output.folder), fault
        history = output.folder / runs.File.HISTORY
        files = {history.name: history.read_bytes()} if history.exists() else {}
        return files, fault


# The same arrays again, not only equal ones, let training use what it has compiled.
@functools.lru_cache(maxsize=1)
def _arrays(name, holdout):
    return hold_out(Arrays(*_data[name]), holdout)


def goes_on(task, tell, parameters, epoch, logs):
    """Tell of an epoch; whether there is to be another.

    Parameters
    ----------
    task : Task
    tell : function
        Called with the parameters, the epoch and the validation accuracy.
    parameters : int
    epoch : int
        From 0.
    logs : dict of str to float
    """
    tell(parameters, epoch, logs.get("val_accuracy"))
    return task.name not in _stopped or epoch + 1 == task.settings.epochs


if __name__ == "__main__":
    main(int(sys.argv[1]))
    # At once: another SIGTERM may come, and TensorFlow takes a second to tidy up what is gone.
    os._exit(TOLD)
