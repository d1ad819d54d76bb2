"""Train one run: settings and arrays in, a folder on disk out.

The way from the command to the loop on the device, and what passes on it::

    train.py                      flags -> Settings
      cli.training.train          one run, or many on the workers of a cluster
        training.run.train_here   resolves the Settings, finds the Arrays (images uint8, shape
                                  (n, height, width, channels), labels (n,)), starts TensorFlow
          training.run.train_run  two models: the run's own, and the copy of an engine to train
            backend.resident      puts the images on the device once; of each epoch it gives the
                                  order, int32 (steps * batch size,), shifts of images, int32
                                  (steps * batch size, 2), and rates, float (steps, optimizers),
                                  cut into chunks of some steps
              keras.Model.fit     takes a chunk for a step, and calls callbacks behind each
                backend.resident  the loop over a chunk's batches, within the graph, compiled with
                                  XLA where that helps: indices (batch size,) -> images
                                  (batch size, height, width, channels), labels (batch size,)
                  train_step      Keras's own for a classifier, `backend.gan`'s for a GAN
            training.recorder     behind each epoch history.json, at times a checkpoint, and in the
                                  end model.keras
            training.callbacks    behind each chunk the bar, and Ctrl-C, which waits for it

Why there are two models stands in `training.engine`. Nothing here imports TensorFlow until a run's
settings, folder and data are known to be good.
"""

import contextlib
import functools
import statistics

from lab import console, runs
from lab.backend import devices
from lab.data import fingerprint, for_run
from lab.settings import UserError, as_flags, flag_of


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
    run = None
    if not output.overwrite and runs.has_record(folder):
        run = runs.load_same(folder, settings, fingerprint(arrays))
    if run and run.state == runs.COMPLETE:
        console.say(f"{folder}: is done already; --overwrite trains it again.")
        return
    runs.check_free(folder, output.overwrite or run is not None)
    with console.Bar("starting TensorFlow"):
        devices.start(devices.setup_of(settings))
    history = runs.History(**train_run(settings, arrays, output))
    times = f"first epoch {history.epoch_seconds[0]:.2f} s"
    if history.steady_seconds:
        times += f", median of the later ones {statistics.median(history.steady_seconds):.3f} s"
    console.say(f"Trained in {history.total_seconds:.1f} s on {history.device}: {times}.")
    files = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    console.say(f"{folder}: {', '.join(files)}")
    from lab.training import engine

    kind = engine.training_of(settings)
    if doubt := kind.doubt(settings, history, arrays.validation_labels):
        console.say(f"Warning: {doubt}")


def train_run(settings, arrays, output, quiet=False, news=None):
    """Train a network on the device in use, and save the run.

    Parameters
    ----------
    settings : Settings
        Resolved, as `data.for_run` gives them.
    arrays : data.Arrays
        What to train and validate on.
    output : runs.Output
    quiet : bool
        Do not print the network and a line for each epoch.
    news : keras.callbacks.Callback, optional
        Follows the training, too, as `callbacks.News` does; where it stops the training, the run
        was interrupted.

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
    from keras.callbacks import LambdaCallback  # with TensorFlow

    from lab.backend import faults
    from lab.training import callbacks, engine, pictures
    from lab.training.recorder import Recorder

    kind = engine.training_of(settings)
    with faults.in_words(settings if settings.is_own_net else None):
        model = engine.compiled_model(settings, *arrays.kind)
        networks = engine.networks_of(model)
        if not quiet:
            networks.summary(expand_nested=True)
        record = _record(settings, arrays, output, networks.count_params())
        with (
            # One that is followed may have been begun elsewhere.
            runs.writing(output.folder, output.overwrite, record, patient=bool(news)) as claim,
            callbacks.signals_taken() as interrupt,
        ):
            trainer = engine.engine_for(settings, arrays, model)
            claim.find_checkpoint(engine.fitting(settings, record, trainer.model))
            recorder = interrupt.recorder = Recorder(claim, settings, record, output, trainer)
            with (
                contextlib.nullcontext() if quiet else callbacks.ProgressLines(recorder) as progress
            ):
                # In the order in which they are called: each may rely on those before it.
                followers = [
                    recorder,
                    kind.pictures(recorder),
                    pictures.Log(recorder) if output.tensorboard else None,
                    news,
                    recorder.stopper,
                    LambdaCallback(
                        on_train_begin=recorder.restore_stopper, on_epoch_end=recorder.save_at_times
                    ),
                    progress,
                    interrupt,
                ]
                try:
                    trainer.fit(
                        settings.epochs,
                        settings.seed,
                        recorder.first_epoch,
                        filter(None, followers),
                        functools.partial(engine.rate_at, settings),
                    )
                except KeyboardInterrupt:
                    recorder.break_off(model)
                    raise
                history = recorder.finish(model)
        if recorder.fault:
            flags = " or ".join(f"--{flag_of(name)}" for name in kind.rates)
            raise UserError(f"{recorder.fault}: try a smaller {flags}. The history so far is kept")
        return history


def _record(settings, arrays, output, parameters):
    """The content of config.json."""
    running, own = devices.running(), arrays.path
    examples, *shape = arrays.train_images.shape
    dataset = {
        "name": settings.dataset,
        "sha256": fingerprint(arrays),
        "train": examples,
        "validation": len(arrays.validation_images),
        "path": own,
        "classes": own and arrays.classes,
        "shape": own and shape,
        "resize": settings.resize,
        "divisor": arrays.divisor,
        "ignored": arrays.ignored,
    }
    flags = as_flags(settings.replace(threads=running.setup.threads).unusual(examples))
    record = {
        "command": console.command("train.py", output.name, flags, results_dir="results"),
        "settings": settings.to_json(),
        "parameters": parameters,
        "dataset": {name: value for name, value in dataset.items() if value},
        "device": running.name,
    }
    if output.data_dir:
        record["data_dir"] = str(output.data_dir)
    record |= {
        "threads": running.setup.threads,
        "versions": runs.versions(),
        "commit": runs.checkout()[0],
        "code": runs.code_hash(),
    }
    return record
