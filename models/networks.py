"""The networks, by name, and what kinds of them there are: the one table of them.

Nothing here imports Keras, so that flags are checked without waiting for it. To add a network, add
a row to `NETWORKS` and its builder to the module that the row names.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple


class Rule(NamedTuple):
    """A default that follows from other settings."""

    words: str  # as the help says it
    of: Callable  # of the settings before it, a dict


class Kind(NamedTuple):
    """What differs between classifiers and GANs."""

    name: str
    plural: str
    settings: tuple  # that are for networks of this kind only
    defaults: dict  # of these, where they are None for other networks
    # What learning curves show above each other: axis -> line -> list of the history by epoch.
    panels: dict

    @property
    def curves(self):
        """The lists by epoch of every history: a tuple of names."""
        return tuple(curve for lines in self.panels.values() for curve in lines.values())


CLASSIFIER = Kind(
    "classifier",
    "classifiers",
    (
        "activation",
        "dropout",
        "batch_norm",
        "regularizer_strength",
        "regularizer",
        "optimizer",
        "early_stopping",
        "shift",
        "precision",
    ),
    {},
    {
        "accuracy": {"training, while learning": "accuracy", "validation": "val_accuracy"},
        "loss": {"training, while learning": "loss", "validation": "val_loss"},
    },
)
GAN = Kind(
    "GAN",
    "GANs",
    (
        "unroll",
        "latent",
        "latent_size",
        "generator_loss",
        "initializer",
        "betas",
        "discriminator_betas",
        "discriminator_learning_rate",
        "steps_per_epoch",
        "sample_every",
    ),
    {
        "latent_size": 100,
        "generator_loss": "non-saturating",
        "initializer": "glorot_uniform",
        "betas": (0.5, 0.999),
        "discriminator_betas": Rule("as the generator's", lambda above: above["betas"]),
        "sample_every": 1,
    },
    {
        "loss": {"generator": "generator_loss", "discriminator": "discriminator_loss"},
        "discriminator's accuracy": {
            "generated images": "generated_accuracy",
            "real images": "real_accuracy",
        },
    },
)
KINDS = (CLASSIFIER, GAN)


_NONE = MappingProxyType({})


class Network(NamedTuple):
    """A network: how it is built, and what it takes."""

    builder: str | None  # "MODULE:FUNCTION"; None: a function of the user's own
    kind: Kind
    # Settings of its layers that not all of its kind have, with their defaults.
    layers: Mapping = _NONE
    defaults: Mapping = _NONE  # of other settings, where they differ from those of its kind
    least_side: Callable = lambda settings: 1  # pixels a side that its images need
    side_multiple: int = 1  # of which the sides of its images have to be multiples
    convolves: bool = False  # whether a thread for each operation suits its training
    most_steps: int | None = None  # of an epoch, where that is less than a pass over the data
    takes_points: bool = False  # beside images

    def default(self, name, general):
        """The default of a setting, a value or a `Rule`: this network's, its kind's or the general
        one.
        """
        of_kind = self.kind.defaults.get(name, general)
        return self.layers.get(name, self.defaults.get(name, of_kind))


_GAN_HIDDEN = (256, 256, 256)
_KERNELS = Rule(
    "5, then 3",
    lambda above: (5, *[3] * (len(above["filters"]) - 1)) if above["filters"] else None,
)
# The convolutional GAN's discriminator, held back by dropout and smoothed labels, learns faster
# than its generator (two time scales, Heusel et al. 2017, arXiv 1706.08500): at equal rates it can
# soon only guess, and digits stay unclear for longer. The dense one's learns as fast but, if it is
# looked ahead, slower (Metz et al. 2017, arXiv 1611.02163): the best of a small search for each
# (docs/gans.md). The other way round the generator collapses, or the discriminator wins for good.
_CONV_GAN = {
    "learning_rate": 5e-4,
    "discriminator_learning_rate": 1e-3,
    "latent": "uniform",
    "label_smoothing": 0.1,
}
_DENSE_GAN = {
    "learning_rate": 1e-3,
    "discriminator_learning_rate": Rule(
        "0.001, unrolled 0.0001", lambda above: 1e-4 if above["unroll"] else 1e-3
    ),
    "latent": "normal",
}
NETWORKS = {
    "dense": Network("models.classifiers:build_dense_net", CLASSIFIER, {"hidden": (200, 100)}),
    "conv": Network(
        "models.classifiers:build_conv_net",
        CLASSIFIER,
        {"filters": (20, 10), "kernels": _KERNELS, "head": "flatten"},
        least_side=lambda settings: 2 ** len(settings.filters),  # each layer halves the image
        convolves=True,
    ),
    "filter": Network(
        "models.classifiers:build_filter_net",
        CLASSIFIER,
        least_side=lambda settings: 20,
        convolves=True,
    ),
    "gan-classifier": Network(
        "models.classifiers:build_gan_classifier", CLASSIFIER, {"hidden": _GAN_HIDDEN}
    ),
    "gan-conv": Network(
        "models.gans:build_conv_gan",
        GAN,
        {"discriminator_filters": (32, 64, 128)},
        _CONV_GAN,
        side_multiple=4,
        most_steps=128,
    ),
    "gan-dense": Network(
        "models.gans:build_dense_gan",
        GAN,
        {"hidden": _GAN_HIDDEN, "activation": "relu"},
        _DENSE_GAN,
        takes_points=True,
    ),
}
# Of a function of the user's own, FILE.py:FUNCTION.
OWN = Network(None, CLASSIFIER, {"kernels": _KERNELS})
# Every setting of layers that some networks have and others of their kind lack.
LAYERS = tuple(
    dict.fromkeys(
        name
        for network in NETWORKS.values()
        for name in network.layers
        if not any(name in kind.settings for kind in KINDS)
    )
)


def network_of(net):
    """The row of a network's name."""
    return NETWORKS.get(net, OWN)


def networks_of(kind):
    """The names of the networks of a `Kind`, in the order of the table."""
    return [net for net, network in NETWORKS.items() if network.kind is kind]


def takers_of(setting):
    """The networks that a setting is for, in the order of the table: a list of names."""
    takers = [
        net
        for net, network in NETWORKS.items()
        if setting in network.layers or setting in network.kind.settings
    ]
    return takers or [*NETWORKS]
