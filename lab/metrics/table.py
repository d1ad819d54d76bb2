"""METRICS: the one table of what runs are measured by.

Tables, their columns' order and headings, intervals, CSV files, figures, the page and the fields of
evaluation.json follow from it. To add a measure of a GAN's samples, add a row here and the function
that measures it to `lab.evaluation.measures`. Nothing here needs NumPy.
"""

import math
from typing import NamedTuple

# Where a number comes from: a list of the history in the epoch that was saved, the whole curve of
# the validation accuracy, the clock, or evaluate.py.
HISTORY, CURVE, CLOCK, EVALUATION = "history", "curve", "clock", "evaluation"
# Where the tables of a comparison show it: the main one before and behind the number of parameters,
# or the one of samples against the data.
FIRST, LATER, SAMPLES = "first", "later", "samples"
# Validation accuracies that convergence is measured by.
LEVELS = {f"epochs_to_{level}": level for level in (0.95, 0.97)}

_POSITIVE, _FRACTION, _ANY = (0, math.inf), (0, 1), (-math.inf, math.inf)


class Metric(NamedTuple):
    """A metric; by default a measure of a GAN's samples."""

    heading: str
    kind: str | None = "GAN"  # name of the kind of networks that have it; None: all
    source: str | None = EVALUATION  # None: not of a single run
    place: str | None = FIRST  # in tables; None: not among the metrics there
    digits: int = 4  # decimal places
    # What it can be at least and at most; an interval that would leave them is none. The unbiased
    # estimates of a divergence and of a distance may fall a little below 0, the quantities do not.
    bounds: tuple[float, float] = _POSITIVE
    more_is_better: bool = False
    # Of small counts and fractions, often at their bound, Student's t knows nothing: each run's
    # value is listed.
    listed: bool = False
    axis: str | None = None  # of figures that draw it over time or over settings


METRICS = {
    "val_accuracy": Metric(
        "val. accuracy",
        "classifier",
        HISTORY,
        bounds=_FRACTION,
        more_is_better=True,
        axis="validation accuracy",
    ),
    "val_loss": Metric("val. loss", "classifier", HISTORY, axis="validation loss"),
    # Means over the epoch, with dropout, while the weights changed: evaluate.py finds others.
    "accuracy": Metric(
        "accuracy while learning",
        "classifier",
        HISTORY,
        LATER,
        bounds=_FRACTION,
        more_is_better=True,
    ),
    "loss": Metric("loss while learning", "classifier", HISTORY, LATER),
    **{
        name: Metric(f"epochs to {level}", "classifier", CURVE, LATER, digits=1, listed=True)
        for name, level in LEVELS.items()
    },
    "modes": Metric(
        "modes covered",
        digits=0,
        more_is_better=True,
        listed=True,
        axis="modes covered",
    ),
    "seen": Metric(
        "modes seen",
        digits=0,
        more_is_better=True,
        listed=True,
        axis="classes seen",
    ),
    "near": Metric(
        "samples near a mode",
        digits=3,
        bounds=_FRACTION,
        more_is_better=True,
        listed=True,
    ),
    "present": Metric(
        "classes over 1%",
        digits=0,
        more_is_better=True,
        listed=True,
        axis="classes over 1%",
    ),
    "reverse_kl": Metric("reverse KL", axis="reverse KL [nats]"),
    "chi_square_p": Metric(
        "p (chi-square)",
        digits=3,
        bounds=_FRACTION,
        more_is_better=True,
        listed=True,
    ),
    "collapsed": Metric(
        "epochs in collapse",
        digits=2,
        bounds=_FRACTION,
        listed=True,
    ),
    "distance": Metric(
        "distance",
        digits=2,
        more_is_better=True,
        axis="mean distance of two samples",
    ),
    "confidence": Metric(
        "confidence",
        place=SAMPLES,
        digits=3,
        bounds=_FRACTION,
        more_is_better=True,
    ),
    "unclear": Metric("unclear", place=SAMPLES, digits=3, bounds=_FRACTION),
    "frechet": Metric("Fréchet distance", place=SAMPLES, digits=1),
    "kernel": Metric("kernel distance", place=SAMPLES),
    "precision": Metric(
        "precision", place=SAMPLES, digits=3, bounds=_FRACTION, more_is_better=True
    ),
    "recall": Metric("recall", place=SAMPLES, digits=3, bounds=_FRACTION, more_is_better=True),
    "density": Metric("density", place=SAMPLES, digits=3, more_is_better=True),
    "coverage": Metric("coverage", place=SAMPLES, digits=3, bounds=_FRACTION, more_is_better=True),
    # Less than 0, if saturating.
    "generator_loss": Metric("generator loss", source=HISTORY, bounds=_ANY),
    "discriminator_loss": Metric("discriminator loss", source=HISTORY),
    "epoch_seconds": Metric("s / epoch", None, CLOCK, None),
    "first_epoch_seconds": Metric("s / first epoch", None, CLOCK, None),
    "speed_up": Metric("speed up", None, None, None, more_is_better=True),
}


def chosen(kind=None, **fields):
    """The names of the metrics of a kind that have these values of their fields: a tuple. What has
    no kind is of all kinds.

    Parameters
    ----------
    kind : str, optional
        By default of all.
    fields
        Of `Metric`.
    """
    return tuple(
        name
        for name, metric in METRICS.items()
        if (kind is None or metric.kind in (None, kind))
        and fields.items() <= metric._asdict().items()
    )


def measured(kind):
    """The names of all metrics that a run of this kind has, in the order of table.csv: a list."""
    sources = (HISTORY, CLOCK, CURVE, EVALUATION)
    return [name for source in sources for name in chosen(kind, source=source)]


def heading(name):
    """What a column is called; also one that is no metric."""
    if name in METRICS:
        return METRICS[name].heading
    return name.replace("val_", "val. ").replace("_", " ")
