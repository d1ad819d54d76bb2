"""What the settings of a sweep or a grid do: which are within noise of the best, and which explain how much of the spread."""

from lab.comparison.groups import LEVELS
from lab.comparison.naming import varying
from lab.comparison.published import in_words
from lab.comparison.tables import Table, cell
from lab.metrics import significance
from lab.settings import flag_of, text

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
    test = (
        "Tukey's test of all pairs" if noise.pooled else "deviations are unequal: Welch's test, Holm's correction for all pairs"
    )
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


def effects_table(groups):
    """The means of each setting of a sweep or grid over all others, and an analysis of variance in words; None of others."""
    levels = levels_of(groups)
    several = _values(groups)
    if not several or not levels or not significance.noise_of(several):
        return None
    explained = significance.explained(several, levels)
    shares = [f"{_called(one.name)} {one.share:.1%} ({in_words(one.p)})" for one in explained]
    shares.append(f"repeats {max(0.0, 1 - sum(one.share for one in explained)):.1%}")
    sentence = f"Of the spread of {_WORDS} between runs (analysis of variance): {', '.join(shares)}."
    rows = []
    for one in explained:
        values = levels.get(one.name, [])
        for level, step in zip(dict.fromkeys(values), [None, *one.steps]):
            runs = [run for value, members in zip(values, several) if value == level for run in members]
            row = {"setting": one.name, "value": level, "runs": str(len(runs)), _WORDS: cell(_METRIC, runs)}
            rows.append(row | {"p": "-" if step is None else in_words(step).removeprefix("p ").removeprefix("= ")})
    steps = (
        "p: of the step from the row above, given the other settings; Holm's correction for all pairs of a setting's values."
    )
    return Table(f"What each setting does to the {_WORDS}", rows, [sentence, steps])


def _called(name):
    return "both only together" if name == significance.TOGETHER else name


def _values(groups):
    """The runs of each group; None where there is nothing to be tested."""
    if groups[0].settings.is_gan or len(groups) < 2 or len({group.record.dataset.sha256 for group in groups}) > 1:
        return None
    return [group.measures[_METRIC] for group in groups]


def levels_of(groups):
    """By the name of each setting that varies in a sweep or a grid, its value in each group; of two hidden layers, each is one.

    Empty where groups are too few for so many settings: there is no telling then which of them did it.
    """
    levels = {}
    for name in varying(groups):
        values = [getattr(group.settings, name) for group in groups]
        depths = {len(value) for value in values if isinstance(value, tuple)}
        if name == "hidden" and len(depths) == 1 and depths != {1} and None not in values:
            units = {f"hidden layer {place + 1}": [str(value[place]) for value in values] for place in range(depths.pop())}
            units = {layer: several for layer, several in units.items() if len(set(several)) > 1}
            levels |= units if len(units) > 1 else {flag_of(name): list(map(text, values))}
        else:
            levels[flag_of(name)] = ["none" if value is None else text(value) for value in values]
    cells = set(zip(*levels.values()))
    parameters = 1 + sum(len(set(values)) - 1 for values in levels.values())
    enough = len(levels) == 1 or parameters < len(groups)
    return levels if enough and len(cells) == len(groups) else {}
