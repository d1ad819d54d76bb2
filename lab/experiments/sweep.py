"""Many runs from one command: what is missing of them is trained, and each is on disk as soon as
it is done.
"""

import contextlib
import functools
import sys
from collections import Counter
from pathlib import Path

from lab import runs
from lab.backend import devices
from lab.console import say
from lab.data import find, fingerprint, hold_out, resolve, say_batches
from lab.experiments import cluster, worker
from lab.experiments.display import Display
from lab.io.words import in_natural_order
from lab.settings import UserError

_MOST_WAITING = 4  # processes that take turns
_AGAIN = "choose another name, or add --overwrite to train all of it again"


def load_data(planned, data_dir=None):
    """The data sets of some runs, each loaded once, and the runs' settings resolved with them.

    Runs whose settings, now that they are resolved, are those of an earlier one are left out.

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
    load = functools.cache(find)
    resolved, data, first = {}, {}, {}
    for name, settings in planned.items():
        dataset, arrays = load(settings.dataset, data_dir, settings.resize)
        resolved[name] = used = resolve(settings, dataset, arrays)
        if data.setdefault(used.data, arrays) is not arrays:
            raise UserError(
                "two of the data sets have the same name: give your files different ones"
            )
        first.setdefault(used, name)
    say_batches([(planned[name], used) for name, used in resolved.items()])
    kept = {name: settings for settings, name in first.items()}
    left_out = [name for name in planned if name not in kept]
    if left_out:
        say(
            f"{len(left_out)} of {len(planned)} runs are left out, since their settings and seeds "
            f"are those of other runs: {', '.join(left_out[:3])} ..."
        )
    return kept, data


def train_missing(planned, data, output, machines, advice=_AGAIN):
    """Train what is missing of a sweep; each run is written into its folder as soon as it is done.

    Parameters
    ----------
    planned, data
        As `load_data` gives them.
    output : runs.Output
        Of the sweep; its ``overwrite``: train all of it again.
    machines : cluster.Machines
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
    folder = output.folder
    with runs.locked(folder):
        todo = missing(folder, planned, data, output.overwrite, advice)
        if len(todo) < len(planned):
            say(f"{folder}: {len(planned) - len(todo)} of {len(planned)} runs are done already.")
        if not todo:
            return {}
        failed, setups = {}, {name: devices.setup_of(todo[name], machines.threads) for name in todo}
        order = _in_order(todo, setups, machines)
        resumed = [] if output.overwrite else _resumed(folder, order, setups)
        tasks = []
        for name in order:
            path, older = folder / name, None
            if name not in resumed and runs.has_files(path):
                # What lies there now is to go; what comes later is what an earlier try has left.
                older = runs.stamp(path)
            task = worker.Task(name, todo[name], machines.threads, output.within(name), older)
            tasks.append(task)
        needed, most = min(machines.workers, len(todo)), None
        kinds = list(dict.fromkeys(setups.values()))
        if _takes_turns(machines) and len(kinds) > 1:
            # Each kind of start of TensorFlow has a worker of its own, that waits for its turn.
            needed, most = min(len(kinds), _MOST_WAITING), 1
            at = {name: kinds.index(setup) % needed for name, setup in setups.items()}
            tasks = [task._replace(worker=at[task.name]) for task in tasks]
        unbroken = {name for name in order if not _has_broken(folder / name)}
        epochs = {name: settings.epochs for name, settings in todo.items()}
        with (
            Display(epochs) as display,
            contextlib.closing(
                cluster.train_on_workers(
                    machines.client_for(needed), folder, tasks, data, display.running, most
                )
            ) as ended,
        ):
            try:
                for name, fault in ended:
                    if fault:
                        failed[name] = fault
                    display.finished(name, folder / name, fault)
                    if name in unbroken and _has_broken(folder / name):
                        display.say(
                            f"{name}: its checkpoint could not be used; it is set aside, and the "
                            "run was trained anew."
                        )
            except KeyboardInterrupt:
                again = "trains all of it again" if output.overwrite else "resumes them"
                say(
                    f"\n{folder}: stopping; the finished runs are saved, those in training after "
                    f"their last epoch; the same command {again}."
                )
                raise
    report_failed(failed, f"{len(planned)} runs", "; the same command retries them")
    return failed


def _takes_turns(machines):
    """Whether one run at a time is trained, on this machine."""
    return machines.workers == 1 and not machines.scheduler


def _in_order(planned, setups, machines):
    """The names of runs in the order in which they are trained.

    Those that TensorFlow is started alike for follow each other: it takes seconds. But where one
    run at a time tells which device is faster, devices alternate by seed, so that what slows the
    machine for a while slows all of them.
    """
    several = len({(settings.device, settings.threads) for settings in planned.values()}) > 1
    alternate = several and _takes_turns(machines)

    def rank(name):
        return planned[name].seed if alternate else 0, [str(part) for part in setups[name]]

    return sorted(planned, key=rank)


def _resumed(folder, order, setups):
    """The names of the runs that are resumed. Says what is to be known of them, and of those that
    could be but for their threads.
    """
    records, of_other_threads = {}, 0
    for name in order:
        run = runs.load_any(folder / name)
        if run and run.state == runs.TRAINING:
            if run.record.threads == setups[name].threads:
                records[name] = run.record
            else:
                of_other_threads += 1
    say_resumed(records.values())
    if of_other_threads:
        say(
            f"Note: {of_other_threads} of the unfinished runs trained anew: they were begun with "
            "another number of threads (--workers)."
        )
    return records


def _has_broken(folder):
    return (folder / runs.File.BROKEN_CHECKPOINT).exists()


def say_resumed(records):
    """Say so if runs of these records are resumed by other code, or with other packages, than they
    were begun with.

    Parameters
    ----------
    records : collection of runs.Record
    """
    if not records:
        return
    now = runs.Origin(code=runs.code_hash(), versions=runs.versions(), commit=runs.checkout()[0])
    begun = [record.parts[-1] if record.parts else record for record in records]
    for words, count in Counter(word for one in begun for word in runs.changes(one, now)).items():
        say(f"Note: {count} of the unfinished runs resumed with {words}: {runs.NOT_THE_SAME}.")


def report_failed(failed, total, advice=""):
    """Say on standard error which of so many failed, and why."""
    if not failed:
        return
    say(f"train.py: error: {len(failed)} of {total} failed{advice}:", file=sys.stderr)
    failed = {name: failed[name] for name in sorted(failed, key=in_natural_order)}
    for fault in dict.fromkeys(failed.values()):
        first, *others = (name for name in failed if failed[name] == fault)
        more = f" and {len(others)} more" if others else ""
        say(f"  {first}{more}: {fault}", file=sys.stderr)


def missing(folder, planned, data, overwrite=False, advice=_AGAIN):
    """The part of a sweep that is still to be done, as `train_missing`."""
    if runs.holds_run(folder):
        raise UserError(f"{folder} already holds a single run: choose another name for the sweep")
    histories = runs.below(folder, runs.File.HISTORY)
    existing = [path.relative_to(folder).as_posix() for path in histories]
    others = {_swept(name) for name in existing} - {_swept(name) for name in planned}
    if others:
        raise UserError(
            f"{folder} holds other runs, of {others.pop()}: choose another name for the sweep"
        )
    for name in planned:
        runs.check_inside(folder, folder / name)
        runs.check_free(folder / name, overwrite=True)
    _check_repeats(folder, planned, existing)
    if overwrite:
        return dict(planned)
    hashed = functools.cache(lambda dataset, holdout: fingerprint(hold_out(data[dataset], holdout)))
    todo = {}
    for name, settings in planned.items():
        run = runs.load_any(folder / name)
        if run:
            _check_same(run, settings, hashed(settings.data, settings.holdout), advice)
            own = run.state == runs.TRAINING and not run.record.command
            if own or run.state == runs.INTERRUPTED:
                raise UserError(
                    f"{run.folder} holds a run of its own that did not finish: {advice}"
                )
        if not run or run.state != runs.COMPLETE:
            todo[name] = settings
    return todo


def _swept(name):
    """What varies in the sweep that a run of this name is of: "hidden, seed"."""
    return ", ".join(part.partition("=")[0] for part in name.split("/"))


def _check_repeats(folder, planned, existing):
    """Raise UserError if a run that exists, and would count as a repeat of planned ones, was
    trained otherwise than they.
    """
    of_setting = {Path(name).parent: settings for name, settings in planned.items()}
    for name in existing:
        settings = of_setting.get(Path(name).parent)
        if settings and name not in planned:
            run = runs.load(folder / name)
            _check_same(
                run,
                settings.replace(seed=run.settings.seed),
                run.record.dataset.sha256,
                "and would count as a repeat: train it again, too (--repeats), remove it, or "
                "choose another name",
            )


def _check_same(run, settings, sha256, advice):
    # A run that was trained again by its own command was told the number of threads that the sweep
    # had chosen.
    settings = settings.replace(threads=settings.threads or run.record.threads)
    if words := run.other(settings, sha256):
        fault = f"{run.folder} was trained with {words}: {advice}"
        raise UserError(". ".join(filter(None, [fault, run.to_resume])))
