"""The runs of a sweep: every combination of some values, with every seed."""

import itertools
import math

from lab.io.words import suggestion
from lab.runs import plain_name
from lab.settings import FLAGS, UserError, flag_of, is_value, parse, text

MOST_RUNS = 10_000


def grid(settings, sweep, repeats):
    """The runs of a sweep.

    Parameters
    ----------
    settings : Settings
        What all runs have in common; its seed is the first one.
    sweep : list of list of str
        Each a flag, without its dashes, and its values: ["hidden", "25,25", "25,50"].
    repeats : int
        Runs of each combination, with consecutive seeds.

    Returns
    -------
    dict of str to Settings
        By the run's folder within that of the sweep, as "hidden=25,25/seed=0".

    Raises
    ------
    UserError
        If a flag does not exist, cannot vary, or has an empty, repeated or impossible value.
    """
    if repeats < 1:
        raise UserError(f"repeats must be a whole number of at least 1, got {repeats}")
    axes = [_axis(flag, values) for flag, *values in sweep]
    count = repeats * math.prod(len(values) for _, values in axes)
    if count > MOST_RUNS:
        raise UserError(f"a sweep of {count} runs is more than the {MOST_RUNS} that it may have")
    names = [name for name, _ in axes]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UserError(f"--sweep {flag_of(twice)} is given twice: give all of its values at once")
    planned = {}
    for values in itertools.product(
        *(values for _, values in axes), range(settings.seed, settings.seed + repeats)
    ):
        changes = dict(zip((*names, "seed"), values))
        folder = "/".join(
            f"{flag_of(name)}={plain_name(text(value))}" for name, value in changes.items()
        )
        if folder in planned:
            raise UserError(
                f"two runs of the sweep would be called {folder}: give your files different names"
            )
        if changes.get("net", settings.net) != settings.net:
            for name in (
                "hidden",
                "filters",
                "kernels",
                "head",
            ):  # in a sweep over nets, these are meant for that of --net
                changes.setdefault(name, None)
        planned[folder] = settings.replace(**changes)
    if len({settings.is_gan for settings in planned.values()}) > 1:
        raise UserError(
            "--sweep net: GANs and classifiers have nothing to be compared by: sweep over one kind"
        )
    return planned


def _axis(flag, texts):
    name = flag.replace("-", "_")
    if name in ("seed", "seeds", "repeats"):
        raise UserError(f"--sweep {flag}: use --repeats N, which trains N seeds")
    if name not in FLAGS:
        can = [flag_of(name) for name in FLAGS if name != "seed"]
        raise UserError(
            f"--sweep {flag}: there is no such setting{suggestion(flag, can)}; choose from {', '.join(can)}"
        )
    if not texts or not all(texts):
        got = "an empty one" if texts else "none"
        raise UserError(f"--sweep {flag}: expected values, as in `--sweep {flag} A B`; got {got}")
    values = [_value(name, one, flag) for one in texts]
    for one, value in zip(texts, values):
        if values.count(value) > 1:
            raise UserError(f"--sweep {flag}: the value {one} is given twice")
    return name, values


def _value(name, given, flag):
    try:
        return parse(name, given)
    except UserError as error:
        several = given.split(",")
        if len(several) < 2 or not all(is_value(name, one) for one in several):
            raise
        raise UserError(
            f"{error}; between values stand spaces: --sweep {flag} {' '.join(several)}"
        ) from error
