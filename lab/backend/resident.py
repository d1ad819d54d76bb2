"""Training that stays on the device: `keras.Model.fit`, but one Keras "step" is a chunk of many
real steps.

Stock `fit` on arrays spends most of a small net's epoch between the steps: slicing, copying and
converting the next batch and going through Python. Here the images lie on the device once, as they
are (uint8); what travels is a vector of image numbers; and the loop over the batches runs inside
the graph, compiled with XLA where that helps. It is still `fit` that runs, so its callbacks, its
history and early stopping work as ever, except that `on_train_batch_*` is called once a chunk.
"""

import contextlib
import math
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from lab.backend.devices import has_gpu
from lab.backend.inference import evaluation_batch
from lab.backend.own_networks import count_numbers, is_reviewed, most_numbers, operations_of
from lab.backend.quick import draw_masks, forget_gradients, layer_by_layer, masked

# About a second of arithmetic on two cores: long enough that the time between chunks does not
# count, short enough for a progress bar and Ctrl-C.
FLOPS_PER_CHUNK = 1e11
MASKED = 20_000_000  # numbers of dropout's masks that are drawn for a chunk at most
CACHED = 2_000_000  # numbers that a layer gives for a batch of validation images: what the processor's caches hold
_LAYERS = keras.layers
_SLOW = (
    _LAYERS.Conv2D,
    _LAYERS.Conv2DTranspose,
    _LAYERS.DepthwiseConv2D,
    _LAYERS.SeparableConv2D,
    _LAYERS.Dropout,
)
_SLOW += (
    _LAYERS.SpatialDropout2D,
    _LAYERS.AlphaDropout,
    _LAYERS.GaussianDropout,
    _LAYERS.GaussianNoise,
)


class Batches(NamedTuple):
    """How an epoch is cut into batches, and those into the chunks that Keras takes for steps."""

    batch_size: int
    steps_per_epoch: int | None = (
        None  # at most the number of whole batches; None: all examples, the last batch smaller
    )
    steps_per_chunk: int | None = None  # None: about `FLOPS_PER_CHUNK`
    shares: int = 1  # that a batch is computed in, side by side: see `in_shares`
    shift: int = 0  # pixels that each image of a batch is moved by at most, up or down and to a side: see `moved`
    # Gives a tensor of so many rows at random. A batch gets new rows behind its arrays, one to
    # each example. They are drawn for a chunk at once, since XLA draws slowly on a CPU.
    noise: Callable[[int], tf.Tensor] | None = None
    dropouts: tuple[keras.layers.Dropout, ...] = ()  # whose masks are drawn likewise


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
    data = _on_device(data)
    _create_variables(model, data)
    batches = batches._replace(steps_per_chunk=length)
    train_function = _over_chunk(
        _step(model, batches.dropouts), data, batches, model, suits_xla(model, batches.dropouts)
    )
    test_function = None
    if validation_data is not None:
        count = len(validation_data[0])
        # Not compiled: validation is too short to earn back the time that compiling it takes.
        size = evaluation_batch(model)
        if not has_gpu():
            size = max(1, min(size, CACHED // most_numbers(model)))
        whole = Batches(size, steps_per_chunk=count // size)
        test_function = _over_chunk(
            _test_step(model), _on_device(validation_data), whole, model, compiled=False
        )
        all_of_it = (
            tf.range(count),
            tf.zeros((count, 2), tf.int32),
            tf.zeros((math.ceil(count / size), 1)),
        )

    def fit(epochs, seed=0, initial_epoch=0, callbacks=(), rate=None):
        times = np.arange(epochs * steps).reshape(epochs, steps) / steps
        own = np.full((*times.shape, len(optimizers_of(model))), np.nan)
        rates = tf.constant(own if rate is None else np.reshape(rate(times), own.shape), tf.float32)

        def chunks(epoch):
            order = epoch_order(examples, seed, epoch)[: steps * batch_size]
            shifts = epoch_shifts(len(order), batches.shift, seed, epoch)
            return _cut((order, shifts, rates[epoch]), length, batch_size)

        plan = tf.data.Dataset.range(initial_epoch, epochs).flat_map(chunks)
        model.train_function, model.test_function = train_function, test_function
        try:
            with in_shares(model, batches.shares):
                return model.fit(
                    _untuned(plan.prefetch(1)),
                    epochs=epochs,
                    initial_epoch=initial_epoch,
                    steps_per_epoch=math.ceil(steps / length),
                    validation_data=test_function
                    and _untuned(tf.data.Dataset.from_tensors(all_of_it)),
                    callbacks=list(callbacks),
                    shuffle=False,  # it is shuffled already
                    verbose=0,
                )
        finally:
            model.train_function = model.test_function = None  # from here on it takes batches again

    return fit


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
    if not most:
        return tf.zeros((examples, 2), tf.int32)
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
    places = begin[:, None] + tf.range(height * row)
    return tf.reshape(tf.gather(lines, places, batch_dims=1), (-1, height, width + most, channels))[
        :, :, :width
    ]


def suits_xla(model, dropouts=()):
    """Whether XLA makes this model's steps faster on the device in use, if the masks of these
    layers are drawn before.

    On a GPU it does. On a CPU its convolutions and its random numbers, on which dropout draws, are
    several times slower than TensorFlow's own, and what a processor has for bfloat16 it leaves
    idle. It does not know all that a layer of the user's own may do.
    """
    if not tf.test.is_built_with_xla():
        return False
    parts = [
        part for part in operations_of(model) if not type(part).__module__.startswith("lab.")
    ]  # our own GAN
    if not all(map(is_reviewed, parts)):
        return False
    slow = [part for part in parts if isinstance(part, _SLOW) and part not in dropouts]
    slow += [part for part in parts if getattr(part, "compute_dtype", None) == "bfloat16"]
    return has_gpu() or not slow


def mixes_no_images(model):
    """Whether it is certain that what a model computes of an image does not depend on the others
    in its batch, but by batch normalization between the layers of a `keras.Sequential`.
    """
    apart = model.layers if type(model) is keras.Sequential else ()
    mixing = [part for part in _normalizations(model) if part not in apart]
    return all(map(is_reviewed, operations_of(model))) and not mixing


def _normalizations(model):
    return [
        part for part in operations_of(model) if isinstance(part, keras.layers.BatchNormalization)
    ]


@contextlib.contextmanager
def in_shares(model, count):
    """Within this context the model computes each batch in shares: the same numbers, but side by
    side.

    Parameters
    ----------
    model : keras.Model with one input
        Of which `mixes_no_images` is true.
    count : int
        How many shares; fewer for a batch with fewer examples.
    """
    if count == 1:
        yield
        return
    whole = model.call

    def call(batch, training=None, **options):
        examples, shares = batch.shape[0], min(count, batch.shape[0])
        sizes = [examples // shares + (share < examples % shares) for share in range(shares)]
        parts = tf.split(batch, sizes)
        if _normalizations(model):
            parts = layer_by_layer(model, parts, training)
        else:
            parts = [whole(share, training=training, **options) for share in parts]
        return tf.concat(parts, axis=0)

    model.call = call
    try:
        yield
    finally:
        del model.call


def suitable_chunk(model, batch_size, steps, dropouts=()):
    """Steps to a chunk: about `FLOPS_PER_CHUNK`, in chunks of equal length; fewer, if there are
    large masks to be drawn.
    """
    # A step's backward pass takes twice the arithmetic of its forward pass.
    affordable = FLOPS_PER_CHUNK / (3 * max(1, forward_flops(model)))
    masked = sum(math.prod(layer.input.shape[1:]) for layer in dropouts)
    affordable = max(1, int(min(affordable, MASKED / max(1, masked)) / batch_size))
    return math.ceil(steps / math.ceil(steps / affordable))


def forward_flops(model):
    """Multiplications and additions in the kernels of a forward pass, for one example."""
    return sum(
        2 * math.prod(layer.kernel.shape) * _places(layer, model)
        for layer in operations_of(model)
        if hasattr(layer, "kernel")
    )


def _places(layer, model):
    """At how many places of an image a layer's kernel is applied; at most, of one whose output is
    not known.
    """
    try:
        return count_numbers(layer.output.shape[1:-1], model)
    except (
        AttributeError,
        ValueError,
    ):  # it was called several times, or by code of the user's own
        return math.prod(model.input_shape[1:-1])


def _on_device(arrays):
    # Variables, not constants: TensorFlow can gather from a uint8 variable on a GPU, but not from
    # a uint8 tensor.
    return tuple(tf.Variable(array, trainable=False) for array in arrays)


def _create_variables(model, data):
    # Metrics and optimizer make their variables when they are first used; were that inside the
    # graph, TensorFlow would have to trace it twice. A model whose optimizer has its variables has
    # them all.
    if not model.optimizer.built:
        model.test_step(tuple(tf.gather(array, [0]) for array in data))
        model.optimizer.build(model.trainable_variables)


def _step(model, dropouts):
    """A step of training on a batch, at a learning rate of each optimizer; NaN: at its own, which
    callbacks may have set.
    """
    own = [optimizer.learning_rate for optimizer in optimizers_of(model)]

    def step(batch, rates):
        for variable, rate in zip(own, tf.unstack(rates, len(own))):
            variable.assign(tf.where(tf.math.is_nan(rate), variable, rate))
        arrays = len(batch) - len(dropouts)
        with masked(dropouts, batch[arrays:]):
            model.train_step(batch[:arrays])
        forget_gradients()

    return step


def _test_step(model):
    return lambda batch, rates: model.test_step(batch)


def optimizers_of(model):
    """The optimizers of a model that can be trained: a GAN's two, in the order generator,
    discriminator; else one.
    """
    return getattr(model, "optimizers", None) or [model.optimizer]


def _cut(plan, length, batch_size):
    """An epoch's plan, what it has for each example and for each step, in chunks of so many steps."""
    *of_examples, of_steps = plan

    def chunk(start):
        examples = slice(start * batch_size, (start + length) * batch_size)
        return *(part[examples] for part in of_examples), of_steps[start : start + length]

    return tf.data.Dataset.range(0, of_steps.shape[0], length).map(chunk)


def _untuned(dataset):
    # There is nothing to tune in these pipelines, and to end the thread that would try can take
    # two seconds.
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def _over_chunk(step, data, batches, model, compiled):
    """What Keras calls as one step: takes a chunk of the plan from an iterator and goes through
    its batches.
    """
    batch_size, most = batches.batch_size, batches.steps_per_chunk

    def drawn_for(steps, size):
        rows = (
            [batches.noise(steps * size)]
            if batches.noise
            else draw_masks(batches.dropouts, steps * size)
        )
        return [tf.reshape(part, (steps, size, *part.shape[1:])) for part in rows]

    def batch(indices, shifts):
        images, *others = (tf.gather(array, indices) for array in data)
        return moved(images, shifts, batches.shift) if batches.shift else images, *others

    @tf.function(jit_compile=compiled, autograph=False)
    def full_batches(of_steps, drawn, count):
        def body(row):
            indices, shifts, rate = (part[row] for part in of_steps)
            step(batch(indices, shifts) + tuple(part[row] for part in drawn), rate)
            return (row + 1,)

        tf.while_loop(lambda row: row < count, body, (0,))

    @tf.function(autograph=False)
    def chunk(indices, shifts, rates):
        count, rest = divmod(indices.shape[0], batch_size)
        if count:
            whole = [
                tf.reshape(part[: count * batch_size], (count, batch_size, *part.shape[1:]))
                for part in (indices, shifts)
            ]
            # Of one shape always: XLA would compile the epoch's shorter last chunk anew.
            of_steps = [
                tf.pad(part, [(0, most - count)] + [(0, 0)] * (len(part.shape) - 1))
                for part in (*whole, rates[:count])
            ]
            full_batches(of_steps, drawn_for(most, batch_size), tf.constant(count))
        if rest:
            # The smaller last batch, outside the compiled loop: to compile its shape would take
            # longer than to run it.
            drawn = tuple(part[0] for part in drawn_for(1, rest))
            step(batch(indices[-rest:], shifts[-rest:]) + drawn, rates[count])
        return model.get_metrics_result()

    return lambda iterator: chunk(*next(iterator))
