"""Training that stays on the device: `keras.Model.fit`, but one Keras "step" is a chunk of many real steps.

Stock `fit` on arrays spends most of a small net's epoch between the steps: slicing, copying and converting the next batch
and going through Python. Here the images lie on the device once, as they are (uint8); what travels is a vector of image
numbers; and the loop over the batches runs inside the graph, compiled with XLA where that helps. It is still `fit` that
runs, so its callbacks, its history and early stopping work as ever, except that `on_train_batch_*` is called once a chunk.
"""

import contextlib
import math
from collections.abc import Callable
from typing import NamedTuple

import keras
import tensorflow as tf

# About a second of arithmetic on two cores: long enough that the time between chunks does not count, short enough for a
# progress bar and Ctrl-C.
FLOPS_PER_CHUNK = 1e11
EVALUATION_BATCH = 1000


class Batches(NamedTuple):
    """How an epoch is cut into batches, and those into the chunks that Keras takes for steps."""

    batch_size: int
    steps_per_epoch: int | None = None  # at most the number of whole batches; None: all examples, the last batch smaller
    steps_per_chunk: int | None = None  # None: about `FLOPS_PER_CHUNK`
    shares: int = 1  # that a batch is computed in, side by side: see `in_shares`
    # Gives a tensor of so many rows at random. A batch gets new rows behind its arrays, one to each example. They are drawn for
    # a chunk at once, since XLA draws slowly on a CPU.
    noise: Callable[[int], tf.Tensor] | None = None


def prepare(model, data, batches, validation_data=None):
    """Make a compiled model ready to be trained as its own ``fit`` would, on arrays kept on the device.

    Every epoch goes once through all examples, in the order of `epoch_order`, or through the first ``steps_per_epoch`` batches
    of that order. A model that is trained again and again is compiled only once.

    Parameters
    ----------
    model : keras.Model, built and compiled
        Its ``train_step`` and ``test_step`` get a tuple with one batch of each array.
    data, validation_data : tuple of arrays of equal length
        As a rule (images, labels).
    batches : Batches

    Returns
    -------
    function of ``epochs, seed=0, initial_epoch=0, callbacks=()``
        Trains the model, from the state that its variables are in. ``seed`` is that of the order of the examples; the callbacks
        and the history that it returns are those of `keras.Model.fit`.
    """
    examples, batch_size = len(data[0]), batches.batch_size
    steps = batches.steps_per_epoch or math.ceil(examples / batch_size)
    length = batches.steps_per_chunk or suitable_chunk(model, batch_size, steps)
    data = _on_device(data)
    _create_variables(model, data)
    train_function = _over_chunk(model.train_step, data, batches._replace(steps_per_chunk=length), model, suits_xla(model))
    test_function = None
    if validation_data is not None:
        count = len(validation_data[0])
        # Not compiled: validation is too short to earn back the time that compiling it takes.
        whole = Batches(EVALUATION_BATCH, steps_per_chunk=count // EVALUATION_BATCH)
        test_function = _over_chunk(model.test_step, _on_device(validation_data), whole, model, compiled=False)

    def fit(epochs, seed=0, initial_epoch=0, callbacks=()):
        orders = tf.data.Dataset.range(initial_epoch, epochs).flat_map(
            lambda epoch: _cut(epoch_order(examples, seed, epoch)[: steps * batch_size], length * batch_size)
        )
        model.train_function, model.test_function = train_function, test_function
        try:
            with in_shares(model, batches.shares):
                return model.fit(
                    _untuned(orders.prefetch(1)),
                    epochs=epochs,
                    initial_epoch=initial_epoch,
                    steps_per_epoch=math.ceil(steps / length),
                    validation_data=test_function and _untuned(tf.data.Dataset.from_tensors(tf.range(count))),
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


def suits_xla(model):
    """Whether XLA makes this model's steps faster on the device in use.

    On a GPU it does. On a CPU its convolutions and its random numbers, on which dropout draws, are several times slower than
    TensorFlow's own.
    """
    if not tf.test.is_built_with_xla():
        return False
    slow = keras.layers.Conv2D, keras.layers.Conv2DTranspose, keras.layers.Dropout
    return bool(tf.config.list_logical_devices("GPU")) or not any(isinstance(part, slow) for part in model._flatten_layers())


@contextlib.contextmanager
def in_shares(model, count):
    """Within this context the model computes each batch in shares: the same numbers, but side by side.

    Parameters
    ----------
    model : keras.Model with one input
        None of its layers may mix the examples of a batch.
    count : int
        How many shares; fewer for a batch with fewer examples.
    """
    if count == 1:
        yield
        return
    whole = model.call

    def call(batch, **options):
        examples, shares = batch.shape[0], min(count, batch.shape[0])
        sizes = [examples // shares + (share < examples % shares) for share in range(shares)]
        return tf.concat([whole(share, **options) for share in tf.split(batch, sizes)], axis=0)

    model.call = call
    try:
        yield
    finally:
        del model.call


def suitable_chunk(model, batch_size, steps):
    """Steps to a chunk: about `FLOPS_PER_CHUNK`, in chunks of equal length."""
    # A step's backward pass takes twice the arithmetic of its forward pass.
    affordable = max(1, int(FLOPS_PER_CHUNK / (3 * batch_size * max(1, forward_flops(model)))))
    return math.ceil(steps / math.ceil(steps / affordable))


def forward_flops(model):
    """Multiplications and additions in the kernels of a forward pass, for one example."""
    return sum(
        2 * math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:-1])
        for layer in model._flatten_layers()
        if hasattr(layer, "kernel")
    )


def _on_device(arrays):
    # Variables, not constants: TensorFlow can gather from a uint8 variable on a GPU, but not from a uint8 tensor.
    return tuple(tf.Variable(array, trainable=False) for array in arrays)


def _create_variables(model, data):
    # Metrics and optimizer make their variables when they are first used; were that inside the graph, TensorFlow would
    # have to trace it twice. A model whose optimizer has its variables has them all.
    if not model.optimizer.built:
        model.test_step(tuple(tf.gather(array, [0]) for array in data))
        model.optimizer.build(model.trainable_variables)


def _cut(order, length):
    starts = tf.data.Dataset.range(0, tf.size(order, tf.int64), length)
    return starts.map(lambda start: order[start : start + length])


def _untuned(dataset):
    # There is nothing to tune in these pipelines, and to end the thread that would try can take two seconds.
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def _over_chunk(step, data, batches, model, compiled):
    """What Keras calls as one step: takes a vector of indices from an iterator and goes through their batches."""
    batch_size, most, noise = batches.batch_size, batches.steps_per_chunk, batches.noise

    def batch(indices):
        return tuple(tf.gather(array, indices) for array in data)

    @tf.function(jit_compile=compiled)
    def full_batches(rows, drawn, count):
        def body(row):
            step(batch(rows[row]) + tuple(part[row] for part in drawn))
            return (row + 1,)

        tf.while_loop(lambda row: row < count, body, (0,))

    @tf.function
    def chunk(indices):
        count, rest = divmod(indices.shape[0], batch_size)
        if count:
            rows = tf.reshape(indices[: count * batch_size], (count, batch_size))
            # Of one shape always: XLA would compile the epoch's shorter last chunk anew.
            drawn = [noise(most * batch_size)] if noise else []
            drawn = [tf.reshape(part, (most, batch_size, *part.shape[1:])) for part in drawn]
            full_batches(tf.pad(rows, [(0, most - count), (0, 0)]), drawn, tf.constant(count))
        if rest:
            # The smaller last batch, outside the compiled loop: to compile its shape would take longer than to run it.
            step(batch(indices[-rest:]) + ((noise(rest),) if noise else ()))
        return model.get_metrics_result()

    return lambda iterator: chunk(next(iterator))
