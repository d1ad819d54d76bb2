"""What a search may choose: each setting that was not given, in the range in which good answers
lie.
"""

from lab.settings import FLAGS, idle_parts, names

MOST_LAYERS = 4


# What a person would try first, of what a search has to choose.
USUAL = {
    "activation": "relu",
    "optimizer": "adam",
    "learning_rate": 10.0,
    "schedule": "cosine",
    "warmup": 0,
    "shift": 0,
    "log2(batch_size)": 5,
    "batch_norm": True,
    "dropout": 0.0,
    "regularizer_strength": 1e-6,
    "label_smoothing": 0.0,
}
_CONV = USUAL | {"layers": 3, "kernels": 5, "filters": 4}
_FLAT = _CONV | {"head": "flatten", "growth": 1.0, "batch_norm": False, "learning_rate": 3.0}
# By the network; those of the user's own begin with `USUAL`.
FIRST = {
    "dense": [USUAL | {"layers": 2, "share 1": 0.75, "units 1": 20, "units 2": 128}],
    "conv": [
        _FLAT,
        _FLAT | {"filters": 6, "growth": 1.1},
        _CONV | {"head": "average", "growth": 1.6},
    ],
}


def chosen_layers(settings):
    """The names of the settings of a network's layers of which a search chooses their number: none
    of a network of the user's own.
    """
    return set(settings.network.layers) - set(_SPACE)


def searched(settings):
    """The names of the settings that a search chooses; of a network of the user's own, not its
    layers.
    """
    free = {"learning_rate", *_SPACE, *chosen_layers(settings)} - settings.model_fields_set
    if settings.is_own_net:
        free -= {"head"} | idle_parts(settings)
    return {name for name in free if FLAGS[name].is_for(settings.net)}


def suggest(trial, settings, goal):
    """The settings of a trial.

    Every trial has the same parameters, those of layers that it does not have too: Optuna's
    sampler takes them jointly.

    Parameters
    ----------
    trial : optuna.Trial
    settings : Settings
        What was given of them, stays.
    goal : study.Goal

    Returns
    -------
    Settings
    """
    free = searched(settings)
    chosen = {}
    if goal.unit_budget:
        chosen["hidden"] = _units_of_budget(trial, goal.unit_budget)
    elif settings.net in _LAYERS:
        chosen |= _LAYERS[settings.net](trial)
    for name, choices in _SPACE.items():
        if name in free and callable(choices):
            chosen[name] = choices(trial)
        elif name in free:
            chosen[name] = trial.suggest_categorical(name, choices)
    if "warmup" in chosen:
        chosen["warmup"] = min(chosen["warmup"], settings.epochs - 1)
    if "learning_rate" in free:
        # As a multiple of the optimizer's own, which differ.
        factor = trial.suggest_float("learning_rate", 0.5, 30, log=True)
        own = names.OPTIMIZERS[chosen.get("optimizer", settings.optimizer)]
        chosen["learning_rate"] = _rounded(factor * own)
    return settings.replace(**chosen)


# A setting: the values to choose from, or a function that chooses one for a trial.
_SPACE = {
    "head": names.HEADS,
    "activation": ("relu", "leaky_relu", "elu", "tanh"),
    "optimizer": ("adam", "nadam", "rmsprop", "sgd"),
    "schedule": names.SCHEDULES,
    "warmup": lambda trial: trial.suggest_int("warmup", 0, 1),
    "batch_size": lambda trial: 2 ** trial.suggest_int("log2(batch_size)", 5, 9),
    "batch_norm": (False, True),
    "dropout": lambda trial: _rounded(trial.suggest_float("dropout", 0, 0.3, step=0.05)),
    "regularizer": names.REGULARIZERS,
    "regularizer_strength": lambda trial: _rounded(
        trial.suggest_float("regularizer_strength", 1e-8, 1e-3, log=True)
    ),
    "label_smoothing": lambda trial: _rounded(
        trial.suggest_float("label_smoothing", 0, 0.1, step=0.02)
    ),
    "shift": lambda trial: trial.suggest_int("shift", 0, 2),
}


def _rounded(value):
    """So many digits that a person might have typed."""
    return float(f"{value:.2g}")


def _dense_layers(trial):
    count = trial.suggest_int("layers", 1, 3)
    # Most parameters lie in the first layer: few units there, and many in the second, are more
    # accurate than even nets.
    most = {1: 50, 2: 256, 3: 128}
    units = [trial.suggest_int(f"units {layer}", 8, most[layer], log=True) for layer in most]
    return {"hidden": tuple(units[:count])}


def _conv_layers(trial):
    count = trial.suggest_int("layers", 2, MOST_LAYERS)
    filters = trial.suggest_int("filters", 2, 8)
    growth = trial.suggest_float("growth", 0.7, 2, step=0.1)
    # Wide kernels cost little in the first layer only, whose input is one image deep.
    kernels = trial.suggest_int("kernels", 3, 7, step=2), *[3] * (count - 1)
    several = tuple(round(filters * growth**layer) for layer in range(count))
    return {"filters": several, "kernels": kernels}


_LAYERS = {"dense": _dense_layers, "conv": _conv_layers}


def _units_of_budget(trial, budget):
    """Units of one to four layers that share a budget: each takes a share of what is left, the
    last all of it.
    """
    count = trial.suggest_int("layers", 1, MOST_LAYERS)
    shares = [
        trial.suggest_float(f"share {layer}", 0.2, 0.9, step=0.05)
        for layer in range(1, MOST_LAYERS)
    ]
    units = []
    for layer in range(count - 1):
        left = budget - sum(units)
        units.append(min(max(1, round(shares[layer] * left)), left - (count - 1 - layer)))
    return (*units, budget - sum(units))
