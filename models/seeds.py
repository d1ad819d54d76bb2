"""Initial weights and random layers that a seed determines.

Keras draws the seeds that it is not given in the same way, but from Python's generator for the whole process, on which other
threads, as a Dask worker's, may draw too.
"""

import keras


def following(seeds):
    """The next seed of a ``random.Random``."""
    return seeds.randint(1, 10**9)


def glorot(seeds):
    """Glorot's uniform initializer (Glorot and Bengio 2010) with the next seed."""
    return keras.initializers.GlorotUniform(seed=following(seeds))
