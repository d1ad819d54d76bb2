"""Runs on disk: one folder each under the results folder. Written atomically, read with suspicion.

config.json            settings, parameters, data set, versions, device, commit of the code
history.json           Keras's lists by epoch, "epoch_seconds", "total_seconds", "device", and "status"
model.keras            the trained model
learning_curve.png     and whatever evaluate.py adds
samples/  samples.gif  of a GAN: what it made after each epoch
"""

import contextlib
import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import simplejson

from lab.data.load import CLASSES, IMAGE_SHAPES
from lab.errors import UserError
from lab.runs.files import atomic
from lab.settings import DATASETS, GANS, RunConfig

# "training" while it lasts and when the process was killed; the others are final.
TRAINING, COMPLETE, INTERRUPTED, DIVERGED = "training", "complete", "interrupted", "diverged"
STATUSES = (TRAINING, COMPLETE, INTERRUPTED, DIVERGED)

# Folders within a run: TensorBoard's log, and a GAN's pictures by epoch.
TENSORBOARD, SAMPLES = "tensorboard", "samples"

_NAME_PART = re.compile(r"[A-Za-z0-9_=,-][A-Za-z0-9._=,-]{0,199}")
_FILES = (
    "config.json",
    "history.json",
    "model.keras",
    "learning_curve.png",
    "evaluation.json",
    "mistakes.png",
    "confusion.png",
    "weights.png",
    "filters.png",
    "pictures.png",
    "samples.gif",
    "samples.png",
    "nearest.png",
    "labels.png",
)


def folder_of(results_dir, name):
    """The folder of a run.

    Parameters
    ----------
    results_dir : path
    name : str
        One or more plain parts (letters, digits, ``. _ - = ,``) with slashes between them.

    Raises
    ------
    UserError
        If the name is no such name, or leads out of the results folder.
    """
    parts = name.split("/")
    if not all(_NAME_PART.fullmatch(part) and part not in (TENSORBOARD, SAMPLES) for part in parts):
        raise UserError(
            f"not a run's name: {name!r}; use up to 200 letters, digits and . _ - = , not starting with a dot (/ makes a "
            f"subfolder, {TENSORBOARD} and {SAMPLES} are taken)"
        )
    folder = Path(results_dir, *parts)
    if not folder.resolve().is_relative_to(Path(results_dir).resolve()):
        raise UserError(f"{folder} lies outside of the results folder: it is, or passes through, a link")
    return folder


def title(folder):
    """What a run's figures call it: its folder; of one of many (``unroll=5/seed=0``), with those above that say of which."""
    parts = [folder.name]
    for above in folder.parents:
        if "=" not in parts[0]:
            break
        parts.insert(0, above.name)
    return "/".join(parts)


def check_free(folder, overwrite=False):
    """Raise UserError if a run cannot be written to ``folder``, or another is there and must not be overwritten."""
    ancestor = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    if not ancestor.is_dir() or not os.access(ancestor, os.W_OK | os.X_OK):
        raise UserError(f"cannot write to {ancestor}: choose another --results-dir")
    around = next((path for path in folder.parents if holds_run(path)), None)
    if around:
        raise UserError(f"{folder} lies within the run {around}: choose another name")
    if any(path.parent != folder for path in folder.rglob("config.json")):
        raise UserError(f"{folder} holds other runs, as of a sweep: choose another name")
    if not overwrite and has_files(folder):
        raise UserError(f"{folder} already holds a run: choose another name, or add --overwrite")


def has_files(folder):
    """Whether there is any file of a run in this folder."""
    return any((folder / file).exists() for file in _FILES)


def holds_run(folder):
    """Whether a run, finished or not, was written straight into this folder."""
    return (folder / "config.json").is_file() and (folder / "history.json").is_file()


def named(results_dir, names):
    """The folders of all runs that some names mean.

    Parameters
    ----------
    results_dir : path
    names : list of str
        Of runs, of repeated runs and sweeps, or shell patterns of such names.

    Returns
    -------
    list of Path
        Without repetition, in the order of the names.

    Raises
    ------
    UserError
        If one of them means nothing.
    """
    folders = []
    for name in names:
        tops = _matching(results_dir, name) if is_pattern(name) else [folder_of(results_dir, name)]
        found = [folder for top in tops for folder in [top, *sorted(top.rglob("*/"))] if holds_run(folder)]
        if is_pattern(name) and not found:
            raise UserError(f"no run's name in {results_dir} is like {name!r}")
        folders += found or tops  # whoever reads it will say what it lacks
    return list(dict.fromkeys(folders))


def is_pattern(name):
    """Whether a name is a shell pattern."""
    return any(sign in name for sign in "*?[")


def _matching(results_dir, pattern):
    try:
        if ".." in pattern:
            raise ValueError
        return sorted(Path(results_dir).glob(pattern))
    except (ValueError, NotImplementedError) as error:  # pathlib's, of patterns such as x** and /x
        raise UserError(f"not a pattern of runs' names: {pattern!r}") from error


@contextlib.contextmanager
def writing(folder, overwrite=False):
    """Make the folder of a new run, emptied of an older run's files and closed to any other process.

    A run that ends before its first epoch leaves nothing.
    """
    with locked(folder):
        check_free(folder, overwrite)  # once more: another process may have finished meanwhile
        _remove_run(folder)
        try:
            yield
        finally:
            if not (folder / "history.json").exists():
                _remove_run(folder)


@contextlib.contextmanager
def locked(folder):
    """Make a folder and close it to any other process; removed in the end if it is still empty."""
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {folder}: {error.strerror}; choose another --results-dir") from error
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise UserError(f"another process is writing to {folder}: wait for it, or choose another name") from None
    try:
        yield
    finally:
        (folder / ".lock").unlink(missing_ok=True)
        lock.release()
        with contextlib.suppress(OSError):  # it holds something
            folder.rmdir()


def read_files(folder):
    """Every file of a run: path within the folder -> bytes."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def write_files(folder, files, overwrite=False):
    """Write a run from what `read_files` gave; history.json, which completes it, last."""
    with writing(folder, overwrite):
        for name in sorted(files, key=lambda name: name == "history.json"):
            path = folder / name
            path.parent.mkdir(exist_ok=True, parents=True)
            with atomic(path) as temporary:
                temporary.write_bytes(files[name])


def _remove_run(folder):
    killed = [file for path in _FILES for file in folder.glob(f".{Path(path).stem}.*{Path(path).suffix}")]
    for path in [folder / file for file in _FILES] + killed:
        path.unlink(missing_ok=True)
    for name in (TENSORBOARD, SAMPLES):
        shutil.rmtree(folder / name, ignore_errors=True)


def load_config(folder):
    """A run's settings, and the whole of its config.json.

    Returns
    -------
    config : RunConfig
    record : dict
        With "parameters" (int), "dataset" {name, sha256, train, validation} and more.
    """
    record = _read_json(folder, "config.json")
    path = folder / "config.json"
    try:
        config = RunConfig.from_json(record.get("settings"))
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    dataset = record.get("dataset")
    expected = {"name": str, "sha256": str, "train": int, "validation": int}
    if not isinstance(dataset, dict) or any(not isinstance(dataset.get(key), kind) for key, kind in expected.items()):
        raise UserError(f'{path}: expected "dataset" with {", ".join(expected)}')
    if dataset["name"] not in DATASETS:
        raise UserError(f"{path}: unknown data set {dataset['name']!r}")
    if not isinstance(record.get("parameters"), int):
        raise UserError(f'{path}: expected "parameters", a whole number')
    return config, record


def load_trained(folder):
    """The settings and record of a run that has a trained model, as `load_config`; UserError for any other."""
    history = load_history(folder)
    if history["status"] == TRAINING:
        raise UserError(f"{folder} is not finished: its training still goes on, or was killed (then: --overwrite)")
    if history["status"] == DIVERGED:
        raise UserError(f"{folder} has no model: its loss became infinite or no number; train again, more slowly")
    if history["status"] == INTERRUPTED:
        print(f"Note: {folder} was interrupted after {len(history['epoch_seconds'])} epochs.")
    return load_config(folder)


def load_history(folder, needed=()):
    """A run's history.json.

    Parameters
    ----------
    folder : Path
    needed : sequence of str
        Lists that it must have.

    Returns
    -------
    dict
        Lists of floats (or None) by epoch, all of one length, "epoch_seconds" and ``needed`` among them; and "status", one of
        `STATUSES`.

    Raises
    ------
    UserError
        If there is none, or it is broken.
    """
    history = _read_json(folder, "history.json")
    path = folder / "history.json"
    if history.get("status") not in STATUSES:
        raise UserError(f'{path}: expected "status", one of {", ".join(STATUSES)}')
    lists = {key: value for key, value in history.items() if isinstance(value, list)}
    if "epoch_seconds" not in lists or len({len(values) for values in lists.values()}) != 1 or not lists["epoch_seconds"]:
        raise UserError(f'{path}: expected lists of equal length, "epoch_seconds" among them')
    if not all(value is None or _is_number(value) for values in lists.values() for value in values):
        raise UserError(f"{path}: expected numbers in its lists")
    if not set(needed) <= set(lists):
        raise UserError(f"{path}: expected lists {', '.join(needed)}")
    epochs = len(lists["epoch_seconds"])
    saved_epoch = history.get("saved_epoch", epochs)
    if not isinstance(saved_epoch, int) or not 1 <= saved_epoch <= epochs:
        raise UserError(f'{path}: expected "saved_epoch", a whole number from 1 to {epochs}')
    if not isinstance(history.get("compiled", True), bool) or not isinstance(history.get("device", ""), str):
        raise UserError(f'{path}: expected "compiled", true or false, and "device", a name')
    return history


def load_evaluation(folder, names):
    """What evaluate.py found out about a GAN; an empty dict if it did not yet.

    Parameters
    ----------
    folder : Path
    names : iterable of str
        Numbers that are read if they are there.

    Returns
    -------
    dict
        Of str to number; and, if the samples were labelled, "samples" (int), "classes" and "counts" (lists), and "classifier".

    Raises
    ------
    UserError
        If the file is broken.
    """
    if not (folder / "evaluation.json").exists():
        return {}
    content = _read_json(folder, "evaluation.json", "evaluate the run again")
    found = {name: content[name] for name in names if content.get(name) is not None}
    parts = "samples", "classes", "counts", "classifier"
    labelled = {name: content[name] for name in parts if "counts" in content and name in content}
    if not all(map(_is_number, found.values())) or (labelled and not _are_counts(**labelled)):
        raise UserError(f"{folder / 'evaluation.json'}: not what evaluate.py writes; evaluate the run again")
    return found | labelled


def _are_counts(counts, classes=None, samples=None, classifier=""):
    if not isinstance(counts, list) or not isinstance(classes, list) or len(counts) != len(classes) or not counts:
        return False
    numbers = all(type(count) is int and 0 <= count < 2**53 for count in [*counts, samples])
    return numbers and all(isinstance(name, str) for name in [*classes, classifier])


def _is_number(value):
    # Real figures are far from what a float64 cannot square.
    return type(value) in (int, float) and abs(value) < 1e100


def load_model(folder, record):
    """A run's trained model.

    Parameters
    ----------
    folder : Path
    record : dict
        Its config.json, as `load_config` gives it, which the model has to fit.

    Before Keras builds anything from the file, every class that the file names is checked to be one that we save; Keras's
    safe mode alone would let a file call arbitrary functions of Keras.

    Raises
    ------
    UserError
        If there is no such file, or it is broken, foreign, or of another run.
    """
    import keras

    path = folder / "model.keras"
    try:
        with zipfile.ZipFile(path) as archive:
            _check_classes(simplejson.loads(archive.read("config.json")))
        model = keras.saving.load_model(path, safe_mode=True, compile=False)
        if not _fits(model, record):
            raise ValueError("it does not fit the run's config.json")
        return model
    except FileNotFoundError:
        raise UserError(f"{folder} holds no model.keras: train the run again with --overwrite") from None
    except Exception as error:  # a broken archive fails in as many ways as there are readers in Keras
        fault = str(error).strip().partition("\n")[0] or type(error).__name__
        raise UserError(f"{path}: not the model of this run ({fault}); train it again with --overwrite") from error


def _fits(model, record):
    """Whether a model is what a run of this record saves."""
    shape, classes = IMAGE_SHAPES[record["dataset"]["name"]], len(CLASSES[record["dataset"]["name"]])
    if model.count_params() != record["parameters"]:
        return False
    if record["settings"]["net"] in GANS:
        generator, discriminator = model.layers
        return generator.output_shape == discriminator.input_shape == (None, *shape) and model.output_shape == (None, 1)
    return (model.input_shape, model.output_shape, model.layers[-2].name) == ((None, *shape), (None, classes), "logits")


# The classes of which our networks are saved. A list of what is allowed, since some of Keras's own run foreign code or read
# files when they are loaded.
_SAVED_CLASSES = {
    "keras": {"Sequential", "DTypePolicy"},
    "keras.layers": {
        "InputLayer",
        "Rescaling",
        "Flatten",
        "Dense",
        "Reshape",
        "Conv2D",
        "Conv2DTranspose",
        "UpSampling2D",
        "MaxPooling2D",
        "GlobalAveragePooling2D",
        "Activation",
        "ReLU",
        "LeakyReLU",
        "BatchNormalization",
        "Dropout",
    },
    "keras.initializers": {"GlorotUniform", "Zeros", "Ones"},
    "keras.regularizers": {"L1", "L2"},
    "keras.optimizers": {"Adam", "Adamax", "Nadam", "RMSprop", "Adagrad", "SGD"},
}


def _check_classes(node):
    """Raise ValueError if a saved model's configuration names any class but those."""
    if isinstance(node, list):
        for item in node:
            _check_classes(item)
    elif isinstance(node, dict):
        if "class_name" in node:
            module, name = str(node.get("module")), str(node["class_name"])
            if name not in _SAVED_CLASSES.get(module, ()) or node.get("registered_name") not in (None, name):
                raise ValueError(f"it names {module}.{name}, which our networks do not use")
        for item in node.values():
            _check_classes(item)


def commit():
    """The commit of this code, "-dirty" behind it where files were changed since; None outside a git checkout."""
    try:
        return subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40"],
            cwd=Path(__file__).parents[1],
            capture_output=True,
            text=True,
            check=True,
            timeout=5,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _read_json(folder, file, advice="train the run again with --overwrite"):
    if not folder.is_dir():
        raise UserError(f"no run at {folder}: train it first, as in `python train.py -m {folder.name}`")
    path = folder / file
    try:
        content = simplejson.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        inner = sorted(path.parent for path in folder.rglob("config.json") if path.parent != folder)
        if inner:
            raise UserError(f"{folder} holds several runs: name one of them, as {inner[0]}") from None
        raise UserError(f"{folder} holds no finished run: it has no {file}; train it again with --overwrite") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not readable as JSON ({error}); {advice}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected a JSON object")
    return content
