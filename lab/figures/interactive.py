"""Figures for a page: numbers in, a figure of Plotly out, as a dict of its "data" and "layout".

"C0" to "C9" stand for the colours of the other figures; the page puts in those that its background
calls for. Plotly takes names for markup: every text is escaped here.
"""

import html

import numpy as np

from lab.figures.base import ends, tick
from lab.metrics.table import METRICS

# As `base.MARKERS`, in Plotly's words.
SYMBOLS = (
    *(
        "circle",
        "square",
        "triangle-up",
        "diamond",
        "triangle-down",
        "triangle-left",
        "triangle-right",
    ),
    *("star-square", "star", "cross", "x"),
)
# Of a trial, by whether it was whole and reached the target.
_OF_TRIALS = {
    (True, True): ("C0", "circle", "reaches the target"),
    (True, False): ("C1", "square", "does not"),
    (False, False): ("C8", "x", "stopped early"),
}
_PARAMETERS = {"title": {"text": "parameters"}}
_MOST_TICKS = 10
_PATTERNS = ("", "/", ".", "\\", "x", "-", "+", "|")


def escaped(text):
    """Text as Plotly shows it, whatever markup it looks like."""
    return html.escape(text, quote=False)


def rounded(values):
    """Numbers as JSON has them, of six digits; None for what is not finite."""
    return [
        float(f"{value:.6g}") if np.isfinite(value) else None for value in np.asarray(values, float)
    ]


def band(mean, half_width, metric):
    """Both ends of an interval by epoch, as far as they are possible."""
    return [rounded(values) for values in ends(mean, half_width, metric)]


def trend(axes, series):
    """What settings that are numbers do: as `figures.trend` takes it."""
    if len(series) == 1:  # which needs no name
        series = {"ours": next(iter(series.values()))}
    data, layout = [], {"grid": {"rows": 2, "columns": len(axes), "pattern": "coupled"}}
    for row, metric in enumerate(("val_accuracy", "val_loss")):
        words = METRICS[metric].axis
        layout[f"yaxis{row + 1}"] = {"title": {"text": words}}
        for column, (label, logarithmic) in enumerate(axes):
            scale = _scale(
                np.concatenate([one["x"][column] for one in series.values()]), logarithmic
            )
            layout[f"xaxis{column + 1}"] = {"title": {"text": escaped(label)}, **scale}
            place = {"xaxis": f"x{column + 1}", "yaxis": f"y{row + 1}"}
            for index, (name, one) in enumerate(series.items()):
                order = np.argsort(one["x"][column])
                x = one["x"][column][order]
                place["x"] = (
                    [tick(value) for value in x] if scale.get("type") == "category" else rounded(x)
                )
                legend = {
                    "legendgroup": str(index),
                    "name": escaped(name),
                    "showlegend": not (row or column),
                }
                data += _line(one, order, metric, index, place | legend)
    layout["showlegend"] = len(series) > 1 or any("published" in one for one in series.values())
    return {"data": data, "layout": layout}


def _scale(values, logarithmic):
    """An axis that is linear or logarithmic; where zero is among the values for that, each of them
    has a place of its own.
    """
    values = np.unique(values)
    names = [tick(value) for value in values]
    if not logarithmic:
        return {}
    if values[0] <= 0:
        return {"type": "category", "categoryorder": "array", "categoryarray": names}
    if len(values) > _MOST_TICKS:
        return _logarithmic(values)
    return {"type": "log", "tickvals": values.tolist(), "ticktext": names}


def _logarithmic(values):
    """A logarithmic axis with a few round numbers."""
    low, high = np.floor(np.log10([min(values), max(values)])).astype(int)
    ticks = [float(f"{digit}e{power}") for power in range(low, high + 1) for digit in (1, 2, 5)]
    return {"type": "log", "tickvals": ticks, "ticktext": [*map(tick, ticks)]}


def _line(one, order, metric, index, place):
    """A series in this order as a line with error bars, and crosses for what was published of it."""
    mean, half_width = (values[order] for values in one[metric])
    low, high = ends(mean, half_width, metric)
    look = {"color": f"C{index % 10}"}
    bars = {
        "type": "data",
        "symmetric": False,
        "array": rounded(high - mean),
        "arrayminus": rounded(mean - low),
    }
    symbol = SYMBOLS[index % len(SYMBOLS)]
    symbols = [
        f"{symbol}-open" if interrupted else symbol for interrupted in one["interrupted"][order]
    ]
    marker = {"symbol": symbols, "size": 8, **look}
    drawn = [
        {
            "y": rounded(mean),
            "error_y": bars | look,
            "mode": "lines+markers",
            "marker": marker,
            "line": look,
            **place,
        }
    ]
    if "published" in one:
        marker = {"symbol": "x-thin", "size": 10, "line": {"width": 2, **look}}
        place |= {"name": f"{place['name']}, published"}
        drawn.append(
            {
                "y": rounded(one["published"][metric][order]),
                "mode": "markers",
                "marker": marker,
                **place,
            }
        )
    return drawn


def search(trials, target):
    """The best so far by trial, beside accuracy against parameters with the Pareto front: as
    `figures.search`.
    """
    parameters, accuracies = (
        np.array([getattr(one, name) for one in trials]) for name in ("parameters", "accuracy")
    )
    by_trial, by_parameters = {"xaxis": "x", "yaxis": "y"}, {"xaxis": "x2", "yaxis": "y2"}
    data = []
    for (whole, reached), (colour, symbol, name) in _OF_TRIALS.items():
        some = [
            place
            for place, one in enumerate(trials)
            if (one.whole, one.whole and one.reached) == (whole, reached)
        ]
        name = "trial" if reached and not target else name
        numbers = [trials[place].number for place in some]
        look = {
            "mode": "markers",
            "marker": {"color": colour, "symbol": symbol, "size": 7},
            "name": name,
            "legendgroup": name,
        }
        look["text"] = [f"trial {number}" for number in numbers]
        y = rounded(accuracies[some])
        data.append(
            {"x": numbers, "y": parameters[some].tolist() if target else y, **by_trial, **look}
        )
        data.append(
            {"x": parameters[some].tolist(), "y": y, **by_parameters, **look, "showlegend": False}
        )
    numbers, corners = [one.number for one in trials], front(trials)
    data.append(
        {
            "x": numbers,
            "y": rounded(best_so_far(trials, target)),
            "name": "best so far",
            **_steps("C2", "solid"),
            **by_trial,
        }
    )
    data.append(
        {
            **dict(zip("xy", map(rounded, corners))),
            "name": "Pareto front",
            **_steps("C4", "dash"),
            **by_parameters,
        }
    )
    accuracy, scale = (
        _accuracy_axis(accuracies, least_shown(trials), target),
        _logarithmic(parameters),
    )
    layout = {
        "grid": {"rows": 1, "columns": 2, "pattern": "independent"},
        "xaxis": {"title": {"text": "trial"}},
    }
    layout |= {
        "yaxis": scale | _PARAMETERS if target else accuracy,
        "xaxis2": scale | _PARAMETERS,
        "yaxis2": accuracy,
    }
    if target:
        line = {
            "type": "line",
            "xref": "x2 domain",
            "x0": 0,
            "x1": 1,
            "yref": "y2",
            "y0": target,
            "y1": target,
        }
        layout["shapes"] = [
            line | {"line": {"dash": "dot", "color": "C8"}, "label": {"text": f"target {target:g}"}}
        ]
    low = accuracy["range"][0]
    hidden = int((accuracies < low).sum())
    note = (
        f"{hidden} with an accuracy below {low:.3f} are not in view: see the whole range."
        if hidden
        else ""
    )
    return {"data": [one for one in data if one["x"]], "layout": layout, "note": note}


def _steps(colour, dash):
    return {"mode": "lines", "line": {"shape": "hv", "color": colour, "dash": dash}}


def _accuracy_axis(accuracies, least, target):
    """An axis that reaches to the target, and down to no accuracy below the least that is to be
    shown.
    """
    low, high = max(accuracies.min(), least), accuracies.max()
    low, high = (min(low, target), max(high, target)) if target else (low, high)
    margin = 0.05 * (high - low) + 0.002
    return {
        "title": {"text": "accuracy on held-out images"},
        "range": [low - margin, high + margin],
    }


def importances(shares):
    """Bars: as `figures.importances`."""
    names = sorted(shares, key=shares.get)
    bars = {"type": "bar", "orientation": "h", "marker": {"color": "C0"}}
    bars |= {
        "x": rounded([shares[name] for name in names]),
        "y": [escaped(name.replace("_", " ")) for name in names],
    }
    title = "importance (PED-ANOVA)"
    return {
        "data": [bars],
        "layout": {"xaxis": {"title": {"text": title}}, "yaxis": {"automargin": True}},
    }


def _spread(spread, classes):
    """A band and a line over the classes, from (number, low, high), float arrays or the same
    number for all.
    """
    number, low, high = (rounded(np.broadcast_to(part, len(classes))) for part in spread)
    look = {
        "type": "scatter",
        "mode": "lines",
        "x": classes,
        "hoverinfo": "skip",
        "showlegend": False,
    }
    line = {"color": "C8", "shape": "hvh"}
    edge = {"line": line | {"width": 0}}
    fill = {"fill": "tonexty", "fillcolor": "C8", "opacity": 0.25}
    return [
        look | edge | {"y": low},
        look | edge | fill | {"y": high},
        look | {"line": line, "y": number},
    ]


def label_counts(groups, spread, classes, label="class"):
    """Bars: how many samples a classifier assigned to each class, as `figures.label_counts`."""
    data = []
    for index, (name, (mean, half_width)) in enumerate(groups.items()):
        marker = {
            "color": f"C{index % 10}",
            "pattern": {"shape": _PATTERNS[index % len(_PATTERNS)]},
        }
        bars = {
            "type": "bar",
            "x": [escaped(one) for one in classes],
            "y": rounded(mean),
            "marker": marker,
            "name": escaped(name),
        }
        if np.isfinite(half_width).any():
            bars["error_y"] = {"type": "data", "array": rounded(half_width)}
        data.append(bars)
    layout = {"showlegend": len(groups) > 1, "yaxis": {"title": {"text": "samples"}}}
    note = "Line: samples that spread as the data do. Band: where 95% of the counts of one such run lie."
    data += _spread(spread, data[0]["x"])
    return {
        "data": data,
        "layout": layout | {"xaxis": {"title": {"text": label}, "type": "category"}},
        "note": note,
    }


def least_shown(trials):
    """Below what accuracy trials, which hardly learn, would squeeze all others if an axis reached
    down to them.
    """
    most = max(one.accuracy for one in trials)
    middle = np.median(
        [one.accuracy for one in trials if one.whole] or [one.accuracy for one in trials]
    )
    return middle - 2 * (most - middle)


def best_so_far(trials, target):
    """By trial, the best accuracy up to it or, with a target, the fewest parameters that reach it;
    infinite before any does.
    """
    sign = 1 if target else -1  # the fewest parameters, or the most accuracy
    costs = [one.parameters if target else -one.accuracy for one in trials]
    reached = [one.reached for one in trials]
    return sign * np.minimum.accumulate(np.where(reached, costs, np.inf))


def front(trials):
    """The corners of the line above which no whole trial lies: arrays of their parameters and
    accuracies.
    """
    corners = []
    for trial in sorted(trials, key=lambda one: (one.parameters, -one.accuracy)):
        if trial.whole and (not corners or trial.accuracy > corners[-1][1]):
            corners.append((trial.parameters, trial.accuracy))
    return np.array(corners, float).reshape(-1, 2).T
