"""What a user should know of a network of their own before it is trained."""

import tempfile
from pathlib import Path

import keras
import numpy as np

from lab.backend import introspection, own_networks, private
from lab.io.words import first_line, visible

_LEAST_SPREAD = 0.04  # of that of the pixels, which the first layer with weights has to get
_SAMPLE = 32  # images
_LONGEST = 300  # characters of what Keras says


def notes_on(net, model, other, images):
    """What a user should know of a network of their own, in a line each.

    Parameters
    ----------
    net : str
        "FILE.py:FUNCTION".
    model, other : keras.Sequential
        As `networks.build` gives them, of two seeds. ``other`` is of no use afterwards.
    images : uint8 array, shape (n, height, width, channels)
        That it is to be trained with.

    Returns
    -------
    list of str

    Raises
    ------
    own_networks.NetworkError
        If it fails in training, or what is saved of it would be loaded as another network.
    """
    sample = images[:: max(1, len(images) // _SAMPLE)]
    notes = []
    with own_networks.user_code(net):
        other(sample, training=True)
        weights = [list(map(np.asarray, one.trainable_weights)) for one in (model, other)]
        if weights[0] and all(map(np.array_equal, *weights)):
            same = f"the initial weights of {net} do not depend on --seed"
            why = "a fixed seed in it, or constants"
            notes.append(f"Warning: {same} ({why}): repeats start from the same weights")
        if fault := _fault_in_keras(net, other, sample):
            alone = f"keras.models.load_model alone cannot load {net} ({fault})"
            notes.append(f"Note: {alone}: evaluate.py can, with --net")
        spread = max(map(_spread, introspection.inputs_of_weights(other, sample)), default=np.inf)
        if spread < _LEAST_SPREAD * _spread(sample / 255):
            flat = f"what the first layer with weights of {net} gets hardly differs between images"
            why = "pixels come to it from 0 to 1, so leave out a rescaling of its own"
            notes.append(f"Warning: {flat}: {why}, as Rescaling(1 / 255)")
    return notes


def _fault_in_keras(net, model, images):
    """Why Keras could not load a saved model where the user's file is unknown; None if it could."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        model.save(path)
        try:
            with private.unknown_module(own_networks.module_name(net)):
                loaded = keras.models.load_model(path, compile=False)
        except Exception as error:
            # Keras says it of each layer around the one at fault.
            while error.__cause__ or error.__context__:
                error = error.__cause__ or error.__context__
            return visible(first_line(error).partition(". ")[0][:_LONGEST])
    outputs, again, of_loaded = (np.asarray(one(images)) for one in (model, model, loaded))
    if np.array_equal(outputs, again) and not np.allclose(outputs, of_loaded, rtol=1e-2, atol=1e-4):
        fault = "a function with the name of one of Keras's, which would be loaded instead"
        raise own_networks.NetworkError(f"{net} has {fault}: rename it")
    return None


def _spread(numbers):
    """By how much numbers differ between images, relative to their size where that is more than 1:
    the most of any position.
    """
    return (numbers.std(axis=0) / np.maximum(1, np.abs(numbers.mean(axis=0)))).max(initial=0)
