"""Networks of the user's own: what a function in a file of theirs gives, with the lab's rescaling
before it.
"""

import contextlib
import inspect
import linecache
import os
import re
import sys
import traceback
import types
import warnings
from pathlib import Path

import keras
import numpy as np
from keras import layers

from lab.backend.introspection import REVIEWED, Functional, most_numbers
from lab.io.signals import Terminated
from lab.io.words import visible
from lab.settings import UserError

# What the configuration of a network may name that is built without running code.
_CLASSES = {
    ("keras", "Sequential"),
    ("keras.src.models.functional", "Functional"),
    ("keras", "DTypePolicy"),
    ("None", "__keras_tensor__"),
    *(("keras.layers", name) for name in REVIEWED),
    *(
        (f"keras.{module}", name)
        for module in ("initializers", "regularizers", "constraints")
        for name, part in vars(getattr(keras, module)).items()
        if isinstance(part, type)
    ),
}
_MOST_NUMBERS = 20_000_000  # that a layer gives for an image
_SUM, _SUM_IN_HALF = 1e-4, 0.05  # by which probabilities may miss 1: in float32, in bfloat16
_LONGEST = 500  # letters of a message
_LAB = Path(__file__).parents[1]
_STREAMS = {"stdout": 1, "stderr": 2}  # and their descriptors, which Python leaves open


class NetworkError(UserError):
    """A network of the user's own cannot be built, or does not fit.

    The text says why, in a line.
    """


def build_own(net, source, input_shape, classes, **settings):
    """Build a network by a function of the user's own, which takes pixels from 0 to 1.

    Parameters
    ----------
    net : str
        "FILE.py:FUNCTION".
    source : str
        What is in the file. It is run.
    input_shape : (height, width, channels)
    classes : int
    settings
        Of a run. The function gets those that it has arguments for.

    Returns
    -------
    keras.Sequential, not compiled
        Raw uint8 images in, class probabilities out. Its weights depend on ``settings["seed"]``.

    Raises
    ------
    NetworkError
        If there is no such function, it fails, or gives no model of such images and so many
        classes.
    """
    keras.utils.set_random_seed(settings["seed"])  # on which layers draw that were given no seed
    settings |= {"input_shape": input_shape, "classes": classes}
    with user_code(net):
        module = types.ModuleType(module_name(net))
        sys.modules[module.__name__] = module  # where Python looks for what a class of it refers to
        file, _, function = net.rpartition(":")
        # Where Keras looks for the source of a lambda, whatever folder the file is in.
        linecache.cache[file] = len(source), None, source.splitlines(keepends=True), file
        exec(compile(source, file, "exec"), module.__dict__)
        build = getattr(module, function)
        parameters = inspect.signature(build).parameters
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
            settings = {name: value for name, value in settings.items() if name in parameters}
        model = build(**settings)
        _refuse(net, _fault_of_inputs(model))
    images = np.random.default_rng(0).random((2, *input_shape), np.float32)
    with user_code(net, f"does not take images of shape {input_shape}"):
        outputs = model(images)
        _refuse(net, _fault_of_outputs(model, outputs, classes) or _fault_of_weights(model))
    # Logits become probabilities; probabilities stay.
    most = _SUM if outputs.dtype == "float32" else _SUM_IN_HALF
    outputs = np.asarray(outputs, np.float32)
    ready = (outputs >= 0).all() and np.allclose(outputs.sum(axis=1), 1, atol=most)
    activation = "linear" if ready else "softmax"
    last = layers.Activation(activation, dtype="float32", name="probabilities")
    advice = (
        "each class of yours has to have get_config() and to take its content, each function a name"
    )
    with user_code(net, "cannot be saved", advice):
        parts = [keras.Input(input_shape, dtype="uint8"), layers.Rescaling(1 / 255), model, last]
        whole = keras.Sequential(parts, name="own")
        keras.saving.serialize_keras_object(whole)
    return whole


def module_name(net):
    """The module that the classes in the file of a network belong to."""
    return f"own_{net.rpartition(':')[0].removesuffix('.py')}"


@contextlib.contextmanager
def user_code(net, fault="fails", advice="", passing=()):
    """Within this context, code of a network of the user's own runs: whatever it raises becomes a
    NetworkError.

    Parameters
    ----------
    net : str
        "FILE.py:FUNCTION".
    fault, advice : str
        What the network does wrong if anything is raised, and what the user can do.
    passing : tuple of types
        Errors that pass, unless they come out of a line of its file. So do those of the lab's own
        code, Ctrl-C and SIGTERM.

    Raises
    ------
    NetworkError
        Also where the code has changed the current folder or closed a standard stream, on which
        the lab relies.
    """
    folder, streams = _current_folder(), {name: getattr(sys, name) for name in _STREAMS}
    filters_traceback = keras.config.is_traceback_filtering_enabled()
    # Which hides whose line fails, and rewrites what the error says.
    keras.config.disable_traceback_filtering()
    error = None
    try:
        with warnings.catch_warnings():  # its filters are its own
            # `lab.training.notes` says what follows from it.
            warnings.filterwarnings("ignore", "The object being serialized includes a `lambda`")
            yield
    except BaseException as raised:
        if type(raised) in (KeyboardInterrupt, Terminated, NetworkError):  # no class of the user's
            raise
        error = raised
    finally:
        if filters_traceback:
            keras.config.enable_traceback_filtering()
        harm = _undone_harm(folder, streams)
    reason, is_its_own = _in_a_line(error, net.rpartition(":")[0]) if error else ("", False)
    if harm and not is_its_own:
        raise NetworkError(f"{net} {harm}") from error
    if error is None:
        return
    if not is_its_own and (isinstance(error, passing) or _is_of_lab(error)):
        raise error
    reason = f" ({reason}): {advice}" if advice else f": {reason}"
    raise NetworkError(f"{net} {fault}{reason}") from error


def _undone_harm(folder, streams):
    """Go back to a folder and to some standard streams; what was changed or closed, in words, and
    what to do.
    """
    vars(sys).update(streams)
    closed = [name for name, stream in streams.items() if getattr(stream, "closed", False)]
    for name in closed:
        setattr(sys, name, open(_STREAMS[name], "w", closefd=False))  # noqa: SIM115 (it stays open)
    if folder and _current_folder() != folder:
        os.chdir(folder)
        return "changes the current folder: leave out os.chdir"
    return f"closes sys.{closed[0]}: leave it open" if closed else ""


def _current_folder():
    with contextlib.suppress(OSError):  # it is gone
        return os.getcwd()
    return None


def _in_a_line(error, file):
    """What went wrong in the user's file and in which line of it; and whether a line of it is
    known.
    """
    about = traceback.TracebackException(
        type(error), error, error.__traceback__, lookup_lines=False
    )
    numbers = [frame.lineno for frame in about.stack if frame.filename == file]
    place = f" ({file}, line {numbers[-1]})" if numbers else ""
    lines = re.sub(r"\x1b\[\d*m", "", str(about)).strip().splitlines()
    said = visible(lines[0].strip())[:_LONGEST] if lines else "no message"
    return f"{type(error).__name__}: {said}{place}", bool(numbers)


def _is_of_lab(error):
    """Whether a line of the lab's own raised an error; TensorFlow hides its own lines."""
    file = traceback.extract_tb(error.__traceback__)[-1].filename
    ours = Path(file).is_relative_to(_LAB) and file != __file__  # which compiles the user's file
    return ours and not type(error).__module__.startswith("tensorflow")


def _refuse(net, fault):
    if fault:
        raise NetworkError(f"{net} {fault}")


def _fault_of_inputs(model):
    """Why a model is none that takes batches of images, of any size; None if it is."""
    if not isinstance(model, keras.Model):
        return f"gives no keras.Model, but {type(model).__name__}"
    if model.compiled:
        return "gives a compiled model: leave out compile(), its optimizer would not be used"
    # Of a model of the user's own class, or without an Input, they are unknown.
    inputs = getattr(model, "inputs", None) or []
    if len(inputs) > 1:
        return f"gives a model with {len(inputs)} inputs, expected one: the images"
    for images in inputs:
        if "float" not in images.dtype:
            advice = "in which pixels from 0 to 1 would become 0: leave out its dtype"
            return f"takes inputs of {images.dtype}, {advice}"
        if images.shape[0] is not None:
            advice = "leave the batch size out of its Input, as batches vary"
            return f"takes batches of {images.shape[0]} only: {advice}"
    return None


def _fault_of_outputs(model, outputs, classes):
    """Why a model's outputs for two images are no numbers for each class; None if they are."""
    if type(model) is Functional and isinstance(
        model.compute_output_shape(model.input_shape), list
    ):
        outputs = model.outputs  # a list of one, which Keras sometimes takes for its element
    expected = f"for 2 images, not (2, {classes}): a tensor with an output for each class"
    if not keras.ops.is_tensor(outputs):
        kind = type(outputs).__name__
        if isinstance(outputs, (dict, list, tuple)):
            kind += f" of {len(outputs)}"
        return f"gives a {kind} {expected}"
    if outputs.shape != (2, classes):
        return f"gives shape {tuple(outputs.shape)} {expected}"
    kind = keras.backend.standardize_dtype(outputs.dtype)
    if "float" not in kind:
        return f"gives outputs of {kind}, which cannot be trained: expected logits or probabilities"
    return None


def _fault_of_weights(model):
    """Why a model's weights cannot be saved and loaded again; None if they can.

    Those of whole numbers count or choose, and are not trained.
    """
    for weight in model.weights:
        kind = str(weight.dtype)
        whole = kind == "bool" or keras.backend.is_int_dtype(kind)
        if whole and weight.trainable:
            return f"has the weight {weight.path} of {kind}: declare it with trainable=False"
        if not whole and kind != "float32":
            expected = "expected float32, or a count of whole numbers"
            return f"has the weight {weight.path} of {kind}: {expected}"
    return None


def from_config(config, input_shape, classes):
    """Build a network as its configuration says, if that names nothing but what `REVIEWED` lists.

    Parameters
    ----------
    config : dict
        Of the keras.Sequential that `build_own` gave; anybody may have written it.
    input_shape : (height, width, channels)
    classes : int

    Raises
    ------
    NetworkError
        If it names anything else, or is of other images or classes.
    """
    for named in _named(config):
        if named not in _CLASSES:
            raise NetworkError(
                f"it names {'.'.join(named)}, which is none of the layers of Keras's that are "
                "loaded without running code; to have yours run, name the network again with "
                "--net FILE.py:FUNCTION"
            )
    model = keras.Sequential.from_config(config)
    if model.input_shape[1:] != tuple(input_shape) or model.output_shape[1:] != (classes,):
        raise NetworkError("it is of other images or classes than the run's config.json says")
    if most_numbers(model) > _MOST_NUMBERS:
        raise NetworkError(f"a layer of it gives more than {_MOST_NUMBERS:,} numbers for an image")
    return model


def _named(config):
    """Each class that a configuration names: pairs of its module and its name."""
    if isinstance(config, dict):
        if "class_name" in config:
            yield str(config.get("module")), str(config["class_name"])
            if config.get("registered_name") not in (None, config["class_name"]):
                yield "registered", str(config["registered_name"])
        for value in config.values():
            yield from _named(value)
    elif isinstance(config, (list, tuple)):
        for value in config:
            yield from _named(value)
