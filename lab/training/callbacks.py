"""What follows a run while it is trained: lines and a bar for the user, news for a sweep, and
Ctrl-C.
"""

import contextlib
import os
import signal
import socket
import threading

import keras

from lab import runs
from lab.console import Bar, say
from lab.io.signals import interrupt_of
from lab.training import engine

PATIENCE = 6  # seconds for the chunk that is computed when a signal comes
LONG = 5  # seconds, compiling: the user is told how long it took the last time


class Interrupt(keras.callbacks.Callback):
    """Takes Ctrl-C and SIGTERM between two chunks only: raised inside TensorFlow they can end the
    process, and what comes after the last epoch is to be written whole.

    Behind all other callbacks. A second signal ends the process at once; so does a chunk that
    takes too long, as one may that is compiled first, after the state of the last finished epoch
    was written. What is written behind the last chunk may take as long as it needs.
    """

    recorder = None  # the run's, once there is one
    pressed = None  # the signal
    trained = False  # whether the last chunk has ended

    def press(self, number, frame):
        self.pressed = number

    def listen(self, heard):
        """End the process at a second signal, or where the first is not heeded in time."""
        with heard:
            number = heard.recv(1)
            heard.settimeout(PATIENCE)
            try:
                again = number and heard.recv(1)
            except TimeoutError:
                if self.trained:  # and what is left is to be written
                    heard.settimeout(None)
                    again = heard.recv(1)
                else:
                    again = True
                    with contextlib.suppress(Exception):
                        self.recorder.save()
                        saved = "No epoch was finished."
                        if self.recorder.finished[0]:
                            saved = runs.load(self.recorder.folder).to_resume
                        say(f"\n{self.recorder.folder}: ended. {saved}")
        if again:  # else the run has ended
            with contextlib.suppress(Exception):
                runs.unlock(self.recorder.folder)
            os._exit(128 + number[0])

    def on_train_batch_end(self, batch, logs=None):
        if self.pressed:
            self.trained = True
            raise interrupt_of(self.pressed)

    def on_epoch_end(self, epoch, logs=None):
        self.on_train_batch_end(None)

    def on_train_end(self, logs=None):
        self.trained = True


@contextlib.contextmanager
def signals_taken():
    """Within this context, signals go to an `Interrupt`, which it yields; one that no chunk took is
    raised behind it.
    """
    interrupt = Interrupt()
    with contextlib.ExitStack() as stack:
        if threading.current_thread() is threading.main_thread():  # no other may
            for number in (signal.SIGINT, signal.SIGTERM):
                # A process in the background was told to ignore Ctrl-C.
                if signal.getsignal(number) != signal.SIG_IGN:
                    before = signal.signal(number, interrupt.press)
                    stack.callback(signal.signal, number, before)
            heard, told = socket.socketpair()
            stack.enter_context(told).setblocking(False)
            # The handler has to wait until TensorFlow's C++ code returns, this does not.
            before = signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
            stack.callback(signal.set_wakeup_fd, before)
            threading.Thread(target=interrupt.listen, args=[heard], daemon=True).start()
        yield interrupt
    if interrupt.pressed:
        raise interrupt_of(interrupt.pressed)


class News(keras.callbacks.Callback):
    """Tells how far a run is, and stops it where it is not to go on.

    Parameters
    ----------
    progress : function
        Of the epochs that the run goes on after, of those that are done, the last of them in part,
        and of the validation accuracy after the last whole one, or None: called before each epoch
        and, in it, after every chunk but the last, behind which the epoch ends. What it raises
        breaks the run off between two chunks.
    goes_on : function, optional
        Of the number of parameters, the epoch, from 0, and the validation accuracy: says whether
        to go on.
    """

    def __init__(self, progress, goes_on=None):
        super().__init__()
        self.progress, self.goes_on = progress, goes_on
        self.begun = self.accuracy = None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
        if self.begun is None:
            self.begun = epoch
        self.progress(self.begun, float(epoch), self.accuracy)

    def on_train_batch_end(self, batch, logs=None):
        done, steps = batch + 1, self.params["steps"]
        if done < steps:
            self.progress(self.begun, self.epoch + done / steps, self.accuracy)

    def on_epoch_end(self, epoch, logs=None):
        self.accuracy = logs.get("val_accuracy")
        if self.goes_on and not self.goes_on(self.model.count_params(), epoch, self.accuracy):
            self.model.stop_training = True


class ProgressLines(keras.callbacks.Callback):
    """A bar with the time left, where there is a terminal to draw it on, and a line for each
    finished epoch.

    Parameters
    ----------
    recorder : Recorder
    """

    def __init__(self, recorder):
        super().__init__()
        self.recorder, self.epochs = recorder, recorder.settings.epochs
        self.bar = Bar("compiling")
        self.compiling = threading.Timer(LONG, self._explain)
        self.compiling.daemon = True

    def __enter__(self):
        """Say what the user has to know before a run is trained: of its network, and if it was
        broken off.
        """
        recorder, fault = self.recorder, self.recorder.claim.fault
        for note in recorder.trainer.notes:
            say(f"{note}.")
        if fault:
            aside = f"it is set aside as {runs.File.BROKEN_CHECKPOINT}, and the run is trained anew"
            say(f"{recorder.folder}: its checkpoint cannot be used ({fault}): {aside}.")
        if recorder.found:
            epochs = f"epoch {recorder.begun} of {self.epochs}"
            say(f"{recorder.folder}: going on after {epochs}; --overwrite begins anew.")
            if changed := runs.changes(recorder.parts[-1], runs.Origin(**recorder.record)):
                say(f"Note: resumed with {', '.join(changed)}: {runs.NOT_THE_SAME}.")
        self.bar.__enter__()
        return self

    def __exit__(self, kind, *error):
        self.compiling.cancel()
        self.bar.__exit__()
        folder, epochs = self.recorder.folder, len(self.recorder.finished[0])
        if kind and issubclass(kind, KeyboardInterrupt) and epochs and not self.recorder.fault:
            saved = f"model and history of the first {epochs} epochs are saved"
            say(f"\n{folder}: stopped; {saved}. {runs.load(folder).to_resume}")

    def _explain(self):
        results_dir = self.recorder.output.results_dir
        seconds = engine.compiling_seconds(self.recorder.settings, results_dir)
        last = "" if seconds is None else f" (the last run like this took {seconds:.0f} s)"
        if not self.compiling.finished.is_set():
            self.bar.explain(f"tracing and compiling{last}")

    def on_train_begin(self, logs=None):
        left = self.epochs - len(self.recorder.finished[0])
        self.bar.restart(left * self.params["steps"])
        self.compiling.start()

    def on_train_batch_end(self, batch, logs=None):
        self.compiling.cancel()
        self.bar.advance(1, f"epoch {len(self.recorder.finished[0]) + 1}/{self.epochs}")

    def on_epoch_end(self, epoch, logs=None):
        """Say the metrics, each with that of the validation images behind it: a classifier's fit
        into 80 columns.
        """
        words = [f"epoch {epoch + 1:{len(str(self.epochs))}}/{self.epochs}"]
        for name in logs:
            validated = f" (val {logs[f'val_{name}']:.4f})" if f"val_{name}" in logs else ""
            if not name.startswith("val_"):
                words.append(f"{name} {logs[name]:.4f}{validated}")
        words.append(f"{self.recorder.finished[0][-1]['epoch_seconds']:.2f} s")
        self.bar.say("  ".join(words))
