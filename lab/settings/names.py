"""The names that a user may choose from, and the defaults that depend on them.

They stand here, and not beside the code that gives them their meaning, so that flags can be
checked without importing it.
"""

CLASSIFIERS = ("dense", "conv", "filter", "gan-classifier")
GANS = ("gan-conv", "gan-dense")
NETS = (*CLASSIFIERS, *GANS)
CONVOLUTIONAL = ("conv", "filter")
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
# Units of each hidden layer, of the nets where they can be chosen.
HIDDEN = {"dense": (200, 100), "gan-classifier": (256, 256, 256), "gan-dense": (256, 256, 256)}
# Filters of each layer of the net where they can be chosen.
FILTERS = {"conv": (20, 10)}
# The convolutional GAN's discriminator, held back by dropout and smoothed labels, learns faster
# than its generator (two time scales, Heusel et al. 2017, arXiv 1706.08500): at equal rates it can
# soon but guess, and digits stay unclear for longer. The dense one's learns as fast but, if it is
# looked ahead, slower (Metz et al. 2017, arXiv 1611.02163): the best of a small search for each
# (docs/gans.md). The other way round the generator collapses, or the discriminator wins for good.
GENERATOR_RATES = {"gan-conv": 5e-4, "gan-dense": 1e-3}
DISCRIMINATOR_RATES = {"gan-conv": 1e-3, "gan-dense": 1e-3}
UNROLLED_DISCRIMINATOR_RATES = {"gan-dense": 1e-4}
LATENT = {"gan-conv": "uniform", "gan-dense": "normal"}
SMOOTHING = {"gan-conv": 0.1}
DISCRIMINATOR_FILTERS = {"gan-conv": (32, 64, 128)}
MOST_STEPS = {"gan-conv": 128}  # an epoch of a GAN, where that is less than a pass over the data
