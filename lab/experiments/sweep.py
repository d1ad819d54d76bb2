"""Many runs from one command: repeats with other seeds, and grids of settings."""

import functools
import itertools
import math
import sys
import time
from dataclasses import replace
from pathlib import Path

import simplejson
from rich.console import Console
from rich.progress import BarColumn, Progress, TimeRemainingColumn

from lab.backend import devices
from lab.data import load as datasets
from lab.errors import UserError
from lab.experiments import cluster
from lab.runs import folders as runs
from lab.settings import RunConfig, differing, flag_of, parse_setting, setting_text

MOST_RUNS = 10_000
PATIENCE = 10  # seconds without a worker, before the user is told


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
    count = repeats * math.prod(len(values) for _, values in axes)
    if count > MOST_RUNS:
        raise UserError(f"a sweep of {count} runs is more than the {MOST_RUNS} that it may have")
    names = [name for name, _ in axes]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UserError(f"--sweep {flag_of(twice)} is given twice: give all of its values at once")
    planned = {}
    for values in itertools.product(*(values for _, values in axes), range(config.seed, config.seed + repeats)):
        settings = dict(zip((*names, "seed"), values))
        folder = "/".join(f"{flag_of(name)}={setting_text(value)}" for name, value in settings.items())
        if settings.get("net", config.net) != config.net:
            settings.setdefault("hidden", None)  # in a sweep over nets, --hidden is meant for that of --net
        planned[folder] = replace(config, **settings)
    if len({config.is_gan for config in planned.values()}) > 1:
        raise UserError("--sweep net: GANs and classifiers have nothing to be compared by: sweep over one kind")
    return planned


def _axis(flag, texts):
    name = flag.replace("-", "_")
    if name == "seed":
        raise UserError("--sweep seed: use --repeats N, which trains N seeds")
    if name not in RunConfig.__dataclass_fields__:
        can = ", ".join(flag_of(name) for name in RunConfig.__dataclass_fields__ if name != "seed")
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
    if workers is not None and scheduler is not None:
        raise UserError(
            "--workers is for this machine, --scheduler for a cluster, which has workers of its own: use one of them"
        )
    if workers is not None and workers < 1:
        raise UserError(f"workers must be a whole number of at least 1, got {workers}")
    cores = devices.cores()
    # Threads of a run that has no setting of its own: together, as many as there are cores.
    threads = 1 if scheduler else max(1, cores // (workers or cores))
    with runs.locked(folder):
        todo = missing(folder, planned, data, overwrite)
        # Of a run that failed, or that was being written when this was killed; what comes later is somebody else's.
        remains = {name for name in todo if runs.has_files(folder / name)}
        done = len(planned) - len(todo)
        if done:
            print(f"{folder}: {done} of {len(planned)} runs are done already.", flush=True)
        if not todo:
            return {}
        failed = {}
        with _Display(len(todo)) as display, cluster.connect(scheduler, min(workers or cores, len(todo))) as client:
            try:
                outcomes = cluster.train(
                    client, todo, data, folder.name, threads=threads, tensorboard=tensorboard, report=display.running
                )
                for name, files, fault in outcomes:
                    fault = _save(folder / name, files, overwrite or name in remains) or fault
                    if fault:
                        failed[name] = fault
                    display.finished(name, files, fault)
            except KeyboardInterrupt:
                print(f"\n{folder}: stopping; the finished runs are saved.", flush=True)
                raise
    return failed


def _save(folder, files, overwrite):
    """Write a run's files; why that failed, or None. The other runs are not to suffer from it."""
    try:
        if files:
            runs.write_files(folder, files, overwrite)
    except UserError as error:
        return str(error)
    except OSError as error:
        return f"cannot write {error.filename or folder}: {error.strerror or error}"
    return None


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
    there = sorted(path.parent.relative_to(folder).as_posix() for path in folder.rglob("history.json"))
    others = {_swept(name) for name in there} - {_swept(name) for name in planned}
    if others:
        raise UserError(f"{folder} holds other runs, of {others.pop()}: choose another name for the sweep")
    for name in planned:
        if not (folder / name).resolve().is_relative_to(folder.resolve()):
            raise UserError(f"{folder / name} lies outside of the sweep's folder: it passes through a link")
        runs.check_free(folder / name, overwrite=True)
    _check_repeats(folder, planned, there)
    fingerprint = functools.cache(lambda dataset, holdout: datasets.fingerprint(datasets.hold_out(data[dataset][1], holdout)))
    return {name: config for name, config in planned.items() if overwrite or not _is_done(folder / name, config, fingerprint)}


def _swept(name):
    """What varies in the sweep that a run of this name is of: "hidden, seed"."""
    return ", ".join(part.partition("=")[0] for part in name.split("/"))


def _check_repeats(folder, planned, there):
    """Raise UserError if a run that is there, and would count as a repeat of planned ones, was trained otherwise than they."""
    advice = "and would count as a repeat: train it again, too (--repeats), remove it, or choose another name"
    settings = {Path(name).parent: config for name, config in planned.items()}
    for name in there:
        config = settings.get(Path(name).parent)
        if config and name not in planned:
            found, _ = runs.load_config(folder / name)
            _check_same(folder / name, found, replace(config, seed=found.seed), advice)


def _check_same(folder, found, config, advice):
    different = differing([config, found])
    if different:
        mine, other = (getattr(one, different[0]) for one in (config, found))
        raise UserError(f"{folder} was trained with {flag_of(different[0])} {other}, not {mine}: {advice}")


def _is_done(folder, config, fingerprint):
    if not runs.holds_run(folder):
        return False
    status = runs.load_history(folder)["status"]
    there, record = runs.load_config(folder)
    advice = "choose another name, or add --overwrite to train all of it again"
    _check_same(folder, there, config, advice)
    if record["dataset"]["sha256"] != fingerprint(config.dataset, config.holdout):
        raise UserError(f"{folder} was trained on other data: {advice}")
    if status in (runs.TRAINING, runs.INTERRUPTED):  # no sweep writes such a run
        raise UserError(f"{folder} holds a run of its own that did not finish: {advice}")
    return status == runs.COMPLETE


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
        self.seen = time.monotonic()  # the last time that there was a worker
        self.task = self.bar.add_task("starting workers", total=total)

    def __enter__(self):
        self.bar.start()
        return self

    def __exit__(self, *error):
        self.bar.stop()

    def running(self, count):
        """Show that so many runs are in training."""
        if count:
            self.seen = time.monotonic()
        elif time.monotonic() - self.seen > PATIENCE:
            self.seen = math.inf  # said once
            text = "The cluster has no worker: waiting for one. Do they find the packages, and this repository on PYTHONPATH?"
            self.bar.console.print(text, highlight=False, soft_wrap=True)
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
    names = [name for name in row if name != "epoch_seconds"]
    if "loss" in names:  # a classifier's, in the order of Keras's own lines
        names = ["loss", "accuracy", "val_loss", "val_accuracy"]
    numbers = "  ".join(f"{name} {row[name]:.4f}" for name in names)
    return f"{numbers}  {history['total_seconds']:.1f} s"
