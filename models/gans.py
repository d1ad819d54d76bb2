"""The networks of generative adversarial networks (Goodfellow et al. 2014). `lab.backend.gan` trains them.

Generators give raw images, pixels from 0 to 255, and discriminators take raw images: to rescale them is a layer of each
network, as in the classifiers. A discriminator gives a logit, positive for what it takes to be real.
"""

import math
import random

import keras
from keras import layers

from models.seeds import following, glorot

LATENT_SIZE = 100
DENSE_HIDDEN = (256, 256, 256)


def build_dense_generator(shape=(28, 28, 1), *, hidden=DENSE_HIDDEN, seed=None):
    """Latent vectors to images, through dense layers with ReLU and a tanh; or to points, without one.

    Parameters
    ----------
    shape : (height, width, channels), or (coordinates,) for points
    hidden : sequence of int
        Units of each hidden layer.
    seed : int, optional
        Of the initial weights.

    Returns
    -------
    keras.Sequential, float, shape (n, LATENT_SIZE) -> (n, \\*shape)
    """
    seeds = random.Random(seed)
    stack = [keras.Input((LATENT_SIZE,))]
    for units in hidden:
        stack.append(layers.Dense(units, activation="relu", kernel_initializer=glorot(seeds)))
    if len(shape) == 1:
        return keras.Sequential([*stack, layers.Dense(shape[0], kernel_initializer=glorot(seeds))], name="generator")
    pixels = math.prod(shape)
    stack.append(layers.Dense(pixels, activation="tanh", kernel_initializer=glorot(seeds)))
    return keras.Sequential([*stack, layers.Rescaling(127.5, 127.5), layers.Reshape(shape)], name="generator")


def build_dense_discriminator(shape=(28, 28, 1), *, hidden=DENSE_HIDDEN, seed=None):
    """Images, rescaled to [-1, 1], or points, as they are, to a logit, through dense layers with ReLU.

    Parameters as of `build_dense_generator`.

    Returns
    -------
    keras.Sequential, shape (n, \\*shape) -> (n, 1)
    """
    seeds = random.Random(seed)
    stack = [keras.Input(shape)]
    if len(shape) > 1:
        stack += [layers.Rescaling(1 / 127.5, -1), layers.Flatten()]
    for units in hidden:
        stack.append(layers.Dense(units, activation="relu", kernel_initializer=glorot(seeds)))
    return keras.Sequential([*stack, layers.Dense(1, kernel_initializer=glorot(seeds))], name="discriminator")


def build_conv_generator(shape=(28, 28, 1), *, seed=None):
    """Latent vectors to images, through convolutions of 5x5 on twice enlarged images.

    Parameters
    ----------
    shape : (height, width, channels)
        Height and width divisible by 4.
    seed : int, optional

    Returns
    -------
    keras.Sequential, float, shape (n, LATENT_SIZE) -> (n, \\*shape)
    """
    seeds = random.Random(seed)
    height, width, channels = shape[0] // 4, shape[1] // 4, shape[2]
    stack = [
        keras.Input((LATENT_SIZE,)),
        layers.Dense(height * width * 64, activation="relu", kernel_initializer=glorot(seeds)),
        layers.Reshape((height, width, 64)),
    ]
    for filters in (32, 16):
        stack += [
            layers.UpSampling2D(),
            layers.Conv2DTranspose(filters, 5, padding="same", kernel_initializer=glorot(seeds)),
            layers.BatchNormalization(momentum=0.4),
            layers.ReLU(),
        ]
    stack.append(layers.Conv2DTranspose(channels, 5, padding="same", activation="sigmoid", kernel_initializer=glorot(seeds)))
    return keras.Sequential([*stack, layers.Rescaling(255.0)], name="generator")


def build_conv_discriminator(shape=(28, 28, 1), *, seed=None):
    """Images, rescaled to [0, 1], to a logit, through convolutions of 5x5 with stride 2, leaky ReLU and dropout.

    Parameters as of `build_conv_generator`.

    Returns
    -------
    keras.Sequential, shape (n, \\*shape) -> (n, 1)
    """
    seeds = random.Random(seed)
    stack = [keras.Input(shape), layers.Rescaling(1 / 255)]
    for filters in (32, 64, 128):
        stack += [
            layers.Conv2D(filters, 5, strides=2, padding="same", kernel_initializer=glorot(seeds)),
            # Dropout multiplies by 0 or by a positive number: before or after the leaky ReLU is the same. Directly behind a
            # convolution, TensorFlow tries to fuse it with it, fails, says so, and then fuses nothing.
            layers.Dropout(0.3, seed=following(seeds)),
            layers.LeakyReLU(),
        ]
    stack += [layers.Flatten(), layers.Dense(1, kernel_initializer=glorot(seeds))]
    return keras.Sequential(stack, name="discriminator")


def build_dense_gan(*, input_shape=(28, 28, 1), hidden=DENSE_HIDDEN, seed=None):
    """The dense generator and a discriminator with its hidden layers in reverse order, one behind the other.

    This is what is saved: a plain Keras model, whose two layers are the networks.

    Returns
    -------
    keras.Sequential, float, shape (n, LATENT_SIZE) -> (n, 1)
    """
    seeds = random.Random(seed)
    generator = build_dense_generator(input_shape, hidden=hidden, seed=following(seeds))
    discriminator = build_dense_discriminator(input_shape, hidden=hidden[::-1], seed=following(seeds))
    return keras.Sequential([keras.Input((LATENT_SIZE,)), generator, discriminator], name="gan-dense")


def build_conv_gan(*, input_shape=(28, 28, 1), seed=None):
    """The convolutional generator and discriminator, one behind the other: as `build_dense_gan`."""
    seeds = random.Random(seed)
    networks = [build(input_shape, seed=following(seeds)) for build in (build_conv_generator, build_conv_discriminator)]
    return keras.Sequential([keras.Input((LATENT_SIZE,)), *networks], name="gan-conv")
