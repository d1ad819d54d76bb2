"""The folders that runs lie in: names, locks, and which files are a run's."""

import contextlib
import datetime
import os
import re
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from lab.io.files import make_folder
from lab.io.words import in_natural_order, suggestion, visible
from lab.settings import UserError


class File(StrEnum):
    """Every file that is written straight into a run's folder: what is not named here would
    survive ``--overwrite``.
    """

    CONFIG = "config.json"
    PATCH = "code.patch"
    NETWORK = "network.py"
    HISTORY = "history.json"
    MODEL = "model.keras"
    CHECKPOINT = "checkpoint.npz"
    BROKEN_CHECKPOINT = "checkpoint.broken.npz"
    LEARNING_CURVE = "learning_curve.png"
    ANIMATION = "samples.gif"
    # From here on, what evaluate.py says of a model.
    EVALUATION = "evaluation.json"
    MISTAKES = "mistakes.png"
    CONFUSION = "confusion.png"
    WEIGHTS = "weights.png"
    FILTERS = "filters.png"
    PICTURES = "pictures.png"
    PREDICTIONS = "predictions.csv"
    SAMPLES = "samples.png"
    NEAREST = "nearest.png"
    LABELS = "labels.png"
    OVER_TIME = "over_time.png"


OF_EVALUATION = [*File][[*File].index(File.EVALUATION) :]
# Of these there may also be an SVG.
VECTOR = File.CONFUSION, File.SAMPLES, File.LABELS, File.OVER_TIME


class Beside(StrEnum):
    """Folders that lie beside the runs in the results folder."""

    COMPARISONS = "comparisons"
    DATASETS = "datasets"
    THEORY = "theory"


class Output(NamedTuple):
    """Where a run goes, and what is written of it."""

    folder: Path
    name: str  # of the run, or of what all runs have in common, within the results folder
    overwrite: bool = False  # an older run
    tensorboard: bool = False  # also TensorBoard's log, to ``folder / TENSORBOARD``
    data_dir: str | None = None  # that the command named, to be named again

    def within(self, name):
        """The output of a run of this sweep."""
        return self._replace(folder=self.folder.absolute() / name, name=f"{self.name}/{name}")

    @property
    def results_dir(self):
        return self.folder.parents[self.name.count("/")]

    @property
    def title(self):
        """What the run's figure calls it: without the values of a sweep, which the figure tells
        beside it.
        """
        parts = self.name.split("/")
        return next((part for part in reversed(parts) if "=" not in part), self.name)


# Folders within a run: TensorBoard's log, and a GAN's pictures by epoch.
TENSORBOARD, SAMPLES = "tensorboard", "samples"

_MOST_NAMES = 5  # in a message
_TRIES = 1_000  # to make a folder that others remove
_NAME_PART = re.compile(r"[A-Za-z0-9_=,-][A-Za-z0-9._=,-]{0,199}")


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
            f"not a run's name: {name!r}; use up to 200 letters, digits and . _ - = , not starting "
            f"with a dot (/ makes a subfolder, {TENSORBOARD} and {SAMPLES} are taken)"
        )
    folder = Path(results_dir, *parts)
    check_inside(results_dir, folder)
    if folder.resolve() == Path(results_dir).resolve():
        raise UserError(f"{folder} is a link to the results folder itself: choose another name")
    return folder


def is_inside(top, path):
    """Whether a path lies within a folder, wherever the links on its way lead."""
    try:
        return Path(path).resolve().is_relative_to(Path(top).resolve())
    except (OSError, RuntimeError):  # links in a circle
        return False


def check_inside(top, path):
    """Raise UserError unless a path lies within a folder, as of `is_inside`."""
    if not is_inside(top, path):
        link = "it is, or passes through, a link, which is not followed"
        advice = "remove the link, or choose another name"
        raise UserError(f"{path} lies outside of the folder {top}: {link}; {advice}")


def own_file(folder, file):
    """The path of a file in a run's folder; UserError if it is a link to somewhere else."""
    check_inside(folder, folder / file)
    return folder / file


def plain_name(text):
    """Text as a part of a run's name: "own.py_residual"."""
    return re.sub(r"[^A-Za-z0-9._=,-]|^\.", "_", Path(text).name)


def existing(results_dir, name):
    """The folder of a run, or of several, that is there; UserError, which names some that are, if
    it is not.
    """
    folder, top = folder_of(results_dir, name), Path(results_dir).resolve()
    if folder.is_dir():
        return folder
    names = []  # of runs and sweeps, in the closest folder around that holds some
    for around in folder.parents:
        if not names and is_inside(top, around):
            depth = len(around.parts) + 1
            held = {Path(*path.parts[:depth]) for path in below(around, File.CONFIG)} - {around}
            names = [path.relative_to(results_dir).as_posix() for path in held]
    if not names:
        lacking = "run in" if top.is_dir() else "folder"
        advice = "name the folder of your runs with --results-dir, or train it first"
        raise UserError(f"no run at {folder}: there is no {lacking} {top}; {advice}")
    names.sort(key=in_natural_order)
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    there = f"{top} holds {', '.join(names[:_MOST_NAMES])}{more}"
    advice = "name one of them, or train it first"
    raise UserError(f"no run at {folder}{suggestion(name, names)}: {there}; {advice}")


def display_name(folder):
    """What a run's figures call it: its folder; of one of many (``unroll=5/seed=0``), with those
    above that say of which.
    """
    parts = [folder.name]
    for above in folder.parents:
        if "=" not in parts[0]:
            break
        parts.insert(0, above.name)
    return visible("/".join(parts))


def check_free(folder, overwrite=False):
    """Raise UserError if a run cannot be written to ``folder``, or another is there and must not
    be overwritten.
    """
    ancestor = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    if not ancestor.is_dir() or not os.access(ancestor, os.W_OK | os.X_OK):
        raise UserError(f"cannot write to {ancestor}: choose another --results-dir")
    for path in folder.resolve().parents:
        if holds_run(path):
            raise UserError(f"{folder} lies within the run {path}: choose another name")
    if any(path != folder for path in below(folder, File.CONFIG)):
        raise UserError(f"{folder} holds other runs, as of a sweep: choose another name")
    if overwrite:
        return
    if (folder / File.CHECKPOINT).exists() and not (folder / File.CONFIG).exists():
        advice = f"put the {File.CONFIG} back that is not there, to resume it, or add --overwrite"
        raise UserError(f"{folder} holds the {File.CHECKPOINT} of an unfinished run: {advice}")
    if has_files(folder):
        raise UserError(f"{folder} already holds a run: choose another name, or add --overwrite")


def below(folder, file=None):
    """The folders below a folder and itself, if need be only those that hold a file of this name:
    a sorted list of Path.

    Other processes may make and remove some meanwhile.
    """
    places = os.walk(folder)
    return sorted(Path(place) for place, _, names in places if file is None or file in names)


def make_free(folder):
    """Make a folder for what is no run, and is replaced when it is written again; UserError as of
    `check_free`, or if a run is there.
    """
    check_free(folder, overwrite=True)
    if has_record(folder):
        raise UserError(f"{folder} holds a run: choose another name")
    make_folder(folder)


def has_files(folder):
    """Whether there is any file of a run in this folder."""
    return any((folder / file).exists() for file in File)


def holds_run(folder):
    """Whether a run, finished or not, was written straight into this folder."""
    return all((folder / file).is_file() for file in (File.CONFIG, File.HISTORY))


def has_record(folder):
    """Whether one of the files is in this folder that say what a run is, whatever else it lacks."""
    try:
        return any((folder / file).is_file() for file in (File.CONFIG, File.HISTORY))
    except PermissionError:  # whoever reads it will say so
        return True


def ended(folder):
    """When a run's history was last written, as text; "-" where that cannot be told."""
    try:
        written = datetime.datetime.fromtimestamp((folder / File.HISTORY).stat().st_mtime)
        return f"{written:%Y-%m-%d %H:%M}"
    except (OSError, OverflowError, ValueError):  # gone meanwhile, or a clock that was far off
        return "-"


def named(results_dir, names, holds=holds_run):
    """The folders of all runs that some names mean.

    Parameters
    ----------
    results_dir : path
    names : list of str
        Of runs, of repeated runs and sweeps, or shell patterns of such names.
    holds : function of a folder
        Whether a run lies in it.

    Returns
    -------
    list of Path
        Without repetition, in the order of the names.

    Raises
    ------
    UserError
        If one of them means nothing.
    """
    folders = {}  # once each, also by a link
    for name in names:
        tops = _matching(results_dir, name) if is_pattern(name) else [existing(results_dir, name)]
        found = [folder for top in tops for folder in below(top) if holds(folder)]
        if is_pattern(name) and not found:
            raise UserError(f"no run's name in {results_dir} is like {name!r}")
        for folder in found or tops:  # whoever reads it will say what it lacks
            folders.setdefault(folder.resolve(), folder)
    return [*folders.values()]


def is_pattern(name):
    """Whether a name is a shell pattern."""
    return any(sign in name for sign in "*?[")


def _matching(results_dir, pattern):
    """The folders whose names are like a pattern, whose parts may be ``**`` for any folders; links
    lead nowhere else.
    """
    parts = PurePosixPath(pattern).parts
    if "/" in parts or ".." in parts or any("**" in part and part != "**" for part in parts):
        raise UserError(f"not a pattern of runs' names: {pattern!r}")
    found = [Path(results_dir)]
    for part in parts:
        if part == "**":
            found = [inner for folder in found for inner in below(folder)]
        else:
            paths = [path for folder in found for path in folder.glob(part)]
            found = [path for path in paths if path.is_dir() and is_inside(results_dir, path)]
    return sorted({*found}, key=lambda path: in_natural_order(path.as_posix()))


@contextlib.contextmanager
def locked(folder, seconds=0):
    """Make a folder and close it to any other process, for which it waits so long; removed in the
    end if it is still empty.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / ".lock", timeout=seconds)
    for tries_left in reversed(range(_TRIES + 1)):
        try:
            make_folder(folder)
            lock.acquire()
            break
        except Timeout:
            advice = "wait for it, or choose another name"
            raise UserError(f"another process is writing to {folder}: {advice}") from None
        except OSError as error:
            # Whoever had locked it may have removed it just now, since it was empty; between two
            # looks of `mkdir` perhaps.
            is_passing = isinstance(error, (FileNotFoundError, FileExistsError))
            if not (is_passing and tries_left):
                advice = "choose another name, or another --results-dir"
                fault = f"cannot make the folder {folder}: {error.strerror}"
                raise UserError(f"{fault}; {advice}") from error
    try:
        yield
    finally:
        unlock(folder)
        lock.release()


def unlock(folder):
    """Remove what `locked` has made of a folder, if nothing else is in it; the lock itself ends
    with its process.
    """
    (folder / ".lock").unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # it holds something
        folder.rmdir()
