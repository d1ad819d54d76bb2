"""A search for the best settings: Optuna asks for trials, the workers train them, and what is best
is confirmed.

The test images take no part until the end. A trial is validated on training images that are held
out; the best few trials are trained again with other seeds, still so; which of them wins is
decided by these means. Only then are they trained on all training images, and evaluated on the
test images.
"""

import contextlib
import statistics

from lab import runs
from lab.console import duration, say
from lab.experiments import cluster, study, sweep, worker
from lab.settings import UserError

LOOKED_AT = 100  # earlier runs, for the time that one takes


def announce(plan, done, output, workers):
    """Say how many trainings a search is, and about how long it will take, if there are runs like
    its own to tell.

    Parameters
    ----------
    plan : study.Plan
    done : int
        Trials that have ended.
    output : runs.Output
        Of the search.
    workers : int
    """
    settings, trainings = plan.settings, plan.trainings
    seconds = _seconds_of_a_run(settings, output.results_dir)
    long = "an estimate of the time follows after the first trial"
    if seconds is not None:
        needed = duration((trainings - done) * seconds / workers)
        long = f"about {needed}, by earlier runs of the net {settings.net}"
    say(
        f"{output.folder}: up to {trainings} trainings ({plan.trials} trials; the best "
        f"{plan.finalists} again, and {plan.tested} of these on all images, {seeds(plan.repeats)} "
        f"each), {workers} at a time: {long}."
    )


def seeds(count, kind=""):
    """A number of seeds, of a kind perhaps, as text: "2 other seeds"."""
    return f"{count} {kind}seed{'' if count == 1 else 's'}"


def _seconds_of_a_run(settings, results_dir):
    """How long a training takes, by the latest ones of this net and data set; None without any."""
    seconds = []
    for run in runs.latest(results_dir, LOOKED_AT):
        history, steady = run.history, run.history.steady_seconds
        like = (run.settings.net, run.settings.dataset) == (settings.net, settings.dataset)
        if like and steady and history.total_seconds:
            epoch = statistics.median(steady)
            more = epoch * (settings.epochs - history.epochs)
            seconds.append(max(epoch * settings.epochs, history.total_seconds + more))
    return statistics.median(seconds) if seconds else None


def train_trials(plan, output, work_on):
    """Train what is missing of a search's trials.

    Parameters
    ----------
    plan : study.Plan
    output : runs.Output
        Of the search.
    work_on : (dict of str to Arrays, cluster.Machines)

    Returns
    -------
    trials : optuna.Study
    failed : dict of str to str
        The trials that failed, and why; these are also printed on standard error. A failed trial
        has ended: it is not retried.

    Raises
    ------
    UserError
        If the folder holds something else, or the cluster cannot be reached.
    """
    folder, failed = output.folder, {}
    journal, (data, machines) = folder / study.JOURNAL, work_on
    runs.check_free(folder / "trial=0", overwrite=True)
    runs.check_inside(folder, journal)
    if not journal.exists():
        advice = "choose another name, or remove the folder"
        if (folder / study.EARLIER).exists():
            raise UserError(
                f"{folder} holds a search of an earlier version, whose {study.EARLIER} is not read "
                f"any more: {advice}"
            )
        if (folder / runs.SEARCH).exists():
            raise UserError(
                f"{folder} holds a search whose {journal.name} is gone: put it back, or {advice}"
            )
        runs.check_free(folder, overwrite=True)
    with runs.locked(folder):
        try:
            trials = study.open_study(folder, plan, data)
            done = sum(trial.state.is_finished() for trial in trials.trials)
            if done:
                lost = study.count_failed(trials)
                failures = f", {lost} of them failed" if lost else ""
                total = max(done, plan.trials)
                say(f"{folder}: {done} of {total} trials are done already{failures}.")
            if done < plan.trials:
                announce(plan, done, output, machines.workers)
                failed = _train(trials, plan, output, work_on)
        except KeyboardInterrupt:
            say(
                f"\n{folder}: stopping; the finished trials are saved, the same command resumes "
                "the search."
            )
            raise
        finally:
            study.unlock(journal)
    sweep.report_failed(failed, f"{plan.trials} trials")
    return trials, failed


def _train(trials, plan, output, work_on):
    """Train trials until there are so many in all; give back those that failed, and why."""
    (data, machines), folder, epochs = work_on, output.folder.absolute(), plan.settings.epochs
    failed = {}

    def tasks():
        for number in study.ask(trials, plan):
            name = f"trial={number}"
            runs.check_inside(folder, folder / name)
            asked = folder, plan, number
            inner = output.within(name)
            yield worker.Task(name, plan.settings, machines.threads, inner, asked=asked)

    left = study.unfinished(trials)  # by a command of more, perhaps
    begun = [_run_in(folder / f"trial={number}") for number in left]
    sweep.say_resumed([run.record for run in begun if run and run.state == runs.TRAINING])
    finished = {trial.number for trial in trials.trials if trial.state.is_finished()}
    expected = {f"trial={number}": epochs for number in {*left, *range(plan.trials)} - finished}
    told = False
    needed = min(machines.workers, len(expected))
    with (
        sweep.Display(expected, len(finished)) as display,
        contextlib.closing(
            cluster.train_on_workers(
                machines.client_for(needed), folder, tasks(), data, display.running
            )
        ) as ended,
    ):
        for name, fault in ended:
            if fault:
                failed[name] = fault
                study.fail(trials, int(name.partition("=")[2]))
            known = study.write_search(trials, plan.goal, folder)
            display.brief = _best(known, plan.goal)
            stopped = sum(not trial.whole for trial in known)
            display.note = f", {stopped} stopped early{display.brief}"
            display.finished(name, folder / name, fault)
            later = display.pace.seconds_of(plan.trainings - plan.trials, epochs)
            if later is not None and not told:
                told = True
                needed = duration(display.pace.seconds_left + later)
                display.say(f"About {needed} to the end of the search, by its first trial.")
    return failed


def _run_in(folder):
    """As `runs.load_any`; of a run with broken files, nothing is known."""
    with contextlib.suppress(UserError):
        return runs.load_any(folder)


def _best(trials, goal):
    """What the lines of a search say of its best trial so far."""
    best = runs.best_first(trials, goal)[:1]
    if goal.target_accuracy:
        return "".join(f", best {trial.parameters:,} parameters" for trial in best)
    return "".join(f", best {trial.accuracy:.4f}" for trial in best)
