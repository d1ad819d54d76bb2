"""What is followed over time, every run drawn by itself."""

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from lab.figures.base import legend_beside, styles, with_legend

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
        By the name of a setting, for each of its runs: "epoch" and measures of `AXES`, each to a list of float by epoch. Drawn are
        the measures that all of them have.
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
        axis.set_ylabel(AXES[name])
        axis.grid(alpha=0.3)
    axes[-1].set_xlabel("epoch")
    axes[-1].xaxis.set_major_locator(MaxNLocator(8, integer=True))
    return figure
