"""Files that nobody ever sees half-written."""

import contextlib
import os
from pathlib import Path

import simplejson


@contextlib.contextmanager
def atomic(path):
    """A temporary path beside ``path``, renamed to it at the end, or removed if that is not reached."""
    path = Path(path)
    # The ending stays, since Keras, matplotlib and Pillow go by it.
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path, content):
    """Write JSON, NaN and infinity as null."""
    with atomic(path) as temporary:
        temporary.write_text(simplejson.dumps(content, indent=2, ignore_nan=True, ensure_ascii=False) + "\n", "utf-8")
