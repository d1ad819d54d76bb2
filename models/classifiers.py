"""Image classifiers: raw uint8 images in, class probabilities out.

Rescaling to [0, 1] is a layer of each network, so that a saved model is complete and its images
cannot be normalized twice or not at all. The last two layers are called "logits" and
"probabilities".
"""

import random
from dataclasses import dataclass

import keras
from keras import layers

from models.networks import NETWORKS
from models.seeds import following, initial


@dataclass
class Parts:
    """The layers that classifiers are made of.

    Parameters
    ----------
    regularizer_strength : float
        lambda in the penalty lambda * sum(w^2) ("l2") or lambda * sum(|w|) ("l1") over every
        kernel, the output layer's too; never over biases.
    regularizer : "l2" or "l1"
    activation : str
        Keras's name of the hidden layers' activation.
    batch_norm : bool
        Batch normalization (Ioffe and Szegedy 2015) before each hidden activation.
    dropout : float in [0, 1)
        Share of hidden units dropped in training, after each hidden activation.
    seed : int, optional
        Of the initial weights and of dropout: the same one gives the same network.
    """

    regularizer_strength: float = 0.0
    regularizer: str = "l2"
    activation: str = "relu"
    batch_norm: bool = False
    dropout: float = 0.0
    seed: int | None = None

    def __post_init__(self):
        self.seeds = random.Random(self.seed)

    def kernel(self):
        """The arguments of a layer that has a kernel."""
        penalty = {"l1": keras.regularizers.L1, "l2": keras.regularizers.L2}[self.regularizer]
        strength = self.regularizer_strength
        return {
            "kernel_initializer": initial("glorot_uniform", self.seeds),
            "kernel_regularizer": penalty(strength) if strength else None,
        }

    def activate(self, pool=False):
        """What comes behind a hidden layer's kernel."""
        # A function that never falls commutes with the maximum: pooling first gives the same
        # numbers and gradients, and leaves a quarter of the values to activate.
        normalize = [layers.BatchNormalization()] if self.batch_norm else []
        drop = [layers.Dropout(self.dropout, seed=following(self.seeds))] if self.dropout else []
        return [
            *normalize,
            *([layers.MaxPooling2D()] if pool else []),
            layers.Activation(self.activation),
            *drop,
        ]

    def outputs(self, classes):
        """The last layers."""
        # Softmax in float32 at any precision: in bfloat16 neighbouring probabilities near 1 lie
        # 0.4% apart.
        softmax = layers.Activation("softmax", dtype="float32", name="probabilities")
        return [layers.Dense(classes, **self.kernel(), name="logits"), softmax]


def build_dense_net(
    *,
    hidden=NETWORKS["dense"].layers["hidden"],
    input_shape=(28, 28, 1),
    classes=10,
    pixels=(0, 1),
    name="dense",
    **options,
):
    """Fully connected net: 178,110 parameters by default.

    Parameters
    ----------
    hidden : sequence of int
        Units of each hidden layer.
    input_shape : (height, width, channels)
    classes : int
    pixels : (float, float)
        What black and white are rescaled to.
    name : str
        The model's.
    options
        As of `Parts`.

    Returns
    -------
    keras.Sequential, not compiled
    """
    parts = Parts(**options)
    black, white = pixels
    stack = [
        keras.Input(input_shape, dtype="uint8"),
        layers.Rescaling((white - black) / 255, black),
        layers.Flatten(),
    ]
    for units in hidden:
        stack += [layers.Dense(units, **parts.kernel()), *parts.activate()]
    return keras.Sequential(stack + parts.outputs(classes), name=name)


def build_gan_classifier(
    *,
    hidden=NETWORKS["gan-classifier"].layers["hidden"],
    input_shape=(28, 28, 1),
    classes=10,
    **options,
):
    """The body of the dense GAN's discriminator (`models.gans`) with an output for each class:
    images in [-1, 1].

    335,114 parameters by default. Parameters and return value as of `build_dense_net`.
    """
    shapes = {"hidden": hidden, "input_shape": input_shape, "classes": classes}
    return build_dense_net(**shapes, pixels=(-1, 1), name="gan-classifier", **options)


def build_conv_net(
    *,
    filters=NETWORKS["conv"].layers["filters"],
    kernels=(5, 3),
    head="flatten",
    input_shape=(28, 28, 1),
    classes=10,
    **options,
):
    """Convolutional net, by default 5x5x20 and 3x3x10, each pooled 2x2: 7,240 parameters.

    Parameters
    ----------
    filters, kernels : sequence of int
        Of each layer: how many, and how many pixels a side.
    head : "flatten" or "average"
        What the output layer sees: each pixel of the last filters' images (Flatten), or their
        means (global average pooling).
    input_shape, classes, options
        As of `build_dense_net`; the activation must not fall as its argument grows.

    Returns
    -------
    keras.Sequential, not compiled
    """
    parts = Parts(**options)
    joined = {"flatten": layers.Flatten, "average": layers.GlobalAveragePooling2D}[head]()
    stack = [keras.Input(input_shape, dtype="uint8"), layers.Rescaling(1 / 255)]
    for count, size in zip(filters, kernels):
        stack += [
            layers.Conv2D(count, size, padding="same", **parts.kernel()),
            *parts.activate(pool=True),
        ]
    return keras.Sequential([*stack, joined, *parts.outputs(classes)], name="conv")


def build_filter_net(*, input_shape=(32, 32, 3), classes=10, **options):
    """Net with large first filters to look at: 11x11x64, pooled 2x2, twice 3x3x128, and their mean
    over the image.

    No convolution is padded. 246,026 parameters by default; 1,280 more with batch normalization,
    half of them moving averages.

    Parameters and return value as of `build_dense_net`; the activation must not fall as its
    argument grows, and images must be at least 20x20.
    """
    parts = Parts(**options)
    stack = [keras.Input(input_shape, dtype="uint8"), layers.Rescaling(1 / 255)]
    for filters, size, pool in ((64, 11, True), (128, 3, False), (128, 3, False)):
        stack += [layers.Conv2D(filters, size, **parts.kernel()), *parts.activate(pool)]
    return keras.Sequential(
        [*stack, layers.GlobalAveragePooling2D(), *parts.outputs(classes)], name="filter"
    )
