"""Train one run: settings and arrays in, a folder on disk out."""

import math
import signal
import statistics
import threading
import time

import keras
import tensorflow as tf
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeRemainingColumn

import models
from lab import datasets, devices, figures, runs
from lab.errors import UserError
from lab.files import atomic, write_json
from models import resident


def train(config, dataset, arrays, folder, device, *, overwrite=False, tensorboard=False):
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
    overwrite : bool
        Replace an older run.
    tensorboard : bool
        Also write TensorBoard's log, to ``folder / "tensorboard"``.

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
        model = compiled_model(config, arrays.train_images.shape[1:], len(datasets.CLASSES[dataset]))
        model.summary()
        recorder = _Recorder(folder, device, f"{folder.name}: {dataset}, {config.describe()}")
        with runs.writing(folder, overwrite), _Interrupt() as interrupt:
            write_json(folder / "config.json", _record(config, dataset, arrays, model, device))
            return _fit(config, arrays, model, recorder, interrupt, tensorboard)
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        raise UserError("not enough memory for this network: use fewer hidden units or a smaller batch") from error


def compiled_model(config, input_shape, classes):
    """The network of a run, its weights drawn with the run's seed, ready for `resident.fit`."""
    keras.utils.set_random_seed(config.seed)
    shape = {"hidden": config.hidden} if config.net == "dense" else {}
    model = models.build(
        config.net,
        regularizer_strength=config.regularizer_strength,
        activation=config.activation,
        regularizer=config.regularizer,
        batch_norm=config.batch_norm,
        dropout=config.dropout,
        input_shape=input_shape,
        classes=classes,
        **shape,
    )
    optimizer = keras.optimizers.get(config.optimizer)
    if config.learning_rate is not None:
        optimizer.learning_rate = config.learning_rate
    model.compile(optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def summary(history, folder):
    """What a run took and where it lies, in two lines."""
    first, *later = history["epoch_seconds"]
    times = f"first epoch {first:.2f} s" + (f", median of the later ones {statistics.median(later):.3f} s" if later else "")
    files = ", ".join(sorted(path.name for path in folder.iterdir() if not path.name.startswith(".")))
    return f"Trained in {history['total_seconds']:.1f} s on {history['device']}: {times}.\n{folder}: {files}"


def _record(config, dataset, arrays, model, device):
    return {
        "settings": config.to_json(),
        "parameters": model.count_params(),
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


def _fit(config, arrays, model, recorder, interrupt, tensorboard):
    lines = _ProgressLines(config.epochs, recorder)
    callbacks = [recorder, lines, interrupt]
    stopper = None
    if config.early_stopping:
        stopper = keras.callbacks.EarlyStopping("val_loss", patience=config.early_stopping, restore_best_weights=True)
        callbacks.append(stopper)
    if tensorboard:
        callbacks.append(keras.callbacks.TensorBoard(recorder.folder / runs.TENSORBOARD))
    try:
        with lines.bar:
            resident.fit(
                model,
                (arrays.train_images, arrays.train_labels),
                validation_data=(arrays.validation_images, arrays.validation_labels),
                batch_size=config.batch_size,
                epochs=config.epochs,
                seed=config.seed,
                callbacks=callbacks,
            )
    except KeyboardInterrupt:
        rows, weights = recorder.finished
        if recorder.fault:
            _finish(recorder, None, runs.DIVERGED)
        elif rows:
            model.set_weights(weights)
            _finish(recorder, model, runs.INTERRUPTED)
        raise
    if recorder.fault:
        _finish(recorder, None, runs.DIVERGED)
        raise UserError(f"{recorder.fault}: try a smaller --learning-rate. The history so far is in {recorder.folder}")
    if stopper:
        recorder.saved_epoch = stopper.best_epoch + 1
    return _finish(recorder, model, runs.COMPLETE)


def _finish(recorder, model, status):
    """Write what comes after the last epoch; history.json last, since it is what calls the run complete."""
    folder = recorder.folder
    if model is not None:
        with atomic(folder / "model.keras") as temporary:
            model.save(temporary)
    history = recorder.history(status)
    figures.save(figures.learning_curve(history, recorder.title), folder / "learning_curve.png")
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
        if not all(math.isfinite(row[name]) for name in ("loss", "val_loss")):
            self.fault = f"the loss is not a finite number after epoch {epoch + 1}"
            self.model.stop_training = True
        self.write(runs.TRAINING)

    def history(self, status):
        rows = self.finished[0]
        lists = {name: [row[name] for row in rows] for name in rows[0]}
        saved = {} if self.fault else {"saved_epoch": self.saved_epoch or len(rows)}
        seconds = time.perf_counter() - self.begin
        return {"status": status, "device": self.device, "total_seconds": seconds, **saved, **lists}

    def write(self, status):
        write_json(self.folder / "history.json", self.history(status))


class _ProgressLines(keras.callbacks.Callback):
    """A bar within the epoch, where there is a terminal to draw it on, and a line for each finished epoch."""

    def __init__(self, epochs, recorder):
        super().__init__()
        self.epochs, self.recorder = epochs, recorder
        console = Console()
        columns = "{task.description}", BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
        off = not console.is_terminal
        self.bar = Progress(*columns, console=console, transient=True, refresh_per_second=4, disable=off)

    def on_train_begin(self, logs=None):
        self.task = self.bar.add_task("compiling", total=self.epochs * self.params["steps"])

    def on_train_batch_end(self, batch, logs=None):
        self.bar.update(self.task, advance=1, description="training")

    def on_epoch_end(self, epoch, logs=None):
        width = len(str(self.epochs))
        numbers = "  ".join(f"{name} {value:.4f}" for name, value in logs.items())
        seconds = self.recorder.finished[0][-1]["epoch_seconds"]
        line = f"epoch {epoch + 1:{width}}/{self.epochs}  {numbers}  {seconds:.2f} s"
        self.bar.console.print(line, highlight=False, soft_wrap=True)
