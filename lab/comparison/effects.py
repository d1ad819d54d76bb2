"""What the settings of a sweep or a grid do: which are within noise of the best, and which explain
how much of the spread.
"""

import numpy as np

from lab import console
from lab.comparison.groups import have_one_accuracy
from lab.comparison.naming import levels_of
from lab.metrics import significance
from lab.metrics.table import LEVELS

_METRIC, _WORDS = "val_accuracy", "val. accuracy"
_MOST_NAMED = 6  # settings in a sentence


def sentences(groups):
    """What repeats tell of the validation accuracy, in sentences; nothing where it cannot be
    compared.
    """
    if not have_one_accuracy(groups):
        return []
    # Those that a test can say something about: of more runs than one, all of them with an
    # accuracy in the end.
    repeated = [
        group
        for group in groups
        if len(group.runs) > 1 and np.isfinite(group.measures[_METRIC]).all()
    ]
    if not all(group.is_interrupted for group in repeated):
        repeated = [group for group in repeated if not group.is_interrupted]
    noise = significance.noise_of([group.measures[_METRIC] for group in repeated])
    tested = [*_best_of(repeated, noise), *_spread_of(repeated)] if len(repeated) > 1 else []
    if tested and len(repeated) < len(groups):
        tested.insert(
            0,
            f"Tested are the {len(repeated)} of {len(groups)} rows that were repeated and not interrupted.",
        )
    return [
        *tested,
        *_fewest_parameters(
            groups, dict(zip((group.name for group in repeated), noise.lows() if noise else []))
        ),
    ]


def _best_of(groups, noise):
    """Which settings are as good as the best, as far as the repeats can tell."""
    best = int(noise.means.argmax())
    unlike = significance.unlike([group.measures[_METRIC] for group in groups], noise, best)
    order = (-noise.means).argsort(kind="stable")
    alike = [groups[place].name for place in order if place != best and not unlike[place]]
    test = (
        "Tukey's test of all pairs"
        if noise.pooled
        else "Welch's test, as deviations differ, corrected for all pairs"
    )
    best_one = f"Best {_WORDS}: {groups[best].name} ({noise.means[best]:.4f})"
    if not alike:
        return [f"{best_one}; all others differ beyond noise ({test})."]
    return [
        f"{best_one}. Within noise of it, {len(alike)} of {len(groups) - 1} others ({test}): {joined(alike)}."
    ]


def _fewest_parameters(groups, lows):
    """With how few parameters the accuracy came over each of `LEVELS`, and came so beyond noise:
    over a bound, by the names of those that have one.
    """
    if len({group.record.parameters for group in groups}) < 2:
        return []
    found = []
    for level in LEVELS.values():
        enough = [group for group in groups if group.measures[_METRIC].mean() > level]
        if enough:
            sure = _least([group for group in groups if lows.get(group.name, 0) > level])
            beyond = f"; beyond noise (95%, for all settings together): {sure}" if lows else ""
            mean = "mean " if lows else ""
            found.append(
                f"Fewest parameters for a {mean}{_WORDS} over {level}: {_least(enough)}{beyond}."
            )
    return found


def _least(groups):
    if not groups:
        return "none"
    least = min(groups, key=lambda group: group.record.parameters)
    return f"{least.record.parameters:,} ({least.name})"


def joined(names):
    """Some names in a sentence, and how many more there are."""
    more = len(names) - _MOST_NAMED
    return "; ".join(names[:_MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")


def _spread_of(groups):
    """Which settings of a sweep or grid explain how much of the spread."""
    levels = levels_of(groups)
    if not levels:
        return []
    # There is no telling which of them did it, or that it was any of them: two rows are of the
    # same levels.
    if not significance.separable(levels) or len({*zip(*levels.values())}) < len(groups):
        levels = {"settings": range(len(groups))}
    explained = significance.explained([group.measures[_METRIC] for group in groups], levels)
    # z: what rounds to zero from below is 0.0%, too.
    shares = [
        f"{name} {share:z.1%}" + ("" if p != p else f" ({console.p_value(p)})")
        for name, (share, p) in explained.items()
    ]
    if not shares:
        return []
    balanced = abs(sum(share for share, _ in explained.values()) - 1) < 0.005
    doubt = (
        ""
        if balanced
        else "; each given the others, which do not add up where combinations are missing"
    )
    return [
        f"Of the spread of {_WORDS} between runs (analysis of variance): {', '.join(shares)}{doubt}."
    ]
