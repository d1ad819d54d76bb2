"""A run's trained model, read with suspicion: from its archive come numbers only.

The network is built anew from the run's settings. Nothing that the archive says of classes,
functions or files is ever acted on, and Keras does not read it. One of the user's own, whose
source is not to be run for that, is built as the archive says, if that names nothing but layers of
Keras's that we have reviewed.
"""

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
                _check_members(run, archive)
                model = _built(run, own, simplejson.loads(archive.read(_CONFIG))["config"])
                with archive.open(_WEIGHTS) as weights:
                    _load_weights(model, weights, expected=None if own else model.weights)
                return model
    except UserError:
        raise
    except FileNotFoundError:
        advice = run.to_resume or "Train the run again with --overwrite"
        raise UserError(f"{run.folder} holds no {File.MODEL}. {advice}") from None
    except Exception as error:  # a broken archive fails in as many ways as there are readers
        raise UserError(
            f"{path}: not the model of this run ({first_line(error)}); "
            "train it again with --overwrite"
        ) from error


def _misfit():
    return ValueError("it does not fit the run's config.json")


def _check_members(run, archive):
    """Raise ValueError unless an archive has the members that Keras writes, of the size that a
    run's parameters take.
    """
    members = archive.infolist()
    names = sorted(member.filename for member in members)
    if names != _MEMBERS or any(member.compress_type for member in members):
        raise ValueError(f"expected an uncompressed archive of {', '.join(_MEMBERS)}")
    if run.record.parameters > _MOST_PARAMETERS:
        raise ValueError(f"more than {_MOST_PARAMETERS:,} parameters")
    width = 1 if run.settings.is_own_net else 4  # bytes of a weight, at least: of uint8, or float32
    least = width * run.record.parameters
    if archive.getinfo(_CONFIG).file_size > MEGABYTE or archive.getinfo(_WEIGHTS).file_size < least:
        raise _misfit()


def _built(run, own, config):
    """The network of a run, its weights yet to come."""
    from lab.backend import networks, own_networks, private  # with Keras

    shape = {"input_shape": run.record.dataset.shape, "classes": len(run.record.dataset.classes)}
    if own:
        return networks.build(**dict(own), **shape)
    with private.weights_later():
        if run.settings.is_own_net:
            try:
                model = own_networks.from_config(config, **shape)
            except own_networks.NetworkError as error:
                raise UserError(f"{run.folder / File.MODEL}: {error}") from error
        else:
            model = networks.build(**dict(run.settings), **shape)
            _check_layers(config, model)
        if model.count_params() != run.record.parameters:
            raise _misfit()
    return model


def _check_layers(config, model):
    """Raise ValueError if an archive names other layers than one of our networks has."""
    layers, ours = _layers_of(config), _layers_of(model.get_config())
    for layer in layers:
        if layer not in ours:
            raise ValueError(f"it names {'.'.join(map(str, layer))}, which our networks do not use")
    if layers != ours:
        raise _misfit()


def _layers_of(config):
    """The layers that the configuration of a Sequential names, those within its layers behind
    each.
    """
    found = []
    for layer in config["layers"]:
        names = [layer.get("module"), layer["class_name"]]  # which may be anything
        registered = layer.get("registered_name") or layer["class_name"]
        found.append(names if registered in names else [*names, registered])
        if layer["class_name"] == "Sequential":
            found += _layers_of(layer["config"])
    return found


def _load_weights(model, file, expected):
    """Let Keras set a model's weights from a copy of a file that has nothing but its arrays.

    Keras itself looks at links only when it has followed those on the way to them, and at no types,
    of which some are read as addresses in memory.

    Parameters
    ----------
    model : keras.Sequential
    file : binary file
    expected : list of variables, optional
        Those that the file has to hold.

    Raises
    ------
    ValueError
        If it holds anything but groups and plain arrays of numbers, or does not fit.
    """
    import h5py
    import numpy as np

    while file.read(MEGABYTE):
        pass  # to its end, where its checksum is compared: HDF5's reader may crash over wrong bits
    file.seek(0)
    with (
        h5py.File(file, "r") as stored,
        tempfile.TemporaryDirectory() as folder,
        h5py.File(Path(folder, _WEIGHTS), "w") as copy,
    ):
        links, nodes = [], {}
        stored.visititems_links(lambda _, link: links.append(link))
        if not all(isinstance(link, h5py.HardLink) for link in links):
            raise _misfit()
        stored["layers"].visititems(nodes.__setitem__)
        arrays = {name: node for name, node in nodes.items() if not isinstance(node, h5py.Group)}
        for array in arrays.values():
            layout = array.id.get_create_plist()
            if (
                array.dtype.kind not in "biuf"
                or layout.get_layout() != h5py.h5d.CONTIGUOUS
                or layout.get_external_count()
                or array.id.get_storage_size() != array.nbytes
            ):
                raise _misfit()
        if expected:
            found = Counter((array.shape, array.dtype) for array in arrays.values())
            if found != Counter((tuple(one.shape), np.dtype(one.dtype)) for one in expected):
                raise _misfit()
        for name, array in arrays.items():
            copy[f"layers/{name}"] = array[()]
        copy.close()
        model.load_weights(Path(folder, _WEIGHTS))
