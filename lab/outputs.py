"""Files that nobody ever sees half-written."""

import contextlib
import os
from pathlib import Path


@contextlib.contextmanager
def atomic(path):
    """A temporary path beside ``path``, renamed to it at the end, or removed if that is not reached.

    An OSError, as of a full disk, names the path.
    """
    path = Path(path)
    # The ending stays, since Keras, matplotlib and Pillow go by it.
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        error.filename, error.filename2 = str(path), None
        if error.errno is None:  # as of HDF5, which tells at length
            error.strerror = "cannot be written; is the disk full?"
        raise
    finally:
        with contextlib.suppress(OSError):  # it is not there, or its folder is gone
            temporary.unlink()
