"""Train one run: settings and arrays in, a folder on disk out."""

import math
import signal
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import keras
import tensorflow as tf
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeRemainingColumn

import models
from lab.backend import devices, resident
from lab.data import load as datasets
from lab.errors import UserError
from lab.figures import base as figures
from lab.metrics import intervals as estimates
from lab.runs import folders as runs
from lab.runs.files import atomic, write_json
from lab.settings import RunConfig
from lab.training import samples
from models import gans


def train(config, dataset, arrays, folder, device, *, name=None, overwrite=False, tensorboard=False, verbose=True):
    """Train a network and save the run.

    Parameters
    ----------
    config : RunConfig
    dataset : str
        The data set's name.
    arrays : datasets.Arrays
        What to train and validate on, as `datasets.find_for` gives it.
    folder : Path
        Of the run, as `runs.folder_of` gives it.
    device : str
        Name of the device in use.
    name : str
        What the run is called in its figure; by default as its folder.
    overwrite : bool
        Replace an older run.
    tensorboard : bool
        Also write TensorBoard's log, to ``folder / "tensorboard"``.
    verbose : bool
        Print the network and a line for each epoch.

    Returns
    -------
    dict
        What is in the run's history.json.

    Raises
    ------
    UserError
        If memory does not suffice, or the loss became NaN or infinite; then the history so far is kept.
    KeyboardInterrupt
        At Ctrl-C, after the model of the last finished epoch was saved.
    """
    try:
        build = partial(compiled_model, config, arrays.train_images.shape[1:], len(datasets.CLASSES[dataset]))
        model = build()
        if verbose:
            networks_of(model).summary(expand_nested=True)
        recorder = _Recorder(folder, device, f"{name or folder.name}: {dataset}, {config.describe()}")
        with runs.writing(folder, overwrite), _Interrupt() as interrupt:
            write_json(folder / "config.json", _record(config, dataset, arrays, model, device))
            callbacks = [recorder, interrupt]
            if config.is_gan:
                callbacks.insert(1, samples.Pictures(folder, config, arrays.train_images.shape[1:]))
            if tensorboard:
                callbacks.append(keras.callbacks.TensorBoard(folder / runs.TENSORBOARD))
            if not verbose:
                return _fit(config, arrays, build, model, recorder, callbacks)
            lines = _ProgressLines(config.epochs, recorder)
            try:
                with lines.bar:
                    return _fit(config, arrays, build, model, recorder, [*callbacks, lines])
            except KeyboardInterrupt:
                if recorder.finished[0] and not recorder.fault:
                    print(f"\n{folder}: stopped; model and history of the first {len(recorder.finished[0])} epochs are saved.")
                raise
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        raise UserError("not enough memory for this network: use fewer hidden units or a smaller batch") from error


def compiled_model(config, input_shape, classes):
    """The network of a run, its weights drawn with the run's seed, ready for `resident.fit`.

    With ``config.precision`` bfloat16, layers compute in it and keep their weights in float32.
    """
    keras.utils.clear_session(free_memory=False)  # layers are named alike in every run of a process
    keras.config.set_dtype_policy({"float32": "float32", "bfloat16": "mixed_bfloat16"}[config.precision])
    shape = {"hidden": config.hidden} if config.hidden else {}
    if config.is_gan:
        return _compiled_gan(config, models.build(config.net, input_shape=input_shape, seed=config.seed, **shape))
    model = models.build(
        config.net,
        regularizer_strength=config.regularizer_strength,
        activation=config.activation,
        regularizer=config.regularizer,
        batch_norm=config.batch_norm,
        dropout=config.dropout,
        input_shape=input_shape,
        classes=classes,
        seed=config.seed,
        **shape,
    )
    optimizer = keras.optimizers.get(config.optimizer)
    if config.learning_rate is not None:
        optimizer.learning_rate = config.learning_rate
    model.compile(optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def _compiled_gan(config, networks):
    options = config.gan_options()
    gan = gans.GAN(networks, seed=config.seed, **{name: options[name] for name in ("latent", "unroll", "label_smoothing")})
    adams = [
        keras.optimizers.Adam(options[f"{prefix}learning_rate"], *options[f"{prefix}betas"])
        for prefix in ("", "discriminator_")
    ]
    gan.compile(*adams)
    return gan


def networks_of(model):
    """What is saved of a model that can be trained: itself, or a GAN's two networks."""
    return getattr(model, "networks", model)


def summary(history, folder):
    """What a run took and where it lies, in two lines."""
    first, *later = history["epoch_seconds"]
    times = f"first epoch {first:.2f} s" + (f", median of the later ones {statistics.median(later):.3f} s" if later else "")
    files = ", ".join(sorted(path.name for path in folder.iterdir() if not path.name.startswith(".")))
    return f"Trained in {history['total_seconds']:.1f} s on {history['device']}: {times}.\n{folder}: {files}"


def _record(config, dataset, arrays, model, device):
    options = {}
    if config.is_gan:  # what None stands for in the settings
        options["gan_options"] = config.gan_options() | {"steps_per_epoch": _steps_per_epoch(config, arrays)}
    return options | {
        "settings": config.to_json(),
        "parameters": networks_of(model).count_params(),
        "dataset": {
            "name": dataset,
            "sha256": datasets.fingerprint(arrays),
            "train": len(arrays.train_images),
            "validation": len(arrays.validation_images),
        },
        "device": device,
        "versions": devices.versions(),
        "commit": runs.commit(),
    }


def _fit(config, arrays, build, model, recorder, callbacks):
    stopper = None
    if config.early_stopping:
        stopper = keras.callbacks.EarlyStopping("val_loss", patience=config.early_stopping, restore_best_weights=True)
        callbacks = [*callbacks, stopper]
    engine, recorder.compiled = _engine_for(config, arrays, build, model)
    try:
        engine.fit(epochs=config.epochs, seed=config.seed, callbacks=callbacks)
    except KeyboardInterrupt:
        rows, weights = recorder.finished
        if recorder.fault:
            _finish(recorder, None, runs.DIVERGED)
        elif rows:
            _copy_state(engine.model, model)
            model.set_weights(weights)
            _finish(recorder, model, runs.INTERRUPTED)
        raise
    if recorder.fault:
        _finish(recorder, None, runs.DIVERGED)
        rates = "--learning-rate or --discriminator-learning-rate" if config.is_gan else "--learning-rate"
        raise UserError(f"{recorder.fault}: try a smaller {rates}. The history so far is kept")
    if stopper:
        recorder.saved_epoch = stopper.best_epoch + 1
    _copy_state(engine.model, model)
    return _finish(recorder, model, runs.COMPLETE)


class _Engine(NamedTuple):
    """A compiled model, the function that trains it, and what they were made for."""

    config: RunConfig
    arrays: datasets.Arrays
    model: keras.Model
    strength: tf.Variable  # of the weight decay
    fit: Callable


_latest = None


def _engine_for(config, arrays, build, model):
    """An engine for a run, in the state of its model; and whether it is a new one, still to be compiled.

    Tracing and compiling take as long as several epochs of a small net. What they give depends neither on the seed nor on the
    learning rate, the strength of the weight decay or the number of epochs: a process compiles once for all the runs that
    follow each other and differ in nothing else.
    """
    global _latest
    free = {"seed": 0, "learning_rate": None, "epochs": 1, "early_stopping": None}
    free |= {"discriminator_learning_rate": None, "sample_every": None}
    key = replace(config, regularizer_strength=float(config.regularizer_strength > 0), **free)
    new = _latest is None or _latest.config != key or any(mine is not other for mine, other in zip(_latest.arrays, arrays))
    if new:
        _latest = None  # its memory may be needed
        copy = build()
        strength = tf.Variable(0.0)
        for layer in copy.layers:
            if getattr(layer, "kernel_regularizer", None):
                setattr(layer.kernel_regularizer, config.regularizer, strength)
        _latest = _Engine(key, arrays, copy, strength, _prepare(config, arrays, copy))
    if not config.is_gan:
        model.optimizer.build(model.trainable_variables)
    _copy_state(model, _latest.model)
    _latest.strength.assign(config.regularizer_strength)
    return _latest, new


def _prepare(config, arrays, model):
    """The function that trains this model."""
    if not config.is_gan:
        return resident.prepare(model, arrays[:2], validation_data=arrays[2:], batch_size=config.batch_size)
    steps = _steps_per_epoch(config, arrays)
    chunk = math.ceil(resident.suitable_chunk(model, config.batch_size, steps) / (1 + config.unroll))
    options = {"steps_per_epoch": steps, "steps_per_chunk": chunk, "noise": model.draw_latents}
    return resident.prepare(model, arrays[:1], batch_size=config.batch_size, **options)


def _steps_per_epoch(config, arrays):
    """Of a GAN: as many as are set, but no more than the data have whole batches."""
    batches = len(arrays.train_images) // config.batch_size
    return min(config.gan_options()["steps_per_epoch"] or batches, batches)


def _copy_state(source, target):
    """Copy all that training changes: weights, moving averages, random states, and the optimizers' variables."""
    for mine, other in zip(_state(source), _state(target), strict=True):
        other.assign(mine)


def _state(model):
    optimizers = model.optimizers if isinstance(model, gans.GAN) else [model.optimizer]
    return model.variables + [variable for optimizer in optimizers for variable in optimizer.variables]


def _finish(recorder, model, status):
    """Write what comes after the last epoch; history.json last, since it is what calls the run complete."""
    folder = recorder.folder
    if model is not None:
        with atomic(folder / "model.keras") as temporary:
            networks_of(model).save(temporary)
    history = recorder.history(status)
    figures.save(figures.learning_curve(estimates.curves([history]), recorder.title), folder / "learning_curve.png")
    if (folder / runs.SAMPLES).exists():
        samples.animate(folder)
    write_json(folder / "history.json", history)
    return history


class _Interrupt(keras.callbacks.Callback):
    """Takes Ctrl-C between two chunks only: raised inside TensorFlow it can end the process, and what comes after the last
    epoch is to be written whole."""

    def __enter__(self):
        self.pressed = False
        self.before = signal.getsignal(signal.SIGINT)
        # Only the main thread may; and a process in the background was told to ignore it.
        self.in_charge = threading.current_thread() is threading.main_thread() and self.before != signal.SIG_IGN
        if self.in_charge:
            signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(self, *error):
        if self.in_charge:
            signal.signal(signal.SIGINT, self.before)
        if self.pressed and not any(error):
            raise KeyboardInterrupt

    def _press(self, number, frame):
        self.pressed = True
        signal.signal(signal.SIGINT, self.before)  # a second Ctrl-C does not wait

    def on_train_batch_end(self, batch, logs=None):
        if self.pressed:
            raise KeyboardInterrupt

    def on_epoch_end(self, epoch, logs=None):
        self.on_train_batch_end(None)


class _Recorder(keras.callbacks.Callback):
    """Writes history.json after every epoch, keeps the epoch's weights, and stops when the loss is no number any more."""

    def __init__(self, folder, device, title):
        super().__init__()
        self.folder, self.device, self.title = folder, device, title
        self.saved_epoch = 0
        self.fault = None
        self.compiled = True  # the first epoch contains the compiling
        # What each finished epoch gave, and the weights after the last one: set in one go, so that an interrupt cannot fall
        # between them.
        self.finished = [], None

    def on_train_begin(self, logs=None):
        self.begin = time.perf_counter()

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch_begin = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        row = {name: float(value) for name, value in logs.items()}
        row["epoch_seconds"] = time.perf_counter() - self.epoch_begin
        self.finished = [*self.finished[0], row], self.model.get_weights()
        if not all(math.isfinite(value) for name, value in row.items() if name.endswith("loss")):
            self.fault = f"the loss is not a finite number after epoch {epoch + 1}"
            self.model.stop_training = True
        self.write(runs.TRAINING)

    def history(self, status):
        rows = self.finished[0]
        lists = {name: [row[name] for row in rows] for name in rows[0]}
        saved = {} if self.fault else {"saved_epoch": self.saved_epoch or len(rows)}
        seconds = time.perf_counter() - self.begin
        about = {"status": status, "device": self.device, "compiled": self.compiled, "total_seconds": seconds}
        return about | saved | lists

    def write(self, status):
        write_json(self.folder / "history.json", self.history(status))


class _ProgressLines(keras.callbacks.Callback):
    """A bar with the time left, where there is a terminal to draw it on, and a line for each finished epoch."""

    def __init__(self, epochs, recorder):
        super().__init__()
        self.epochs, self.recorder = epochs, recorder
        console = Console()
        columns = "{task.description}", BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
        off = not console.is_terminal
        self.bar = Progress(*columns, console=console, transient=True, refresh_per_second=4, disable=off)

    def on_train_begin(self, logs=None):
        self.task = self.bar.add_task("compiling", total=self.epochs * self.params["steps"])

    def on_epoch_begin(self, epoch, logs=None):
        self.name = f"epoch {epoch + 1}/{self.epochs}"

    def on_train_batch_end(self, batch, logs=None):
        self.bar.update(self.task, advance=1, description=self.name)

    def on_epoch_end(self, epoch, logs=None):
        width = len(str(self.epochs))
        numbers = "  ".join(f"{name} {value:.4f}" for name, value in logs.items())
        seconds = self.recorder.finished[0][-1]["epoch_seconds"]
        line = f"epoch {epoch + 1:{width}}/{self.epochs}  {numbers}  {seconds:.2f} s"
        self.bar.console.print(line, highlight=False, soft_wrap=True)
