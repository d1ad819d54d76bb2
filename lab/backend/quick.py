"""Shorter ways, on a CPU, to the numbers that Keras's layers give in training.

A model that is trained, and never saved, gets them in place of its layers' own: here, and only
here, `call` is replaced on a model or on its layers. What is computed stays the same; the sums are
taken in another order, in fewer passes over memory. What each of them brings was measured on 2
cores of an AMD EPYC (Zen 5); docs/measured.md has more.
"""

import contextlib
import functools
from itertools import pairwise

import keras
import tensorflow as tf
from keras import layers

from lab.backend.devices import has_gpu
from lab.backend.introspection import is_reviewed, operations_of
from lab.backend.private import own_gradient

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
    for convolution, pooling in pairwise(model.layers if type(model) is keras.Sequential else ()):
        is_linear = getattr(convolution, "activation", None) is keras.activations.linear
        if is_linear and _is_convolution(convolution) and isinstance(pooling, layers.MaxPooling2D):
            # The maximum of numbers to which a constant was added is their maximum and that
            # constant: a quarter of the additions (conv: 0.35 s of an epoch, with `_convolved`).
            plain = functools.partial(convolution.convolution_op, kernel=convolution.kernel)
            convolution.call = plain
            pooling.call = functools.partial(_with_bias, pooling.call, convolution.bias)


def _is_convolution(layer):
    # In bfloat16, what is convolved would be rounded once more before the bias is added.
    return (
        type(layer) is layers.Conv2D
        and layer.use_bias
        and layer.data_format == "channels_last"
        and layer.compute_dtype == "float32"
    )


def _is_usual_normalization(layer):
    return (
        type(layer) is layers.BatchNormalization
        and layer.built
        and layer.scale
        and layer.center
        and layer.trainable
        and not getattr(layer, "renorm", False)
        and layer.input_spec.ndim == 4
        and layer.axis in (-1, 3)
    )


def _convolved(layer, inputs):
    # Not by `bias_add`, whose gradient becomes one kernel with that of the filters, which is
    # slower than both are apart (filter: 0.65 ms of a step of 12 ms).
    return layer.activation(tf.add(layer.convolution_op(inputs, layer.kernel), layer.bias))


def _with_bias(pool, bias, inputs):
    return tf.add(pool(inputs), bias)


def _normalized(layer, fallback, inputs, training=None, mask=None):
    if training and mask is None and inputs.shape.is_fully_defined():
        return normalize(layer, [inputs])[0]
    return fallback(inputs, training=training, mask=mask)


def mixes_no_images(model):
    """Whether it is certain that what a model computes of an image does not depend on the others
    in its batch, but by batch normalization between the layers of a `keras.Sequential`.
    """
    if type(model) is not keras.Sequential or not is_reviewed(model):
        return False
    parts = [part for part in operations_of(model) if isinstance(part, layers.BatchNormalization)]
    return all(part in model.layers for part in parts)


@contextlib.contextmanager
def in_shares(model, count):
    """Within this context the model computes each batch in shares: the same numbers, but side by
    side, for threads that work on operations of their own (10 to 20% of a convolutional net's
    step, with two threads).

    Parameters
    ----------
    model : keras.Model
        Of which `mixes_no_images` is true, if there is more than one share.
    count : int
        How many shares; fewer for a batch with fewer examples.
    """
    if count > 1:
        model.call = functools.partial(_layer_by_layer, model, count)
    try:
        yield
    finally:
        vars(model).pop("call", None)


def _layer_by_layer(model, count, batch, training=None, mask=None):
    examples, count = batch.shape[0], min(count, batch.shape[0])
    sizes = [examples // count + (number < examples % count) for number in range(count)]
    shares = tf.split(batch, sizes)  # each of shape (size, height, width, channels)
    for layer in model.layers:
        if not (training and isinstance(layer, layers.BatchNormalization)):
            shares = [layer(share) for share in shares]
        elif _is_usual_normalization(layer):
            shares = normalize(layer, shares)
        else:
            shares = tf.split(layer(tf.concat(shares, axis=0)), sizes)
    return tf.concat(shares, axis=0)


def normalize(layer, shares):
    """Batch normalization of images (Ioffe and Szegedy 2015), by the mean and variance of all
    shares of a batch.

    It takes one pass over memory for its two sums, one for its outputs, and as many for its
    gradients (filter: a step takes 12.6 ms instead of 16.0; conv: an epoch 3.0 s instead of 5.1).

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
    # Near the mean, so that no digits are lost in the sums.
    center = tf.convert_to_tensor(layer.moving_mean)

    @tf.custom_gradient
    def normalized(scale, offset, *shares):
        of_products, of_images = _sums(shares, shares, center, tf.ones_like(center))
        mean = of_images / count
        variance = tf.maximum(of_products / count - mean * (mean - center), 0.0)
        narrow = tf.math.rsqrt(variance + layer.epsilon)
        outputs = [_line(share, scale * narrow, offset - mean * scale * narrow) for share in shares]

        def gradient(_, __, *upstream):
            of_scale, of_offset = _sums(upstream, shares, mean, narrow)
            slope = -of_scale / count * scale * tf.square(narrow)
            constant = -of_offset / count * scale * narrow - slope * mean
            images = [
                _plane(*pair, scale * narrow, slope, constant) for pair in zip(upstream, shares)
            ]
            return of_scale, of_offset, *images

        return (mean, variance, *outputs), gradient

    gamma, beta = tf.convert_to_tensor(layer.gamma), tf.convert_to_tensor(layer.beta)
    with own_gradient():
        mean, variance, *outputs = normalized(gamma, beta, *shares)
    for moving, value in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
        moving.assign(moving * layer.momentum + value * (1 - layer.momentum))
    return outputs


def _sums(weights, shares, center, narrow):
    """By channel, over all shares: the sum of weight * (image - center) * narrow, and that of the
    weights.
    """
    # TensorFlow's kernel for the gradients of scale and offset takes both sums in one pass, fast
    # and exactly only for vectors of whole registers.
    sums = _sums_by_rows if shares[0].shape[-1] % 16 else _sums_by_kernel
    of_shares = [sums(*pair, center, narrow) for pair in zip(weights, shares)]
    return [tf.add_n(parts) for parts in zip(*of_shares)]


def _sums_by_kernel(weights, images, center, narrow):
    _, of_products, of_weights, *_ = tf.raw_ops.FusedBatchNormGradV3(
        y_backprop=weights,
        x=images,
        scale=narrow,
        reserve_space_1=center,  # as the mean
        reserve_space_2=tf.square(1 / narrow),  # as the variance
        reserve_space_3=center,
        epsilon=0.0,
        is_training=False,
    )
    return of_products, of_weights


@_one_pass
def _sums_by_rows(weights, images, center, narrow):
    *_, width, channels = images.shape
    weights = tf.cast(weights, tf.float32)

    def by_channel(numbers):
        rows = tf.reduce_sum(tf.reshape(numbers, (-1, width * channels)), 0)
        return tf.reduce_sum(tf.reshape(rows, (width, channels)), 0)

    products = weights * (tf.cast(images, tf.float32) - center)
    return by_channel(products) * narrow, by_channel(weights)


@_one_pass
def _line(images, slope, constant):
    return tf.cast(tf.cast(images, tf.float32) * slope + constant, images.dtype)


@_one_pass
def _plane(gradients, images, factor, slope, constant):
    line = tf.cast(images, tf.float32) * slope + constant
    return tf.cast(tf.cast(gradients, tf.float32) * factor + line, images.dtype)


def decay(model, regularizer, strength):
    """Give each kernel of a model that has weight decay `penalty` in place of Keras's."""
    for layer in model.layers:
        if getattr(layer, "kernel_regularizer", None):
            layer.kernel.regularizer = penalty(regularizer, strength)


def penalty(regularizer, strength):
    """The weight decay of a kernel, as Keras's regularizers compute it.

    XLA adds numbers up one by one, but matrix times vector several at a time: 8 microseconds
    instead of 45 for the dense net's first kernel.

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

    def of_kernel(kernel):
        matrix = tf.reshape(size(tf.convert_to_tensor(kernel)), (-1, kernel.shape[-1]))
        return strength * tf.reduce_sum(tf.linalg.matvec(matrix, tf.ones(matrix.shape[1])))

    return of_kernel


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
