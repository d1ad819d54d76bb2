"""The networks, by name. Pure Keras: no files, no flags, no figures."""

from models.classifiers import build_conv_net, build_dense_net, build_filter_net, build_gan_classifier
from models.gans import build_conv_gan, build_dense_gan

NETWORKS = {
    "dense": build_dense_net,
    "conv": build_conv_net,
    "filter": build_filter_net,
    "gan-classifier": build_gan_classifier,
    "gan-conv": build_conv_gan,
    "gan-dense": build_dense_gan,
}


def build(name, **settings):
    """Build the network called ``name``, a key of NETWORKS, with its builder's keyword arguments."""
    return NETWORKS[name](**settings)
