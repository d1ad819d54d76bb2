"""Initial weights and random layers that a seed determines.

Keras draws the seeds that it is not given in the same way, but from Python's generator for the
whole process, on which other threads, as a Dask worker's, may draw too.
"""

import math

import keras


def following(seeds):
    """The next seed of a ``random.Random``."""
    return seeds.randint(1, 10**9)


def initial(name, seeds):
    """An initializer with the next seed of a ``random.Random``.

    Parameters
    ----------
    name : str
        "glorot_uniform" (Glorot and Bengio 2010), or "orthogonal" (Saxe et al. 2014, arXiv
        1312.6120), with the gain of about the square root of 2 that the notebook of Metz et al.
        2017 has.
    seeds : random.Random

    Returns
    -------
    keras.initializers.Initializer
    """
    if name == "orthogonal":
        return keras.initializers.Orthogonal(math.sqrt(2), seed=following(seeds))
    return keras.initializers.GlorotUniform(seed=following(seeds))
