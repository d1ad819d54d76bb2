"""Networks of the user's own: what a function in a file of theirs gives, with the lab's rescaling
before it.
"""

import contextlib
import inspect
import linecache
import math
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
from keras.src.models.functional import Functional

from lab.io.signals import Terminated
from lab.io.words import visible

# Keras's layers that read no file, run no code that they are given, and compute each image of a
# batch by itself; but for batch normalization.
_NAMES = (
    "Activation", "Add", "AlphaDropout", "Average", "AveragePooling2D", "BatchNormalization", "Concatenate", "Conv2D",
    "Conv2DTranspose", "Cropping2D", "Dense", "DepthwiseConv2D", "Dot", "Dropout", "ELU", "Flatten", "GaussianDropout",
    "GaussianNoise", "GlobalAveragePooling2D", "GlobalMaxPooling2D", "GroupNormalization", "Identity", "InputLayer",
    "LayerNormalization", "LeakyReLU", "MaxPooling2D", "Maximum", "Minimum", "Multiply", "PReLU", "Permute", "ReLU",
    "Rescaling", "Reshape", "SeparableConv2D", "Softmax", "SpatialDropout2D", "Subtract", "UpSampling2D", "ZeroPadding2D",
)  # fmt: skip
REVIEWED = {name: getattr(layers, name) for name in _NAMES}
_CLASSES = {("keras.layers", name) for name in _NAMES}
_CLASSES |= {
    ("keras", "Sequential"),
    ("keras.src.models.functional", "Functional"),
    ("keras", "DTypePolicy"),
}
_CLASSES |= {("None", "__keras_tensor__")}
_CLASSES |= {
    (f"keras.{module.__name__.rpartition('.')[2]}", name)
    for module in (keras.initializers, keras.regularizers, keras.constraints)
    for name, one in vars(module).items()
    if isinstance(one, type)
}
_MOST_NUMBERS = 20_000_000  # that a layer gives for an image
_SUM, _SUM_IN_HALF = 1e-4, 0.05  # by which probabilities may miss 1: in float32, in bfloat16
# Types of weights that are saved and loaded again; those of whole numbers count or choose, and are
# not trained.
_WHOLE = ("bool", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)))
STORED = ("float32", *_WHOLE)
_LONGEST = 500  # letters of a message
_LAB = Path(__file__).parents[1]
_SAVED = (
    "each class of yours has to have get_config() and to take its content, each function a name"
)
_STREAMS = {"stdout": 1, "stderr": 2}  # and their descriptors, which Python leaves open


class NetworkError(ValueError):
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
    with user_code(net):
        module = types.ModuleType(module_name(net))
        sys.modules[module.__name__] = module  # where Python looks for what a class of it refers to
        file, _, function = net.rpartition(":")
        # Where Keras looks for the source of a lambda, whatever folder the file is in.
        linecache.cache[file] = len(source), None, source.splitlines(keepends=True), file
        exec(compile(source, file, "exec"), module.__dict__)
        build = getattr(module, function)
        model = build(**_taken(build, settings | {"input_shape": input_shape, "classes": classes}))
        _check_inputs(net, model)
    images = np.random.default_rng(0).random((2, *input_shape), np.float32)
    with user_code(net, f"does not take images of shape {input_shape}"):
        outputs = model(images)
        _check_outputs(net, model, outputs, classes)
        _check_weights(net, model)
    # Logits become probabilities; probabilities stay.
    most = _SUM if outputs.dtype == "float32" else _SUM_IN_HALF
    outputs = np.asarray(outputs, np.float32)
    ready = (outputs >= 0).all() and np.allclose(outputs.sum(axis=1), 1, atol=most)
    last = layers.Activation(
        "linear" if ready else "softmax", dtype="float32", name="probabilities"
    )
    with user_code(net, "cannot be saved", _SAVED):
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
    keras.config.disable_traceback_filtering()  # which hides whose line fails, and rewrites what the error says
    error = None
    try:
        with warnings.catch_warnings():  # its filters are its own
            # `lab.training.notes` says what follows from it.
            warnings.filterwarnings("ignore", "The object being serialized includes a `lambda`")
            yield
    except (KeyboardInterrupt, NetworkError) as passed:
        if type(passed) not in (
            KeyboardInterrupt,
            Terminated,
            NetworkError,
        ):  # one of the user's own
            error = passed
        else:
            raise
    except BaseException as any_other:
        error = any_other
    finally:
        if filters_traceback:
            keras.config.enable_traceback_filtering()
        harm = _undone_harm(folder, streams)
    if error is None and not harm:
        return
    reason, is_its_own = _in_a_line(error, net.rpartition(":")[0]) if error else ("", False)
    if not is_its_own and harm:
        raise NetworkError(f"{net} {harm}") from error
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


def _taken(function, settings):
    """The settings that a function has arguments for."""
    parameters = inspect.signature(function).parameters
    any_other = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    return {name: value for name, value in settings.items() if any_other or name in parameters}


def _in_a_line(error, file):
    """What went wrong in the user's file and in which line of it; and whether a line of it is
    known.
    """
    about = traceback.TracebackException(
        type(error), error, error.__traceback__, lookup_lines=False
    )
    numbers = [frame.lineno for frame in about.stack if frame.filename == file]
    place = f" ({file}, line {numbers[-1]})" if numbers else ""
    lines = [
        line.strip() for line in re.sub(r"\x1b\[\d*m", "", str(about)).splitlines() if line.strip()
    ]
    said = visible(lines[0])[:_LONGEST] if lines else "no message"
    return f"{type(error).__name__}: {said}{place}", bool(numbers)


def _is_of_lab(error):
    """Whether it was a line of the lab's own that raised an error; TensorFlow hides its own lines."""
    file = traceback.extract_tb(error.__traceback__)[-1].filename
    ours = Path(file).is_relative_to(_LAB) and file != __file__  # which compiles the user's file
    return ours and not type(error).__module__.startswith("tensorflow")


def _check_inputs(net, model):
    """Raise NetworkError unless a model takes batches of images, of any size."""
    if not isinstance(model, keras.Model):
        raise NetworkError(f"{net} gives no keras.Model, but {type(model).__name__}")
    if model.compiled:
        raise NetworkError(
            f"{net} gives a compiled model: leave out compile(), its optimizer would not be used"
        )
    inputs = (
        getattr(model, "inputs", None) or []
    )  # of a model of the user's own class, or without an Input, unknown
    if len(inputs) > 1:
        raise NetworkError(
            f"{net} gives a model with {len(inputs)} inputs, expected one: the images"
        )
    if inputs and "float" not in inputs[0].dtype:
        kind = inputs[0].dtype
        raise NetworkError(
            f"{net} takes inputs of {kind}, in which pixels from 0 to 1 would become 0: leave out its dtype"
        )
    if inputs and inputs[0].shape[0] is not None:
        size = inputs[0].shape[0]
        raise NetworkError(
            f"{net} takes batches of {size} only: leave the batch size out of its Input, as batches vary"
        )


def _check_outputs(net, model, outputs, classes):
    """Raise NetworkError unless a model's outputs for two images are numbers for each class."""
    if type(model) is Functional and isinstance(
        model.compute_output_shape(model.input_shape), list
    ):
        outputs = model.outputs  # a list of one, which Keras sometimes takes for its element
    expected = f"not (2, {classes}): a tensor with an output for each class"
    if not keras.ops.is_tensor(outputs):
        kind = type(outputs).__name__
        if isinstance(outputs, (dict, list, tuple)):
            kind += f" of {len(outputs)}"
        raise NetworkError(f"{net} gives a {kind} for 2 images, {expected}")
    if outputs.shape != (2, classes):
        raise NetworkError(f"{net} gives shape {tuple(outputs.shape)} for 2 images, {expected}")
    kind = keras.backend.standardize_dtype(outputs.dtype)
    if "float" not in kind:
        raise NetworkError(
            f"{net} gives outputs of {kind}, which cannot be trained: expected logits or probabilities"
        )


def _check_weights(net, model):
    """Raise NetworkError unless all weights of a model can be saved and loaded again."""
    for weight in model.weights:
        kind = str(weight.dtype)
        if kind in _WHOLE and weight.trainable:
            raise NetworkError(
                f"{net} has the weight {weight.path} of {kind}: declare it with trainable=False"
            )
        if kind not in STORED:
            raise NetworkError(
                f"{net} has the weight {weight.path} of {kind}: expected float32, or a count of whole numbers"
            )


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
    foreign = next((one for one in _named(config) if one not in _CLASSES), None)
    if foreign:
        raise NetworkError(
            f"it names {'.'.join(foreign)}, which is none of the layers of Keras's that are loaded without running code; "
            "to have yours run, name the network again with --net FILE.py:FUNCTION"
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


def operations_of(model):
    """Every layer and other operation of a model, those within its layers too; with a model that
    is more than its layers, itself.
    """
    if type(model) is keras.Sequential:
        return [one for layer in model.layers for one in operations_of(layer)]
    if type(model) is Functional:
        return [one for operation in model.operations for one in operations_of(operation)]
    inner = (
        model._flatten_layers(include_self=False, recursive=False)
        if isinstance(model, keras.Layer)
        else ()
    )
    return [model, *(one for layer in inner for one in operations_of(layer))]


def most_numbers(model):
    """How many numbers the widest operation of a model gives for an image, as far as that is
    known.
    """
    nodes = [node for operation in operations_of(model) for node in operation._inbound_nodes]
    return max(
        (count_numbers(output.shape[1:], model) for node in nodes for output in node.outputs),
        default=1,
    )


def count_numbers(shape, model):
    """The product of some sides; those that are unknown are together as many as a model's image
    has pixels.
    """
    count = math.prod(side for side in shape if side is not None)
    return count * math.prod(model.input_shape[1:-1]) if None in shape else count


def is_reviewed(operation):
    """Whether an operation is one of Keras's layers that `REVIEWED` lists."""
    return REVIEWED.get(type(operation).__name__) is type(operation)
