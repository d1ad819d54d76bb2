"""A run's network, built from its settings."""

import inspect
import pkgutil
from dataclasses import fields

import keras

from lab.backend.own_networks import build_own
from models import NETWORKS
from models.classifiers import Parts

# What Keras calls the precisions to compute in; weights are kept in float32.
_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def build(net, precision="float32", **settings):
    """Build a network with those of a run's settings that concern it.

    Parameters
    ----------
    net : str
        A key of `models.NETWORKS`; or "FILE.py:FUNCTION", with the file's content as ``source``
        among the settings.
    precision : "float32" or "bfloat16"
        That its layers compute in.
    settings
        Of these the network's builder gets what it has arguments for; as options, what `Parts` has.

    Returns
    -------
    keras.Sequential, not compiled
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(_POLICIES[precision])
    try:
        if net not in NETWORKS:
            return build_own(net, **settings)
        builder = pkgutil.resolve_name(NETWORKS[net].builder)
        known = set(inspect.signature(builder).parameters)
        if "options" in known:
            known |= {field.name for field in fields(Parts)}
        return builder(**{name: value for name, value in settings.items() if name in known})
    finally:  # also what a function of the user's own may have changed
        reset_keras()
        keras.config.set_dtype_policy(before)


def reset_keras():
    """Set Keras's global settings as they are from the start: others may have been made in this
    process, as in a notebook.
    """
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")
    keras.config.set_max_epochs(None)
    keras.config.set_max_steps_per_epoch(None)
