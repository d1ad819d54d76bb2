"""How a run gets onto the disk: by one process at a time, whole, and going on where an earlier one was broken off."""

import contextlib
import shutil
from pathlib import Path

from lab.runs.checkpoint import load_checkpoint
from lab.runs.files import atomic, remove
from lab.runs.folders import SAMPLES, TENSORBOARD, File, check_free, has_files, locked
from lab.runs.records import settings_of, unfinished
from lab.settings import Settings, UserError

LAST_CHUNK = 10  # seconds
# Of a run that goes on. Not what evaluate.py has said of it, which will not hold of its end.
_KEPT = File.CONFIG, File.PATCH, File.NETWORK, File.HISTORY, File.CHECKPOINT, TENSORBOARD, SAMPLES


@contextlib.contextmanager
def writing(folder, overwrite=False, record=None):
    """Make the folder of a run, emptied of an older run's files and closed to any other process.

    A run that ends before its first epoch leaves nothing.

    Parameters
    ----------
    folder : Path
    overwrite : bool
        An older run.
    record : dict, optional
        The content of the run's config.json. An unfinished run of the same command and data is not in the way: it goes on,
        or begins anew where it left no checkpoint.

    Yields
    ------
    Checkpoint or None
        To go on from; then the run's files are still there.

    Raises
    ------
    UserError
        If another run is there, or another process writes there.
    """
    # What was broken off just now may still be at its last chunk.
    with locked(folder, LAST_CHUNK if record and not overwrite and has_files(folder) else 0):
        again = not overwrite and record is not None and _same(folder, record)
        check_free(folder, overwrite or again)  # once more: another process may have finished meanwhile
        checkpoint = load_checkpoint(folder, record["parameters"]) if again else None
        remove_run(folder, kept=_KEPT if checkpoint else ())
        try:
            yield checkpoint
        finally:
            if not any((folder / file).exists() for file in (File.HISTORY, File.CHECKPOINT)):
                remove_run(folder)


def _same(folder, record):
    """Whether an unfinished run of this record is in a folder; UserError if it is another."""
    found = unfinished(folder)
    if not found:
        return False
    theirs, ours = found.command, record["command"]
    if found.settings.get("source") != record["settings"].get("source"):
        raise UserError(f"{folder} holds an unfinished run of another network of that name: choose another, or add --overwrite")
    alike = settings_of(found) == Settings(**record["settings"])  # whose defaults may have changed since
    if (theirs, found.dataset.sha256, alike) != (ours, record["dataset"]["sha256"], True):
        what = "data" if theirs == ours and alike else f"settings ({theirs})"
        raise UserError(f"{folder} holds an unfinished run with other {what}: choose another name, or add --overwrite")
    return True


def read_files(folder):
    """Every file of a run: path within the folder -> bytes."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def write_files(folder, files, overwrite=False):
    """Write a run from what `read_files` gave; history.json, which completes it, last."""
    with writing(folder, overwrite):
        for name in sorted(files, key=lambda name: name == File.HISTORY):
            path = folder / name
            path.parent.mkdir(exist_ok=True, parents=True)
            with atomic(path) as temporary:
                temporary.write_bytes(files[name])


def fault_of(error, folder):
    """Why a run could not be trained or written into its folder, in a line."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError):
        return f"cannot write {error.filename or folder}: {error.strerror or error}"
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def clear(folder):
    """Remove a run's files, if there are any; UserError if another process writes there."""
    if has_files(folder):
        with locked(folder, LAST_CHUNK):
            remove_run(folder)


def remove_run(folder, kept=()):
    """Remove a run's files but for some, and what processes that were killed had half-written.

    The record last: if this is broken off, the same command goes on with it.
    """
    for path in map(Path, reversed(File)):
        for killed in folder.glob(f".{path.stem}.*{path.suffix}"):
            remove(killed)
        if path.name not in kept:
            remove(folder / path)
    for name in (TENSORBOARD, SAMPLES):
        if name not in kept:
            shutil.rmtree(folder / name, ignore_errors=True)
    for killed in (folder / SAMPLES).glob(".*"):
        remove(killed)
