"""Training on Dask workers: processes of this machine, or machines of their own.

The client sends the workers each data set once, and then one run at a time, which the worker
writes where it belongs. So workers need no data, but the same packages, this repository on their
``PYTHONPATH``, and the results folder under the same path. The client never imports TensorFlow.
"""

import asyncio
import collections
import contextlib
import logging
import math
import pickle
import queue
import re
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import NamedTuple

from lab import runs
from lab.backend import devices
from lab.console import say
from lab.io import signals
from lab.io.environment import variable
from lab.io.words import first_line
from lab.settings import UserError

try:
    import dask
    import distributed
except ImportError:
    raise
except Exception as error:  # while they are imported, they read the user's configuration
    raise UserError(
        f"Dask's configuration cannot be read ({first_line(error)}): mend what is in "
        "~/.config/dask or in variables that begin with DASK_"
    ) from error

from lab.experiments import worker
from lab.experiments.pace import Progress

_MARK = re.compile(r"\.Client-(worker-)?[0-9a-f-]{36}")  # the name of a client's mark
ANSWER_WITHIN = 10  # seconds, a scheduler
SILENT = 30  # seconds, one that has answered before
GONE = 60  # seconds, a worker of this machine that is restarted
ENDING = 6  # seconds for the runs in training to be checkpointed
# Of a scheduler and workers that are started here, whatever the user's configuration says.
_LOCAL = {
    "distributed.admin.system-monitor.interval": "5s",  # each wakes a process that trains
    "distributed.admin.tick.interval": "1s",
    # Dask looks 15 s after a worker's death whether it is back, and ends its nanny if it is being
    # restarted just then, after another death.
    "distributed.deploy.lost-worker-timeout": "1000 days",
    "distributed.scheduler.allowed-failures": 1,  # of a run whose worker died
    "distributed.scheduler.active-memory-manager.start": False,  # each worker is to keep the data
    "distributed.scheduler.idle-timeout": None,
    "distributed.scheduler.no-workers-timeout": None,
    "distributed.scheduler.work-stealing": False,
    "distributed.worker.lifetime.duration": None,
    "distributed.worker.memory.terminate": 0.95,  # the process is restarted, and the run resumed
    "distributed.worker.memory.monitor-interval": "1s",
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.multiprocessing-method": "spawn",
    "distributed.worker.profile.enabled": False,
    "distributed.nanny.pre-spawn-environ": {},  # which would have malloc give memory back too soon
}


class Machines(NamedTuple):
    """What trains."""

    workers: int  # processes on this machine
    threads: int  # of a run that has no setting of its own
    scheduler: str | None  # address of a running cluster's
    # Of a number of workers that are needed on this machine: a client of them, or of the cluster.
    client_for: Callable[[int], distributed.Client]


@contextlib.contextmanager
def machines(scheduler=None, workers=None):
    """The machines of a command: its workers are started when they are needed, and end with it.

    Parameters
    ----------
    scheduler : str, optional
        Address of a running Dask cluster's scheduler, as in "tcp://node1:8786".
    workers : int, optional
        Processes on this machine, where there is no scheduler (default: one a core).

    Yields
    ------
    Machines

    Raises
    ------
    UserError
        If so many cannot be started; from ``client_for``, if the scheduler does not answer.
    """
    count, clients = _worker_count(scheduler, workers), []
    # Together, as many threads as there are cores.
    threads = 1 if scheduler else max(1, devices.cores() // count)
    for logger in ("distributed", "distributed.client"):
        # What matters to the user, we say ourselves.
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    timeout = {"distributed.comm.timeouts.connect": ANSWER_WITHIN}
    with contextlib.ExitStack() as stack, dask.config.set(timeout):

        def client_for(needed):
            if not clients:
                memory = distributed.system.MEMORY_LIMIT // max(count, needed)
                found = scheduler or _local_cluster(needed, memory, stack)
                clients.append(_connected(found, stack))
            (client,) = clients
            if client.cluster and needed > len(client.cluster.workers):
                client.cluster.scale(needed)
            return client

        yield Machines(count, threads, scheduler, client_for)


def _worker_count(scheduler, workers):
    most = max(8, 4 * devices.cores())
    if workers is None:
        return devices.cores()
    if scheduler is not None:
        raise UserError(
            "--workers is for this machine, --scheduler for a cluster, which has workers of its "
            "own: use one of them"
        )
    if not 1 <= workers <= most:
        raise UserError(
            "workers must be a whole number of at least 1 and, on this machine, at most "
            f"{most}, got {workers}"
        )
    return workers


def _local_cluster(workers, memory, stack):
    """A cluster of so many workers with so many bytes each, that is closed with the stack."""
    stack.enter_context(dask.config.set(_LOCAL))
    # In them, whatever lies in the current folder is not to hide a package.
    stack.enter_context(variable("PYTHONSAFEPATH", "1"))
    try:
        started = distributed.LocalCluster(
            n_workers=workers,
            memory_limit=memory,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
            preload=worker.__name__,
        )
    except Exception as error:  # no port, no room for Dask's own files, another limit
        raise UserError(f"no workers can be started here: {first_line(error)}") from error
    stack.callback(_close, started)
    return started


def _connected(scheduler, stack):
    """A client of a local cluster, or of the one with this address, that is closed with the
    stack.
    """
    try:
        if isinstance(scheduler, str):
            asyncio.run(_ask(scheduler))
        client = distributed.Client(scheduler, timeout=ANSWER_WITHIN)
    except Exception as error:  # what answers there may be anything
        ask = "is it running, and its address right?"
        if re.search("tls|encryption", f"{scheduler} {error}", re.IGNORECASE):
            ask += (
                " Are the certificates in Dask's configuration those of the cluster "
                "(docs/cluster.md, Security)?"
            )
        raise UserError(f"no Dask scheduler answers at {scheduler}: {ask}") from error
    stack.callback(_close, client)
    return client


async def _ask(address):
    """Let a scheduler say that it is there: a client would wait for ever for one that takes
    connections and says nothing.
    """
    certificates = distributed.Security().get_connection_args("client")
    connection = distributed.comm.connect(address, timeout=ANSWER_WITHIN, **certificates)
    (await asyncio.wait_for(connection, ANSWER_WITHIN)).abort()


def _close(part):
    with signals.ignored():
        part.close()


def train_on_workers(client, folder, tasks, data, report, most=None):
    """Train runs on a cluster, and give back each as it ends.

    Parameters
    ----------
    client : distributed.Client
    folder : Path
        Of the sweep, which exists.
    tasks : iterable of worker.Task
        No more of them are taken than can be trained soon.
    data : dict of str to Arrays
        As of `Settings.data`, holdout not applied.
    report : function
        Called at least every second with the number of runs in training, and the Progress, by
        name, of those whose workers have told of it.
    most : int, optional
        Runs at a time (default: each worker trains one, and another waits there).

    Yields
    ------
    name : str
    fault : str or None
        Why it failed.

    Raises
    ------
    UserError
        If the cluster is not fit for it, or is lost.
    """
    mark = folder.absolute() / f".{client.id}"
    for left in folder.glob(".Client-*"):  # by a client that was killed
        if left.is_file() and _MARK.fullmatch(left.name):
            left.unlink()
    submitted, tasks, seen = _Submitted(client, data, mark), iter(tasks), time.monotonic()
    try:
        mark.touch()
        while True:
            workers = submitted.workers()
            seen = time.monotonic() if workers else seen
            if client.cluster and time.monotonic() > seen + GONE:
                raise UserError(
                    "the workers on this machine have ended and do not come back; what is done is "
                    "saved, the same command does the rest"
                )
            at_once = most or max(1, submitted.ahead * len(workers))
            while len(submitted.pending) < at_once:
                task = submitted.retries.popleft() if submitted.retries else next(tasks, None)
                if task is None:
                    break
                submitted.add(task)
            yield from submitted.outcomes  # when others have taken their place
            submitted.outcomes.clear()
            if not submitted.pending:
                return
            report(min(len(workers), len(submitted.pending)), submitted.progress(workers))
            submitted.wait(0.25)
    finally:
        with signals.ignored():
            mark.unlink(missing_ok=True)
            submitted.let_end()


def _task():
    """What a worker is to call. It and its arguments can be read without this package, which the
    scheduler need not have.
    """

    def train_run(code, task, arrays):
        import distributed

        address = distributed.get_worker().address
        try:
            from lab.experiments import worker

            return address, worker.train(code, task, arrays)
        except ImportError as error:
            return address, {"unfit": str(error)}

    return train_run


class _Submitted:
    """The runs that the cluster has been asked for, and has not given back yet."""

    def __init__(self, client, data, mark):
        self.client, self.mark = client, mark
        self.call = _task(), runs.code_hash()
        with warnings.catch_warnings(action="ignore"):  # of their size
            self.data = {name: client.submit(tuple, list(data[name]), pure=False) for name in data}
        # To workers of this machine; to wait for others might take long.
        if client.cluster is not None:
            # Or the first runs would all go to the worker that has it.
            client.replicate(list(self.data.values()))
        self.pending = {}  # future -> its task
        self.retries = collections.deque()  # tasks to be asked for again
        self.outcomes = []  # the names of runs that ended, and their faults
        self.ahead, self.suspects = 2, set()  # runs a worker; names of runs that killed workers
        self.ended = queue.SimpleQueue()  # of futures
        self.events = queue.SimpleQueue()  # of what workers report
        client.subscribe_topic(worker.EVENTS, lambda event: self.events.put(event[1]))
        self.running = {}  # name of a run -> (address of its worker, Progress)
        self.left_out = {}  # address of a worker -> why
        self.fit_seen = -math.inf  # when a worker was last known to be fit
        self.restarted = set()  # addresses of workers, and numbers of their processes

    def add(self, task):
        """Ask for a run."""
        fit = task.worker
        if self.left_out:
            fit = [address for address in self.workers() if address not in self.left_out]
        asked = pickle.dumps(task._replace(mark=self.mark))
        call = *self.call, asked, self.data[task.settings.data]
        # Where none of them is left, one that was left out says so again.
        others = bool(self.left_out and fit)
        future = self.client.submit(
            *call, pure=False, workers=fit, allow_other_workers=others, fifo_timeout=0
        )
        self.pending[future] = task
        future.add_done_callback(self.ended.put)

    def workers(self):
        """The addresses of the workers that there are."""
        client = self.client
        try:
            return list(client.sync(client.scheduler.ncores, callback_timeout=SILENT))
        except (OSError, CancelledError, AttributeError) as error:  # also of time
            raise UserError(
                "the cluster's scheduler is gone; what is done is saved, the same command does the "
                "rest"
            ) from error

    def wait(self, seconds):
        """Wait so long for a run to end."""
        with contextlib.suppress(queue.Empty):
            self._take(self.ended.get(timeout=seconds))

    def progress(self, workers):
        """The Progress, by name, of those of these runs that one of these workers trains."""
        while not self.events.empty():
            client, address, name, *progress = self.events.get()
            if client == self.mark.name:
                self.running[name] = address, Progress(*progress)
        names = {task.name for task in self.pending.values()}
        self.running = {
            name: told
            for name, told in self.running.items()
            if name in names and told[0] in workers
        }
        return {name: progress for name, (_, progress) in self.running.items()}

    def _take(self, future):
        """Take note of how a run ended, or ask for it again, of another worker perhaps."""
        task, outcome, address = self.pending.pop(future), {}, None
        try:
            address, outcome = future.result(timeout=SILENT)
        except CancelledError:
            self.workers()  # says so, if the scheduler is gone
            if any(sent.cancelled() for sent in self.data.values()):
                raise UserError(
                    "the cluster's scheduler has forgotten these runs; what is done is saved, the "
                    "same command does the rest"
                ) from None
        except distributed.KilledWorker as error:
            # Or it was waiting behind the run that did: once more, where no other one waits.
            self.ahead = 1
            if task.name in self.suspects:
                deaths = 2 * (error.allowed_failures + 1)
                why = "for lack of memory or time, perhaps"
                outcome["fault"] = f"its worker's process died {deaths} times: {why}"
            self.suspects.add(task.name)
        except Exception as error:
            if future.status != "error":  # it has ended, and could not be asked for its result
                self.workers()
            else:  # it is a fault of this run, not of the others
                outcome["fault"] = f"{type(error).__name__}: {' '.join(str(error).split())}"
        future.release()
        if "fault" in outcome:
            self.outcomes.append((task.name, outcome["fault"]))
            self.fit_seen = time.monotonic()
        else:
            self.retries.append(task)
        if "unfit" in outcome:
            self._leave_out(address, outcome["unfit"])
        if "restart" in outcome:
            self._restart(address, outcome["restart"])

    def _leave_out(self, address, why):
        if address not in self.left_out:
            self.left_out[address] = why
            say(f"The worker {address} is left out: {why}.")
        if set(self.workers()) - set(self.left_out):
            self.fit_seen = time.monotonic()
        elif time.monotonic() < self.fit_seen + GONE:  # one that is restarted, perhaps
            time.sleep(0.25)
        else:
            raise UserError(
                f"no worker is fit, the last since {why}: start workers with the packages of "
                "requirements.txt, with this repository on PYTHONPATH, and where they see the "
                "results folder"
            )

    def _restart(self, *process):
        """Have a worker's process restarted, by its address and number, once."""

        def restart():
            with contextlib.suppress(Exception):  # it has gone by itself
                self.client.restart_workers([process[0]], timeout=GONE, raise_for_error=False)

        if process not in self.restarted:
            self.restarted.add(process)
            threading.Thread(target=restart, daemon=True).start()  # others go on meanwhile

    def let_end(self):
        """Wait until the runs that are left have been checkpointed."""
        if self.pending:
            with contextlib.suppress(Exception):  # the scheduler may be gone
                distributed.wait(list(self.pending), timeout=ENDING)
