"""How a run gets onto the disk: by one process at a time, whole, and going on where an earlier one
was broken off.

What lies in a run's folder goes only when what takes its place stands: an older run when the first
epoch of the new one has ended.
"""

import contextlib
import os
import re
from pathlib import Path

from lab.runs.checkpoint import BrokenCheckpoint, load_checkpoint
from lab.runs.files import atomic, remove
from lab.runs.folders import SAMPLES, TENSORBOARD, VECTOR, File, check_free, has_files, locked
from lab.runs.records import TRAINING, Record, settings_of, standing
from lab.settings import UserError

LAST_CHUNK = 10  # seconds
_LONGEST = 1_000  # letters of what a network of the user's own may say of a fault
# What evaluate.py says of a model.
_OF_EVALUATION = {
    File.EVALUATION,
    File.MISTAKES,
    File.CONFUSION,
    File.WEIGHTS,
    File.FILTERS,
    File.PICTURES,
    File.PREDICTIONS,
}
_OF_EVALUATION |= {File.SAMPLES, File.NEAREST, File.LABELS, File.OVER_TIME}


# Folders within a run's.
_FOLDERS = SAMPLES, TENSORBOARD, f"{TENSORBOARD}/train", f"{TENSORBOARD}/validation"
# What we write there, and what a process that was killed had half-written: with its number in the
# name.
_SAMPLE = re.compile(r"(epoch_\d{4,}|\.epoch_\d{4,}\.\d+)\.(png|npz)")
_LOG = re.compile(r"events\.out\.tfevents\.\d+\.")
_HALF_WRITTEN = re.compile(
    "|".join(rf"\.{re.escape(Path(file).stem)}\.\d+{re.escape(Path(file).suffix)}" for file in File)
)


class Claim:
    """The folder of a run that is to be written, closed to any other process.

    Parameters
    ----------
    folder : Path
    before : Record or None
        Of the unfinished run that it resumes.
    """

    def __init__(self, folder, before):
        self.folder, self.before = folder, before
        self.checkpoint, self.fault = (
            None,
            "",
        )  # that the run is resumed from; why one that lies there cannot be used
        self.taken = False
        self.older = []
        for path in files_of(folder):
            if path.name.startswith("."):  # half-written by a process that was killed
                path.unlink(missing_ok=True)
            else:
                self.older.append(path)

    def find_checkpoint(self, fitting):
        """Read the checkpoint that the run is resumed from, if there is one, and it is as
        `Fitting` says.
        """
        try:
            self.checkpoint = self.before and load_checkpoint(self.folder, fitting)
        except BrokenCheckpoint as error:
            self.fault = str(error)

    def begin(self, files):
        """Write files of the run in place of all that lay here, unless it is what the run is
        resumed from.

        To be called when the first epoch has ended.

        Parameters
        ----------
        files : dict of str to bytes
            By name; the history, which calls the run complete perhaps, comes into its place last.
        """
        with contextlib.ExitStack() as stack:
            # All of them lie beside their places before anything goes. The stack leaves in reverse
            # order.
            for name in sorted(files, key=lambda name: name != File.HISTORY):
                path = self.folder / name
                path.parent.mkdir(exist_ok=True, parents=True)
                stack.enter_context(atomic(path)).write_bytes(files[name])
            self._take()

    def _take(self):
        self.taken = True
        kept = {File.CONFIG}  # which is replaced
        if self.before:
            kept.add(File.BROKEN_CHECKPOINT)  # set aside now, or by an earlier try
        if self.fault:
            os.replace(self.folder / File.CHECKPOINT, self.folder / File.BROKEN_CHECKPOINT)
        if not self.checkpoint:
            _remove(self.folder, [path for path in self.older if path.name not in kept])

    def leave(self):
        """Let nothing stay of a run that has ended before its first epoch."""
        whole = any((self.folder / file).exists() for file in (File.HISTORY, File.CHECKPOINT))
        if not self.taken and not self.checkpoint:
            _remove(self.folder, set(files_of(self.folder)) - set(self.older))
        elif self.taken and not whole:
            _remove(
                self.folder,
                [path for path in files_of(self.folder) if path.name != File.BROKEN_CHECKPOINT],
            )


@contextlib.contextmanager
def writing(folder, overwrite=False, record=None):
    """Make the folder of a run, closed to any other process, and see what lies in it.

    Parameters
    ----------
    folder : Path
    overwrite : bool
        An older run, whatever state it is in.
    record : dict, optional
        The content of the run's config.json. An unfinished run of the same settings and data is
        not in the way: it is resumed, or trained anew where it left no checkpoint.

    Yields
    ------
    Claim

    Raises
    ------
    UserError
        If another run is there, or another process writes there.
    """
    # What was broken off just now may still be at its last chunk.
    with locked(folder, LAST_CHUNK if record and not overwrite and has_files(folder) else 0):
        before = None if overwrite or record is None else _before(folder, record)
        check_free(
            folder, overwrite or before is not None
        )  # once more: another process may have finished meanwhile
        claim = Claim(folder, before)
        try:
            yield claim
        finally:
            claim.leave()


def _before(folder, record):
    """The `Record` of an unfinished run of the same settings and data, None where there is none;
    UserError if there is another run.
    """
    ours = Record.model_validate(record)
    settings = settings_of(ours)
    settings = settings.replace(threads=settings.threads or ours.threads)
    found, status = standing(folder, settings, ours.dataset.sha256)
    return found if status == TRAINING else None


def files_of(folder):
    """The files of a run that are in its folder, and those that processes which were killed had
    half-written, by their names as we give them: a list of Path, in the order in which they may be
    removed.

    The history first: without it, what is left is unfinished. The record last: while it is there,
    the same command goes on.

    Raises
    ------
    UserError
        If something else is in the place of one, or a link in a folder within; or if one could not
        be removed.
    """
    for name in _FOLDERS:
        path = folder / name
        if os.path.lexists(path) and not path.is_dir():
            raise UserError(
                f"{path} is no folder, which a run may have there: remove it, or choose another name"
            )
    others = [file for file in File if file not in (File.HISTORY, File.CONFIG)]
    paths = [folder / File.HISTORY]
    paths += [
        path
        for path in _within(folder / SAMPLES)
        if path.parent.name == SAMPLES and _SAMPLE.fullmatch(path.name)
    ]
    logs = [folder / name for name in _FOLDERS if name.startswith(TENSORBOARD)]
    paths += [
        path
        for path in _within(folder / TENSORBOARD)
        if path.parent in logs and _LOG.match(path.name)
    ]
    paths += [path for path in sorted(folder.glob(".*")) if _HALF_WRITTEN.fullmatch(path.name)]
    paths += [(folder / name).with_suffix(".svg") for name in VECTOR if (folder / name).exists()]
    paths += [folder / file for file in (*others, File.CONFIG)]
    found = [path for path in paths if os.path.lexists(path)]
    for path in found:
        if path.is_dir() and not path.is_symlink():
            raise UserError(
                f"{path} is a folder, where a run has a file: remove it, or choose another name"
            )
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise UserError(f"cannot write to {path.parent}: choose another name")
    return found


def _within(folder):
    """What lies below a folder; UserError if it is, or holds, a link."""
    paths = [folder]
    for place, folders, files in os.walk(folder):
        paths += [Path(place, name) for name in (*folders, *files)]
    link = next((path for path in paths if path.is_symlink()), None)
    if link:
        raise UserError(
            f"{link} is a link, which a run does not follow: remove it, or choose another name"
        )
    return paths[1:]


def _remove(folder, paths):
    """Remove files of a run, and the folders within its own that are empty then."""
    for path in paths:
        path.unlink(missing_ok=True)
    for inner in sorted(
        {inner for path in paths for inner in path.parents if folder in inner.parents}, reverse=True
    ):
        with contextlib.suppress(OSError):  # it holds something
            inner.rmdir()


def remove_evaluation(folder):
    """Remove what evaluate.py has said of a model that is no more."""
    for file in _OF_EVALUATION:
        remove(folder / file)


def stamp(folder):
    """Identifies the run in a folder, among those that are written there: inode and modification
    time of its config.json; () where there is none.
    """
    try:
        about = (folder / File.CONFIG).stat()
        return about.st_ino, about.st_mtime_ns
    except FileNotFoundError:
        return ()


def read_files(folder):
    """Every file of a run: path within the folder -> bytes."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def write_files(folder, files, overwrite=False):
    """Write a run from what `read_files` gave, in place of an older one perhaps."""
    with writing(folder, overwrite) as claim:
        claim.begin(files)


def fault_of(error, folder):
    """Why a run could not be trained or written into its folder, in a line."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename or folder}: {error.strerror or error}"
    fault = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return fault if len(fault) <= _LONGEST else f"{fault[:_LONGEST]} ..."
