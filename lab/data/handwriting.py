"""Handwritten digits in a photograph: found one by one, and made like those of MNIST.

Ink is what a closing with an element wider than any stroke takes away: the top-hat transform of
mathematical morphology (Serra 1982), which leaves slow changes of light and the edges of the paper
where they are. It is taken of logarithms of brightness, since a shadow dims paper and ink alike,
along the one axis of colour in which ink and paper differ most.
"""

from typing import NamedTuple

import numpy as np
import scipy  # whose modules are imported when they are first used
from PIL import Image, ImageOps

MOST_DIGITS = 30  # of a picture
NOTHING = "shows nothing that stands out from its background"

# What is black in a photograph is hardly ever 0.
_LOGS = np.log(np.arange(256, dtype=np.float32) + 16)
_STEPS = 2048  # of whole numbers to one of these logarithms
_LEAST_CONTRAST = 0.12  # of ink to paper, in these logarithms
_NOISES = 5  # standard deviations of the noise by which ink stands out
_SCALES = 0.03, 0.06, 0.12, 0.24  # how wide strokes may be, in sides of the picture
_CLOSING = 0.25  # wider than any stroke
_SMALL, _MARGIN = 64, 4  # pixels
# A border is plain if this fraction of it differs by fewer levels from its median.
_PLAIN, _LEVELS = 0.6, 24
_TOUCHING = np.ones((3, 3))  # by their corners, too
# Of parts of ink, in heights of the tallest: dust is smaller; a digit is higher, alone as a part
# of one, or as a whole; a digit's loose stroke is no further away.
_DUST, _ALONE, _WHOLE, _NEAR = 0.12, 0.35, 0.65, 0.15
_PEN = 0.1  # MNIST's strokes are at least that wide, in heights of a digit


class Box(NamedTuple):
    """Where something is in a picture, in pixels."""

    left: int
    top: int
    width: int
    height: int


def find_digits(picture, shape):
    """The digits in a picture, from left to right: dark on light or light on dark, without ruled
    lines and dust.

    Parameters
    ----------
    picture : uint8 array, shape (height, width, 3)
    shape : (height, width, 1)
        Of an image of one digit.

    Returns
    -------
    boxes : list of Box
    images : uint8 array, shape (n, height, width, 1)
        See `like_mnist`.

    Raises
    ------
    ValueError
        If there are none, or too many.
    """
    border = border_of(picture).astype(int)
    colour = np.median(border, axis=0).astype(int)
    margin, side = 0, min(picture.shape[:2])
    if (np.abs(border - colour).max(axis=-1) < _LEVELS).mean() >= _PLAIN:
        # Ink may touch a plain border; cut close around a digit, a stroke may be as wide as short.
        margin, side = _MARGIN, min(max(picture.shape[:2]), 2 * side)
    framed = ImageOps.expand(Image.fromarray(picture), margin, tuple(colour.tolist()))
    ink = _ink(np.asarray(framed), side)
    threshold = _threshold(ink)
    parts, places = _touching_parts(_without_lines(ink > threshold))
    strength = np.clip(ink / threshold - 0.5, 0, 1)
    boxes, images = [], []
    for members, (rows, columns) in _grouped(places):
        left, top = (max(0, span.start - margin) for span in (columns, rows))
        boxes.append(Box(left, top, columns.stop - columns.start, rows.stop - rows.start))
        is_member = np.isin(parts[rows, columns], members)
        images.append(like_mnist(strength[rows, columns] * is_member, shape))
    if not boxes:
        raise ValueError(NOTHING)
    return boxes, np.stack(images)


def border_of(picture):
    """The pixels along the border of a picture: array, shape (n, ...)."""
    return np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])


def like_mnist(ink, shape):
    """Ink as an image of MNIST (LeCun et al. 1998): within a box of 20/28 of the side, its centre
    of mass in the middle.

    Strokes much thinner than MNIST's are made wider.

    Parameters
    ----------
    ink : float array, shape (any, any), from 0 to 1, somewhere above 0.5
    shape : (height, width, 1)

    Returns
    -------
    uint8 array of this shape
    """
    box = 20 * min(shape[:2]) // 28
    ink = _scaled(ink, 4 * box)
    depth = scipy.ndimage.distance_transform_edt(np.pad(ink > 0.5, 1))
    # A stroke is four times as wide as it is deep on average.
    missing = round(_PEN * 4 * box - 4 * depth[depth > 0].mean())
    if missing > 0:
        ink = scipy.ndimage.maximum_filter(np.pad(ink, missing), missing + 1)
    (inked,) = scipy.ndimage.find_objects((ink > 0.25).astype(int))
    ink = _scaled(ink[inked], box)
    ink = ink * (255 / ink.max())  # thin lines grow pale as they shrink
    image = np.zeros(shape, np.uint8)
    spans = []
    for axis, length in enumerate(ink.shape):
        centre = (ink.sum(axis=1 - axis) @ (np.arange(length) + 0.5)) / ink.sum()
        start = int(np.clip(round(shape[axis] / 2 - centre), 0, shape[axis] - length))
        spans.append(slice(start, start + length))
    image[*spans, 0] = ink
    return image


def _scaled(image, side):
    """A float array whose longer side becomes so many pixels."""
    scale = side / max(image.shape)
    size = [max(1, round(length * scale)) for length in reversed(image.shape)]
    method = Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(image.astype(np.float32)).resize(size, method))


def _ink(picture, side):
    """How much each pixel differs from the paper around it: float array, shape (height, width); 0
    or less is paper.
    """
    small = Image.fromarray(picture).reduce(max(1, side // _SMALL))
    reduced = side * min(small.size) / min(picture.shape[:2])
    axis = _ink_axis(_LOGS[np.asarray(small)], reduced)
    logs = (np.take(_LOGS * axis[channel], picture[..., channel]) for channel in range(3))
    contrast = scipy.ndimage.gaussian_filter(sum(logs), max(picture.shape) / 500)
    fixed = (contrast * _STEPS).astype(np.int16)  # twice as fast
    return _closed(fixed, _CLOSING * side) / np.float32(_STEPS) - contrast


def _ink_axis(small, side):
    """The axis of colour along which ink and paper differ, such that ink is dark along it: float
    array, shape (3,).

    Strokes are what goes first as the element grows: gaps within and between digits are wider.
    What is left when the ink is gone has fewer edges than what is left when the gaps are.
    """
    hats = _closed(small, _SCALES[2] * side) - _closed(-small, _SCALES[2] * side) - 2 * small
    hats = hats.reshape(-1, 3)
    axis = np.linalg.eigh(hats.T @ hats)[1][:, -1].astype(np.float32)
    small = small @ axis
    gains = []
    for scale in _SCALES:
        without_light, without_dark = (
            sum(np.abs(np.diff(closed, axis=direction)).sum() for direction in (0, 1))
            for closed in (_closed(-small, scale * side), _closed(small, scale * side))
        )
        gains.append((without_light - without_dark) / scale)
    return axis if max(gains, key=abs) > 0 else -axis


def _closed(values, height, width=None):
    """A closing of the first two axes by a rectangle, a square if there is no width, as if the
    border went on for ever.
    """
    sizes = int(height) + 1, int(height if width is None else width) + 1
    margins = [(size - 1,) * 2 for size in sizes + (1,) * (values.ndim - 2)]
    values = np.pad(values, margins, "edge")
    return _extremes(np.minimum, _extremes(np.maximum, values, sizes), sizes)


def _extremes(extreme, values, sizes):
    """The extremes of windows of so many rows and columns, from those of half as many; ten times
    as fast as SciPy's.
    """
    for size in sizes:
        done = 1
        while done < size:
            step = min(done, size - done)
            values = extreme(values[step:], values[:-step])
            done += step
        values = values.swapaxes(0, 1)
    return values


def _opened(mask, height, width):
    return ~_closed(~mask, height, width)


def _touching_parts(mask):
    """The parts of a mask with two pixels between them: their numbers, from 1, an int array of its
    shape; and the rows and columns of each.
    """
    parts, _ = scipy.ndimage.label(scipy.ndimage.binary_dilation(mask, _TOUCHING), _TOUCHING)
    return parts, scipy.ndimage.find_objects(parts)


def _threshold(ink):
    """What parts ink from the rest (Otsu 1979), of what stands out from noise; ValueError if
    nothing does.
    """
    sample = ink[::3, ::3]
    paper = np.median(sample)
    noise = 1.4826 * np.median(np.abs(sample - paper))
    floor = paper + max(_LEAST_CONTRAST, _NOISES * noise)
    strong = ink[ink > floor]
    count = len(strong)
    if count < 10:
        raise ValueError(NOTHING)
    counts, edges = np.histogram(strong, 64)
    below, mass = np.cumsum(counts)[:-1], np.cumsum(counts * (edges[1:] + edges[:-1]) / 2)
    between = (mass[-1] * below / count - mass[:-1]) ** 2 / np.maximum(1, below * (count - below))
    # Where the darkest is a spot here and there, Otsu's would leave nothing but spots.
    return max(floor, min(edges[1:-1][between.argmax()], 0.6 * np.percentile(strong, 90)))


def _without_lines(inked):
    """Ink without ruled lines: several across the picture and, where there are, those from top to
    bottom.
    """
    lines = _ruled(inked, 0.6, 2)
    if lines.any():
        lines |= _ruled(inked.T, 0.85, 1).T
    return inked & ~lines


def _ruled(inked, fraction, least):
    """Thin lines of such a fraction of the width at least, if they are so many; not where strokes
    cross them.
    """
    width = inked.shape[1]
    parts, places = _touching_parts(_opened(inked, 0, max(10, width // 12)))
    is_wide = [False, *(span.stop - span.start >= fraction * width for _, span in places)]
    lines = np.array(is_wide)[parts] & inked
    count = sum(is_wide)
    thickness = lines.sum() / max(1, count * lines.any(axis=0).sum())
    if count < least or thickness > width / 30:
        return np.zeros_like(inked)
    return lines & ~_opened(inked, 2 * thickness + 1, 0)


def _grouped(places):
    """Parts of ink as digits, from left to right: loose strokes with the digit next to them, no
    dust.

    Parameters
    ----------
    places : list of (slice, slice)
        Rows and columns of each part, which are numbered from 1.

    Returns
    -------
    list of (list of int, (slice, slice))
        Each digit's parts, and its rows and columns.

    Raises
    ------
    ValueError
        If they are too many.
    """
    heights = [rows.stop - rows.start for rows, _ in places]
    tallest = max(heights, default=0)
    digits = []
    for index in np.argsort(heights, kind="stable")[::-1]:
        height, place = heights[index], places[index]
        if max(height, place[1].stop - place[1].start) < _DUST * tallest:
            continue
        gaps = [
            max(max(a.start, b.start) - min(a.stop, b.stop) for a, b in zip(place, other))
            for _, other in digits
        ]
        if height < _WHOLE * tallest and min(gaps) <= _NEAR * tallest:
            members, other = digits[np.argmin(gaps)]
            members.append(index + 1)
            both = [slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(place, other)]
            digits[np.argmin(gaps)] = members, both
        elif height >= _ALONE * tallest:
            digits.append(([index + 1], place))
        if len(digits) > MOST_DIGITS:
            raise ValueError(
                f"shows more than {MOST_DIGITS} shapes apart, where a row of digits is expected"
            )
    return sorted(digits, key=lambda digit: digit[1][1].start)
