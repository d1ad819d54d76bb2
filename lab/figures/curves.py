"""Figures of what changes: learning curves by epoch, trends by a setting."""

import numpy as np
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from lab.figures.base import colours, legend_beside, new_figure, title_above, with_legend

# What learning curves show above each other: the axis, and its lines by name.
_OF_CLASSIFIERS = {
    "accuracy": {"training": "accuracy", "validation": "val_accuracy"},
    "loss": {"training": "loss", "validation": "val_loss"},
}
_OF_GANS = {
    "loss": {"generator": "generator_loss", "discriminator": "discriminator_loss"},
    "discriminator's accuracy": {"generated images": "generated_accuracy", "real images": "real_accuracy"},
}


def learning_curve(curves, title):
    """Accuracy and loss by epoch: of a classifier for training and validation images, of a GAN for its two networks.

    Parameters
    ----------
    curves : dict
        As `intervals.curves` gives it; where runs were repeated, bands show the half-widths. What is not finite is left out.
    title : str
    """
    figure = new_figure(7, 7, title)
    panels = _panels(curves)
    for axis, lines in zip(_curve_axes(figure, panels), panels.values()):
        for (label, name), color, style in zip(lines.items(), ("C0", "C1"), ("--", "-")):
            _curve(axis, curves[name], color=color, linestyle=style, marker=".", label=label)
        axis.legend(loc="best")
    return figure


def _panels(curves):
    return _OF_GANS if "generator_loss" in curves else _OF_CLASSIFIERS


def learning_curves(groups, title, published=None):
    """The learning curves of several settings: a colour for each, training (or generator) dashed, validation solid.

    Parameters
    ----------
    groups : dict of str to dict
        By the setting's name: what `learning_curve` takes.
    title : str
    published : dict, optional
        Published figures, drawn as crosses: setting's name -> epoch -> "loss", "val_loss" and so on -> number.
    """
    panels = _panels(next(iter(groups.values())))
    styles = {"--": 1, "-": 1.5}  # and their widths: of a panel's first and second line
    kinds = {" / ".join(dict.fromkeys(labels)): style for labels, style in zip(zip(*panels.values()), styles)}
    marks = {"published, training": "+", "published, validation": "x"} if published else {}
    figure = with_legend([*groups, *kinds, *marks])
    axes = _curve_axes(figure, panels)
    title_above(axes[0], title)
    handles = {}
    for (name, curves), color in zip(groups.items(), colours(len(groups))):
        for axis, lines in zip(axes, panels.values()):
            for metric, style in zip(lines.values(), styles):
                handles[name] = _curve(axis, curves[metric], color=color, linestyle=style, linewidth=styles[style])
            for metric, marker in zip(lines.values(), marks.values()):
                points = {epoch: row.get(metric, np.nan) for epoch, row in published.get(name, {}).items()}
                axis.plot([*points], np.array([*points.values()], float), marker, color=color, ms=7)
    losses = np.concatenate([curves[name][0] for curves in groups.values() for name in panels["loss"].values()])
    losses = losses[np.isfinite(losses)]
    if len(losses) and 0 < 100 * losses.min() < losses.max():  # one that does not learn would flatten all others
        axes[list(panels).index("loss")].set_yscale("log")
    handles |= {label: axes[0].plot([], [], "k", ls=style, lw=styles[style])[0] for label, style in kinds.items()}
    handles |= {label: axes[0].plot([], [], f"k{marker}", ms=7)[0] for label, marker in marks.items()}
    legend_beside(figure, handles)
    return figure


def _curve_axes(figure, names):
    axes = figure.subplots(2, sharex=True)
    for axis, name in zip(axes, names):
        axis.set_ylabel(name)
        axis.grid(alpha=0.3)
    axes[1].set_xlabel("epoch")
    axes[1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return axes


def _curve(axis, estimate, **style):
    mean, half_width = estimate
    epochs = np.arange(1, len(mean) + 1)
    style = {"marker": "." if len(mean) == 1 else ""} | style  # a line through one point would not be seen
    (line,) = axis.plot(epochs, mean, **style)
    if np.isfinite(half_width).any():
        axis.fill_between(epochs, mean - half_width, mean + half_width, color=style["color"], alpha=0.15, linewidth=0)
    return line


def trend(points, label, logarithmic, title):
    """What the validation images say about settings that are numbers: accuracy above, loss below.

    Parameters
    ----------
    points : dict of str to dict
        By the name of a series: "x", and "val_accuracy" and "val_loss", each (mean, half_width), all float arrays of shape
        (n,); perhaps "published", with arrays "val_accuracy" and "val_loss".
    label : str
        Of the horizontal axis.
    logarithmic : bool
        A logarithmic horizontal axis, with a place for zero.
    title : str
    """
    figure = with_legend([*points, "published"])
    axes = figure.subplots(2, sharex=True)
    title_above(axes[0], title)
    handles, published = {}, False
    for (name, series), color in zip(points.items(), colours(len(points))):
        for axis, metric in zip(axes, ("val_accuracy", "val_loss")):
            mean, half_width = series[metric]
            style = {"fmt": "o-", "ms": 5, "capsize": 3, "color": color}
            handles[name] = axis.errorbar(series["x"], mean, np.nan_to_num(half_width), **style)
            if "published" in series:
                published = True
                published_color = color if len(points) > 1 else "C1"
                axis.plot(series["x"], series["published"][metric], "x", ms=8, zorder=3, color=published_color)
    for axis, metric in zip(axes, ("accuracy", "loss")):
        axis.set_ylabel(f"validation {metric}")
        axis.grid(alpha=0.3)
    if published:
        handles["published"] = axes[0].plot([], [], "x", ms=8, color="k" if len(points) > 1 else "C1")[0]
    axes[1].set_xlabel(label)
    if logarithmic:
        _logarithmic(axes[1], np.concatenate([series["x"] for series in points.values()]))
    if len(handles) > 1:
        legend_beside(figure, {name or "ours": handle for name, handle in handles.items()})
    return figure


def _logarithmic(axis, values):
    positive = values[values > 0]
    if len(positive) < len(values):  # zero gets a place a little below the smallest number
        axis.set_xscale("symlog", linthresh=positive.min() / 10, linscale=0.5)
        ticks = np.unique(values)
        if (ticks[2:] < 4 * ticks[1:-1]).any():  # too near to each other to be labelled
            ticks = np.append(0, 10.0 ** np.arange(np.ceil(np.log10(positive.min())), np.log10(positive.max()) + 1))
        axis.set_xticks(ticks)
        axis.minorticks_off()
    else:
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_minor_formatter(NullFormatter())
    axis.xaxis.set_major_formatter(lambda value, place: f"{value:,.0f}" if value >= 1 else f"{value:g}")
