"""The networks: a function each, in pure Keras, and the table that names them.

Only the table is imported here, which needs no Keras.
"""
# ruff: noqa: F401

from models.networks import (
    CLASSIFIER,
    GAN,
    KINDS,
    LAYERS,
    NETWORKS,
    Kind,
    Rule,
    network_of,
    networks_of,
    takers_of,
)
