"""What evaluate.py may be asked: one run is evaluated, several are compared."""

from lab import comparison, console, runs
from lab.cli.flags import note_changed_source
from lab.settings import Settings, UserError, flag_of, parse, with_source

# Flags that ask for something of its own, and which others they go with.
_COMPANY = {
    "diff": (),
    "report": ("published", "label"),
    "export": ("model_name", "sort", "top"),
    "strip": ("model_name", "label"),
}
# Flags of a comparison, even of a single run.
_OF_COMPARISONS = ("published", "label", "sort", "top", "export", "strip")


def evaluate(args):
    """Evaluate the run that is named, or compare those that are.

    Several GANs are evaluated before they are compared, if there is a classifier or a number of
    samples.

    Parameters
    ----------
    args : argparse.Namespace
        The flags of evaluate.py.

    Returns
    -------
    list of Path
        What was written: of several runs, what compares them; of a table that was only printed,
        nothing.

    Raises
    ------
    UserError
        If what is named is no run, broken, or not fit for what is asked of it.
    ExceptionGroup of UserError
        If pictures could not be read; the others are predicted.
    """
    _check_company(args)
    if args.diff is not None:
        comparison.show_difference(args.results_dir, args.diff)
        return []
    if args.report is not None:
        return _report(args)
    folders = runs.named(args.results_dir, args.model_name)
    name = args.model_name[0]
    compares = any(getattr(args, flag) is not None for flag in _OF_COMPARISONS)
    if compares or runs.is_pattern(name) or folders != [runs.folder_of(args.results_dir, name)]:
        return _compare(args, folders)
    return _evaluate([runs.load_trained(folders[0])], args)


def _check_company(args):
    """Raise UserError for a flag that another one would leave without effect."""
    given = {name for name, value in vars(args).items() if value not in (None, "auto")}
    for name, company in _COMPANY.items():
        idle = sorted(given - {name, *company, "results_dir", "show"})
        if name in given and idle:
            raise UserError(f"--{name} does one thing, and goes without --{flag_of(idle[0])}")


def _report(args):
    from lab.report import write_report  # with Jinja2 and Plotly

    label = args.label or "report"
    if "/" in label:
        raise UserError(
            f"--label {label}: the page lies in the results folder itself; give a name without /"
        )
    path = runs.folder_of(args.results_dir, label)
    page = path.with_name(f"{path.name}.html")
    return write_report(args.results_dir, args.report, args.published, page)


def _compare(args, folders):
    if args.images or args.net:
        raise UserError("--images and --net: name one run that they are for")
    if args.classifier is not None or args.samples is not None:
        if args.published:
            raise UserError("--published: there are published figures of classifiers only")
        ended = (runs.COMPLETE, runs.INTERRUPTED)
        several = [run for run in _gans_of(folders) if run.history.status in ended]
        if not several:
            raise UserError(
                "none of these runs is finished: there is nothing to evaluate or to compare"
            )
        _evaluate(several, args)
    label = args.label or comparison.label_of(args.model_name)
    folder = runs.folder_of(args.results_dir, f"{runs.Beside.COMPARISONS}/{label}")
    if args.strip is not None:
        generating = [run.folder for run in _gans_of(folders)]
        return comparison.draw_strip(args.results_dir, generating, args.strip, folder)
    view = comparison.View(args.published, args.sort, args.top)
    if args.export:
        comparison.export(args.results_dir, folders, view, args.export)
        return []
    return comparison.compare_runs(args.results_dir, folders, folder, view)


def _gans_of(folders):
    """The GANs of some runs, or all of these where no GAN is finished: a list of Run."""
    kinds = comparison.by_kind(folders)
    return kinds.get(comparison.GANS) or kinds[comparison.CLASSIFIERS]


def _evaluate(several, args):
    """Evaluate runs, or have one predict pictures; what was written for the last."""
    # With matplotlib, for which a table of saved runs does not wait.
    from lab.backend import devices
    from lab.evaluation import archive, measures, trained

    labeller = None
    if args.classifier is not None:
        labeller = runs.load_trained(runs.existing(args.results_dir, args.classifier))
    for run in several:
        trained.check_run(run, labeller, args.samples, args.images)
    own = _own(several[0], args.net) if args.net is not None else None
    setup = devices.Setup(args.device, args.threads)
    if args.images:
        return _predict(several[0], own, setup, args.images)
    arrays = trained.load_arrays(several, args.data_dir)
    devices.start(setup)
    classifier = labeller and measures.Classifier(args.classifier, archive.load_model(labeller))
    return trained.evaluate_runs(several, arrays, classifier, args.samples, own)


def _own(run, net):
    """The settings with which a run's network is to be built by the user's own function."""
    if not run.settings.is_own_net:
        raise UserError(f"--net: {run.folder} is of the net {run.settings.net}, and needs no other")
    settings = with_source(Settings(**run.unusual | {"net": parse("net", net)}))
    was, named = (one.net.rpartition(":")[2] for one in (run.settings, settings))
    if was != named:
        raise UserError(f"--net {net}: {run.folder} is of the function {was}, not of {named}")
    note_changed_source(net, settings, run)
    return settings


def _predict(run, own, setup, images):
    """Predict pictures; those that cannot be read are raised in the end, as an ExceptionGroup of
    UserError.
    """
    from lab.backend import devices
    from lab.data import read_pictures
    from lab.evaluation import trained

    about = run.record.dataset
    readings, faults = read_pictures(images, about.shape, about.pictures, about.divisor)
    paths = []
    if readings:
        devices.start(setup)
        paths = trained.predict(run, readings, own)
    if faults and paths:
        console.say(f"{run.folder}: {', '.join(path.name for path in paths)}")
    if faults:
        raise ExceptionGroup("pictures that could not be read", faults)
    return paths
