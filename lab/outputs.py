"""Files that nobody ever sees half-written, and that a power cut does not take back."""

import contextlib
import os
from pathlib import Path


@contextlib.contextmanager
def atomic(path, sync=True):
    """A temporary path beside ``path``, renamed to it at the end, or removed if that is not
    reached.

    An OSError, as of a full disk, names the path.

    Parameters
    ----------
    path : path
    sync : bool
        Wait until the file is on the disk: else a power cut may leave it empty.
    """
    path = Path(path)
    # The ending stays, since Keras, matplotlib and Pillow go by it.
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        temporary.unlink(missing_ok=True)  # a link of this name would be followed
        yield temporary
        if sync:
            _sync(temporary)
        os.replace(temporary, path)
        if sync:
            _sync_folder(path.parent)
    except OSError as error:
        if error.filename in (None, temporary, str(temporary)):
            error.filename, error.filename2 = str(path), None
        if error.errno is None:  # as of HDF5, which tells at length
            error.strerror = "cannot be written; is the disk full?"
        raise
    finally:
        with contextlib.suppress(OSError):  # it is not there, or its folder is gone
            temporary.unlink()


def make_folder(folder):
    """Make a folder and those above it, as far as they are not there, such that a power cut does
    not take them back.
    """
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for one in missing:
        _sync_folder(one.parent)


def _sync(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder):
    with contextlib.suppress(OSError):  # some file systems know no such thing
        _sync(folder)
