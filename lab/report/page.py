"""From names of runs to one page, which fetches nothing from anywhere."""

import base64
import datetime
import hashlib
import html
from pathlib import Path

import jinja2
import numpy as np
import simplejson
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from lab import console, runs
from lab.figures.base import ends
from lab.io.words import visible
from lab.metrics.table import METRICS
from lab.report.contents import charts_of, experiments_of, kinds_of, searches_of
from lab.report.pictures import pictures_of
from lab.report.rows import about, read
from lab.settings import UserError

_HERE = Path(__file__).parent
_MOST_ROWS = 40  # of a sweep, whose table is shown again by itself
# The markers of other figures, `figures.base.MARKERS`, as Plotly calls them.
_SYMBOLS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "triangle-left")
_SYMBOLS += ("triangle-right", "star-square", "star", "cross", "x")


def write_report(results_dir, names, published, path):
    """Write runs as one page.

    Parameters
    ----------
    results_dir : path
    names : list of str
        As of `runs.named`; empty: all.
    published : path or None
        Of published figures, as of `comparison.View`.
    path : Path
        Of the page.

    Returns
    -------
    list of Path

    Raises
    ------
    UserError
        If there is no such run at all. Nothing else that is wrong with runs stops the page.
    """
    results_dir = Path(results_dir)
    folders = _folders(results_dir, names)
    rows, broken = read(results_dir, folders)
    searches, faults = searches_of(results_dir, folders)
    kinds = kinds_of(rows)
    experiments = [one for kind in kinds for one in experiments_of(kind, searches, published)]
    if published and not any(any(one.comparison.published) for one in experiments):
        raise UserError(f"{published}: none of its rows is of one of these runs")
    alone = [row for row in rows if not row.is_repeats]
    pictures, left_out = pictures_of([row.group.runs[0] for row in alone], results_dir)
    broken |= faults | ({} if names else _empty(results_dir, folders))
    title = f"{results_dir.resolve().name}: {len(folders)} run{'s' * (len(folders) > 1)}"
    content = _render(
        title=f"{title} of {', '.join(names)}" if names else title,
        written=datetime.datetime.now(),
        kinds=kinds,
        broken=broken,
        experiments=experiments,
        searches={name: (search, charts_of(name, search)) for name, search in searches.items()},
        sections=[(row, about(row), some) for row, some in zip(alone, pictures)],
        left_out=left_out,
        data={
            "panels": {kind.name: kind.panels for kind in kinds},
            "symbols": _SYMBOLS,
            "curves": _curves(kinds, experiments),
        },
    )
    with runs.atomic(path) as temporary:
        # Names and JSON may hold half of a character.
        temporary.write_text(content, "utf-8", errors="replace")
    console.say(f"{title} on a page of {len(content) / 1e6:.1f} MB: open it in a browser.")
    if broken:
        console.say(f"What cannot be read: {len(broken)}; the page says why.")
    if left_out:
        console.say(f"Pictures that are not in the page, which links to them: {left_out}.")
    return [path]


def _empty(results_dir, folders):
    """Folders without any run: by name, what is wrong with them."""
    names = set()
    for folder in results_dir.iterdir():
        if folder.is_dir() and not folder.name.startswith("."):
            names.add(folder.name)
    names -= {folder.relative_to(results_dir).parts[0] for folder in folders}
    return dict.fromkeys(sorted(names - {*runs.Beside}), "There is no run in this folder.")


def _folders(results_dir, names):
    """The folders of runs, be they broken; UserError if there are none."""
    try:
        folders = runs.named(results_dir, names or ["*"], holds=runs.has_record)
    except UserError as error:
        advice = f"{results_dir} holds no run: train one first, as with python train.py -m first"
        raise error if names else UserError(advice) from error
    for folder in folders:
        if not runs.has_record(folder):
            runs.load(folder)  # which says what it lacks
    return folders


def _curves(kinds, experiments):
    """The learning curves of each row, as the page's script draws them, by the row's number."""
    published, curves = {}, {}
    for one in experiments:
        for group in one.comparison.groups:
            published[group.path] = one.comparison.published.by_epoch.get(group.name, {})
    for kind in kinds:
        for row in kind.rows:
            curves[row.number] = _curve(row, published.get(row.group.path, {}))
    return curves


def _curve(row, published):
    group, estimates = row.group, row.group.curves()
    curve = {
        # Plotly takes names for markup.
        "name": html.escape(group.path, quote=False),
        "kind": group.settings.kind.plural,
        "data": group.record.dataset.sha256[:8],
        "mean": {name: _rounded(mean) for name, (mean, _) in estimates.items()},
    }
    if row.is_repeats:
        curve["band"] = {
            name: [*map(_rounded, ends(*estimate, name))] for name, estimate in estimates.items()
        }
    crosses = {}
    for epoch, figures in published.items():
        for name, figure in figures.items():
            crosses.setdefault(name, []).append([epoch, float(figure)])
    return curve | ({"published": crosses} if crosses else {})


def _rounded(values):
    """Numbers as JSON has them, of six digits; None for what is not finite."""
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in values]


def _render(data, **page):
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Markup is our own.
        finalize=lambda value: visible(value) if type(value) is str else value,
    )
    # Nothing of these comes from a run. The page's policy lets no other script run, whatever a run
    # may have smuggled in.
    style, script = (Markup((_HERE / name).read_text("utf-8")) for name in ("page.css", "page.js"))
    plotly = Markup(get_plotlyjs())
    hashes = [base64.b64encode(hashlib.sha256(one.encode()).digest()) for one in (script, plotly)]
    encoded = simplejson.dumps(
        data, ignore_nan=True, separators=(",", ":"), cls=simplejson.JSONEncoderForHTML
    )
    return environment.get_template("page.html").render(
        style=style,
        script=script,
        plotly=plotly,
        policy=" ".join(f"'sha256-{one.decode()}'" for one in hashes),
        data=Markup(encoded),
        best={metric.heading for metric in METRICS.values() if metric.more_is_better},
        most_rows=_MOST_ROWS,
        **page,
    )
