"""Training that stays on the device: `keras.Model.fit`, but one Keras "step" is a chunk of many
real steps.

Stock `fit` on arrays spends most of a small net's epoch between the steps: slicing, copying and
converting the next batch and going through Python. Here the images lie on the device once, as they
are (uint8); what travels is a vector of image numbers; and the loop over the batches runs inside
the graph, compiled with XLA where that helps. It is still `fit` that runs, so its callbacks, its
history and early stopping work as ever, except that `on_train_batch_*` is called once a chunk.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from keras import layers

from lab.backend.devices import has_gpu
from lab.backend.inference import evaluation_batch
from lab.backend.introspection import forward_flops, is_reviewed, most_numbers, operations_of
from lab.backend.private import forget_gradients
from lab.backend.quick import draw_masks, in_shares, masked, mixes_no_images

# About a second of arithmetic on two cores: long enough that the time between chunks does not
# count, short enough for a progress bar and Ctrl-C.
FLOPS_PER_CHUNK = 1e11
MASKED = 20_000_000  # numbers of dropout's masks that are drawn for a chunk at most
# Numbers that a layer gives for a batch of validation images: what the processor's caches hold.
CACHED = 2_000_000
# What XLA is slow at on a CPU: convolutions, and random numbers.
_SLOW = (
    layers.Conv2D,
    layers.Conv2DTranspose,
    layers.DepthwiseConv2D,
    layers.SeparableConv2D,
    layers.Dropout,
    layers.SpatialDropout2D,
    layers.AlphaDropout,
    layers.GaussianDropout,
    layers.GaussianNoise,
)


class Batches(NamedTuple):
    """How an epoch is cut into batches, and those into the chunks that Keras takes for steps."""

    batch_size: int
    # At most the number of whole batches; None: all examples, the last batch smaller.
    steps_per_epoch: int | None = None
    steps_per_chunk: int | None = None  # None: about `FLOPS_PER_CHUNK`
    # That a batch is computed in, side by side, if the model mixes no images: see `in_shares`.
    shares: int = 1
    # Pixels that each image of a batch is moved by at most, up or down and to a side: see `moved`.
    shift: int = 0
    # Gives a tensor of so many rows at random. A batch gets new rows behind its arrays, one to
    # each example. They are drawn for a chunk at once, since XLA draws slowly on a CPU.
    noise: Callable[[int], tf.Tensor] | None = None
    dropouts: tuple[layers.Dropout, ...] = ()  # whose masks are drawn likewise


def prepare(model, data, batches, validation_data=None):
    """Make a compiled model ready to be trained as its own ``fit`` would, on arrays kept on the
    device.

    Every epoch goes once through all examples, in the order of `epoch_order`, or through the first
    ``steps_per_epoch`` batches of that order. A model that is trained again and again is compiled
    only once.

    Parameters
    ----------
    model : keras.Model, built and compiled
        Its ``train_step`` and ``test_step`` get a tuple with one batch of each array.
    data, validation_data : tuple of arrays of equal length
        As a rule (images, labels).
    batches : Batches

    Returns
    -------
    function of ``epochs, seed=0, initial_epoch=0, callbacks=(), rate=None``
        Trains the model, from the state that its variables are in. ``seed`` is that of the order
        of the examples and of their shifts; ``rate`` gives the learning rates, float array, of
        steps that begin at these times, float array, in epochs; of several optimizers one behind
        the other (None: they keep their own); the callbacks and the history that it returns are
        those of `keras.Model.fit`.
    """
    examples, batch_size = len(data[0]), batches.batch_size
    steps = batches.steps_per_epoch or math.ceil(examples / batch_size)
    length = batches.steps_per_chunk or suitable_chunk(model, batch_size, steps, batches.dropouts)
    shares = batches.shares if mixes_no_images(model) else 1
    # Metrics and optimizer make their variables when they are first used; were that inside the
    # graph, TensorFlow would have to trace it twice. A model whose optimizer has its variables has
    # them all.
    if not model.optimizer.built:
        model.test_step(tuple(tf.constant(array[:1]) for array in data))
        model.optimizer.build(model.trainable_variables)
    step, compiled = _train_step(model, batches.dropouts), suits_xla(model, batches.dropouts)
    batches = batches._replace(steps_per_chunk=length)
    train_function = _over_chunk(step, data, batches, model, compiled)
    test_function = validation = None
    if validation_data is not None:
        test_function, validation = _validation(model, validation_data)

    def fit(epochs, seed=0, initial_epoch=0, callbacks=(), rate=None):
        times = np.arange(epochs * steps).reshape(epochs, steps) / steps
        rates = np.full((epochs, steps, len(optimizers_of(model))), np.nan, np.float32)
        if rate:
            rates[:] = np.reshape(rate(times), rates.shape)
        rates = tf.constant(rates)

        def chunks(epoch):
            order = epoch_order(examples, seed, epoch)[: steps * batch_size]
            shifts = epoch_shifts(len(order), batches.shift, seed, epoch)
            of_steps = rates[epoch]

            def chunk(start):
                part = slice(start * batch_size, (start + length) * batch_size)
                return order[part], shifts[part], of_steps[start : start + length]

            return tf.data.Dataset.range(0, steps, length).map(chunk)

        plan = tf.data.Dataset.range(initial_epoch, epochs).flat_map(chunks)
        # Keras makes these two by itself only where they are None.
        model.train_function, model.test_function = train_function, test_function
        try:
            with in_shares(model, shares):
                return model.fit(
                    _untuned(plan.prefetch(1)),
                    epochs=epochs,
                    initial_epoch=initial_epoch,
                    steps_per_epoch=math.ceil(steps / length),
                    validation_data=validation,
                    callbacks=list(callbacks),
                    shuffle=False,  # it is shuffled already
                    verbose=0,
                )
        finally:
            model.train_function = model.test_function = None  # from here on it takes batches again

    return fit


def _validation(model, data):
    """What Keras calls to validate a model on all of some data, and the one chunk that it is to
    call it with.
    """
    count, size = len(data[0]), evaluation_batch(model)
    if not has_gpu():
        size = max(1, min(size, CACHED // most_numbers(model)))
    steps = math.ceil(count / size)
    batches = Batches(size, steps_per_chunk=count // size)
    # Not compiled: validation is too short to earn back the time that compiling it takes.
    test_function = _over_chunk(
        lambda batch, rates: model.test_step(batch), data, batches, model, False
    )
    # All of it in one chunk: no image is moved, and the learning rates are read by nobody.
    chunk = tf.range(count), tf.zeros((count, 2), tf.int32), tf.zeros((steps, 1))
    return test_function, _untuned(tf.data.Dataset.from_tensors(chunk))


def _untuned(dataset):
    # There is nothing to tune in these pipelines, and to end the thread that would try can take
    # two seconds.
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def _train_step(model, dropouts):
    """A step of training on a batch, behind whose arrays are the masks of some layers, at a
    learning rate of each optimizer; NaN: at its own, which callbacks may have set.
    """
    own_rates = [optimizer.learning_rate for optimizer in optimizers_of(model)]

    def step(batch, rates):
        for variable, rate in zip(own_rates, tf.unstack(rates, len(own_rates))):
            variable.assign(tf.where(tf.math.is_nan(rate), variable, rate))
        arrays = len(batch) - len(dropouts)
        with masked(dropouts, batch[arrays:]):
            model.train_step(batch[:arrays])
        forget_gradients()

    return step


def optimizers_of(model):
    """The optimizers of a model that can be trained: a GAN's two, in the order generator,
    discriminator; else one.
    """
    return getattr(model, "optimizers", None) or [model.optimizer]


def _over_chunk(step, data, batches, model, compiled):
    """What Keras calls as one step: takes a chunk of the plan from an iterator and goes through
    its batches.

    Of a chunk of n examples: their numbers, shape (n,), their shifts, shape (n, 2), and the
    learning rates, shape (ceil(n / batch_size), optimizers).
    """
    size, most = batches.batch_size, batches.steps_per_chunk
    # Variables, not constants: TensorFlow can gather from a uint8 variable on a GPU, but not from
    # a uint8 tensor.
    data = [tf.Variable(array, trainable=False) for array in data]

    def draw(steps, size):
        """New rows at random for each example: a list of tensors, shape (steps, size, ...)."""
        if batches.noise:
            rows = [batches.noise(steps * size)]
        else:
            rows = draw_masks(batches.dropouts, steps * size)
        return [tf.reshape(part, (steps, size, *part.shape[1:])) for part in rows]

    def take_step(indices, shifts, rates, *drawn):
        # Shapes (size,), (size, 2), (optimizers,), and (size, ...) of each that was drawn.
        images, *others = (tf.gather(array, indices) for array in data)
        if batches.shift:
            images = moved(images, shifts, batches.shift)
        step((images, *others, *drawn), rates)

    @tf.function(jit_compile=compiled, autograph=False)
    def full_batches(of_steps, count):
        """Take so many steps, on row 0, 1, ... of tensors of shape (most, size, ...)."""

        def body(row):
            take_step(*(part[row] for part in of_steps))
            return (row + 1,)

        tf.while_loop(lambda row: row < count, body, (0,))

    @tf.function(autograph=False)
    def chunk(indices, shifts, rates):
        count, rest = divmod(indices.shape[0], size)

        def by_step(part):  # shape (n, ...) -> (count, size, ...)
            return tf.reshape(part[: count * size], (count, size, *part.shape[1:]))

        def padded(part):  # shape (count, ...) -> (most, ...)
            return tf.pad(part, [(0, most - count), *[(0, 0)] * (len(part.shape) - 1)])

        if count:
            of_steps = by_step(indices), by_step(shifts), rates[:count]
            # Of one shape always: XLA would compile the epoch's shorter last chunk anew.
            full_batches([*map(padded, of_steps), *draw(most, size)], tf.constant(count))
        if rest:
            # The smaller last batch, outside the compiled loop: to compile its shape would take
            # longer than to run it.
            drawn = (part[0] for part in draw(1, rest))
            take_step(indices[-rest:], shifts[-rest:], rates[count], *drawn)
        return model.get_metrics_result()

    return lambda iterator: chunk(*next(iterator))


def epoch_order(examples, seed, epoch):
    """The order in which an epoch visits the examples: it depends on the seed and the epoch only.

    Returns
    -------
    int32 tensor, shape (examples,), a permutation
    """
    return tf.random.experimental.stateless_shuffle(tf.range(examples), seed=(seed, epoch))


def epoch_shifts(examples, most, seed, epoch):
    """By how many pixels an epoch moves each image down and to the right: it depends on the seed
    and the epoch only.

    Returns
    -------
    int32 tensor, shape (examples, 2), from -most to most
    """
    return tf.random.stateless_uniform((examples, 2), (epoch, seed), -most, most + 1, tf.int32)


def moved(images, shifts, most):
    """Images moved down and to the right, zeros moved in.

    Parameters
    ----------
    images : tensor, shape (n, height, width, channels)
    shifts : int32 tensor, shape (n, 2)
        Pixels, from -most to most.
    most : int
    """
    _, height, width, channels = images.shape
    # The pixels one behind the other, with a margin above, below and to the left: to move an image
    # down or to the right is to begin to read earlier, since a row that is read too far ends in
    # the margin of the next.
    row = (width + most) * channels
    lines = tf.reshape(
        tf.pad(images, [(0, 0), (most, most + 1), (most, 0), (0, 0)]),
        (-1, (height + 2 * most + 1) * row),
    )
    begin = (most - shifts[:, 0]) * row + (most - shifts[:, 1]) * channels
    pixels = tf.gather(lines, begin[:, None] + tf.range(height * row), batch_dims=1)
    return tf.reshape(pixels, (-1, height, width + most, channels))[:, :, :width]


def suits_xla(model, dropouts=()):
    """Whether XLA makes this model's steps faster on the device in use, if the masks of these
    layers are drawn before.

    On a GPU it does. On a CPU its convolutions and its random numbers, on which dropout draws, are
    several times slower than TensorFlow's own, and what a processor has for bfloat16 it leaves
    idle. It does not know all that a layer of the user's own may do.
    """
    model = getattr(model, "networks", model)  # of our own GAN
    if not tf.test.is_built_with_xla() or not is_reviewed(model):
        return False
    return has_gpu() or not any(
        part.compute_dtype == "bfloat16" or (isinstance(part, _SLOW) and part not in dropouts)
        for part in operations_of(model)
    )


def suitable_chunk(model, batch_size, steps, dropouts=()):
    """Steps to a chunk: about `FLOPS_PER_CHUNK`, in chunks of equal length; fewer, if there are
    large masks to be drawn.
    """
    # A step's backward pass takes twice the arithmetic of its forward pass.
    affordable = FLOPS_PER_CHUNK / (3 * max(1, forward_flops(model)))
    masked = sum(math.prod(layer.input.shape[1:]) for layer in dropouts)
    affordable = max(1, int(min(affordable, MASKED / max(1, masked)) / batch_size))
    return math.ceil(steps / math.ceil(steps / affordable))
