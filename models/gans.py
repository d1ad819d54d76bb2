"""The networks of generative adversarial networks (Goodfellow et al. 2014). `lab.backend.gan`
trains them.

Generators give raw images, pixels from 0 to 255, and discriminators take raw images: to rescale
them is a layer of each network, as in the classifiers. A discriminator gives a logit, positive for
what it takes to be real.
"""

import math
import random

import keras
from keras import layers

from models.networks import GAN, NETWORKS
from models.seeds import following, initial

LATENT_SIZE, INITIALIZER = GAN.defaults["latent_size"], GAN.defaults["initializer"]
DENSE_HIDDEN = NETWORKS["gan-dense"].layers["hidden"]
CONV_FILTERS = NETWORKS["gan-conv"].layers["discriminator_filters"]


def build_dense_generator(
    shape=(28, 28, 1),
    *,
    hidden=DENSE_HIDDEN,
    latent_size=LATENT_SIZE,
    activation="relu",
    initializer=INITIALIZER,
    seed=None,
):
    """Latent vectors to images, through dense layers and a tanh; or to points, without one.

    Parameters
    ----------
    shape : (height, width, channels), or (coordinates,) for points
    hidden : sequence of int
        Units of each hidden layer.
    latent_size : int
        Numbers of a latent vector.
    activation : str
        Keras's name of that of the hidden layers.
    initializer : str
        Of the kernels, as of `models.seeds.initial`.
    seed : int, optional
        Of the initial weights.

    Returns
    -------
    keras.Sequential, float, shape (n, latent_size) -> (n, \\*shape)
    """
    seeds = random.Random(seed)
    stack = [keras.Input((latent_size,)), *_dense_stack(hidden, activation, initializer, seeds)]
    if len(shape) == 1:
        return keras.Sequential([*stack, _dense(shape[0], initializer, seeds)], name="generator")
    stack.append(_dense(math.prod(shape), initializer, seeds, activation="tanh"))
    return keras.Sequential(
        [*stack, layers.Rescaling(127.5, 127.5), layers.Reshape(shape)], name="generator"
    )


def build_dense_discriminator(
    shape=(28, 28, 1), *, hidden=DENSE_HIDDEN, activation="relu", initializer=INITIALIZER, seed=None
):
    """Images, rescaled to [-1, 1], or points, as they are, to a logit, through dense layers.

    Parameters as of `build_dense_generator`.

    Returns
    -------
    keras.Sequential, shape (n, \\*shape) -> (n, 1)
    """
    seeds = random.Random(seed)
    stack = [keras.Input(shape)]
    if len(shape) > 1:
        stack += [layers.Rescaling(1 / 127.5, -1), layers.Flatten()]
    stack += _dense_stack(hidden, activation, initializer, seeds)
    return keras.Sequential([*stack, _dense(1, initializer, seeds)], name="discriminator")


def _dense_stack(hidden, activation, initializer, seeds):
    return [_dense(units, initializer, seeds, activation=activation) for units in hidden]


def _dense(units, initializer, seeds, **more):
    return layers.Dense(units, kernel_initializer=initial(initializer, seeds), **more)


def build_conv_generator(
    shape=(28, 28, 1), *, latent_size=LATENT_SIZE, initializer=INITIALIZER, seed=None
):
    """Latent vectors to images, through convolutions of 5x5 on twice enlarged images.

    Parameters
    ----------
    shape : (height, width, channels)
        Height and width divisible by 4.
    latent_size, initializer, seed
        As of `build_dense_generator`.

    Returns
    -------
    keras.Sequential, float, shape (n, latent_size) -> (n, \\*shape)
    """
    seeds = random.Random(seed)
    height, width, channels = shape[0] // 4, shape[1] // 4, shape[2]
    stack = [
        keras.Input((latent_size,)),
        _dense(height * width * 64, initializer, seeds, activation="relu"),
        layers.Reshape((height, width, 64)),
    ]
    for filters in (32, 16):
        stack += [
            layers.UpSampling2D(),
            layers.Conv2DTranspose(
                filters, 5, padding="same", kernel_initializer=initial(initializer, seeds)
            ),
            layers.BatchNormalization(momentum=0.4),
            layers.ReLU(),
        ]
    last = {
        "padding": "same",
        "activation": "sigmoid",
        "kernel_initializer": initial(initializer, seeds),
    }
    return keras.Sequential(
        [*stack, layers.Conv2DTranspose(channels, 5, **last), layers.Rescaling(255.0)],
        name="generator",
    )


def build_conv_discriminator(
    shape=(28, 28, 1), *, filters=CONV_FILTERS, initializer=INITIALIZER, seed=None
):
    """Images, rescaled to [0, 1], to a logit, through convolutions of 5x5 with stride 2, leaky
    ReLU and dropout.

    Parameters
    ----------
    filters : sequence of int
        Of each convolution.
    shape, initializer, seed
        As of `build_conv_generator`.

    Returns
    -------
    keras.Sequential, shape (n, \\*shape) -> (n, 1)
    """
    seeds = random.Random(seed)
    stack = [keras.Input(shape), layers.Rescaling(1 / 255)]
    for count in filters:
        stack += [
            layers.Conv2D(
                count, 5, strides=2, padding="same", kernel_initializer=initial(initializer, seeds)
            ),
            # Dropout multiplies by 0 or by a positive number: before or after the leaky ReLU is
            # the same. Directly behind a convolution, TensorFlow tries to fuse it with it, fails,
            # says so, and then fuses nothing.
            layers.Dropout(0.3, seed=following(seeds)),
            layers.LeakyReLU(),
        ]
    return keras.Sequential(
        [*stack, layers.Flatten(), _dense(1, initializer, seeds)], name="discriminator"
    )


def build_dense_gan(
    *,
    input_shape=(28, 28, 1),
    hidden=DENSE_HIDDEN,
    latent_size=LATENT_SIZE,
    activation="relu",
    initializer=INITIALIZER,
    seed=None,
):
    """The dense generator and a discriminator with its hidden layers in reverse order, one behind
    the other.

    This is what is saved: a plain Keras model, whose two layers are the networks.

    Parameters
    ----------
    input_shape : (height, width, channels) or (coordinates,)
    hidden, latent_size, activation, initializer, seed
        As of `build_dense_generator`.

    Returns
    -------
    keras.Sequential, float, shape (n, latent_size) -> (n, 1)
    """
    seeds = random.Random(seed)
    options = {"activation": activation, "initializer": initializer}
    of_generator = {"hidden": hidden, "latent_size": latent_size, "seed": following(seeds)}
    generator = build_dense_generator(input_shape, **of_generator, **options)
    discriminator = build_dense_discriminator(
        input_shape, hidden=hidden[::-1], seed=following(seeds), **options
    )
    return keras.Sequential(
        [keras.Input((latent_size,)), generator, discriminator], name="gan-dense"
    )


def build_conv_gan(
    *,
    input_shape=(28, 28, 1),
    latent_size=LATENT_SIZE,
    discriminator_filters=CONV_FILTERS,
    initializer=INITIALIZER,
    seed=None,
):
    """The convolutional generator and discriminator, one behind the other: as `build_dense_gan`."""
    seeds = random.Random(seed)
    options = {"initializer": initializer}
    generator = build_conv_generator(
        input_shape, latent_size=latent_size, seed=following(seeds), **options
    )
    discriminator = build_conv_discriminator(
        input_shape, filters=discriminator_filters, seed=following(seeds), **options
    )
    return keras.Sequential(
        [keras.Input((latent_size,)), generator, discriminator], name="gan-conv"
    )
