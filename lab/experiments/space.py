"""What a search may choose: each setting that was not given, in the range in which good answers
lie.
"""

from lab.settings import FLAGS, idle_parts, names

MOST_LAYERS = 4
_ACTIVATIONS = ("relu", "leaky_relu", "elu", "tanh")
_OPTIMIZERS = ("adam", "nadam", "rmsprop", "sgd")


# What a person would try first, of what a search has to choose.
USUAL = {
    "activation": "relu",
    "optimizer": "adam",
    "learning_rate": 10.0,
    "schedule": "cosine",
    "warmup": 0,
    "shift": 0,
}
USUAL |= {
    "log2(batch_size)": 5,
    "batch_norm": True,
    "dropout": 0.0,
    "regularizer_strength": 1e-6,
    "label_smoothing": 0.0,
}
_DENSE = {"layers": 2, "share 1": 0.75, "units 1": 20, "units 2": 128}
_CONV = {"layers": 3, "kernels": 5, "filters": 4}
_FLAT = (
    USUAL | _CONV | {"head": "flatten", "growth": 1.0, "batch_norm": False, "learning_rate": 3.0}
)
_AVERAGED = USUAL | _CONV | {"head": "average", "growth": 1.6}
FIRST = {
    "dense": [USUAL | _DENSE],
    "conv": [_FLAT, _FLAT | {"filters": 6, "growth": 1.1}, _AVERAGED],
}


def searched(settings):
    """The names of the settings that a search chooses; of a network of the user's own, not its
    layers.
    """
    some = {"learning_rate", *_SPACE} - settings.model_fields_set
    if settings.is_own_net:
        return some - {"head"} - idle_parts(settings)
    some |= {"hidden", "filters", "kernels"} - settings.model_fields_set
    return {name for name in some if FLAGS[name].is_for(settings.net)}


def suggest(trial, settings, goal):
    """The settings of a trial.

    Every trial has the same parameters, those of layers that it does not have too: Optuna's
    sampler takes them jointly.

    Parameters
    ----------
    trial : optuna.Trial
    settings : Settings
        What was given of them, stays.
    goal : search.Goal

    Returns
    -------
    Settings
    """
    chosen = searched(settings)
    found = {} if settings.is_own_net else _layers(trial, settings, goal)
    found |= {name: choose(trial) for name, choose in _SPACE.items() if name in chosen}
    if "warmup" in found:
        found["warmup"] = min(found["warmup"], settings.epochs - 1)
    if "learning_rate" in chosen:
        # As a multiple of the optimizer's own, which differ.
        factor = trial.suggest_float("learning_rate", 0.5, 30, log=True)
        found["learning_rate"] = _rounded(
            factor * names.OPTIMIZERS[found.get("optimizer", settings.optimizer)]
        )
    return settings.replace(**found)


_SPACE = {
    "head": lambda trial: trial.suggest_categorical("head", names.HEADS),
    "activation": lambda trial: trial.suggest_categorical("activation", _ACTIVATIONS),
    "optimizer": lambda trial: trial.suggest_categorical("optimizer", _OPTIMIZERS),
    "schedule": lambda trial: trial.suggest_categorical("schedule", names.SCHEDULES),
    "warmup": lambda trial: trial.suggest_int("warmup", 0, 1),
    "batch_size": lambda trial: 2 ** trial.suggest_int("log2(batch_size)", 5, 9),
    "batch_norm": lambda trial: trial.suggest_categorical("batch_norm", (False, True)),
    "dropout": lambda trial: _rounded(trial.suggest_float("dropout", 0, 0.3, step=0.05)),
    "regularizer": lambda trial: trial.suggest_categorical("regularizer", names.REGULARIZERS),
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


def _layers(trial, settings, goal):
    if goal.unit_budget:
        return {"hidden": _shared(trial, goal.unit_budget)}
    if settings.net == "dense":
        count = trial.suggest_int("layers", 1, 3)
        # Most parameters lie in the first layer: few units there, and many in the second, are more
        # accurate than even nets.
        units = [
            trial.suggest_int(f"units {layer}", 8, most, log=True)
            for layer, most in ((1, 50), (2, 256), (3, 128))
        ]
        return {"hidden": tuple(units[:count])}
    count = trial.suggest_int("layers", 2, MOST_LAYERS)
    filters, growth = (
        trial.suggest_int("filters", 2, 8),
        trial.suggest_float("growth", 0.7, 2, step=0.1),
    )
    # Wide kernels cost little in the first layer only, whose input is one image deep.
    kernels = trial.suggest_int("kernels", 3, 7, step=2), *[3] * (count - 1)
    return {
        "filters": tuple(round(filters * growth**layer) for layer in range(count)),
        "kernels": kernels,
    }


def _shared(trial, budget):
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
