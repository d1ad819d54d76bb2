"""What a run's JSON files say.

Checked against what we expect of them; a run is read once, and passed on whole.
"""

import contextlib
import hashlib
import itertools
import re
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import simplejson
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    create_model,
    model_validator,
)

from lab.console import command, say
from lab.io.files import read
from lab.io.words import in_a_line, visible
from lab.metrics.table import EVALUATION, chosen
from lab.runs.folders import TENSORBOARD, File, below, own_file
from lab.settings import (
    CLASSES,
    IMAGE_SHAPES,
    LEAST_SIDE,
    MOST_SIDE,
    NETS,
    Settings,
    Threads,
    UserError,
    as_flags,
    differing,
    flag_of,
    is_own_data,
    is_own_net,
    text,
)

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
# Tables, figures and pages show it: so it does nothing there, and is no longer than they have room
# for.
_VISIBLE = BeforeValidator(lambda given: in_a_line(given) if isinstance(given, str) else given)
Line = Annotated[str, Field(max_length=2_000), _VISIBLE]
# The name of a run, its layers and its data may be as long as a path each.
Command = Annotated[str, Field(max_length=20_000), _VISIBLE]
_AGAIN = "Train the run again with --overwrite; if it is one of a sweep, remove its folder instead"
NOT_THE_SAME = "the result may differ from that of a run that nothing happened to"
_ROUNDING = 1e-6  # by which an accuracy, a mean in float32, may miss 0 or 1
_CHECKS = ConfigDict(frozen=True, strict=True)


def _without_folders(name):
    if is_own_data(name) and not re.fullmatch(r"[^/]+(\.npz|/)", name, re.IGNORECASE):
        raise ValueError("Input should be the name of a data set, of a file or of a folder")
    return visible(name)


Name = Annotated[str, Field(max_length=300), AfterValidator(_without_folders)]
Side, Channels = Annotated[int, Field(ge=LEAST_SIDE, le=MOST_SIDE)], Literal[1, 3]
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
    shape: (
        Annotated[tuple[Side, Side, Channels], Field(strict=False)]
        | Annotated[tuple[Whole], Field(strict=False)]
    ) = ()
    # Of a folder of pictures: their size in pixels a side, what 16 bits were divided by, other
    # files by their endings.
    resize: Side | None = None
    divisor: Literal[255, 4_095, 65_535] | None = None
    ignored: Annotated[dict[Line, Whole], Field(max_length=100)] = {}

    def __hash__(self):
        return hash(self.sha256)

    @property
    def pictures(self):
        """What a user's own pictures are taken for, as of `data.read_pictures`: "digits", "object"
        or "whole".
        """
        if (self.classes, self.shape) == (
            CLASSES["mnist"],
            IMAGE_SHAPES["mnist"],
        ):  # also of data of the user's own
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


class Record(Origin):
    """A run's config.json."""

    settings: dict
    gan_options: dict = {}  # see `settings_of`
    parameters: Whole
    dataset: DataSet
    command: Command | None = None  # that trains the run again
    threads: Threads | None = None  # also where a sweep chose their number; None: one a core
    data_dir: Line | None = None  # that the command named
    # Of a run that was resumed, by rising epoch; above is what the first one was trained with.
    parts: Annotated[list[Part], Field(max_length=1_000)] = []

    @model_validator(mode="after")
    def _check_parts(self):
        after = [part.after for part in self.parts]
        if after != sorted({*after}):
            raise ValueError('expected "parts" by rising epochs')
        return self


class History(BaseModel):
    """A run's history.json: Keras's lists by epoch, and what the training took."""

    model_config = ConfigDict(extra="allow", **_CHECKS)
    __pydantic_extra__: dict[Line, list[Number]]
    status: Literal[TRAINING, COMPLETE, INTERRUPTED, DIVERGED]
    epoch_seconds: Annotated[list[Annotated[float, Field(ge=0, lt=1e100)]], Field(min_length=1)]
    device: Line = "unknown"
    compiled: bool = True  # whether the first epoch contains the compiling
    start_seconds: Number = (
        None  # from the start of TensorFlow to the first epoch; None: it ran already, or is unknown
    )
    total_seconds: Annotated[float, Field(ge=0, lt=1e100)] | None = None
    # Epochs after which the training was broken off; those that follow contain compiling.
    resumed: list[Annotated[int, Field(ge=1)]] = []
    saved_epoch: int = 0  # whose weights were saved, from 1; 0: none, or the last
    notes: Line = ""  # lines on a network of the user's own

    @model_validator(mode="after")
    def _check(self):
        if {len(values) for values in self.curves.values()} - {self.epochs}:
            raise ValueError("expected lists of equal length")
        if max(self.resumed, default=0) > self.epochs:
            raise ValueError(f'expected numbers of at most {self.epochs} in "resumed"')
        for name, values in self.curves.items():
            known = (
                [value for value in values if value is not None]
                if name.endswith("accuracy")
                else []
            )
            if known and not -_ROUNDING <= min(known) <= max(known) <= 1 + _ROUNDING:
                raise ValueError(f'expected numbers from 0 to 1 in "{name}"')
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
        return [
            seconds
            for place, seconds in enumerate(self.epoch_seconds)
            if place and place not in self.resumed
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
        return {
            name: values[(self.saved_epoch or self.epochs) - 1]
            for name, values in self.curves.items()
        }


class _Evaluation(BaseModel):
    """What evaluate.py found out about a GAN beside its measures, as far as comparisons want to
    know.
    """

    model_config = _CHECKS
    of_data: Annotated[
        dict[Line, Number], Field(max_length=100)
    ] = {}  # the same measures of real data in place of samples
    by_epoch: Annotated[
        dict[Line, list[Number]], Field(max_length=100)
    ] = {}  # "epoch", and some of the measures
    by_epoch_of_data: Annotated[dict[Line, Number], Field(max_length=100)] = {}
    samples: Annotated[int, Field(ge=1, lt=2**53)] = None
    classifier: Line = None
    classes: Annotated[list[Line], Field(max_length=1_000)] = None
    counts: Annotated[list[Whole], Field(min_length=1)] = None
    shares: list[Annotated[float, Field(ge=0, le=1)]] = None  # of the classes in the data

    @model_validator(mode="after")
    def _check(self):
        if self.counts is not None and (
            self.samples is None or len(self.counts) != len(self.classes or ())
        ):
            raise ValueError('expected "samples", and "classes" as many as "counts"')
        if self.shares is not None and len(self.shares) != len(self.counts or ()):
            raise ValueError('expected as many "shares" as "counts"')
        if self.by_epoch and (
            None in self.by_epoch.get("epoch", [None])
            or len({*map(len, self.by_epoch.values())}) > 1
        ):
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
    return sorted(
        able,
        key=lambda one: (one.parameters if goal.target_accuracy else -one.accuracy, -one.accuracy),
    )


class Run(NamedTuple):
    """A run as it lies on disk."""

    folder: Path
    settings: Settings
    record: Record
    history: History

    @property
    def unusual(self):
        """The settings that would have to be given to train it again: a dict, as of
        `Settings.unusual`.
        """
        settings = self.settings.replace(threads=self.record.threads or self.settings.threads)
        return settings.unusual(self.record.dataset.train)

    @property
    def again(self):
        """As `unusual`, with the place that data of the user's own were in."""
        return self.unusual | (
            {"dataset": self.record.dataset.path} if self.record.dataset.path else {}
        )

    @property
    def to_resume(self):
        """A sentence that names the command that resumes the run, in a line of its own, if it can
        be resumed; else empty.
        """
        goes_on = self.history.status == TRAINING or (
            self.history.status == INTERRUPTED and (self.folder / File.CHECKPOINT).exists()
        )
        return resuming(self.folder, self.record) if goes_on else ""

    @property
    def breaks(self):
        """Sentences about what a resumed run was trained with otherwise than before: a list."""
        origins = [self.record, *self.record.parts]
        pairs = [(new.after, changes(old, new)) for old, new in itertools.pairwise(origins)]
        words = [
            f"after epoch {after} with {', '.join(changed)}" for after, changed in pairs if changed
        ]
        return [f"{self.folder} was resumed {' and '.join(words)}."] if words else []


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
    record, settings = _record_in(folder)
    history = _read(History, folder, File.HISTORY, _advice(folder, record))
    if not set(CURVES[settings.is_gan]) <= set(history.curves):
        raise UserError(
            f"{folder / File.HISTORY}: expected lists {', '.join(CURVES[settings.is_gan])}"
        )
    return Run(folder, settings, record, history)


def latest(results_dir, most):
    """Yield the runs whose histories were written last, the last first, of so many those that can
    be read.

    Other processes may remove some meanwhile.
    """
    written = {}
    for folder in below(results_dir, File.HISTORY):
        with contextlib.suppress(OSError):
            written[folder] = (folder / File.HISTORY).stat().st_mtime
    for folder in sorted(written, key=written.get, reverse=True)[:most]:
        with contextlib.suppress(UserError, OSError):  # broken, or gone meanwhile
            yield load(folder)


def checked(record):
    """The content of a config.json, if what reads it takes it; UserError before anything is
    trained that could not be read.
    """
    try:
        settings_of(Record.model_validate(simplejson.loads(simplejson.dumps(record))))
    except ValidationError as error:
        raise UserError(
            f"the run could not be read again: in its {File.CONFIG}, {fault_in(error)}"
        ) from error
    return record


def _record_in(folder):
    """What a run's config.json says, and the settings that it gives."""
    to_put_back = f"Put it back to resume the run from its {File.CHECKPOINT}, or train the run again with --overwrite"
    record = _read(
        Record, folder, File.CONFIG, to_put_back if (folder / File.CHECKPOINT).exists() else _AGAIN
    )
    try:
        return record, settings_of(record)
    except UserError as error:
        raise UserError(f"{folder / File.CONFIG}: {error}") from error


def _advice(folder, record):
    """What to do about a history that is missing or broken."""
    return resuming(folder, record) if _needs_no_history(folder) else _AGAIN


def _needs_no_history(folder):
    """Whether a run can be resumed, or trained anew, without loss where its history is missing or
    was spoilt by a power cut: it is in the checkpoint, too; and of a run that has neither that nor
    a model, there is nothing else.
    """
    there = {
        file for file in (File.HISTORY, File.CHECKPOINT, File.MODEL) if (folder / file).exists()
    }
    return File.CHECKPOINT in there or there != {File.HISTORY, File.MODEL}


def resuming(folder, record):
    """A sentence that names the command that resumes a run."""
    return f"To resume it:\n{command_of(folder, record)}"


def command_of(folder, record):
    """The command that trains the run in a folder again, or resumes it; of its `Record`, nothing
    that could do harm.
    """
    recorded = re.match(r"python train\.py (?:-m |--model-name=)(\S+)", record.command or "")
    parts = recorded[1].split("/") if recorded else []
    count = (
        len(parts) if folder.parts[-len(parts) :] == tuple(parts) else 1
    )  # another folder, if it was moved
    name = "/".join(folder.parts[-count:])
    given = Run(folder, settings_of(record), record, None).again
    if is_own_net(given.get("net", NETS[0])) and not Path(given["net"].rpartition(":")[0]).exists():
        given["net"] = f"FOLDER/{given['net']}"  # which the record does not know
    flags = as_flags(given) + " --tensorboard" * (folder / TENSORBOARD).is_dir()
    return command(
        "train.py", name, flags, results_dir=Path(*folder.parts[:-count]), data_dir=record.data_dir
    )


def changes(old, new):
    """What was otherwise in the training of later epochs than of earlier ones: a list of words; of
    two `Origin`.
    """
    codes = [(one.code, one.commit) for one in (old, new)]
    other = next((before != after for before, after in zip(*codes) if before and after), False)
    words = ["other code"] if other else []
    known = sorted(set(old.versions) & set(new.versions))
    pairs = [(name, new.versions[name], old.versions[name]) for name in known]
    words += [
        f"{name} {version} in place of {before}"
        for name, version, before in pairs
        if version != before
    ]
    if old.device and new.device and old.device != new.device:
        words.append(f"{new.device} in place of {old.device}")
    return words


def settings_of(record):
    """The `Settings` of a `Record`, resolved as they were when it was written; UserError if they
    are none.
    """
    given = record.settings
    if "net" not in given:
        raise UserError('expected "settings" with "net" among them')
    # Versions before this one left None what was not given, and told beside it what a GAN was
    # trained with.
    resolved = {"dataset": record.dataset.name, **record.gan_options}
    settings = Settings(
        **given | {name: value for name, value in resolved.items() if given.get(name) is None}
    )
    if settings.dataset != record.dataset.name:
        raise UserError(
            f"its settings name the data set {settings.dataset}, but it was trained on {record.dataset.name}"
        )
    if (
        settings.is_own_net and "/" in settings.net
    ):  # which train.py never writes: `--net` would run it
        raise UserError(f"its net {settings.net} names a folder")
    return settings


def load_ended(folder):
    """Read a run whose training came to an end, be it before its time; UserError for any other."""
    run = load(folder)
    if run.history.status == TRAINING:
        raise UserError(
            f"{folder} is not finished: it is in training, or was killed. {run.to_resume}"
        )
    return run


def state(folder):
    """How far the run in a folder has come.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    record : Record or None
        None where there is no run.
    status : str or None
        As of `History`; `TRAINING` also of a run that was interrupted and can be resumed, or that
        has no history, as one that was killed in its first epoch, or whose history a power cut has
        spoilt: it is in the checkpoint, too.

    Raises
    ------
    UserError
        If one of its files is broken.
    """
    if not (folder / File.CONFIG).is_file():
        return None, None
    try:
        run = load(folder)
    except UserError:
        if not _needs_no_history(folder):
            raise
        return _record_in(folder)[0], TRAINING
    return run.record, TRAINING if run.to_resume else run.history.status


def standing(folder, settings, sha256):
    """As `state`, of a run of these settings and data.

    Parameters
    ----------
    folder : Path
    settings : Settings
        Resolved.
    sha256 : str
        As `data.fingerprint` gives it.

    Raises
    ------
    UserError
        If another run is there, or one that neither is complete nor can be resumed.
    """
    record, status = state(folder)
    if not record:
        return None, None
    advice = "choose another name, or add --overwrite"
    if words := differing_in_words(record, settings, sha256):
        if status == TRAINING:
            raise UserError(
                f"{folder} holds an unfinished run with {words}: {advice}. {resuming(folder, record)}"
            )
        raise UserError(f"{folder} holds a run with {words}: {advice}")
    if status not in (TRAINING, COMPLETE):
        fault = (
            "diverged"
            if status == DIVERGED
            else "was interrupted, and has no checkpoint to resume from"
        )
        raise UserError(f"{folder} already holds this run, which {fault}: {advice}")
    return record, status


def differing_in_words(record, settings, sha256):
    """What a run was trained with in place of these settings and data, as "other settings: epochs
    2, not 3"; or nothing.
    """
    theirs = settings_of(record)
    theirs = theirs.replace(threads=record.threads or theirs.threads)
    several = [name for name in differing([theirs, settings]) if name != "source"]
    if several:
        pairs = [
            (flag_of(name), *(_in_words(getattr(one, name)) for one in (theirs, settings)))
            for name in several
        ]
        return "other settings: " + ", ".join(
            f"{name} {old}, not {new}" for name, old, new in pairs
        )
    if theirs.source != settings.source:
        return f"another version of {settings.net}"
    return "other data" * (record.dataset.sha256 != sha256)


def _in_words(value):
    return "none" if value is None else text(value)


def load_trained(folder):
    """Read a run that has a trained model, and say so if it was interrupted; UserError for any
    other.
    """
    run = load_ended(folder)
    if run.history.status == DIVERGED:
        raise UserError(
            f"{folder} has no model: its loss became infinite or no number; train again, more slowly"
        )
    if run.history.status == INTERRUPTED:
        say(f"Note: {folder} was interrupted after {run.history.epochs} epochs. {run.to_resume}")
    for sentence in run.breaks:
        say(f"Note: {sentence}")
    return run


def differences(several):
    """In what some runs were trained differently: settings but for the seed, and "data".

    What they were trained with counts, not what was typed: the same device is the same, be it the
    default or named.

    Parameters
    ----------
    several : list of Run

    Returns
    -------
    list of str
    """
    same = {"seed"} | (
        {"device", "threads"} if len({run.history.device for run in several}) == 1 else set()
    )
    found = [name for name in differing([run.settings for run in several]) if name not in same]
    return found + ["data"] * (len({run.record.dataset.sha256 for run in several}) > 1)


def load_evaluation(folder):
    """What evaluate.py found out about a GAN: a dict with what of `Evaluation` is known; empty if
    it was not evaluated yet.

    Raises
    ------
    UserError
        If the file is broken.
    """
    if not (folder / File.EVALUATION).exists():
        return {}
    return _read(Evaluation, folder, File.EVALUATION, "Evaluate the run again").model_dump(
        exclude_none=True
    )


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
    if not (folder / SEARCH).exists():
        return None
    return _read(Search, folder, SEARCH, "The search's own command writes it again")


def _read(model, folder, file, advice):
    """A file of a run as what it has to be; UserError, with some advice, if it is not there, or
    anything else.
    """
    path = own_file(folder, file)
    writer = "evaluate.py" if file == File.EVALUATION else "train.py"
    try:
        return model.model_validate(simplejson.loads(read(path, "json").decode("utf-8")))
    except FileNotFoundError:
        inner = [path for path in below(folder, File.CONFIG) if path != folder]
        if inner:
            raise UserError(
                f"{folder} holds several runs: name one of them, as {inner[0]}"
            ) from None
        raise UserError(f"{folder} holds no finished run: it has no {file}. {advice}") from None
    except ValidationError as error:
        raise UserError(
            f"{path}: not what {writer} writes ({fault_in(error)}). {advice}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not readable as JSON ({error}). {advice}") from error


def fault_in(error):
    """The first fault that a ValidationError tells of, in words."""
    fault = error.errors()[0]
    place, message = ".".join(map(str, fault["loc"])), fault["msg"].removeprefix("Value error, ")
    if place:
        return f'"{place}": {message[0].lower()}{message[1:]}'
    return "expected a JSON object" if fault["type"] == "model_type" else message


def identity(settings, sha256):
    """A hash of what a run is trained with: its settings, wherever it is trained, and its data."""
    given = settings.replace(
        device="auto", threads=None
    ).unusual()  # a setting of a later version, at its default, is none
    return hashlib.sha256(f"{as_flags(given)} {settings.source} {sha256}".encode()).hexdigest()
