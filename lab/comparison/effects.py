"""What the settings of a sweep or a grid do: which are within noise of the best, and which explain
how much of the spread.
"""

import numpy as np

from lab import console
from lab.comparison.frame import have_one_accuracy
from lab.comparison.naming import levels_of
from lab.metrics import significance
from lab.metrics.table import LEVELS, heading

_METRIC = "val_accuracy"
_WORDS = heading(_METRIC)
_MOST_NAMED = 6  # settings in a sentence


def sentences(groups):
    """What repeats tell of the validation accuracy, in sentences; nothing where it cannot be
    compared.
    """
    if not have_one_accuracy(groups):
        return []
    # Those that a test can say something about: of more runs than one, all of them with an
    # accuracy in the end.
    repeated = []
    for group in groups:
        if len(group.runs) > 1 and np.isfinite(group.measures[_METRIC]).all():
            repeated.append(group)
    repeated = [group for group in repeated if not group.is_interrupted] or repeated
    accuracies = [group.measures[_METRIC] for group in repeated]
    noise, tested = significance.noise_of(accuracies), []
    if 1 < len(repeated) < len(groups):
        count = f"{len(repeated)} of {len(groups)}"
        tested.append(f"Tested are the {count} rows that were repeated and not interrupted.")
    if len(repeated) > 1:
        tested += [_best_of(repeated, accuracies, noise), *_spread_of(repeated, accuracies)]
    lows = dict(zip((group.name for group in repeated), noise.lows())) if noise else {}
    return [*tested, *_fewest_parameters(groups, lows)]


def _best_of(groups, accuracies, noise):
    """Which settings are as good as the best, as far as the repeats can tell."""
    best = int(noise.means.argmax())
    differs = significance.unlike(accuracies, noise, best)
    order = (-noise.means).argsort(kind="stable")
    equal = [groups[index].name for index in order if index != best and not differs[index]]
    test = "Welch's test, as deviations differ, corrected for all pairs"
    if noise.pooled:
        test = "Tukey's test of all pairs"
    winner = f"Best {_WORDS}: {groups[best].name} ({noise.means[best]:.4f})"
    if not equal:
        return f"{winner}; all others differ beyond noise ({test})."
    count = f"{len(equal)} of {len(groups) - 1} others"
    return f"{winner}. Within noise of it, {count} ({test}): {joined(equal)}."


def _fewest_parameters(groups, lows):
    """With how few parameters the accuracy came over each of `LEVELS`, and came so beyond noise:
    over a bound, by the names of those that have one.
    """
    ordered = sorted(groups, key=lambda group: group.record.parameters)
    if ordered[0].record.parameters == ordered[-1].record.parameters:
        return []
    found, mean = [], "mean " if lows else ""
    for level in LEVELS.values():
        enough = [group for group in ordered if group.measures[_METRIC].mean() > level]
        sure = [group for group in ordered if lows.get(group.name, 0) > level]
        beyond = f"; beyond noise (95%, for all settings together): {_first(sure)}" if lows else ""
        if enough:
            what = f"Fewest parameters for a {mean}{_WORDS} over {level}"
            found.append(f"{what}: {_first(enough)}{beyond}.")
    return found


def _first(groups):
    return f"{groups[0].record.parameters:,} ({groups[0].name})" if groups else "none"


def joined(names):
    """Some names in a sentence, and how many more there are."""
    more = len(names) - _MOST_NAMED
    return "; ".join(names[:_MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")


def _spread_of(groups, accuracies):
    """Which settings of a sweep or grid explain how much of the spread: a sentence in a list."""
    levels = levels_of(groups)
    if not levels:
        return []
    # There is no telling which of them did it, or that it was any of them: two rows are of the
    # same levels.
    if not significance.separable(levels) or len({*zip(*levels.values())}) < len(groups):
        levels = {"settings": range(len(groups))}
    explained = significance.explained(accuracies, levels)
    if not explained:
        return []
    parts, total = [], 0
    for name, (fraction, p) in explained.items():
        # z: what rounds to zero from below is 0.0%, too.
        in_brackets = "" if np.isnan(p) else f" ({console.p_value(p)})"
        parts.append(f"{name} {fraction:z.1%}{in_brackets}")
        total += fraction
    doubt = ""
    if abs(total - 1) >= 0.005:
        doubt = "; each given the others, which do not add up where combinations are missing"
    what = f"Of the spread of {_WORDS} between runs (analysis of variance)"
    return [f"{what}: {', '.join(parts)}{doubt}."]
