"""A user's own pictures, as the images that a network was trained on."""

import contextlib
import functools
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from lab.console import Bar
from lab.data.handwriting import NOTHING, Box, find_digits
from lab.inputs import in_natural_order, opened
from lab.parallel import in_parallel
from lab.settings import UserError

MOST_PICTURES = 10_000

_MOST_PIXELS = 50_000_000  # each takes up to 12 bytes on its way
_SIDES = 400, 1000  # pixels of the longer side between which digits are looked for
_ENDINGS = ".png", ".jpg", ".jpeg"
_SEVERAL = 100  # pictures are read by several processes


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


@contextlib.contextmanager
def users_picture(path):
    """A PNG or JPEG file of the user's, as `picture_in`; whatever is wrong with it is a UserError that names it."""
    try:
        with picture_in(path, ("PNG", "JPEG")) as picture:
            yield picture
    except Exception as error:  # a broken picture fails in as many ways as there are decoders
        told = getattr(error, "strerror", None) or (type(error) is ValueError and error)
        raise UserError(f"{path}: {told or 'not a readable PNG or JPEG picture'}") from error


def with_eight_bits(picture):
    """A picture whose values are from 0 to 255: of 16 bits a pixel, Pillow would cut off some instead of scaling."""
    return Image.fromarray((np.asarray(picture) // 257).astype(np.uint8)) if picture.mode.startswith("I") else picture


def on_paper(picture, paper):
    """An RGBA picture on a ground of one colour: RGB."""
    return Image.alpha_composite(Image.new("RGBA", picture.size, paper), picture).convert("RGB")


def picture_files(folder):
    """The PNG and JPEG files in a folder, 2 before 10: a list of Path."""
    found = [path for path in folder.iterdir() if path.suffix.lower() in _ENDINGS and not path.name.startswith(".")]
    return sorted(found, key=lambda path: in_natural_order(path.name))


class Reading(NamedTuple):
    """What was found in a picture, for a network to predict."""

    path: Path
    boxes: list[Box]  # where each image is from, in pixels of the picture
    images: np.ndarray  # uint8, shape (n, height, width, channels)


def read_pictures(paths, shape, kind):
    """Pictures as images that a network of this input shape understands; of folders, all PNG and JPEG files in them.

    Parameters
    ----------
    paths : list of paths of files and folders
    shape : (height, width, channels)
    kind : "digits", "object" or "whole"
        What becomes an image: each written digit, like those of MNIST; the one thing that a picture shows, light on black and
        as large as the image, as in Fashion-MNIST; or the whole picture, cropped to the image's proportions.

    Returns
    -------
    readings : list of Reading
        In the order of the paths; within a folder, 2 before 10.
    faults : list of UserError
        One of each file that is no such picture or shows nothing, and of each folder without any.

    Raises
    ------
    UserError
        If they are too many.
    """
    files, faults = [], []
    for path in map(Path, paths):
        try:
            files += _pictures_of(path) if path.is_dir() else [path]
        except UserError as error:
            faults.append(error)
    if len(files) > MOST_PICTURES:
        raise UserError(f"{len(files):,} pictures, where at most {MOST_PICTURES:,} are predicted at once")

    with Bar("reading pictures", len(files)) as bar:
        read = functools.partial(_read, shape=shape, kind=kind)
        outcomes = in_parallel(read, files, _SEVERAL, bar.advance)
    faults += [outcome for outcome in outcomes if isinstance(outcome, UserError)]
    return [outcome for outcome in outcomes if isinstance(outcome, Reading)], faults


def _pictures_of(folder):
    try:
        found = picture_files(folder)
    except OSError as error:
        raise UserError(f"{folder}: {error.strerror}") from error
    if not found:
        raise UserError(f"{folder}: a folder without PNG or JPEG files")
    return found


def _read(path, shape, kind):
    """The Reading of a picture, or the UserError that says why there is none."""
    try:
        picture, factor = decode_picture(path)
        if kind == "whole":
            boxes, images = _whole(picture if shape[-1] == 3 else picture.convert("L"), shape)
        elif kind == "digits":
            scale = np.clip(max(picture.size), *_SIDES) / max(picture.size)
            resized = picture.resize([max(1, round(side * scale)) for side in picture.size], Image.Resampling.BICUBIC)
            boxes, images = find_digits(np.asarray(resized), shape)
            factor /= scale
        else:
            boxes, images = _object(picture, shape)
    except UserError as error:
        return error
    except ValueError as error:
        return UserError(f"{path}: {error}")
    return Reading(path, [Box(*(round(side * factor) for side in box)) for box in boxes], images)


def decode_picture(path):
    """A picture as one sees it: upright, on a background that its ink stands out from if it is transparent.

    Parameters
    ----------
    path : path of a PNG or JPEG file

    Returns
    -------
    picture : PIL.Image.Image
        RGB, at most 1000 pixels a side.
    factor : float
        How many pixels of the file are one of these.

    Raises
    ------
    UserError
        If it is no such file.
    """
    with users_picture(path) as file:
        longest = max(file.size)
        file.draft(None, (_SIDES[1], _SIDES[1]))  # a JPEG is decoded at about that size at once
        picture = with_eight_bits(file)
        picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
        picture.thumbnail((_SIDES[1], _SIDES[1]))
        picture = ImageOps.exif_transpose(picture)
    factor = longest / max(picture.size)
    return (on_paper(picture, _paper_for(picture)) if picture.mode == "RGBA" else picture), factor


def _paper_for(picture):
    """White, for a transparent picture; black, if what is to be seen of it is light."""
    grey, alpha = np.asarray(picture.convert("LA"), float).reshape(-1, 2).T
    return "black" if alpha.min() < 128 and grey @ alpha > 127 * alpha.sum() else "white"


def _whole(picture, shape):
    image = np.asarray(ImageOps.fit(picture, (shape[1], shape[0]), Image.Resampling.LANCZOS))
    scale = min(picture.width / shape[1], picture.height / shape[0])
    width, height = round(shape[1] * scale), round(shape[0] * scale)
    return [Box((picture.width - width) // 2, (picture.height - height) // 2, width, height)], image.reshape(1, *shape)


def _object(picture, shape):
    """What is within a plain background, light on black and as large as the image."""
    values = np.asarray(picture.convert("L"), int)
    border = np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])
    if np.median(border) > 127:
        values, border = 255 - values, 255 - border
    values = np.clip(values - np.median(border), 0, None)
    if values.max() < 32:
        raise ValueError(NOTHING)
    values = (values * (255 / values.max())).astype(np.uint8)
    rows, columns = (np.flatnonzero((values > 64).any(axis=axis)) for axis in (1, 0))
    box = Box(int(columns[0]), int(rows[0]), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1)
    cut = Image.fromarray(values[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    image = np.asarray(ImageOps.pad(cut, (shape[1], shape[0]), Image.Resampling.BOX))
    return [box], image[np.newaxis, ..., np.newaxis]
