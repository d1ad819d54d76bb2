"""Numbers in, a matplotlib Figure out. Nothing here knows runs, reads or writes."""
# ruff: noqa: E402, F401

from lab.io.environment import import_matplotlib

import_matplotlib()

# isort: split
from lab.figures.base import MANY, class_names, shortened
from lab.figures.curves import learning_curve, learning_curves
from lab.figures.gans import captioned, over_time, samples, strip
from lab.figures.images import (
    COLUMNS,
    MEANS,
    ROWS,
    Seen,
    class_means,
    examples,
    filters,
    first_layer,
    neighbours,
    predictions,
    sample_grid,
)
from lab.figures.numbers import class_counts, confusion, embedding, label_counts
from lab.figures.searches import importances, search
from lab.figures.theory import discriminator, fits, softmax
from lab.figures.trends import heatmap, trend
