"""What the settings of a sweep or a grid do: which are within noise of the best, and which explain how much of the spread."""

import numpy as np

from lab import console
from lab.comparison.groups import LEVELS
from lab.comparison.naming import levels_of
from lab.metrics import significance

_METRIC, _WORDS = "val_accuracy", "val. accuracy"
_MOST_NAMED = 6  # settings in a sentence


def best_of(groups):
    """Sentences: which settings are as good as the best, as far as the repeats can tell."""
    groups = _repeated(groups)
    if len(groups) < 2:
        return []
    several = [group.measures[_METRIC] for group in groups]
    noise = significance.noise_of(several)
    best = int(noise.means.argmax())
    unlike = significance.unlike(several, noise, best)
    order = (-noise.means).argsort(kind="stable")
    alike = [groups[place].name for place in order if place != best and not unlike[place]]
    test = "Tukey's test of all pairs" if noise.pooled else "Welch's test, as deviations differ, corrected for all pairs"
    best_one = f"Best {_WORDS}: {groups[best].name} ({noise.means[best]:.4f})"
    if not alike:
        return [f"{best_one}; all others differ beyond noise ({test})."]
    return [f"{best_one}. Within noise of it, {len(alike)} of {len(groups) - 1} others ({test}): {joined(alike)}."]


def fewest_parameters(groups):
    """Sentences: with how few parameters the validation accuracy came over each of `LEVELS`, and came so beyond noise."""
    if not _of_one_kind(groups) or len({group.record.parameters for group in groups}) < 2:
        return []
    repeated, sentences = _repeated(groups), []
    lows = significance.noise_of([group.measures[_METRIC] for group in repeated]).lows() if repeated else []
    for level in LEVELS:
        enough = [group for group in groups if group.measures[_METRIC].mean() > level]
        if enough:
            sure = _least([group for group, low in zip(repeated, lows) if low > level])
            beyond = f"; beyond noise (95%, for all settings together): {sure}" if repeated else ""
            mean = "mean " if repeated else ""
            sentences.append(f"Fewest parameters for a {mean}{_WORDS} over {level}: {_least(enough)}{beyond}.")
    return sentences


def _least(groups):
    if not groups:
        return "none"
    least = min(groups, key=lambda group: group.record.parameters)
    return f"{least.record.parameters:,} ({least.name})"


def joined(names):
    """Some names in a sentence, and how many more there are."""
    more = len(names) - _MOST_NAMED
    return "; ".join(names[:_MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")


def spread_of(groups):
    """A sentence in a list: which settings of a sweep or grid explain how much of the spread; empty without repeats."""
    groups = _repeated(groups)
    several = [group.measures[_METRIC] for group in groups]
    levels = levels_of(groups) if len(groups) > 1 else {}
    if not levels:
        return []
    if not significance.separable(levels):  # there is no telling which of them did it
        levels = {"settings": range(len(groups))}
    explained = significance.explained(several, levels)
    # z: what rounds to zero from below is 0.0%, too.
    shares = [f"{name} {share:z.1%}" + ("" if p != p else f" ({console.p_value(p)})") for name, (share, p) in explained.items()]
    if not shares:
        return []
    balanced = abs(sum(share for share, _ in explained.values()) - 1) < 0.005
    doubt = "" if balanced else "; each given the others, which do not add up where combinations are missing"
    return [f"Of the spread of {_WORDS} between runs (analysis of variance): {', '.join(shares)}{doubt}."]


def _of_one_kind(groups):
    """Whether their validation accuracies can be compared."""
    return not groups[0].settings.is_gan and len({group.record.dataset.sha256 for group in groups}) == 1


def _repeated(groups):
    """Those that a test can say something about: of more runs than one, all of them with an accuracy."""
    kept = [group for group in groups if len(group.runs) > 1 and np.isfinite(group.measures.get(_METRIC, [np.nan])).all()]
    return kept if kept and _of_one_kind(groups) else []
