"""JSON and figures, written whole."""

import simplejson

from lab.outputs import atomic


def write_json(path, content):
    """Write JSON; NaN and infinity as null."""
    with atomic(path) as temporary:
        temporary.write_text(simplejson.dumps(content, indent=2, ignore_nan=True, ensure_ascii=False) + "\n", "utf-8")


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
    for name in [name for name, figure in drawn.items() if figure is None]:
        remove(folder / name)
    drawn = {folder / name: figure for name, figure in drawn.items() if figure is not None}
    for path, figure in drawn.items():
        with atomic(path) as temporary:
            write = getattr(figure, "savefig", None) or figure.save
            write(temporary)
        if vector and hasattr(figure, "savefig") and not any(axis.images for axis in figure.axes):
            with atomic(path.with_suffix(".svg")) as temporary:
                figure.savefig(temporary, metadata={"Date": None})  # the same figure gives the same file
    return [*drawn]


def remove(path):
    """Remove a file, and the SVG that some figures also are; nothing where there is none."""
    for one in (path, path.with_suffix(".svg")):
        one.unlink(missing_ok=True)
