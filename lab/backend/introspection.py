"""What a model is made of: its layers and other operations, and how many numbers they give.

Keras has no public list of the layers within a layer of a user's own class (`_flatten_layers`), nor
of all that a layer gives when it is called several times (`_inbound_nodes`), nor a public name for
a model of inputs and outputs (`Functional`). These private names stand here only.
"""

import functools
import math

import keras
import numpy as np
from keras import layers
from keras.src.models.functional import Functional

# Keras's layers that read no file, run no code that they are given, and compute each image of a
# batch by itself; but for batch normalization.
_NAMES = (
    "Activation", "Add", "AlphaDropout", "Average", "AveragePooling2D", "BatchNormalization",
    "Concatenate", "Conv2D", "Conv2DTranspose", "Cropping2D", "Dense", "DepthwiseConv2D", "Dot",
    "Dropout", "ELU", "Flatten", "GaussianDropout", "GaussianNoise", "GlobalAveragePooling2D",
    "GlobalMaxPooling2D", "GroupNormalization", "Identity", "InputLayer", "LayerNormalization",
    "LeakyReLU", "MaxPooling2D", "Maximum", "Minimum", "Multiply", "PReLU", "Permute", "ReLU",
    "Rescaling", "Reshape", "SeparableConv2D", "Softmax", "SpatialDropout2D", "Subtract",
    "UpSampling2D", "ZeroPadding2D",
)  # fmt: skip
REVIEWED = {name: getattr(layers, name) for name in _NAMES}


def is_reviewed(model):
    """Whether every operation of a model is one of Keras's layers that `REVIEWED` lists."""
    return all(type(operation) in REVIEWED.values() for operation in operations_of(model))


def operations_of(model):
    """Every layer and other operation of a model, those within its layers too; with a model that
    is more than its layers, itself.
    """
    found = []
    if type(model) is keras.Sequential:
        inner = model.layers
    elif type(model) is Functional:
        inner = model.operations
    else:
        found.append(model)
        inner = ()
        if isinstance(model, keras.Layer):
            inner = model._flatten_layers(include_self=False, recursive=False)
    for operation in inner:
        found += operations_of(operation)
    return found


def most_numbers(model):
    """How many numbers the widest operation of a model gives for an image, as far as that is
    known.
    """
    return _widest(operations_of(model), model, unknown=1)


def forward_flops(model):
    """Multiplications and additions in the kernels of a forward pass, for one example."""
    model = getattr(model, "networks", model)  # of our own GAN
    pixels = math.prod(model.input_shape[1:-1])
    return sum(
        2 * math.prod(layer.kernel.shape) * _widest([layer], model, pixels, channels=-1)
        for layer in operations_of(model)
        if hasattr(layer, "kernel")
    )


def _widest(operations, model, unknown, channels=None):
    """The most numbers that operations give for an image, in all channels or (-1) in one of them.

    Sides that are unknown are together as many as the model's image has pixels. Of operations
    that only code of the user's own calls, nothing is known.
    """
    counts = []
    nodes = [node for operation in operations for node in operation._inbound_nodes]
    for output in (output for node in nodes for output in node.outputs):
        sides = output.shape[1:channels]
        count = math.prod(side for side in sides if side is not None)
        counts.append(count * math.prod(model.input_shape[1:-1]) if None in sides else count)
    return max(counts, default=unknown)


def inputs_of_weights(model, images):
    """What the first layer with trained weights gets of some images.

    Parameters
    ----------
    model : keras.Model
        Of no use afterwards: its layers are watched.
    images : array, shape (n, height, width, channels)

    Returns
    -------
    list of float32 arrays, one for each call of that layer; empty if they are unknown
    """
    seen = []

    def watched(part, call, inputs, *more, **options):
        seen.append((part, inputs))
        return call(inputs, *more, **options)

    for part in operations_of(model):
        # A layer of Keras's is seen as a whole: the cell of a recurrent layer gets a row of an
        # image, which may be black.
        of_keras = type(part).__module__.startswith("keras.")
        whole = of_keras or len(operations_of(part)) == 1
        if whole and getattr(part, "trainable_weights", ()):
            part.call = functools.partial(watched, part, part.call)
    model(images)
    first = [inputs for part, inputs in seen if part is seen[0][0]]
    return [np.asarray(inputs, np.float32) for inputs in first if hasattr(inputs, "numpy")]
