"""Many runs from one command: what is missing of them is trained, and each is on disk as soon as it is done."""

import functools
import sys
from pathlib import Path
from typing import NamedTuple

from lab import runs
from lab.backend import devices
from lab.console import say
from lab.data import find, fingerprint, hold_out, resolve
from lab.experiments import cluster
from lab.experiments.display import Display
from lab.settings import UserError, differing, flag_of


class Machines(NamedTuple):
    """What trains."""

    scheduler: str | None = None  # address of a running Dask cluster's scheduler
    workers: int | None = None  # processes on this machine, where there is no scheduler; None: one a core


def load_data(planned, data_dir=None):
    """The data sets of some runs, each loaded once, and the runs' settings resolved with them.

    Parameters
    ----------
    planned : dict of str to Settings
    data_dir : path, optional
        As of `data.load_dataset`.

    Returns
    -------
    planned : dict of str to Settings
    data : dict of str to Arrays
        By the data set's name, holdout not applied.

    Raises
    ------
    UserError
        If a data set cannot be had, or is too small for a run.
    """
    found = {dataset: find(dataset, data_dir) for dataset in dict.fromkeys(one.dataset for one in planned.values())}
    data = dict(found.values())
    if len(data) < len(found):
        raise UserError("two of the data sets have the same name: give your files different ones")
    return {name: resolve(one, *found[one.dataset]) for name, one in planned.items()}, data


def train_missing(planned, data, output, machines):
    """Train what is missing of a sweep; each run is written into its folder as soon as it is done.

    Parameters
    ----------
    planned, data
        As `load_data` gives them.
    output : runs.Output
        Of the sweep; its ``overwrite``: train all of it again.
    machines : Machines

    Returns
    -------
    dict of str to str
        The runs that failed, and why; these are also printed on standard error.

    Raises
    ------
    UserError
        If another run is in the place of one of these, or the cluster cannot be reached.
    """
    workers = worker_count(machines)
    folder = output.folder
    with runs.locked(folder):
        todo = missing(folder, planned, data, output.overwrite)
        # Of runs that failed or were broken off; what comes later is somebody else's.
        remains = {name for name in todo if runs.has_files(folder / name)}
        done = len(planned) - len(todo)
        if done:
            say(f"{folder}: {done} of {len(planned)} runs are done already.")
        if not todo:
            return {}
        work, failed = work_for(output, machines), {}
        order = _in_order(todo, work.threads, workers)
        epochs = {name: one.epochs for name, one in todo.items()}
        with Display(epochs) as display, cluster.connect(machines.scheduler, min(workers, len(todo))) as client:

            def finished(name, files, fault):
                failed.update({name: fault} if fault else {})
                display.finished(name, files, fault)

            try:
                ready = _cleared(order, work, None if output.overwrite else remains, finished)
                for name, files, fault in cluster.train_on_workers(client, ready, data, work, display.running):
                    fault = save(folder / name, files, name in remains) or fault
                    if fault and _done_after_all(folder, {name: planned[name]}, data):
                        files, fault = {runs.File.HISTORY: (folder / name / runs.File.HISTORY).read_bytes()}, None
                    finished(name, files, fault)
            except KeyboardInterrupt:
                say(f"\n{folder}: stopping; the finished runs are saved, those in training checkpointed.")
                raise
    report_failed(failed, len(planned))
    return failed


def _done_after_all(folder, planned, data):
    """Whether runs are complete that could not be trained: by a worker that had lost an earlier client."""
    try:
        return not missing(folder, planned, data)
    except UserError:
        return False


def _in_order(planned, threads, workers):
    """Names and settings of runs, in the order in which they are trained.

    Those that TensorFlow is started alike for follow each other: it takes seconds. But where one run at a time tells which
    device is faster, devices alternate by seed, so that what slows the machine for a while slows all of them.
    """
    timed = workers == 1 and len({(one.device, one.threads) for one in planned.values()}) > 1

    def place(one):
        return one[1].seed if timed else 0, [str(part) for part in devices.setup_of(one[1], threads)]

    return sorted(planned.items(), key=place)


def _cleared(order, work, remains, finished):
    """Yield names and settings of runs, their folders free but for what is to go on; those that cannot be freed are finished.

    ``remains`` are the names of runs that may be removed; None: all of them, complete or not.
    """
    for name, settings in order:
        try:
            if remains is None or (name in remains and _begins_anew(work.folder / name, settings, work.threads)):
                runs.clear(work.folder / name)
        except UserError as error:
            finished(name, {}, str(error))
        else:
            yield name, settings


def _begins_anew(folder, settings, threads):
    """Whether what is left of a run is no use to go on: not even of one that another hand has completed meanwhile."""
    if not runs.holds_run(folder):
        return True
    if record := runs.unfinished(folder):
        return record.threads != devices.setup_of(settings, threads).threads
    return runs.load(folder).history.status != runs.COMPLETE


def work_for(output, machines):
    """What all runs have in common that are written to an output."""
    # Threads of a run that has no setting of its own: together, as many as there are cores.
    threads = 1 if machines.scheduler else max(1, devices.cores() // worker_count(machines))
    return cluster.Work(output.folder, output.name, threads, output.tensorboard)


def worker_count(machines):
    """Processes to start on this machine; UserError if there can be none."""
    scheduler, workers = machines
    if workers is not None and scheduler is not None:
        raise UserError(
            "--workers is for this machine, --scheduler for a cluster, which has workers of its own: use one of them"
        )
    most = max(8, 4 * devices.cores())
    if workers is not None and not 1 <= workers <= most:
        raise UserError(f"workers must be a whole number of at least 1 and, on this machine, at most {most}, got {workers}")
    return workers or devices.cores()


def save(folder, files, overwrite):
    """Write a run's files, if a worker has not; why that failed, or None. The other runs are not to suffer from it."""
    try:
        if runs.File.CONFIG in files:
            runs.write_files(folder, files, overwrite)
    except (UserError, OSError) as error:
        return runs.fault_of(error, folder)
    return None


def report_failed(failed, total):
    """Say on standard error which runs failed, and why."""
    if failed:
        say(f"train.py: error: {len(failed)} of {total} runs failed; the same command tries them again:", file=sys.stderr)
        alike = {}
        for name, fault in failed.items():
            alike.setdefault(fault, []).append(name)
        for fault, (first, *others) in alike.items():
            say(f"  {first}{f' and {len(others)} more' if others else ''}: {fault}", file=sys.stderr)


def missing(folder, planned, data, overwrite=False):
    """The part of a sweep that is still to be done, as `train_missing`."""
    if runs.holds_run(folder):
        raise UserError(f"{folder} already holds a single run: choose another name for the sweep")
    existing = [path.relative_to(folder).as_posix() for path in runs.below(folder, runs.File.HISTORY)]
    others = {_swept(name) for name in existing} - {_swept(name) for name in planned}
    if others:
        raise UserError(f"{folder} holds other runs, of {others.pop()}: choose another name for the sweep")
    for name in planned:
        if not (folder / name).resolve().is_relative_to(folder.resolve()):
            raise UserError(f"{folder / name} lies outside of the sweep's folder: it passes through a link")
        runs.check_free(folder / name, overwrite=True)
    _check_repeats(folder, planned, existing)
    sha256 = functools.cache(lambda dataset, holdout: fingerprint(hold_out(data[dataset], holdout)))
    return {name: settings for name, settings in planned.items() if overwrite or not _is_done(folder / name, settings, sha256)}


def _swept(name):
    """What varies in the sweep that a run of this name is of: "hidden, seed"."""
    return ", ".join(part.partition("=")[0] for part in name.split("/"))


def _check_repeats(folder, planned, existing):
    """Raise UserError if a run that exists, and would count as a repeat of planned ones, was trained otherwise than they."""
    advice = "and would count as a repeat: train it again, too (--repeats), remove it, or choose another name"
    of_setting = {Path(name).parent: settings for name, settings in planned.items()}
    for name in existing:
        settings = of_setting.get(Path(name).parent)
        if settings and name not in planned:
            run = runs.load(folder / name)
            _check_same(run, settings.replace(seed=run.settings.seed), advice)


def _check_same(run, settings, advice):
    # A run that was trained again by its own command was told the number of threads that the sweep had chosen.
    free = {"threads"} if settings.threads is None else set()
    different = [name for name in differing([run.settings, settings]) if name not in free]
    if different == ["source"]:
        raise UserError(f"{run.folder} was trained with another version of {settings.net}: {advice}")
    if different:
        mine, other = (getattr(one, different[0]) for one in (settings, run.settings))
        raise UserError(f"{run.folder} was trained with {flag_of(different[0])} {other}, not {mine}: {advice}")


def _is_done(folder, settings, sha256):
    if not runs.holds_run(folder):
        return False
    run = runs.load(folder)
    advice = "choose another name, or add --overwrite to train all of it again"
    _check_same(run, settings, advice)
    if run.record.dataset.sha256 != sha256(settings.dataset, settings.holdout):
        raise UserError(f"{folder} was trained on other data: {advice}")
    if run.history.status in (runs.TRAINING, runs.INTERRUPTED) and not (runs.unfinished(folder) and run.record.command):
        raise UserError(f"{folder} holds a run of its own that did not finish: {advice}")
    return run.history.status == runs.COMPLETE
