"""What train.py may be asked: one run is trained here, many on the workers of a cluster."""

import importlib.util

from lab import console, runs
from lab.backend import devices
from lab.experiments import space
from lab.io.words import flag_with
from lab.settings import UserError, as_flags
from lab.training.run import train_here

REPEATS = 5  # of the best trials of a search


def train(settings, args):
    """Train a run or, with repeats, a sweep or a search, what is missing of many.

    Parameters
    ----------
    settings : Settings
        Of the run, or what all runs have in common.
    args : argparse.Namespace
        The flags of train.py.

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
    folder = runs.folder_of(args.results_dir, args.model_name)
    output = runs.Output(folder, args.model_name, args.overwrite, args.tensorboard, args.data_dir)
    _check_flags(args)
    if args.search is not None:
        return _search(settings, args, output)
    if args.sweep or args.repeats is not None:
        return _train_many(settings, args, output)
    _note_idle([settings], args)
    train_here(settings, output, args.data_dir)
    # Not all networks of the user's own need it.
    own = flag_with("net", settings.net) if settings.is_own_net else ""
    console.paste(f"Next: {_command(args, 'evaluate.py', output.name, own, args.data_dir)}")
    return 0, [folder / runs.File.LEARNING_CURVE]


def _raise_first(faults):
    """Raise UserError with the first message whose condition holds."""
    for fault, is_so in faults.items():
        if is_so:
            raise UserError(fault)


def _check_flags(args):
    """Raise UserError for what cannot be asked of train.py together."""
    beside, searching = ", ".join(runs.Beside), args.search is not None
    goals = {args.unit_budget, args.target_accuracy} - {None}
    machines = {args.workers, args.scheduler} - {None}
    _raise_first(
        {
            f"not a run's name: {beside} hold what the other scripts write; choose another name": (
                args.model_name.partition("/")[0] in list(runs.Beside)
            ),
            "--tensorboard needs one more package: run `pip install tensorboard`": (
                args.tensorboard and importlib.util.find_spec("tensorboard") is None
            ),
            "--unit-budget and --target-accuracy say what to search for: add --search TRIALS": (
                goals and not searching
            ),
            "--workers and --scheduler are for many runs: add --repeats, --sweep or --search": (
                machines and not (searching or args.sweep or args.repeats is not None)
            ),
        }
    )


def _check_search(settings, args, repeats):
    """Raise UserError if there is nothing to search for."""
    budget, target = args.unit_budget, args.target_accuracy
    own, goals = settings.is_own_net, (budget is not None) + (target is not None)
    layers = space.chosen_layers(settings) & settings.model_fields_set
    _raise_first(
        {
            f"--search needs at least one trial, got {args.search}": args.search < 1,
            "--search chooses the settings itself: it goes without --sweep": args.sweep,
            "--search goes on where it stopped: to begin anew, choose another name or remove the "
            "folder": args.overwrite,
            f"repeats must be a whole number of at least 1, got {repeats}": repeats < 1,
            "--search needs either --unit-budget or --target-accuracy, to know what is best": (
                not own and goals != 1
            ),
            "--search looks for the best accuracy of a network of your own: leave out "
            "--unit-budget and --target-accuracy": own and goals,
            f"--unit-budget {budget} is less than a unit for each of four layers": (
                budget is not None and budget < 4
            ),
            f"--target-accuracy must lie between 0 and 1, got {target}": (
                target is not None and not 0 < target < 1
            ),
            "--unit-budget is for the dense net": budget is not None and settings.net != "dense",
            f"--search is for the nets {' and '.join(space.FIRST)}, not for {settings.net}": (
                not own and settings.net not in space.FIRST
            ),
            f"--search chooses the layers itself: leave out --{next(iter(layers), None)}": layers,
        }
    )


def _note_idle(several, args):
    """Say so if a kind of weight decay was chosen and no run has any, unless it is switched off in
    what another run had.
    """
    off = args.like and "regularizer_strength" in several[0].model_fields_set
    chosen = any("regularizer" in settings.model_fields_set for settings in several)
    if chosen and not off and not any(settings.regularizer_strength for settings in several):
        console.say("Note: --regularizer does nothing without a strength: add -r, as in -r 1e-4.")


def _command(args, script, name, flags="", data_dir=None):
    return console.command(script, name, flags, results_dir=args.results_dir, data_dir=data_dir)


def _train_many(settings, args, output):
    from lab.comparison import report_sweep

    # With Dask, for which a single run does not wait.
    from lab.experiments import cluster, grid, sweep

    repeats = 1 if args.repeats is None else args.repeats
    planned = grid.plan_runs(settings, args.sweep or [], repeats)
    _note_idle(list(planned.values()), args)
    planned, data = sweep.load_data(planned, args.data_dir)
    devices.choose_backend()
    with cluster.machines(args.scheduler, args.workers) as machines:
        failed = sweep.train_missing(planned, data, output, machines)
    if len(failed) == len(planned):
        return 1, []
    paths = report_sweep(args.results_dir, output.folder)
    console.paste(
        f"{output.folder}: for figures and tables of all of it, "
        f"{_command(args, 'evaluate.py', output.name)}"
    )
    return int(bool(failed)), paths


def _search(settings, args, output):
    repeats = REPEATS if args.repeats is None else args.repeats
    _check_search(settings, args, repeats)
    from lab.experiments import cluster, confirm, search, study, sweep

    goal = study.Goal(args.unit_budget, args.target_accuracy)
    planned, data = sweep.load_data({"": settings}, args.data_dir)
    plan = study.plan_search(planned[""], data, goal, args.search, repeats)
    for part in confirm.PARTS:  # not only once the trials are trained
        runs.check_inside(output.folder, output.folder / part)
    devices.choose_backend()
    with cluster.machines(args.scheduler, args.workers) as machines:
        trials, failed = search.train_trials(plan, output, (data, machines))
        status, paths, winner = confirm.confirm_best(trials, plan, output, (data, machines))
    parts = [f"{name}/" for name in confirm.PARTS if (output.folder / name).exists()]
    written = [*(path.name for path in paths), runs.SEARCH, *parts]
    console.say(f"{output.folder}: {', '.join(written)}")
    if winner:
        # With the user's own files as these settings name them.
        given = winner.unusual() | {"dataset": settings.dataset or winner.dataset}
        if settings.is_own_net:
            given["net"] = settings.net
        flags, tested = as_flags(given), f"{output.name}/{confirm.TEST}"
        train_it = _command(args, "train.py", f"{output.name}-winner", flags, args.data_dir)
        console.paste(f"To train it: {train_it}")
        evaluate_it = _command(args, "evaluate.py", tested, data_dir=args.data_dir)
        console.paste(f"For tables and figures of the best: {evaluate_it}")
    return 1 if failed else status, paths
