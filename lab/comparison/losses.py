"""What a loss is made of: losses of other terms are other quantities, which do not compare."""

import itertools
import re

from lab.settings import text

# The settings that can add a term to a classifier's loss.
SETTINGS = ("regularizer_strength", "regularizer", "label_smoothing")
# In the source of a network of the user's own whose loss may have more terms.
_OF_OWN = re.compile(r"add_loss|regulariz", re.IGNORECASE)


def terms_of(settings, metric):
    """What a metric is made of beside the cross-entropy.

    Parameters
    ----------
    settings : Settings
    metric : str

    Returns
    -------
    dict of str to str
        Terms by name: losses are the same quantity where these are equal. Empty of any other
        metric.
    """
    terms, of_classifiers = {}, metric in ("loss", "val_loss")
    saturating = settings.generator_loss == "saturating"
    of_generator = metric == "generator_loss"
    # A saturating generator's loss is minus the discriminator's, whose labels are smoothed.
    if of_classifiers or metric == "discriminator_loss" or (of_generator and saturating):
        terms["label smoothing"] = settings.label_smoothing
    if of_classifiers:
        strength = settings.regularizer_strength
        terms["weight decay"] = strength and f"{settings.regularizer} {text(strength)}"
        has_more = settings.source and _OF_OWN.search(settings.source)
        terms["terms of the network's own"] = has_more and settings.source_hash
    if of_generator:
        terms["generator loss"] = saturating and "saturating"
        terms["unroll"] = settings.unroll  # the loss against a discriminator so many updates ahead
    return {name: text(value) for name, value in terms.items() if value}


def in_words(terms):
    """A loss of these terms: "cross-entropy + weight decay l2 0.001"."""
    return " + ".join(["cross-entropy", *(f"{name} {value}" for name, value in terms.items())])


def sentences(groups):
    """A warning, in a list, where losses of some groups are of other terms than those of others."""
    differing = {}
    for metric in ("val_loss", "discriminator_loss", "generator_loss"):
        several = [terms_of(group.settings, metric) for group in groups]
        for name in itertools.chain(*several):
            if len({terms.get(name) for terms in several}) > 1:
                differing[name] = None
    names = ", ".join(differing)
    warning = f"Losses depend on {names}: where these differ, losses do not compare."
    return [warning] if differing else []
