"""What anybody may have written: files, opened only if they are regular and of plausible size; and text, made harmless.

A pipe would be waited for without end, and a file may say that it is larger than all memory. Every reader of a user's files
comes through here, and turns ValueError into its own line.
"""

import re
import stat
from pathlib import Path

MEGABYTE = 1_000_000
# The most that a reader takes in. JSON and CSV become up to 150 times as large in memory.
MOST_BYTES = {
    "flags": MEGABYTE,
    "csv": 2 * MEGABYTE,
    "json": 32 * MEGABYTE,
    "picture": 200 * MEGABYTE,
    "arrays": 1_000 * MEGABYTE,
    "model": 2_000 * MEGABYTE,
    "checkpoint": 8_000 * MEGABYTE,  # whose reader knows how large its own can be
}
_END, _END64, _DIRECTORY = b"PK\x05\x06", b"PK\x06\x07", 2**16  # of a zip archive: bytes of its list of members


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
        raise ValueError(f"a {'directory' if stat.S_ISDIR(about.st_mode) else 'pipe, socket or device'}, not a file")
    if about.st_size > MOST_BYTES[kind]:
        raise ValueError(f"larger than {MOST_BYTES[kind] // MEGABYTE} MB")
    return open(path, "rb")


def read(path, kind):
    """The bytes of a file; raises as `opened`."""
    with opened(path, kind) as file:
        return file.read()


def check_zip(file):
    """Raise ValueError unless an open file ends as a zip archive of few members does.

    ``zipfile`` reads the whole list of members, millions of them perhaps, before one can look at any.
    """
    file.seek(max(0, file.seek(0, 2) - 42))
    end = file.read()
    if end[-22:-18] != _END or end.startswith(_END64) or int.from_bytes(end[-10:-6], "little") > _DIRECTORY:
        raise ValueError("not a zip archive of a few members")
    file.seek(0)


def natural_order(path):
    """A key that sorts run2 before run10."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", path.as_posix())]


def first_line(error):
    """What an exception says, in a line; its kind, where it says nothing."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def visible(text):
    """Text in which nothing acts on a terminal, turns its direction or cannot be stored: all that cannot be seen, but for line
    breaks, stands as Python would write it."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() or sign == "\n" else ascii(sign)[1:-1] for sign in text)
