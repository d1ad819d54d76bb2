"""From names to what is to be done: one run is evaluated by its kind, several are compared."""

from pathlib import Path
from typing import NamedTuple

from lab import comparison, console, runs
from lab.backend import devices
from lab.data import fingerprint, hold_out, load_dataset, read_pictures
from lab.evaluation.archive import load_model
from lab.settings import Settings, UserError, flag_of, parse, with_source


class Request(NamedTuple):
    """What is asked of `evaluate`: the flags of evaluate.py."""

    model_name: list[str] | None = None  # of runs, of repeated runs or sweeps, or patterns of names
    results_dir: Path = "results"
    data_dir: Path | None = None
    device: str = "auto"
    threads: int | None = None
    net: str | None = None  # "FILE.py:FUNCTION", which is to be run to load the model
    images: list[Path] | None = None  # a user's own pictures
    classifier: str | None = None  # the name of a run
    samples: int | None = None  # of a GAN
    published: Path | None = None
    sort: str | None = None  # a column
    top: int | None = None  # rows
    export: str | None = None  # a format, to print the table in
    strip: list[int] | None = None  # epochs, whose samples are to be drawn
    label: str | None = None  # of a comparison
    diff: list[str] | None = None  # two names instead
    report: list[str] | None = None  # names instead; empty: of all runs

    @property
    def of_gans(self):
        """Whether it is something that only GANs can do."""
        return self.classifier is not None or self.samples is not None


def evaluate(request):
    """Evaluate the run that is named, or compare those that are.

    Several GANs are evaluated before they are compared, if there is a classifier or a number of
    samples.

    Parameters
    ----------
    request : Request

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
    _check_flags(request)
    if request.diff is not None:
        comparison.show_difference(request.results_dir, request.diff)
        return []
    if request.report is not None:
        return _report(request)
    folders = runs.named(request.results_dir, request.model_name)
    if not _is_alone(request, folders):
        return _compare(request, folders)
    run = runs.load_trained(folders[0])
    if request.images and not run.settings.is_gan:
        return _predict(run, request)
    return _evaluate([run], request)


# Flags that ask for something of its own, and which others they go with.
_COMPANY = {
    "diff": (),
    "report": ("published", "label"),
    "export": ("model_name", "sort", "top"),
    "strip": ("model_name", "label"),
}


def _check_flags(request):
    """Raise UserError for a flag that another one would leave without effect."""
    given = {name for name, value in request._asdict().items() if value not in (None, "auto")} - {
        "results_dir"
    }
    for name, company in _COMPANY.items():
        idle = sorted(given - {name, *company})
        if name in given and idle:
            raise UserError(f"--{name} does one thing, and goes without --{flag_of(idle[0])}")


def _report(request):
    from lab.report import write_report  # with Jinja2 and Plotly

    label = request.label or "report"
    if "/" in label:
        raise UserError(
            f"--label {label}: the page lies in the results folder itself; give a name without /"
        )
    path = runs.folder_of(request.results_dir, label)
    return write_report(
        request.results_dir, request.report, request.published, path.with_name(f"{path.name}.html")
    )


def _is_alone(request, folders):
    name = request.model_name[0]
    view = (
        request.published,
        request.label,
        request.sort,
        request.top,
        request.export,
        request.strip,
    )
    whole = any(one is not None for one in view) or runs.is_pattern(name)
    return not whole and folders == [runs.folder_of(request.results_dir, name)]


def _compare(request, folders):
    if request.images or request.net:
        raise UserError("--images and --net: name one run that they are for")
    if request.of_gans:
        if request.published:
            raise UserError("--published: there are published figures of classifiers only")
        trained = [
            run
            for run in _gans_of(folders)
            if run.history.status in (runs.COMPLETE, runs.INTERRUPTED)
        ]
        if not trained:
            raise UserError(
                "none of these runs is finished: there is nothing to evaluate or to compare"
            )
        _evaluate(trained, request)
    label = request.label or comparison.label_of(request.model_name)
    folder = runs.folder_of(request.results_dir, f"{runs.Beside.COMPARISONS}/{label}")
    if request.strip is not None:
        generating = [run.folder for run in _gans_of(folders)]
        return comparison.draw_strip(request.results_dir, generating, request.strip, folder)
    view = comparison.View(request.published, request.sort, request.top)
    if request.export:
        comparison.export(request.results_dir, folders, view, request.export)
        return []
    return comparison.compare_runs(request.results_dir, folders, folder, view)


def _gans_of(folders):
    """The GANs of some runs, or all of these where no GAN is finished: a list of Run."""
    kinds = comparison.by_kind(folders)
    return kinds.get(comparison.GANS) or kinds[comparison.CLASSIFIERS]


def _evaluate(several, request):
    """Evaluate runs one after the other, their data sets and the classifier loaded once; what was
    written for the last.
    """
    from lab.evaluation import classifiers, gans, measures  # with matplotlib

    labeller = None
    if request.classifier is not None:
        labeller = runs.load_trained(runs.existing(request.results_dir, request.classifier))
    for run in several:
        _check(run, request, labeller)
    alike = {(run.record.dataset, run.settings.holdout): run for run in several}
    arrays = {kind: data_of(run, request.data_dir) for kind, run in alike.items()}
    devices.start(devices.Setup(request.device, request.threads))
    from lab.backend.faults import in_words  # with TensorFlow

    classifier = measures.Classifier(request.classifier, load_model(labeller)) if labeller else None
    against = {}
    for run in several:
        if len(several) > 1:
            console.say(f"\n{run.folder}")
        kind = run.record.dataset, run.settings.holdout
        own, data = _own(run, request), arrays[kind]
        with in_words(own):
            model = load_model(run, own)
            if run.settings.is_gan:
                if kind not in against:
                    against[kind] = measures.yardstick(data, run.record.dataset.name, classifier)
                paths = gans.evaluate_gan(run, model, against[kind], request.samples)
            else:
                paths = classifiers.evaluate_classifier(run, model, data)
    return paths


def _own(run, request):
    """The settings with which a run's network is to be built by the user's own function, if they
    name one.
    """
    if request.net is None:
        return None
    if not run.settings.is_own_net:
        raise UserError(f"--net: {run.folder} is of the net {run.settings.net}, and needs no other")
    settings = with_source(Settings(**run.unusual | {"net": parse("net", request.net)}))
    trained, named = (net.rpartition(":")[2] for net in (run.settings.net, settings.net))
    if trained != named:
        raise UserError(
            f"--net {request.net}: {run.folder} is of the function {trained}, not of {named}"
        )
    if settings.source != run.settings.source:
        console.say(
            f"Note: {request.net} is not what {run.folder} was trained with: its source has changed."
        )
    return settings


def _check(run, request, labeller):
    """Raise UserError if a run cannot do what is asked of it."""
    from lab.evaluation import gans

    if run.settings.is_gan:
        if request.images:
            raise UserError("--images: only classifiers predict pictures")
        gans.check(run, labeller, request.samples)
    elif request.of_gans:
        raise UserError(
            f"--classifier and --samples are for GANs, but {run.folder} is a classifier"
        )


def _predict(run, request):
    """Predict a user's own pictures; those that cannot be read are raised in the end, as an
    ExceptionGroup of UserError.
    """
    from lab.evaluation import classifiers

    _check(run, request, None)
    about = run.record.dataset
    readings, faults = read_pictures(request.images, about.shape, about.pictures, about.divisor)
    paths = []
    if readings:
        devices.start(devices.Setup(request.device, request.threads))
        from lab.backend.faults import in_words  # with TensorFlow

        own = _own(run, request)
        with in_words(own):
            paths = classifiers.predict_pictures(run, load_model(run, own), readings)
    if faults:
        if paths:
            console.say(f"{run.folder}: {', '.join(path.name for path in paths)}")
        raise ExceptionGroup("pictures that could not be read", faults)
    return paths


def data_of(run, data_dir=None):
    """The arrays that a run was trained and validated on; says so if they are not the same any
    more.

    Parameters
    ----------
    run : Run
    data_dir : path, optional
        As of `data.load_dataset`.

    Returns
    -------
    data.Arrays
    """
    about = run.record.dataset
    arrays = hold_out(
        load_dataset(about.name, data_dir, about.path, about.resize), run.settings.holdout
    )
    if (arrays.train_images.shape[1:], arrays.classes) != (about.shape, about.classes):
        raise UserError(
            f"{arrays.path}: other images or classes than the run {run.folder} was trained on"
        )
    if fingerprint(arrays) != about.sha256:
        console.say(
            f"Note: this {about.name} is not the one that the run was trained on; its images or labels differ."
        )
    return arrays
