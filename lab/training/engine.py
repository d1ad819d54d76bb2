"""Compiled models: built for a run, and used again by the runs that follow and differ in nothing
that was compiled in.
"""

import gc
import math
import operator
from collections.abc import Callable
from typing import NamedTuple

import keras
import tensorflow as tf

from lab.backend import devices, introspection, networks, own_networks, private, resident
from lab.backend.gan import GAN
from lab.backend.quick import decay, dropouts_of, quicken
from lab.data import Arrays
from lab.settings import arguments_of
from lab.training.notes import notes_on

# What a compiled model does not depend on. The rates among them are variables of the optimizers,
# and so is the strength of the weight decay, if there is any: a schedule has to change these
# variables while training, and must not be compiled in.
_FREE = {
    "seed",
    "epochs",
    "early_stopping",
    "sample_every",
    "learning_rate",
    "discriminator_learning_rate",
}
_FREE |= {"schedule", "warmup"}


class Engine(NamedTuple):
    """A compiled model, the function that trains it, and what they were made for."""

    compiled_in: dict
    arrays: Arrays
    model: keras.Model
    strength: tf.Variable  # of the weight decay
    fit: Callable  # as `resident.prepare` gives it
    notes: list  # as of `notes_on`


_latest = None


def compiled_model(settings, input_shape, classes=10):
    """The network of a run, its weights drawn with the run's seed, ready for `resident.prepare`."""
    private.name_layers_anew()
    model = networks.build(**dict(settings), input_shape=input_shape, classes=classes)
    if settings.is_gan:
        return _compiled_gan(settings, model)
    optimizer = keras.optimizers.get(settings.optimizer)
    optimizer.learning_rate = settings.learning_rate
    private.train_on_one_device(optimizer)
    loss = "sparse_categorical_crossentropy"
    if settings.label_smoothing:
        loss = keras.losses.CategoricalCrossentropy(label_smoothing=settings.label_smoothing)
    model.compile(optimizer, loss=loss, metrics=["accuracy"])
    return model


def _compiled_gan(settings, networks):
    saturating = settings.generator_loss == "saturating"
    gan = GAN(
        networks,
        settings.latent,
        settings.unroll,
        settings.label_smoothing,
        saturating,
        settings.seed,
    )
    of_generator = keras.optimizers.Adam(settings.learning_rate, *settings.betas)
    of_discriminator = keras.optimizers.Adam(
        settings.discriminator_learning_rate, *settings.discriminator_betas
    )
    gan.compile(of_generator, of_discriminator)
    return gan


def networks_of(model):
    """What is saved of a model that can be trained: itself, or a GAN's two networks."""
    return getattr(model, "networks", model)


def compiled_in(settings):
    """What of some settings a compiled model depends on: a dict."""
    if settings.is_own_net:  # whose function may make anything of what it gets
        taken = arguments_of(settings)
        return {
            name: value
            for name, value in settings
            if "**" in taken or name not in _FREE - taken | {"seed"}
        }
    found = {name: value for name, value in settings if name not in _FREE}
    return found | {"regularizer_strength": settings.regularizer_strength > 0}


def engine_for(settings, arrays, model):
    """An engine for a run, in the state of its model; and whether it is a new one, still to be
    compiled.

    Tracing and compiling take as long as several epochs of a small net. What they give depends
    neither on the seed nor on the learning rate, the strength of the weight decay or the number of
    epochs: a process compiles once for all the runs that follow each other and differ in nothing
    else.
    """
    global _latest
    needed = compiled_in(settings)
    if not introspection.is_reviewed(networks_of(model)):
        needed["seed"] = settings.seed  # what a user's own operations have drawn is part of them
    old = (
        _latest
        and _latest.compiled_in == needed
        and all(map(operator.is_, _latest.arrays.arrays, arrays.arrays))
    )
    if not old:
        _latest = None  # its memory may be needed, and is full of circles
        gc.collect()
        notes = _notes(settings, arrays, model) if settings.is_own_net else []
        copy = compiled_model(settings, *arrays.kind)
        quicken(copy)
        strength = tf.Variable(0.0)
        if not settings.is_own_net:
            decay(copy, settings.regularizer, strength)
        _latest = Engine(needed, arrays, copy, strength, _prepare(settings, arrays, copy), notes)
    if not settings.is_gan:
        model.optimizer.build(model.trainable_variables)
    copy_state(model, _latest.model)
    _latest.strength.assign(settings.regularizer_strength)
    return _latest, not old


def _notes(settings, arrays, model):
    """What the user should know of a network of their own, for which another is built, of another
    seed.

    To be called before the engine's own is built, which sets all random states anew.
    """
    try:
        other = compiled_model(settings.replace(seed=settings.seed ^ 1), *arrays.kind)
    except own_networks.NetworkError:  # of that seed alone
        return []
    return notes_on(settings.net, model, other, arrays.train_images)


def _prepare(settings, arrays, model):
    """The function that trains this model."""
    batches = resident.Batches(
        settings.batch_size, settings.steps_per_epoch, shares=devices.shares_of(settings)
    )
    dropouts = dropouts_of(model)
    if resident.suits_xla(model, dropouts):
        batches = batches._replace(dropouts=dropouts)
    if not settings.is_gan:
        if settings.label_smoothing:  # as Keras smooths vectors only
            labels = [
                keras.utils.to_categorical(part, len(arrays.classes)) for part in arrays[1:4:2]
            ]
            arrays = arrays._replace(train_labels=labels[0], validation_labels=labels[1])
        return resident.prepare(
            model,
            arrays.train,
            batches._replace(shift=settings.shift),
            validation_data=arrays.validation,
        )
    chunk = resident.suitable_chunk(model, settings.batch_size, settings.steps_per_epoch)
    chunk = math.ceil(chunk / (1 + settings.unroll))
    return resident.prepare(
        model, arrays[:1], batches._replace(steps_per_chunk=chunk, noise=model.draw_latents)
    )


def copy_state(source, target):
    """Copy the state of one model to another that is built alike."""
    set_state(target, state_of(source))


def set_state(model, values):
    """Give a model the state that these values, one for each of `state_of`, were taken of."""
    for variable, value in zip(state_of(model), values, strict=True):
        variable.assign(value)


def state_of(model):
    """All that training changes: the variables of weights, moving averages, random states, and of
    the optimizers.
    """
    return model.variables + [
        variable for optimizer in resident.optimizers_of(model) for variable in optimizer.variables
    ]
