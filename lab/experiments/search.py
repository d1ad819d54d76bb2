"""A search for the best settings: Optuna asks for trials, the workers train them, and what is best is confirmed.

The test images take no part until the end. A trial is validated on training images that are held out; the best few trials are
trained again with other seeds, still so; which of them wins is decided by these means. Only then are they trained on all
training images, and evaluated on the test images.

Optuna's state lies in ``search.db``: a search that was killed goes on, and one that is done can be extended.
"""

import sqlite3
import warnings
from typing import NamedTuple

import optuna
from optuna.trial import TrialState

from lab import runs
from lab.console import say
from lab.data import fingerprint
from lab.experiments import cluster, sweep
from lab.experiments.space import FIRST, suggest
from lab.settings import UserError, flag_of, text

DATABASE = "search.db"
HOLDOUT, LEAST_SHARE = 10_000, 4  # images held out by default, but at most a quarter
FINALISTS, TESTED = 5, 3  # trials that are trained again, and those of them that are tested
# After a quarter of its epochs, a trial is stopped early ...
KEPT = 75.0  # ... if the accuracy of so many percent of the trials was better then
HOPELESS = 3.0  # ... or, where a target is set, if its error is so many times that of the target


class Goal(NamedTuple):
    """What is looked for: the best accuracy with so many hidden units, or the fewest parameters with such an accuracy."""

    unit_budget: int | None = None
    target_accuracy: float | None = None


class Trial(NamedTuple):
    """A trial that ended."""

    number: int
    accuracy: float  # on the held-out images, in its last epoch
    parameters: int
    whole: bool  # not stopped early
    reached: bool  # the target, if there is one


def with_holdout(settings, data):
    """The settings with the default of a search for the images that are held out."""
    if "holdout" in settings.model_fields_set and settings.holdout:
        return settings
    return settings.replace(holdout=min(HOLDOUT, len(data[settings.dataset].train_images) // LEAST_SHARE))


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
    optuna.Study

    Raises
    ------
    UserError
        If the folder holds another search, or the cluster cannot be reached.
    """
    data, machines = work_on
    workers, folder = sweep.worker_count(machines), output.folder
    if runs.holds_run(folder):
        raise UserError(f"{folder} already holds a single run: choose another name for the search")
    with runs.locked(folder):
        study = _study(folder / DATABASE, settings, goal, data)
        before = len([trial for trial in study.trials if trial.state.is_finished()])
        if before:
            say(f"{folder}: {before} of {trials} trials are done already.")
        if before >= trials:
            return study
        work = sweep.work_for(output, machines)._replace(ahead=1, watch=lambda *epoch: _goes_on(study, settings, goal, *epoch))
        count = min(workers, trials - before)
        with sweep.Display(trials, before) as display, cluster.connect(machines.scheduler, count) as client:
            planned = _asked(study, settings, goal, trials)
            try:
                for name, files, fault in cluster.train_on_workers(client, planned, data, work, display.running):
                    fault = sweep.save(folder / name, files, overwrite=True) or fault
                    _tell(study, goal, folder / name)
                    best, ended = _best(ended_trials(study, goal), goal), study.trials
                    pruned = sum(trial.state == TrialState.PRUNED for trial in ended)
                    display.note = f", {pruned} stopped early" + (f", best {_words(best, goal)}" if best else "")
                    display.finished(name, files, fault)
            except KeyboardInterrupt:
                say(f"\n{folder}: stopping; the finished trials are saved, the same command goes on.")
                raise
    return study


def _words(trial, goal):
    return f"{trial.accuracy:.4f}" if goal.unit_budget else f"{trial.parameters:,} parameters"


def _study(path, settings, goal, data):
    """Optuna's study, opened or made; UserError if there is another one."""
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    given = {flag_of(name): text(getattr(settings, name)) for name in sorted(settings.model_fields_set)}
    about = {flag_of(name): value for name, value in goal._asdict().items()} | given
    about["data"] = fingerprint(data[settings.dataset])
    advice = "choose another name, or remove the folder"
    try:
        existing = path.exists() and _looks_like_ours(path)
        study = optuna.create_study(
            storage=optuna.storages.RDBStorage(f"sqlite:///{path}"), study_name="search", load_if_exists=True
        )
        known = study.user_attrs.get("search", None if existing else about)
        if not existing:
            for params in FIRST[settings.net]:
                study.enqueue_trial(params)
            study.set_user_attr("search", about)
    except Exception as error:  # whatever SQLite, SQLAlchemy and Optuna make of a broken file
        fault = " ".join(str(error).split())[:100]
        raise UserError(f"{path}: not the database of a search ({fault}); {advice}") from error
    other = [name for name in about | known if about.get(name) != known.get(name)]
    if other:
        was, now = (one.get(other[0], "to be found") for one in (known, about))
        raise UserError(f"{path} is of another search: its {other[0]} is {was}, not {now}; {advice}")
    # A sampler that began with the same numbers again would repeat the first trials.
    study.sampler = optuna.samplers.TPESampler(seed=settings.seed + len(study.trials), multivariate=True, constant_liar=True)
    study.pruner = optuna.pruners.PercentilePruner(KEPT, n_warmup_steps=_early(settings))
    return study


def _looks_like_ours(path):
    """Whether a database is one of a search; an error that says so if not. It is not written to."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        connection.execute("select value_json from study_user_attributes where key = 'search'").fetchone()[0]
    finally:
        connection.close()
    return True


def _asked(study, settings, goal, total):
    """The trials that a killed client left, and then new ones: their names and settings."""
    for trial in study.get_trials(states=[TrialState.RUNNING]):
        yield _named(optuna.trial.Trial(study, trial._trial_id), settings, goal)
    while sum(trial.state != TrialState.WAITING for trial in study.get_trials(deepcopy=False)) < total:
        yield _named(study.ask(), settings, goal)


def _named(trial, settings, goal):
    return f"trial={trial.number}", suggest(trial, settings, goal)


def _trial(study, name):
    """The trial of a run of this name, to be told of."""
    number = int(name.partition("=")[2])
    return optuna.trial.Trial(study, study.get_trials(deepcopy=False)[number]._trial_id)


def _early(settings):
    """The first epoch, from 0, after which a trial may be stopped for its accuracy."""
    return settings.epochs // 4


def _goes_on(study, settings, goal, name, parameters, epoch, accuracy):
    """Take note of an epoch of a trial; whether the trial may still win."""
    trial = _trial(study, name)
    known = study.get_trials(deepcopy=False)[trial.number]
    if known.state.is_finished() or epoch in known.intermediate_values:  # told before a client was killed
        return True
    trial.report(1 - accuracy, epoch)
    if goal.unit_budget:
        return not trial.should_prune()
    finalists = in_order(ended_trials(study, goal), goal)[:FINALISTS]
    too_large = len(finalists) == FINALISTS and parameters > finalists[-1].parameters
    # Not against the other trials: with few parameters, one that just reaches the target is worse than most.
    return not too_large and (epoch < _early(settings) or 1 - accuracy <= HOPELESS * (1 - goal.target_accuracy))


def _tell(study, goal, folder):
    """Tell Optuna what came of a trial."""
    trial = _trial(study, folder.name)
    if not runs.holds_run(folder):
        study.tell(trial, state=TrialState.FAIL)
        return
    run = runs.load(folder)
    accuracy, parameters = run.history.final["val_accuracy"] or 0.0, run.record.parameters
    trial.set_user_attr("accuracy", accuracy)
    trial.set_user_attr("parameters", parameters)
    if goal.target_accuracy:
        trial.set_constraint("accuracy", goal.target_accuracy - accuracy)
    whole = run.history.status == runs.COMPLETE
    value = parameters if goal.target_accuracy else 1 - accuracy
    study.tell(trial, value if whole else None, state=TrialState.COMPLETE if whole else TrialState.PRUNED)


def ended_trials(study, goal):
    """The trials that were trained, by rising number: a list of `Trial`."""
    target = goal.target_accuracy or 0
    several = [trial for trial in study.get_trials(deepcopy=False) if "parameters" in trial.user_attrs]
    parts = [(one.number, one.user_attrs["accuracy"], one.user_attrs["parameters"], one.value is not None) for one in several]
    return [Trial(*part, part[3] and part[1] >= target) for part in parts]


def in_order(trials, goal):
    """The trials that can win, the best first."""
    able = [trial for trial in trials if trial.whole and trial.reached]
    return sorted(able, key=lambda one: (one.parameters if goal.target_accuracy else -one.accuracy, -one.accuracy))


def _best(trials, goal):
    return next(iter(in_order(trials, goal)), None)
