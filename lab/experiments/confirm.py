"""The best trials of a search, trained again: with other seeds on the same images, then on all
training images and tested.
"""

import math
import warnings

import numpy as np
import optuna

from lab import figures, runs
from lab.console import say, table
from lab.experiments import search, sweep
from lab.io.words import first_line
from lab.metrics.cells import cell
from lab.settings import as_flags

PARTS = HELD_OUT, TEST = "held-out", "test"  # folders within that of the search


def confirm(study, plan, output, work_on):
    """Train the best trials of a search again, say which of them wins, test it, and draw what the
    search went through.

    Parameters
    ----------
    study : optuna.Study
        As `search.search` gives it.
    plan : search.Plan
    output : runs.Output
        Of the search.
    work_on : (dict of str to Arrays, sweep.Machines)

    Returns
    -------
    status : int
        The exit status: 1 if runs failed.
    paths : list of Path
        The figures.
    winner : Settings or None
    """
    goal, repeats = plan.goal, plan.repeats
    trials = search.ended_trials(study, goal)
    paths = _draw(study, trials, plan, output)
    finalists = runs.best_first(trials, goal)[: plan.finalists]
    if not finalists:
        _say_unreached(trials, goal)
        return 0, paths, None
    settings = {
        one.number: search.settings_of(study.trials[one.number], plan, output.folder)
        for one in finalists
    }
    seed = plan.settings.seed
    other = range(seed + 1, seed + 1 + repeats)  # by its own seed, a trial became one of the best
    say(
        f"\nThe best {len(finalists)} again, with {search.seeds(repeats, 'other ')} each, on the same images:"
    )
    if not (held_out := _trained_again(settings, output, HELD_OUT, other, work_on)):
        return 1, paths, None
    order = _by_mean(finalists, held_out, goal)
    say(
        f"\nThe best of these, trained on all training images, {search.seeds(repeats)} each; now they are tested, once:"
    )
    tested = {number: settings[number].replace(holdout=0) for number in order[: plan.tested]}
    if not (tests := _trained_again(tested, output, TEST, range(repeats), work_on)):
        return 1, paths, None
    chances = [
        number
        for number in tests
        if not goal.target_accuracy or held_out[number].mean() >= goal.target_accuracy
    ]
    _report(finalists, settings, (held_out, tests), chances, goal)
    status = int(len(held_out) < len(finalists) or len(tests) < len(tested))
    return status, paths, tested[chances[0]] if chances else None


def _trained_again(settings, output, place, seeds, work_on):
    """The validation accuracies with these seeds, by trial; without trials of which a run failed."""
    data, machines = work_on
    name = f"{output.name}/{place}"
    planned = {
        f"trial={number}/seed={seed}": one.replace(seed=seed)
        for number, one in settings.items()
        for seed in seeds
    }
    folder = output.folder / place
    runs.check_inside(output.folder, folder)
    # What a command with another number of trials left there is of other trials perhaps: it stays,
    # and is not looked at.
    advice = f"remove {folder}, or choose another name"
    failed = sweep.train_missing(planned, data, runs.Output(folder, name), machines, advice)
    finals = {
        one: runs.load(folder / one).history.final["val_accuracy"]
        for one in planned
        if one not in failed
    }
    several = {
        number: [finals.get(f"trial={number}/seed={seed}") for seed in seeds] for number in settings
    }
    return {
        number: np.array(values, float) for number, values in several.items() if None not in values
    }


def _by_mean(finalists, accuracies, goal):
    """The numbers of the trials, the winner first: by the means of their repeats, and the
    parameters where a target is set.
    """
    parameters = {one.number: one.parameters for one in finalists}
    means = {number: values.mean() for number, values in accuracies.items()}
    if not goal.target_accuracy:
        return sorted(means, key=lambda number: -means[number])
    return sorted(
        means,
        key=lambda number: (
            means[number] < goal.target_accuracy,
            parameters[number],
            -means[number],
        ),
    )


def _report(finalists, settings, accuracies, chances, goal):
    """Print a table of the finalists, and what it says."""
    held_out, tests = accuracies
    rows = []
    for one in sorted(finalists, key=lambda one: [*tests, *held_out, *settings].index(one.number)):
        row = {
            "trial": str(one.number),
            "parameters": f"{one.parameters:,}",
            "held-out, alone": f"{one.accuracy:.4f}",
        }
        row |= {
            "held-out, mean": _mean(held_out.get(one.number)),
            "test, mean": _mean(tests.get(one.number)),
        }
        rows.append(row | {"settings": as_flags(settings[one.number].replace(holdout=0).unusual())})
    table(
        rows,
        "The best trials, in the order of their means on the held-out images",
        left=("settings",),
    )
    first = next(iter(settings.values()))
    say(f"All rows: {_shared(first)}.")
    chosen = f"Chosen on {first.holdout:,} held-out training images"
    say(f"{chosen}; nothing was on the test images, on which the published solution was.")
    if not chances:
        say(
            f"None of these reaches {goal.target_accuracy} on average: with more trials, the same command searches on."
        )
        return
    winner = next(one for one in finalists if one.number == chances[0])
    drop = winner.accuracy - tests[winner.number].mean()
    count = len(tests[winner.number])
    seeds = (
        f"mean of {count} seeds with its 95% confidence interval" if count > 1 else "with one seed"
    )
    say(
        f"Trial {winner.number} wins: {winner.parameters:,} parameters, test accuracy {_mean(tests[winner.number])}, "
        f"{seeds}. This {'drops' if drop > 0 else 'rises'} "
        f"by {abs(drop):.4f} from what the trial alone had on the held-out images."
    )


def _mean(values):
    return "-" if values is None else cell("val_accuracy", values)


def _shared(settings):
    """What all trials of a search share, in words."""
    return f"{settings.dataset}, {settings.holdout:,} training images held out, at most {settings.epochs} epochs"


def _say_unreached(trials, goal):
    best = max(trials, key=lambda one: one.accuracy, default=None)
    found = (
        f": the best has {best.accuracy:.4f}, with {best.parameters:,} parameters (trial {best.number})"
        if best
        else ""
    )
    wanted = f"reaches {goal.target_accuracy}" if goal.target_accuracy else "was finished"
    say(f"No trial {wanted}{found}. With more trials, the same command searches on.")


def _draw(study, trials, plan, output):
    """The figures of a search so far."""
    goal, shared = plan.goal, _shared(plan.settings)
    whole = [trial for trial in trials if trial.whole]
    drawn, found = {}, {}
    if whole:
        title = f"{output.title}: {len(trials)} trials\n{shared}"
        drawn["search.png"] = figures.search(trials, goal.target_accuracy, title)
    if len(whole) > 3:
        warnings.filterwarnings("ignore", module="optuna")  # of few trials
        try:
            found = optuna.importance.get_param_importances(
                study, target=lambda trial: 1 - trial.user_attrs["accuracy"]
            )
        except Exception as error:  # as of trials that are all equally accurate
            say(
                f"The importance of the settings cannot be computed from these trials: {first_line(error)}"
            )
        found = {
            name: found[name] for name in sorted(found) if math.isfinite(found[name])
        }  # not in the order of hashes
    if found:
        title = f"{output.title}: what the accuracy of a trial depends on\n{len(trials)} trials, {shared}"
        drawn["importances.png"] = figures.importances(found, title)
    search.record(trials, study, goal, output.folder, found)
    return runs.save_figures(drawn, output.folder)
