"""A run as it lies on disk: read once, and passed on whole."""

import contextlib
import hashlib
import itertools
import re
from pathlib import Path
from typing import NamedTuple

import simplejson
from pydantic import ValidationError

from lab.console import command, say
from lab.io.files import read
from lab.runs.folders import TENSORBOARD, File, below, own_file
from lab.runs.schemas import (
    COMPLETE,
    DIVERGED,
    INTERRUPTED,
    TRAINING,
    Evaluation,
    History,
    Record,
    Search,
    changes,
    fault_in,
)
from lab.settings import UserError, as_flags, differing, flag_of, text

NOT_THE_SAME = "the result may differ from that of a run that nothing happened to"
SEARCH = "search.json"  # in the folder of a search
_AGAIN = "Train the run again with --overwrite; if it is one of a sweep, remove its folder instead"
_PUT_BACK = (
    f"Put it back to resume the run from its {File.CHECKPOINT}, or train the run again with "
    "--overwrite"
)


class Run(NamedTuple):
    """A run as it lies on disk."""

    folder: Path
    record: Record
    history: History | None  # None: unfinished, and none that can be read

    @property
    def settings(self):
        """The `Settings`, resolved as they were when the run was trained."""
        return self.record.settings

    @property
    def state(self):
        """The status of the history; `TRAINING` also of a run that was interrupted and can be
        resumed, or that lacks its history.
        """
        status = self.history.status if self.history else TRAINING
        if status == INTERRUPTED and (self.folder / File.CHECKPOINT).exists():
            return TRAINING
        return status

    @property
    def unusual(self):
        """The settings that would have to be given to train it again: a dict, as of
        `Settings.unusual`.
        """
        return self.record.resolved.unusual(self.record.dataset.train)

    @property
    def again(self):
        """As `unusual`, with the place that data of the user's own were in."""
        path = self.record.dataset.path
        return self.unusual | ({"dataset": path} if path else {})

    @property
    def command(self):
        """The command that trains the run again, or resumes it; of its record, nothing that could
        do harm.
        """
        recorded = re.match(
            r"python train\.py (?:-m |--model-name=)(\S+)", self.record.command or ""
        )
        parts = recorded[1].split("/") if recorded else []
        here = self.folder.parts
        # Another folder, if it was moved.
        count = len(parts) if here[-len(parts) :] == tuple(parts) else 1
        given = self.again
        if self.settings.is_own_net and not Path(given["net"].rpartition(":")[0]).exists():
            given["net"] = f"FOLDER/{given['net']}"  # which the record does not know
        return command(
            "train.py",
            "/".join(here[-count:]),
            as_flags(given) + " --tensorboard" * (self.folder / TENSORBOARD).is_dir(),
            results_dir=Path(*here[:-count]),
            data_dir=self.record.data_dir,
        )

    @property
    def to_resume(self):
        """A sentence that names the command that resumes the run, in a line of its own, if it can
        be resumed; else empty.
        """
        return f"To resume it:\n{self.command}" if self.state == TRAINING else ""

    @property
    def breaks(self):
        """Sentences about what a resumed run was trained with otherwise than before: a list."""
        words = []
        for old, new in itertools.pairwise([self.record, *self.record.parts]):
            if changed := changes(old, new):
                words.append(f"after epoch {new.after} with {', '.join(changed)}")
        return [f"{self.folder} was resumed {' and '.join(words)}."] if words else []

    def other(self, settings, sha256):
        """What it was trained with in place of these settings and data, as "other settings:
        epochs 2, not 3"; empty if it was trained with them.
        """
        theirs = self.record.resolved
        several = [name for name in differing([theirs, settings]) if name != "source"]
        if several:
            words = []
            for name in several:
                old, new = (_value_in_words(getattr(one, name)) for one in (theirs, settings))
                words.append(f"{flag_of(name)} {old}, not {new}")
            return f"other settings: {', '.join(words)}"
        if theirs.source != settings.source:
            return f"another version of {settings.net}"
        return "other data" * (self.record.dataset.sha256 != sha256)


def _value_in_words(value):
    return "none" if value is None else text(value)


def load(folder, unfinished=False):
    """Read a run.

    Parameters
    ----------
    folder : Path
    unfinished : bool
        The history may be missing or broken, where that is no loss: it is in the checkpoint, too;
        and of a run that has neither that nor a model, there is nothing else.

    Returns
    -------
    Run

    Raises
    ------
    UserError
        If there is none, or one of its files is broken.
    """
    has_history, has_checkpoint, has_model = (
        (folder / file).exists() for file in (File.HISTORY, File.CHECKPOINT, File.MODEL)
    )
    record = _read_json(Record, folder, File.CONFIG, _PUT_BACK if has_checkpoint else _AGAIN)
    without = Run(folder, record, None)
    no_loss = has_checkpoint or not (has_history and has_model)
    try:
        history = _read_json(
            History, folder, File.HISTORY, without.to_resume if no_loss else _AGAIN
        )
        curves = record.settings.kind.curves
        if not {*curves} <= {*history.curves}:
            raise UserError(f"{folder / File.HISTORY}: expected lists {', '.join(sorted(curves))}")
    except UserError:
        if unfinished and no_loss:
            return without
        raise
    return Run(folder, record, history)


def load_any(folder):
    """The run in a folder, however far it has come; None where there is none.

    Its history is None if it was killed in its first epoch, or a power cut has spoilt it.
    """
    return load(folder, unfinished=True) if (folder / File.CONFIG).is_file() else None


def load_same(folder, settings, sha256):
    """As `load_any`, a run of these settings and data.

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
    run = load_any(folder)
    if not run:
        return None
    advice = "choose another name, or add --overwrite"
    if words := run.other(settings, sha256):
        unfinished = "an unfinished" if run.to_resume else "a"
        fault = f"{folder} holds {unfinished} run with {words}: {advice}"
        raise UserError(". ".join(filter(None, [fault, run.to_resume])))
    if run.state not in (TRAINING, COMPLETE):
        no_checkpoint = "was interrupted, and has no checkpoint to resume from"
        fault = "diverged" if run.state == DIVERGED else no_checkpoint
        raise UserError(f"{folder} already holds this run, which {fault}: {advice}")
    return run


def load_ended(folder):
    """Read a run whose training came to an end, be it before its time; UserError for any other."""
    run = load(folder)
    if run.history.status == TRAINING:
        raise UserError(
            f"{folder} is not finished: it is in training, or was killed. {run.to_resume}"
        )
    return run


def load_trained(folder):
    """Read a run that has a trained model, and say so if it was interrupted; UserError for any
    other.
    """
    run = load_ended(folder)
    if run.history.status == DIVERGED:
        fault = "its loss became infinite or no number"
        raise UserError(f"{folder} has no model: {fault}; train again, more slowly")
    if run.history.status == INTERRUPTED:
        say(f"Note: {folder} was interrupted after {run.history.epochs} epochs. {run.to_resume}")
    for sentence in run.breaks:
        say(f"Note: {sentence}")
    return run


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
    same = {"seed"}
    if len({run.history.device for run in several}) == 1:
        same |= {"device", "threads"}
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
    evaluation = _read_json(Evaluation, folder, File.EVALUATION, "Evaluate the run again")
    return evaluation.model_dump(exclude_none=True)


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
    return _read_json(Search, folder, SEARCH, "The search's own command writes it again")


def _read_json(model, folder, file, advice):
    """A file of a run as what it has to be; UserError, with some advice, if it is not there, or
    anything else.
    """
    path = own_file(folder, file)
    try:
        return model.model_validate(simplejson.loads(read(path, "json").decode("utf-8")))
    except FileNotFoundError:
        inner = [path for path in below(folder, File.CONFIG) if path != folder]
        if inner:
            fault = f"holds several runs: name one of them, as {inner[0]}"
        else:
            fault = f"holds no finished run: it has no {file}. {advice}"
        raise UserError(f"{folder} {fault}") from None
    except ValidationError as error:
        cause = error.errors()[0].get("ctx", {}).get("error")
        if isinstance(cause, UserError):  # of settings: a later version may have written them
            raise UserError(f"{path}: {cause}") from error
        writer = "evaluate.py" if file == File.EVALUATION else "train.py"
        fault = f"not what {writer} writes ({fault_in(error)})"
        raise UserError(f"{path}: {fault}. {advice}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not readable as JSON ({error}). {advice}") from error


def identity(settings, sha256):
    """A hash of what a run is trained with: its settings, wherever it is trained, and its data."""
    # A setting of a later version, at its default, is none.
    given = settings.replace(device="auto", threads=None).unusual()
    return hashlib.sha256(f"{as_flags(given)} {settings.source} {sha256}".encode()).hexdigest()
