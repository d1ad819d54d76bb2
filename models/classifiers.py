"""Image classifiers: raw uint8 images in, class probabilities out.

Rescaling to [0, 1] is a layer of each network, so that a saved model is complete and its images cannot be normalized twice
or not at all. The last two layers are called "logits" and "probabilities".
"""

import random

import keras
from keras import layers

from models.seeds import following, glorot


def build_dense_net(
    regularizer_strength=0.0,
    *,
    hidden=(200, 100),
    activation="relu",
    regularizer="l2",
    batch_norm=False,
    dropout=0.0,
    input_shape=(28, 28, 1),
    classes=10,
    seed=None,
    pixels=(0, 1),
    name="dense",
):
    """Fully connected net: 178,110 parameters by default.

    Parameters
    ----------
    regularizer_strength : float
        lambda in the penalty lambda * sum(w^2) ("l2") or lambda * sum(|w|) ("l1") over every kernel, the output layer's
        too; never over biases.
    hidden : sequence of int
        Units of each hidden layer.
    activation : str
        Keras's name of the hidden layers' activation.
    regularizer : "l2" or "l1"
    batch_norm : bool
        Batch normalization (Ioffe and Szegedy 2015) before each hidden activation.
    dropout : float in [0, 1)
        Share of hidden units dropped in training, after each hidden activation.
    input_shape : (height, width, channels)
    classes : int
    seed : int, optional
        Of the initial weights and of dropout: the same one gives the same network.
    pixels : (float, float)
        What black and white are rescaled to.
    name : str
        The model's.

    Returns
    -------
    keras.Sequential, not compiled
    """
    seeds = random.Random(seed)
    penalty = _penalty(regularizer, regularizer_strength)
    black, white = pixels
    rescaling = layers.Rescaling((white - black) / 255, black)
    stack = [keras.Input(input_shape, dtype="uint8"), rescaling, layers.Flatten()]
    for units in hidden:
        stack.append(layers.Dense(units, kernel_initializer=glorot(seeds), kernel_regularizer=penalty))
        stack += [*_normalize(batch_norm), layers.Activation(activation), *_drop(dropout, seeds)]
    return keras.Sequential(stack + _outputs(classes, penalty, seeds), name=name)


def build_gan_classifier(regularizer_strength=0.0, *, hidden=(256, 256, 256), **options):
    """The body of the dense GAN's discriminator (`models.gans`) with an output for each class: images in [-1, 1].

    335,114 parameters by default. Parameters, ``options`` among them, and return value as of `build_dense_net`.
    """
    return build_dense_net(regularizer_strength, hidden=hidden, pixels=(-1, 1), name="gan-classifier", **options)


def build_conv_net(
    regularizer_strength=0.0,
    *,
    activation="relu",
    regularizer="l2",
    batch_norm=False,
    dropout=0.0,
    input_shape=(28, 28, 1),
    classes=10,
    seed=None,
):
    """Convolutional net, 5x5x20 and 3x3x10, each pooled 2x2: 7,240 parameters by default.

    Parameters and return value as of `build_dense_net`; ``activation`` must not fall as its argument grows.
    """
    seeds = random.Random(seed)
    penalty = _penalty(regularizer, regularizer_strength)
    stack = [keras.Input(input_shape, dtype="uint8"), layers.Rescaling(1 / 255)]
    for filters, size in ((20, 5), (10, 3)):
        kernel = {"kernel_initializer": glorot(seeds), "kernel_regularizer": penalty}
        stack.append(layers.Conv2D(filters, size, padding="same", **kernel))
        # A function that never falls commutes with the maximum: pooling first gives the same numbers and gradients, and
        # leaves a quarter of the values to activate.
        stack += [*_normalize(batch_norm), layers.MaxPooling2D(), layers.Activation(activation), *_drop(dropout, seeds)]
    return keras.Sequential([*stack, layers.Flatten(), *_outputs(classes, penalty, seeds)], name="conv")


def build_filter_net(
    regularizer_strength=0.0,
    *,
    activation="relu",
    regularizer="l2",
    batch_norm=False,
    dropout=0.0,
    input_shape=(32, 32, 3),
    classes=10,
    seed=None,
):
    """Net with large first filters to look at: 11x11x64, pooled 2x2, twice 3x3x128, and their mean over the image.

    No convolution is padded. 246,026 parameters by default; 1,280 more with batch normalization, half of them moving
    averages.

    Parameters and return value as of `build_dense_net`; ``activation`` must not fall as its argument grows, and images must be
    at least 20x20.
    """
    seeds = random.Random(seed)
    penalty = _penalty(regularizer, regularizer_strength)
    stack = [keras.Input(input_shape, dtype="uint8"), layers.Rescaling(1 / 255)]
    for filters, size in ((64, 11), (128, 3), (128, 3)):
        stack.append(layers.Conv2D(filters, size, kernel_initializer=glorot(seeds), kernel_regularizer=penalty))
        pool = [layers.MaxPooling2D()] if size == 11 else []  # before the activation: see `build_conv_net`
        stack += [*_normalize(batch_norm), *pool, layers.Activation(activation), *_drop(dropout, seeds)]
    return keras.Sequential([*stack, layers.GlobalAveragePooling2D(), *_outputs(classes, penalty, seeds)], name="filter")


def _outputs(classes, penalty, seeds):
    # Softmax in float32 at any precision: in bfloat16 neighbouring probabilities near 1 lie 0.4% apart.
    return [
        layers.Dense(classes, kernel_initializer=glorot(seeds), kernel_regularizer=penalty, name="logits"),
        layers.Activation("softmax", dtype="float32", name="probabilities"),
    ]


def _penalty(regularizer, strength):
    if not strength:
        return None
    return {"l1": keras.regularizers.L1, "l2": keras.regularizers.L2}[regularizer](strength)


def _normalize(batch_norm):
    return [layers.BatchNormalization()] if batch_norm else []


def _drop(dropout, seeds):
    return [layers.Dropout(dropout, seed=following(seeds))] if dropout else []
