"""Models that are trained: how one of each kind is compiled, and the engine that is kept for the
runs that follow.

A run has two models. Its *own* is the one that is saved: Keras's layers as they are, with the
settings of this run. The engine's *copy* is the one that is trained. Its layers take faster ways to
the same numbers (`quicken`), which no saved model may depend on; and its loop is traced and
compiled, which takes as long as several epochs of a small net. What was compiled depends neither on
the seed nor on the learning rate, the strength of the weight decay or the number of epochs: a
process compiles once for all the runs that follow each other and differ in nothing else. The copy
starts from the state of the run's own model (`engine_for`), and in the end hands it its own.
"""

import gc
import math
import operator
import statistics
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from lab import runs
from lab.backend import devices, gan, introspection, networks, own_networks, private, resident
from lab.backend.quick import decay, dropouts_of, quicken
from lab.data import Arrays
from lab.metrics import classification
from lab.settings import CLASSIFIER, GAN, arguments_of
from lab.training.notes import notes_on
from lab.training.pictures import SamplePictures

MOST = 50  # earlier runs that are asked how long compiling took, the latest
_GROWN = 1.1  # by how much a loss is larger that has grown
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
    "schedule",
    "warmup",
}


class Training(NamedTuple):
    """How networks of a kind are trained: what differs between classifiers and GANs."""

    rates: tuple  # the settings that are learning rates: of each optimizer one
    compiled: Callable  # of settings and a network: the model that is trained
    prepared: Callable  # of settings, that model and arrays: as `resident.prepare` gives it
    # Of a recorder: a callback that draws what the network generates.
    pictures: Callable = lambda recorder: None
    # Of settings, a history and labels: what the network has not learned, as `doubt` says it.
    doubt: Callable = lambda settings, history, labels: None


def training_of(settings):
    """The `Training` of a network's kind."""
    return _TRAININGS[settings.kind.name]


def _compiled_classifier(settings, network):
    optimizer = keras.optimizers.get(settings.optimizer)
    optimizer.learning_rate = settings.learning_rate
    private.train_on_one_device(optimizer)
    loss = "sparse_categorical_crossentropy"
    if settings.label_smoothing:
        loss = keras.losses.CategoricalCrossentropy(label_smoothing=settings.label_smoothing)
    network.compile(optimizer, loss=loss, metrics=["accuracy"])
    return network


def _prepared_classifier(settings, model, arrays):
    dropouts = dropouts_of(model)
    batches = resident.Batches(
        settings.batch_size,
        shares=devices.shares_of(settings),
        shift=settings.shift,
        dropouts=dropouts if resident.suits_xla(model, dropouts) else (),
    )
    data = arrays.train, arrays.validation
    if settings.label_smoothing:  # as Keras smooths vectors only
        to_vectors, classes = keras.utils.to_categorical, len(arrays.classes)
        data = [(images, to_vectors(labels, classes)) for images, labels in data]
    return resident.prepare(model, data[0], batches, data[1])


def doubt(settings, history, labels):
    """What a classifier has not learned, and what to try; None if it has.

    Parameters
    ----------
    settings : Settings
    history : runs.History
    labels : int array
        Of the validation images.
    """
    first, last = history.curves["loss"][0], history.final["loss"]
    weaker = "a smaller -r or " if settings.regularizer_strength else ""
    if last > _GROWN * first:
        grown = f"the training loss grew from {first:.4f} to {last:.4f}"
        return f"{grown}: try {weaker}a smaller --learning-rate"
    accuracy = history.final["val_accuracy"]
    if not classification.is_at_chance(accuracy, labels):
        return None
    is_high = settings.learning_rate > settings.default("learning_rate")
    rate = "a smaller" if is_high else "another"
    chance = f"always the most frequent class: {classification.chance(labels):.4f}"
    ended = f"the validation accuracy ended at chance ({accuracy:.4f}; {chance})"
    return f"{ended}: try {weaker}{rate} --learning-rate, or more --epochs"


def _compiled_gan(settings, network):
    model = gan.GAN(
        network,
        settings.latent,
        settings.unroll,
        settings.label_smoothing,
        settings.generator_loss == "saturating",
        settings.seed,
    )
    adam = keras.optimizers.Adam
    model.compile(
        adam(settings.learning_rate, *settings.betas),
        adam(settings.discriminator_learning_rate, *settings.discriminator_betas),
    )
    return model


def _prepared_gan(settings, model, arrays):
    size, steps = settings.batch_size, settings.steps_per_epoch
    chunk = resident.suitable_chunk(model, size, steps) / (1 + settings.unroll)
    batches = resident.Batches(size, steps, math.ceil(chunk), noise=model.draw_latents)
    return resident.prepare(model, arrays[:1], batches)


_OF_GAN = "learning_rate", "discriminator_learning_rate"
_TRAININGS = {
    CLASSIFIER.name: Training(
        ("learning_rate",), _compiled_classifier, _prepared_classifier, doubt=doubt
    ),
    GAN.name: Training(_OF_GAN, _compiled_gan, _prepared_gan, SamplePictures),
}


def rate_at(settings, times):
    """The learning rates of steps that begin at these times.

    They rise from 0 along a line while they warm up, and then stay, or fall to 0 as half a cosine
    (Loshchilov and Hutter 2017, arXiv 1608.03983): the numbers of
    `keras.optimizers.schedules.CosineDecay`.

    Parameters
    ----------
    settings : Settings
    times : float array
        In epochs.

    Returns
    -------
    float array, of the same shape and a last axis: of one rate; of a GAN two, the generator's and
    the discriminator's
    """
    warmup, left = settings.warmup, np.ones_like(times)
    if settings.schedule == "cosine":
        left = (1 + np.cos(np.pi * (times - warmup) / (settings.epochs - warmup))) / 2
    if warmup:
        left = np.where(times < warmup, times / warmup, left)
    rates = [getattr(settings, name) for name in training_of(settings).rates]
    return left[..., np.newaxis] * rates


def compiled_model(settings, input_shape, classes=10):
    """The network of a run, its weights drawn with the run's seed, ready for `resident.prepare`."""
    private.name_layers_anew()
    network = networks.build(**dict(settings), input_shape=input_shape, classes=classes)
    return training_of(settings).compiled(settings, network)


def networks_of(model):
    """What is saved of a model that can be trained: itself, or a GAN's two networks."""
    return getattr(model, "networks", model)


class Engine(NamedTuple):
    """A compiled copy of a run's model, and what it was made for."""

    compiled_in: dict
    arrays: Arrays
    model: keras.Model
    strength: tf.Variable  # of the weight decay
    fit: Callable  # as `resident.prepare` gives it
    notes: list  # as of `notes_on`
    is_new: bool = True  # still to be compiled


_latest = None


def engine_for(settings, arrays, model):
    """An engine for a run, in the state of the run's own model."""
    global _latest
    needed = _compiled_in(settings)
    if not introspection.is_reviewed(networks_of(model)):
        needed["seed"] = settings.seed  # what a user's own operations have drawn is part of them
    fits = _latest and _latest.compiled_in == needed
    if fits and all(map(operator.is_, _latest.arrays.arrays, arrays.arrays)):
        _latest = _latest._replace(is_new=False)
    else:
        forget()
        notes = _notes(settings, arrays, model) if settings.is_own_net else []
        copy, strength = compiled_model(settings, *arrays.kind), tf.Variable(0.0)
        quicken(copy)
        if not settings.is_own_net:
            decay(copy, settings.regularizer, strength)
        fit = training_of(settings).prepared(settings, copy, arrays)
        _latest = Engine(needed, arrays, copy, strength, fit, notes)
    model.optimizer.build(model.trainable_variables)  # nothing, where it was built
    set_state(_latest.model, state_of(model))
    _latest.strength.assign(settings.regularizer_strength)
    return _latest


def forget():
    """Drop the engine of the latest run: its memory may be needed, and is full of circles."""
    global _latest
    _latest = None
    gc.collect()


def _compiled_in(settings):
    """What of some settings a compiled model depends on: a dict."""
    free = _FREE
    if settings.is_own_net:  # whose function may make anything of what it gets
        taken = arguments_of(settings)
        free = set() if "**" in taken else _FREE - taken | {"seed"}
    found = {name: value for name, value in settings if name not in free}
    if not settings.is_own_net:
        found["regularizer_strength"] = settings.regularizer_strength > 0
    return found


def compiling_seconds(settings, results_dir):
    """How long compiling took in the latest run that had the same compiled in, on the device in
    use; None if there is none.

    It is the first epoch less the median of the later ones.
    """
    needed = _compiled_in(settings)
    for run in runs.latest(results_dir, MOST):
        history, device = run.history, devices.running().name
        # On the same device, it does not matter how that was chosen.
        other = run.settings.replace(device=settings.device, threads=settings.threads)
        timed = history.device == device and history.compiled and history.steady_seconds
        same_net = (other.net, other.source) == (settings.net, settings.source)
        if timed and same_net and _compiled_in(other) == needed:
            return max(0.0, history.epoch_seconds[0] - statistics.median(history.steady_seconds))
    return None


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


def set_state(model, values):
    """Give a model the state that these values, one for each of `state_of`, were taken of."""
    for variable, value in zip(state_of(model), values, strict=True):
        variable.assign(value)


def state_of(model):
    """All that training changes: the variables of weights, moving averages, random states, and of
    the optimizers.
    """
    of_optimizers = (optimizer.variables for optimizer in resident.optimizers_of(model))
    return sum(of_optimizers, [*model.variables])


def fitting(settings, record, model):
    """What a checkpoint has to be like to be one of a run.

    Parameters
    ----------
    settings : Settings
    record : dict
        The content of the run's config.json.
    model : keras.Model
        That the run trains.

    Returns
    -------
    runs.Fitting
    """
    state = state_of(model)
    state_layout, weights = (
        [(tuple(variable.shape), str(variable.dtype)) for variable in variables]
        for variables in (state, model.weights)
    )
    return runs.Fitting(
        runs.identity(settings, record["dataset"]["sha256"]),
        settings.kind.curves,
        settings.epochs,
        settings.early_stopping,
        record["parameters"],
        state_layout,
        weights,
        [index for index, variable in enumerate(state) if variable.trainable],
        [index for index, variable in enumerate(state) if variable.name == "iteration"],
    )
