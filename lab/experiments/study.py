"""What a search knows: what it is for, and Optuna's study of its trials.

Optuna's state lies in ``search.db``: a search that was killed goes on, and one that is done can be
extended.
"""

import contextlib
import itertools
import warnings
from typing import NamedTuple

import optuna
from optuna.exceptions import StorageInternalError
from optuna.trial import Trial, TrialState

from lab import runs
from lab.data import fingerprint, fit_batch
from lab.experiments.space import FIRST, USUAL, searched, suggest
from lab.io.words import first_line
from lab.settings import Settings, UserError, flag_of, text

DATABASE = "search.db"
MOST = 10_000  # trainings
_ADVICE = "choose another name, or remove the folder"
HOLDOUT, LEAST_SHARE = 10_000, 4  # images held out by default, but at most a quarter
FINALISTS, TESTED = 5, 3  # trials that are trained again, and those of them that are tested
# After a quarter of its epochs, a trial is stopped early ...
KEPT = 75.0  # ... if the accuracy of so many percent of the trials was better then
HOPELESS = 3.0  # ... or, where a target is set, if its error is so many times that of the target


class Goal(NamedTuple):
    """What is looked for: the best accuracy, of so many hidden units perhaps, or the fewest
    parameters for an accuracy.
    """

    unit_budget: int | None = None
    target_accuracy: float | None = None


class Plan(NamedTuple):
    """What is to be trained."""

    settings: Settings  # resolved; of these, what was given is the same in all trials
    goal: Goal
    trials: int  # in all, with those of earlier commands
    repeats: int  # of the best
    examples: int | None = None  # training images, which a batch has at most

    @property
    def finalists(self):
        return min(FINALISTS, self.trials)

    @property
    def tested(self):
        return min(TESTED, self.trials)

    @property
    def trainings(self):
        """At most: a trial that fails or is stopped early is not repeated."""
        return self.trials + (self.finalists + self.tested) * self.repeats


def plan_search(settings, data, goal, trials, repeats):
    """The plan of a search, with the default of a search for the images that are held out.

    Parameters
    ----------
    settings : Settings
    data : dict of str to Arrays
        As of `Settings.data`, holdout not applied.
    goal : Goal
    trials, repeats : int

    Returns
    -------
    Plan

    Raises
    ------
    UserError
        If it is too large.
    """
    images = len(data[settings.data].train_images)
    holdout = settings.holdout or min(HOLDOUT, images // LEAST_SHARE)
    plan = Plan(settings.replace(holdout=holdout), goal, trials, repeats, images - holdout)
    if plan.trainings > MOST:
        raise UserError(
            f"a search does at most {MOST:,} trainings, not {plan.trainings:,}: fewer trials or "
            "repeats"
        )
    return plan


def open_study(path, plan, data):
    """Optuna's study, opened or made.

    Parameters
    ----------
    path : Path
        Of its database.
    plan : Plan
    data : dict of str to Arrays

    Returns
    -------
    optuna.Study

    Raises
    ------
    UserError
        If there is another one, or something else.
    """
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    settings, goal = plan.settings, plan.goal
    free = {"device", "threads", *searched(settings)}  # where it is trained may change
    fixed = goal._asdict() | {name: value for name, value in settings if name not in free}
    about = {flag_of(name): text(value) for name, value in fixed.items() if value is not None}
    about["data"] = fingerprint(data[settings.data])
    with _reading(path):
        if not path.exists():
            _make(path, FIRST.get(settings.net, [USUAL]), about)
        # Without tables of its own: the database of something else stays as it is.
        storage = optuna.storages.RDBStorage(f"sqlite:///{path}", skip_table_creation=True)
        study = optuna.load_study(storage=storage, study_name="search")
        known = dict(study.user_attrs["search"])
        ended_trials(study, goal)
        # Not of the study, which keeps one trial of each number.
        trials = storage.get_all_trials(storage.get_study_id_from_name("search"), deepcopy=False)
        if [trial.number for trial in trials] != [*range(len(trials))]:
            raise ValueError("its trials are not numbered")
    other = [name for name in about | known if about.get(name) != known.get(name)]
    if other:
        was, now = (values.get(other[0], "to be found") for values in (known, about))
        difference = f"its {other[0]} is {was}, not {now}"
        if other == ["source"]:
            difference = f"the source of its network {settings.net} was another"
        raise UserError(f"{path} is of another search: {difference}; {_ADVICE}")
    # A sampler that began with the same numbers again would repeat the first trials.
    study.sampler = optuna.samplers.TPESampler(
        seed=settings.seed + len(study.trials), multivariate=True, constant_liar=True
    )
    study.pruner = optuna.pruners.PercentilePruner(KEPT, n_warmup_steps=settings.epochs // 4)
    return study


@contextlib.contextmanager
def _reading(path, *passed):
    """Raise UserError where what is read of a database is none of a search; some errors pass."""
    try:
        yield
    except (UserError, OSError, *passed):
        raise
    except Exception as error:  # whatever SQLite, Optuna and Pydantic make of a broken file
        fault = f"not the database of a search ({first_line(error)[:100]})"
        raise UserError(f"{path}: {fault}; {_ADVICE}") from error


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


def settings_of_trial(trial, plan, folder):
    """The settings of a trial.

    Parameters
    ----------
    trial : optuna.Trial or optuna.trial.FrozenTrial
    plan : Plan
    folder : Path
        Of the search.

    Returns
    -------
    Settings

    Raises
    ------
    UserError
        If they cannot be those of this search.
    StorageInternalError
        If they cannot be written down.
    """
    with _reading(folder / DATABASE, StorageInternalError):
        settings = suggest(trial, plan.settings, plan.goal)
    return fit_batch(settings, plan.examples) if plan.examples else settings


def run_in(folder):
    """As `runs.load_any`; of a run with broken files, nothing is known."""
    with contextlib.suppress(UserError):
        return runs.load_any(folder)


def unfinished(study):
    """The trials that were asked for and not told of: a killed client left them."""
    left = study.get_trials(states=[TrialState.RUNNING])
    return [Trial(study, trial._trial_id) for trial in left]


def tell_of_the_complete(study, plan, folder):
    """Tell Optuna of trials whose runs were completed without it: by their own commands, or just
    before a client was killed.

    Parameters
    ----------
    study : optuna.Study
    plan : Plan
    folder : Path
        Of the search.

    Raises
    ------
    UserError
        If there is a link in the place of a trial.
    """
    for trial in unfinished(study):
        path = folder / f"trial={trial.number}"
        runs.check_inside(folder, path)
        run = run_in(path)
        complete = run and run.state == runs.COMPLETE
        if complete and run.settings == settings_of_trial(trial, plan, folder):
            tell(trial, plan.goal, path)


def ask(study, plan, folder):
    """Ask for trials: those that a killed client left, then new ones.

    Parameters
    ----------
    study : optuna.Study
    plan : Plan
    folder : Path
        Of the search.

    Yields
    ------
    trial : optuna.Trial
    settings : Settings
    older : tuple or None
        What its run takes the place of, as of `runs.stamp`; None: nothing, or a run that is
        resumed.
    """
    asked_for = [trial for trial in study.trials if trial.state != TrialState.WAITING]
    new = (study.ask() for _ in range(plan.trials - len(asked_for)))
    for trial in itertools.chain(unfinished(study), new):
        path = folder / f"trial={trial.number}"
        runs.check_inside(folder, path)
        run = run_in(path)
        resumed = run and run.state == runs.TRAINING
        older = runs.stamp(path) if runs.has_files(path) and not resumed else None
        yield trial, settings_of_trial(trial, plan, folder), older


def may_win(trial, plan, parameters, epoch, accuracy):
    """Take note of an epoch of a trial; whether the trial may still win.

    Parameters
    ----------
    trial : optuna.Trial
    plan : Plan
    parameters : int
    epoch : int
        From 0.
    accuracy : float
        Of the validation images.
    """
    goal, known = plan.goal, trial.study.get_trials(deepcopy=False)[trial.number]
    told_before = epoch in known.intermediate_values  # a client was killed
    if known.state.is_finished() or told_before:
        return True
    trial.report(1 - accuracy, epoch)
    if not goal.target_accuracy:
        return not trial.should_prune()
    finalists = runs.best_first(ended_trials(trial.study, goal), goal)[:FINALISTS]
    if len(finalists) == FINALISTS and parameters > finalists[-1].parameters:
        return False
    # Not against the other trials: with few parameters, one that just reaches the target is worse
    # than most.
    least = min([1 - accuracy, *known.intermediate_values.values()])
    return epoch < plan.settings.epochs // 4 or least <= HOPELESS * (1 - goal.target_accuracy)


def tell(trial, goal, folder, older=None):
    """Tell Optuna what came of a trial.

    Parameters
    ----------
    trial : optuna.Trial
    goal : Goal
    folder : Path
        Of its run.
    older : tuple, optional
        Of what was there before, as of `runs.stamp`.

    Returns
    -------
    bool
        False if it left no run in place of an older one: it has failed, as it would again.
    """
    run = run_in(folder)
    if not run or run.state == runs.TRAINING or runs.stamp(folder) == older:
        trial.study.tell(trial, state=TrialState.FAIL)
        return False
    # A mean in float32 may miss 0 and 1.
    accuracy = min(max(run.history.final["val_accuracy"] or 0.0, 0.0), 1.0)
    parameters = run.record.parameters
    trial.set_user_attr("accuracy", accuracy)
    trial.set_user_attr("parameters", parameters)
    value = parameters if goal.target_accuracy else 1 - accuracy
    if goal.target_accuracy:
        trial.set_constraint("accuracy", goal.target_accuracy - accuracy)
    if run.history.status == runs.COMPLETE:
        trial.study.tell(trial, value)
    else:
        trial.study.tell(trial, state=TrialState.PRUNED)
    return True


def ended_trials(study, goal):
    """The trials that were trained, by rising number: a list of `runs.Trial`."""
    trials = []
    for trial in study.get_trials(deepcopy=False, states=[TrialState.COMPLETE, TrialState.PRUNED]):
        whole, known = trial.state == TrialState.COMPLETE, trial.user_attrs
        told = {name: known[name] for name in ("accuracy", "parameters")}
        reached = whole and told["accuracy"] >= (goal.target_accuracy or 0)
        trials.append(runs.Trial(number=trial.number, whole=whole, reached=reached, **told))
    return trials


def count_failed(study):
    """How many of a study's trials have failed."""
    return len(study.get_trials(deepcopy=False, states=[TrialState.FAIL]))


def write_search(study, goal, folder, importances=None):
    """Write search.json, for whoever reads a search without Optuna, and give back its trials.

    Parameters
    ----------
    study : optuna.Study
    goal : Goal
    folder : Path
        Of the search.
    importances : dict of str to float, optional

    Returns
    -------
    list of runs.Trial
        As of `ended_trials`.
    """
    trials = ended_trials(study, goal)
    content = goal._asdict() | ({} if any(goal) else {"accuracy": True})
    content["trials"] = [trial.model_dump() for trial in trials]
    content |= {"failed": count_failed(study), "importances": importances or {}}
    runs.write_json(folder / runs.SEARCH, content)
    return trials
