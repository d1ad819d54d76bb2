"""How long a network's matrix products and convolutions take alone: no training can be faster with
these kernels.

``python benchmarks/products.py NET PRECISION`` prints the seconds of an epoch of them, validation
included, in TensorFlow: those of the forward pass, of the kernels' gradients, and of the inputs'
gradients but for the first layer's. Of a dense net both TensorFlow's kernels and those of XLA are
timed, and the faster ones count; of a convolutional net each thread computes its share of the
batch, as train.py does.
"""

import statistics
import sys
from itertools import pairwise

from common import seconds_of
from peers import BATCH_SIZES, DATASETS, IMAGES

from lab.backend import devices

STEPS, REPEATS = 100, 9
VALIDATION = 10_000  # images
DENSE = (784, 200, 100, 10)
# Of each convolution: side of its input, of its output, of its filters; channels of its input and
# output; whether it is padded.
CONVOLUTIONS = {
    "conv": [(28, 28, 5, 1, 20, "SAME"), (14, 14, 3, 20, 10, "SAME")],
    "filter": [
        (32, 22, 11, 3, 64, "VALID"),
        (11, 9, 3, 64, 128, "VALID"),
        (9, 7, 3, 128, 128, "VALID"),
    ],
}


def main(net, precision):
    threads = min(devices.cores(), BATCH_SIZES[net] // devices.LEAST_SHARE)
    devices.start(
        devices.Setup("cpu", None if net == "dense" else threads, inter_op=net != "dense")
    )
    if net == "dense":
        steps = [
            [dense_step(precision, training, compiled) for compiled in (False, True)]
            for training in (True, False)
        ]
    else:
        steps = [
            [convolutional_step(net, precision, training, threads)] for training in (True, False)
        ]
    training, validation = (min(map(seconds, ways)) for ways in steps)
    print((training * IMAGES[DATASETS[net]] + validation * VALIDATION) / BATCH_SIZES[net])


def seconds(run):
    """Of a step, the median of several runs of many."""
    run()
    return statistics.median(seconds_of(run) / STEPS for _ in range(REPEATS))


def variable(shape, dtype):
    import tensorflow as tf

    return tf.Variable(tf.cast(tf.random.normal(shape), dtype))


def repeated(body, compiled=False):
    """A function that does something many times in the graph."""
    import tensorflow as tf

    @tf.function(jit_compile=compiled, autograph=False)
    def run():
        tf.while_loop(lambda step: step < STEPS, lambda step: (body(step),), (0,))

    return run


def dense_step(dtype, training, compiled):
    import tensorflow as tf

    images = variable((2, BATCH_SIZES["dense"], DENSE[0]), dtype)
    kernels, results = ([variable(shape, dtype) for shape in pairwise(DENSE)] for _ in range(2))
    outputs = variable((BATCH_SIZES["dense"], DENSE[-1]), dtype)

    def body(step):
        values = [images[step % 2]]
        for kernel in kernels:
            values.append(values[-1] @ kernel)
        gradient = values.pop()
        if not training:
            outputs.assign(gradient)
            return step + 1
        for kernel, result, value in reversed(list(zip(kernels, results, values))):
            result.assign(tf.matmul(value, gradient, transpose_a=True))
            if kernel is not kernels[0]:
                gradient = tf.matmul(gradient, kernel, transpose_b=True)
        return step + 1

    return repeated(body, compiled)


def convolutional_step(net, dtype, training, threads):
    import tensorflow as tf

    size, several = BATCH_SIZES[net], []
    shares = [size // threads + (thread < size % threads) for thread in range(threads)]
    for layer, (side, smaller, wide, channels, filters, padding) in enumerate(CONVOLUTIONS[net]):
        kernel = variable((wide, wide, channels, filters), dtype)
        for share in shares:
            image = variable((share, side, side, channels), dtype)
            several.append(
                (layer, image, kernel, variable((share, smaller, smaller, filters), dtype), padding)
            )

    def body(step):
        done = []
        for layer, image, kernel, gradient, padding in several:
            backward = {"out_backprop": gradient, "strides": [1, 1, 1, 1], "padding": padding}
            done.append(tf.nn.conv2d(image, kernel, 1, padding))
            if training:
                done.append(
                    tf.raw_ops.Conv2DBackpropFilter(
                        input=image, filter_sizes=kernel.shape, **backward
                    )
                )
            if training and layer:
                done.append(
                    tf.raw_ops.Conv2DBackpropInput(
                        input_sizes=image.shape, filter=kernel, **backward
                    )
                )
        with tf.control_dependencies(done):
            return step + 1

    return repeated(body)


if __name__ == "__main__":
    main(*sys.argv[1:])
