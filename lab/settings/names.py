"""The names that a user may choose from.

They stand here, and not beside the code that gives them their meaning, so that flags can be
checked without importing it.
"""

from models.networks import NETWORKS

NETS = tuple(NETWORKS)
IMAGE_DATASETS = ("mnist", "fashion_mnist", "cifar10", "mnist5k", "stacked_mnist")
POINTS = ("ring", "grid")  # data sets of points whose modes are known
DATASETS = (*IMAGE_DATASETS, *POINTS)
# Only functions that never fall as their argument grows: the conv net relies on it
# (models/classifiers.py).
ACTIVATIONS = ("relu", "leaky_relu", "elu", "selu", "softplus", "softsign", "tanh", "sigmoid")
REGULARIZERS = ("l2", "l1")
DEVICES = ("auto", "cpu", "gpu")
PRECISIONS = ("float32", "bfloat16")
SCHEDULES = ("constant", "cosine")
HEADS = ("flatten", "average")
LATENTS = ("uniform", "normal")
GENERATOR_LOSSES = ("non-saturating", "saturating")
INITIALIZERS = ("glorot_uniform", "orthogonal")
THEORY = ("polynomial", "softmax", "discriminator")

# Optimizers, and the learning rates that Keras gives them.
OPTIMIZERS = {
    "adam": 1e-3,
    "adamax": 1e-3,
    "nadam": 1e-3,
    "rmsprop": 1e-3,
    "adagrad": 1e-3,
    "sgd": 1e-2,
}
