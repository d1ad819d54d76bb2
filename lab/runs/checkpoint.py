"""A run in the middle of its training, in one file: with it, the same command goes on as if
nothing had happened.

Keras's `BackupAndRestore` keeps neither the history nor what callbacks know, such as early
stopping's best epoch.
"""

import math
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lab.io.files import MEGABYTE, atomic
from lab.io.words import first_line
from lab.runs.folders import File, own_file
from lab.runs.schemas import TRAINING, History, Seconds, fault_in

_SECONDS = "epoch_seconds"
Epoch = Annotated[int, Field(ge=0, lt=2**31)]
_CHECKS = ConfigDict(frozen=True, strict=True, extra="forbid")


class BrokenCheckpoint(Exception):
    """A checkpoint cannot be read, or is none of the run. The text says why, in a line."""


class Stopping(BaseModel):
    """What `keras.callbacks.EarlyStopping` knows, but for its best weights."""

    model_config = _CHECKS
    wait: Epoch = 0
    stopped_epoch: Epoch = 0
    best_epoch: Epoch = 0
    best: float | None = None


class About(BaseModel):
    """What a checkpoint holds beside arrays."""

    model_config = _CHECKS
    metrics: Annotated[list[str], Field(max_length=100)]  # of each epoch, by column
    seconds: Seconds  # of training so far
    # Epochs after which the training was broken off before.
    resumed: list[Annotated[Epoch, Field(ge=1)]]
    compiled: bool  # whether the first epoch contains the compiling
    stopping: Stopping | None = None
    identity: str | None = None  # of the run, as of `records.identity`; None: of an earlier version


class Checkpoint(NamedTuple):
    """All that a run needs to go on."""

    about: About
    rows: list  # of dict of str to float: what each finished epoch gave, by metric
    state: list  # of arrays, as of `engine.state_of`
    best: list  # of arrays: early stopping's best weights; empty without


class Fitting(NamedTuple):
    """What a checkpoint has to be like, to be one of a run."""

    identity: str
    curves: tuple  # names of the lists by epoch of its history
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

    arrays = {
        "about": checkpoint.about.model_dump_json(),
        "epochs": np.array([[*row.values()] for row in checkpoint.rows], float),
    }
    arrays |= {f"state_{place}": array for place, array in enumerate(checkpoint.state)}
    arrays |= {f"best_{place}": array for place, array in enumerate(checkpoint.best)}
    with atomic(folder / File.CHECKPOINT) as temporary:
        np.savez(temporary, **arrays)


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
    from lab.io.npz import npz_in

    path = own_file(folder, File.CHECKPOINT)
    # Of each weight, two moments, and early stopping's best, at most; and what is not of a weight.
    most = 5 * 4 * fitting.parameters + 10 * MEGABYTE
    try:
        with npz_in(path, "checkpoint", most) as file:
            if any(member.compress_type for member in file.zip.infolist()):
                raise ValueError("its arrays are compressed")
            about = About.model_validate_json(str(file["about"]))
            state = [file[name] for name in file if name.startswith("state_")]
            best = [file[name] for name in file if name.startswith("best_")]
            epochs = file["epochs"]
        if epochs.dtype != float or epochs.shape[1:] != (len(about.metrics),) or not len(epochs):
            raise ValueError("it lacks epochs")
        rows = [dict(zip(about.metrics, row)) for row in epochs.tolist()]
        checkpoint = Checkpoint(about, rows, state, best)
        _check_fitting(checkpoint, fitting)
        return checkpoint
    except FileNotFoundError:
        return None
    except (OSError, MemoryError):  # of the disk or the machine: not the file's fault
        raise
    except ValidationError as error:
        raise BrokenCheckpoint(fault_in(error)) from error
    except Exception as error:  # a broken archive fails in as many ways as there are readers
        raise BrokenCheckpoint(first_line(error)) from error


def _check_fitting(checkpoint, fitting):
    """Raise ValueError unless a checkpoint is one of a run."""
    about, rows, state, best = checkpoint
    if about.identity not in (None, fitting.identity):
        raise ValueError("it is of a run with other settings or data")
    if sorted(about.metrics) != sorted([*fitting.curves, _SECONDS]):
        raise ValueError("its metrics are not those of this run")
    lists = {name: [row[name] for row in rows] for name in about.metrics}
    History(status=TRAINING, resumed=about.resumed, **lists)
    if len(rows) > fitting.epochs or about.resumed != sorted({*about.resumed}):
        raise ValueError("its epochs are not those of this run")
    patience = fitting.patience
    if about.stopping != (_stopping_after(lists["val_loss"], patience) if patience else None):
        raise ValueError("what it knows of early stopping does not fit its epochs")
    kept = fitting.weights if patience else []
    layouts = [[(array.shape, array.dtype.name) for array in arrays] for arrays in (state, best)]
    if layouts != [fitting.state, kept]:
        raise ValueError("its arrays are not those of this run's network")
    if not all(abs(state[place]).max(initial=0) < math.inf for place in fitting.trained):
        raise ValueError("its weights are not finite")
    if any(state[place] < 0 for place in fitting.counts):
        raise ValueError("its optimizer has done less than 0 steps")


def _stopping_after(losses, patience):
    """What early stopping knows after epochs with these validation losses."""
    best, last = losses.index(min(losses)), len(losses) - 1
    waited = last - best
    return Stopping(
        wait=waited,
        stopped_epoch=last if last and waited >= patience else 0,
        best_epoch=best,
        best=losses[best],
    )
