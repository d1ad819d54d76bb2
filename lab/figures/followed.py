"""What GANs are compared by: measures over time, every run drawn by itself; a measure over two settings."""

import numpy as np
from matplotlib.colors import LogNorm, Normalize
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from lab.figures.base import legend_beside, new_figure, styles, with_legend

AXES = {
    "distance": "mean distance of two samples",
    "modes": "modes covered",
    "present": "classes over 1%",
    "seen": "classes seen",
    "reverse_kl": "reverse KL [nats]",
}


def over_time(groups, of_data, title):
    """Measures of a GAN's samples by epoch, below each other: a thin line for every run, and a dotted one for real data.

    Parameters
    ----------
    groups : dict of str to list of dict
        By the name of a setting, for each of its runs: "epoch" and measures of `AXES`, each to a list of float by epoch. Those
        that all of them have are drawn.
    of_data : dict of str to float
        The same measures of real data; of those that are known.
    title : str
    """
    runs = [run for several in groups.values() for run in several]
    names = [name for name in AXES if all(name in run for run in runs)]
    looks = {name: {"color": look["color"]} for name, look in styles(groups).items()}
    handles = {name: Line2D([], [], **look) for name, look in looks.items()}
    handles |= {"real data": Line2D([], [], color="k", linestyle=":")} if of_data else {}
    figure = with_legend(handles, title, height=1 + 2.2 * len(names))
    legend_beside(figure, handles)
    axes = figure.subplots(len(names), sharex=True, squeeze=False)[:, 0]
    for axis, name in zip(axes, names):
        for group, several in groups.items():
            for run in several:
                axis.plot(run["epoch"], np.array(run[name], float), linewidth=1, alpha=0.7, **looks[group])
        if of_data.get(name) is not None:
            axis.axhline(of_data[name], color="k", linestyle=":", linewidth=1.5)
        axis.set_ylim(bottom=min(0, axis.get_ylim()[0]) if name == "reverse_kl" else 0)
        axis.set_ylabel(AXES[name])
        axis.grid(alpha=0.3)
    axes[-1].set_xlabel("epoch")
    axes[-1].xaxis.set_major_locator(MaxNLocator(8, integer=True))
    return figure


def heatmap(panels, axes, metric, more_is_better, title):
    """A measure over the values of two settings, in a panel for each value of a third: the darker, the better; the best of each
    panel framed.

    Parameters
    ----------
    panels : dict of str to dict of (float, float) to float
        By the panel's title, and the values of both settings.
    axes : (str, str)
        What the settings are called: of rows, and of columns.
    metric : str
    more_is_better : bool
    title : str
    """
    points = [point for one in panels.values() for point in one]
    rows, columns = (sorted({point[place] for point in points}) for place in (0, 1))
    figure = new_figure(len(panels) * (1.5 + 0.9 * len(columns)) + 1.5, 2.2 + 0.6 * len(rows), title)
    values = {name: np.array([[one.get((y, x), np.nan) for x in columns] for y in rows]) for name, one in panels.items()}
    every = np.concatenate([one[np.isfinite(one)] for one in values.values()])
    least, most = every.min(), every.max()
    # What is 20 times as bad would make all the rest look alike.
    norm = (LogNorm if 0 < 20 * least < most else Normalize)(least, most)
    grid = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axis, (name, numbers) in zip(grid, values.items()):
        drawn = axis.pcolormesh(numbers, norm=norm, cmap="Blues" if more_is_better else "Blues_r")
        axis.set(title=name, xlabel=axes[1])
        axis.set_xticks(np.arange(len(columns)) + 0.5, [f"{value:g}" for value in columns])
        axis.set_yticks(np.arange(len(rows)) + 0.5, [f"{value:g}" for value in rows])
        _write_values(axis, numbers, norm, more_is_better)
    grid[0].set_ylabel(axes[0])
    figure.colorbar(drawn, ax=list(grid), label=metric)
    return figure


def _write_values(axis, numbers, norm, more_is_better):
    """The numbers of a heat map, white where it is dark, and a frame around the best."""
    best = np.unravel_index((np.nanargmax if more_is_better else np.nanargmin)(numbers), numbers.shape)
    axis.add_patch(Rectangle((best[1], best[0]), 1, 1, facecolor="none", edgecolor="C1", linewidth=3))
    for (row, column), value in np.ndenumerate(numbers):
        if np.isfinite(value):
            dark = (norm(value) > 0.5) == more_is_better
            axis.text(column + 0.5, row + 0.5, f"{value:.3g}", ha="center", va="center", color="w" if dark else "k")
