"""A run's trained model, read with suspicion: from its archive come numbers only.

The network is built anew from the run's settings. Nothing that the archive says of classes,
functions or files is ever acted on, and Keras does not read it. One of the user's own, whose
source is not to be run for that, is built as the archive says, if that names nothing but layers of
Keras's that we have reviewed.
"""

import re
import shutil
import tempfile
import zipfile
from collections import Counter
from pathlib import Path

import simplejson

from lab.io.files import MEGABYTE, check_zip, opened
from lab.io.words import first_line
from lab.runs.folders import File, own_file
from lab.settings import UserError

_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
_MEMBERS = [_CONFIG, "metadata.json", _WEIGHTS]
_DEEPEST = 20  # groups within each other
_MOST_PARAMETERS = 150_000_000  # whose reading takes 2 GB of memory, be the file nothing but holes


def load_model(run, own=None):
    """A run's trained model.

    Parameters
    ----------
    run : Run
        Which the model has to fit.
    own : Settings, optional
        With the source of a network of the user's own, which is to be run to build it.

    Returns
    -------
    keras.Sequential, not compiled

    Raises
    ------
    UserError
        If there is no such file, or it is broken, foreign, or of another run.
    """
    path = own_file(run.folder, File.MODEL)
    try:
        with opened(path, "model") as file:
            check_zip(file)
            with zipfile.ZipFile(file) as archive:
                return _loaded(run, archive, own)
    except UserError:
        raise
    except FileNotFoundError:
        advice = run.to_resume or "Train the run again with --overwrite"
        raise UserError(f"{run.folder} holds no {File.MODEL}. {advice}") from None
    except Exception as error:  # a broken archive fails in as many ways as there are readers
        raise UserError(
            f"{path}: not the model of this run ({first_line(error)}); train it again with --overwrite"
        ) from error


def _loaded(run, archive, own):
    if sorted(archive.namelist()) != _MEMBERS or any(
        member.compress_type for member in archive.infolist()
    ):
        raise ValueError(f"expected an uncompressed archive of {', '.join(_MEMBERS)}")
    if run.record.parameters > _MOST_PARAMETERS:
        raise ValueError(f"more than {_MOST_PARAMETERS:,} parameters")
    width = 1 if run.settings.is_own_net else 4  # bytes of a weight, at least: of uint8, or float32
    least = width * run.record.parameters
    if archive.getinfo(_CONFIG).file_size > MEGABYTE or archive.getinfo(_WEIGHTS).file_size < least:
        raise _misfit()
    config = simplejson.loads(archive.read(_CONFIG))["config"]
    model = _built(run, own, config)
    if not run.settings.is_own_net:
        _check_layers(config, model)
    with archive.open(_WEIGHTS) as file:
        while file.read(
            MEGABYTE
        ):  # to its end, where its checksum is compared: HDF5's own reader may crash over wrong bits
            pass
        file.seek(0)
        (_assign_by_keras if own else _assign)(model, file)
    return model


def _check_layers(config, model):
    """Raise ValueError if an archive names other layers than one of our networks has."""
    layers, ours = _layers_of(config), _layers_of(model.get_config())
    foreign = next((layer for layer in layers if layer not in ours), None)
    if foreign:
        raise ValueError(f"it names {'.'.join(map(str, foreign))}, which our networks do not use")
    if layers != ours:
        raise _misfit()


def _misfit():
    return ValueError("it does not fit the run's config.json")


def _layers_of(config):
    """The layers that the configuration of a Sequential names, those within its layers behind
    each.
    """
    found = []
    for layer in config["layers"]:
        registered = (
            [layer["registered_name"]]
            if layer.get("registered_name") not in (None, layer["class_name"])
            else []
        )
        found.append([layer.get("module"), layer["class_name"], *registered])
        if layer["class_name"] == "Sequential":
            found += _layers_of(layer["config"])
    return found


def _built(run, own, config):
    """The network of a run, its weights yet to come."""
    import keras

    from lab.backend.networks import build

    shape, classes = run.record.dataset.shape, len(run.record.dataset.classes)
    if own:
        return _built_by_user(own, shape, classes)
    with (
        keras.StatelessScope()
    ):  # only its end takes memory for weights: settings may ask for more than there is
        try:
            if run.settings.is_own_net:
                model = _as_it_says(run, config)
            else:
                model = build(**dict(run.settings), input_shape=shape, classes=classes)
            if model.count_params() != run.record.parameters:
                raise _misfit()
        except BaseException:
            keras.utils.clear_session(free_memory=False)  # forgets them
            raise
    return model


def _built_by_user(own, shape, classes):
    from lab.backend.networks import build
    from lab.backend.own_networks import NetworkError

    try:
        return build(**dict(own), input_shape=shape, classes=classes)
    except NetworkError as error:
        raise UserError(str(error)) from error


def _as_it_says(run, config):
    from lab.backend.own_networks import NetworkError, from_config

    try:
        return from_config(config, run.record.dataset.shape, len(run.record.dataset.classes))
    except NetworkError as error:
        raise UserError(f"{run.folder / File.MODEL}: {error}") from error


def _assign(model, file):
    """Set a model's weights to those of a file as Keras writes it."""
    import h5py

    with h5py.File(file, "r") as stored:
        for place, weight in _places(model.layers):
            weight.assign(_array(stored, place, weight.shape))


def _assign_by_keras(model, file):
    """Let Keras set the weights of a model with layers of the user's own, if all of the file lies
    there plainly.
    """
    import h5py

    with h5py.File(file, "r") as stored:
        _check_plain(stored)
    file.seek(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, _WEIGHTS)
        with open(path, "wb") as copy:
            shutil.copyfileobj(file, copy)
        model.load_weights(path)


def _check_plain(group, depth=0):
    """Raise ValueError unless a group of a file holds groups and plain arrays only."""
    import h5py

    if depth > _DEEPEST:
        raise _misfit()
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise _misfit()
        node = group[name]
        if isinstance(node, h5py.Group):
            _check_plain(node, depth + 1)
        else:
            _check_array(node)


def _places(layers, above="layers"):
    """Where Keras's file has the weights of some layers: pairs of a path and a variable."""
    seen = Counter()
    for layer in layers:
        kind = re.sub(
            r"(?<=[a-z])(?=[A-Z])|(?<=.)(?=[A-Z][a-z])", "_", type(layer).__name__
        ).lower()
        place = f"{above}/{kind}" + f"_{seen[kind]}" * (seen[kind] > 0)
        seen[kind] += 1
        if hasattr(layer, "layers"):
            yield from _places(layer.layers, f"{place}/layers")
        else:
            yield from (
                (f"{place}/vars/{number}", weight) for number, weight in enumerate(layer.weights)
            )


def _array(stored, place, shape):
    """One array of a file of weights, if it lies there plainly, and in the file itself."""
    import h5py

    node = stored
    for part in place.split("/"):
        if not isinstance(node, h5py.Group) or not isinstance(
            node.get(part, getlink=True), h5py.HardLink
        ):
            raise _misfit()
        node = node[part]
    _check_array(node)
    if node.shape != shape or node.dtype != "float32":
        raise _misfit()
    return node[()]


def _check_array(node):
    """Raise ValueError unless a node of a file is an array of numbers that lies in the file itself.

    Before any value is touched: some types are read as addresses in memory, and some layouts name
    other files.
    """
    import h5py
    import numpy as np

    from lab.backend.own_networks import STORED

    numbers = [h5py.h5t.py_create(np.dtype(name), logical=True) for name in STORED]
    if not isinstance(node, h5py.Dataset) or node.id.get_type() not in numbers:
        raise _misfit()
    layout, size = node.id.get_create_plist(), node.dtype.itemsize * node.size
    if (
        layout.get_layout() != h5py.h5d.CONTIGUOUS
        or layout.get_external_count()
        or node.id.get_storage_size() != size
    ):
        raise _misfit()
