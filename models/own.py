"""Networks of the user's own: what a function in a file of theirs gives, with the lab's rescaling before it."""

import inspect
import math
import re
import sys
import traceback
import types

import keras
import numpy as np
from keras import layers
from keras.src.models.functional import Functional

# Keras's layers that read no file, run no code that they are given, and compute each image of a batch by itself; but for batch
# normalization.
_NAMES = (
    "Activation", "Add", "AlphaDropout", "Average", "AveragePooling2D", "BatchNormalization", "Concatenate", "Conv2D",
    "Conv2DTranspose", "Cropping2D", "Dense", "DepthwiseConv2D", "Dot", "Dropout", "ELU", "Flatten", "GaussianDropout",
    "GaussianNoise", "GlobalAveragePooling2D", "GlobalMaxPooling2D", "GroupNormalization", "Identity", "InputLayer",
    "LayerNormalization", "LeakyReLU", "MaxPooling2D", "Maximum", "Minimum", "Multiply", "PReLU", "Permute", "ReLU",
    "Rescaling", "Reshape", "SeparableConv2D", "Softmax", "SpatialDropout2D", "Subtract", "UpSampling2D", "ZeroPadding2D",
)  # fmt: skip
REVIEWED = {name: getattr(layers, name) for name in _NAMES}
_CLASSES = {("keras.layers", name) for name in _NAMES}
_CLASSES |= {("keras", "Sequential"), ("keras.src.models.functional", "Functional"), ("keras", "DTypePolicy")}
_CLASSES |= {("None", "__keras_tensor__")}
_CLASSES |= {
    (f"keras.{module.__name__.rpartition('.')[2]}", name)
    for module in (keras.initializers, keras.regularizers, keras.constraints)
    for name, one in vars(module).items()
    if isinstance(one, type)
}
_MOST_NUMBERS = 20_000_000  # that a layer gives for an image
_SUM = 0.05  # by which probabilities, in bfloat16 perhaps, may miss 1


class NetworkError(ValueError):
    """A network of the user's own cannot be built, or does not fit. The text says why, in a line."""


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
        If there is no such function, it fails, or gives no model of such images and so many classes.
    """
    file, _, function = net.rpartition(":")
    module = types.ModuleType(f"own_{file.removesuffix('.py')}")
    sys.modules[module.__name__] = module  # where Python looks for what a class of it refers to
    keras.utils.set_random_seed(settings["seed"])  # on which layers draw that were given no seed
    try:
        exec(compile(source, file, "exec"), module.__dict__)
        build = getattr(module, function)
        model = build(**_taken(build, settings | {"input_shape": input_shape, "classes": classes}))
    except (Exception, SystemExit) as error:
        raise NetworkError(f"{net} fails: {_last_line(error, file)}") from error
    if not isinstance(model, keras.Model):
        raise NetworkError(f"{net} gives no keras.Model, but {type(model).__name__}")
    try:
        outputs = np.asarray(model(np.random.default_rng(0).random((2, *input_shape), np.float32)), np.float32)
    except Exception as error:
        raise NetworkError(f"{net} does not take images of shape {input_shape}: {_last_line(error, file)}") from error
    if outputs.shape != (2, classes):
        raise NetworkError(f"{net} gives shape {outputs.shape} for 2 images, not (2, {classes}): an output for each class")
    if model.compiled:
        raise NetworkError(f"{net} gives a compiled model: leave out compile(), its optimizer would not be used")
    other = next((weight for weight in model.weights if weight.dtype != "float32"), None)
    if other is not None:
        raise NetworkError(f"{net} has the weight {other.path} of {other.dtype}: only those of float32 can be loaded again")
    # Logits become probabilities; probabilities stay.
    ready = (outputs >= 0).all() and np.allclose(outputs.sum(axis=1), 1, atol=_SUM)
    last = layers.Activation("linear" if ready else "softmax", dtype="float32", name="probabilities")
    whole = keras.Sequential([keras.Input(input_shape, dtype="uint8"), layers.Rescaling(1 / 255), model, last], name="own")
    try:
        keras.saving.serialize_keras_object(whole)
    except Exception as error:
        advice = "each class of yours has to have get_config() and to take its content"
        raise NetworkError(f"{net} cannot be saved ({_last_line(error, file)}): {advice}") from error
    return whole


def _taken(function, settings):
    """The settings that a function has arguments for."""
    parameters = inspect.signature(function).parameters
    any_other = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    return {name: value for name, value in settings.items() if any_other or name in parameters}


def _last_line(error, file):
    """What went wrong in the user's file, and in which line of it."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    place = f" ({file}, line {lines[-1]})" if lines else ""
    told = [line.strip() for line in re.sub(r"\x1b\[\d*m", "", str(error)).splitlines() if line.strip()]
    if told[1:] and told[0].startswith("Exception encountered when calling"):  # Keras's; what it was, comes behind
        del told[0]
    return f"{type(error).__name__}: {told[0] if told else 'without a word'}{place}"


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
    """Every layer and other operation of a model, those within its layers too; with a model that is more than its layers,
    itself."""
    if type(model) is keras.Sequential:
        return [one for layer in model.layers for one in operations_of(layer)]
    if type(model) is Functional:
        return [one for operation in model.operations for one in operations_of(operation)]
    inner = model._flatten_layers(include_self=False, recursive=False) if isinstance(model, keras.Layer) else ()
    return [model, *(one for layer in inner for one in operations_of(layer))]


def most_numbers(model):
    """How many numbers the widest operation of a model gives for an image, as far as that is known."""
    nodes = [node for operation in operations_of(model) for node in operation._inbound_nodes]
    return max((math.prod(output.shape[1:]) for node in nodes for output in node.outputs), default=1)


def is_reviewed(operation):
    """Whether an operation is one of Keras's layers that `REVIEWED` lists."""
    return REVIEWED.get(type(operation).__name__) is type(operation)
