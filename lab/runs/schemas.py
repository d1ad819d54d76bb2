"""What a run's JSON files hold: models that check them against what we expect."""

import re
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    create_model,
    model_validator,
)

from lab.io.words import in_a_line, visible
from lab.metrics.table import EVALUATION, chosen
from lab.settings import CLASSES, IMAGE_SHAPES, Settings, Threads, UserError, is_own_data
from lab.settings.kinds import ImageSide

# "training" while it lasts and when the process was killed; the others are final.
TRAINING, COMPLETE, INTERRUPTED, DIVERGED = "training", "complete", "interrupted", "diverged"

# Real figures are far from what a float64 cannot square. None stands for what was no finite number.
Number = Annotated[float, Field(gt=-1e100, lt=1e100)] | None
Whole = Annotated[int, Field(ge=0, lt=2**53)]
Seconds = Annotated[float, Field(ge=0, lt=1e100)]
# Tables, figures and pages show it: so it does nothing there, and is no longer than they have room
# for.
_VISIBLE = BeforeValidator(lambda given: in_a_line(given) if isinstance(given, str) else given)
Line = Annotated[str, Field(max_length=2_000), _VISIBLE]
Measures = Annotated[dict[Line, Number], Field(max_length=100)]
# The name of a run, its layers and its data may be as long as a path each.
Command = Annotated[str, Field(max_length=20_000), _VISIBLE]
_ROUNDING = 1e-6  # by which an accuracy, a mean in float32, may miss 0 or 1
_CHECKS = ConfigDict(frozen=True, strict=True)


def _without_folders(name):
    if is_own_data(name) and not re.fullmatch(r"[^/]+(\.npz|/)", name, re.IGNORECASE):
        raise ValueError("Input should be the name of a data set, of a file or of a folder")
    return visible(name)


Name = Annotated[str, Field(max_length=300), AfterValidator(_without_folders)]


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
    shape: (
        Annotated[tuple[ImageSide, ImageSide, Literal[1, 3]], Field(strict=False)]
        | Annotated[tuple[Whole], Field(strict=False)]
    ) = ()
    # Of a folder of pictures: their size in pixels a side, what 16 bits were divided by, other
    # files by their endings.
    resize: ImageSide | None = None
    divisor: Literal[255, 4_095, 65_535] | None = None
    ignored: Annotated[dict[Line, Whole], Field(max_length=100)] = {}

    def __hash__(self):
        return hash(self.sha256)

    @property
    def pictures(self):
        """What a user's own pictures are taken for, as of `data.read_pictures`: "digits", "object"
        or "whole".
        """
        # Also of data of the user's own.
        if (self.classes, self.shape) == (CLASSES["mnist"], IMAGE_SHAPES["mnist"]):
            return "digits"
        return "object" if self.name == "fashion_mnist" else "whole"

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


class Origin(BaseModel):
    """What epochs were trained with, beside settings and data; None and {} are unknown."""

    model_config = _CHECKS
    device: Line | None = None
    versions: Annotated[dict[Line, Line], Field(max_length=100)] = {}
    commit: Line | None = None
    code: Line | None = None  # a hash of it, as of `code_hash`


class Part(Origin):
    """What the epochs after a break were trained with."""

    after: Annotated[int, Field(ge=1, lt=2**53)]  # epochs


def _resolved(given):
    """Settings from JSON, in which every one that has a value has to have it."""
    if not isinstance(given, dict):
        return given  # a fault, which Pydantic names
    if "net" not in given:
        raise UserError('expected "settings" with "net" among them')
    settings = Settings(**given)
    for name, value in given.items():
        if value is None and getattr(settings, name) is not None:
            raise ValueError(f'written by an earlier version, which left "{name}" open')
    return settings


class Record(Origin):
    """A run's config.json."""

    settings: Annotated[Settings, BeforeValidator(_resolved)]
    parameters: Whole
    dataset: DataSet
    command: Command | None = None  # that trains the run again
    threads: Threads | None = None  # also where a sweep chose their number; None: one a core
    data_dir: Line | None = None  # that the command named
    # Of a run that was resumed, by rising epoch; above is what the first one was trained with.
    parts: Annotated[list[Part], Field(max_length=1_000)] = []

    @model_validator(mode="after")
    def _check(self):
        settings, trained_on = self.settings, self.dataset.name
        if settings.dataset != trained_on:
            fault = f"its settings name the data set {settings.dataset}"
            raise UserError(f"{fault}, but it was trained on {trained_on}")
        if settings.is_own_net and "/" in settings.net:  # `--net` would run it
            raise UserError(f"its net {settings.net} names a folder")
        after = [part.after for part in self.parts]
        if after != sorted({*after}):
            raise ValueError('expected "parts" by rising epochs')
        return self

    @property
    def resolved(self):
        """The settings, with the number of threads that a sweep chose, if it did."""
        return self.settings.replace(threads=self.threads or self.settings.threads)


class History(BaseModel):
    """A run's history.json: Keras's lists by epoch, and what the training took."""

    model_config = ConfigDict(extra="allow", **_CHECKS)
    __pydantic_extra__: dict[Line, list[Number]]
    status: Literal[TRAINING, COMPLETE, INTERRUPTED, DIVERGED]
    epoch_seconds: Annotated[list[Seconds], Field(min_length=1)]
    device: Line = "unknown"
    compiled: bool = True  # whether the first epoch contains the compiling
    # From the start of TensorFlow to the first epoch; None: it ran already, or is unknown.
    start_seconds: Number = None
    total_seconds: Seconds | None = None
    # Epochs after which the training was broken off; those that follow contain compiling.
    resumed: list[Annotated[int, Field(ge=1)]] = []
    saved_epoch: int = 0  # whose weights were saved, from 1; 0: none, or the last
    notes: Line = ""  # lines on a network of the user's own

    @model_validator(mode="after")
    def _check(self):
        for name, values in self.curves.items():
            if len(values) != self.epochs:
                raise ValueError("expected lists of equal length")
            known = [value for value in values if value is not None and name.endswith("accuracy")]
            if not all(-_ROUNDING <= value <= 1 + _ROUNDING for value in known):
                raise ValueError(f'expected numbers from 0 to 1 in "{name}"')
        if max(self.resumed, default=0) > self.epochs:
            raise ValueError(f'expected numbers of at most {self.epochs} in "resumed"')
        if "saved_epoch" in self.model_fields_set and not 1 <= self.saved_epoch <= self.epochs:
            raise ValueError(f'expected "saved_epoch", a whole number from 1 to {self.epochs}')
        return self

    @property
    def epochs(self):
        return len(self.epoch_seconds)

    @property
    def steady_seconds(self):
        """Seconds of the epochs that contain no compiling: without the first, and the first after
        each break.
        """
        compiling = {0, *self.resumed}
        return [
            seconds for epoch, seconds in enumerate(self.epoch_seconds) if epoch not in compiling
        ]

    @property
    def curves(self):
        """Keras's lists by epoch: dict of str to list of float, None for what was no finite
        number.
        """
        return self.model_extra

    @property
    def final(self):
        """What Keras's lists say of the epoch whose weights were saved: dict of str to float or
        None.
        """
        last = (self.saved_epoch or self.epochs) - 1
        return {name: values[last] for name, values in self.curves.items()}


class _Evaluation(BaseModel):
    """What evaluate.py found out about a GAN beside its measures, as far as comparisons want to
    know.
    """

    model_config = _CHECKS
    of_data: Measures = {}  # the same measures of real data in place of samples
    # "epoch", and some of the measures.
    by_epoch: Annotated[dict[Line, list[Number]], Field(max_length=100)] = {}
    by_epoch_of_data: Measures = {}
    samples: Annotated[int, Field(ge=1, lt=2**53)] = None
    classifier: Line = None
    classes: Annotated[list[Line], Field(max_length=1_000)] = None
    counts: Annotated[list[Whole], Field(min_length=1)] = None
    shares: list[Annotated[float, Field(ge=0, le=1)]] = None  # of the classes in the data

    @model_validator(mode="after")
    def _check(self):
        counts, by_epoch = self.counts, self.by_epoch
        if counts is not None and (not self.samples or len(counts) != len(self.classes or ())):
            raise ValueError('expected "samples", and "classes" as many as "counts"')
        if self.shares is not None and len(self.shares) != len(counts or ()):
            raise ValueError('expected as many "shares" as "counts"')
        lengths = {len(values) for values in by_epoch.values()}
        if by_epoch and (len(lengths) > 1 or None in by_epoch.get("epoch", [None])):
            raise ValueError('expected lists of equal length in "by_epoch", and "epoch" among them')
        return self


Evaluation = create_model(
    "Evaluation",
    __base__=_Evaluation,
    **dict.fromkeys(chosen(source=EVALUATION), (Number, None)),
)


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
    failed: Whole = 0  # trials that are not among these
    # Of what is searched for; empty of few trials.
    importances: Annotated[
        dict[Line, Annotated[float, Field(ge=0, lt=2)]], Field(max_length=100)
    ] = {}

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
    by_size = bool(goal.target_accuracy)
    return sorted(able, key=lambda trial: (by_size and trial.parameters, -trial.accuracy))


def changes(old, new):
    """What was otherwise in the training of later epochs than of earlier ones: a list of words; of
    two `Origin`.
    """
    codes = (old.code, new.code), (old.commit, new.commit)
    words = []
    if next((before != after for before, after in codes if before and after), False):
        words.append("other code")
    for name in sorted(old.versions.keys() & new.versions.keys()):
        before, after = old.versions[name], new.versions[name]
        if before != after:
            words.append(f"{name} {after} in place of {before}")
    if old.device and new.device and old.device != new.device:
        words.append(f"{new.device} in place of {old.device}")
    return words


def fault_in(error):
    """The first fault that a ValidationError tells of, in words."""
    fault = error.errors()[0]
    place, message = ".".join(map(str, fault["loc"])), fault["msg"].removeprefix("Value error, ")
    if place:
        return f'"{place}": {message[0].lower()}{message[1:]}'
    return "expected a JSON object" if fault["type"] == "model_type" else message
