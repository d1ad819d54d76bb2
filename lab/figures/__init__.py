"""Numbers in, a matplotlib Figure out. Nothing here computes, reads or writes."""
# ruff: noqa: F401

import os

# A notebook tells every process that it starts to draw into the notebook; there matplotlib would not even be imported.
if os.environ.get("MPLBACKEND", "").startswith("module:"):
    del os.environ["MPLBACKEND"]

from lab.figures.curves import learning_curve, learning_curves, trend
from lab.figures.images import COLUMNS, ROWS, class_means, examples, filters, first_layer, neighbours, sample_grid, samples
from lab.figures.numbers import class_counts, confusion, embedding, label_counts, points
from lab.figures.theory import discriminator, fits, softmax
