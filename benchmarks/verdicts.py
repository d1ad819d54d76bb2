#!/usr/bin/env python3
"""How often the verdicts of a comparison are wrong: tables of 21 settings with 3 runs each,
simulated.

example:
  python benchmarks/verdicts.py              2,000 tables of each kind, about 5 minutes

Without any effect no row may be called different in more than 5% of the tables. With one setting,
or one published figure, shifted by so many deviations of a run, the row is to be found. A
published figure is a single run: that of 21 rows at an error of 5% is found at 3 deviations in a
third of all tables at most, even if the deviation were known: its difference from a mean of 3 runs
scatters by sqrt(4 / 3) deviations, and 3.04 of these are needed.
"""

import argparse
import gc
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from lab.comparison import published
from lab.metrics import significance

ROWS, RUNS = 21, 3


def measure(tables, shift, seed=0):
    """The share of simulated tables in which a row is called different.

    Parameters
    ----------
    tables : int
    shift : float
        Of one row, up or down, in deviations; 0: any row counts, else that row.
    seed : int

    Returns
    -------
    dict of str to float
        "settings": of our own rows, held against the best; "published": of published figures, held
        against ours.
    """
    draw, found = np.random.default_rng(seed), {"settings": 0, "published": 0}
    for _ in range(tables):
        row, by = draw.integers(ROWS), shift * draw.choice([-1, 1])
        ours, figures = draw.normal(size=(ROWS, RUNS)), draw.normal(size=ROWS)
        figures[row] += by
        beyond = _beyond(figures, ours)
        found["published"] += beyond[row] if shift else any(beyond)
        ours[row] += by
        best = int(ours.mean(axis=1).argmax())
        unlike = significance.unlike(list(ours), significance.noise_of(list(ours)), best)
        found["settings"] += unlike[row] if shift and best != row else unlike.any()
    return {name: count / tables for name, count in found.items()}


def false_alarms(count, tables, seed=0):
    """The share of simulated tables without any effect in which a published figure is called below
    or above.

    Parameters
    ----------
    count : int
        Of the rows, how many have a published figure.
    tables : int
    seed : int

    Returns
    -------
    float
    """
    draw = np.random.default_rng(seed)
    found = [
        any(_beyond(draw.normal(size=count), draw.normal(size=(ROWS, RUNS)))) for _ in range(tables)
    ]
    return float(np.mean(found))


def _beyond(figures, ours):
    """Whether each of the first rows' published figures is called below or above."""
    known = [Decimal(f"{figure:.6f}") for figure in figures]
    verdicts = published.judged(known + [None] * (len(ours) - len(known)), list(ours))
    return [verdict.place in ("below", "above") for verdict in verdicts]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tables", type=int, default=2000, help="of each kind")
    tables = parser.parse_args().tables
    significance.holm(np.ones(2))  # imports what it needs
    # statsmodels collects garbage at each of Holm's corrections, which would take most of the time.
    gc.freeze()
    for shift in (0, 3, 5):
        ours, figures = measure(tables, shift).values()
        shares = f"settings {ours:.1%}, published figures {figures:.1%}"
        print(f"shift of {shift} deviations: {shares}")
    for count in (1, 2, 5, ROWS):
        share = false_alarms(count, tables)
        print(f"{count} of {ROWS} published: false alarms in {share:.1%} of tables")


if __name__ == "__main__":
    main()
