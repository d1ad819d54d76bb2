"""Pictures that anybody may have written, opened only if they are of plausible size."""

import contextlib
import warnings

from PIL import Image

from lab.io.files import opened

MOST_PIXELS = 50_000_000  # each takes up to 12 bytes on its way
MOST_OF_SAMPLES = 4_000_000  # pixels of a sheet of a GAN's samples; ours have 1.7 million at most


@contextlib.contextmanager
def picture_in(path, formats=("PNG",), most=MOST_PIXELS):
    """A picture in a file, not decoded yet: a PIL.Image.Image.

    What is none, or has more than so many pixels, raises any exception at all, in here or when it
    is decoded.
    """
    quiet = warnings.catch_warnings(action="ignore")
    with opened(path, "picture") as file, quiet, Image.open(file, formats=formats) as picture:
        if picture.width * picture.height > most:
            raise ValueError(f"a picture of more than {most // 10**6} million pixels")
        yield picture
