"""The runs of a sweep: every combination of some values, with every seed."""

import itertools
import math

from lab.io.words import suggestion
from lab.runs import plain_name
from lab.settings import FLAGS, LAYERS, UserError, flag_of, is_value, parse, text

MOST_RUNS = 10_000


def plan_runs(settings, sweep, repeats):
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
    axes = {}
    for flag, *texts in sweep:
        name = flag.replace("-", "_")
        if name in axes:
            raise UserError(f"--sweep {flag} is given twice: give all of its values at once")
        axes[name] = _values(name, texts, flag)
    count = repeats * math.prod(map(len, axes.values()))
    if count > MOST_RUNS:
        raise UserError(f"a sweep of {count} runs is more than the {MOST_RUNS} that it may have")
    axes["seed"] = range(settings.seed, settings.seed + repeats)
    planned = {}
    for values in itertools.product(*axes.values()):
        changes = dict(zip(axes, values))
        parts = [f"{flag_of(name)}={plain_name(text(value))}" for name, value in changes.items()]
        folder = "/".join(parts)
        if folder in planned:
            raise UserError(
                f"two runs of the sweep would be called {folder}: give your files different names"
            )
        if changes.get("net", settings.net) != settings.net:
            # In a sweep over nets, settings of layers are meant for that of --net.
            changes = dict.fromkeys(LAYERS) | changes
        planned[folder] = settings.replace(**changes)
    if len({settings.kind.name for settings in planned.values()}) > 1:
        raise UserError(
            "--sweep net: GANs and classifiers have nothing to be compared by: sweep over one kind"
        )
    return planned


def _values(name, texts, flag):
    """The values of a setting that a sweep goes through."""
    if name in ("seed", "seeds", "repeats"):
        raise UserError(f"--sweep {flag}: use --repeats N, which trains N seeds")
    if name not in FLAGS:
        can = [flag_of(name) for name in FLAGS if name != "seed"]
        raise UserError(
            f"--sweep {flag}: there is no such setting{suggestion(flag, can)}; choose from "
            f"{', '.join(can)}"
        )
    if not texts or not all(texts):
        got = "an empty one" if texts else "none"
        raise UserError(f"--sweep {flag}: expected values, as in `--sweep {flag} A B`; got {got}")
    values = []
    for given in texts:
        try:
            value = parse(name, given)
        except UserError as error:
            several = given.split(",")
            if len(several) < 2 or not all(is_value(name, part) for part in several):
                raise
            raise UserError(
                f"{error}; between values stand spaces: --sweep {flag} {' '.join(several)}"
            ) from error
        if value in values:
            raise UserError(f"--sweep {flag}: the value {given} is given twice")
        values.append(value)
    return values
