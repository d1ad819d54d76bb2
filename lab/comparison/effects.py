"""What the settings of a sweep or a grid do: which are within noise of the best, and which explain how much of the spread."""

from lab import console
from lab.comparison.groups import LEVELS
from lab.comparison.naming import levels_of
from lab.metrics import significance

_METRIC, _WORDS = "val_accuracy", "val. accuracy"
_MOST_NAMED = 6  # settings in a sentence


def best_of(groups):
    """Sentences: which settings are as good as the best, as far as the repeats can tell."""
    several = _values(groups)
    noise = several and significance.noise_of(several)
    if not noise:
        return []
    best = int(noise.means.argmax())
    unlike = significance.unlike(several, noise, best)
    order = (-noise.means).argsort(kind="stable")
    alike = [groups[place].name for place in order if place != best and not unlike[place]]
    test = "Tukey's test of all pairs" if noise.pooled else "Welch's test, as deviations differ, corrected for all pairs"
    best_one = f"Best {_WORDS}: {groups[best].name} ({noise.means[best]:.4f})"
    if not alike:
        return [f"{best_one}; all others differ beyond noise ({test})."]
    return [f"{best_one}. Within noise of it, {len(alike)} of {len(groups) - 1} others ({test}): {listed(alike)}."]


def fewest_parameters(groups):
    """Sentences: with how few parameters the mean validation accuracy came over each of `LEVELS`, and came so beyond noise."""
    if groups[0].settings.is_gan or len({group.record.parameters for group in groups}) < 2:
        return []
    several = [group.measures[_METRIC] for group in groups]
    noise = significance.noise_of(several)
    lows = noise.interval(more=0)[0] if noise else []
    sentences = []
    for level in LEVELS:
        enough = [group for group, values in zip(groups, several) if values.mean() > level]
        if enough:
            sure = _least([group for group, low in zip(groups, lows) if low > level])
            beyond = f"; beyond noise (95% interval of the mean): {sure}" if noise else ""
            sentences.append(f"Fewest parameters for a mean {_WORDS} over {level}: {_least(enough)}{beyond}.")
    return sentences


def _least(groups):
    if not groups:
        return "none"
    least = min(groups, key=lambda group: group.record.parameters)
    return f"{least.record.parameters:,} ({least.name})"


def listed(names):
    """Some names in a sentence, and how many more there are."""
    more = len(names) - _MOST_NAMED
    return "; ".join(names[:_MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")


def spread_of(groups):
    """A sentence in a list: which settings of a sweep or grid explain how much of the spread; empty without repeats."""
    several = _values(groups)
    if not several or not significance.noise_of(several):
        return []
    levels = levels_of(groups)
    if len(levels) != 1 and sum(len(set(values)) - 1 for values in levels.values()) >= len(groups) - 1:
        levels = {"settings": range(len(groups))}  # too many for so few groups: there is no telling which of them did it
    explained = significance.explained(several, levels)
    shares = [f"{name} {share:.1%} ({console.p_value(p)})" for name, (share, p) in explained.items()]
    shares.append(f"repeats {max(0.0, 1 - sum(share for share, _ in explained.values())):.1%}")
    return [f"Of the spread of {_WORDS} between runs (analysis of variance): {', '.join(shares)}."]


def _values(groups):
    """The runs of each group; None where there is nothing to be tested."""
    if groups[0].settings.is_gan or len(groups) < 2 or len({group.record.dataset.sha256 for group in groups}) > 1:
        return None
    return [group.measures[_METRIC] for group in groups]
