"""From flags to what is to be trained: one run here, or many on the workers of a cluster."""

from pathlib import Path
from typing import NamedTuple

from lab import console, runs
from lab.backend import devices
from lab.io.words import flag_with
from lab.settings import UserError, as_flags
from lab.training.run import train_here

REPEATS = 5  # of the best trials of a search


class Request(NamedTuple):
    """What is asked of `train` beside the settings: flags of train.py."""

    model_name: str
    results_dir: Path = "results"
    data_dir: Path | None = None
    overwrite: bool = False
    tensorboard: bool = False
    repeats: int | None = None
    sweep: list[list[str]] | None = None  # as of `grid`
    search: int | None = None  # trials
    unit_budget: int | None = None
    target_accuracy: float | None = None
    workers: int | None = None
    scheduler: str | None = None
    like: str | None = None  # the run whose settings are the defaults


def train(settings, request):
    """Train a run or, with repeats or a sweep, what is missing of many.

    Parameters
    ----------
    settings : Settings
        Of the run, or what all runs have in common.
    request : Request

    Returns
    -------
    status : int
        The exit status: 1 if runs of a sweep failed.
    paths : list of Path
        The learning curves.

    Raises
    ------
    UserError
        If nothing can be trained as asked.
    """
    folder = runs.folder_of(request.results_dir, request.model_name)
    if request.model_name.partition("/")[0] in list(runs.Beside):
        raise UserError(
            f"not a run's name: {', '.join(runs.Beside)} hold what the other scripts write; choose another name"
        )
    output = runs.Output(
        folder, request.model_name, request.overwrite, request.tensorboard, request.data_dir
    )
    if request.search is not None:
        return _search(settings, request, output)
    if request.unit_budget is not None or request.target_accuracy is not None:
        raise UserError(
            "--unit-budget and --target-accuracy say what to search for: add --search TRIALS"
        )
    if request.sweep or request.repeats is not None:
        return _train_many(settings, request, output)
    if request.workers is not None or request.scheduler is not None:
        raise UserError(
            "--workers and --scheduler are for many runs: add --repeats, --sweep or --search"
        )
    _note_idle([settings], request)
    train_here(settings, output, request.data_dir)
    own = (
        flag_with("net", settings.net) if settings.is_own_net else ""
    )  # which not all of them need
    console.paste(f"Next: {_evaluating(request, request.data_dir, flags=own)}")
    return 0, [folder / runs.File.LEARNING_CURVE]


def _note_idle(several, request):
    """Say so if a kind of weight decay was chosen and no run has any, unless it is switched off in
    what another run had.
    """
    off = request.like and "regularizer_strength" in several[0].model_fields_set
    chosen = any("regularizer" in settings.model_fields_set for settings in several)
    if chosen and not off and not any(settings.regularizer_strength for settings in several):
        console.say("Note: --regularizer does nothing without a strength: add -r, as in -r 1e-4.")


def _evaluating(request, data_dir=None, part=None, flags=""):
    """The command that evaluates what was trained, or a part of it."""
    name = "/".join(filter(None, [request.model_name, part]))
    return console.command(
        "evaluate.py", name, flags, results_dir=request.results_dir, data_dir=data_dir
    )


def _train_many(settings, request, output):
    from lab.comparison import report_sweep
    from lab.experiments import grid, sweep  # with Dask, for which a single run does not wait

    planned = grid.grid(
        settings, request.sweep or [], 1 if request.repeats is None else request.repeats
    )
    _note_idle(list(planned.values()), request)
    planned, data = sweep.load_data(planned, request.data_dir)
    devices.choose_backend()
    failed = sweep.train_missing(
        planned, data, output, sweep.Machines(request.scheduler, request.workers)
    )
    if len(failed) == len(planned):
        return 1, []
    paths = report_sweep(request.results_dir, output.folder)
    console.paste(f"{output.folder}: for figures and tables of all of it, {_evaluating(request)}")
    return 1 if failed else 0, paths


def _search(settings, request, output):
    repeats = REPEATS if request.repeats is None else request.repeats
    _check_search(settings, request, repeats)
    from lab.experiments import confirm, search, sweep

    goal = search.Goal(request.unit_budget, request.target_accuracy)
    machines = sweep.Machines(request.scheduler, request.workers)
    planned, data = sweep.load_data({"": settings}, request.data_dir)
    of_trials = search.with_holdout(planned[""], data)
    examples = len(data[of_trials.data].train_images) - of_trials.holdout
    plan = search.Plan(of_trials, goal, request.search, repeats, examples)
    if plan.trainings > search.MOST:
        raise UserError(
            f"a search does at most {search.MOST:,} trainings, not {plan.trainings:,}: fewer trials or repeats"
        )
    for part in confirm.PARTS:  # not only once the trials are trained
        runs.check_inside(output.folder, output.folder / part)
    devices.choose_backend()
    study, failed = search.search(plan, output, (data, machines))
    status, paths, winner = confirm.confirm(study, plan, output, (data, machines))
    parts = [f"{name}/" for name in confirm.PARTS if (output.folder / name).exists()]
    console.say(
        f"{output.folder}: {', '.join([*(path.name for path in paths), runs.SEARCH, *parts])}"
    )
    if winner:
        _say_winner(winner, settings, request)
        console.paste(
            f"For tables and figures of the best: {_evaluating(request, request.data_dir, confirm.TEST)}"
        )
    return 1 if failed else status, paths


def _say_winner(winner, settings, request):
    """Print the command that trains the best settings of a search, with the user's own files as
    these settings name them.
    """
    given = winner.unusual() | {"dataset": settings.dataset or winner.dataset}
    given |= {"net": settings.net} if settings.is_own_net else {}
    name, folders = (
        f"{request.model_name}-winner",
        {"results_dir": request.results_dir, "data_dir": request.data_dir},
    )
    console.paste(f"To train it: {console.command('train.py', name, as_flags(given), **folders)}")


def _check_search(settings, request, repeats):
    """Raise UserError if there is nothing to search for."""
    budget, target = request.unit_budget, request.target_accuracy
    layers = settings.model_fields_set & {"hidden", "filters", "kernels"}
    own, goals = settings.is_own_net, (budget is not None) + (target is not None)
    faults = {
        f"--search needs at least one trial, got {request.search}": request.search < 1,
        "--search chooses the settings itself: it goes without --sweep": request.sweep,
        "--search goes on where it stopped: to begin anew, choose another name or remove the folder": request.overwrite,
        f"repeats must be a whole number of at least 1, got {repeats}": repeats < 1,
        "--search needs either --unit-budget or --target-accuracy, to know what is best": not own
        and goals != 1,
        "--search looks for the best accuracy of a network of your own: leave out --unit-budget and --target-accuracy": (
            own and goals > 0
        ),
        f"--unit-budget {budget} is less than a unit for each of four layers": budget is not None
        and budget < 4,
        f"--target-accuracy must lie between 0 and 1, got {target}": target is not None
        and not 0 < target < 1,
        "--unit-budget is for the dense net": budget is not None and settings.net != "dense",
        f"--search is for the nets dense and conv, not for {settings.net}": not own
        and settings.net not in ("dense", "conv"),
        f"--search chooses the layers itself: leave out --{next(iter(layers), None)}": layers
        and not own,
    }
    for fault, is_so in faults.items():
        if is_so:
            raise UserError(fault)
