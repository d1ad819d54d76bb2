"""What a search knows: what it is for, and Optuna's study of its trials.

Optuna's journal lies in the folder of the search: a search that was killed goes on, and one that is
done can be extended. Each worker reads and writes it: a trial's settings are suggested where it is
trained, with all that is known by then, its epochs are reported there, and it is pruned there. The
client only numbers the trials, so that one whose worker was lost is the same trial elsewhere.
"""

import contextlib
import functools
import math
import warnings
from typing import NamedTuple

import optuna
from filelock import FileLock
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import Trial, TrialState

from lab import runs
from lab.data import fingerprint, fit_batch
from lab.experiments.space import FIRST, USUAL, searched, suggest
from lab.io.words import first_line
from lab.settings import Settings, UserError, flag_of, text

JOURNAL = "search.journal"
EARLIER = "search.db"  # of earlier versions
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


def open_study(folder, plan, data):
    """Optuna's study, opened or made.

    Parameters
    ----------
    folder : Path
        Of the search.
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
    path, settings = folder / JOURNAL, plan.settings
    free = {"device", "threads", *searched(settings)}  # where it is trained may change
    fixed = plan.goal._asdict() | {name: value for name, value in settings if name not in free}
    about = {flag_of(name): text(value) for name, value in fixed.items() if value is not None}
    about["data"] = fingerprint(data[settings.data])
    with _reading(path):
        if not path.exists():
            _make(path, FIRST.get(settings.net, [USUAL]), about)
        study = _study(_storage(path))
        known = {**study.user_attrs["search"]}
        _check_ended(folder, {trial.number for trial in ended_trials(study, plan.goal)})
        _take_back(path)
    other = [name for name in about | known if about.get(name) != known.get(name)]
    if other:
        was, now = (values.get(other[0], "to be found") for values in (known, about))
        difference = f"its {other[0]} is {was}, not {now}"
        if other == ["source"]:
            difference = f"the source of its network {settings.net} was another"
        raise UserError(f"{path} is of another search: {difference}; {_ADVICE}")
    with _reading(path):
        # What is left of others could be no trials of this search: seen in a copy, to which what
        # is not known yet is suggested.
        copy = optuna.create_study()
        for number, trial in enumerate(study.get_trials(states=[TrialState.RUNNING])):
            copy.add_trial(trial)
            suggest(Trial(copy, number), settings, plan.goal)
    return study


@contextlib.contextmanager
def _reading(path):
    """Raise UserError where what is read of a journal is none of a search."""
    try:
        yield
    except (UserError, OSError):
        raise
    except Exception as error:  # whatever Optuna and Pydantic make of a broken file
        fault = f"not the journal of a search ({first_line(error)[:100]})"
        raise UserError(f"{path}: {fault}; {_ADVICE}") from error


def _storage(path):
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    # Optuna's own locks outlive a process that is killed, and others wait for them.
    return JournalStorage(JournalFileBackend(str(path), lock_obj=FileLock(_lock_of(path))))


def _lock_of(path):
    return path.with_name(f".{JOURNAL}.lock")


def unlock(path):
    """Remove what else than the journal is left when nobody writes to it."""
    _lock_of(path).unlink(missing_ok=True)


def _make(path, first, about):
    """Make the journal of a search, that is there only once it is whole."""
    with runs.atomic(path) as temporary:
        study = optuna.create_study(storage=_storage(temporary), study_name="search")
        for params in first:
            study.enqueue_trial(params)
        study.set_user_attr("search", about)


def _check_ended(folder, numbers):
    """Raise ValueError if there are not all trials among these that had ended before."""
    with contextlib.suppress(UserError):  # search.json is written again
        search = runs.load_search(folder)
        known = {trial.number for trial in search.trials} if search else set()
        if lost := known - numbers:
            raise ValueError(f"it lacks trial {min(lost)} of {runs.SEARCH}")


def _take_back(path):
    """Take back the part of a line that a process had written when the disk was full, or the power
    was cut.
    """
    with FileLock(_lock_of(path)), open(path, "r+b") as journal:
        journal.truncate(journal.read().rfind(b"\n") + 1)


def _study(storage, **parts):
    return optuna.load_study(storage=storage, study_name="search", **parts)


# Kept for a client's trials: to read a long journal from its beginning takes seconds.
@functools.lru_cache(maxsize=1)
def _storage_of(path, client):
    return _storage(path)


class Asked:
    """A trial that is to be trained, opened where this is done.

    Parameters
    ----------
    folder : Path
        Of the search.
    plan : Plan
    number : int
        Of the trial.
    client : str
        Who has asked for it.

    Attributes
    ----------
    has_ended : bool
        The trial was told of already; then there is nothing else.
    settings : Settings
        Suggested with all that is known of other trials now; the same again once it was begun.

    Raises
    ------
    UserError
        If the journal is broken.
    """

    def __init__(self, folder, plan, number, client):
        self.folder, self.plan, epochs = folder / f"trial={number}", plan, plan.settings.epochs
        # Each its own numbers: the same ones would suggest the same settings.
        seed = plan.settings.seed + number
        sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)
        pruner = optuna.pruners.PercentilePruner(KEPT, n_warmup_steps=epochs // 4)
        with _reading(folder / JOURNAL):
            storage = _storage_of(folder / JOURNAL, client)
            study = _study(storage, sampler=sampler, pruner=pruner)
            searches = storage.get_study_id_from_name(study.study_name)
            trial_id = storage.get_trial_id_from_study_id_trial_number(searches, number)
            self.has_ended = storage.get_trial(trial_id).state.is_finished()
            if self.has_ended:
                return
            self.trial = Trial(study, trial_id)
        self.settings = settings_of_trial(self.trial, plan, folder)

    def older(self, threads):
        """As of `runs.stamp`, the run in the trial's folder, if it is none of this trial, with so
        many threads, that was finished or can be.
        """
        with contextlib.suppress(UserError):  # it is broken
            run = runs.load_any(self.folder)
            if run is None:
                return None
            same = (run.settings, run.record.threads) == (self.settings, threads)
            if same and run.state in (runs.TRAINING, runs.COMPLETE):
                return None
        return runs.stamp(self.folder)

    def may_win(self, parameters, epoch, accuracy):
        """Take note of an epoch of the trial; whether the trial may still win.

        Parameters
        ----------
        parameters : int
        epoch : int
            From 0.
        accuracy : float
            Of the validation images.
        """
        trial, goal, epochs = self.trial, self.plan.goal, self.plan.settings.epochs
        known = trial.study.get_trials(deepcopy=False)[trial.number].intermediate_values
        if epoch in known:  # trained again, after a kill
            return True
        trial.report(1 - accuracy, epoch)
        if epoch + 1 == epochs:
            return True
        if not goal.target_accuracy:
            return not trial.should_prune()
        finalists = runs.best_first(ended_trials(trial.study, goal), goal)[:FINALISTS]
        if len(finalists) == FINALISTS and parameters > finalists[-1].parameters:
            return False
        # Not against the other trials: with few parameters, one that just reaches the target is
        # worse than most.
        least = min([1 - accuracy, *known.values()])
        return epoch < epochs // 4 or least <= HOPELESS * (1 - goal.target_accuracy)

    def tell(self):
        """Tell Optuna what came of the trial."""
        run, goal, study = runs.load(self.folder), self.plan.goal, self.trial.study
        # A mean in float32 may miss 0 and 1.
        accuracy = min(max(run.history.final["val_accuracy"] or 0.0, 0.0), 1.0)
        parameters = run.record.parameters
        self.trial.set_user_attr("accuracy", accuracy)
        self.trial.set_user_attr("parameters", parameters)
        if goal.target_accuracy:
            self.trial.set_constraint("accuracy", goal.target_accuracy - accuracy)
        if run.history.status == runs.COMPLETE:
            study.tell(self.trial, parameters if goal.target_accuracy else 1 - accuracy)
        else:
            study.tell(self.trial, state=TrialState.PRUNED)


def settings_of_trial(trial, plan, folder):
    """The settings of a trial.

    Parameters
    ----------
    trial : optuna.Trial or optuna.trial.FrozenTrial
    plan : Plan
    folder : Path
        Of the search.

    Raises
    ------
    UserError
        If they cannot be those of this search.
    """
    with _reading(folder / JOURNAL):
        settings = suggest(trial, plan.settings, plan.goal)
    return fit_batch(settings, plan.examples) if plan.examples else settings


def unfinished(study):
    """The numbers of the trials that were asked for and not told of: a killed client left them."""
    return [trial.number for trial in study.get_trials(deepcopy=False, states=[TrialState.RUNNING])]


def ask(study, plan):
    """Ask for trials, when they are needed: those that a killed client left, then new ones; yields
    their numbers.
    """
    asked_for = [trial for trial in study.trials if trial.state != TrialState.WAITING]
    yield from unfinished(study)
    for _ in range(plan.trials - len(asked_for)):
        yield study.ask().number


def fail(study, number):
    """Tell Optuna that a trial has failed, as it would again, unless it has ended."""
    study.tell(number, state=TrialState.FAIL, skip_if_finished=True)


def ended_trials(study, goal):
    """The trials that were trained, by rising number: a list of `runs.Trial`."""
    trials = []
    for trial in study.get_trials(deepcopy=False, states=[TrialState.COMPLETE, TrialState.PRUNED]):
        whole, known = trial.state == TrialState.COMPLETE, trial.user_attrs
        values = [*trial.intermediate_values.values(), *(trial.values if whole else ())]
        if not math.isfinite(math.fsum(values)):
            raise ValueError(f"its trial {trial.number} has values that are no numbers")
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
