"""What figures have in common: size, titles, looks, legends."""

import functools
import math
import textwrap
import unicodedata

import numpy as np
from cycler import cycler
from matplotlib import color_sequences, font_manager, rcParams
from matplotlib.figure import Figure
from matplotlib.ft2font import FaceFlags
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from lab.console import say

# Petroff's ten colours (arXiv 2107.02270) differ also for the colour-blind; "C0" is the first of
# them. A file is as large as what is drawn, legends beside the axes included. An SVG keeps its
# text as text, and is the same file whenever it is drawn.
rcParams.update(
    {
        "axes.prop_cycle": cycler(color=color_sequences["petroff10"]),
        "grid.alpha": 0.3,
        "savefig.bbox": "tight",
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
INTERVAL = "95% confidence interval of the mean"
BAND = {"color": "k", "alpha": 0.15, "linewidth": 0, "hatch": ""}
ERROR_BAR = {"color": "k", "marker": "|", "markersize": 14, "linestyle": ""}
PUBLISHED = {"color": "k", "marker": "x", "markersize": 8, "linestyle": "", "zorder": 3}
_NAMED = 30  # classes at most along an axis
_COLUMN = 30  # entries of a legend before it gets a second column


def subplots(size, title, rows=1, columns=1, **options):
    """A figure of a width and height in inches, its title wrapped to its width; and its axes, as
    ``Figure.subplots`` gives them.
    """
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    if title:
        figure.suptitle(in_lines(title, int(10 * max(5, size[0]))), fontsize=12)
    return figure, figure.subplots(rows, columns, **options)


def tick(value, position=None):
    """A number beside an axis, to its last digit: 12.5, 1,000, 1e-10."""
    return f"{value:,.10g}"


def drawable(text):
    """Text in which all that no font of this machine has stands as Python would write it:
    "\\u732b".
    """
    return "".join(sign if _has_font(sign) else ascii(sign)[1:-1] for sign in text)


def in_lines(text, letters=28):
    """Text as matplotlib can draw it: `drawable`, no formula, which it may not be able to read, and
    in lines of so many letters or half as many Chinese, Japanese or Korean signs;
    ``weight-decay=0`` stays in one line, if it can.
    """
    if any(unicodedata.east_asian_width(sign) in "WF" for sign in text):
        letters //= 2
    lines = [
        textwrap.fill(drawable(line), letters, break_on_hyphens=False) for line in text.split("\n")
    ]
    return "\n".join(lines).replace("$", r"\$")


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
    families = rcParams["font.family"]
    for font in [*families, *sorted(font_manager.get_font_names())]:
        if ord(sign) in _signs_of(font):
            rcParams["font.family"] = [*dict.fromkeys([*families, font])]
            return True
    return False


@functools.cache
def _signs_of(family):
    """The signs that a font has, as numbers; none, if it is not for text, in colours or broken."""
    # Those of matplotlib that are for formulas, and one that draws a box for every sign.
    not_for_text = family.startswith(("cm", "STIX", "Last Resort"))
    try:
        path = font_manager.findfont(
            font_manager.FontProperties(family=[family]), fallback_to_default=False
        )
        font = font_manager.get_font(path)
    except (ValueError, OSError, RuntimeError):  # a broken one, or it is gone
        return frozenset()
    if not_for_text or not font.scalable or FaceFlags.COLOR in font.face_flags:
        return frozenset()
    return frozenset(font.get_charmap())


def shortened(name, most=22):
    """A name without its middle, if it is long: ends tell numbered names apart."""
    return name if len(name) <= most else f"{name[: most - 8]}…{name[-7:]}"


def legend_beside(figure, looks):
    """A legend right of all axes, in the last quarter of the picture.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        It becomes wider, if need be.
    looks : dict of str to dict
        By name, options of a line or, where there is a "hatch" among them, of a patch.
    """
    artists = [
        Patch(**look) if "hatch" in look else Line2D([], [], **look) for look in looks.values()
    ]
    # Handles and labels by hand: matplotlib leaves out names that begin with an underscore.
    legend = figure.legend(
        artists,
        [in_lines(name) for name in looks],
        ncols=1 + (len(looks) > _COLUMN),
        fontsize=8,
        loc="upper left",
        bbox_to_anchor=(1, 1),
    )
    width = legend.get_window_extent().width / DPI
    figure.set_figwidth(max(figure.get_figwidth(), 3 * width))


def styles(names, looks=MARKERS, key="marker", color="color"):
    """How each of some names is drawn: in a colour and with a marker, or a hatch; no two share
    both.

    Returns
    -------
    dict of str to dict
        Options of matplotlib.
    """
    return {
        name: {color: f"C{index % 10}", key: looks[index % len(looks)]}
        for index, name in enumerate(names)
    }


def ends(mean, half_width, quantity):
    """Both ends of intervals, as far as they are possible: no accuracy above 1, nothing below 0
    that is never below it. An array of shape (2, n).
    """
    most = 1 if "accuracy" in quantity else np.inf
    least = -np.inf if (mean < 0).any() else 0  # as a saturating generator's loss
    return np.clip([mean - half_width, mean + half_width], least, most)


def frame(axis, values):
    """Set an axis's vertical limits to these numbers and a margin; what lies beyond is cut off."""
    values = values[np.isfinite(values)]
    if len(values):
        scale = axis.yaxis.get_transform()
        low, high = scale.transform([values.min(), values.max()])
        margin = 0.05 * (high - low) or 0.05 * abs(high) or 1
        axis.set_ylim(scale.inverted().transform([low - margin, high + margin]))


def name_classes(axis, classes, offset=0.0):
    """Names of classes along an axis of a figure, ``axes.xaxis`` or ``axes.yaxis``; of more than
    there is room for, every second, third, ... one. Along the horizontal axis they are turned
    where they are words.
    """
    step = math.ceil(len(classes) / _NAMED)
    names = [in_lines(shortened(name)) for name in classes[::step]]
    look = {"fontsize": 7} if len(classes) > MANY else {}
    if axis.axis_name == "x" and max(map(len, names)) > 2:
        look |= {"rotation": 45, "rotation_mode": "anchor", "ha": "right", "va": "center"}
    axis.set_ticks(np.arange(0, len(classes), step) + offset, names, **look)


def write_cells(axis, numbers, dark, form):
    """Write numbers, where they are finite, into the cells of a mesh: white where it is dark."""
    for (row, column), number in np.ndenumerate(numbers):
        if np.isfinite(number):
            look = {"color": "w" if dark[row, column] else "k", "ha": "center", "va": "center"}
            axis.text(column + 0.5, row + 0.5, form.format(number), **look)


def ranked_bars(axis, names, numbers, form):
    """Horizontal bars with their names and numbers, the first above."""
    places = np.arange(len(names))
    axis.bar_label(axis.barh(places, numbers), fmt=form, fontsize=8, padding=3)
    axis.set_yticks(places, [in_lines(name, 60) for name in names], fontsize=9)
    axis.invert_yaxis()
    axis.margins(x=0.1)
