"""How a run gets onto the disk: by one process at a time, whole, and going on where an earlier one
was broken off.

What lies in a run's folder goes only when what takes its place stands: an older run when the first
epoch of the new one has ended.
"""

import contextlib
import os
import re

from pydantic import ValidationError

from lab.io.files import atomic
from lab.runs.checkpoint import BrokenCheckpoint, load_checkpoint
from lab.runs.folders import SAMPLES, TENSORBOARD, VECTOR, File, check_free, has_files, locked
from lab.runs.records import load_same
from lab.runs.schemas import TRAINING, Record, fault_in
from lab.settings import UserError

LAST_CHUNK = 10  # seconds
_LONGEST = 1_000  # letters of what a network of the user's own may say of a fault

# Folders within a run's, and the files in them that are ours.
_FOLDERS = SAMPLES, TENSORBOARD, f"{TENSORBOARD}/train", f"{TENSORBOARD}/validation"
_WITHIN = re.compile(
    rf"{SAMPLES}/epoch_\d{{4,}}\.(png|npz)"
    rf"|{TENSORBOARD}/((train|validation)/)?events\.out\.tfevents\.\d+\..*"
)
# What a process that was killed had half-written: with its number in the name, as of `atomic`.
_HALF_WRITTEN = re.compile(r"^\.(.+)\.\d+(\.\w+)$")


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
        self.checkpoint = None  # that the run is resumed from
        self.fault = ""  # why one that lies there cannot be used
        self.taken = False
        self.older = []
        for path in files_of(folder):
            if path.name.startswith("."):
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
        kept = {File.CONFIG}  # which is replaced
        if self.before:
            kept.add(File.BROKEN_CHECKPOINT)  # set aside now, or by an earlier try
        with contextlib.ExitStack() as stack:
            # All of them lie beside their places before anything goes. The stack leaves in reverse
            # order.
            for name in sorted(files, key=lambda name: name != File.HISTORY):
                path = self.folder / name
                path.parent.mkdir(exist_ok=True, parents=True)
                stack.enter_context(atomic(path)).write_bytes(files[name])
            self.taken = True
            if self.fault:
                os.replace(self.folder / File.CHECKPOINT, self.folder / File.BROKEN_CHECKPOINT)
            if not self.checkpoint:
                self._remove([path for path in self.older if path.name not in kept])

    def leave(self):
        """Let nothing stay of a run that has ended before its first epoch."""
        whole = any((self.folder / file).exists() for file in (File.HISTORY, File.CHECKPOINT))
        if self.taken and not whole:
            left = [path for path in files_of(self.folder) if path.name != File.BROKEN_CHECKPOINT]
            self._remove(left)
        elif not self.taken and not self.checkpoint:
            self._remove({*files_of(self.folder)} - {*self.older})

    def _remove(self, paths):
        """Remove files of the run, and the folders within its own that are empty then."""
        for path in paths:
            path.unlink(missing_ok=True)
        for name in reversed(_FOLDERS):
            with contextlib.suppress(OSError):  # it holds something, or is not there
                (self.folder / name).rmdir()


@contextlib.contextmanager
def writing(folder, overwrite=False, record=None, patient=False):
    """Make the folder of a run, closed to any other process, and see what lies in it.

    Parameters
    ----------
    folder : Path
    overwrite : bool
        An older run, whatever state it is in.
    record : dict, optional
        The content of the run's config.json. An unfinished run of the same settings and data is
        not in the way: it is resumed, or trained anew where it left no checkpoint.
    patient : bool
        Wait for another process that writes there, as for one that was told to stop; a run that
        may be resumed always does.

    Yields
    ------
    Claim

    Raises
    ------
    UserError
        If another run is there, or another process writes there; or if the record could not be
        read again.
    """
    try:
        ours = record and Record.model_validate(record)
    except ValidationError as error:
        fault = f"in its {File.CONFIG}, {fault_in(error)}"
        raise UserError(f"the run could not be read again: {fault}") from error
    may_resume, before = ours and not overwrite, None
    # What was broken off just now may still be at its last chunk.
    patient = patient or (may_resume and has_files(folder))
    with locked(folder, LAST_CHUNK if patient else 0):
        if may_resume:
            run = load_same(folder, ours.resolved, ours.dataset.sha256)
            before = run.record if run and run.state == TRAINING else None
        # Once more: another process may have finished meanwhile.
        check_free(folder, overwrite or before is not None)
        claim = Claim(folder, before)
        try:
            yield claim
        finally:
            claim.leave()


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
    found = []
    for path in folder.rglob("*"):  # which follows no link
        parts, fault = path.relative_to(folder).parts, ""
        if path.is_symlink() and parts[0] in _FOLDERS:
            fault = "is a link, which a run does not follow"
        elif "/".join(parts) in _FOLDERS and not path.is_dir():
            fault = "is no folder, which a run may have there"
        elif _is_ours(path, folder):
            found.append(path)
            if path.is_dir() and not path.is_symlink():
                fault = "is a folder, where a run has a file"
            elif not os.access(path.parent, os.W_OK | os.X_OK):
                raise UserError(f"cannot write to {path.parent}: choose another name")
        if fault:
            raise UserError(f"{path} {fault}: remove it, or choose another name")
    order = {File.HISTORY: 0, File.CONFIG: 2}
    return sorted(found, key=lambda path: order.get(path.name, 1))


def _is_ours(path, folder):
    """Whether a path in a run's folder is called as one of the run's files, whole or not."""
    if path.suffix == ".svg":
        drawn = path.with_suffix(".png")
        return drawn.name in VECTOR and drawn.exists() and path.parent == folder
    whole = path.with_name(_HALF_WRITTEN.sub(r"\1\2", path.name)).relative_to(folder).as_posix()
    return whole in [*File] or bool(_WITHIN.fullmatch(whole))


def stamp(folder):
    """Identifies the run in a folder, among those that are written there: inode and modification
    time of its config.json; () where there is none.
    """
    try:
        about = (folder / File.CONFIG).stat()
        return about.st_ino, about.st_mtime_ns
    except FileNotFoundError:
        return ()


def fault_of(error, folder):
    """Why a run could not be trained or written into its folder, in a line."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename or folder}: {error.strerror or error}"
    fault = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return fault if len(fault) <= _LONGEST else f"{fault[:_LONGEST]} ..."
