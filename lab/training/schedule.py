"""The learning rates in the course of a run."""

import numpy as np


def rate_at(settings, times):
    """The learning rate of steps that begin at these times; of a GAN the generator's and the
    discriminator's.

    It rises from 0 along a line while it warms up, and then stays, or falls to 0 as half a cosine
    (Loshchilov and Hutter 2017, arXiv 1608.03983): the numbers of
    `keras.optimizers.schedules.CosineDecay`.

    Parameters
    ----------
    settings : Settings
    times : float array
        In epochs.

    Returns
    -------
    float array, of the same shape; of a GAN with a last axis of two
    """
    left = np.ones_like(times)
    if settings.schedule == "cosine":
        left = (
            1 + np.cos(np.pi * (times - settings.warmup) / (settings.epochs - settings.warmup))
        ) / 2
    rising = times / settings.warmup if settings.warmup else left
    share = np.where(times < settings.warmup, rising, left)
    if settings.is_gan:
        return share[..., np.newaxis] * [
            settings.learning_rate,
            settings.discriminator_learning_rate,
        ]
    return settings.learning_rate * share
