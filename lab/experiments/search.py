"""A search for the best settings: Optuna asks for trials, the workers train them, and what is best
is confirmed.

The test images take no part until the end. A trial is validated on training images that are held
out; the best few trials are trained again with other seeds, still so; which of them wins is
decided by these means. Only then are they trained on all training images, and evaluated on the
test images.

Optuna's state lies in ``search.db``: a search that was killed goes on, and one that is done can be
extended.
"""

import contextlib
import itertools
import sqlite3
import statistics
import warnings
from typing import NamedTuple

import optuna
from optuna.trial import TrialState

from lab import runs
from lab.console import duration, say
from lab.data import fingerprint, fit_batch
from lab.experiments import cluster, sweep
from lab.experiments.space import FIRST, USUAL, searched, suggest
from lab.io.words import first_line
from lab.settings import Settings, UserError, flag_of, text

DATABASE = "search.db"
MOST = 10_000  # trainings
_ADVICE = "choose another name, or remove the folder"
HOLDOUT, LEAST_SHARE = 10_000, 4  # images held out by default, but at most a quarter
LOOKED_AT = 100  # earlier runs, for the time that one takes
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


def with_holdout(settings, data):
    """The settings with the default of a search for the images that are held out."""
    default = min(HOLDOUT, len(data[settings.data].train_images) // LEAST_SHARE)
    return settings.replace(holdout=settings.holdout or default)


def _announce(plan, done, output, workers):
    """Say how many trainings a search is, and about how long it will take, if there are runs like
    its own to tell.
    """
    settings, _, trials, repeats, _ = plan
    parts = f"{trials} trials; the best {plan.finalists} again, and {plan.tested} of these on all images, {seeds(repeats)} each"
    seconds = _seconds_of_a_run(settings, output.results_dir)
    if seconds is None:
        long = "an estimate of the time follows after the first trial"
    else:
        long = f"about {duration((plan.trainings - done) * seconds / workers)}, by earlier runs of the net {settings.net}"
    say(
        f"{output.folder}: up to {plan.trainings} trainings ({parts}), {workers} at a time: {long}."
    )


def seeds(count, kind=""):
    """A number of seeds, of a kind perhaps, as text: "2 other seeds"."""
    return f"{count} {kind}seed{'' if count == 1 else 's'}"


def _seconds_of_a_run(settings, results_dir):
    """How long a training takes, by the latest ones of this net and data set; None without any."""
    found = []
    for run in runs.latest(results_dir, LOOKED_AT):
        history, like = (
            run.history,
            (run.settings.net, run.settings.dataset) == (settings.net, settings.dataset),
        )
        if like and history.steady_seconds and history.total_seconds:
            epoch = statistics.median(history.steady_seconds)
            compiling = max(0.0, history.total_seconds - epoch * history.epochs)
            found.append(compiling + epoch * settings.epochs)
    return statistics.median(found) if found else None


def search(plan, output, work_on):
    """Train what is missing of a search's trials.

    Parameters
    ----------
    plan : Plan
    output : runs.Output
        Of the search.
    work_on : (dict of str to Arrays, sweep.Machines)

    Returns
    -------
    study : optuna.Study
    failed : dict of str to str
        The trials that failed, and why; these are also printed on standard error. A failed trial
        has ended: it is not retried.

    Raises
    ------
    UserError
        If the folder holds something else, or the cluster cannot be reached.
    """
    settings, goal, trials, *_ = plan
    data, machines = work_on
    workers, folder, failed = sweep.worker_count(machines), output.folder, {}
    runs.check_free(folder / "trial=0", overwrite=True)
    runs.check_inside(folder, folder / DATABASE)
    if not (folder / DATABASE).exists():
        if (folder / runs.SEARCH).exists():
            raise UserError(
                f"{folder} holds a search whose {DATABASE} is gone: put it back, or choose another name"
            )
        runs.check_free(folder, overwrite=True)
    with runs.locked(folder):
        study = _study(folder / DATABASE, settings, goal, data)
        _tell_of_the_complete(study, plan, folder)
        done = sum(trial.state.is_finished() for trial in study.trials)
        if done:
            lost = _count_failed(study)
            say(
                f"{folder}: {done} of {max(done, trials)} trials are done already{f', {lost} of them failed' if lost else ''}."
            )
        try:
            if done < trials:
                _announce(plan, done, output, workers)
                work = sweep.work_for(output, machines)
                with cluster.connect(machines.scheduler, min(workers, trials - done)) as client:
                    failed = _train(study, plan, (client, data, work), folder)
        except KeyboardInterrupt:
            say(
                f"\n{folder}: stopping; the finished trials are saved, the same command resumes the search."
            )
            raise
        except optuna.exceptions.StorageInternalError as error:
            raise _not_written(folder, error) from error
    sweep.report_failed(failed, f"{trials} trials")
    return study, failed


def _not_written(folder, error):
    return UserError(
        f"{folder / DATABASE}: {first_line(error)[:100]}; the same command resumes the search"
    )


def _train(study, plan, cluster_work, folder):
    """Train trials until there are so many in all; give back those that failed, and why."""
    (settings, goal, trials, *_), (client, data, work) = plan, cluster_work
    asked, failed = {}, {}  # by the run's name: Optuna's trial, and what its run takes the place of

    def watch(name, *epoch):
        return _goes_on(asked[name][0], settings, goal, *epoch)

    left = study.get_trials(states=[TrialState.RUNNING])
    found = [_run_in(folder / f"trial={trial.number}") for trial in left]
    sweep.say_resumed([run.record for run in found if run and run.state == runs.TRAINING])
    planned = _asked(study, plan, folder, asked)
    work = work._replace(ahead=1, watch=watch)
    finished = {trial.number for trial in study.get_trials() if trial.state.is_finished()}
    begun = {trial.number for trial in left}  # by a command of more trials, perhaps
    epochs = {
        f"trial={number}": settings.epochs for number in begun.union(range(trials)) - finished
    }
    with sweep.Display(epochs, len(finished)) as display:
        told = False
        for name, files, fault in cluster.train_on_workers(
            client, planned, data, work, display.running
        ):
            fault = sweep.save(folder / name, files, runs.stamp(folder / name)) or fault
            trial, older = asked[name]
            if not _tell(trial, goal, folder / name, older):
                failed[name] = fault
            ended = ended_trials(study, goal)
            record(ended, study, goal, folder)
            stopped, display.brief = _state(ended, goal)
            display.note = f"{stopped}{display.brief}"
            display.finished(name, files, fault)
            later = display.pace.seconds_of(plan.trainings - trials, settings.epochs)
            if later is not None and not told:
                told = True
                seconds = display.pace.seconds_left + later
                display.say(
                    f"About {duration(seconds)} to the end of the search, by its first trial."
                )
    return failed


def record(trials, study, goal, folder, importances=None):
    """Write search.json: for whoever reads a search without Optuna."""
    content = goal._asdict() | ({} if any(goal) else {"accuracy": True})
    content |= {"trials": [trial.model_dump() for trial in trials], "failed": _count_failed(study)}
    runs.write_json(folder / runs.SEARCH, content | {"importances": importances or {}})


def _count_failed(study):
    return len(study.get_trials(deepcopy=False, states=[TrialState.FAIL]))


def _state(trials, goal):
    """What the lines of a search say of it: how many trials were stopped early, and the best."""
    best = next(iter(runs.best_first(trials, goal)), None)
    value = best and (
        f"{best.accuracy:.4f}" if not goal.target_accuracy else f"{best.parameters:,} parameters"
    )
    return (
        f", {sum(not trial.whole for trial in trials)} stopped early",
        f", best {value}" if best else "",
    )


def _study(path, settings, goal, data):
    """Optuna's study, opened or made; UserError if there is another one."""
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    # Where it is trained may change.
    same = {
        name: value
        for name, value in settings
        if name not in {"device", "threads", *searched(settings)}
    }
    about = {
        flag_of(name): text(value)
        for name, value in (goal._asdict() | same).items()
        if value is not None
    }
    about["data"] = fingerprint(data[settings.data])
    with _reading(path):
        if not path.exists():
            _make(path, FIRST.get(settings.net, [USUAL]), about)
        _check_ours(path)
        study = optuna.load_study(storage=f"sqlite:///{path}", study_name="search")
        known = dict(study.user_attrs["search"])
        ended_trials(study, goal)
    other = [name for name in about | known if about.get(name) != known.get(name)]
    if other == ["source"]:
        raise UserError(
            f"{path} is of another search: the source of its network {settings.net} was another; {_ADVICE}"
        )
    if other:
        was, now = (one.get(other[0], "to be found") for one in (known, about))
        raise UserError(
            f"{path} is of another search: its {other[0]} is {was}, not {now}; {_ADVICE}"
        )
    # A sampler that began with the same numbers again would repeat the first trials.
    study.sampler = optuna.samplers.TPESampler(
        seed=settings.seed + len(study.trials), multivariate=True, constant_liar=True
    )
    study.pruner = optuna.pruners.PercentilePruner(KEPT, n_warmup_steps=_early(settings))
    return study


@contextlib.contextmanager
def _reading(path):
    """Raise UserError where what is read of a database is none of a search."""
    try:
        yield
    except (UserError, OSError):
        raise
    except (
        Exception
    ) as error:  # whatever SQLite, SQLAlchemy, Optuna and Pydantic make of a broken file
        raise UserError(
            f"{path}: not the database of a search ({first_line(error)[:100]}); {_ADVICE}"
        ) from error


def settings_of(trial, plan, folder):
    """The settings of a trial, in Optuna's own words in a search's folder; UserError if they
    cannot be those of this search.
    """
    with _reading(folder / DATABASE):
        try:
            settings = suggest(trial, plan.settings, plan.goal)
        except (
            optuna.exceptions.StorageInternalError
        ) as error:  # it cannot be written to, as on a full disk
            raise _not_written(folder, error) from error
    return fit_batch(settings, plan.examples) if plan.examples else settings


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
    # Not read-only: of a process that was killed while it wrote, what it had begun is to be taken
    # back.
    with contextlib.closing(
        sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)
    ) as connection:
        connection.execute(
            "select value_json from study_user_attributes where key = 'search'"
        ).fetchone()[0]
        numbers = [
            number for (number,) in connection.execute("select number from trials order by number")
        ]
    if numbers != [*range(len(numbers))]:
        raise ValueError("its trials are not numbered")


def _tell_of_the_complete(study, plan, folder):
    """Tell Optuna of trials whose runs were completed without it: by their own commands, or just
    before a client was killed.
    """
    for trial in _left(study):
        path = folder / f"trial={trial.number}"
        runs.check_inside(folder, path)
        run = _run_in(path)
        complete = run and run.state == runs.COMPLETE
        if complete and run.settings == settings_of(trial, plan, folder):
            _tell(trial, plan.goal, path)


def _run_in(folder):
    """As `runs.load_any`; of a run with broken files, nothing is known."""
    with contextlib.suppress(UserError):
        return runs.load_any(folder)


def _left(study):
    """The trials that were asked for and not told of: a killed client left them."""
    return [
        optuna.trial.Trial(study, trial._trial_id)
        for trial in study.get_trials(states=[TrialState.RUNNING])
    ]


def _asked(study, plan, folder, asked):
    """The names and settings of trials, which are noted in ``asked``: those that a killed client
    left, then new ones; and what each takes the place of, as of `runs.stamp`.
    """
    left = _left(study)
    missing = plan.trials - sum(
        trial.state != TrialState.WAITING for trial in study.get_trials(deepcopy=False)
    )
    for trial in itertools.chain(left, (study.ask() for _ in range(missing))):
        name = f"trial={trial.number}"
        runs.check_inside(folder, folder / name)
        run = _run_in(folder / name)
        unfinished = run and run.state == runs.TRAINING
        in_the_way = runs.has_files(folder / name) and not unfinished
        older = runs.stamp(folder / name) if in_the_way else None
        asked[name] = trial, older
        yield name, settings_of(trial, plan, folder), older


def _early(settings):
    """The first epoch, from 0, after which a trial may be stopped for its accuracy."""
    return settings.epochs // 4


def _goes_on(trial, settings, goal, parameters, epoch, accuracy):
    """Take note of an epoch of a trial; whether the trial may still win."""
    known = trial.study.get_trials(deepcopy=False)[trial.number]
    if (
        known.state.is_finished() or epoch in known.intermediate_values
    ):  # told before a client was killed
        return True
    trial.report(1 - accuracy, epoch)
    if not goal.target_accuracy:
        return not trial.should_prune()
    finalists = runs.best_first(ended_trials(trial.study, goal), goal)[:FINALISTS]
    too_large = len(finalists) == FINALISTS and parameters > finalists[-1].parameters
    # Not against the other trials: with few parameters, one that just reaches the target is worse
    # than most.
    least = min([1 - accuracy, *known.intermediate_values.values()])
    return not too_large and (
        epoch < _early(settings) or least <= HOPELESS * (1 - goal.target_accuracy)
    )


def _tell(trial, goal, folder, older=None):
    """Tell Optuna what came of a trial; False if it left no run in place of an older one: it has
    failed, as it would again.
    """
    run = _run_in(folder)
    if not run or run.state == runs.TRAINING or runs.stamp(folder) == older:
        trial.study.tell(trial, state=TrialState.FAIL)
        return False
    accuracy, parameters = run.history.final["val_accuracy"] or 0.0, run.record.parameters
    accuracy = min(max(accuracy, 0.0), 1.0)  # a mean in float32 may miss them
    trial.set_user_attr("accuracy", accuracy)
    trial.set_user_attr("parameters", parameters)
    if goal.target_accuracy:
        trial.set_constraint("accuracy", goal.target_accuracy - accuracy)
    whole = run.history.status == runs.COMPLETE
    value = parameters if goal.target_accuracy else 1 - accuracy
    trial.study.tell(
        trial, value if whole else None, state=TrialState.COMPLETE if whole else TrialState.PRUNED
    )
    return True


def ended_trials(study, goal):
    """The trials that were trained, by rising number: a list of `runs.Trial`."""
    target = goal.target_accuracy or 0
    trials = []
    for one in study.get_trials(deepcopy=False, states=[TrialState.COMPLETE, TrialState.PRUNED]):
        told, whole = (
            {name: one.user_attrs[name] for name in ("accuracy", "parameters")},
            one.state == TrialState.COMPLETE,
        )
        reached = whole and told["accuracy"] >= target
        trials.append(runs.Trial(number=one.number, whole=whole, reached=reached, **told))
    return trials
