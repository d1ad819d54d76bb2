"""From flags to what is to be trained: one run here, or many on the workers of a cluster."""

from pathlib import Path
from typing import NamedTuple

from lab import console, runs
from lab.settings import UserError
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
        raise UserError(f"not a run's name: {', '.join(runs.Beside)} hold what the other scripts write; choose another name")
    output = runs.Output(folder, request.model_name, request.overwrite, request.tensorboard)
    if request.search is not None:
        return _search(settings, request, output)
    if request.unit_budget is not None or request.target_accuracy is not None:
        raise UserError("--unit-budget and --target-accuracy say what to search for: add --search TRIALS")
    if request.sweep or request.repeats is not None:
        return _train_many(settings, request, output)
    if request.workers is not None or request.scheduler is not None:
        raise UserError("--workers and --scheduler are for many runs: add --repeats, --sweep or --search")
    train_here(settings, output, request.data_dir)
    return 0, [folder / runs.File.LEARNING_CURVE]


def _train_many(settings, request, output):
    from lab.comparison import report_sweep
    from lab.experiments import grid, sweep  # with Dask, for which a single run does not wait

    planned = grid.grid(settings, request.sweep or [], 1 if request.repeats is None else request.repeats)
    planned, data = sweep.load_data(planned, request.data_dir)
    failed = sweep.train_missing(planned, data, output, sweep.Machines(request.scheduler, request.workers))
    if len(failed) == len(planned):
        return 1, []
    paths = report_sweep(request.results_dir, output.folder)
    place = "" if request.results_dir == "results" else f" --results-dir {request.results_dir}"
    console.say(f"{output.folder}: for figures and tables of all of it, python evaluate.py -m {request.model_name}{place}")
    return 1 if failed else 0, paths


def _search(settings, request, output):
    repeats = REPEATS if request.repeats is None else request.repeats
    _check_search(settings, request, repeats)
    from lab.experiments import confirm, search, sweep

    goal = search.Goal(request.unit_budget, request.target_accuracy)
    machines = sweep.Machines(request.scheduler, request.workers)
    planned, data = sweep.load_data({"": settings}, request.data_dir)
    settings = search.with_holdout(planned[""], data)
    study, failed = search.search(settings, goal, request.search, output, (data, machines))
    status, paths = confirm.confirm(study, goal, output, repeats, (data, machines))
    return 1 if failed else status, paths


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
        "--search needs either --unit-budget or --target-accuracy, to know what is best": not own and goals != 1,
        "--search looks for the best accuracy of a network of your own: leave out --unit-budget and --target-accuracy": (
            own and goals > 0
        ),
        f"--unit-budget {budget} is less than a unit for each of four layers": budget is not None and budget < 4,
        f"--target-accuracy must lie between 0 and 1, got {target}": target is not None and not 0 < target < 1,
        "--unit-budget is for the dense net": budget is not None and settings.net != "dense",
        f"--search is for the nets dense and conv, not for {settings.net}": not own and settings.net not in ("dense", "conv"),
        f"--search chooses the layers itself: leave out --{next(iter(layers), None)}": layers and not own,
    }
    for fault, is_so in faults.items():
        if is_so:
            raise UserError(fault)
