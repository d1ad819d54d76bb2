"""Training many runs in one process: each has to come out as if it were the only one."""

import contextlib
import importlib
import os
import random
import shutil
from unittest import mock

import keras
import numpy as np
import pytest

from benchmarks.common import numbers
from lab import data, runs
from lab.backend import devices
from lab.evaluation import archive
from lab.runs import Output, checkpoint, files
from lab.settings import Settings, UserError
from lab.training import callbacks, engine, recorder
from lab.training.run import train_run
from tests.conftest import files_of
from tests.helpers import change_history, fake_run

SMALL = {"hidden": (12,), "epochs": 2, "batch_size": 64, "dataset": "mnist5k"}


@pytest.fixture(scope="module")
def arrays(mnist5k):
    return data.Arrays(*(array[:300] for array in mnist5k.arrays))


@pytest.fixture(autouse=True)
def _no_engine():
    engine.forget()


def trained(settings, arrays, folder):
    history = train_run(settings, arrays, Output(folder, folder.name), quiet=True)
    return history, keras.saving.load_model(folder / "model.keras")


def test_the_loss_with_smoothed_labels(arrays, tmp_path):
    history, model = trained(Settings(**SMALL, label_smoothing=0.1), arrays, tmp_path / "smooth")
    logs = np.log(model.predict(arrays.validation_images, verbose=0))
    true = logs[np.arange(len(logs)), arrays.validation_labels]
    np.testing.assert_allclose(
        history["val_loss"][-1], -(0.9 * true + 0.1 * logs.mean(axis=1)).mean(), rtol=1e-4
    )
    assert history["val_accuracy"][-1] == pytest.approx(
        (logs.argmax(axis=1) == arrays.validation_labels).mean()
    )
    assert archive.load_model(runs.load(tmp_path / "smooth")).name == "dense"


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(
            {"seed": 1, "learning_rate": 0.01, "optimizer": "adagrad"}, marks=pytest.mark.slow
        ),
        pytest.param({"regularizer_strength": 0.02}, marks=pytest.mark.slow),
        {"schedule": "cosine", "warmup": 1, "shift": 2, "label_smoothing": 0.1, "epochs": 3},
        pytest.param(
            {"regularizer_strength": 0.003, "regularizer": "l1", "dropout": 0.3},
            marks=pytest.mark.slow,
        ),
        {"net": "conv", "hidden": None, "batch_norm": True, "precision": "bfloat16", "seed": 3},
    ],
    ids=str,
)
def test_a_run_after_another_is_the_run_alone(settings, arrays, tmp_path):
    after = Settings(**SMALL | settings)
    rate = after.learning_rate
    before = after.replace(seed=7, learning_rate=0.002, warmup=0, epochs=1)
    if after.warmup:  # a sweep over rates, epochs and schedules compiles once
        before = before.replace(schedule="constant", warmup=0, epochs=2)
    if after.regularizer_strength:
        before = after.replace(regularizer_strength=0.5, epochs=1)
    alone, model_alone = trained(after, arrays, tmp_path / "alone")
    engine.forget()
    trained(before, arrays, tmp_path / "before")
    after, model_after = trained(after, arrays, tmp_path / "after")
    assert alone["compiled"] and not after["compiled"]
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert alone[name] == after[name]
    assert model_alone.get_config() == model_after.get_config()
    assert model_alone.optimizer.get_config() == model_after.optimizer.get_config()
    variables = [
        model.variables + model.optimizer.variables for model in (model_alone, model_after)
    ]
    for one, other in zip(*variables, strict=True):
        np.testing.assert_array_equal(one, other)
    assert float(model_after.optimizer.learning_rate) == pytest.approx(
        rate
    )  # to go on with in plain Keras


class Halving(keras.callbacks.Callback):
    """A schedule: another learning rate in each epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        self.model.optimizer.learning_rate = 0.1 / 2**epoch


def test_a_learning_rate_that_changes_while_training_is_not_compiled_in(arrays):
    """An engine trains with the rates of each run and each epoch, whatever it was compiled with:
    schedules rely on it.
    """
    settings = Settings(**SMALL | {"optimizer": "sgd"})

    def outcome(learning_rate, callbacks):
        mine = settings.replace(learning_rate=learning_rate)
        trainer = engine.engine_for(mine, arrays, engine.compiled_model(mine, (28, 28, 1)))
        trainer.fit(3, seed=1, callbacks=callbacks)
        return trainer.is_new, [
            np.asarray(variable)
            for variable in trainer.model.variables + trainer.model.optimizer.variables
        ]

    new, scheduled = outcome(0.5, [Halving()])
    constant = outcome(0.01, [])  # the rate that the schedule left must not stay
    again = outcome(0.003, [Halving()])
    assert new and not constant[0] and not again[0]
    for one, other in zip(scheduled, again[1], strict=True):
        np.testing.assert_array_equal(one, other)
    engine.forget()
    for one, other in zip(constant[1], outcome(0.01, [])[1], strict=True):
        np.testing.assert_array_equal(one, other)

    from lab.backend.resident import epoch_order

    stock = engine.compiled_model(settings, (28, 28, 1))
    for epoch in range(3):
        stock.optimizer.learning_rate = 0.1 / 2**epoch
        order = epoch_order(len(arrays.train_images), 1, epoch).numpy()
        stock.fit(
            arrays.train_images[order],
            arrays.train_labels[order],
            batch_size=64,
            shuffle=False,
            verbose=0,
        )
    for one, other in zip(stock.get_weights(), scheduled):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=2e-5)


def test_early_stopping_saves_the_best_epochs_weights_of_a_new_and_of_a_reused_engine(
    arrays, tmp_path
):
    settings = Settings(**SMALL | {"epochs": 60, "early_stopping": 2, "learning_rate": 0.03})
    for name, compiled in (("new", True), ("reused", False)):
        history, model = trained(settings, arrays, tmp_path / name)
        assert history["status"] == "complete" and history["compiled"] == compiled
        assert (
            history["saved_epoch"]
            == np.argmin(history["val_loss"]) + 1
            == len(history["loss"]) - 2
            < 58
        )
        loss, _ = model.evaluate(*arrays.validation, verbose=0)
        assert loss == pytest.approx(min(history["val_loss"]), rel=1e-4)


def test_what_was_changed_in_the_code_lies_beside_the_run(arrays, tmp_path, monkeypatch):
    for checkout, expected in ((("12ab-dirty", b"a change"), [b"a change"]), (("34cd", b""), [])):
        monkeypatch.setattr(runs, "checkout", lambda checkout=checkout: checkout)
        train_run(
            Settings(**SMALL | {"epochs": 1}),
            arrays,
            Output(tmp_path / "a", "b/c", overwrite=True),
            quiet=True,
        )
        run = runs.load(tmp_path / "a")
        assert [path.read_bytes() for path in (tmp_path / "a").glob("code.patch")] == expected
        assert (run.record.commit, run.record.threads) == (checkout[0], None)
        assert (
            run.record.command
            == "python train.py -m b/c --hidden 12 --batch-size 64 --epochs 1 --dataset mnist5k"
        )


def test_what_differs_in_more_is_compiled_anew(arrays):
    def compiled(arrays=arrays, **settings):
        mine = Settings(**SMALL | settings)
        return engine.engine_for(mine, arrays, engine.compiled_model(mine, (28, 28, 1))).is_new

    assert compiled()
    assert not compiled(seed=3, learning_rate=0.1, epochs=9, early_stopping=2)
    different = (
        {"hidden": (13,)},
        {"batch_size": 32},
        {"activation": "tanh"},
        {"optimizer": "sgd"},
        {"dropout": 0.1},
    )
    for settings in (*different, {"regularizer_strength": 1e-3}, {"precision": "bfloat16"}):
        assert compiled(**settings), settings
    assert compiled() and compiled(
        arrays=data.Arrays(*(array.copy() for array in arrays.arrays))
    )  # not the same arrays


def test_another_threads_random_numbers_do_not_change_a_network():
    """Python's generator belongs to all threads of a Dask worker."""
    networks = []
    for state in (0, 1):
        random.seed(state)
        networks.append(engine.compiled_model(Settings(**SMALL | {"dropout": 0.5}), (28, 28, 1)))
    for one, other in zip(*(network.variables for network in networks), strict=True):
        np.testing.assert_array_equal(one, other)


class PowerCut(Exception):
    """What ends a run as SIGKILL would: nothing is written after it."""


def cut_at(epoch):
    def cut(number, logs):
        if number == epoch:
            raise PowerCut

    return keras.callbacks.LambdaCallback(on_epoch_end=cut)


CLASSIFIER = SMALL | {
    "epochs": 40,
    "early_stopping": 2,
    "learning_rate": 0.1,
    "dropout": 0.2,
    "shift": 1,
    "schedule": "cosine",
}
GAN = {"net": "gan-dense", "dataset": "mnist5k", "hidden": (12, 12), "epochs": 4, "batch_size": 64}
CONV_GAN = {
    "net": "gan-conv",
    "dataset": "mnist5k",
    "epochs": 2,
    "batch_size": 64,
    "steps_per_epoch": 1,
}


@pytest.mark.parametrize(
    ("settings", "cuts"), [(CLASSIFIER, (3, 5)), (GAN, (0, 2)), (CONV_GAN, (1,))]
)
def test_a_run_that_was_broken_off_goes_on_to_the_same_end(
    settings, cuts, arrays, tmp_path, monkeypatch
):
    """Also one that was broken off twice, before its first epoch, or when it had stopped early
    already.
    """
    monkeypatch.setattr(recorder, "INTERVAL", 0)
    settings = Settings(**settings)
    settings = data.resolve(settings, "mnist5k", arrays)
    whole = Output(tmp_path / "whole", "run", tensorboard=settings.kind is GAN)
    undisturbed = train_run(settings, arrays, whole, quiet=True)
    broken, resumed = whole._replace(folder=tmp_path / "broken"), []
    for cut in cuts:
        with pytest.raises(PowerCut):
            train_run(settings, arrays, broken, quiet=True, news=cut_at(cut))
        resumed += [cut] * (cut > 0)
        assert (tmp_path / "broken" / "checkpoint.npz").exists() == (cut > 0)
        (tmp_path / "broken" / "evaluation.json").write_text(
            "{}"
        )  # of a GAN that was interrupted: it will not hold
    if settings.early_stopping:
        engine.forget()  # another process
        with monkeypatch.context() as patch, pytest.raises(PowerCut):
            patch.setattr(recorder.Recorder, "finish", mock.Mock(side_effect=PowerCut))
            train_run(settings, arrays, broken, quiet=True)
        resumed.append(len(undisturbed["loss"]))
        assert resumed[-1] < settings.epochs
    history = train_run(settings, arrays, broken, quiet=True)
    assert history.pop("resumed") == runs.load(tmp_path / "broken").history.resumed == resumed
    times = {"epoch_seconds", "total_seconds", "start_seconds", "compiled"}
    assert {name: values for name, values in history.items() if name not in times} == {
        name: values for name, values in undisturbed.items() if name not in times
    }
    one, other = (numbers(tmp_path / name / "model.keras") for name in ("whole", "broken"))
    assert one == other and files_of(tmp_path / "whole") == files_of(tmp_path / "broken")
    for path in (tmp_path / "whole" / "samples").glob("*"):
        assert path.read_bytes() == (tmp_path / "broken" / "samples" / path.name).read_bytes()
    if settings.kind is GAN:
        logs = [log_of(tmp_path / name / "tensorboard") for name in ("whole", "broken")]
        assert logs[0] == logs[1] and logs[0]["hparams"]["learning_rate"] == settings.learning_rate
        assert logs[0]["hparams"]["betas"] == "0.5,0.999" and logs[0]["hparams"]["unroll"] == 0
        assert list(logs[0]["samples"]) == list(range(settings.epochs + 1))
        assert [*logs[0]["epoch_generator_loss"].values()] == pytest.approx(
            undisturbed["generator_loss"]
        )


def log_of(folder):
    """What TensorBoard finds in a log: the settings, and of each other tag what was last written
    of each step.
    """
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
    from tensorboard.util.tensor_util import make_ndarray

    above, log = (
        EventAccumulator(str(folder)).Reload(),
        EventAccumulator(str(folder / "train"), {"tensors": 0}).Reload(),
    )
    (content,) = above.PluginTagToContent("hparams").values()
    given = HParamsPluginData.FromString(content).session_start_info.hparams
    found = {
        "hparams": {name: getattr(value, value.WhichOneof("kind")) for name, value in given.items()}
    }
    for tag in log.Tags()["tensors"]:
        found[tag] = dict(
            sorted(
                (event.step, make_ndarray(event.tensor_proto).tolist())
                for event in log.Tensors(tag)
            )
        )
    return found


def test_what_does_not_go_on(arrays, tmp_path, monkeypatch):
    monkeypatch.setattr(recorder, "INTERVAL", 0)
    settings, output = Settings(**SMALL), Output(tmp_path / "run", "run")
    with pytest.raises(PowerCut):
        train_run(settings, arrays, output, quiet=True, news=cut_at(1))
    before = {path: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    others = data.Arrays(*(array[::-1] for array in arrays.arrays))
    with pytest.raises(
        UserError,
        match=r"other settings: epochs 2, not 3: choose .*--overwrite. To resume it: python",
    ):
        train_run(settings.replace(epochs=3), arrays, output, quiet=True)
    with pytest.raises(UserError, match="other data"):
        train_run(settings, others, output, quiet=True)
    assert {path: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before
    assert "resumed" not in train_run(settings, others, output._replace(overwrite=True), quiet=True)


def test_a_disk_that_is_full_at_any_write_of_a_run(arrays, tmp_path, monkeypatch):
    """What was written before stays as it was, the fault names the file, and the same command goes
    on to the same end.
    """
    monkeypatch.setattr(recorder, "INTERVAL", 0)
    monkeypatch.setattr(runs, "checkout", lambda: ("12ab-dirty", b"a change"))
    settings, atomic, written = Settings(**SMALL), files.atomic, []

    @contextlib.contextmanager
    def full(path, *options):
        written.append(path.name)
        with atomic(path, *options) as temporary:
            if len(written) == at:
                temporary.symlink_to("/dev/full")
            yield temporary

    for place in (files, runs, checkpoint, importlib.import_module("lab.runs.claim")):
        monkeypatch.setattr(place, "atomic", full)
    at, folder = 0, tmp_path / "whole"
    whole = train_run(settings, arrays, Output(folder, "run"), quiet=True)
    names, folder = [*written], tmp_path / "run"
    kept = [
        "history.json",
        "code.patch",
        "config.json",
        "checkpoint.npz",
        "history.json",
        "checkpoint.npz",
    ]
    assert names == [*kept, "model.keras", "learning_curve.png", "history.json"]
    for fault in range(1, len(names) + 1):
        at, _ = fault, written.clear()
        with pytest.raises(OSError) as raised:
            train_run(settings, arrays, Output(folder, "run"), quiet=True)
        assert raised.value.filename == str(folder / names[fault - 1]) and raised.value.strerror
        assert not list(folder.glob(".*"))
        if fault <= 3:
            assert not folder.exists()  # it ended before its first epoch
        else:
            assert runs.load(folder).history.status == "training"
        at = 0
        history = train_run(settings, arrays, Output(folder, "run"), quiet=True)
        assert history["loss"] == whole["loss"]
        assert numbers(folder / "model.keras") == numbers(tmp_path / "whole" / "model.keras")
        shutil.rmtree(folder)


def test_a_results_folder_that_goes_away_is_named(arrays, tmp_path, monkeypatch):
    monkeypatch.setattr(
        recorder, "INTERVAL", 1000
    )  # on a busy machine a checkpoint would be what cannot be written

    def remove(*epoch):
        shutil.rmtree(tmp_path / "run")

    news = keras.callbacks.LambdaCallback(on_epoch_end=remove)
    with pytest.raises(FileNotFoundError) as raised:
        train_run(Settings(**SMALL), arrays, Output(tmp_path / "run", "run"), quiet=True, news=news)
    assert (
        raised.value.filename == str(tmp_path / "run" / "history.json")
        and not (tmp_path / "run").exists()
    )


def test_of_a_run_that_compiles_for_long_it_is_said_how_long_the_last_one_took(
    arrays, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(callbacks, "LONG", 0)
    settings = Settings(**SMALL, device="cpu")
    like = {
        "hidden": (12,),
        "batch_size": 64,
        "name": "mnist5k",
        "dataset": "mnist5k",
        "device": devices.running().name,
    }
    fake_run(tmp_path / "earlier/seed=0", **like)
    for name, seconds in (
        ("earlier/seed=1", [42.0, 1.0, 1.0, 1.5]),
        ("other", [90.0, 1.0, 1.0, 1.0]),
    ):
        fake_run(tmp_path / name, **like | ({"hidden": (13,)} if name == "other" else {}))
        change_history(tmp_path / name, epoch_seconds=seconds)
    os.utime(tmp_path / "earlier/seed=0/history.json", (0, 0))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/history.json").write_text("{")
    train_run(
        settings.replace(seed=1, learning_rate=0.5), arrays, Output(tmp_path / "a/run", "a/run")
    )
    assert (
        "\ntracing and compiling (the last run like this took 41 s) ...\n"
        in capsys.readouterr().out
    )
    shutil.rmtree(tmp_path / "a")
    assert engine.compiling_seconds(settings, tmp_path) == 41
    shutil.rmtree(tmp_path / "earlier/seed=1")
    assert engine.compiling_seconds(settings, tmp_path) == 1.5 - 0.25
    assert engine.compiling_seconds(settings.replace(hidden=(9,)), tmp_path) is None
    change_history(tmp_path / "earlier/seed=0", device="another")
    assert engine.compiling_seconds(settings, tmp_path) is None
