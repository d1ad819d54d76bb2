"""Photographs of handwritten digits: a pen's strokes on paper, light, blur, noise and JPEG."""

import io

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage
from scipy.interpolate import CubicSpline

STYLES = (
    "plain",
    "thin",
    "thick",
    "side light",
    "dark desk",
    "grey paper",
    "red on green",
    "lined",
    "chalk",
    "transparent",
)
STYLES += ("three",)
# The points (x, y) that each stroke goes through, y downwards.
_FIVE = [
    [(0.3, 0.08), (0.26, 0.28), (0.22, 0.45)],
    [(0.22, 0.45), (0.55, 0.4), (0.8, 0.65), (0.6, 0.95), (0.15, 0.92)],
]
_LOOP = [(0.76, 0.2), (0.5, 0.03), (0.24, 0.22), (0.4, 0.46), (0.7, 0.36), (0.77, 0.18)]
_EIGHT = [
    (0.72, 0.14),
    (0.45, 0.02),
    (0.25, 0.2),
    (0.48, 0.45),
    (0.75, 0.72),
    (0.5, 0.98),
    (0.22, 0.78),
    (0.48, 0.47),
]
_STROKES = (
    [
        [
            (0.58, 0.02),
            (0.22, 0.15),
            (0.1, 0.55),
            (0.3, 0.95),
            (0.65, 0.93),
            (0.85, 0.5),
            (0.75, 0.12),
            (0.5, 0.03),
        ]
    ],
    [[(0.6, 0), (0.52, 0.5), (0.45, 1)]],
    [
        [(0.18, 0.25), (0.35, 0.03), (0.7, 0.08), (0.74, 0.35), (0.45, 0.7), (0.12, 0.95)],
        [(0.12, 0.95), (0.45, 0.9), (0.88, 0.97)],
    ],
    [
        [(0.2, 0.12), (0.5, 0), (0.78, 0.17), (0.65, 0.4), (0.4, 0.48)],
        [(0.4, 0.48), (0.75, 0.55), (0.82, 0.8), (0.5, 1), (0.15, 0.88)],
    ],
    [
        [(0.35, 0.02), (0.25, 0.3), (0.15, 0.58)],
        [(0.15, 0.58), (0.5, 0.56), (0.9, 0.52)],
        [(0.72, 0.08), (0.66, 0.5), (0.6, 1)],
    ],
    [*_FIVE, [(0.3, 0.06), (0.55, 0.05), (0.85, 0.02)]],
    [
        [
            (0.7, 0.02),
            (0.35, 0.25),
            (0.17, 0.65),
            (0.35, 0.97),
            (0.7, 0.9),
            (0.75, 0.65),
            (0.5, 0.55),
            (0.22, 0.72),
        ]
    ],
    [[(0.12, 0.08), (0.5, 0.07), (0.86, 0.05)], [(0.86, 0.05), (0.62, 0.45), (0.42, 1)]],
    [[*_EIGHT, (0.74, 0.2), (0.66, 0.08)]],
    [_LOOP, [(0.77, 0.18), (0.74, 0.6), (0.62, 1)]],
)


def photograph(style, digits, generator):
    """A photograph of digits in a row.

    Parameters
    ----------
    style : str
        Words of `STYLES`, or several of them.
    digits : list of int, or of uint8 array, shape (28, 28)
        The latter are MNIST's own, blown up.
    generator : numpy.random.Generator

    Returns
    -------
    PIL.Image.Image
    """
    side = int(generator.integers(320, 520))
    width, height = int(side * (1.6 if len(digits) > 1 else 1)), side
    tall = min(side * generator.uniform(0.38, 0.52), width / len(digits) / 1.45)
    pen = tall * (0.025 if "thin" in style else 0.17 if "thick" in style else 0.075)
    written = [
        _written(digit, tall, pen, generator) if np.ndim(digit) == 0 else _blown_up(digit, tall)
        for digit in digits
    ]
    ink = np.zeros((height, width))
    left = (width - sum(one.shape[1] for one in written)) // 2
    for one in written:
        top = int((height - len(one)) * generator.uniform(0.4, 0.6))
        ink[top : top + len(one), left : left + one.shape[1]] = one
        left += one.shape[1]
    if style == "transparent":
        colour = generator.choice([[20, 20, 60], [250, 250, 250]])
        rgba = np.dstack([np.broadcast_to(colour, (height, width, 3)), ink * 255])
        return Image.fromarray(rgba.astype(np.uint8))
    return _developed(_sheet(style, ink, generator), generator)


def _written(digit, tall, pen, generator):
    """How far a pen's ink covers each pixel around a digit."""
    side, zoom = int(tall * 1.25 + pen + 4), 2
    slant, wide = generator.uniform(-0.08, 0.22), generator.uniform(0.6, 0.85)
    image = Image.new("L", (side * zoom, side * zoom))
    draw = ImageDraw.Draw(image)
    for stroke in _STROKES[digit]:
        points = np.array(stroke) - 0.5 + generator.normal(0, 0.012, np.shape(stroke))
        way = np.r_[0, np.cumsum(np.hypot(*np.diff(points, axis=0).T))]
        x, y = CubicSpline(way, points)(np.linspace(0, way[-1], 120)).T
        for place in np.stack([x * wide - slant * y, y], 1) * tall + side / 2:
            draw.ellipse([*((place - pen / 2) * zoom), *((place + pen / 2) * zoom)], 255)
    return np.asarray(image.resize((side, side), Image.Resampling.BOX)) / 255


def _blown_up(image, tall):
    zoom = tall / 20
    large = ndimage.gaussian_filter(ndimage.zoom(image / 255, zoom, order=3), zoom / 4)
    return np.clip((large - 0.35) / 0.25, 0, 1)


def _sheet(style, ink, generator):
    """Ink on paper, or chalk on a board: float array, shape (height, width, 3)."""
    height, width = ink.shape
    rows, columns = np.mgrid[:height, :width]
    paper, pen, light = np.array([238, 236, 230.0]), np.array([45, 45, 60.0]), 1
    if "side light" in style:
        angle = generator.uniform(0, 2 * np.pi)
        along = np.cos(angle) * columns + np.sin(angle) * rows
        light = 0.25 + 0.75 * ((along - along.min()) / np.ptp(along))[..., None] ** 1.5
    if "grey paper" in style:
        paper, pen = np.array([140, 140, 138.0]), np.array([70, 70, 72.0])
    if "red on green" in style:
        paper, pen = np.array([120, 185, 110.0]), np.array([205, 70, 80.0])
    if "chalk" in style:
        paper, pen = np.array([45, 62, 52.0]), np.array([215, 215, 205.0])
        ink = ink * np.clip(
            0.8 + 1.2 * ndimage.gaussian_filter(generator.normal(size=ink.shape), 1), 0, 1
        )
    sheet = np.broadcast_to(paper, (*ink.shape, 3))
    if "lined" in style:
        pitch, slope = height / generator.uniform(6, 9), generator.uniform(-0.03, 0.03)
        line = np.clip(1.3 - np.abs((rows + slope * columns) % pitch - pitch / 2) / 1.2, 0, 1)[
            ..., None
        ]
        sheet = sheet * (1 - line) + line * np.array([120, 140, 190])
    sheet = sheet + (pen - sheet) * ink[..., None]
    if "dark desk" in style:
        grain = 30 * ndimage.gaussian_filter(generator.normal(size=ink.shape), (1, 20))[..., None]
        x, y, turn = columns - 0.54 * width, rows - 0.5 * height, generator.uniform(-0.12, 0.12)
        inside = (np.abs(x - turn * y) < 0.42 * width) & (np.abs(y + turn * x) < 0.4 * height)
        sheet = np.where(inside[..., None], sheet, np.array([60, 42, 30]) + grain)
    return sheet * light


def _developed(sheet, generator):
    sheet = ndimage.gaussian_filter(sheet, (0.9, 0.9, 0)) + generator.normal(0, 4, sheet.shape)
    file = io.BytesIO()
    Image.fromarray(np.clip(sheet, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=85)
    return Image.open(file)
