"""Files: those of others, opened only if they are regular and of plausible size; ours, which nobody
ever sees half-written and a power cut does not take back.

A pipe would be waited for without end, and a file may say that it is larger than all memory. Every
reader of a user's files comes through here, and turns ValueError into its own line.
"""

import contextlib
import os
import stat
from pathlib import Path

MEGABYTE = 1_000_000
# The most that a reader takes in. JSON and CSV become up to 150 times as large in memory.
MOST_BYTES = {
    "flags": MEGABYTE,
    "code": MEGABYTE,
    "csv": 2 * MEGABYTE,
    "json": 32 * MEGABYTE,
    "picture": 200 * MEGABYTE,
    "arrays": 1_000 * MEGABYTE,
    "model": 2_000 * MEGABYTE,
    "checkpoint": 8_000 * MEGABYTE,  # whose reader knows how large its own can be
}
# Of a zip archive: how its end begins, and the most bytes of its list of members.
_END, _END64 = b"PK\x05\x06", b"PK\x06\x07"
_DIRECTORY = 2**16


def opened(path, kind):
    """A file, opened to read bytes.

    Parameters
    ----------
    path : path
    kind : str
        A key of `MOST_BYTES`.

    Raises
    ------
    ValueError
        If it is a pipe, a device or a directory, or too large.
    OSError
        If it is not there, or not readable.
    """
    about = Path(path).stat()
    if not stat.S_ISREG(about.st_mode):
        kind_of_it = "directory" if stat.S_ISDIR(about.st_mode) else "pipe, socket or device"
        raise ValueError(f"a {kind_of_it}, not a file")
    if about.st_size > MOST_BYTES[kind]:
        raise ValueError(f"larger than {MOST_BYTES[kind] // MEGABYTE} MB")
    return open(path, "rb")


def read(path, kind):
    """The bytes of a file; raises as `opened`."""
    with opened(path, kind) as file:
        return file.read()


def check_zip(file):
    """Raise ValueError unless an open file ends as a zip archive of few members does.

    ``zipfile`` reads the whole list of members, millions of them perhaps, before one can look at
    any.
    """
    file.seek(max(0, file.seek(0, 2) - 42))
    end = file.read()
    directory = int.from_bytes(end[-10:-6], "little")
    if end[-22:-18] != _END or end.startswith(_END64) or directory > _DIRECTORY:
        raise ValueError("not a zip archive of a few members")
    file.seek(0)


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
