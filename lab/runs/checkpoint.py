"""A run in the middle of its training, in one file: with it, the same command goes on as if nothing had happened.

Keras's `BackupAndRestore` keeps neither the history nor what callbacks know, such as early stopping's best epoch.
"""

from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from lab.inputs import MEGABYTE, first_line
from lab.runs.files import atomic
from lab.runs.folders import File
from lab.settings import UserError


class Stopping(BaseModel):
    """What `keras.callbacks.EarlyStopping` knows, but for its best weights."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")
    wait: int = 0
    stopped_epoch: int = 0
    best_epoch: int = 0
    best: float | None = None


class About(BaseModel):
    """What a checkpoint holds beside arrays."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")
    metrics: list[str]  # of each epoch, by column
    seconds: Annotated[float, Field(ge=0, lt=1e100)]  # of training so far
    resumed: list[int]  # epochs after which the training was broken off before
    compiled: bool  # whether the first epoch contains the compiling
    stopping: Stopping | None = None


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


def save_checkpoint(folder, checkpoint):
    """Write a run's checkpoint, in place of an older one."""
    import numpy as np  # for which no wrong flag waits

    about, epochs = np.array(checkpoint.about.model_dump_json()), np.array(checkpoint.epochs, float)
    arrays = {f"state_{place}": array for place, array in enumerate(checkpoint.state)}
    arrays |= {f"best_{place}": array for place, array in enumerate(checkpoint.best)}
    with atomic(folder / File.CHECKPOINT) as temporary:
        np.savez(temporary, about=about, epochs=epochs, **arrays)


def load_checkpoint(folder, parameters):
    """Read a run's checkpoint; None where there is none.

    Parameters
    ----------
    folder : Path
    parameters : int
        Of the network, which say how large the file can be.

    Raises
    ------
    UserError
        If the file is broken.
    """
    from lab.data.readers import npz_in

    path = folder / File.CHECKPOINT
    # Of each weight, two moments, and early stopping's best, at most; and what is not of a weight.
    most = 5 * 4 * parameters + 10 * MEGABYTE
    try:
        with npz_in(path, "checkpoint", most) as file:
            if any(member.compress_type for member in file.zip.infolist()):
                raise ValueError("its arrays are compressed")
            about = About.model_validate_json(str(file["about"]))
            state, best = ([file[name] for name in file if name.startswith(kind)] for kind in ("state_", "best_"))
            epochs = file["epochs"]
        if epochs.dtype != float or epochs.shape[1:] != (len(about.metrics),) or not len(epochs):
            raise ValueError("it lacks epochs")
        return Checkpoint(about, epochs.tolist(), state, best)
    except FileNotFoundError:
        return None
    except Exception as error:  # a broken archive fails in as many ways as there are readers in NumPy and zipfile
        advice = "train the run again with --overwrite"
        raise UserError(f"{path}: not a readable checkpoint ({first_line(error)}); {advice}") from error
