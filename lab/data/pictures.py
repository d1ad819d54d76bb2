"""A user's own pictures, as the images that a network was trained on."""

import contextlib
import warnings

import numpy as np
from PIL import Image, ImageOps

from lab.inputs import opened
from lab.settings import UserError

_MOST_PIXELS = 50_000_000  # each takes up to 30 bytes on its way


@contextlib.contextmanager
def picture_in(path, formats=("PNG",)):
    """A picture in a file, not decoded yet: a PIL.Image.Image.

    What is none raises any exception at all, in here or when it is decoded.
    """
    quiet = warnings.catch_warnings(action="ignore")
    with opened(path, "picture") as file, quiet, Image.open(file, formats=formats) as picture:
        if picture.width * picture.height > _MOST_PIXELS:
            raise ValueError(f"a picture of more than {_MOST_PIXELS // 10**6} million pixels")
        yield picture


def load_pictures(paths, shape):
    """Pictures of any size as images that a network of this input shape understands.

    For grey networks it is done as for MNIST (LeCun et al. 1998): ink light on black, scaled into a box of 20/28 of the
    side, its centre of mass in the middle. For colour networks it is cropped to a square and scaled.

    Parameters
    ----------
    paths : list of paths of PNG or JPEG files
    shape : (height, width, channels)

    Returns
    -------
    uint8 array, shape (n, height, width, channels)

    Raises
    ------
    UserError
        If one is not such a file, or shows nothing.
    """
    return np.stack([_load_picture(path, shape) for path in paths])


def _load_picture(path, shape):
    try:
        with picture_in(path, ("PNG", "JPEG")) as file:
            picture = ImageOps.exif_transpose(file)
            if picture.mode.startswith("I"):  # 16 bits a pixel, which Pillow would cut off instead of scaling
                picture = Image.fromarray((np.asarray(picture) // 257).astype(np.uint8))
            picture = picture.convert("RGBA")
    except Exception as error:
        told = getattr(error, "strerror", None) or (type(error) is ValueError and error)
        reason = told or "not a readable PNG or JPEG picture"
        raise UserError(f"{path}: {reason}") from error
    # What is transparent is seen as white paper.
    picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    if shape[-1] == 3:
        return np.asarray(ImageOps.fit(picture, (shape[1], shape[0]), Image.Resampling.LANCZOS))
    return _centre(_ink(picture.convert("L"), path), shape[0])[..., np.newaxis]


def _ink(picture, path):
    """Light ink on black, cropped to the ink."""
    values = np.asarray(picture, int)
    border = np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])
    if np.median(border) > 127:
        values = 255 - values
    values = np.clip(values - np.median(np.minimum(border, 255 - border)), 0, None)
    if values.max() < 32:
        raise UserError(f"{path}: shows nothing that stands out from its background")
    values = values * 255 / values.max()
    rows, columns = (np.flatnonzero((values > 64).any(axis=axis)) for axis in (1, 0))
    return values[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.uint8)


def _centre(ink, side):
    box = side * 20 // 28
    scale = box / max(ink.shape)
    size = [max(1, round(length * scale)) for length in reversed(ink.shape)]
    small = np.asarray(Image.fromarray(ink.astype(np.float32)).resize(size, Image.Resampling.BOX), float)
    small *= 255 / small.max()  # thin lines grow pale as they shrink
    canvas = np.zeros((side, side), np.uint8)
    corner = []
    for axis, length in enumerate(small.shape):
        centre = (small.sum(axis=1 - axis) @ (np.arange(length) + 0.5)) / small.sum()
        corner.append(int(np.clip(round(side / 2 - centre), 0, side - length)))
    canvas[corner[0] : corner[0] + small.shape[0], corner[1] : corner[1] + small.shape[1]] = small
    return canvas
