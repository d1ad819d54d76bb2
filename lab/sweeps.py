"""Many runs from one command: repeats with other seeds and grids of settings, on the cores of this machine or a Dask cluster.

The client, which is `train.py`, sends each worker the data set once and then one run at a time; a worker trains in a folder of
its own and returns the run's files, and the client writes them. So workers need neither data nor the results folder, only
the same packages and this repository on their ``PYTHONPATH``. The client itself never imports TensorFlow.
"""

import contextlib
import functools
import itertools
import logging
import signal
import sys
import tempfile
import threading
from concurrent.futures import CancelledError
from dataclasses import replace
from pathlib import Path

import dask
import distributed
import simplejson
from distributed.scheduler import KilledWorker
from rich.console import Console
from rich.progress import BarColumn, Progress, TimeRemainingColumn

from lab import datasets, devices, runs
from lab.config import RunConfig, parse_setting, setting_text
from lab.errors import UserError

RETRIES = 2  # of a run whose worker died
ANSWER_WITHIN = 10  # seconds, a scheduler


def grid(config, sweep, repeats):
    """The runs of a sweep.

    Parameters
    ----------
    config : RunConfig
        What all runs have in common; its seed is the first one.
    sweep : list of list of str
        Each a flag, without its dashes, and its values: ["hidden", "25,25", "25,50"].
    repeats : int
        Runs of each combination, with consecutive seeds.

    Returns
    -------
    dict of str to RunConfig
        By the run's folder within that of the sweep, as "hidden=25,25/seed=0".

    Raises
    ------
    UserError
        If a flag does not exist, cannot vary, or has an empty, repeated or impossible value.
    """
    if repeats < 1:
        raise UserError(f"repeats must be a whole number of at least 1, got {repeats}")
    axes = [_axis(flag, values) for flag, *values in sweep]
    names = [name for name, _ in axes]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UserError(f"--sweep {_flag(twice)} is given twice: give all of its values at once")
    planned = {}
    for values in itertools.product(*(values for _, values in axes), range(config.seed, config.seed + repeats)):
        settings = dict(zip((*names, "seed"), values))
        folder = "/".join(f"{_flag(name)}={setting_text(value)}" for name, value in settings.items())
        if settings.get("net", "dense") != "dense":
            settings.setdefault("hidden", None)  # in a sweep over nets, --hidden is meant for the dense one
        planned[folder] = replace(config, **settings)
    return planned


def _axis(flag, texts):
    name = flag.replace("-", "_")
    if name == "seed":
        raise UserError("--sweep seed: use --repeats N, which trains N seeds")
    if name not in RunConfig.__dataclass_fields__:
        can = ", ".join(_flag(name) for name in RunConfig.__dataclass_fields__ if name != "seed")
        raise UserError(f"--sweep {flag}: there is no such setting of a run; choose from {can}")
    if not texts or not all(texts):
        raise UserError(
            f"--sweep {flag}: expected values, as in `--sweep {flag} A B`; got {'an empty one' if texts else 'none'}"
        )
    values = [parse_setting(name, text) for text in texts]
    for text, value in zip(texts, values):
        if values.count(value) > 1:
            raise UserError(f"--sweep {flag}: the value {text} is given twice")
    return name, values


def _flag(name):
    return name.replace("_", "-")


def load_data(configs, data_dir):
    """The data sets of some runs, each loaded once and checked to suffice.

    Parameters
    ----------
    configs : iterable of RunConfig
    data_dir : path or None

    Returns
    -------
    dict
        ``config.dataset`` -> (name, Arrays), as `datasets.find` gives them.
    """
    data = {dataset: datasets.find(dataset, data_dir) for dataset in dict.fromkeys(config.dataset for config in configs)}
    for config in configs:
        datasets.for_run(config, data[config.dataset][1])
    return data


def train(folder, planned, data, *, scheduler=None, workers=None, overwrite=False, tensorboard=False):
    """Train what is missing of a sweep; each run is written into its folder as soon as it is done.

    Parameters
    ----------
    folder : Path
        Of the sweep.
    planned : dict of str to RunConfig
        As `grid` gives it.
    data : dict
        As `load_data` gives it.
    scheduler : str, optional
        Address of a running Dask cluster's scheduler.
    workers : int, optional
        Processes on this machine, where there is no scheduler; by default one a core.
    overwrite : bool
        Train all of it again.
    tensorboard : bool

    Returns
    -------
    dict of str to str
        The runs that failed, and why.

    Raises
    ------
    UserError
        If another run is in the place of one of these, or the cluster cannot be reached.
    """
    if workers is not None and workers < 1:
        raise UserError(f"workers must be a whole number of at least 1, got {workers}")
    cores = devices.cores()
    # Threads of a run that has no setting of its own: together, as many as there are cores.
    threads = 1 if scheduler else max(1, cores // (workers or cores))
    with runs.locked(folder):
        todo = missing(folder, planned, data, overwrite)
        done = len(planned) - len(todo)
        if done:
            print(f"{folder}: {done} of {len(planned)} runs are done already.", flush=True)
        if not todo:
            return {}
        try:
            with _Display(len(todo)) as display, cluster(scheduler, min(workers or cores, len(todo))) as client:
                return _train_on(client, folder, todo, data, threads, tensorboard, display)
        except KeyboardInterrupt:
            print(f"\n{folder}: the finished runs are saved; the same command trains the others.", flush=True)
            raise


def report_failures(failed, total):
    """Say on standard error which runs failed, and why.

    Returns
    -------
    int
        The exit status.
    """
    if not failed:
        return 0
    lines = [f"train.py: error: {len(failed)} of {total} runs failed; the same command tries them again:"]
    print("\n".join(lines + [f"  {name}: {fault}" for name, fault in failed.items()]), file=sys.stderr)
    return 1


def missing(folder, planned, data, overwrite=False):
    """The part of a sweep that is still to be done, as `train`."""
    if runs.holds_run(folder):
        raise UserError(f"{folder} already holds a single run: choose another name for the sweep")
    there = {_swept(path.parent.relative_to(folder).as_posix()) for path in folder.rglob("history.json")}
    if there - {_swept(name) for name in planned}:
        raise UserError(f"{folder} holds other runs, of {there.pop()}: choose another name for the sweep")
    for name in planned:
        runs.check_free(folder / name, overwrite=True)
    fingerprint = functools.cache(lambda dataset, holdout: datasets.fingerprint(datasets.hold_out(data[dataset][1], holdout)))
    return {name: config for name, config in planned.items() if overwrite or not _is_done(folder / name, config, fingerprint)}


def _swept(name):
    """What varies in the sweep that a run of this name is of: "hidden, seed"."""
    return ", ".join(part.partition("=")[0] for part in name.split("/"))


def _is_done(folder, config, fingerprint):
    if not runs.holds_run(folder):
        return False
    if runs.load_history(folder)["status"] != runs.COMPLETE:
        return False
    there, record = runs.load_config(folder)
    advice = "choose another name, or add --overwrite to train all of it again"
    for name in RunConfig.__dataclass_fields__:
        mine, other = getattr(config, name), getattr(there, name)
        if mine != other:
            raise UserError(f"{folder} was trained with {_flag(name)} {other}, not {mine}: {advice}")
    if record["dataset"]["sha256"] != fingerprint(config.dataset, config.holdout):
        raise UserError(f"{folder} was trained on other data: {advice}")
    return True


@contextlib.contextmanager
def cluster(scheduler=None, workers=1):
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
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters to the user, we say ourselves
    settings = {
        "distributed.scheduler.allowed-failures": RETRIES,
        "distributed.comm.timeouts.connect": ANSWER_WITHIN,
        # Else Dask has glibc return freed memory at once, which makes half of an epoch's time page faults.
        "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None,
    }
    with dask.config.set(settings), contextlib.ExitStack() as stack:
        if scheduler is None:
            scheduler = stack.enter_context(
                distributed.LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    memory_limit=None,
                    dashboard_address=None,
                    silence_logs=logging.CRITICAL,
                    plugins=[_IgnoreInterrupt()],
                )
            )
        try:
            client = stack.enter_context(distributed.Client(scheduler, timeout=ANSWER_WITHIN))
        except Exception as error:  # what answers there may be anything, and then so may be what Dask makes of it
            raise UserError(f"no Dask scheduler answers at {scheduler}: is it running, and its address right?") from error
        yield client


def _train_on(client, folder, todo, data, threads, tensorboard, display):
    plugins = {dataset: _send(client, *found) for dataset, found in data.items()}
    failed = {}
    # A process uses the device and the threads that it has started TensorFlow with.
    kinds = {name: (config.device, config.threads or threads) for name, config in todo.items()}
    for kind in dict.fromkeys(kinds.values()):
        _restart_others(client, kind)
        futures = {}
        for name in [name for name in todo if kinds[name] == kind]:
            dataset = todo[name].dataset
            task = todo[name], data[dataset][0], plugins[dataset], kind, folder.name, tensorboard
            futures[client.submit(_train_here, *task, pure=False)] = name
        for name, files, fault in _results(client, futures, display):
            if files:
                runs.write_files(folder / name, files)
            if fault:
                failed[name] = fault
            display.finished(name, files, fault)
    return failed


class _Arrays(distributed.WorkerPlugin):
    """A data set on its way to the workers: the scheduler hands it to each of them, and to those that join later."""

    idempotent = True  # sent once, however many sweeps use it

    def __init__(self, arrays):
        self.arrays = arrays


class _IgnoreInterrupt(distributed.WorkerPlugin):
    """Ctrl-C reaches every process of a terminal: it is the client that stops its workers."""

    def setup(self, worker):
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _send(client, dataset, arrays):
    """Send a data set to the workers; the name that they find it by."""
    name = f"{dataset}-{datasets.fingerprint(arrays)}"
    try:
        client.register_plugin(_Arrays(arrays), name=name)
    except ModuleNotFoundError as error:
        raise UserError(
            f"the cluster's workers lack {error.name}: start them with the packages of requirements.txt, and with this "
            f"repository on PYTHONPATH"
        ) from error
    return name


def _restart_others(client, kind):
    """Begin the worker processes anew that run TensorFlow on another device or with other threads."""
    others = [address for address, started in client.run(_started).items() if started not in (None, kind)]
    if others:
        try:
            client.restart_workers(others, timeout=60)
        except (OSError, ValueError, TimeoutError) as error:
            raise UserError(
                f"the worker {others[0]} runs with another --device or --threads and cannot be restarted: restart it by hand"
            ) from error


def _results(client, futures, display):
    """Yield the name, files and fault of each run as it ends."""
    while futures:
        try:
            display.running(min(len(client.nthreads()), len(futures)))
            with contextlib.suppress(TimeoutError):
                distributed.wait(list(futures), timeout=1, return_when="FIRST_COMPLETED")
        except (OSError, CancelledError) as error:
            raise UserError("the cluster's scheduler is gone; what is done is saved, the same command does the rest") from error
        for future in [future for future in futures if future.done()]:
            outcome = _outcome(future)
            # Results that somebody still wants are computed again when their worker is restarted.
            future.release()
            yield futures.pop(future), *outcome


def _outcome(future):
    """Files and fault of a run that ended."""
    try:
        return future.result()
    except KilledWorker as error:
        return {}, f"{error.allowed_failures + 1} workers died over it, for lack of memory perhaps"
    except Exception as error:  # whatever went wrong on a worker is a fault of this run, not of the others
        return {}, f"{type(error).__name__}: {' '.join(str(error).split())}"


class _Display:
    """A bar with the state of all runs, where there is a terminal to draw it on, and a line for each that ended."""

    def __init__(self, total):
        console = Console()
        columns = BarColumn(), "{task.description}", TimeRemainingColumn()
        off = not console.is_terminal
        # The time left is told from all runs so far: each may take longer than the half minute that is usual.
        self.bar = Progress(
            *columns, console=console, transient=True, refresh_per_second=2, speed_estimate_period=1e9, disable=off
        )
        self.total, self.done, self.failed = total, 0, 0
        self.task = self.bar.add_task("starting workers", total=total)

    def __enter__(self):
        self.bar.start()
        return self

    def __exit__(self, *error):
        self.bar.stop()

    def running(self, count):
        state = f"{self.done} of {self.total} done, {count} running, {self.failed} failed"
        self.bar.update(self.task, description=state if count else f"{state}; waiting for a worker")

    def finished(self, name, files, fault):
        self.done += 1
        self.failed += bool(fault)
        self.bar.update(self.task, advance=1)
        outcome = f"FAILED: {fault}" if fault else _last_line(files)
        line = f"[{self.done:{len(str(self.total))}}/{self.total}] {name}  {outcome}"
        self.bar.console.print(line, highlight=False, markup=False, soft_wrap=True)


def _last_line(files):
    history = simplejson.loads(files["history.json"])
    row = {name: values[history["saved_epoch"] - 1] for name, values in history.items() if isinstance(values, list)}
    numbers = "  ".join(f"{name} {row[name]:.4f}" for name in ("loss", "accuracy", "val_loss", "val_accuracy"))
    return f"{numbers}  {history['total_seconds']:.1f} s"


# What follows runs on the workers.

_kind = None  # device and threads that this process has started TensorFlow with
_one_at_a_time = threading.Lock()  # a Dask worker may have several threads, but a run's seconds are to be its own


def _started():
    return _kind


@functools.cache
def _device(device, threads):
    return devices.start(device, threads)


@functools.lru_cache(maxsize=1)  # the same arrays again, not only equal ones, let training use what it has compiled
def _arrays_for(plugin, holdout):
    return datasets.hold_out(distributed.get_worker().plugins[plugin].arrays, holdout)


def _train_here(config, dataset, plugin, kind, title, tensorboard):
    """Train a run on this worker.

    Returns
    -------
    files : dict of str to bytes
        As `runs.read_files` gives them.
    fault : str or None
        Why it failed.
    """
    global _kind
    with _one_at_a_time, tempfile.TemporaryDirectory() as parent:
        folder = Path(parent, "run")
        fault = None
        try:
            if _kind not in (None, kind):
                raise UserError("another sweep uses its worker with another --device or --threads")
            _kind = kind
            device = _device(*kind)
            from lab import training

            arrays = _arrays_for(plugin, config.holdout)
            training.train(config, dataset, arrays, folder, device, name=title, tensorboard=tensorboard, verbose=False)
        except UserError as error:
            fault = str(error)
        return runs.read_files(folder), fault
