"""A search for the best settings: Optuna asks for trials, the workers train them, and what is best is confirmed.

The test images take no part until the end. A trial is validated on training images that are held out; the best few trials are
trained again with other seeds, still so; which of them wins is decided by these means. Only then are they trained on all
training images, and evaluated on the test images.

Optuna's state lies in ``search.db``: a search that was killed goes on, and one that is done can be extended.
"""

import contextlib
import itertools
import sqlite3
import warnings
from typing import NamedTuple

import optuna
from optuna.trial import TrialState

from lab import runs
from lab.console import say
from lab.data import fingerprint
from lab.experiments import cluster, sweep
from lab.experiments.space import FIRST, USUAL, searched, suggest
from lab.settings import UserError, flag_of, text

DATABASE = "search.db"
HOLDOUT, LEAST_SHARE = 10_000, 4  # images held out by default, but at most a quarter
FINALISTS, TESTED = 5, 3  # trials that are trained again, and those of them that are tested
# After a quarter of its epochs, a trial is stopped early ...
KEPT = 75.0  # ... if the accuracy of so many percent of the trials was better then
HOPELESS = 3.0  # ... or, where a target is set, if its error is so many times that of the target


class Goal(NamedTuple):
    """What is looked for: the best accuracy, of so many hidden units perhaps, or the fewest parameters for an accuracy."""

    unit_budget: int | None = None
    target_accuracy: float | None = None


def with_holdout(settings, data):
    """The settings with the default of a search for the images that are held out."""
    default = min(HOLDOUT, len(data[settings.dataset].train_images) // LEAST_SHARE)
    return settings.replace(holdout=settings.holdout or default)


def search(settings, goal, trials, output, work_on):
    """Train what is missing of a search's trials.

    Parameters
    ----------
    settings : Settings
        Resolved; of these, what was given is the same in all trials.
    goal : Goal
    trials : int
        In all, with those of earlier commands.
    output : runs.Output
        Of the search.
    work_on : (dict of str to Arrays, sweep.Machines)

    Returns
    -------
    study : optuna.Study
    failed : dict of str to str
        The trials that failed, and why; these are also printed on standard error. The same search tries them again.

    Raises
    ------
    UserError
        If the folder holds something else, or the cluster cannot be reached.
    """
    data, machines = work_on
    workers, folder, failed = sweep.worker_count(machines), output.folder, {}
    runs.check_free(folder / "trial=0", overwrite=True)
    if not (folder / DATABASE).exists():
        runs.check_free(folder, overwrite=True)
    with runs.locked(folder):
        study = _study(folder / DATABASE, settings, goal, data)
        done = sum(trial.state.is_finished() for trial in study.trials)
        if done:
            say(f"{folder}: {done} of {trials} trials are done already.")
        try:
            if done < trials:
                work = sweep.work_for(output, machines)
                with cluster.connect(machines.scheduler, min(workers, trials - done)) as client:
                    failed = _train(study, (settings, goal, trials), (client, data, work), folder)
        except KeyboardInterrupt:
            say(f"\n{folder}: stopping; the finished trials are saved, the same command goes on.")
            raise
        except optuna.exceptions.StorageInternalError as error:
            raise UserError(f"{folder / DATABASE}: {str(error)[:100]}; the same command goes on") from error
    sweep.report_failed(failed, trials)
    return study, failed


def _train(study, plan, cluster_work, folder):
    """Train trials until there are so many in all; give back those that failed, and why."""
    (settings, goal, trials), (client, data, work) = plan, cluster_work
    asked, failed = {}, {}  # Optuna's trials, by the run's name

    def watch(name, *epoch):
        return _goes_on(asked[name], settings, goal, *epoch)

    planned = _asked(study, plan, folder, asked)
    work = work._replace(ahead=1, watch=watch)
    ended = {trial.number for trial in ended_trials(study, goal)}
    begun = {trial.number for trial in study.get_trials(states=[TrialState.RUNNING])}  # by a command of more trials, perhaps
    epochs = {f"trial={number}": settings.epochs for number in begun.union(range(trials)) - ended}
    with sweep.Display(epochs, len(ended)) as display:
        for name, files, fault in cluster.train_on_workers(client, planned, data, work, display.running):
            fault = sweep.save(folder / name, files, overwrite=True) or fault
            if not _tell(asked[name], goal, folder / name):
                failed[name] = fault
            ended = ended_trials(study, goal)
            record(ended, goal, folder)
            display.note = _state(ended, goal)
            display.finished(name, files, fault)
    return failed


def record(trials, goal, folder, importances=None):
    """Write search.json: for whoever reads a search without Optuna."""
    content = goal._asdict() | ({} if any(goal) else {"accuracy": True})
    content |= {"trials": [trial.model_dump() for trial in trials], "importances": importances or {}}
    runs.write_json(folder / runs.SEARCH, content)


def _state(trials, goal):
    """What the line of a search says of it."""
    best = next(iter(runs.best_first(trials, goal)), None)
    value = best and (f"{best.accuracy:.4f}" if not goal.target_accuracy else f"{best.parameters:,} parameters")
    return f", {sum(not trial.whole for trial in trials)} stopped early" + (f", best {value}" if best else "")


def _study(path, settings, goal, data):
    """Optuna's study, opened or made; UserError if there is another one."""
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    # Where it is trained may change.
    same = {name: value for name, value in settings if name not in {"device", "threads", *searched(settings)}}
    about = {flag_of(name): text(value) for name, value in (goal._asdict() | same).items() if value is not None}
    about["data"] = fingerprint(data[settings.dataset])
    advice = "choose another name, or remove the folder"
    try:
        if not path.exists():
            _make(path, FIRST.get(settings.net, [USUAL]), about)
        _check_ours(path)
        study = optuna.load_study(storage=f"sqlite:///{path}", study_name="search")
        known = study.user_attrs["search"]
    except Exception as error:  # whatever SQLite, SQLAlchemy and Optuna make of a broken file
        raise UserError(f"{path}: not the database of a search ({str(error)[:100]}); {advice}") from error
    other = [name for name in about | known if about.get(name) != known.get(name)]
    if other:
        was, now = (one.get(other[0], "to be found") for one in (known, about))
        raise UserError(f"{path} is of another search: its {other[0]} is {was}, not {now}; {advice}")
    # A sampler that began with the same numbers again would repeat the first trials.
    study.sampler = optuna.samplers.TPESampler(seed=settings.seed + len(study.trials), multivariate=True, constant_liar=True)
    study.pruner = optuna.pruners.PercentilePruner(KEPT, n_warmup_steps=_early(settings))
    return study


def _make(path, first, about):
    """Make the database of a search, that is there only once it is whole."""
    with runs.atomic(path) as temporary:
        storage = optuna.storages.RDBStorage(f"sqlite:///{temporary}")
        study = optuna.create_study(storage=storage, study_name="search")
        for params in first:
            study.enqueue_trial(params)
        study.set_user_attr("search", about)
        storage.remove_session()
        storage.engine.dispose()


def _check_ours(path):
    """An error that says so, unless a database is one of a search. Another one stays as it is."""
    # Not read-only: of a process that was killed while it wrote, what it had begun is to be taken back.
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as connection:
        connection.execute("select value_json from study_user_attributes where key = 'search'").fetchone()[0]


def _asked(study, plan, folder, asked):
    """The names and settings of trials, which are noted in ``asked``: those that failed or that a killed client left, then
    new ones."""
    left = [optuna.trial.Trial(study, trial._trial_id) for trial in study.get_trials(states=[TrialState.RUNNING])]
    settings, goal, total = plan
    missing = total - sum(trial.state != TrialState.WAITING for trial in study.get_trials(deepcopy=False))
    for trial in itertools.chain(left, (study.ask() for _ in range(missing))):
        name = f"trial={trial.number}"
        asked[name] = trial
        if not runs.unfinished(folder / name):
            runs.clear(folder / name)
        yield name, suggest(trial, settings, goal)


def _early(settings):
    """The first epoch, from 0, after which a trial may be stopped for its accuracy."""
    return settings.epochs // 4


def _goes_on(trial, settings, goal, parameters, epoch, accuracy):
    """Take note of an epoch of a trial; whether the trial may still win."""
    known = trial.study.get_trials(deepcopy=False)[trial.number]
    if known.state.is_finished() or epoch in known.intermediate_values:  # told before a client was killed
        return True
    trial.report(1 - accuracy, epoch)
    if not goal.target_accuracy:
        return not trial.should_prune()
    finalists = runs.best_first(ended_trials(trial.study, goal), goal)[:FINALISTS]
    too_large = len(finalists) == FINALISTS and parameters > finalists[-1].parameters
    # Not against the other trials: with few parameters, one that just reaches the target is worse than most.
    least = min([1 - accuracy, *known.intermediate_values.values()])
    return not too_large and (epoch < _early(settings) or least <= HOPELESS * (1 - goal.target_accuracy))


def _tell(trial, goal, folder):
    """Tell Optuna what came of a trial; False, and nothing told, if it left no run: it is to be tried again."""
    if not runs.holds_run(folder) or runs.unfinished(folder):
        return False
    run = runs.load(folder)
    accuracy, parameters = run.history.final["val_accuracy"] or 0.0, run.record.parameters
    trial.set_user_attr("accuracy", accuracy)
    trial.set_user_attr("parameters", parameters)
    if goal.target_accuracy:
        trial.set_constraint("accuracy", goal.target_accuracy - accuracy)
    whole = run.history.status == runs.COMPLETE
    value = parameters if goal.target_accuracy else 1 - accuracy
    trial.study.tell(trial, value if whole else None, state=TrialState.COMPLETE if whole else TrialState.PRUNED)
    return True


def ended_trials(study, goal):
    """The trials that were trained, by rising number: a list of `runs.Trial`."""
    target = goal.target_accuracy or 0
    trials = []
    for one in study.get_trials(deepcopy=False):
        if one.state.is_finished():
            told, whole = {name: one.user_attrs[name] for name in ("accuracy", "parameters")}, one.state == TrialState.COMPLETE
            reached = whole and told["accuracy"] >= target
            trials.append(runs.Trial(number=one.number, whole=whole, reached=reached, **told))
    return trials
