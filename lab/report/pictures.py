"""The pictures of runs, within a page as far as there is room for them."""

import base64
import io
import os
from typing import NamedTuple
from urllib.parse import quote

from lab import runs
from lab.io.files import read
from lab.io.pictures import picture_in
from lab.runs import File

MOST_BYTES = 21_000_000  # of all pictures of a page; a third more as text
MOST_EPOCHS = 16  # of a GAN, whose samples are shown by epoch

# What a run may have, the most telling first, and what each shows.
_KINDS = {
    File.MISTAKES: "Validation images that it gets wrong, the surest first",
    File.SAMPLES: "Samples",
    File.CONFUSION: "Confusion matrix of the validation images",
    File.LABELS: "Samples by class",
    File.OVER_TIME: "Samples over time",
    File.FILTERS: "Filters of the first layer",
    File.NEAREST: "Samples and their nearest training images",
    File.PICTURES: "Own pictures, and what it predicts of them",
    File.WEIGHTS: "Weights of the first layer",
    runs.SAMPLES: "Samples after epoch {}",
}


class Picture(NamedTuple):
    """A picture of a run."""

    words: str  # what it shows
    path: str  # within the results folder
    link: str  # to it, from a page there
    content: str | None  # as text; None: there was no room, or it is none that may be shown
    size: tuple[int, int] | None  # width and height in pixels
    epoch: int | None = None  # of the samples of a GAN in training


def pictures_of(several, results_dir):
    """The pictures of some runs.

    Parameters
    ----------
    several : list of Run
    results_dir : path

    Returns
    -------
    pictures : list of list of Picture
        By run. The most telling kind of picture comes into the page first, of all runs, until it
        is full.
    left_out : int
        How many did not.
    """
    room, left_out, found = MOST_BYTES, 0, [[] for _ in several]
    for kind, words in _KINDS.items():
        for run, pictures in zip(several, found):
            paths = {None: run.folder / kind} if (run.folder / kind).is_file() else {}
            if kind == runs.SAMPLES:
                paths = runs.sample_paths(run.folder, MOST_EPOCHS)
            for epoch, path in paths.items():
                content, size = _content(path, room)
                room -= len(content or "") * 3 // 4
                left_out += content is None
                within = path.relative_to(results_dir)
                link = quote(os.fsencode(within))
                shown = words.format(epoch)
                pictures.append(Picture(shown, within.as_posix(), link, content, size, epoch))
    return found, left_out


def as_svg(figure):
    """A figure of matplotlib as an SVG file, as text that a page can hold."""
    content = io.BytesIO()
    # The same figure gives the same file.
    figure.savefig(content, format="svg", metadata={"Date": None})
    return base64.b64encode(content.getvalue()).decode()


def _content(path, room):
    """A PNG file as text and its size, if it is one and there is room for it; a link may lead to
    somebody else's files.
    """
    try:
        if path.is_symlink() or path.stat().st_size > room:
            return None, None
        with picture_in(path) as picture:
            return base64.b64encode(read(path, "picture")).decode(), picture.size
    except Exception:  # whatever the decoder makes of what is no picture
        return None, None
