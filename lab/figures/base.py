"""What figures have in common: size, titles, colours, legends."""

import math
import textwrap

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

DPI = 120
LEGEND_LINES = 4.25  # to an inch


def new_figure(width, height, title=None, **options):
    """An empty figure of so many inches, its title wrapped to its width."""
    figure = Figure(figsize=(width, height), dpi=DPI, **{"layout": "constrained"} | options)
    if title:
        figure.suptitle(wrapped(title, width), fontsize=12)
    return figure


def wrapped(title, inches):
    """A title in lines of so many inches."""
    # A character of 12 points is about 7 points wide.
    return textwrap.fill(title, int(inches * 72 / 7))


def with_legend(names, height=8):
    """A figure whose axes are 8 inches wide, with room for a legend of these names beside them."""
    width = _legend_columns(names, height) * (max(map(len, names)) * 0.075 + 0.6)
    return new_figure(8 + width, height)


def legend_beside(figure, handles):
    """The legend of `with_legend`: artists by name."""
    # Handles and labels by hand: matplotlib leaves out names that begin with an underscore.
    columns = _legend_columns(handles, figure.get_figheight())
    figure.legend([*handles.values()], [*handles], loc="outside right upper", fontsize=8, ncols=columns)


def _legend_columns(names, height):
    return math.ceil(len(names) / (LEGEND_LINES * height))


def title_above(axis, title):
    """The title of `with_legend`, above the axes and not the figure, where it would run into the legend."""
    # 8 inches hold about 80 characters.
    axis.set_title("\n".join(textwrap.fill(line, 80) for line in title.split("\n")), fontsize=12)


def colours(count):
    """So many colours that can be told apart."""
    if count <= 10:
        return [f"C{index}" for index in range(count)]
    return colormaps["turbo"](np.linspace(0.02, 0.98, count))


def name_classes(axis, classes, rotation):
    """Names of classes along the horizontal axis, turned where they are words."""
    axis.set_xticks(np.arange(len(classes)), classes, rotation=rotation if max(map(len, classes)) > 2 else 0)
