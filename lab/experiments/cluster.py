"""Training on a Dask cluster: the cores of this machine, or machines of their own.

The client sends each worker the data set once and then one run at a time. A worker that can reach
the results folder has the run written there, with its checkpoints; any other gives back the run's
files, which the client writes. So workers need neither data nor the results folder, only the same
packages and this repository on their ``PYTHONPATH``. The client never imports TensorFlow.
"""

import asyncio
import contextlib
import logging
import pickle
import queue
import re
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import NamedTuple

from lab import runs
from lab.backend import devices
from lab.console import say
from lab.io import signals
from lab.io.words import first_line
from lab.settings import UserError

try:
    import dask
    import distributed
    from distributed.scheduler import KilledWorker
except ImportError:
    raise
except Exception as error:  # while they are imported, they read the user's configuration
    raise UserError(
        f"Dask's configuration cannot be read ({first_line(error)}): mend what is in "
        "~/.config/dask or in variables that begin with DASK_"
    ) from error

from lab.experiments import worker
from lab.experiments.pace import Progress
from lab.experiments.trainer import Task

_MARK = re.compile(r"\.Client-(worker-)?[0-9a-f-]{36}")  # the name of a client's mark
RETRIES = 2  # of a run whose worker died
ANSWER_WITHIN = 10  # seconds, a scheduler
SILENT = 30  # seconds, one that has answered before


@contextlib.contextmanager
def connect(scheduler=None, workers=1):
    """A client of a running Dask cluster, or of one of so many workers that is started here and
    ends with it.

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
        # What matters to the user, we say ourselves.
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    settings = {
        "distributed.scheduler.allowed-failures": RETRIES,
        "distributed.comm.timeouts.connect": ANSWER_WITHIN,
    }
    with dask.config.set(settings), contextlib.ExitStack() as stack:
        if scheduler is None:
            # In threads of this process: what trains are processes of their own.
            scheduler = distributed.LocalCluster(
                n_workers=workers,
                dashboard_address="127.0.0.1:0",
                processes=False,
                threads_per_worker=1,
                memory_limit=None,
                silence_logs=logging.CRITICAL,
            )
            stack.callback(_close, scheduler)
        try:
            if isinstance(scheduler, str):
                asyncio.run(_ask(scheduler))
            client = distributed.Client(scheduler, timeout=ANSWER_WITHIN)
            stack.callback(_close, client)
        except Exception as error:  # what answers there may be anything
            ask = "is it running, and its address right?"
            if re.search("tls|encryption", f"{scheduler} {error}", re.IGNORECASE):
                ask += (
                    " Are the certificates in Dask's configuration those of the cluster "
                    "(docs/cluster.md, Security)?"
                )
            raise UserError(f"no Dask scheduler answers at {scheduler}: {ask}") from error
        try:
            yield client
        except BaseException:
            _end(client)
            raise
        # On this machine, their processes end with this one, which may need them again.
        if client.cluster is None:
            _end(client)


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


def _end(client):
    """Have the runs in training checkpointed, all at once, and wait for it."""

    def end():
        for seconds in (None, worker.WAIT):
            with contextlib.suppress(Exception):  # the scheduler may be gone
                client.run(worker.end, client.id, seconds, on_error="ignore")

    with signals.ignored():
        # For a scheduler that says nothing, it would wait for ever.
        ending = threading.Thread(target=end, daemon=True)
        ending.start()
        ending.join(worker.WAIT + 1)


class Work(NamedTuple):
    """What all runs of a sweep have in common beside their settings."""

    output: runs.Output  # of the sweep
    threads: int  # CPU threads of a run that has no setting of its own
    ahead: int = 2  # runs a worker that are submitted before others have ended
    # Of the runs' epochs: takes a run's name, its parameters, the epoch from 0 and the validation
    # accuracy, and says whether the run is to go on.
    watch: Callable[[str, int, int, float], bool] | None = None


def train_on_workers(client, planned, data, work, report):
    """Train runs on a cluster, and give back each as it ends.

    Parameters
    ----------
    client : distributed.Client
    planned : iterable of (str, Settings, tuple or None)
        The runs' names and settings, of which no more are asked for than can be trained soon; and
        which run each is to take the place of, as of `runs.stamp`.
    data : dict of str to Arrays
        As of `Settings.data`, holdout not applied.
    work : Work
    report : function
        Called at least every second with the number of runs in training, and the Progress, by
        name, of those whose workers have told of it.

    Yields
    ------
    name : str
    files : dict of str to bytes
        As `worker.run` gives them; of a run that failed, what there is.
    fault : str or None
        Why it failed.

    Raises
    ------
    UserError
        If the cluster is not fit for it, or is lost.
    """
    folder = work.output.folder.absolute()
    mark = folder / f".{client.id}"  # by which workers that can reach the folder know it
    for left in folder.glob(".Client-*"):  # by a client that was killed
        if left.is_file() and _MARK.fullmatch(left.name):
            left.unlink()
    try:
        mark.touch()
        news = _News(client, work.watch)
        sent = {dataset: _sent(client, arrays) for dataset, arrays in data.items()}
        submitted = _Submitted(client, sent)

        def told(count):
            report(count, news.of(submitted.names, submitted.known))

        for name, settings, older in planned:
            output = work.output._replace(folder=folder / name, name=f"{work.output.name}/{name}")
            setup, watched = devices.setup_of(settings, work.threads), work.watch is not None
            submitted.add(Task(name, settings, setup, output, older, mark, watched, client.id))
            yield from submitted.results(told, work.ahead)
        yield from submitted.results(told)
    finally:
        mark.unlink(missing_ok=True)


def _sent(client, arrays):
    """A data set on its way to the workers: they have it from each other, and its own is gone with
    the client.

    As plain arrays, and by a function that can be read without this package, which the scheduler
    need not have.
    """
    with warnings.catch_warnings(action="ignore"):  # of their size
        sent = client.submit(tuple, list(arrays), pure=False)
    # To workers in threads of this process; to wait for others might take long.
    if client.cluster is not None:
        client.replicate(sent)  # or the first runs would all go to the worker that has it
    return sent


def _task():
    """What a worker is to call. It and its arguments can be read without this package."""

    def run_task(code, task, arrays):
        import distributed

        address = distributed.get_worker().address
        try:
            from lab.experiments import worker

            return address, worker.run(code, task, arrays)
        except ImportError as error:
            return address, {"unfit": str(error)}

    return run_task


class _Submitted:
    """The runs that the cluster has been asked for, and has not given back yet.

    Parameters
    ----------
    client : distributed.Client
    data : dict of str to distributed.Future
        The arrays of each data set.
    """

    def __init__(self, client, data):
        self.client, self.data = client, data
        self.pending = {}  # future -> (task, the addresses that may train it, or None for any)
        self.ended = queue.SimpleQueue()  # of futures
        self.left_out = {}  # address of a worker -> why
        self.known = []  # the addresses of the workers that there were at the last time

    def add(self, task):
        """Ask for a run."""
        fit = [one for one in self.workers() if one not in self.left_out] if self.left_out else None
        arrays = self.data[task.settings.data]
        call = _task(), runs.code_hash(), pickle.dumps(task), arrays
        future = self.client.submit(*call, pure=False, workers=fit, fifo_timeout=0)
        self.pending[future] = task, fit
        future.add_done_callback(self.ended.put)

    @property
    def names(self):
        """The names of these runs."""
        return [task.name for task, _ in self.pending.values()]

    def workers(self):
        """The addresses of the workers that there are."""
        client = self.client
        try:
            self.known = list(client.sync(client.scheduler.ncores, callback_timeout=SILENT))
            return self.known
        except (OSError, CancelledError) as error:  # also of time
            raise UserError(
                "the cluster's scheduler is gone; what is done is saved, the same command does the "
                "rest"
            ) from error

    def results(self, report, ahead=0):
        """Yield the name, files and fault of each run as it ends, until fewer than so many a
        worker are left.
        """
        while self.pending:
            workers = self.workers()
            if len(self.pending) < ahead * len(workers):
                return
            self._rescue(workers)
            report(min(len(workers), len(self.pending)))
            with contextlib.suppress(queue.Empty):
                future = self.ended.get(timeout=0.25)
                if future in self.pending:
                    yield from self._outcome(future)

    def _outcome(self, future):
        """Yield the name, files and fault of a run that ended, or ask for it again, of another
        worker perhaps.
        """
        task, _ = self.pending.pop(future)
        address, outcome = None, {"files": {}}
        try:
            address, outcome = future.result()
        except CancelledError:
            self.workers()  # says so, if the scheduler is gone
            outcome = {"again": True}
        except KilledWorker as error:
            deaths = error.allowed_failures + 1
            outcome["fault"] = f"{deaths} workers died over it, for lack of memory or time perhaps"
        except Exception as error:  # is a fault of this run, not of the others
            outcome["fault"] = f"{type(error).__name__}: {' '.join(str(error).split())}"
        future.release()
        if "unfit" in outcome:
            self._leave_out(address, outcome["unfit"])
        if "fault" in outcome:
            yield task.name, outcome["files"], outcome["fault"]
        else:
            self.add(task)

    def _leave_out(self, address, why):
        if address not in self.left_out:
            self.left_out[address] = why
            say(f"The worker {address} is left out: {why}.")
        if not set(self.workers()) - set(self.left_out):
            raise UserError(
                f"no worker is fit, the last since {why}: start workers with the packages of "
                "requirements.txt and with this repository on PYTHONPATH"
            )

    def _rescue(self, workers):
        """Ask again for runs that none of the workers that are left may train."""
        for future, (task, fit) in [*self.pending.items()]:
            if fit is not None and not set(fit) & set(workers):
                del self.pending[future]
                future.release()
                self.add(task)


class _News:
    """What workers tell of a client's runs.

    Parameters
    ----------
    client : distributed.Client
    watch : function or None
        As of `Work`.
    """

    def __init__(self, client, watch):
        self.client, self.watch = client, watch
        self.events = queue.SimpleQueue()
        self.running = {}  # name of a run -> (address of its worker, Progress)
        client.subscribe_topic(worker.EVENTS, self._take)

    def _take(self, event):
        _, (client, *news) = event
        if client == self.client.id:
            self.events.put(news)

    def of(self, names, workers):
        """The Progress, by name, of those of these runs that one of these workers trains; epochs
        are watched.
        """
        while not self.events.empty():
            address, name, kind, *content = self.events.get()
            if kind == "progress":
                self.running[name] = address, Progress(*content)
            elif not self.watch(name, *content):
                # Not waited for: the worker may be gone, or say nothing.
                threading.Thread(target=self._stop, args=(address, name), daemon=True).start()
        self.running = {
            name: told
            for name, told in self.running.items()
            if name in names and told[0] in workers
        }
        return {name: progress for name, (_, progress) in self.running.items()}

    def _stop(self, address, name):
        with contextlib.suppress(Exception):
            self.client.run(worker.stop, name, workers=[address])
