"""Training on a Dask cluster: the cores of this machine, or machines of their own.

The client sends each worker the data set once and then one run at a time; a worker trains in a folder of its own and returns
the run's files, which the client writes. So workers need neither data nor the results folder, only the same packages and this
repository on their ``PYTHONPATH``. The client never imports TensorFlow.
"""

import contextlib
import functools
import logging
import pickle
import queue
import signal
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from pathlib import Path
from typing import NamedTuple

import dask
import distributed
from distributed.scheduler import KilledWorker

from lab import runs
from lab.backend import devices
from lab.data import Arrays, hold_out
from lab.settings import UserError

RETRIES = 2  # of a run whose worker died
ANSWER_WITHIN = 10  # seconds, a scheduler
MOST_GROWTH = 1.5e8  # bytes, of a worker that trains different nets: of each, 10 to 20 MB stay, as what XLA compiled


@contextlib.contextmanager
def connect(scheduler=None, workers=1):
    """A client of a running Dask cluster, or of one of so many processes that is started here and ends with it.

    Parameters
    ----------
    scheduler : str, optional
        Address of the cluster's scheduler, as in "tcp://node1:8786".
    workers : int

    Raises
    ------
    UserError
        If the scheduler does not answer.
    """
    for logger in ("distributed", "distributed.client"):
        logging.getLogger(logger).setLevel(logging.CRITICAL)  # what matters to the user, we say ourselves
    settings = {
        "distributed.scheduler.allowed-failures": RETRIES,
        # No second run waits at a worker: it would count as failed too if the worker died.
        "distributed.scheduler.worker-saturation": 1.0,
        "distributed.comm.timeouts.connect": ANSWER_WITHIN,
        # Else Dask has glibc return freed memory at once, which makes half of an epoch's time page faults.
        "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None,
    }
    with dask.config.set(settings), contextlib.ExitStack() as stack:
        if scheduler is None:
            local = {"threads_per_worker": 1, "memory_limit": None, "silence_logs": logging.CRITICAL}
            # Any free port for its status page: the usual one may be taken, by another sweep.
            local |= {"dashboard_address": "127.0.0.1:0", "plugins": [_IgnoreInterrupt()]}
            with _ignored_interrupts():
                scheduler = distributed.LocalCluster(n_workers=workers, **local)
            stack.callback(_close, scheduler)
        try:
            client = distributed.Client(scheduler, timeout=ANSWER_WITHIN)
            stack.callback(_close, client)
        except Exception as error:  # what answers there may be anything, and then so may be what Dask makes of it
            raise UserError(f"no Dask scheduler answers at {scheduler}: is it running, and its address right?") from error
        yield client


def _close(part):
    with _ignored_interrupts():
        part.close()


@contextlib.contextmanager
def _ignored_interrupts():
    """For the second or two in which Ctrl-C would leave processes or tracebacks behind.

    Processes that are started meanwhile ignore it for good: it reaches every process of a terminal, but it is the client that
    stops its workers.
    """
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class Work(NamedTuple):
    """What all runs of a sweep have in common beside their settings."""

    name: str  # of the sweep, within the results folder
    threads: int  # CPU threads of a run that has no setting of its own
    tensorboard: bool = False
    ahead: int = 2  # runs a worker that are submitted before others have ended
    # Of the runs' epochs: takes a run's name, its parameters, the epoch from 0 and the validation accuracy, and says whether
    # the run is to go on.
    watch: Callable[[str, int, int, float], bool] | None = None


def train_on_workers(client, planned, data, work, report):
    """Train runs on a cluster, and give back each as it ends.

    Parameters
    ----------
    client : distributed.Client
    planned : iterable of (str, Settings)
        The runs' names and settings, of which no more are asked for than can be trained soon.
    data : dict of str to Arrays
        By the data set's name, holdout not applied.
    work : Work
    report : function
        Called every second with the number of runs that are in training.

    Yields
    ------
    name : str
    files : dict of str to bytes
        As `runs.read_files` gives them; of a run that failed, what there is.
    fault : str or None
        Why it failed.

    Raises
    ------
    UserError
        If the cluster is not fit for it, or is lost.
    """
    plugins = {dataset: f"{dataset}-{client.id}" for dataset in data}
    futures, latest = {}, None
    topic, epochs = f"epochs-{client.id}", queue.SimpleQueue()
    try:
        for dataset, arrays in data.items():
            client.register_plugin(_plugin(arrays), name=plugins[dataset])
        if work.watch:
            client.subscribe_topic(topic, lambda event: epochs.put(event[1]))

        def told(count):
            _watch(client, epochs, work.watch)
            report(count)

        wait = functools.partial(_results, client, futures, told)
        for name, settings in planned:
            setup = devices.setup_of(settings, work.threads)
            if setup != latest:
                yield from wait(0)
                _restart_others(client, setup)
                latest = setup
            task = name, settings, plugins[settings.dataset], setup, work._replace(watch=work.watch and topic)
            futures[client.submit(_task(), pickle.dumps(task), pure=False)] = name
            yield from wait(work.ahead)
        yield from wait(0)
    finally:
        with contextlib.suppress(Exception):  # the scheduler may be gone
            for plugin in plugins.values():
                client.unregister_worker_plugin(plugin)


def _task():
    """What a worker is to call. It and its argument can be read without this package, which the scheduler need not have."""

    def run_task(task):
        from lab.experiments import cluster

        return cluster._train_here(*pickle.loads(task))

    return run_task


def _plugin(arrays):
    """A data set on its way to the workers: the scheduler hands it to each of them, and to those that join later.

    It too can be read without this package: a worker that could not would neither start nor stop.
    """

    class DataSet(distributed.WorkerPlugin):
        pass

    plugin = DataSet()
    plugin.arrays = tuple(arrays)
    return plugin


def _unfit(error):
    return f"{error} on a worker: start workers with the packages of requirements.txt and with this repository on PYTHONPATH"


class _IgnoreInterrupt(distributed.WorkerPlugin):
    """For workers that are started later, in place of one that died."""

    def setup(self, worker):
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _restart_others(client, setup):
    """Begin the worker processes anew that run TensorFlow on another device or with other threads."""
    try:
        setups = client.run(_started)
    except Exception as error:  # in which Dask wraps what went wrong on a worker
        if "No module named" not in str(error):
            raise
        raise UserError(_unfit(error)) from error
    others = [address for address, started in setups.items() if started not in (None, setup)]
    if others:
        try:
            client.restart_workers(others, timeout=60)
        except (OSError, ValueError, TimeoutError) as error:
            raise UserError(
                f"the worker {others[0]} runs with another --device or --threads and cannot be restarted: restart it by hand"
            ) from error


def _watch(client, epochs, watch):
    """Have the epochs watched that the workers have told of, and stop what is not to go on."""
    while not epochs.empty():
        address, *epoch = epochs.get()
        if not watch(*epoch):
            with contextlib.suppress(Exception):  # the worker may be gone
                client.run(_stop, epoch[0], workers=[address])


def _results(client, futures, report, ahead):
    """Yield the name, files and fault of each run as it ends, until fewer than so many a worker are left."""
    while futures:
        try:
            workers = len(client.nthreads())
            if len(futures) < ahead * workers:
                return
            report(min(workers, len(futures)))
            with contextlib.suppress(TimeoutError):
                distributed.wait(list(futures), timeout=0.25, return_when="FIRST_COMPLETED")
        except (OSError, CancelledError) as error:
            raise UserError("the cluster's scheduler is gone; what is done is saved, the same command does the rest") from error
        for future in [future for future in futures if future.done()]:
            outcome = _outcome(future)
            # Results that somebody still wants are computed again when their worker is restarted.
            future.release()
            name, (files, fault, grown) = futures.pop(future), outcome
            yield name, files, fault
            if grown and client.cluster and len(futures) < workers:  # none waits, and no other client has work for it
                with contextlib.suppress(OSError, ValueError, TimeoutError):  # it has died
                    client.restart_workers([grown], timeout=60)


def _outcome(future):
    """Files and fault of a run that ended, and its worker's address if that has grown too large."""
    try:
        return future.result()
    except KilledWorker as error:
        return {}, f"{error.allowed_failures + 1} workers died over it, for lack of memory perhaps", None
    except ModuleNotFoundError as error:
        return {}, _unfit(error), None
    except Exception as error:  # whatever went wrong on a worker is a fault of this run, not of the others
        return {}, f"{type(error).__name__}: {' '.join(str(error).split())}", None


# What follows runs on the workers.

_stopped = set()  # names of runs
_one_at_a_time = threading.Lock()  # a Dask worker may have several threads, but a run's seconds are to be its own


def _started():
    """The `devices.Setup` that this process has started TensorFlow with, and keeps; None if it has not."""
    running = devices.running()
    return running and running.setup


@functools.lru_cache(maxsize=1)  # the same arrays again, not only equal ones, let training use what it has compiled
def _arrays_for(plugin, holdout):
    return hold_out(Arrays(*distributed.get_worker().plugins[plugin].arrays), holdout)


def _train_here(name, settings, plugin, setup, work):
    """Train a run on this worker.

    Returns
    -------
    files : dict of str to bytes
        As `runs.read_files` gives them.
    fault : str or None
        Why it failed.
    grown : str or None
        This worker's address, if it has grown too large.
    """
    worker = distributed.get_worker()
    with _one_at_a_time, tempfile.TemporaryDirectory() as parent:
        output = runs.Output(Path(parent, "run"), f"{work.name}/{name}", tensorboard=work.tensorboard)
        fault = None
        try:
            devices.start(setup)
            from lab.training.run import train_run

            _stopped.discard(name)  # of an earlier search
            watch = work.watch and functools.partial(_tell, name, settings.epochs, work.watch)
            train_run(settings, _arrays_for(plugin, settings.holdout), output, verbose=False, watch=watch)
        except KeyboardInterrupt:  # ours, of `_tell`: workers ignore Ctrl-C
            pass
        except UserError as error:
            fault = str(error)
        first, size = _size_at_first(), worker.monitor.get_process_memory()
        grown = worker.address if work.watch and size > first + MOST_GROWTH else None
        return runs.read_files(output.folder), fault, grown


@functools.cache
def _size_at_first():
    """Bytes of this process when it had trained its first run."""
    return distributed.get_worker().monitor.get_process_memory()


def _stop(name):
    _stopped.add(name)


def _tell(name, epochs, topic, parameters, epoch, logs):
    """Tell the client of an epoch, and stop before the last one if it has said so."""
    worker = distributed.get_worker()
    worker.log_event(topic, (worker.address, name, parameters, epoch, float(logs["val_accuracy"])))
    if name in _stopped and epoch + 1 < epochs:
        raise KeyboardInterrupt
