"""Train one run: settings and arrays in, a folder on disk out.

The way from the command to the loop on the device::

    train.py                          flags become Settings
      experiments.train               one run, or many on the workers of a cluster
        training.run.train_here       the folder is free, the data found, the settings resolved, TensorFlow started
          training.run.train_run      config.json; then the epochs; then model.keras, learning_curve.png, history.json
            training.engine           a compiled model, built for this run or left by the one before, and back its state
              backend.resident        the data set on the device once; each epoch's order cut into chunks
                keras.Model.fit       takes a chunk for a step; after each epoch it calls the callbacks
                  backend.resident    the loop over a chunk's batches, within the graph, compiled with XLA where that helps
                    train_step        Keras's own for a classifier, `backend.gan`'s for a GAN
            training.callbacks        after each epoch: history.json, a line, at times a checkpoint; Ctrl-C waits for a chunk

Nothing here imports TensorFlow until a run's settings, folder and data are known to be good.
"""

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
    """Train a run on this machine and print what it took.

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
    runs.check_free(output.folder, output.overwrite or runs.unfinished(output.folder) is not None)
    settings, arrays = for_run(settings, data_dir)
    with console.Bar("starting TensorFlow"):
        devices.start(devices.setup_of(settings))
    history = train_run(settings, arrays, output)
    first, *later = history["epoch_seconds"]
    times = f"first epoch {first:.2f} s" + (f", median of the later ones {statistics.median(later):.3f} s" if later else "")
    files = ", ".join(sorted(path.name for path in output.folder.iterdir() if not path.name.startswith(".")))
    console.say(f"Trained in {history['total_seconds']:.1f} s on {history['device']}: {times}.\n{output.folder}: {files}")
    if not settings.is_gan and (doubt := _doubt(settings, runs.History(**history), arrays.validation_labels)):
        console.say(f"Warning: {doubt}")


def _doubt(settings, history, labels):
    """In what a classifier has not learned, and what to try; None if it has."""
    rate = "a smaller" if settings.learning_rate > settings.default("learning_rate") else "another"
    weaker = "a smaller -r or " if settings.regularizer_strength else ""
    first, last, accuracy = history.curves["loss"][0], history.final["loss"], history.final["val_accuracy"]
    if last > _GROWN * first:
        return f"the training loss grew from {first:.4f} to {last:.4f}: try {weaker}a smaller --learning-rate"
    if classification.is_at_chance(accuracy, labels):
        chance = f"{accuracy:.4f}; always the most frequent class: {classification.chance(labels):.4f}"
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
        Print the network and a line for each epoch; or, in place of that, tell a function how far the run is, as of
        `callbacks.ChunkNews`.
    watch : function, optional
        Called with the number of parameters, the epoch, from 0, and its logs; says whether the run is to go on.

    Returns
    -------
    dict
        The content of the run's history.json.

    Raises
    ------
    UserError
        If memory does not suffice, or the loss became NaN or infinite; then the history so far is kept.
    KeyboardInterrupt
        At Ctrl-C and SIGTERM, after the state of the last finished epoch was saved: the same call goes on.
    """
    from lab.training import callbacks, engine  # with TensorFlow

    folder = output.folder
    with engine.enough_memory():
        model = engine.compiled_model(settings, *arrays.kind)
        networks = engine.networks_of(model)
        if verbose is True:
            networks.summary(expand_nested=True)
        record = _record(settings, arrays, output, networks)
        with runs.writing(folder, output.overwrite, record) as found, callbacks.Interrupt() as interrupt:
            if not found:
                _write_record(folder, record, settings)
            elif verbose is True:
                console.say(f"{folder}: going on after epoch {len(found.rows)} of {settings.epochs}; --overwrite begins anew.")
            watch = watch and functools.partial(watch, networks.count_params())
            title = f"{output.title}: {settings.dataset}, {settings.describe(len(arrays.train_images))}"
            listeners = callbacks.listeners_for(settings, output, title, found, watch)
            interrupt.checkpoints = listeners.checkpoints
            if callable(verbose):
                return _fit(settings, arrays, model, listeners, [callbacks.ChunkNews(verbose, listeners.recorder), interrupt])
            if not verbose:
                return _fit(settings, arrays, model, listeners, [interrupt])
            with callbacks.ProgressLines(settings, output, listeners.recorder) as lines:
                return _fit(settings, arrays, model, listeners, [lines, interrupt])


def _record(settings, arrays, output, networks):
    """The content of config.json."""
    examples, threads = len(arrays.train_images), devices.running().setup.threads
    given = settings.replace(threads=threads).unusual(examples)
    name = f"--model-name={output.name}" if output.name.startswith("-") else f"-m {output.name}"
    dataset = {"name": settings.dataset, "sha256": fingerprint(arrays)}
    dataset |= {"train": examples, "validation": len(arrays.validation_images)}
    if arrays.path:
        dataset |= {"path": arrays.path, "classes": arrays.classes, "shape": arrays.train_images.shape[1:]}
    record = {"command": f"python train.py {name} {as_flags(given)}", "settings": settings.to_json()}
    record |= {"parameters": networks.count_params(), "dataset": dataset, "device": devices.running().name}
    return record | {"threads": threads, "versions": runs.versions(), "commit": runs.checkout()[0]}


def _write_record(folder, record, settings):
    """Write config.json; if the code is not that of the commit that it names, code.patch; and a network of the user's own."""
    runs.write_json(folder / runs.File.CONFIG, record)
    if patch := runs.checkout()[1]:
        with runs.atomic(folder / runs.File.PATCH) as temporary:
            temporary.write_bytes(patch)
    if settings.source:
        with runs.atomic(folder / runs.File.NETWORK) as temporary:
            temporary.write_text(settings.source, "utf-8")


def _fit(settings, arrays, model, listeners, last):
    """Train a model with an engine, and leave it and the run's files in the state of the epoch that is to be saved."""
    from lab.training import engine

    recorder, checkpoints, watch = listeners.recorder, listeners.checkpoints, listeners.watch
    trainer, compiled = engine.engine_for(settings, arrays, model)
    recorder.go_on_with(trainer.model, compiled)

    def networks_in(state):
        engine.set_state(model, state)
        model.optimizer.learning_rate = settings.learning_rate  # not that of a schedule's last step, near 0
        return engine.networks_of(model)

    try:
        begin = settings.epochs if checkpoints.stopped_early else len(recorder.finished[0])
        several = [*filter(None, listeners), *last]
        trainer.fit(settings.epochs, settings.seed, begin, several, functools.partial(rate_at, settings))
    except KeyboardInterrupt:
        if recorder.fault:
            _finish(recorder, None, runs.DIVERGED)
        elif recorder.finished[0]:
            checkpoints.write()
            _finish(recorder, networks_in(recorder.finished[1]), runs.INTERRUPTED, goes_on=True)
        raise
    if recorder.fault:
        _finish(recorder, None, runs.DIVERGED)
        rates = "--learning-rate or --discriminator-learning-rate" if settings.is_gan else "--learning-rate"
        raise UserError(f"{recorder.fault}: try a smaller {rates}. The history so far is kept")
    if watch and watch.stopped:
        return _finish(recorder, networks_in(recorder.finished[1]), runs.INTERRUPTED)
    if listeners.stopper:
        recorder.saved_epoch = listeners.stopper.best_epoch + 1
    return _finish(recorder, networks_in(engine.state_of(trainer.model)), runs.COMPLETE)


def _finish(recorder, networks, status, goes_on=False):
    """Write what comes after the last epoch; history.json last, since it is what calls the run complete."""
    from lab.training import callbacks

    folder = recorder.folder
    if networks is not None:
        with runs.atomic(folder / runs.File.MODEL) as temporary:
            networks.save(temporary)
    history = recorder.history(status)
    drawn = learning_curve(intervals.curves([history]), recorder.title)
    runs.save_figures({runs.File.LEARNING_CURVE: drawn}, folder, vector=False)
    if (folder / runs.SAMPLES).exists():
        callbacks.animate(folder)
    runs.write_json(folder / runs.File.HISTORY, history)
    if not goes_on:
        (folder / runs.File.CHECKPOINT).unlink(missing_ok=True)
    return history
