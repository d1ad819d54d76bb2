"""What a run's folder holds, written while it is trained: its record, its history after each epoch,
a checkpoint at times, and in the end the model.
"""

import contextlib
import math
import threading
import time

import keras
from keras.callbacks import EarlyStopping

from lab import runs
from lab.backend import devices
from lab.figures import learning_curve
from lab.metrics import intervals
from lab.runs import File, write_json
from lab.settings import UserError
from lab.training import engine
from lab.training.pictures import animate

INTERVAL = 10  # seconds between two checkpoints, at least


class Recorder(keras.callbacks.Callback):
    """Writes history.json after every epoch, keeps the epoch's state, and stops when the loss is
    no number any more.

    Parameters
    ----------
    claim : runs.Claim
        Of the run's folder, its checkpoint read.
    settings : Settings
    record : dict
        The content of config.json.
    output : runs.Output
    trainer : engine.Engine
        It gets the state of the checkpoint, if there is one.
    """

    fault = None  # why the training was stopped
    saved_epoch = 0  # from 1; 0: the last

    def __init__(self, claim, settings, record, output, trainer):
        super().__init__()
        self.claim, self.settings, self.record = claim, settings, record
        self.output, self.folder, self.trainer = output, output.folder, trainer
        self.stopper, patience = None, settings.early_stopping
        if patience:
            self.stopper = EarlyStopping("val_loss", patience=patience, restore_best_weights=True)
        self.saving = threading.Lock()
        self.found = found = claim.checkpoint
        self.about = runs.About(metrics=[], seconds=0.0, resumed=[], compiled=trainer.is_new)
        # What each finished epoch gave, and the model's state after the last one: set in one go,
        # so that an interrupt cannot fall between them.
        self.finished = [], None
        if found:
            engine.set_state(trainer.model, found.state)
            self.about, self.finished = found.about, (found.rows, found.state)
        self.begun = len(self.finished[0])
        # Once, be it that the run was broken off again before its next epoch had ended.
        self.resumed = sorted({*self.about.resumed, self.begun} - {0})

    @property
    def first_epoch(self):
        """The epoch to begin with, from 0; none is left of a run that had stopped early, and was
        broken off while its last files were written.
        """
        stopping = self.about.stopping
        return self.settings.epochs if stopping and stopping.stopped_epoch else self.begun

    @property
    def parts(self):
        """What the epochs were trained with that the run is resumed from: a list of `runs.Origin`,
        of which the first is the run's record; epochs after the checkpoint are trained again.
        """
        before = self.claim.before
        return [before, *(part for part in before.parts if part.after < self.begun)]

    @property
    def seconds(self):
        """That the training has taken."""
        return self.about.seconds + time.perf_counter() - self.begin

    def on_train_begin(self, logs=None):
        self.begin, self.saved = time.perf_counter(), time.monotonic()
        self.start = devices.seconds_since_start()

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch_begin = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        row = {name: float(value) for name, value in logs.items()}
        row["epoch_seconds"] = time.perf_counter() - self.epoch_begin
        state = [keras.ops.convert_to_numpy(variable) for variable in engine.state_of(self.model)]
        self.finished = [*self.finished[0], row], state
        if not all(math.isfinite(row[name]) for name in row if name.endswith("loss")):
            self.fault = f"the loss is not a finite number after epoch {epoch + 1}"
            self.model.stop_training = True
        if self.claim.taken:  # not synced: after a power cut, it is in the checkpoint
            write_json(self.folder / File.HISTORY, self.history(runs.TRAINING), sync=False)
        else:
            self._take_folder()

    def _take_folder(self):
        """Write what a run's folder holds from the first epoch on, in place of what an older run
        has left: config.json and history.json; if the code is not that of the commit in the
        record, code.patch; and a network of the user's own.
        """
        record, files = self.record, {}
        if self.found:
            first, *later = self.parts
            last = runs.Origin(**record).model_dump() | {"after": self.begun}
            parts = [*(part.model_dump() for part in later), last]
            record |= first.model_dump(include={*runs.Origin.model_fields}) | {"parts": parts}
        elif patch := runs.checkout()[1]:
            files[File.PATCH] = patch
        if self.settings.source:
            files[File.NETWORK] = self.settings.source.encode()
        files[File.CONFIG] = runs.as_json(record)
        files[File.HISTORY] = runs.as_json(self.history(runs.TRAINING))
        self.claim.begin(files)

    def history(self, status):
        """The content of history.json."""
        rows = self.finished[0]
        content = {
            "status": status,
            "device": devices.running().name,
            "compiled": self.about.compiled,
            "total_seconds": self.seconds,
        }
        more = {
            "notes": "\n".join(self.trainer.notes),
            "start_seconds": None if self.found else self.start,
            "resumed": self.resumed,
            "saved_epoch": 0 if self.fault else self.saved_epoch or len(rows),
        }
        content |= {name: value for name, value in more.items() if value}
        return content | {name: [row[name] for row in rows] for name in rows[0]}

    def restore_stopper(self, logs=None):
        """Let early stopping go on from the checkpoint: to be called once it has forgotten
        everything, as it does when training begins.
        """
        if self.about.stopping:
            vars(self.stopper).update(self.about.stopping, best_weights=self.found.best)

    def save_at_times(self, epoch, logs=None):
        """Write a checkpoint, but not more often than every `INTERVAL` seconds: to be called after
        an epoch, behind all callbacks whose state it keeps.
        """
        if time.monotonic() - self.saved >= INTERVAL:
            self.save()
            self.saved = time.monotonic()

    def save(self):
        """Write what the run needs to go on after the last finished epoch, if there is any."""
        stopper, (rows, state) = self.stopper, self.finished
        if not rows or self.fault:
            return
        best = stopper.best_weights if stopper else []
        stopping = stopper and runs.Stopping.model_validate(stopper, from_attributes=True)
        about = runs.About(
            metrics=list(rows[0]),
            seconds=self.seconds,
            resumed=self.resumed,
            compiled=self.about.compiled,
            stopping=stopping,
            identity=runs.identity(self.settings, self.record["dataset"]["sha256"]),
        )
        with self.saving:
            runs.save_checkpoint(self.folder, runs.Checkpoint(about, rows, state, best or []))

    def break_off(self, model):
        """Write the run, which was interrupted, so that it can be resumed: nothing before its first
        epoch, nor where it was interrupted after the same epoch before.

        Parameters
        ----------
        model : keras.Model
            The run's own.
        """
        with contextlib.suppress(UserError):  # no history, or one that a power cut has spoilt
            history = runs.load(self.folder).history
            same = (history.status, history.epochs) == (runs.INTERRUPTED, len(self.finished[0]))
            if same and (self.folder / File.MODEL).exists():
                return
        if self.finished[0]:
            self.save()
            self.finish(model, goes_on=True)

    def finish(self, model, goes_on=False):
        """Write what comes after the last epoch; history.json last, since it is what calls the run
        complete.

        Parameters
        ----------
        model : keras.Model
            The run's own. It gets the state of the epoch that is to be saved.
        goes_on : bool
            Whether the run was interrupted, and can be resumed.

        Returns
        -------
        dict
            The content of history.json.
        """
        settings, path, (rows, state) = self.settings, self.folder / File.MODEL, self.finished
        status, stopped = runs.COMPLETE, self.stopper and self.stopper.stopped_epoch
        if self.fault:
            status, goes_on = runs.DIVERGED, False
        elif goes_on or (len(rows) < settings.epochs and not stopped):
            status = runs.INTERRUPTED
        else:
            state = engine.state_of(self.trainer.model)
            self.saved_epoch = self.stopper.best_epoch + 1 if self.stopper else 0
        if self.fault:
            path.unlink(missing_ok=True)  # of epochs that it was resumed from
        else:
            engine.set_state(model, state)
            # Not that of a schedule's last step, near 0.
            model.optimizer.learning_rate = settings.learning_rate
            with runs.atomic(path) as temporary:
                engine.networks_of(model).save(temporary)
        runs.remove_evaluation(self.folder)
        history, examples = self.history(status), self.record["dataset"]["train"]
        title = f"{self.output.title}: {settings.dataset}, {settings.describe(examples)}"
        if status != runs.COMPLETE:
            title += f", {status} after {len(rows)} of {settings.epochs} epochs"
        drawn = learning_curve(intervals.curves([history]), title)
        runs.save_figures({File.LEARNING_CURVE: drawn}, self.folder, vector=False)
        animate(self.folder)
        write_json(self.folder / File.HISTORY, history)
        if not goes_on:
            (self.folder / File.CHECKPOINT).unlink(missing_ok=True)
        return history
