"""What figures have in common: size, titles, looks, legends."""

import functools
import math
import textwrap
import unicodedata

import numpy as np
from cycler import cycler
from matplotlib import color_sequences, font_manager, get_data_path, rcParams
from matplotlib.figure import Figure
from matplotlib.ft2font import FaceFlags
from matplotlib.patches import Patch

from lab.console import say

# Petroff's ten colours (arXiv 2107.02270) differ also for the colour-blind; "C0" is the first of
# them. An SVG keeps its text as text, and is the same file whenever it is drawn.
rcParams.update(
    {
        "axes.prop_cycle": cycler(color=color_sequences["petroff10"]),
        "svg.fonttype": "none",
        "svg.hashsalt": "lab",
    }
)

DPI = 120
# Eleven and nine: numbers that share no divisor with the ten colours, so that many pairs of both
# differ.
MARKERS = "os^Dv<>*dPX"
HATCHES = ("", "///", "...", "\\\\\\", "xxx", "---", "+++", "ooo", "|||")
MANY = 20  # classes: of more, figures and tables show some, or all without names and numbers
LINE = 0.2  # inches of a line of a title
INTERVAL = "95% confidence interval of the mean"

_LINES, _LETTER, _HANDLE = (
    4.25,
    0.075,
    0.6,
)  # of a legend: lines to an inch, inches of a letter, and of what is beside the text


def new_figure(width, height, title=None, **options):
    """An empty figure of so many inches, its title wrapped to its width."""
    figure = Figure(figsize=(width, height), dpi=DPI, **{"layout": "constrained"} | options)
    if title:
        figure.suptitle(wrapped(title, width), fontsize=12)
    return figure


def tick(value, position=None):
    """A number beside an axis, to its last digit: 12.5, 1,000, 1e-10."""
    return f"{value:,.10g}"


def literal(text):
    """Text as matplotlib can draw it: no formula, which it may not be able to read, and
    `drawable`.
    """
    return drawable(text).replace("$", r"\$")


def drawable(text):
    """Text in which all that no font of this machine has stands as Python would write it:
    "\\u732b".
    """
    return "".join(sign if sign == "\n" or _has_font(sign) else ascii(sign)[1:-1] for sign in text)


@functools.cache
def class_names(classes):
    """Names of classes as figures show them: "class 3" for a name that no font of this machine can
    write.

    Says so, once.

    Parameters
    ----------
    classes : tuple of str

    Returns
    -------
    tuple of str
    """
    names = tuple(
        name if drawable(name) == name else f"class {label}" for label, name in enumerate(classes)
    )
    lacking = [name for name, shown in zip(classes, names) if name != shown]
    if lacking:
        more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
        why = f"no font of this machine can write {', '.join(lacking[:3])}{more}"
        say(f"Figures show the numbers of some classes, from 0, not their names: {why}.")
    return names


@functools.cache
def _has_font(sign):
    """Whether figures can show a sign; a font of this machine that has it is added to theirs, if
    need be.
    """
    if any(ord(sign) in _signs_of(font) for font in rcParams["font.family"]):
        return True
    for font in sorted({entry.name for entry in font_manager.fontManager.ttflist}):
        if ord(sign) in _signs_of(font):
            rcParams["font.family"] = [*rcParams["font.family"], font]
            return True
    return False


@functools.cache
def _signs_of(family):
    """The signs that a font has, as numbers; of fonts for formulas or in colours, none that could
    be drawn.
    """
    try:
        path = font_manager.findfont(
            font_manager.FontProperties(family=[family]), fallback_to_default=False
        )
        font = font_manager.get_font(path)
    except (ValueError, OSError, RuntimeError):  # a broken one, or it is gone
        return frozenset()
    for_formulas = str(path).startswith(get_data_path()) and "DejaVu" not in font.family_name
    if for_formulas or not font.scalable or FaceFlags.COLOR in font.face_flags:
        return frozenset()
    return frozenset(font.get_charmap())


def letters_in(text):
    """The width of text in letters: signs of Chinese, Japanese and Korean count twice."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)


def wrapped(title, inches):
    """A title in lines of so many inches."""
    # A character of 12 points is about 7 points wide.
    lines = drawable(title).split("\n")
    return literal("\n".join(textwrap.fill(line, int(inches * 72 / 7)) for line in lines))


def shortened(name, most=22):
    """A name without its middle, if it is long: ends tell numbered names apart."""
    return name if len(name) <= most else f"{name[: most - 8]}…{name[-7:]}"


def short_lines(name, letters=28):
    """A name in lines of so many letters; ``weight-decay=0`` stays in one, if it can."""
    return literal(textwrap.fill(drawable(name), letters, break_on_hyphens=False))


def with_legend(names, title, width=8, height=8):
    """A figure whose axes are at least so many inches wide, with room for a legend of these names
    in its last quarter.
    """
    columns, letters, lines = _legend(names, height)
    legend = columns * (letters * _LETTER + _HANDLE)
    width = max(width, 3 * legend)
    figure = new_figure(width + legend, max(height, lines / columns / _LINES))
    figure.suptitle(
        wrapped(title, width), fontsize=12, x=0.01, horizontalalignment="left"
    )  # clear of the legend
    return figure


def legend_beside(figure, handles):
    """The legend of `with_legend`: artists by name."""
    columns, *_ = _legend(handles, figure.get_figheight())
    _draw_legend(figure, handles, loc="outside right upper", ncols=columns)


def legend_below(figure, handles):
    """A legend of artists by name, as wide as the figure."""
    columns = _columns_below(handles, figure.get_figwidth())
    _draw_legend(figure, handles, loc="outside lower center", ncols=columns)


def height_below(handles, width):
    """The inches that `legend_below` takes of a figure of this width."""
    rows = math.ceil(len(handles) / _columns_below(handles, width))
    deepest = max(short_lines(name).count("\n") + 1 for name in handles)
    return (rows * deepest + 1) / _LINES


def _columns_below(handles, width):
    _, letters, _ = _legend(handles, 1)
    return min(max(1, int((width - 0.5) / (letters * _LETTER + _HANDLE))), len(handles))


def lines_of(title, width):
    """How many lines a title has in a figure of so many inches."""
    return wrapped(title, width).count("\n") + 1


def _draw_legend(figure, handles, **options):
    # Handles and labels by hand: matplotlib leaves out names that begin with an underscore.
    figure.legend(
        [*handles.values()], [short_lines(name) for name in handles], fontsize=8, **options
    )


def _legend(names, height):
    """Columns of a legend so many inches high, letters in its longest line, and lines of all its
    names.
    """
    lines = [line for name in names for line in short_lines(name).split("\n")]
    return 1 if len(lines) <= _LINES * height else 2, max(map(letters_in, lines)), len(lines)


def styles(names, looks=MARKERS, key="marker"):
    """How each of some names is drawn: in a colour and with a marker, or a hatch; no two share
    both.

    Returns
    -------
    dict of str to dict
        Options of matplotlib.
    """
    return {
        name: {"color": f"C{index % 10}", key: looks[index % len(looks)]}
        for index, name in enumerate(names)
    }


def band(**options):
    """What stands for bands in a legend."""
    return Patch(color="grey", alpha=0.3, linewidth=0, **options)


def ends(mean, half_width, quantity):
    """Both ends of an interval, as far as they are possible: no accuracy above 1, nothing below 0
    that is never below it.
    """
    most = 1 if "accuracy" in quantity else np.inf
    least = -np.inf if (mean < 0).any() else 0  # as a saturating generator's loss
    return np.clip(mean - half_width, least, most), np.clip(mean + half_width, least, most)


def frame(axis, values):
    """Set an axis's vertical limits to these numbers and a margin; what lies beyond is cut off."""
    values = values[np.isfinite(values)]
    if len(values):
        scale = axis.yaxis.get_transform()
        low, high = scale.transform([values.min(), values.max()])
        margin = 0.05 * (high - low) or 0.05 * abs(high) or 1
        axis.set_ylim(scale.inverted().transform([low - margin, high + margin]))


def name_classes(axis, classes, rotation, offset=0.0, most=50):
    """Names of classes along an axis of a figure, ``axes.xaxis`` or ``axes.yaxis``; of more than
    there is room for, every second, third, ... one. Along the horizontal axis they are turned
    where they are words.
    """
    places = np.arange(0, len(classes), math.ceil(len(classes) / most))
    names = [shortened(classes[place]) for place in places]
    look, longest = {"fontsize": 7} if len(classes) > MANY else {}, max(map(letters_in, names))
    if axis.axis_name == "x" and longest > 2:
        look["rotation"] = (
            90 if len(names) * longest > 120 else rotation
        )  # if aslant, it would not be seen whose they are
    axis.set_ticks(places + offset, [*map(literal, names)], **look)
