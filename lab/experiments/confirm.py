"""The best trials of a search, trained again: with other seeds on the same images, then on all
training images and tested.
"""

import math
import warnings

import numpy as np
import optuna

from lab import figures, runs
from lab.console import say, table
from lab.experiments import study, sweep
from lab.experiments.search import seeds
from lab.io.words import first_line
from lab.metrics.cells import cell
from lab.settings import as_flags

PARTS = HELD_OUT, TEST = "held-out", "test"  # folders within that of the search


def confirm_best(trials, plan, output, work_on):
    """Train the best trials of a search again, say which of them wins, test it, and draw what the
    search went through.

    Parameters
    ----------
    trials : optuna.Study
        As `search.train_trials` gives it.
    plan : study.Plan
    output : runs.Output
        Of the search.
    work_on : (dict of str to Arrays, cluster.Machines)

    Returns
    -------
    status : int
        The exit status: 1 if runs failed.
    paths : list of Path
        The figures.
    winner : Settings or None
    """
    goal, repeats, seed = plan.goal, plan.repeats, plan.settings.seed
    ended, paths = _draw(trials, plan, output)
    finalists = {one.number: one for one in runs.best_first(ended, goal)[: plan.finalists]}
    if not finalists:
        _say_unreached(ended, goal)
        return 0, paths, None
    settings = {
        number: study.settings_of_trial(trials.trials[number], plan, output.folder)
        for number in finalists
    }
    say(
        f"\nThe best {len(finalists)} again, with {seeds(repeats, 'other ')} each, on the same "
        "images:"
    )
    other = range(seed + 1, seed + 1 + repeats)  # by its own seed, a trial became one of the best
    held_out = _trained_again(settings, output, HELD_OUT, other, work_on)
    if not held_out:
        return 1, paths, None

    def rank(number):
        mean = held_out[number].mean()
        if not goal.target_accuracy:
            return -mean
        return mean < goal.target_accuracy, finalists[number].parameters, -mean

    order = sorted(held_out, key=rank)
    say(
        f"\nThe best of these, trained on all training images, {seeds(repeats)} each; now they are "
        "tested, once:"
    )
    tested = {number: settings[number].replace(holdout=0) for number in order[: plan.tested]}
    tests = _trained_again(tested, output, TEST, range(repeats), work_on)
    if not tests:
        return 1, paths, None
    order = dict.fromkeys([*tests, *held_out, *finalists])
    _print_table([finalists[number] for number in order], settings, held_out, tests)
    say(f"All rows: {_shared(plan.settings)}.")
    say(
        f"Chosen on {plan.settings.holdout:,} held-out training images; nothing was on the test "
        "images, on which the published solution was."
    )
    least = goal.target_accuracy or 0
    able = [number for number in tests if held_out[number].mean() >= least]
    status = int(len(held_out) < len(finalists) or len(tests) < len(tested))
    if not able:
        say(
            f"None of these reaches {goal.target_accuracy} on average: with more trials, the same "
            "command searches on."
        )
        return status, paths, None
    _say_winner(finalists[able[0]], tests[able[0]])
    return status, paths, tested[able[0]]


def _trained_again(settings, output, part, seeds, work_on):
    """The validation accuracies with these seeds, by trial; none of those of which a run failed."""
    data, machines = work_on
    folder = output.folder / part
    runs.check_inside(output.folder, folder)
    names = {number: [f"trial={number}/seed={seed}" for seed in seeds] for number in settings}
    planned = {
        name: settings[number].replace(seed=seed)
        for number in settings
        for name, seed in zip(names[number], seeds)
    }
    # What a command with another number of trials left there is of other trials perhaps: it stays,
    # and is not looked at.
    advice = f"remove {folder}, or choose another name"
    output = runs.Output(folder, f"{output.name}/{part}")
    failed = sweep.train_missing(planned, data, output, machines, advice)
    accuracies = {}
    for number, several in names.items():
        if not failed.keys() & several:
            finals = [runs.load(folder / name).history.final for name in several]
            accuracies[number] = np.array([final["val_accuracy"] for final in finals], float)
    return accuracies


def _print_table(finalists, settings, held_out, tests):
    rows = []
    for trial in finalists:
        row = {
            "trial": str(trial.number),
            "parameters": f"{trial.parameters:,}",
            "held-out, alone": f"{trial.accuracy:.4f}",
            "held-out, mean": _mean(held_out.get(trial.number)),
            "test, mean": _mean(tests.get(trial.number)),
            "settings": as_flags(settings[trial.number].replace(holdout=0).unusual()),
        }
        rows.append(row)
    table(
        rows,
        "The best trials, in the order of their means on the held-out images",
        left=("settings",),
    )


def _say_winner(trial, tests):
    drop = trial.accuracy - tests.mean()
    means = "with one seed"
    if len(tests) > 1:
        means = f"mean of {len(tests)} seeds with its 95% confidence interval"
    say(
        f"Trial {trial.number} wins: {trial.parameters:,} parameters, test accuracy "
        f"{_mean(tests)}, {means}. This {'drops' if drop > 0 else 'rises'} by {abs(drop):.4f} "
        "from what the trial alone had on the held-out images."
    )


def _mean(values):
    return "-" if values is None else cell("val_accuracy", values)


def _shared(settings):
    """What all trials of a search share, in words."""
    return (
        f"{settings.dataset}, {settings.holdout:,} training images held out, at most "
        f"{settings.epochs} epochs"
    )


def _say_unreached(trials, goal):
    best = max(trials, key=lambda trial: trial.accuracy, default=None)
    wanted = f"reaches {goal.target_accuracy}" if goal.target_accuracy else "was finished"
    about = ""
    if best:
        about = (
            f": the best has {best.accuracy:.4f}, with {best.parameters:,} parameters "
            f"(trial {best.number})"
        )
    say(f"No trial {wanted}{about}. With more trials, the same command searches on.")


def _draw(trials, plan, output):
    """The trials of a search so far, and the figures of them."""
    goal, shared, importances = plan.goal, _shared(plan.settings), {}
    ended = study.ended_trials(trials, goal)
    whole = [trial for trial in ended if trial.whole]
    drawn = {}
    if whole:
        title = f"{output.title}: {len(ended)} trials\n{shared}"
        drawn["search.png"] = figures.search(ended, goal.target_accuracy, title)
    if len(whole) > 3:
        importances = _importances(trials)
    if importances:
        title = (
            f"{output.title}: what the accuracy of a trial depends on\n{len(ended)} trials, "
            f"{shared}"
        )
        drawn["importances.png"] = figures.importances(importances, title)
    study.write_search(trials, goal, output.folder, importances)
    return ended, runs.save_figures(drawn, output.folder)


def _importances(trials):
    warnings.filterwarnings("ignore", module="optuna")  # of few trials
    try:
        shares = optuna.importance.get_param_importances(
            trials, target=lambda trial: 1 - trial.user_attrs["accuracy"]
        )
    except Exception as error:  # as of trials that are all equally accurate
        say(
            "The importance of the settings cannot be computed from these trials: "
            f"{first_line(error)}"
        )
        return {}
    # Not in the order of hashes.
    return {name: share for name, share in sorted(shares.items()) if math.isfinite(share)}
