"""What happens beside a run's training: after each epoch its history is written, its weights kept, a line printed; of a GAN,
a picture of its samples is drawn."""

import math
import signal
import threading
import time

import keras
from keras.callbacks import EarlyStopping, LambdaCallback, TensorBoard  # noqa: F401
from PIL import Image

from lab.backend import gan, inference
from lab.console import Bar, say
from lab.data import ring
from lab.figures import captioned, samples
from lab.runs import SAMPLES, TRAINING, File, atomic, sample_paths, save_figures, write_json

SAMPLED, SAMPLED_POINTS = 100, 2_500  # in a picture of samples
MOST_FRAMES = 200  # of their animation, each of which takes a third of a megabyte while it is made


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
        seconds = self.recorder.finished[0][-1]["epoch_seconds"]
        self.bar.say(f"epoch {epoch + 1:{width}}/{self.epochs}  {_in_words(logs)}  {seconds:.2f} s")


def _in_words(logs):
    """Metrics in a line, each with that of the validation images behind it: a classifier's fits into 80 columns."""
    parts = {name: f"{name} {value:.4f}" for name, value in logs.items()}
    for name in [name for name in logs if f"val_{name}" in logs]:
        parts[name] += f" (val {logs[f'val_{name}']:.4f})"
        del parts[f"val_{name}"]
    return "  ".join(parts.values())


class SamplePictures(keras.callbacks.Callback):
    """Writes ``samples/epoch_0000.png`` before a GAN's training, and more in its course, always of the same latent vectors.

    Parameters
    ----------
    folder : Path
        Of the run.
    settings : Settings
    shape : tuple of int
        Of an image, or of a point.
    """

    def __init__(self, folder, settings, shape):
        super().__init__()
        self.folder, self.settings = folder / SAMPLES, settings
        count = SAMPLED_POINTS if len(shape) == 1 else SAMPLED
        self.latents = gan.draw_latents(settings.latent, count, settings.seed)

    def on_train_begin(self, logs=None):
        self.folder.mkdir()
        self.write(0)

    def on_epoch_end(self, epoch, logs=None):
        due = (epoch + 1) % self.settings.sample_every == 0 or epoch + 1 == self.settings.epochs
        if due and not self.model.stop_training:  # as a loss that is no number stops it: such weights are not worth a picture
            self.write(epoch + 1)

    def write(self, epoch):
        generated = inference.generate(self.model.generator, self.latents)
        save_figures({f"epoch_{epoch:04}.png": samples(generated, ring.MODES)}, self.folder, vector=False)


def animate(folder):
    """Write ``samples.gif`` of the pictures that a run has in ``samples/``, each below its epoch, of some if they are many."""
    paths = sample_paths(folder, MOST_FRAMES)
    frames = [captioned(Image.open(path), f"epoch {epoch}").quantize() for epoch, path in paths.items()]
    milliseconds = [max(60, min(500, 15_000 // len(frames)))] * (len(frames) - 1) + [2_000]
    with atomic(folder / File.ANIMATION) as temporary:
        frames[0].save(temporary, save_all=True, append_images=frames[1:], duration=milliseconds, loop=0)
