"""Settings of a run: what is allowed, and the way to JSON and back."""

import json
import math

import pytest
from lab.errors import UserError

import models
from lab.data import load as datasets
from lab.settings import ACTIVATIONS, DATASETS, NETS, OPTIMIZERS, RunConfig


def test_names_are_those_that_the_code_knows():
    import keras

    assert set(models.NETWORKS) == set(NETS)
    assert set(datasets.CLASSES) == set(datasets.IMAGE_SHAPES) == set(DATASETS)
    assert all(callable(keras.activations.get(name)) for name in ACTIVATIONS)
    assert all(keras.optimizers.get(name) for name in OPTIMIZERS)


def test_json_and_back():
    config = RunConfig(hidden=(50, 25), regularizer_strength=1e-4, early_stopping=3, dataset="mnist5k", seed=7)
    assert RunConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_only_the_dense_net_has_hidden_units():
    assert RunConfig().hidden == (200, 100)
    assert RunConfig(net="conv").hidden is None


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("net", "cubist"),
        ("dataset", "imagenet"),
        ("activation", "step"),
        ("regularizer", "l3"),
        ("optimizer", "luck"),
        ("device", "abacus"),
        ("precision", "float8"),
        ("hidden", (0,)),
        ("hidden", (200, -1)),
        ("hidden", ()),
        ("hidden", "200"),
        ("hidden", (1.5,)),
        ("regularizer_strength", -1e-4),
        ("regularizer_strength", math.nan),
        ("regularizer_strength", math.inf),
        ("regularizer_strength", "1"),
        ("dropout", 1.0),
        ("dropout", -0.1),
        ("learning_rate", 0),
        ("learning_rate", math.nan),
        ("batch_size", 0),
        ("epochs", 0),
        ("epochs", True),
        ("epochs", 2.0),
        ("early_stopping", 0),
        ("threads", 0),
        ("threads", 100_000),
        ("hidden", (10**20,)),
        ("regularizer_strength", 1e300),
        ("learning_rate", 10**400),
        ("holdout", -1),
        ("seed", -1),
        ("batch_norm", "yes"),
    ],
)
def test_bad_values_are_refused_in_one_line_that_names_them(setting, value):
    with pytest.raises(UserError) as error:
        RunConfig(**{setting: value})
    message = str(error.value)
    assert "\n" not in message
    assert setting.replace("_", " ").split()[0] in message


def test_hidden_units_of_a_net_that_has_none():
    with pytest.raises(UserError, match="dense"):
        RunConfig(net="conv", hidden=(10,))


@pytest.mark.parametrize("settings", [None, [], {"hiden": [3]}, {"net": ["dense"]}])
def test_settings_that_are_none(settings):
    with pytest.raises(UserError):
        RunConfig.from_json(settings)


def test_description_names_what_is_not_the_default():
    assert RunConfig().describe() == "dense 200-100"
    config = RunConfig(net="conv", regularizer_strength=1e-4, batch_norm=True, activation="tanh", dropout=0.2, seed=3)
    assert config.describe() == "conv, l2 λ = 0.0001, batch norm, tanh, dropout 0.2, seed 3"
