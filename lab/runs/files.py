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
    """Write JSON; NaN and infinity as null."""
    with atomic(path) as temporary:
        temporary.write_text(simplejson.dumps(content, indent=2, ignore_nan=True, ensure_ascii=False) + "\n", "utf-8")


def save_figures(drawn, folder, vector=True):
    """Write figures into a folder, each in the format that its name ends in.

    Parameters
    ----------
    drawn : dict of str to matplotlib.figure.Figure or PIL.Image.Image
        By the file's name.
    folder : Path
    vector : bool
        Write those that are more than pixels also as SVG.

    Returns
    -------
    list of Path
        Without those of the SVG.
    """
    paths = [folder / name for name in drawn]
    for path, figure in zip(paths, drawn.values()):
        with atomic(path) as temporary:
            write = getattr(figure, "savefig", None) or figure.save
            write(temporary)
        if vector and hasattr(figure, "savefig") and not any(axis.images for axis in figure.axes):
            with atomic(path.with_suffix(".svg")) as temporary:
                figure.savefig(temporary, metadata={"Date": None})  # the same figure gives the same file
    return paths
