"""Groups of repeats become a comparison: data, computed once, that is only written from here on."""

from typing import NamedTuple

from lab.comparison import charts, effects, losses, tables
from lab.comparison.naming import shared_in_words
from lab.comparison.published import NOTHING, Published, read_published, verdicts_of
from lab.comparison.speed import speeds_of
from lab.metrics.table import heading
from lab.settings import UserError


class View(NamedTuple):
    """How a comparison is to be seen."""

    published: str | None = None  # path of a CSV file, see `read_published`
    sort: str | None = None  # a column, see `tables.in_order`
    top: int | None = None  # so many rows only


class Comparison(NamedTuple):
    """All that is known of some runs side by side."""

    groups: list  # of Group, in order
    tables: list  # of Table, as text
    captions: list  # of str: what a reader of a figure has to know, the data sets first
    charts: dict  # as `charts.numbers_of` gives it
    published: Published
    speeds: list  # as `speeds_of` gives them
    verdicts: dict  # as `verdicts_of` gives them

    @property
    def numbers(self):
        """All numbers, unrounded: as `tables.numbers` gives them. The page does without."""
        return tables.numbers(self.groups, self.speeds, self.verdicts)


ALL = View()


def compare(groups, notes=(), view=ALL, published=None):
    """Compare groups.

    Parameters
    ----------
    groups, notes
        As `collect` gives them.
    view : View
    published : Published, optional
        Of these groups; by default the view's are read.

    Returns
    -------
    Comparison
        Its tests and sentences are of all groups; its tables and figures of those at the top, if
        not all are to be seen.
    """
    if view.published and "val_accuracy" not in groups[0].measures:
        raise UserError("--published: there are published figures of classifiers only")
    groups, cut = ordered(groups, view)
    if published is None:
        published = read_published(view.published, groups) if view.published else NOTHING
    verdicts, speeds = verdicts_of(groups, published), speeds_of(groups)
    warnings = warnings_of(groups)
    about = [*cut, *effects.sentences(groups), *notes, *warnings, *losses.sentences(groups)]
    shown = groups[: view.top]
    made = [
        tables.with_real_data(tables.runs_table(groups, "Runs", about, view.top), shown),
        tables.with_real_data(tables.samples_table(groups, view.top), shown),
        tables.published_table(shown, published, verdicts),
        tables.published_epochs_table(shown, published, verdicts),
        tables.speed_table(speeds),
    ]
    captions = [
        shared_in_words(shown),
        *shown[0].naming.sentences,
        *_cut_short(shown),
        *warnings,
        *losses.sentences(shown),
        *published.unjudged,
    ]
    made = [table for table in made if table]
    drawn = charts.numbers_of(shown, published, view.sort)
    return Comparison(groups, made, captions, drawn, published, speeds, verdicts)


def ordered(groups, view):
    """The groups in the order asked for, and a sentence in a list about those that are not shown;
    UserError if there is no such order.
    """
    if view.top is not None and view.top < 1:
        raise UserError(f"--top must be a whole number of at least 1, got {view.top}")
    if view.sort is None and not view.top:
        return groups, []
    if view.sort is None and "val_accuracy" not in groups[0].measures:
        raise UserError("--top: of GANs, say with --sort by which column")
    column = ("val_accuracy" if view.sort is None else view.sort).replace("-", "_")
    cut = f"The first {view.top} of {len(groups)} by {heading(column)}; table.csv has all."
    is_cut = view.top and view.top < len(groups)
    return tables.in_order(groups, column), [cut] if is_cut else []


def _cut_short(groups):
    """Sentences about what ended early, which figures cannot show."""
    cut = [f"{group.name} ({group.interrupted})" for group in groups if group.interrupted]
    sentences = [f"Interrupted: {effects.joined(cut)}."] if cut else []
    if any(group.rows["epochs_trained"].nunique() > 1 for group in groups):
        sentences.append("A mean curve ends where the first of its runs ended.")
    return sentences


def warnings_of(groups, counted=False):
    """What makes metrics incomparable, in sentences: with the names of the groups, or only with
    how many they are.
    """
    warnings, by_data = [], {}
    for group in groups:
        by_data.setdefault(group.record.dataset.sha256, []).append(group)
    if len(by_data) > 1:
        parts = []
        for members in by_data.values():
            names = [*dict.fromkeys(group.run or group.name for group in members)]
            who = f"{len(members)} rows" if counted else effects.joined(names)
            data, holdout = members[0].record.dataset, members[0].settings.holdout
            held_out = f" --holdout {holdout}" if holdout else ""
            images = f"{data.train:,} training images, hash {data.sha256[:6]}"
            parts.append(f"{who} ({data.name}{held_out}, {images})")
        warnings.append(
            "Warning: trained or validated on different images, so metrics do not compare: "
            f"{', '.join(parts)}."
        )
    evaluations = [evaluation for group in groups for evaluation in group.evaluations]
    ways = {(one["samples"], one.get("classifier")) for one in evaluations if "counts" in one}
    if len(ways) > 1:
        warnings.append(
            "Warning: these runs were evaluated with different classifiers or numbers of samples."
        )
    missing = sum(not one for one in evaluations)
    if 0 < missing < len(evaluations):
        warnings.append(f"Warning: {missing} of {len(evaluations)} runs were not evaluated.")
    return warnings
