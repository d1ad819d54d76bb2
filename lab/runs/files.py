"""JSON and figures of a run, written whole."""

import simplejson

from lab.io.files import atomic
from lab.runs.folders import OF_EVALUATION, VECTOR, File


def as_json(content):
    """JSON as bytes; NaN and infinity as null."""
    return f"{simplejson.dumps(content, indent=2, ignore_nan=True, ensure_ascii=False)}\n".encode()


def write_json(path, content, sync=True):
    """Write JSON as `as_json` gives it; ``sync``: see `atomic`."""
    with atomic(path, sync) as temporary:
        temporary.write_bytes(as_json(content))


def save_figures(drawn, folder, vector=True):
    """Write figures into a folder, each in the format that its name ends in.

    Parameters
    ----------
    drawn : dict of str to matplotlib.figure.Figure or PIL.Image.Image
        By the file's name; None for one that is to be removed, if it is there.
    folder : Path
    vector : bool
        Write those that are more than pixels also as SVG.

    Returns
    -------
    list of Path
        Without those of the SVG.
    """
    written = []
    for name, figure in drawn.items():
        path = folder / name
        if figure is None:
            remove(path)
            continue
        with atomic(path) as temporary:
            write = getattr(figure, "savefig", None) or figure.save
            write(temporary)
        if vector and hasattr(figure, "savefig") and not any(axis.images for axis in figure.axes):
            with atomic(path.with_suffix(".svg")) as temporary:
                # Without a date: the same figure gives the same file.
                figure.savefig(temporary, metadata={"Date": None})
        written.append(path)
    return written


def remove(path):
    """Remove a figure, and the SVG that it also is, if it may have one; nothing where there is
    none.
    """
    if path.exists():
        if path.name in VECTOR or path.name not in [*File]:
            path.with_suffix(".svg").unlink(missing_ok=True)
        path.unlink()


def remove_evaluation(folder):
    """Remove what evaluate.py has said of a model that is no more."""
    for file in OF_EVALUATION:
        remove(folder / file)
