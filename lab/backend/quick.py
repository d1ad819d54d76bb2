"""Shorter ways, on a CPU, to the numbers that Keras's layers give in training.

A model that is trained, and never saved, gets them in place of its layers' own (`quicken`). What
is computed stays the same; the sums are taken in another order, in fewer passes over memory.
"""

import contextlib
import functools
from itertools import pairwise

import keras
import tensorflow as tf
from keras import layers
from tensorflow.python.framework import ops

from lab.backend.devices import has_gpu
from lab.backend.own_networks import is_reviewed, operations_of

_traced = []  # names of gradients that `forget_gradients` is to forget
# XLA makes one pass over memory of what are several operations of TensorFlow.
_one_pass = functools.partial(tf.function, jit_compile=tf.test.is_built_with_xla(), autograph=False)


def quicken(model):
    """Let the layers of a model take shorter ways while it is trained; none on a GPU, where XLA
    compiles all of it.

    Parameters
    ----------
    model : keras.Model, built
        It keeps its layers and variables.
    """
    if has_gpu():
        return
    for part in operations_of(model):
        if _is_convolution(part):
            part.call = functools.partial(_convolved, part)
        elif _is_usual_normalization(part):
            part.call = functools.partial(_normalized, part, part.call)
    if type(model) is keras.Sequential:
        for convolution, pooling in pairwise(model.layers):
            if _is_convolution(convolution) and isinstance(pooling, layers.MaxPooling2D):
                _add_bias_behind(convolution, pooling)


def _is_convolution(layer):
    # In bfloat16, what is convolved would be rounded once more before the bias is added.
    known = isinstance(layer, layers.Conv2D) and is_reviewed(layer)
    return (
        known
        and layer.use_bias
        and layer.data_format == "channels_last"
        and layer.compute_dtype == "float32"
    )


def _is_usual_normalization(layer):
    known = isinstance(layer, layers.BatchNormalization) and is_reviewed(layer) and layer.built
    usual = (
        known
        and layer.scale
        and layer.center
        and layer.trainable
        and not getattr(layer, "renorm", False)
    )
    return usual and layer.input_spec.ndim == 4 and layer.axis in (-1, 3)


def layer_by_layer(model, shares, training=False):
    """What a model gives for a batch that is cut into shares; batch normalization sees all of them.

    Parameters
    ----------
    model : keras.Sequential
        None of its layers may mix the examples of a batch, but for batch normalization.
    shares : list of tensors
    training : bool

    Returns
    -------
    list of tensors
    """
    for layer in model.layers:
        if not (training and isinstance(layer, layers.BatchNormalization)):
            shares = [layer(share) for share in shares]
        elif _is_usual_normalization(layer):
            shares = normalize(layer, shares)
        else:
            shares = tf.split(
                layer(tf.concat(shares, axis=0)), [share.shape[0] for share in shares]
            )
    return shares


def normalize(layer, shares):
    """Batch normalization of images (Ioffe and Szegedy 2015), by the mean and variance of all
    shares of a batch.

    Parameters
    ----------
    layer : keras.layers.BatchNormalization
        Its moving averages are updated.
    shares : list of tensors, each of shape (n, height, width, channels)

    Returns
    -------
    list of tensors of the same shapes
    """
    count = sum(share.shape.num_elements() for share in shares) / shares[0].shape[-1]
    center = tf.convert_to_tensor(
        layer.moving_mean
    )  # near the mean, so that no digits are lost in the sums

    @tf.custom_gradient
    def normalized(scale, offset, *shares):
        of_products, of_images = _sums(shares, shares, center, tf.ones_like(center))
        mean = of_images / count
        variance = tf.maximum(of_products / count - mean * (mean - center), 0.0)
        narrow = tf.math.rsqrt(variance + layer.epsilon)
        outputs = [_line(share, scale * narrow, offset - mean * scale * narrow) for share in shares]

        def gradient(*upstream):
            of_scale, of_offset = _sums(upstream[2:], shares, mean, narrow)
            slope = -of_scale / count * scale * tf.square(narrow)
            constant = -of_offset / count * scale * narrow - slope * mean
            images = [
                _plane(*pair, scale * narrow, slope, constant) for pair in zip(upstream[2:], shares)
            ]
            return of_scale, of_offset, *images

        return (mean, variance, *outputs), gradient

    known = set(_gradients())
    mean, variance, *outputs = normalized(
        tf.convert_to_tensor(layer.gamma), tf.convert_to_tensor(layer.beta), *shares
    )
    _traced.extend(set(_gradients()) - known)
    for moving, found in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
        moving.assign(moving * layer.momentum + found * (1 - layer.momentum))
    return outputs


def forget_gradients():
    """To be called once the gradients of what was traced are taken: TensorFlow keeps for good what
    a gradient of one's own holds, and all of its graph with it, 15 MB.
    """
    while _traced:
        _gradients().pop(_traced.pop(), None)


def _gradients():
    return ops.gradient_registry._registry


def _sums(weights, shares, center, narrow):
    """By channel, over all shares: the sum of weight * (image - center) * narrow, and that of the
    weights.
    """
    # TensorFlow's kernel for the gradients of scale and offset takes both sums in one pass, fast
    # and exactly only for vectors of whole registers.
    way = _sums_by_rows if shares[0].shape[-1] % 16 else _sums_by_kernel
    return [
        tf.add_n(sums)
        for sums in zip(*(way(*pair, center, narrow) for pair in zip(weights, shares)))
    ]


def _sums_by_kernel(weights, images, center, narrow):
    fixed = {
        "scale": narrow,
        "reserve_space_1": center,
        "reserve_space_2": tf.square(1 / narrow),
        "reserve_space_3": center,
    }
    kernel = tf.raw_ops.FusedBatchNormGradV3
    return kernel(y_backprop=weights, x=images, epsilon=0.0, is_training=False, **fixed)[1:3]


@_one_pass
def _sums_by_rows(weights, images, center, narrow):
    *_, width, channels = images.shape
    weights = tf.cast(weights, tf.float32)

    def by_channel(numbers):
        return tf.reduce_sum(
            tf.reshape(
                tf.reduce_sum(tf.reshape(numbers, (-1, width * channels)), 0), (width, channels)
            ),
            0,
        )

    return by_channel(weights * (tf.cast(images, tf.float32) - center)) * narrow, by_channel(
        weights
    )


@_one_pass
def _line(images, slope, constant):
    return tf.cast(tf.cast(images, tf.float32) * slope + constant, images.dtype)


@_one_pass
def _plane(gradients, images, factor, slope, constant):
    total = tf.cast(gradients, tf.float32) * factor + (
        tf.cast(images, tf.float32) * slope + constant
    )
    return tf.cast(total, images.dtype)


def _normalized(layer, otherwise, inputs, training=None, mask=None):
    if training and mask is None and inputs.shape.is_fully_defined():
        return normalize(layer, [inputs])[0]
    return otherwise(inputs, training=training, mask=mask)


def _convolved(layer, inputs):
    # Not by `bias_add`, whose gradient becomes one kernel with that of the filters, which is
    # slower than both are apart.
    return layer.activation(tf.add(layer.convolution_op(inputs, layer.kernel), layer.bias))


def _add_bias_behind(convolution, pooling):
    """The maximum of numbers to which a constant was added is their maximum and that constant: a
    quarter of the additions.
    """
    if convolution.activation is not keras.activations.linear:
        return
    pool = pooling.call
    convolution.call = lambda inputs: convolution.convolution_op(inputs, convolution.kernel)
    pooling.call = lambda inputs: tf.add(pool(inputs), convolution.bias)


def penalty(regularizer, strength):
    """The weight decay of a kernel, as Keras's regularizers compute it.

    Parameters
    ----------
    regularizer : "l2" or "l1"
    strength : float tensor or variable
        lambda in lambda * sum(w^2) or lambda * sum(|w|).

    Returns
    -------
    function of a kernel
    """
    size = {"l1": tf.abs, "l2": tf.square}[regularizer]
    return lambda kernel: (
        strength * _sum(tf.reshape(size(tf.convert_to_tensor(kernel)), (-1, kernel.shape[-1])))
    )


def _sum(matrix):
    # XLA adds numbers up one by one, but matrix times vector several at a time.
    return tf.reduce_sum(tf.linalg.matvec(matrix, tf.ones(matrix.shape[1])))


def dropouts_of(model):
    """The Dropout layers of a model whose masks are best drawn by `draw_masks`: none if not all of
    them can be, or on a GPU, on which XLA draws fast.
    """
    found = tuple(part for part in operations_of(model) if isinstance(part, layers.Dropout))
    alone = type(model) is keras.Sequential and all(
        layer in model.layers and layer.noise_shape is None for layer in found
    )
    return found if alone and not has_gpu() else ()


def draw_masks(dropouts, count):
    """What so many examples keep of the inputs of some Dropout layers.

    Returns
    -------
    list of bool tensors, shape (count, *shape of an input)
    """
    uniform = keras.random.uniform
    return [
        uniform((count, *layer.input.shape[1:]), seed=layer.seed_generator) >= layer.rate
        for layer in dropouts
    ]


@contextlib.contextmanager
def masked(dropouts, masks):
    """Within this context each of these layers takes its mask from here in training."""
    for layer, mask in zip(dropouts, masks):
        layer.call = functools.partial(_dropped, layer.rate, mask)
    try:
        yield
    finally:
        for layer in dropouts:
            vars(layer).pop("call", None)


def _dropped(rate, mask, inputs, training=False):
    return tf.where(mask, inputs / (1 - rate), tf.zeros_like(inputs)) if training else inputs
