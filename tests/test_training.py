"""Training many runs in one process: each has to come out as if it were the only one."""

import keras
import numpy as np
import pytest

from lab.data import load as datasets
from lab.settings import RunConfig
from lab.training import run as training
from tests.conftest import DEVICE

SMALL = {"hidden": (12,), "epochs": 2, "batch_size": 64, "dataset": "mnist5k"}


@pytest.fixture(scope="module")
def arrays(mnist5k):
    return datasets.Arrays(*(array[:300] for array in mnist5k))


@pytest.fixture(autouse=True)
def _no_engine(monkeypatch):
    monkeypatch.setattr(training, "_latest", None)


def trained(config, arrays, folder):
    history = training.train(config, "mnist5k", arrays, folder, DEVICE, verbose=False)
    return history, keras.saving.load_model(folder / "model.keras")


@pytest.mark.parametrize(
    "settings",
    [
        {"seed": 1, "learning_rate": 0.01, "optimizer": "adagrad"},
        {"regularizer_strength": 0.02},
        {"regularizer_strength": 0.003, "regularizer": "l1", "dropout": 0.3},
        {"net": "conv", "hidden": None, "batch_norm": True, "precision": "bfloat16", "seed": 3},
    ],
    ids=str,
)
def test_a_run_after_another_is_the_run_alone(settings, arrays, tmp_path, monkeypatch):
    config = RunConfig(**SMALL | settings)
    before = RunConfig(**SMALL | settings | {"seed": 7, "learning_rate": 0.002, "epochs": 1})
    if config.regularizer_strength:
        before = RunConfig(**SMALL | settings | {"regularizer_strength": 0.5, "epochs": 1})
    alone, model_alone = trained(config, arrays, tmp_path / "alone")
    monkeypatch.setattr(training, "_latest", None)
    trained(before, arrays, tmp_path / "before")
    after, model_after = trained(config, arrays, tmp_path / "after")
    assert alone["compiled"] and not after["compiled"]
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert alone[name] == after[name]
    assert model_alone.get_config() == model_after.get_config()
    assert model_alone.optimizer.get_config() == model_after.optimizer.get_config()
    variables = [model.variables + model.optimizer.variables for model in (model_alone, model_after)]
    for one, other in zip(*variables, strict=True):
        np.testing.assert_array_equal(one, other)


def test_early_stopping_keeps_the_best_epoch(arrays, tmp_path):
    config = RunConfig(**SMALL | {"hidden": (300,), "epochs": 60, "early_stopping": 2, "learning_rate": 0.01})
    history, model = trained(config, arrays, tmp_path / "early")
    assert history["status"] == "complete" and len(history["loss"]) < 60
    assert history["saved_epoch"] == np.argmin(history["val_loss"]) + 1 == len(history["loss"]) - 2
    loss, _ = model.evaluate(arrays.validation_images, arrays.validation_labels, verbose=0)
    assert loss == pytest.approx(min(history["val_loss"]), rel=1e-4)


def test_what_differs_in_more_is_compiled_anew(arrays, tmp_path):
    different = (
        {"hidden": (13,)},
        {"batch_size": 32},
        {"activation": "tanh"},
        {"optimizer": "sgd"},
        {"regularizer_strength": 1e-3},
    )
    for index, settings in enumerate([{}, *different]):
        history, model = trained(RunConfig(**SMALL | settings), arrays, tmp_path / str(index))
        assert history["compiled"]
        penalties = {layer.kernel_regularizer is not None for layer in model.layers if hasattr(layer, "kernel")}
        assert penalties == {"regularizer_strength" in settings}


def test_other_arrays_are_not_taken_for_the_same(arrays, tmp_path):
    trained(RunConfig(**SMALL), arrays, tmp_path / "one")
    other = datasets.Arrays(*(array[::-1].copy() for array in arrays))
    history, _ = trained(RunConfig(**SMALL), other, tmp_path / "other")
    alone, _ = trained(RunConfig(**SMALL | {"batch_size": 63}), other, tmp_path / "alone")
    assert history["compiled"] and alone["loss"] != history["loss"]


def test_early_stopping_saves_the_best_epochs_weights_of_a_reused_engine(arrays, tmp_path):
    config = RunConfig(**SMALL | {"learning_rate": 0.03, "epochs": 40, "early_stopping": 2})
    trained(RunConfig(**SMALL), arrays, tmp_path / "before")
    history, model = trained(config, arrays, tmp_path / "run")
    assert not history["compiled"] and len(history["loss"]) == history["saved_epoch"] + 2 < 40
    loss = model.evaluate(*arrays[2:], verbose=0)[0]
    assert loss == pytest.approx(min(history["val_loss"]), rel=1e-4)


def test_another_threads_random_numbers_do_not_change_a_network(arrays):
    """Python's generator belongs to all threads of a Dask worker."""
    import random

    networks = []
    for state in (0, 1):
        random.seed(state)
        networks.append(training.compiled_model(RunConfig(**SMALL | {"dropout": 0.5}), (28, 28, 1), 10))
    for one, other in zip(*(network.variables for network in networks), strict=True):
        np.testing.assert_array_equal(one, other)
