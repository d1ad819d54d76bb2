"""Many runs from one command: what is missing of them is trained, and each is on disk as soon as
it is done.
"""

import functools
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from lab import runs
from lab.backend import devices
from lab.console import say
from lab.data import find, fingerprint, hold_out, resolve, say_batches
from lab.experiments import cluster
from lab.experiments.display import Display
from lab.settings import UserError

_AGAIN = "choose another name, or add --overwrite to train all of it again"


class Machines(NamedTuple):
    """What trains."""

    scheduler: str | None = None  # address of a running Dask cluster's scheduler
    workers: int | None = (
        None  # processes on this machine, where there is no scheduler; None: one a core
    )


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
        As of `Settings.data`, holdout not applied.

    Raises
    ------
    UserError
        If a data set cannot be had, or is too small for a run.
    """
    wanted = dict.fromkeys((one.dataset, one.resize) for one in planned.values())
    found = {(dataset, resize): find(dataset, data_dir, resize) for dataset, resize in wanted}
    resolved = {
        name: resolve(one, *found[one.dataset, one.resize]) for name, one in planned.items()
    }
    data = {resolved[name].data: found[one.dataset, one.resize][1] for name, one in planned.items()}
    if len(data) < len(found):
        raise UserError("two of the data sets have the same name: give your files different ones")
    say_batches([(one, resolved[name]) for name, one in planned.items()])
    return _without_equal(resolved), data


def _without_equal(planned):
    """Runs without those whose settings, now that they are resolved, are those of an earlier one;
    says so.
    """
    first = {}
    for name, settings in planned.items():
        first.setdefault(settings, name)
    left_out = [name for name, settings in planned.items() if first[settings] != name]
    if left_out:
        why = "their settings and seeds are those of other runs"
        say(
            f"{len(left_out)} of {len(planned)} runs are left out, since {why}: {', '.join(left_out[:3])} ..."
        )
    return {name: settings for settings, name in first.items()}


def train_missing(planned, data, output, machines, advice=_AGAIN):
    """Train what is missing of a sweep; each run is written into its folder as soon as it is done.

    Parameters
    ----------
    planned, data
        As `load_data` gives them.
    output : runs.Output
        Of the sweep; its ``overwrite``: train all of it again.
    machines : Machines
    advice : str
        What to do where another run is in the place of one of these.

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
        todo = missing(folder, planned, data, output.overwrite, advice)
        done = len(planned) - len(todo)
        if done:
            say(f"{folder}: {done} of {len(planned)} runs are done already.")
        if not todo:
            return {}
        work, failed = work_for(output, machines), {}
        order = _in_order(todo, work.threads, workers)
        # What lies there now is to go; what comes later is somebody else's.
        seen = {name: runs.stamp(folder / name) for name, _ in order}
        if output.overwrite:
            older = {name: before for name, before in seen.items() if runs.has_files(folder / name)}
        else:
            older = _not_resumed(folder, order, work.threads)
        broken = {name for name, _ in order if _has_broken(folder / name)}
        epochs = {name: one.epochs for name, one in todo.items()}
        with (
            Display(epochs) as display,
            cluster.connect(machines.scheduler, min(workers, len(todo))) as client,
        ):
            ready = ((name, settings, older.get(name)) for name, settings in order)
            try:
                for name, files, fault in cluster.train_on_workers(
                    client, ready, data, work, display.running
                ):
                    fault = save(folder / name, files, seen[name]) or fault
                    replaced = runs.stamp(folder / name) != older.get(name)
                    if fault and replaced and _done_after_all(folder, {name: planned[name]}, data):
                        files, fault = (
                            {runs.File.HISTORY: (folder / name / runs.File.HISTORY).read_bytes()},
                            None,
                        )
                    failed.update({name: fault} if fault else {})
                    display.finished(name, files, fault)
                    if name not in broken and _has_broken(folder / name):
                        display.say(
                            f"{name}: its checkpoint could not be used; it is set aside, and the run was trained anew."
                        )
            except KeyboardInterrupt:
                saved = "the finished runs are saved, those in training after their last epoch"
                again = "trains all of it again" if output.overwrite else "resumes them"
                say(f"\n{folder}: stopping; {saved}; the same command {again}.")
                raise
    report_failed(failed, f"{len(planned)} runs", "; the same command retries them")
    return failed


def _done_after_all(folder, planned, data):
    """Whether runs are complete that could not be trained: by a worker that had lost an earlier
    client.
    """
    try:
        return not missing(folder, planned, data)
    except UserError:
        return False


def _in_order(planned, threads, workers):
    """Names and settings of runs, in the order in which they are trained.

    Those that TensorFlow is started alike for follow each other: it takes seconds. But where one
    run at a time tells which device is faster, devices alternate by seed, so that what slows the
    machine for a while slows all of them.
    """
    timed = workers == 1 and len({(one.device, one.threads) for one in planned.values()}) > 1

    def place(one):
        return one[1].seed if timed else 0, [
            str(part) for part in devices.setup_of(one[1], threads)
        ]

    return sorted(planned.items(), key=place)


def _not_resumed(folder, order, threads):
    """Which runs are in the place of some that are to be trained, as of `runs.stamp`, by name:
    what is left there is no use to go on. Says what is to be known of those that are resumed, and
    of those that could be but for their threads.
    """
    older, resumed, of_other_threads = {}, [], 0
    for name, settings in order:
        run = runs.load_any(folder / name)
        unfinished = run and run.state == runs.TRAINING
        if unfinished and run.record.threads == devices.setup_of(settings, threads).threads:
            resumed.append(run.record)
        elif not (run and run.state == runs.COMPLETE) and runs.has_files(folder / name):
            older[name] = runs.stamp(folder / name)
            of_other_threads += bool(unfinished)
    say_resumed(resumed)
    if of_other_threads:
        why = "they were begun with another number of threads (--workers)"
        say(f"Note: {of_other_threads} of the unfinished runs trained anew: {why}.")
    return older


def _has_broken(folder):
    return (folder / runs.File.BROKEN_CHECKPOINT).exists()


def say_resumed(records):
    """Say so if runs of these records are resumed by other code, or with other packages, than they
    were begun with.
    """
    if not records:
        return
    now = runs.Origin(code=runs.code_hash(), versions=runs.versions(), commit=runs.checkout()[0])
    found = Counter(
        words for record in records for words in runs.changes((record, *record.parts)[-1], now)
    )
    for words, count in found.items():
        say(f"Note: {count} of the unfinished runs resumed with {words}: {runs.NOT_THE_SAME}.")


def work_for(output, machines):
    """What all runs have in common that are written to an output."""
    # Threads of a run that has no setting of its own: together, as many as there are cores.
    threads = 1 if machines.scheduler else max(1, devices.cores() // worker_count(machines))
    return cluster.Work(output.folder, output.name, threads, output.tensorboard, output.data_dir)


def worker_count(machines):
    """Processes to start on this machine; UserError if there can be none."""
    scheduler, workers = machines
    if workers is not None and scheduler is not None:
        raise UserError(
            "--workers is for this machine, --scheduler for a cluster, which has workers of its own: use one of them"
        )
    most = max(8, 4 * devices.cores())
    if workers is not None and not 1 <= workers <= most:
        raise UserError(
            f"workers must be a whole number of at least 1 and, on this machine, at most {most}, got {workers}"
        )
    return workers or devices.cores()


def save(folder, files, seen):
    """Write a run's files, if a worker has not; why that failed, or None. The other runs are not
    to suffer from it.

    They take the place of the run that was seen there in the beginning, as of `runs.stamp`, or of
    one that is unfinished still.
    """
    try:
        if runs.File.CONFIG in files:
            run = runs.load_any(folder)
            overwrite = runs.stamp(folder) == seen or (run and run.state == runs.TRAINING)
            runs.write_files(folder, files, overwrite)
    except (UserError, OSError) as error:
        return runs.fault_of(error, folder)
    return None


def report_failed(failed, total, advice=""):
    """Say on standard error which of so many failed, and why."""
    if failed:
        say(f"train.py: error: {len(failed)} of {total} failed{advice}:", file=sys.stderr)
        alike = {}
        for name, fault in failed.items():
            alike.setdefault(fault, []).append(name)
        for fault, (first, *others) in alike.items():
            say(
                f"  {first}{f' and {len(others)} more' if others else ''}: {fault}", file=sys.stderr
            )


def missing(folder, planned, data, overwrite=False, advice=_AGAIN):
    """The part of a sweep that is still to be done, as `train_missing`."""
    if runs.holds_run(folder):
        raise UserError(f"{folder} already holds a single run: choose another name for the sweep")
    existing = [
        path.relative_to(folder).as_posix() for path in runs.below(folder, runs.File.HISTORY)
    ]
    others = {_swept(name) for name in existing} - {_swept(name) for name in planned}
    if others:
        raise UserError(
            f"{folder} holds other runs, of {others.pop()}: choose another name for the sweep"
        )
    for name in planned:
        runs.check_inside(folder, folder / name)
        runs.check_free(folder / name, overwrite=True)
    _check_repeats(folder, planned, existing)
    sha256 = functools.cache(lambda dataset, holdout: fingerprint(hold_out(data[dataset], holdout)))
    if overwrite:
        return dict(planned)
    return {
        name: one
        for name, one in planned.items()
        if not _is_done(folder / name, one, sha256, advice)
    }


def _swept(name):
    """What varies in the sweep that a run of this name is of: "hidden, seed"."""
    return ", ".join(part.partition("=")[0] for part in name.split("/"))


def _check_repeats(folder, planned, existing):
    """Raise UserError if a run that exists, and would count as a repeat of planned ones, was
    trained otherwise than they.
    """
    advice = "and would count as a repeat: train it again, too (--repeats), remove it, or choose another name"
    of_setting = {Path(name).parent: settings for name, settings in planned.items()}
    for name in existing:
        settings = of_setting.get(Path(name).parent)
        if settings and name not in planned:
            run = runs.load(folder / name)
            of_seed = settings.replace(seed=run.settings.seed)
            _check_same(run, of_seed, run.record.dataset.sha256, advice)


def _check_same(run, settings, sha256, advice):
    # A run that was trained again by its own command was told the number of threads that the sweep
    # had chosen.
    settings = settings.replace(threads=settings.threads or run.record.threads)
    if words := run.other(settings, sha256):
        fault = f"{run.folder} was trained with {words}: {advice}"
        raise UserError(". ".join(filter(None, [fault, run.to_resume])))


def _is_done(folder, settings, sha256, advice):
    run = runs.load_any(folder)
    if not run:
        return False
    _check_same(run, settings, sha256(settings.data, settings.holdout), advice)
    own = run.state == runs.TRAINING and not run.record.command
    if own or run.state == runs.INTERRUPTED:
        raise UserError(f"{folder} holds a run of its own that did not finish: {advice}")
    return run.state == runs.COMPLETE
