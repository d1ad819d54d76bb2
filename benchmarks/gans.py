#!/usr/bin/env python3
"""How fast we train GANs, beside the usual Keras script; and what unrolling costs.

examples:
  python benchmarks/gans.py --data-dir ~/data                    Fashion-MNIST (dense) and MNIST
                                                                 (conv), 5 rounds
  python benchmarks/gans.py --data-dir ~/data --unrolls 1 5 10   the dense GAN, not unrolled and
                                                                 unrolled

The usual script generates images with `generator.predict`, gives the discriminator real and
generated ones with `train_on_batch`, and trains the generator through the frozen discriminator
with `train_on_batch`; here with the same layers, batch size, losses and Adam. Both train in this
process, in turn, after a warm-up. Shown are milliseconds a step, the median over the rounds, and
the median of the ratios within each round.
"""

import statistics

from common import parser, seconds_of

from lab.backend import devices
from lab.data import load_dataset
from lab.settings import Settings

DATASETS = {"gan-dense": "fashion_mnist", "gan-conv": "mnist"}
STEPS = {"stock": 40, "ours": 128}  # to a round
BATCH_SIZE = 128


def parse_args():
    flags = parser(__doc__)
    flags.add_argument("--data-dir", metavar="DIR", help="folder with mnist.npz, fashion_mnist.npz")
    flags.add_argument(
        "--rounds", type=int, default=5, help="how often each contestant trains (default: 5)"
    )
    flags.add_argument(
        "--unrolls",
        type=int,
        nargs="+",
        metavar="K",
        help="instead: our dense GAN, unrolled so far, and not",
    )
    return flags.parse_args()


def main():
    args = parse_args()
    devices.start(devices.Setup("cpu"))
    if args.unrolls:
        images = load_dataset(DATASETS["gan-dense"], args.data_dir).train_images
        contestants = {
            f"unroll {k}": ours("gan-dense", images, unroll=k) for k in (0, *args.unrolls)
        }
        report("gan-dense", contestants, args.rounds)
        return
    for net, name in DATASETS.items():
        images = load_dataset(name, args.data_dir).train_images
        report(net, {"ours": ours(net, images), "stock": stock(net, images)}, args.rounds)


def report(net, contestants, rounds):
    """Train in turn and print a line for each contestant: a function that trains and returns the
    milliseconds a step.
    """
    times = [{name: train() for name, train in contestants.items()} for _ in range(1 + rounds)][1:]
    base = next(iter(contestants))
    print(f"{net}: {DATASETS[net]}, batch {BATCH_SIZE}, {rounds} rounds")
    for name in contestants:
        median = statistics.median(one[name] for one in times)
        ratios = [one[name] / one[base] for one in times]
        ratio = f"{statistics.median(ratios):6.2f} times {base}"
        spread = f"({min(ratios):.2f} to {max(ratios):.2f})"
        print(f"  {name:10} {median:8.2f} ms a step, {ratio} {spread}", flush=True)


def ours(net, images, **settings):
    """A function that trains as train.py does, for `report`."""
    from lab.backend import resident
    from lab.training import engine

    gan = engine.compiled_model(
        Settings(net=net, dataset=DATASETS[net], batch_size=BATCH_SIZE, **settings),
        images.shape[1:],
    )
    fit = resident.prepare(
        gan, (images,), resident.Batches(BATCH_SIZE, STEPS["ours"], 32, noise=gan.draw_latents)
    )

    return lambda: 1e3 * seconds_of(fit, epochs=1) / STEPS["ours"]


def stock(net, images):
    """As `ours`, of the usual Keras script, with our layers but for the rescaling of raw images and
    the sigmoid in the loss.
    """
    import keras
    import numpy as np

    settings = Settings(net=net)
    generator, discriminator = stock_networks(net)
    images = (
        images.astype("float32") / 255
        if net == "gan-conv"
        else images.reshape(len(images), -1) / np.float32(127.5) - 1
    )

    adam = keras.optimizers.Adam(
        settings.discriminator_learning_rate, *settings.discriminator_betas
    )
    discriminator.compile(adam, "binary_crossentropy", metrics=["accuracy"])
    both = keras.Sequential([keras.Input((100,)), generator, discriminator])
    both.compile(
        keras.optimizers.Adam(settings.learning_rate, *settings.betas), "binary_crossentropy"
    )
    draw = np.random.default_rng(0)
    *smoothed, real = (np.full((BATCH_SIZE, 1), label) for label in (0.9, 0.1, 1.0))

    def train():
        for _ in range(STEPS["stock"]):
            batch = images[draw.integers(len(images), size=BATCH_SIZE)]
            generated = generator.predict(draw.standard_normal((BATCH_SIZE, 100)), verbose=0)
            discriminator.trainable = True
            discriminator.train_on_batch(batch, smoothed[0])
            discriminator.train_on_batch(generated, smoothed[1])
            discriminator.trainable = False
            both.train_on_batch(draw.standard_normal((BATCH_SIZE, 100)), real)

    return lambda: 1e3 * seconds_of(train) / STEPS["stock"]


def stock_networks(net):
    """The generator and the discriminator as the script writes them down."""
    import keras
    from keras import layers

    if net == "gan-dense":
        hidden = [[layers.Dense(256, activation="relu") for _ in range(3)] for _ in range(2)]
        generator = [keras.Input((100,)), *hidden[0], layers.Dense(784, activation="tanh")]
        discriminator = [keras.Input((784,)), *hidden[1], layers.Dense(1, activation="sigmoid")]
        return keras.Sequential(generator), keras.Sequential(discriminator)
    generator = [
        keras.Input((100,)),
        layers.Dense(7 * 7 * 64, activation="relu"),
        layers.Reshape((7, 7, 64)),
    ]
    for filters in (32, 16):
        generator += [layers.UpSampling2D(), layers.Conv2DTranspose(filters, 5, padding="same")]
        generator += [layers.BatchNormalization(momentum=0.4), layers.Activation("relu")]
    generator.append(layers.Conv2DTranspose(1, 5, padding="same", activation="sigmoid"))
    discriminator = [keras.Input((28, 28, 1))]
    for filters in (32, 64, 128):
        discriminator += [
            layers.Conv2D(filters, 5, strides=2, padding="same"),
            layers.LeakyReLU(),
            layers.Dropout(0.3),
        ]
    discriminator += [layers.Flatten(), layers.Dense(1, activation="sigmoid")]
    return keras.Sequential(generator), keras.Sequential(discriminator)


if __name__ == "__main__":
    main()
