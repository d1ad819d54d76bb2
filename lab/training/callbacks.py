"""What happens beside a run's training: after each epoch its history is written, its state kept, a
line printed; of a GAN, a picture of its samples is drawn.
"""

import contextlib
import math
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras.callbacks import EarlyStopping, TensorBoard

from lab import runs
from lab.backend import devices, gan, inference, private
from lab.console import Bar, say
from lab.data import GAUSSIANS, MOST_OF_SAMPLES, picture_in
from lab.figures import captioned, samples
from lab.io.signals import interrupt_of
from lab.io.words import first_line
from lab.runs import File, atomic, write_json
from lab.settings import FLAGS, text
from lab.training import earlier, engine

INTERVAL = 10  # seconds between two checkpoints, at least
PATIENCE = 6  # seconds for the chunk that is computed when a signal comes
LONG = 5  # seconds, compiling: the user is told how long it took the last time

SAMPLED, SAMPLED_POINTS = 100, 2_500  # in a picture of samples
KEPT, KEPT_NUMBERS = (
    500,
    400_000,
)  # images of an epoch that are kept, to be measured; fewer of large ones
MOST_FRAMES = 200  # of their animation, each of which takes a third of a megabyte while it is made


class Beginning(NamedTuple):
    """What a run begins with."""

    found: runs.Checkpoint | None  # that it is resumed from
    identity: str  # as of `runs.identity`
    # Called once, when the first epoch has ended, before anything else is written: with the
    # content of history.json.
    write: Callable[[dict], None]


class Listeners(NamedTuple):
    """A run's callbacks, in the order in which they are called; None for those that it does
    without.
    """

    recorder: keras.callbacks.Callback
    samples: keras.callbacks.Callback | None
    tensorboard: keras.callbacks.Callback | None
    watch: keras.callbacks.Callback | None
    stopper: keras.callbacks.Callback | None
    checkpoints: keras.callbacks.Callback


def listeners_for(settings, output, title, beginning, watch=None):
    """The callbacks of a run.

    Parameters
    ----------
    settings : Settings
    output : runs.Output
    title : str
        Of the run's figure.
    beginning : Beginning
    watch : function, optional
        As of `Watch`.
    """
    stopper, patience = None, settings.early_stopping
    if patience:
        stopper = EarlyStopping("val_loss", patience=patience, restore_best_weights=True)
    recorder = Recorder(output.folder, title, beginning)
    return Listeners(
        recorder,
        SamplePictures(output.folder, settings, recorder.found is not None)
        if settings.is_gan
        else None,
        Log(output, settings) if output.tensorboard else None,
        watch and Watch(watch),
        stopper,
        Checkpoints(recorder, stopper),
    )


class Recorder(keras.callbacks.Callback):
    """Writes history.json after every epoch, keeps the epoch's state, and stops when the loss is
    no number any more.

    Parameters
    ----------
    folder : Path
        Of the run.
    title : str
        Of its figure.
    beginning : Beginning
    """

    def __init__(self, folder, title, beginning):
        super().__init__()
        self.found, self.identity, self.write = beginning  # to write is None, once it was done
        found = self.found
        self.folder, self.title, self.device = folder, title, devices.running().name
        self.saved_epoch = 0
        self.fault = None
        self.notes = []  # as of `notes.notes_on`
        self.compiled = (
            found.about.compiled if found else True
        )  # the first epoch contains the compiling
        # What each finished epoch gave, and the model's state after the last one: set in one go,
        # so that an interrupt cannot fall between them.
        self.finished = (found.rows, found.state) if found else ([], None)
        # Once, be it that the run was broken off again before its next epoch had ended.
        self.resumed = sorted({*found.about.resumed, len(found.rows)}) if found else []
        self.before = found.about.seconds if found else 0.0

    def go_on_with(self, model, compiled):
        """Train with this model from the state that was found, if one was; it is a new one, still
        to be compiled, or not.
        """
        if self.found:
            engine.set_state(model, self.found.state)
        else:
            self.compiled = compiled

    def on_train_begin(self, logs=None):
        self.begin = time.perf_counter()
        start = devices.seconds_since_start()
        self.start = {} if start is None or self.found else {"start_seconds": start}

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch_begin = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        row = {name: float(value) for name, value in logs.items()}
        row["epoch_seconds"] = time.perf_counter() - self.epoch_begin
        state = [keras.ops.convert_to_numpy(variable) for variable in engine.state_of(self.model)]
        self.finished = [*self.finished[0], row], state
        if not all(math.isfinite(value) for name, value in row.items() if name.endswith("loss")):
            self.fault = f"the loss is not a finite number after epoch {epoch + 1}"
            self.model.stop_training = True
        if self.write:
            self.write(self.history(runs.TRAINING))
            self.write = None
        else:  # not synced: after a power cut, it is in the checkpoint
            write_json(self.folder / File.HISTORY, self.history(runs.TRAINING), sync=False)

    @property
    def seconds(self):
        """That the training has taken."""
        return self.before + time.perf_counter() - self.begin

    def history(self, status):
        """The content of history.json."""
        rows = self.finished[0]
        lists = {name: [row[name] for row in rows] for name in rows[0]}
        saved = {} if self.fault else {"saved_epoch": self.saved_epoch or len(rows)}
        about = {
            "status": status,
            "device": self.device,
            "compiled": self.compiled,
            "total_seconds": self.seconds,
        }
        about |= {"notes": "\n".join(self.notes)} if self.notes else {}
        return (
            about | self.start | ({"resumed": self.resumed} if self.resumed else {}) | saved | lists
        )


class Checkpoints(keras.callbacks.Callback):
    """Writes what the run needs to go on, after an epoch, but not more often than every `INTERVAL`
    seconds.

    Behind all callbacks whose state it keeps.

    Parameters
    ----------
    recorder : Recorder
    stopper : EarlyStopping or None
    """

    def __init__(self, recorder, stopper):
        super().__init__()
        self.recorder, self.stopper, self.found = recorder, stopper, recorder.found
        self.writing = threading.Lock()

    @property
    def stopped_early(self):
        """Whether the run had stopped early, and was broken off only while its last files were
        written.
        """
        stopping = self.found and self.found.about.stopping
        return bool(stopping and stopping.stopped_epoch)

    def on_train_begin(self, logs=None):
        self.written = time.monotonic()
        if self.found and self.stopper:  # which has forgotten everything just now
            for name, value in self.found.about.stopping or ():
                setattr(self.stopper, name, value)
            self.stopper.best_weights = self.found.best or None

    def on_epoch_end(self, epoch, logs=None):
        if time.monotonic() - self.written >= INTERVAL and not self.recorder.fault:
            self.write()
            self.written = time.monotonic()

    def write(self):
        """Write the state after the last finished epoch, if there is any."""
        rows, state = self.recorder.finished
        if not rows:
            return
        stopping = self.stopper and runs.Stopping(
            **{name: getattr(self.stopper, name) for name in runs.Stopping.model_fields}
        )
        told = {
            name: getattr(self.recorder, name)
            for name in ("seconds", "resumed", "compiled", "identity")
        }
        about = runs.About(metrics=list(rows[0]), stopping=stopping, **told)
        best = (self.stopper and self.stopper.best_weights) or []
        checkpoint = runs.Checkpoint(about, [list(row.values()) for row in rows], state, best)
        with self.writing:
            runs.save_checkpoint(self.recorder.folder, checkpoint)


class Interrupt(keras.callbacks.Callback):
    """Takes Ctrl-C and SIGTERM between two chunks only: raised inside TensorFlow they can end the
    process, and what comes after the last epoch is to be written whole.

    Behind all other callbacks. A second signal ends the process at once; so does a chunk that
    takes too long, as one may that is compiled first, after the state of the last finished epoch
    was written. What is written behind the last chunk may take as long as it needs.
    """

    checkpoints = None  # the run's Checkpoints, once there are any

    def __enter__(self):
        self.pressed = None  # the signal
        self.trained = False  # whether the last chunk has ended
        self.before = {}
        if threading.current_thread() is threading.main_thread():  # no other may
            for number in (signal.SIGINT, signal.SIGTERM):
                if (
                    signal.getsignal(number) != signal.SIG_IGN
                ):  # as a process in the background was told to ignore Ctrl-C
                    self.before[number] = signal.signal(number, self._press)
            self.heard, self.told = socket.socketpair()
            self.told.setblocking(False)
            # The handler has to wait until TensorFlow's C++ code returns, this does not.
            self.wakeup = signal.set_wakeup_fd(self.told.fileno(), warn_on_full_buffer=False)
            threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, kind, *error):
        if self.before:
            signal.set_wakeup_fd(self.wakeup)
            self.told.close()
        for number, handler in self.before.items():
            signal.signal(number, handler)
        if self.pressed and kind is None:
            raise interrupt_of(self.pressed)

    def _press(self, number, frame):
        self.pressed = number

    def _listen(self):
        """End the process at a second signal, or where the first is not heeded in time."""
        with self.heard:
            number = self.heard.recv(1)
            self.heard.settimeout(PATIENCE)
            try:
                again = number and self.heard.recv(1)
            except TimeoutError:
                if self.trained:  # and what is left is to be written
                    self.heard.settimeout(None)
                    again = self.heard.recv(1)
                else:
                    again = True
                    with contextlib.suppress(Exception):
                        self._save()
            if not again:  # the run has ended
                return
            with contextlib.suppress(Exception):
                runs.unlock(self.checkpoints.recorder.folder)
            os._exit(128 + number[0])

    def _save(self):
        recorder = self.checkpoints.recorder
        self.checkpoints.write()
        saved = (
            runs.load(recorder.folder).to_resume
            if recorder.finished[0]
            else "No epoch was finished."
        )
        say(f"\n{recorder.folder}: ended. {saved}")

    def on_train_batch_end(self, batch, logs=None):
        if self.pressed:
            self.trained = True
            raise interrupt_of(self.pressed)

    def on_epoch_end(self, epoch, logs=None):
        self.on_train_batch_end(None)

    def on_train_end(self, logs=None):
        self.trained = True


class Watch(keras.callbacks.Callback):
    """Tells of each epoch, and stops the training if it is not to go on.

    Parameters
    ----------
    watch : function
        Of the epoch, from 0, and its logs; says whether to go on.
    """

    def __init__(self, watch):
        super().__init__()
        self.watch, self.stopped = watch, False

    def on_epoch_end(self, epoch, logs=None):
        if not self.watch(epoch, logs):
            self.stopped = self.model.stop_training = True


class ChunkNews(keras.callbacks.Callback):
    """Tells how far a run is before its first epoch and, in each, after every chunk but the last,
    behind which the epoch ends.

    Parameters
    ----------
    tell : function
        Of the epochs that the run goes on after, and of those that are done, the last of them in
        part.
    recorder : Recorder
    """

    def __init__(self, tell, recorder):
        super().__init__()
        self.tell, self.recorder = tell, recorder

    def on_train_begin(self, logs=None):
        self.begun = len(self.recorder.finished[0])
        self.tell(self.begun, float(self.begun))

    def on_train_batch_end(self, batch, logs=None):
        done, steps = batch + 1, self.params["steps"]
        if done < steps:
            self.tell(self.begun, len(self.recorder.finished[0]) + done / steps)


class ProgressLines(keras.callbacks.Callback):
    """A bar with the time left, where there is a terminal to draw it on, and a line for each
    finished epoch.

    Parameters
    ----------
    settings : Settings
    output : runs.Output
    recorder : Recorder
    """

    def __init__(self, settings, output, recorder):
        super().__init__()
        self.settings, self.epochs, self.recorder = settings, settings.epochs, recorder
        self.results_dir = output.results_dir
        self.bar = Bar("compiling")
        self.compiling = threading.Timer(LONG, self._explain)
        self.compiling.daemon = True

    def __enter__(self):
        self.bar.__enter__()
        return self

    def __exit__(self, kind, *error):
        self.compiling.cancel()
        self.bar.__exit__()
        epochs = len(self.recorder.finished[0])
        if kind and issubclass(kind, KeyboardInterrupt) and epochs and not self.recorder.fault:
            saved = f"model and history of the first {epochs} epochs are saved"
            say(
                f"\n{self.recorder.folder}: stopped; {saved}. {runs.load(self.recorder.folder).to_resume}"
            )

    def on_train_begin(self, logs=None):
        self.bar.restart((self.epochs - len(self.recorder.finished[0])) * self.params["steps"])
        self.compiling.start()

    def _explain(self):
        seconds = earlier.compiling_seconds(self.settings, self.results_dir)
        last = "" if seconds is None else f" (the last run like this took {seconds:.0f} s)"
        if not self.compiling.finished.is_set():
            self.bar.explain(f"tracing and compiling{last}")

    def on_train_batch_end(self, batch, logs=None):
        self.compiling.cancel()
        self.bar.advance(1, f"epoch {len(self.recorder.finished[0]) + 1}/{self.epochs}")

    def on_epoch_end(self, epoch, logs=None):
        width = len(str(self.epochs))
        seconds = self.recorder.finished[0][-1]["epoch_seconds"]
        self.bar.say(f"epoch {epoch + 1:{width}}/{self.epochs}  {_in_words(logs)}  {seconds:.2f} s")


def _in_words(logs):
    """Metrics in a line, each with that of the validation images behind it: a classifier's fits
    into 80 columns.
    """
    parts = {name: f"{name} {value:.4f}" for name, value in logs.items()}
    for name in [name for name in logs if f"val_{name}" in logs]:
        parts[name] += f" (val {logs[f'val_{name}']:.4f})"
        del parts[f"val_{name}"]
    return "  ".join(parts.values())


class SamplePictures(keras.callbacks.Callback):
    """Draws samples of the untrained generator, which are written as ``samples/epoch_0000.png``
    and ``.npz`` when the first epoch has ended, and more in the course of training, always from
    the same latent vectors.

    Parameters
    ----------
    folder : Path
        Of the run.
    settings : Settings
    resumed : bool
        Whether the run goes on from a checkpoint.
    """

    def __init__(self, folder, settings, resumed):
        super().__init__()
        self.folder, self.settings, self.resumed = folder, settings, resumed
        self.gaussians = GAUSSIANS.get(settings.dataset)

    def on_train_begin(self, logs=None):
        kept = min(
            KEPT, max(SAMPLED, KEPT_NUMBERS // math.prod(self.model.generator.output_shape[1:]))
        )
        count, settings = SAMPLED_POINTS if self.gaussians else kept, self.settings
        self.latents = gan.draw_latents(settings.latent, count, settings.seed, settings.latent_size)
        # To be written when the first epoch has ended: until then, the folder may hold an older
        # run.
        self.untrained = (
            None if self.resumed else inference.generate(self.model.generator, self.latents)
        )

    def on_epoch_end(self, epoch, logs=None):
        if self.untrained is not None:
            self.write(0, self.untrained)
            self.untrained = None
        due = (epoch + 1) % self.settings.sample_every == 0 or epoch + 1 == self.settings.epochs
        if (
            due and not self.model.stop_training
        ):  # as a loss that is no number stops it: such weights are not worth a picture
            self.write(epoch + 1, inference.generate(self.model.generator, self.latents))

    def write(self, epoch, generated):
        (self.folder / runs.SAMPLES).mkdir(exist_ok=True)
        runs.save_samples(self.folder, epoch, generated)
        picture = samples(generated, self.gaussians and self.gaussians.modes)
        runs.save_figures({runs.sampled(epoch): picture}, self.folder / runs.SAMPLES, vector=False)


class Log(TensorBoard):
    """TensorBoard's log: Keras's curves, the settings, for its HParams tab, and the pictures that
    `SamplePictures` has written.

    Parameters
    ----------
    output : runs.Output
    settings : Settings
    """

    def __init__(self, output, settings):
        super().__init__(output.folder / runs.TENSORBOARD)
        self.output, self.settings = output, settings

    def on_train_begin(self, logs=None):
        from tensorboard.plugins.hparams import api  # a package that nothing else needs

        super().on_train_begin(logs)
        given = {
            name: getattr(self.settings, name)
            for name in FLAGS
            if getattr(self.settings, name) is not None
        }
        told = {
            name: value if isinstance(value, bool | int | float) else text(value)
            for name, value in given.items()
        }
        with tf.summary.create_file_writer(
            str(self.log_dir)
        ).as_default():  # above Keras's own, which thereby are of this run
            api.hparams(told, trial_id=self.output.name)

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        for number in range(
            epoch + 1 if epoch else 0, epoch + 2
        ):  # with the first epoch, what was there before it
            path = self.output.folder / runs.SAMPLES / runs.sampled(number)
            if picture := _picture(path):
                with private.train_writer(self).as_default():
                    tf.summary.image("samples", np.array(picture.convert("RGB"))[None], step=number)


def _picture(path):
    """A picture of samples; None where there is none, or a broken one, of which a line says so."""
    try:
        with picture_in(path, most=MOST_OF_SAMPLES) as picture:
            return picture.copy()
    except FileNotFoundError:
        return None
    except Exception as error:  # whatever the decoder makes of what is no picture
        say(f"{path} cannot be read, and is left out: {first_line(error)}")
        return None


def animate(folder):
    """Write ``samples.gif`` of the pictures that a run has in ``samples/``, if any, each below its
    epoch, of some if they are many.
    """
    paths = runs.sample_paths(folder, MOST_FRAMES)
    pictures = {epoch: _picture(path) for epoch, path in paths.items()}
    frames = [
        captioned(picture, f"epoch {epoch}").quantize()
        for epoch, picture in pictures.items()
        if picture
    ]
    if not frames:
        return
    milliseconds = [max(60, min(500, 15_000 // len(frames)))] * (len(frames) - 1) + [2_000]
    with atomic(folder / File.ANIMATION) as temporary:
        frames[0].save(
            temporary, save_all=True, append_images=frames[1:], duration=milliseconds, loop=0
        )
