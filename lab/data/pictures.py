"""A user's own pictures, as the images that a network was trained on."""

import contextlib
import functools
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from lab.console import Bar
from lab.data.handwriting import NOTHING, Box, border_of, find_digits
from lab.io.parallel import in_parallel
from lab.io.pictures import picture_in
from lab.io.words import in_natural_order, reason
from lab.settings import UserError

MOST_PICTURES = 10_000
_SIDES = 400, 1000  # pixels of the longer side between which digits are looked for
# The formats that are read, in Pillow's words, and the endings of files that are taken for
# pictures. Which of the formats a file has, its content decides; of several pages or frames, the
# first is read.
FORMATS = {
    "PNG": (".png",),
    "JPEG": (".jpg", ".jpeg"),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp",),
    "GIF": (".gif",),
}
IN_WORDS = "PNG, JPEG, WebP, TIFF, BMP or GIF"
_ENDINGS = {ending for endings in FORMATS.values() for ending in endings}
# What other programs leave in folders, beside names that begin with a dot.
_CLUTTER = {"__macosx", "__pycache__", "thumbs.db", "desktop.ini"}
_DEPTHS = 255, 4_095, 65_535  # the largest values of 8, 12 and 16 bits
_SEVERAL = 100  # pictures are read by several processes


@contextlib.contextmanager
def users_picture(path):
    """A picture of the user's, as `picture_in`; whatever is wrong with it is a UserError that
    names it.
    """
    try:
        with picture_in(path, tuple(FORMATS)) as picture:
            yield picture
    except Exception as error:  # a broken picture fails in as many ways as there are decoders
        is_told = getattr(error, "strerror", None) or type(error) is ValueError
        fault = reason(error) if is_told else f"not a readable picture: expected {IN_WORDS}"
        raise UserError(f"{path}: {fault}") from error


def contents(folder):
    """What a user keeps in a folder, 2 before 10: neither hidden nor left by other programs; a
    list of Path.
    """
    paths = sorted(folder.iterdir(), key=lambda path: (in_natural_order(path.name), path.name))
    return [path for path in paths if path.name[0] != "." and path.name.lower() not in _CLUTTER]


def is_picture(path):
    """Whether a file's name ends as that of a picture."""
    return path.suffix.lower() in _ENDINGS


def deep_values(picture):
    """The values of a picture with 16 bits a pixel, to be scaled: int array; None of any other.

    Raises
    ------
    ValueError
        If they cannot be scaled.
    """
    if not picture.mode.startswith("I"):
        return None
    values = np.asarray(picture)
    if "transparency" in picture.info:
        advice = "save it with 8 bits, or without transparency"
        raise ValueError(f"16 bits a pixel and a transparent value: {advice}")
    if values.min() < 0 or values.max() > _DEPTHS[-1]:
        raise ValueError(
            f"values from {values.min()} to {values.max()}: expected 0 to {_DEPTHS[-1]:,}; "
            "save it with 8 or 16 bits"
        )
    return values


def divisor_for(most):
    """What 16-bit values are divided by: the largest value of 8, 12 or 16 bits, the first that
    holds them all.
    """
    return next(depth for depth in _DEPTHS if most <= depth)


def _with_eight_bits(picture, divisor):
    """A picture whose values are from 0 to 255; of 16 bits a pixel, Pillow would cut some off
    instead of scaling.
    """
    if picture.mode == "F":
        raise ValueError(
            "pixels that are floating-point numbers: save it with 8 or 16 bits a channel"
        )
    if picture.mode.startswith("I"):
        values = deep_values(ImageOps.exif_transpose(picture))  # an array has no Exif
        divisor = divisor or divisor_for(values.max())
        scaled = np.minimum(np.arange(_DEPTHS[-1] + 1) * 255 // divisor, 255).astype(np.uint8)
        return Image.fromarray(scaled[values])
    # Of 16 bits in colour, Pillow keeps the upper 8.
    if ";16" in str([tile[3] for tile in picture.tile]):
        opaque = picture.convert("RGB") if picture.mode.endswith("A") else picture
        if np.max(opaque.getextrema()) <= _DEPTHS[1] >> 8:
            kept = "no value above 4,095, of which little is kept"
            raise ValueError(f"16 bits a channel in colour, but {kept}: save it with 8 bits")
    return picture


class Reading(NamedTuple):
    """What was found in a picture, for a network to predict."""

    path: Path
    boxes: list[Box]  # where each image is from, in pixels of the picture
    images: np.ndarray  # uint8, shape (n, height, width, channels)


def read_pictures(paths, shape, kind, divisor=None):
    """Pictures as images that a network of this input shape understands; of folders, all pictures
    in them.

    Parameters
    ----------
    paths : list of paths of files and folders
    shape : (height, width, channels)
    kind : "digits", "object" or "whole"
        What becomes an image: each written digit, like those of MNIST; the one thing that a
        picture shows, light on black and as large as the image, as in Fashion-MNIST; or the whole
        picture, cropped to the image's proportions.
    divisor : int, optional
        See `decode_picture`.

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
            files += _pictures_in(path) if path.is_dir() else [path]
        except UserError as error:
            faults.append(error)
    if len(files) > MOST_PICTURES:
        raise UserError(
            f"{len(files):,} pictures, where at most {MOST_PICTURES:,} are predicted at once"
        )
    outcomes = for_all(
        "reading pictures", _reading_of, files, _SEVERAL, shape=shape, kind=kind, divisor=divisor
    )
    faults += [outcome for outcome in outcomes if isinstance(outcome, UserError)]
    return [outcome for outcome in outcomes if isinstance(outcome, Reading)], faults


def for_all(words, function, paths, least, **given):
    """The results of a function of a path and some arguments, in order: a list; with a bar.

    Parameters
    ----------
    words : str
        What the bar says.
    function : function
        Which another process finds by its name.
    paths : list of Path
    least : int
        So many are worth the start of other processes.
    given
        The same of all paths.
    """
    with Bar(words, len(paths)) as bar:
        return in_parallel(functools.partial(function, **given), paths, least, bar.advance)


def _pictures_in(folder):
    try:
        found = [path for path in contents(folder) if is_picture(path)]
    except OSError as error:
        raise UserError(f"{folder}: {error.strerror}") from error
    if not found:
        raise UserError(f"{folder}: a folder without pictures: expected {IN_WORDS} files")
    return found


def _reading_of(path, shape, kind, divisor):
    """The Reading of a picture, or the UserError that says why there is none."""
    try:
        picture, factor = decode_picture(path, kind, divisor)
        if kind == "digits":
            longest = max(picture.size)
            scale = np.clip(longest, *_SIDES) / longest
            factor /= scale
            size = [max(1, round(side * scale)) for side in picture.size]
            resized = np.asarray(picture.resize(size, Image.Resampling.BICUBIC))
            boxes, images = find_digits(resized, shape)
        else:
            boxes, images = (_cropped if kind == "whole" else _object)(picture, shape)
    except UserError as error:
        return error
    except ValueError as error:
        return UserError(f"{path}: {error}")
    return Reading(path, [Box(*(round(side * factor) for side in box)) for box in boxes], images)


def whole_picture(path, channels, side=None, divisor=None):
    """A picture as the image that a network is trained on, and that it predicts: the same for both.

    Parameters
    ----------
    path : path
    channels : 1 or 3
        Grey or colour.
    side : int, optional
        To whose square the picture is cropped and resized; by default it stays as it is.
    divisor : int, optional
        See `decode_picture`.

    Returns
    -------
    uint8 array, shape (height, width, channels)

    Raises
    ------
    UserError
        If the file is no such picture.
    """
    picture, _ = decode_picture(path, "whole", divisor)
    height, width = (side, side) if side else picture.size[::-1]
    return _cropped(picture, (height, width, channels))[1][0]


def decode_picture(path, kind="digits", divisor=None):
    """A picture as one sees it: upright, on a background if it is transparent.

    Parameters
    ----------
    path : path of a file in one of `FORMATS`
    kind : str
        See `read_pictures`. A whole picture lies on white, as in training; digits and objects
        lie on what they stand out from.
    divisor : int, optional
        What values of 16 bits a pixel are divided by, as `divisor_for` gives it of the images that
        a network was trained on; by default, of the picture itself.

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
    most = (_SIDES[1], _SIDES[1])
    with users_picture(path) as file:
        longest = max(file.size)
        file.draft(None, most)  # a JPEG is decoded at about that size at once
        picture = _with_eight_bits(file, divisor)
        picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
        picture.thumbnail(most)
        picture = ImageOps.exif_transpose(picture)
    if picture.mode == "RGBA":
        grey, alpha = np.asarray(picture.convert("LA"), float).reshape(-1, 2).T
        # Black, if what is to be seen of a transparent picture is light.
        is_light = alpha.min() < 128 and grey @ alpha > 127 * alpha.sum()
        colour = "black" if is_light and kind != "whole" else "white"
        paper = Image.new("RGBA", picture.size, colour)
        picture = Image.alpha_composite(paper, picture).convert("RGB")
    return picture, longest / max(picture.size)


def _cropped(picture, shape):
    height, width, channels = shape
    picture = picture.convert("L") if channels == 1 else picture
    image = np.asarray(ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS))
    scale = min(picture.width / width, picture.height / height)
    cut = round(width * scale), round(height * scale)
    left, top = (picture.width - cut[0]) // 2, (picture.height - cut[1]) // 2
    return [Box(left, top, *cut)], image.reshape(1, *shape)


def _object(picture, shape):
    """What is within a plain background, light on black and as large as the image."""
    grey = np.asarray(picture.convert("L"), int)
    paper = np.median(border_of(grey))
    values = np.clip(paper - grey if paper > 127 else grey - paper, 0, None)
    if values.max() < 32:
        raise ValueError(NOTHING)
    values = (values * (255 / values.max())).astype(np.uint8)
    left, top, right, bottom = Image.fromarray(values > 64).getbbox()
    cut = Image.fromarray(values).crop((left, top, right, bottom))
    image = np.asarray(ImageOps.pad(cut, (shape[1], shape[0]), Image.Resampling.BOX))
    return [Box(left, top, right - left, bottom - top)], image[np.newaxis, ..., np.newaxis]
