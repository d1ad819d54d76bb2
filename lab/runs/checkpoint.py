"""A run in the middle of its training, in one file: with it, the same command goes on as if
nothing had happened.

Keras's `BackupAndRestore` keeps neither the history nor what callbacks know, such as early
stopping's best epoch.
"""

from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lab.io.files import MEGABYTE
from lab.io.words import first_line
from lab.runs.files import atomic
from lab.runs.folders import File, own_file
from lab.runs.records import CURVES, TRAINING, History, fault_in

_SECONDS = "epoch_seconds"
Epoch = Annotated[int, Field(ge=0, lt=2**31)]


class BrokenCheckpoint(Exception):
    """A checkpoint cannot be read, or is none of the run. The text says why, in a line."""


class Stopping(BaseModel):
    """What `keras.callbacks.EarlyStopping` knows, but for its best weights."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")
    wait: Epoch = 0
    stopped_epoch: Epoch = 0
    best_epoch: Epoch = 0
    best: float | None = None


class About(BaseModel):
    """What a checkpoint holds beside arrays."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")
    metrics: Annotated[list[str], Field(max_length=100)]  # of each epoch, by column
    seconds: Annotated[float, Field(ge=0, lt=1e100)]  # of training so far
    resumed: list[
        Annotated[Epoch, Field(ge=1)]
    ]  # epochs after which the training was broken off before
    compiled: bool  # whether the first epoch contains the compiling
    stopping: Stopping | None = None
    identity: str | None = None  # of the run, as of `records.identity`; None: of an earlier version


class Checkpoint(NamedTuple):
    """All that a run needs to go on."""

    about: About
    epochs: list  # of lists: what each finished epoch gave, by metric
    state: list  # of arrays, as of `engine.state_of`
    best: list  # of arrays: early stopping's best weights; empty without

    @property
    def rows(self):
        """What each finished epoch gave: list of dict of str to float."""
        return [dict(zip(self.about.metrics, row)) for row in self.epochs]


class Fitting(NamedTuple):
    """What a checkpoint has to be like, to be one of a run."""

    identity: str
    is_gan: bool
    epochs: int  # of the run
    patience: int | None  # of early stopping, if there is any
    parameters: int
    state: list  # of (shape, name of the type) of each array
    weights: list  # likewise, of those that early stopping keeps
    trained: list  # places within the state, of the weights that are trained
    counts: list  # likewise, of what counts an optimizer's steps


def save_checkpoint(folder, checkpoint):
    """Write a run's checkpoint, in place of an older one."""
    import numpy as np  # for which no wrong flag waits

    about, epochs = np.array(checkpoint.about.model_dump_json()), np.array(checkpoint.epochs, float)
    arrays = {f"state_{place}": array for place, array in enumerate(checkpoint.state)}
    arrays |= {f"best_{place}": array for place, array in enumerate(checkpoint.best)}
    with atomic(folder / File.CHECKPOINT) as temporary:
        np.savez(temporary, about=about, epochs=epochs, **arrays)


def load_checkpoint(folder, fitting):
    """Read a run's checkpoint; None where there is none.

    Parameters
    ----------
    folder : Path
    fitting : Fitting
        Of the run.

    Raises
    ------
    BrokenCheckpoint
    OSError
        If it cannot be read for the moment.
    """
    from lab.data.readers import npz_in

    path = own_file(folder, File.CHECKPOINT)
    # Of each weight, two moments, and early stopping's best, at most; and what is not of a weight.
    most = 5 * 4 * fitting.parameters + 10 * MEGABYTE
    try:
        with npz_in(path, "checkpoint", most) as file:
            if any(member.compress_type for member in file.zip.infolist()):
                raise ValueError("its arrays are compressed")
            about = About.model_validate_json(str(file["about"]))
            state, best = (
                [file[name] for name in file if name.startswith(kind)]
                for kind in ("state_", "best_")
            )
            epochs = file["epochs"]
        if epochs.dtype != float or epochs.shape[1:] != (len(about.metrics),) or not len(epochs):
            raise ValueError("it lacks epochs")
        checkpoint = Checkpoint(about, epochs.tolist(), state, best)
        _check(checkpoint, fitting)
        return checkpoint
    except FileNotFoundError:
        return None
    except (OSError, MemoryError):  # of the disk or the machine: not the file's fault
        raise
    except ValidationError as error:
        raise BrokenCheckpoint(fault_in(error)) from error
    except (
        Exception
    ) as error:  # a broken archive fails in as many ways as there are readers in NumPy and zipfile
        raise BrokenCheckpoint(first_line(error)) from error


def _check(checkpoint, fitting):
    """Raise ValueError unless a checkpoint is one of a run."""
    about, count = checkpoint.about, len(checkpoint.epochs)
    if about.identity not in (None, fitting.identity):
        raise ValueError("it is of a run with other settings or data")
    if sorted(about.metrics) != sorted([*CURVES[fitting.is_gan], _SECONDS]):
        raise ValueError("its metrics are not those of this run")
    lists = dict(zip(about.metrics, map(list, zip(*checkpoint.epochs, strict=True))))
    History(status=TRAINING, resumed=about.resumed, **lists)
    if count > fitting.epochs or about.resumed != sorted({*about.resumed} & {*range(1, count + 1)}):
        raise ValueError("its epochs are not those of this run")
    stopping = about.stopping
    if bool(stopping) != bool(fitting.patience) or (
        stopping and not _fits(stopping, lists["val_loss"], fitting.patience)
    ):
        raise ValueError("what it knows of early stopping does not fit its epochs")
    for arrays, expected in (
        (checkpoint.state, fitting.state),
        (checkpoint.best, fitting.weights if stopping else []),
    ):
        if [(array.shape, array.dtype.name) for array in arrays] != expected:
            raise ValueError("its arrays are not those of this run's network")
    if not all(
        abs(checkpoint.state[place]).max(initial=0) < float("inf") for place in fitting.trained
    ):
        raise ValueError("its weights are not finite")
    if any(checkpoint.state[place] < 0 for place in fitting.counts):
        raise ValueError("its optimizer has done less than 0 steps")


def _fits(stopping, losses, patience):
    """Whether early stopping can know this after epochs with these validation losses."""
    last, best = len(losses) - 1, stopping.best_epoch
    stopped = last if last and last - best >= patience else 0
    known = best <= last and stopping.best == losses[best] == min(losses)
    return known and stopping.wait == last - best and stopping.stopped_epoch == stopped
