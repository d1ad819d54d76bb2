"""Train one run: settings and arrays in, a folder on disk out.

The way from the command to the loop on the device::

    train.py                          flags become Settings
      experiments.train               one run, or many on the workers of a cluster
        training.run.train_here       the folder is free, the data found, the settings resolved, TensorFlow started
          training.run.train_run      the epochs, behind the first of them config.json; in the end model.keras and the rest
            training.engine           a compiled model, built for this run or left by the one before, and back its state
              backend.resident        the data set on the device once; each epoch's order cut into chunks
                keras.Model.fit       takes a chunk for a step; after each epoch it calls the callbacks
                  backend.resident    the loop over a chunk's batches, within the graph, compiled with XLA where that helps
                    train_step        Keras's own for a classifier, `backend.gan`'s for a GAN
            training.callbacks        after each epoch: history.json, a line, at times a checkpoint; Ctrl-C waits for a chunk

Nothing here imports TensorFlow until a run's settings, folder and data are known to be good.
"""

import contextlib
import functools
import statistics

from lab import console, runs
from lab.backend import devices
from lab.data import fingerprint, for_run
from lab.figures import learning_curve
from lab.metrics import classification, intervals
from lab.settings import UserError, as_flags
from lab.training.schedule import rate_at

_GROWN = 1.1  # by how much a loss is larger that has grown


def train_here(settings, output, data_dir=None):
    """Train a run on this machine and print what it took; of one that is done already, say so.

    Parameters
    ----------
    settings : Settings
    output : runs.Output
    data_dir : path, optional
        As of `data.load_dataset`.

    Raises
    ------
    UserError
        If the run cannot be trained: for its folder, data or device, or as of `train_run`.
    """
    folder = output.folder
    runs.check_free(folder, overwrite=True)
    settings, arrays = for_run(settings, data_dir)
    record = status = None
    if not output.overwrite and runs.has_record(folder):
        record, status = runs.standing(folder, settings, fingerprint(arrays))
    if status == runs.COMPLETE:
        console.say(f"{folder}: is done already; --overwrite trains it again.")
        return
    runs.check_free(folder, output.overwrite or record is not None)
    with console.Bar("starting TensorFlow"):
        devices.start(devices.setup_of(settings))
    history = train_run(settings, arrays, output)
    known = runs.History(**history)
    times = f"first epoch {known.epoch_seconds[0]:.2f} s"
    if known.steady_seconds:
        times += f", median of the later ones {statistics.median(known.steady_seconds):.3f} s"
    files = ", ".join(
        sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    )
    console.say(
        f"Trained in {known.total_seconds:.1f} s on {known.device}: {times}.\n{folder}: {files}"
    )
    if not settings.is_gan and (doubt := _doubt(settings, known, arrays.validation_labels)):
        console.say(f"Warning: {doubt}")


def _doubt(settings, history, labels):
    """In what a classifier has not learned, and what to try; None if it has."""
    rate = "a smaller" if settings.learning_rate > settings.default("learning_rate") else "another"
    weaker = "a smaller -r or " if settings.regularizer_strength else ""
    first, last, accuracy = (
        history.curves["loss"][0],
        history.final["loss"],
        history.final["val_accuracy"],
    )
    if last > _GROWN * first:
        return f"the training loss grew from {first:.4f} to {last:.4f}: try {weaker}a smaller --learning-rate"
    if classification.is_at_chance(accuracy, labels):
        chance = (
            f"{accuracy:.4f}; always the most frequent class: {classification.chance(labels):.4f}"
        )
        return f"the validation accuracy ended at chance ({chance}): try {weaker}{rate} --learning-rate, or more --epochs"
    return None


def train_run(settings, arrays, output, verbose=True, watch=None):
    """Train a network on the device in use, and save the run.

    Parameters
    ----------
    settings : Settings
        Resolved, as `data.for_run` gives them.
    arrays : data.Arrays
        What to train and validate on.
    output : runs.Output
    verbose : bool, or function
        Print the network and a line for each epoch; or, in place of that, tell a function how far
        the run is, as of `callbacks.ChunkNews`.
    watch : function, optional
        Called with the number of parameters, the epoch, from 0, and its logs; says whether the run
        is to go on.

    Returns
    -------
    dict
        The content of the run's history.json.

    Raises
    ------
    UserError
        If memory does not suffice, a network of the user's own fails, or the loss became NaN or
        infinite; then the history so far is kept.
    KeyboardInterrupt
        At Ctrl-C and SIGTERM, after the state of the last finished epoch was saved: the same call
        goes on.
    """
    from lab.backend import faults  # with TensorFlow
    from lab.training import callbacks, engine

    folder = output.folder
    with faults.in_words(settings if settings.is_own_net else None):
        model = engine.compiled_model(settings, *arrays.kind)
        networks = engine.networks_of(model)
        if verbose is True:
            networks.summary(expand_nested=True)
        record = _record(settings, arrays, output, networks.count_params())
        with (
            runs.writing(folder, output.overwrite, record) as claim,
            callbacks.Interrupt() as interrupt,
        ):
            trainer, compiled = engine.engine_for(settings, arrays, model)
            fitting = _fitting(settings, record, trainer.model)
            claim.find_checkpoint(fitting)
            if verbose is True:
                _say_before(claim, settings, record, trainer.notes)
            watch = watch and functools.partial(watch, networks.count_params())
            title = (
                f"{output.title}: {settings.dataset}, {settings.describe(len(arrays.train_images))}"
            )
            begin = functools.partial(_begin, claim, record, settings)
            beginning = callbacks.Beginning(claim.checkpoint, fitting.identity, begin)
            listeners = callbacks.listeners_for(settings, output, title, beginning, watch)
            listeners.recorder.notes = trainer.notes
            listeners.recorder.go_on_with(trainer.model, compiled)
            interrupt.checkpoints = listeners.checkpoints
            if callable(verbose):
                last = [callbacks.ChunkNews(verbose, listeners.recorder), interrupt]
                return _fit(settings, trainer, model, listeners, last)
            if not verbose:
                return _fit(settings, trainer, model, listeners, [interrupt])
            with callbacks.ProgressLines(settings, output, listeners.recorder) as lines:
                return _fit(settings, trainer, model, listeners, [lines, interrupt])


def _fitting(settings, record, model):
    """What a checkpoint has to be like to be one of this run, which trains this model."""
    from lab.training import engine

    identity = runs.identity(settings, record["dataset"]["sha256"])
    state = engine.state_of(model)
    layout = {"state": state, "weights": model.weights}
    layout = {
        name: [(tuple(one.shape), str(one.dtype)) for one in several]
        for name, several in layout.items()
    }
    layout["trained"] = [
        place for place, one in enumerate(state) if place < len(model.variables) and one.trainable
    ]
    layout["counts"] = [place for place, one in enumerate(state) if one.name == "iteration"]
    about = settings.is_gan, settings.epochs, settings.early_stopping, record["parameters"]
    return runs.Fitting(identity, *about, **layout)


def _say_before(claim, settings, record, notes):
    """Say what the user has to know before a run is trained: of its network, and if it was broken
    off.
    """
    folder, found = claim.folder, claim.checkpoint
    for note in notes:
        console.say(f"{note}.")
    if claim.fault:
        aside = f"it is set aside as {runs.File.BROKEN_CHECKPOINT}, and the run is trained anew"
        console.say(f"{folder}: its checkpoint cannot be used ({claim.fault}): {aside}.")
    if found:
        console.say(
            f"{folder}: going on after epoch {len(found.rows)} of {settings.epochs}; --overwrite begins anew."
        )
        if changed := runs.changes(_parts(claim)[-1], runs.Origin(**_origin(record))):
            console.say(f"Note: resumed with {', '.join(changed)}: {runs.NOT_THE_SAME}.")


def _parts(claim):
    """What the epochs were trained with that a run is resumed from: a list of `runs.Origin`, of
    which the first is the run's record; epochs after the checkpoint are trained again.
    """
    before, done = claim.before, len(claim.checkpoint.rows)
    return [before, *(part for part in before.parts if part.after < done)]


def _origin(record):
    return {name: record[name] for name in runs.Origin.model_fields}


def _begin(claim, record, settings, history):
    """Write what a run's folder holds from the first epoch on, in place of what an older run has
    left: config.json and history.json; if the code is not that of the commit in the record,
    code.patch; and a network of the user's own.
    """
    files = {}
    if claim.checkpoint:
        first, *later = _parts(claim)
        parts = [
            *(part.model_dump() for part in later),
            _origin(record) | {"after": len(claim.checkpoint.rows)},
        ]
        record = (
            record
            | {name: getattr(first, name) for name in runs.Origin.model_fields}
            | {"parts": parts}
        )
    elif patch := runs.checkout()[1]:
        files[runs.File.PATCH] = patch
    if settings.source:
        files[runs.File.NETWORK] = settings.source.encode()
    claim.begin(
        files | {runs.File.CONFIG: runs.as_json(record), runs.File.HISTORY: runs.as_json(history)}
    )


def _record(settings, arrays, output, parameters):
    """The content of config.json."""
    examples, threads = len(arrays.train_images), devices.running().setup.threads
    given = settings.replace(threads=threads).unusual(examples)
    dataset = {"name": settings.dataset, "sha256": fingerprint(arrays)}
    dataset |= {"train": examples, "validation": len(arrays.validation_images)}
    if arrays.path:
        dataset |= {
            "path": arrays.path,
            "classes": arrays.classes,
            "shape": arrays.train_images.shape[1:],
        }
    of_pictures = {"resize": settings.resize, "divisor": arrays.divisor, "ignored": arrays.ignored}
    dataset |= {name: value for name, value in of_pictures.items() if value}
    command = console.command("train.py", output.name, as_flags(given), results_dir="results")
    record = {"command": command, "settings": settings.to_json()}
    record |= {"parameters": parameters, "dataset": dataset, "device": devices.running().name}
    record |= {"data_dir": str(output.data_dir)} if output.data_dir else {}
    record |= {
        "threads": threads,
        "versions": runs.versions(),
        "commit": runs.checkout()[0],
        "code": runs.code_hash(),
    }
    return runs.checked(record)


def _fit(settings, trainer, model, listeners, last):
    """Train a model with an engine, and leave it and the run's files in the state of the epoch
    that is to be saved.
    """
    from lab.training import engine

    recorder, checkpoints, watch = listeners.recorder, listeners.checkpoints, listeners.watch

    def networks_in(state):
        engine.set_state(model, state)
        model.optimizer.learning_rate = (
            settings.learning_rate
        )  # not that of a schedule's last step, near 0
        return engine.networks_of(model)

    try:
        begin = settings.epochs if checkpoints.stopped_early else len(recorder.finished[0])
        several = [*filter(None, listeners), *last]
        trainer.fit(
            settings.epochs, settings.seed, begin, several, functools.partial(rate_at, settings)
        )
    except KeyboardInterrupt:
        if recorder.fault:
            _finish(recorder, None, runs.DIVERGED)
        elif recorder.finished[0] and not _is_saved(recorder):
            checkpoints.write()
            _finish(recorder, networks_in(recorder.finished[1]), runs.INTERRUPTED, goes_on=True)
        raise
    if recorder.fault:
        _finish(recorder, None, runs.DIVERGED)
        rates = (
            "--learning-rate or --discriminator-learning-rate"
            if settings.is_gan
            else "--learning-rate"
        )
        raise UserError(f"{recorder.fault}: try a smaller {rates}. The history so far is kept")
    if watch and watch.stopped:
        return _finish(recorder, networks_in(recorder.finished[1]), runs.INTERRUPTED)
    if listeners.stopper:
        recorder.saved_epoch = listeners.stopper.best_epoch + 1
    return _finish(recorder, networks_in(engine.state_of(trainer.model)), runs.COMPLETE)


def _is_saved(recorder):
    """Whether the run was interrupted after the same epoch before, so that all of it lies in its
    folder.
    """
    with contextlib.suppress(UserError):  # a history that a power cut has spoilt
        history = runs.load(recorder.folder).history
        same = history.status == runs.INTERRUPTED and history.epochs == len(recorder.finished[0])
        return same and (recorder.folder / runs.File.MODEL).exists()
    return False


def _finish(recorder, networks, status, goes_on=False):
    """Write what comes after the last epoch; history.json last, since it is what calls the run
    complete.
    """
    from lab.training import callbacks

    folder = recorder.folder
    if networks is not None:
        with runs.atomic(folder / runs.File.MODEL) as temporary:
            networks.save(temporary)
    else:
        (folder / runs.File.MODEL).unlink(missing_ok=True)  # of epochs that it was resumed from
    runs.remove_evaluation(folder)
    history = recorder.history(status)
    epochs = f"{len(recorder.finished[0])} of {recorder.params['epochs']} epochs"
    title = (
        recorder.title if status == runs.COMPLETE else f"{recorder.title}, {status} after {epochs}"
    )
    drawn = learning_curve(intervals.curves([history]), title)
    runs.save_figures({runs.File.LEARNING_CURVE: drawn}, folder, vector=False)
    callbacks.animate(folder)
    runs.write_json(folder / runs.File.HISTORY, history)
    if not goes_on:
        (folder / runs.File.CHECKPOINT).unlink(missing_ok=True)
    return history
