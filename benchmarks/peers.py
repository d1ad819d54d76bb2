"""What the lab is measured against: the same networks, as users of Keras, JAX and PyTorch would
write them to be fast.

`training.py` runs each in a process of its own, with the Python that has its packages:
``python benchmarks/peers.py NAME NET DATA_DIR FOLDER EPOCHS OPTIONS``. It trains and leaves in
FOLDER/run/history.json the seconds of each epoch, validation included, and the validation
accuracies; the Keras scripts also save their model and draw its curve, as train.py does.
"""

import functools
import json
import os
import re
import runpy
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
DATASETS = {"dense": "mnist", "conv": "mnist", "filter": "cifar10", "own": "mnist"}
BATCH_SIZES = {"dense": 128, "conv": 128, "filter": 32, "own": 128}
IMAGES = {"mnist": 60_000, "cifar10": 50_000}  # to train on; both have 10,000 to validate on
SHAPES = {"mnist": (28, 28, 1), "cifar10": (32, 32, 3)}
CLASSES = 10
RATE, BETAS, EPSILON = 1e-3, (0.9, 0.999), 1e-7  # Keras's Adam


def layers_of(net, options):
    """The layers of a network, as tuples of a name and numbers; "conv" has filters, kernel size,
    and whether it is padded.
    """
    kernels = {
        "dense": [("dense", 200), ("dense", 100)],
        "conv": [("conv", 20, 5, True), ("conv", 10, 3, True)],
        "filter": [("conv", 64, 11, False), ("conv", 128, 3, False), ("conv", 128, 3, False)],
    }[net]
    pooled = {"dense": 0, "conv": 2, "filter": 1}[net]
    stack = [("flatten",)] if net == "dense" else []
    for number, kernel in enumerate(kernels):
        stack += [kernel, *([("norm",)] if options["batch_norm"] else []), ("relu",)]
        stack += [
            *([("pool",)] if number < pooled else []),
            *([("dropout",)] if options["dropout"] else []),
        ]
    joined = {"dense": [], "conv": [("flatten",)], "filter": [("mean",)]}[net]
    return [*stack, *joined, ("dense", CLASSES)]


def load(net, data_dir):
    """Images as floats in [0, 1], and labels as integers: of training, of validation."""
    with np.load(Path(data_dir, f"{DATASETS[net]}.npz")) as data:
        images = [
            data[name].reshape(-1, *SHAPES[DATASETS[net]]).astype("float32") / 255
            for name in ("x_train", "x_test")
        ]
        labels = [data[name].ravel().astype("int32") for name in ("y_train", "y_test")]
    return (images[0], labels[0]), (images[1], labels[1])


def report(folder, seconds, accuracies):
    """Write what `training.measure` reads, as train.py does."""
    run = Path(folder, "run")
    run.mkdir()
    (run / "history.json").write_text(
        json.dumps({"epoch_seconds": seconds, "val_accuracy": accuracies})
    )
    return run


def own_network(folder):
    """The network of docs/own.md, in a file of a folder."""
    path = Path(folder, "residual.py")
    path.write_text(
        re.search(r"```python\n(.*?)```", (ROOT / "docs" / "own.md").read_text(), re.DOTALL)[1]
    )
    return path


def keras_fit(
    net, data_dir, folder, epochs, options, backend="tensorflow", per_execution=1, compiled="auto"
):
    """`keras.Model.fit` on float arrays: so many steps to a call of the backend's function (0: an
    epoch).
    """
    os.environ["KERAS_BACKEND"] = backend
    import keras
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    training, validation = load(net, data_dir)
    keras.utils.set_random_seed(0)
    model = keras_model(net, folder, options)
    model.summary()
    steps = len(training[0]) // BATCH_SIZES[net]
    together = {"steps_per_execution": per_execution or steps, "jit_compile": compiled}
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], **together)
    seconds = []
    stopwatch = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: seconds.append(-time.perf_counter()),
        on_epoch_end=lambda epoch, logs: seconds.append(seconds.pop() + time.perf_counter()),
    )
    fitted = {
        "batch_size": BATCH_SIZES[net],
        "epochs": epochs,
        "validation_data": validation,
        "verbose": 2,
    }
    history = model.fit(*training, callbacks=[stopwatch], **fitted).history
    run = report(folder, seconds, history["val_accuracy"])
    model.save(run / "model.keras")
    figure, axes = pyplot.subplots(2)
    for axis, name in zip(axes, ("accuracy", "loss")):
        axis.plot(history[name])
        axis.plot(history[f"val_{name}"])
    figure.savefig(run / "curve.png")


def keras_model(net, folder, options):
    import keras
    from keras import layers

    shape = SHAPES[DATASETS[net]]
    if net == "own":
        logits = runpy.run_path(str(own_network(folder)))["residual"](shape, CLASSES)
        return keras.Sequential([keras.Input(shape), logits, layers.Softmax()])
    decay = (
        {"kernel_regularizer": keras.regularizers.L2(options["decay"])} if options["decay"] else {}
    )
    made = {
        "flatten": layers.Flatten,
        "dense": lambda units: layers.Dense(units, **decay),
        "conv": lambda filters, size, padded: layers.Conv2D(
            filters, size, padding="same" if padded else "valid", **decay
        ),
        "norm": layers.BatchNormalization,
        "relu": layers.ReLU,
        "pool": layers.MaxPooling2D,
        "dropout": lambda: layers.Dropout(options["dropout"]),
        "mean": layers.GlobalAveragePooling2D,
    }
    stack = [made[name](*numbers) for name, *numbers in layers_of(net, options)]
    return keras.Sequential([keras.Input(shape), *stack, layers.Softmax()])


def jax_scan(net, data_dir, folder, epochs, options):
    """By hand: an epoch is one `lax.scan`, its batches gathered within it, Adam written out."""
    import jax
    from jax import lax
    from jax import numpy as jnp

    training, validation = load(net, data_dir)
    stack = layers_of(net, options)
    keep = 1 - options["dropout"]

    def initial(key):
        shape, weights = SHAPES[DATASETS[net]], []
        for name, *numbers in stack:
            key, used = jax.random.split(key)
            glorot = jax.nn.initializers.glorot_uniform()
            if name == "flatten":
                shape = (int(np.prod(shape)),)
            elif name == "mean":
                shape = shape[-1:]
            elif name == "pool":
                shape = (shape[0] // 2, shape[1] // 2, shape[2])
            elif name == "dense":
                weights.append((glorot(used, (shape[0], numbers[0])), jnp.zeros(numbers[0])))
                shape = (numbers[0],)
            elif name == "conv":
                filters, size, padded = numbers
                weights.append((glorot(used, (size, size, shape[2], filters)), jnp.zeros(filters)))
                shape = (*(side if padded else side - size + 1 for side in shape[:2]), filters)
            elif name == "norm":
                weights.append((jnp.ones(shape[-1]), jnp.zeros(shape[-1])))
        return weights

    def network(weights, averages, images, key=None):
        """Logits, and the means and variances of batch normalization: the batch's where there is a
        key.
        """
        weights, averages, values, found = iter(weights), iter(averages), images, []
        for name, *numbers in stack:
            if name == "flatten":
                values = values.reshape(len(values), -1)
            elif name == "mean":
                values = values.mean((1, 2))
            elif name == "relu":
                values = jnp.maximum(values, 0)
            elif name == "pool":
                values = lax.reduce_window(
                    values, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID"
                )
            elif name == "dropout" and key is not None:
                key, used = jax.random.split(key)
                values = jnp.where(jax.random.bernoulli(used, keep, values.shape), values / keep, 0)
            elif name == "dense":
                kernel, bias = next(weights)
                values = values @ kernel + bias
            elif name == "conv":
                kernel, bias = next(weights)
                padding = "SAME" if numbers[2] else "VALID"
                values = lax.conv_general_dilated(
                    values, kernel, (1, 1), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
                )
                values += bias
            elif name == "norm":
                gamma, beta = next(weights)
                axes = tuple(range(values.ndim - 1))
                mean, variance = (
                    next(averages) if key is None else (values.mean(axes), values.var(axes))
                )
                found.append((mean, variance))
                values = gamma * (values - mean) * lax.rsqrt(variance + 1e-3) + beta
        return values, found

    def loss(weights, averages, images, labels, key):
        logits, found = network(weights, averages, images, key)
        cross_entropy = -jax.nn.log_softmax(logits)[jnp.arange(len(labels)), labels].mean()
        decayed = [kernel for kernel, _ in weights if kernel.ndim > 1] if options["decay"] else []
        return cross_entropy + options["decay"] * sum(
            (kernel * kernel).sum() for kernel in decayed
        ), (logits, found)

    def step(state, plan):
        weights, averages, first, second, count = state
        rows, key = plan
        images, labels = device_images[rows], device_labels[rows]
        (value, (logits, found)), gradient = jax.value_and_grad(loss, has_aux=True)(
            weights, averages, images, labels, key
        )
        count += 1
        size = RATE * jnp.sqrt(1 - BETAS[1] ** count) / (1 - BETAS[0] ** count)
        first = jax.tree.map(lambda m, g: m + (g - m) * (1 - BETAS[0]), first, gradient)
        second = jax.tree.map(lambda v, g: v + (g * g - v) * (1 - BETAS[1]), second, gradient)
        weights = jax.tree.map(
            lambda w, m, v: w - size * m / (jnp.sqrt(v) + EPSILON), weights, first, second
        )
        averages = jax.tree.map(lambda a, f: 0.99 * a + 0.01 * f, averages, found)
        return (weights, averages, first, second, count), (
            value,
            (logits.argmax(1) == labels).mean(),
        )

    @jax.jit
    def epoch(state, key):
        order, masks = jax.random.split(key)
        steps = len(training[0]) // BATCH_SIZES[net]
        rows = jax.random.permutation(order, len(training[0]))[: steps * BATCH_SIZES[net]].reshape(
            steps, -1
        )
        state, (losses, accuracies) = lax.scan(step, state, (rows, jax.random.split(masks, steps)))
        return state, losses.mean(), accuracies.mean()

    @jax.jit
    def validate(weights, averages, images, labels):
        return (network(weights, averages, images)[0].argmax(1) == labels).sum()

    device_images, device_labels = map(jnp.asarray, training)
    parts = [
        tuple(map(jnp.asarray, part))
        for part in zip(*(np.split(array, 10) for array in validation))
    ]
    weights = initial(jax.random.key(0))
    averages = [(jnp.zeros(len(b)), jnp.ones(len(b))) for g, b in weights if g.ndim == 1]
    zeros = jax.tree.map(jnp.zeros_like, weights)
    state = weights, averages, zeros, zeros, jnp.float32(0)
    seconds, accuracies = [], []
    for key in jax.random.split(jax.random.key(1), epochs):
        begin = time.perf_counter()
        state, *_ = epoch(state, key)
        right = [validate(state[0], state[1], *part) for part in parts]
        accuracies.append(float(sum(right)) / len(validation[0]))
        seconds.append(time.perf_counter() - begin)
    report(folder, seconds, accuracies)


def pytorch(net, data_dir, folder, epochs, options, compiled=False):
    """A plain loop, its step eager or compiled."""
    import torch
    from torch import nn

    (images, labels), validation = (
        [torch.tensor(array) for array in part] for part in load(net, data_dir)
    )
    images, validation[0] = (
        part.permute(0, 3, 1, 2).contiguous() for part in (images, validation[0])
    )
    labels, validation[1] = labels.long(), validation[1].long()
    torch.manual_seed(0)
    made = {
        "flatten": nn.Flatten,
        "dense": nn.LazyLinear,
        "conv": lambda filters, size, padded: nn.LazyConv2d(
            filters, size, padding="same" if padded else 0
        ),
        "norm": {True: nn.LazyBatchNorm1d, False: nn.LazyBatchNorm2d}[net == "dense"],
        "relu": nn.ReLU,
        "pool": lambda: nn.MaxPool2d(2),
        "dropout": lambda: nn.Dropout(options["dropout"]),
        "mean": lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    }
    model = nn.Sequential(*(made[name](*numbers) for name, *numbers in layers_of(net, options)))
    model(images[:2])  # which makes its weights
    kernels = (
        [weights for weights in model.parameters() if weights.ndim > 1] if options["decay"] else []
    )
    optimizer = torch.optim.Adam(model.parameters(), RATE, BETAS, EPSILON, fused=True)
    cross_entropy = nn.CrossEntropyLoss()

    def loss(images, labels):
        return cross_entropy(model(images), labels) + options["decay"] * sum(
            (kernel * kernel).sum() for kernel in kernels
        )

    if compiled:
        loss = torch.compile(loss)
    seconds, accuracies = [], []
    for _ in range(epochs):
        begin = time.perf_counter()
        model.train()
        for rows in torch.randperm(len(images)).split(BATCH_SIZES[net]):
            optimizer.zero_grad()
            loss(images[rows], labels[rows]).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            predicted = torch.cat([model(part).argmax(dim=1) for part in validation[0].split(1000)])
        accuracies.append((predicted == validation[1]).float().mean().item())
        seconds.append(time.perf_counter() - begin)
    report(folder, seconds, accuracies)


PEERS = {  # name: the package that it needs, and the script
    "stock": ("tensorflow", keras_fit),
    "keras-xla": ("tensorflow", functools.partial(keras_fit, per_execution=0, compiled=True)),
    "keras-graph": ("tensorflow", functools.partial(keras_fit, per_execution=0, compiled=False)),
    "keras-jax": ("jax", functools.partial(keras_fit, backend="jax")),
    "keras-jax-32": ("jax", functools.partial(keras_fit, backend="jax", per_execution=32)),
    "jax": ("jax", jax_scan),
    "pytorch": ("torch", pytorch),
    "pytorch-compiled": ("torch", functools.partial(pytorch, compiled=True)),
}

if __name__ == "__main__":
    name, net, data_dir, folder, epochs, options = sys.argv[1:]
    PEERS[name][1](net, data_dir, folder, int(epochs), json.loads(options))
