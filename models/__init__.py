"""The networks, by name. Pure Keras: no files, no flags, no figures."""

from models.classifiers import build_conv_net, build_dense_net, build_filter_net

NETWORKS = {"dense": build_dense_net, "conv": build_conv_net, "filter": build_filter_net}


def build(name, **settings):
    """Build the network called ``name``, a key of NETWORKS, with its builder's keyword arguments."""
    return NETWORKS[name](**settings)
