"""What a run's JSON files say. Checked against what we expect of them; a run is read once, and passed on whole."""

import re
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import simplejson
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from lab.console import say
from lab.inputs import read, visible
from lab.runs.folders import File, below
from lab.settings import CLASSES, IMAGE_SHAPES, Settings, Threads, UserError, differing, is_own_data

# "training" while it lasts and when the process was killed; the others are final.
TRAINING, COMPLETE, INTERRUPTED, DIVERGED = "training", "complete", "interrupted", "diverged"

# The lists by epoch of every classifier's history, and of every GAN's.
CURVES = {
    False: ("accuracy", "loss", "val_accuracy", "val_loss"),
    True: ("generator_loss", "discriminator_loss", "generated_accuracy", "real_accuracy"),
}

# Real figures are far from what a float64 cannot square. None stands for what was no finite number.
Number = Annotated[float, Field(gt=-1e100, lt=1e100)] | None
Whole = Annotated[int, Field(ge=0, lt=2**53)]
# Tables, figures and pages show it: so it does nothing there, and is no longer than they have room for.
Line = Annotated[
    str, Field(max_length=2_000), BeforeValidator(lambda given: visible(given) if isinstance(given, str) else given)
]
_CHECKS = ConfigDict(frozen=True, strict=True)


def _without_folders(name):
    if is_own_data(name) and not re.fullmatch(r"[^/]+(\.npz|/)", name):
        raise ValueError("Input should be the name of a data set, of a file or of a folder")
    return visible(name)


Name = Annotated[str, Field(max_length=300), AfterValidator(_without_folders)]
Side, Channels = Annotated[int, Field(ge=8, le=256)], Literal[1, 3]
SEARCH = "search.json"  # in the folder of a search


class DataSet(BaseModel):
    """What a run was trained on: examples of each part, and a hash of all arrays."""

    model_config = _CHECKS
    name: Name
    sha256: Line
    train: Whole
    validation: Whole
    # Of data of the user's own; what is known by name is filled in.
    path: Line | None = None  # where they were
    classes: Annotated[tuple[Line, ...], Field(strict=False, min_length=2, max_length=1_000)] = ()
    shape: Annotated[tuple[Side, Side, Channels], Field(strict=False)] | Annotated[tuple[Whole], Field(strict=False)] = ()

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, given):
        if isinstance(given, dict) and given.get("name") in list(CLASSES):
            return given | {"classes": CLASSES[given["name"]], "shape": IMAGE_SHAPES[given["name"]]}
        return given

    @model_validator(mode="after")
    def _check(self):
        if is_own_data(self.name) and (not self.classes or len(self.shape) != 3):
            raise ValueError('expected "classes" and "shape" of data that are not known by name')
        return self


class Record(BaseModel):
    """A run's config.json."""

    model_config = _CHECKS
    settings: dict
    gan_options: dict = {}  # see `settings_of`
    parameters: Whole
    dataset: DataSet
    command: Line | None = None  # that trains the run again
    threads: Threads | None = None  # also where a sweep chose their number; None: one a core
    device: Line | None = None
    versions: Annotated[dict[Line, Line], Field(max_length=100)] = {}
    commit: Line | None = None


class History(BaseModel):
    """A run's history.json: Keras's lists by epoch, and what the training took."""

    model_config = ConfigDict(extra="allow", **_CHECKS)
    __pydantic_extra__: dict[Line, list[Number]]
    status: Literal[TRAINING, COMPLETE, INTERRUPTED, DIVERGED]
    epoch_seconds: Annotated[list[Annotated[float, Field(ge=0, lt=1e100)]], Field(min_length=1)]
    device: Line = "unknown"
    compiled: bool = True  # whether the first epoch contains the compiling
    start_seconds: Number = None  # from the start of TensorFlow to the first epoch; None: it ran already, or is unknown
    total_seconds: Number = None
    resumed: list[Whole] = []  # epochs after which the training was broken off; those that follow contain compiling
    saved_epoch: int = 0  # whose weights were saved, from 1; 0: none, or the last

    @model_validator(mode="after")
    def _check(self):
        if {len(values) for values in self.curves.values()} - {self.epochs}:
            raise ValueError("expected lists of equal length")
        if "saved_epoch" in self.model_fields_set and not 1 <= self.saved_epoch <= self.epochs:
            raise ValueError(f'expected "saved_epoch", a whole number from 1 to {self.epochs}')
        return self

    @property
    def epochs(self):
        return len(self.epoch_seconds)

    @property
    def steady_seconds(self):
        """Seconds of the epochs that contain no compiling: without the first, and the first after each break."""
        return [seconds for place, seconds in enumerate(self.epoch_seconds) if place and place not in self.resumed]

    @property
    def curves(self):
        """Keras's lists by epoch: dict of str to list of float, None for what was no finite number."""
        return self.model_extra

    @property
    def final(self):
        """What Keras's lists say of the epoch whose weights were saved: dict of str to float or None."""
        return {name: values[(self.saved_epoch or self.epochs) - 1] for name, values in self.curves.items()}


def _measure(words, digits):
    """A measure of a GAN's samples: what its column is called, and its decimal places."""
    return Field(None, json_schema_extra={"column": (words, digits)})


class Evaluation(BaseModel):
    """What evaluate.py found out about a GAN, as far as comparisons want to know."""

    model_config = _CHECKS
    modes: Number = _measure("modes covered", 0)
    seen: Number = _measure("modes seen", 0)
    near: Number = _measure("samples near a mode", 3)
    present: Number = _measure("classes over 1%", 0)
    reverse_kl: Number = _measure("reverse KL", 4)
    chi_square_p: Number = _measure("p (chi-square)", 3)
    collapsed: Number = _measure("epochs in collapse", 2)
    distance: Number = _measure("distance", 2)
    confidence: Number = _measure("confidence", 3)
    unclear: Number = _measure("unclear", 3)
    frechet: Number = _measure("Fréchet distance", 1)
    kernel: Number = _measure("kernel distance", 4)
    precision: Number = _measure("precision", 3)
    recall: Number = _measure("recall", 3)
    density: Number = _measure("density", 3)
    coverage: Number = _measure("coverage", 3)
    of_data: Annotated[dict[Line, Number], Field(max_length=100)] = {}  # the same measures of real data in place of samples
    by_epoch: Annotated[dict[Line, list[Number]], Field(max_length=100)] = {}  # "epoch", and some of the measures
    by_epoch_of_data: Annotated[dict[Line, Number], Field(max_length=100)] = {}
    samples: Annotated[int, Field(ge=1, lt=2**53)] = None
    classifier: Line = None
    classes: Annotated[list[Line], Field(max_length=1_000)] = None
    counts: Annotated[list[Whole], Field(min_length=1)] = None
    shares: list[Annotated[float, Field(ge=0, le=1)]] = None  # of the classes in the data

    @model_validator(mode="after")
    def _check(self):
        if self.counts is not None and (self.samples is None or len(self.counts) != len(self.classes or ())):
            raise ValueError('expected "samples", and "classes" as many as "counts"')
        if self.shares is not None and len(self.shares) != len(self.counts or ()):
            raise ValueError('expected as many "shares" as "counts"')
        if self.by_epoch and (None in self.by_epoch.get("epoch", [None]) or len({*map(len, self.by_epoch.values())}) > 1):
            raise ValueError('expected lists of equal length in "by_epoch", and "epoch" among them')
        return self


# The measures of a GAN's samples: what a column is called, and its decimal places.
MEASURES = {
    name: field.json_schema_extra["column"] for name, field in Evaluation.model_fields.items() if field.json_schema_extra
}


class Trial(BaseModel):
    """A trial of a search that ended."""

    model_config = _CHECKS
    number: Whole
    accuracy: Annotated[float, Field(ge=0, le=1)]  # on the held-out images, in its last epoch
    parameters: Annotated[int, Field(ge=1, lt=2**53)]
    whole: bool  # not stopped early
    reached: bool  # the target, if there is one


class Search(BaseModel):
    """A search so far: its search.json."""

    model_config = _CHECKS
    unit_budget: Whole | None
    target_accuracy: Annotated[float, Field(gt=0, lt=1)] | None
    accuracy: bool = False  # the best is looked for, whatever the layers
    trials: list[Trial]  # by rising number
    # Of what is searched for; empty of few trials.
    importances: Annotated[dict[Line, Annotated[float, Field(ge=0, lt=2)]], Field(max_length=100)] = {}

    @model_validator(mode="after")
    def _check(self):
        if (self.unit_budget is not None) + (self.target_accuracy is not None) + self.accuracy != 1:
            raise ValueError('expected either "unit_budget" or "target_accuracy"')
        return self

    @property
    def best(self):
        """The trial that is the best so far; None where none reached the target."""
        return next(iter(best_first(self.trials, self)), None)


def best_first(trials, goal):
    """The trials that can win, the best first.

    Parameters
    ----------
    trials : iterable of Trial
    goal : with a ``target_accuracy``
        None: the most accurate is the best; else that with the fewest parameters.

    Returns
    -------
    list of Trial
    """
    able = [trial for trial in trials if trial.whole and trial.reached]
    return sorted(able, key=lambda one: (one.parameters if goal.target_accuracy else -one.accuracy, -one.accuracy))


class Run(NamedTuple):
    """A run as it lies on disk."""

    folder: Path
    settings: Settings
    record: Record
    history: History

    @property
    def unusual(self):
        """The settings that would have to be given to train it again: a dict, as of `Settings.unusual`."""
        settings = self.settings.replace(threads=self.record.threads or self.settings.threads)
        return settings.unusual(self.record.dataset.train)

    @property
    def again(self):
        """As `unusual`, with the place that data of the user's own were in."""
        return self.unusual | ({"dataset": self.record.dataset.path} if self.record.dataset.path else {})


def load(folder):
    """Read a run.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    Run

    Raises
    ------
    UserError
        If there is none, or one of its files is broken.
    """
    record, history = _read(Record, folder, File.CONFIG), _read(History, folder, File.HISTORY)
    try:
        settings = settings_of(record)
    except UserError as error:
        raise UserError(f"{folder / File.CONFIG}: {error}") from error
    if not set(CURVES[settings.is_gan]) <= set(history.curves):
        raise UserError(f"{folder / File.HISTORY}: expected lists {', '.join(CURVES[settings.is_gan])}")
    return Run(folder, settings, record, history)


def settings_of(record):
    """The `Settings` of a `Record`, resolved as they were when it was written; UserError if they are none."""
    given = record.settings
    if "net" not in given:
        raise UserError('expected "settings" with "net" among them')
    # Versions before this one left None what was not given, and told beside it what a GAN was trained with.
    resolved = {"dataset": record.dataset.name, **record.gan_options}
    settings = Settings(**given | {name: value for name, value in resolved.items() if given.get(name) is None})
    if settings.dataset != record.dataset.name:
        raise UserError(f"its settings name the data set {settings.dataset}, but it was trained on {record.dataset.name}")
    return settings


def load_ended(folder):
    """Read a run whose training came to an end, be it before its time; UserError for any other."""
    run = load(folder)
    if run.history.status == TRAINING:
        raise UserError(f"{folder} is not finished: its training still goes on, or was killed (then its own command goes on)")
    return run


def unfinished(folder):
    """The `Record` of a run that ended before its time and can go on, or begin anew; None where there is none."""
    if not (folder / File.CONFIG).is_file():
        return None
    if not (folder / File.HISTORY).exists():
        return _read(Record, folder, File.CONFIG)  # killed before its first epoch
    run, checkpoint = load(folder), (folder / File.CHECKPOINT).exists()
    status = run.history.status
    return run.record if status == TRAINING or (status == INTERRUPTED and checkpoint) else None


def load_trained(folder):
    """Read a run that has a trained model, and say so if it was interrupted; UserError for any other."""
    run = load_ended(folder)
    if run.history.status == DIVERGED:
        raise UserError(f"{folder} has no model: its loss became infinite or no number; train again, more slowly")
    if run.history.status == INTERRUPTED:
        say(f"Note: {folder} was interrupted after {run.history.epochs} epochs.")
    return run


def differences(several):
    """In what some runs were trained differently: settings but for the seed, and "data".

    What they were trained with counts, not what was typed: the same device is the same, be it the default or named.

    Parameters
    ----------
    several : list of Run

    Returns
    -------
    list of str
    """
    same = {"seed"} | ({"device", "threads"} if len({run.history.device for run in several}) == 1 else set())
    found = [name for name in differing([run.settings for run in several]) if name not in same]
    return found + ["data"] * (len({run.record.dataset.sha256 for run in several}) > 1)


def load_evaluation(folder):
    """What evaluate.py found out about a GAN: a dict with what of `Evaluation` is known; empty if it was not evaluated yet.

    Raises
    ------
    UserError
        If the file is broken.
    """
    if not (folder / File.EVALUATION).exists():
        return {}
    return _read(Evaluation, folder, File.EVALUATION).model_dump(exclude_none=True)


def load_search(folder):
    """Read what a search found so far; None where there is none.

    Returns
    -------
    Search

    Raises
    ------
    UserError
        If the file is broken.
    """
    return _read(Search, folder, SEARCH) if (folder / SEARCH).exists() else None


def _read(model, folder, file):
    """A file of a run as what it has to be; UserError if it is not there, or anything else."""
    path = folder / file
    writer, advice = "train.py", "train the run again with --overwrite"
    if file == File.EVALUATION:
        writer, advice = "evaluate.py", "evaluate the run again"
    if file == SEARCH:
        advice = "the search's own command writes it again"
    try:
        return model.model_validate(simplejson.loads(read(path, "json").decode("utf-8")))
    except FileNotFoundError:
        inner = [path for path in below(folder, File.CONFIG) if path != folder]
        if inner:
            raise UserError(f"{folder} holds several runs: name one of them, as {inner[0]}") from None
        raise UserError(f"{folder} holds no finished run: it has no {file}; train it again with --overwrite") from None
    except ValidationError as error:
        fault = error.errors()[0]
        place, message = ".".join(map(str, fault["loc"])), fault["msg"].removeprefix("Value error, ")
        message = f'"{place}": {message[0].lower()}{message[1:]}' if place else message
        message = "expected a JSON object" if fault["type"] == "model_type" and not place else message
        raise UserError(f"{path}: not what {writer} writes ({message}); {advice}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not readable as JSON ({error}); {advice}") from error
