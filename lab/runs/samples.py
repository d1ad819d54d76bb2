"""What a GAN generated in the course of its training: pictures to look at, and beside them the
numbers to measure.
"""

import math

from lab.io.files import MEGABYTE, atomic
from lab.io.words import first_line
from lab.runs.folders import SAMPLES, is_inside
from lab.settings import UserError

_MOST_BYTES, _MOST = 25 * MEGABYTE, 2_500  # of the samples of one epoch, unpacked
_NAME = "samples"


def sample_paths(folder, most=None, ending="png"):
    """The pictures of a GAN's samples in a run's folder, or with the ending "npz" their numbers:
    dict of int to Path, by rising epoch. Links lead nowhere.

    Of more than ``most``, every second, third or so, and the last.
    """
    paths = {}
    for path in (folder / SAMPLES).glob(f"epoch_*.{ending}"):
        epoch = path.stem.removeprefix("epoch_")
        ours = epoch.isdecimal() and sampled(int(epoch)) == f"{path.stem}.png"
        if ours and is_inside(folder, path):
            paths[int(epoch)] = path
    epochs = sorted(paths)
    if most and len(epochs) > most:
        step = math.ceil((len(epochs) - 1) / (most - 1))
        epochs = [*epochs[:-1:step], epochs[-1]]
    return {epoch: paths[epoch] for epoch in epochs}


def sampled(epoch):
    """The file name of a picture of an epoch's samples."""
    return f"epoch_{epoch:04}.png"


def save_samples(folder, epoch, generated):
    """Write the samples of an epoch beside their picture.

    Parameters
    ----------
    folder : Path
        Of the run.
    epoch : int
    generated : uint8 array, shape (n, height, width, channels); or float32 array, shape (n, 2)
    """
    import numpy as np  # for which what only looks for runs does not wait

    path = folder / SAMPLES / sampled(epoch)
    with atomic(path.with_suffix(".npz")) as temporary:
        np.savez_compressed(temporary, **{_NAME: generated})


def load_samples(run):
    """The samples of a run, one epoch after the other.

    Parameters
    ----------
    run : Run

    Yields
    ------
    epoch : int
    generated : array
        As of `save_samples`.

    Raises
    ------
    UserError
        If a file is broken.
    """
    import numpy as np

    from lab.io.npz import npz_in

    shape = tuple(run.record.dataset.shape)
    kind = np.float32 if len(shape) == 1 else np.uint8
    for epoch, path in sample_paths(run.folder, ending="npz").items():
        if epoch > run.history.epochs:  # left by a process that was killed further on
            continue
        try:
            with npz_in(path, "arrays", _MOST_BYTES) as file:
                generated = file[_NAME]
            found = generated.dtype, generated.shape[1:]
            if found != (kind, shape) or not 0 < len(generated) <= _MOST:
                raise ValueError(
                    f"not samples of this run: {generated.dtype}, shape {generated.shape}"
                )
            if not np.isfinite(generated).all():
                raise ValueError("not all numbers are finite")
        except Exception as error:  # a broken archive fails in as many ways as there are readers
            raise UserError(
                f"{path}: not readable as samples ({first_line(error)}); remove it, or train again"
            ) from error
        yield epoch, generated
