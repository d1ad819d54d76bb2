"""What happens beside a run's training: after each epoch its history is written, its weights kept, a line printed."""

import math
import signal
import threading
import time

import keras
from keras.callbacks import TensorBoard  # noqa: F401

from lab.console import Bar, say
from lab.runs import TRAINING, File, write_json


class Recorder(keras.callbacks.Callback):
    """Writes history.json after every epoch, keeps the epoch's weights, and stops when the loss is no number any more.

    Parameters
    ----------
    folder : Path
        Of the run.
    device : str
        Its name.
    title : str
        Of the run's figure.
    """

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
        write_json(self.folder / File.HISTORY, self.history(TRAINING))

    def history(self, status):
        """The content of history.json."""
        rows = self.finished[0]
        lists = {name: [row[name] for row in rows] for name in rows[0]}
        saved = {} if self.fault else {"saved_epoch": self.saved_epoch or len(rows)}
        seconds = time.perf_counter() - self.begin
        about = {"status": status, "device": self.device, "compiled": self.compiled, "total_seconds": seconds}
        return about | saved | lists


class Interrupt(keras.callbacks.Callback):
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


class ProgressLines(keras.callbacks.Callback):
    """A bar with the time left, where there is a terminal to draw it on, and a line for each finished epoch."""

    def __init__(self, epochs, recorder):
        super().__init__()
        self.epochs, self.recorder = epochs, recorder
        self.bar = Bar("compiling")

    def __enter__(self):
        self.bar.__enter__()
        return self

    def __exit__(self, kind, *error):
        self.bar.__exit__()
        epochs = len(self.recorder.finished[0])
        if kind is KeyboardInterrupt and epochs and not self.recorder.fault:
            say(f"\n{self.recorder.folder}: stopped; model and history of the first {epochs} epochs are saved.")

    def on_train_begin(self, logs=None):
        self.bar.restart(self.epochs * self.params["steps"])

    def on_train_batch_end(self, batch, logs=None):
        self.bar.advance(1, f"epoch {len(self.recorder.finished[0]) + 1}/{self.epochs}")

    def on_epoch_end(self, epoch, logs=None):
        width = len(str(self.epochs))
        numbers = "  ".join(f"{name} {value:.4f}" for name, value in logs.items())
        seconds = self.recorder.finished[0][-1]["epoch_seconds"]
        self.bar.say(f"epoch {epoch + 1:{width}}/{self.epochs}  {numbers}  {seconds:.2f} s")


def early_stopping(patience):
    """Stops after so many epochs without a better validation loss, and goes back to the weights of the best."""
    return keras.callbacks.EarlyStopping("val_loss", patience=patience, restore_best_weights=True)
