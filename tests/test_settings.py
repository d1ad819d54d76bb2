"""Settings of a run: what is allowed, what is filled in, and the way to JSON, to text and back."""

import json
import math
import pkgutil
import shlex
import sys

import keras
import pytest

import models
import train
from lab import cli, data
from lab.backend import networks
from lab.io.words import suggestion
from lab.settings import DATASETS, FLAGS, NETS, Settings, UserError, as_flags, names, parse, text
from tests.conftest import ROOT


def test_names_are_those_that_the_code_knows():
    for network in models.NETWORKS.values():
        assert callable(pkgutil.resolve_name(network.builder))
    assert set(data.CLASSES) == set(data.IMAGE_SHAPES) == set(DATASETS)
    assert all(callable(keras.activations.get(name)) for name in names.ACTIVATIONS)


def test_the_learning_rates_that_are_filled_in_are_keras_own():
    rates = {name: float(keras.optimizers.get(name).learning_rate) for name in names.OPTIMIZERS}
    assert rates == pytest.approx(names.OPTIMIZERS)


def networks_in_readme():
    """The rows of the README's table of networks, as lists of cells."""
    table = (ROOT / "README.md").read_text().partition("\n## Networks\n")[2].partition("\n\nThe")[0]
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()[3:]]


def test_the_readme_names_every_network():
    assert sorted(name for name, *_ in networks_in_readme()) == sorted(models.NETWORKS)


@pytest.mark.parametrize(("net", "flag", "parameters"), [row[:3] for row in networks_in_readme()])
def test_the_readme_knows_the_flag_and_the_parameters_of_a_network(
    net, flag, parameters, monkeypatch
):
    typed = flag.split("`")[1].split()
    monkeypatch.setattr(sys, "argv", ["train.py", "-m", "x", *typed])
    settings = cli.settings_of(train.parse_args())
    assert settings.net == net
    assert ("default" in flag) == (Settings().net == net)
    shape = data.IMAGE_SHAPES["cifar10" if net == "filter" else "mnist"]
    built = networks.build(input_shape=shape, **settings.to_json())
    parts = built.layers if settings.kind is models.GAN else [built]
    assert parameters == " + ".join(f"{part.count_params():,}" for part in parts)


@pytest.mark.parametrize("net", NETS)
def test_json_and_back(net):
    settings = Settings(net=net, epochs=3, seed=7, dataset="mnist")
    assert Settings(**json.loads(json.dumps(settings.to_json()))) == settings
    assert Settings(**settings.to_json()).to_json() == settings.to_json()


def test_settings_are_equal_if_they_mean_the_same_however_they_were_given():
    typed = {
        "hidden": (200, 100),
        "learning_rate": 1e-3,
        "optimizer": "adam",
        "batch_size": 128,
        "unroll": 0,
    }
    assert Settings(**typed) == Settings() and hash(Settings(**typed)) == hash(Settings())
    assert (
        Settings(optimizer="sgd")
        == Settings(optimizer="sgd", learning_rate=0.01)
        != Settings(learning_rate=0.01)
    )
    gan = {
        "latent": "normal",
        "label_smoothing": 0.0,
        "betas": (0.5, 0.999),
        "discriminator_betas": [0.5, 0.999],
    }
    rates = {"learning_rate": 1e-3, "discriminator_learning_rate": 1e-3, "sample_every": 1}
    assert (
        Settings(net="gan-dense", **gan, **rates)
        == Settings(net="gan-dense")
        != Settings(net="gan-conv")
    )
    assert Settings(net="gan-dense", betas=(0.4, 0.9)).discriminator_betas == (0.4, 0.9)
    assert (
        Settings(net="gan-dense").replace(unroll=5).discriminator_learning_rate == 1e-4
    )  # each the best of a search


def test_what_was_never_given_follows_what_is_replaced():
    assert Settings(seed=3).replace(optimizer="sgd") == Settings(seed=3, optimizer="sgd")
    assert Settings(learning_rate=0.5).replace(optimizer="sgd").learning_rate == 0.5
    assert Settings(net="conv").replace(net="dense").hidden == (200, 100)


@pytest.mark.parametrize(
    ("name", "typed"), [("hidden", "200,100"), ("betas", "0.5,0.9"), ("batch_norm", "true")]
)
def test_text_and_back(name, typed):
    assert text(parse(name, typed)) == typed
    assert [text(parse("learning_rate", one)) for one in ("1e-4", "1e20", "2.0")] == [
        "0.0001",
        "1e20",
        "2",
    ]
    assert {text(getattr(Settings(), one)) for one in FLAGS} > {"adam", "false", "0"}


@pytest.mark.parametrize(
    ("settings", "flags"),
    [
        ({}, "--dataset mnist"),
        ({"hidden": (50, 25), "batch_norm": True}, "--hidden 50,25 --batch-norm --dataset mnist"),
        (
            {"hidden": (200, 100), "optimizer": "sgd", "learning_rate": 0.01},
            "--optimizer sgd --dataset mnist",
        ),
        (
            {"optimizer": "sgd", "learning_rate": 1e-3},
            "--optimizer sgd --learning-rate 0.001 --dataset mnist",
        ),
        (
            {"net": "filter", "dataset": "cifar10", "regularizer": "l1"},
            "--net filter --regularizer l1 --dataset cifar10",
        ),
        ({"early_stopping": 3, "dropout": 0.1 + 0.2, "learning_rate": 1e20}, None),
        (
            {
                "activation": "tanh",
                "holdout": 500,
                "device": "cpu",
                "threads": 2,
                "precision": "bfloat16",
                "seed": 7,
            },
            None,
        ),
        ({"schedule": "cosine", "warmup": 2, "shift": 1, "label_smoothing": 0.1}, None),
        (
            {"net": "conv", "filters": (4, 6, 8), "head": "average"},
            "--net conv --filters 4,6,8 --head average --dataset mnist",
        ),
        ({"net": "gan-conv", "steps_per_epoch": 128}, "--net gan-conv --dataset mnist"),
        ({"net": "gan-dense", "steps_per_epoch": 468}, "--net gan-dense --dataset mnist"),
        (
            {"net": "gan-dense", "steps_per_epoch": 128},
            "--net gan-dense --steps-per-epoch 128 --dataset mnist",
        ),
        (
            {
                "net": "gan-dense",
                "dataset": "ring",
                "hidden": (128, 128),
                "betas": (0.4, 0.9),
                "latent": "uniform",
            },
            None,
        ),
        (
            {
                "net": "gan-dense",
                "discriminator_betas": (0.4, 0.9),
                "label_smoothing": 0.1,
                "unroll": 5,
                "sample_every": 2,
            },
            None,
        ),
    ],
    ids=str,
)
def test_flags_and_back(settings, flags, monkeypatch):
    def resolved(settings):
        return settings.replace(
            steps_per_epoch=settings.steps_per_epoch or settings.usual_steps(60_000)
        )

    settings = resolved(Settings(**{"dataset": "mnist"} | settings))
    written = as_flags(settings.unusual(60_000))
    assert flags in (written, None)
    monkeypatch.setattr(sys, "argv", ["train.py", "-m", "x", *shlex.split(written)])
    assert resolved(cli.settings_of(train.parse_args())) == settings


def test_a_word_is_suggested_only_where_it_is_clear_which():
    sets = ("mnist", "mnist5k", "fashion_mnist", "cifar10")
    meant = {
        "MNIST": "mnist",
        "fashion-mnist": "fashion_mnist",
        "fashion": "fashion_mnist",
        "minst": "mnist",
    }
    for typed, word in (*meant.items(), ("cifar", "cifar10")):
        assert suggestion(typed, sets) == f" (did you mean {word}?)"
    for word in ("m", "", "imagenet", "svhn", "x" * 10**6):
        assert suggestion(word, sets) == ""
    assert (
        suggestion("gelu", names.ACTIVATIONS) == suggestion("run0", ["run1", "run2"]) == ""
    )  # several are as near
    with pytest.raises(
        UserError,
        match=r"unknown optimizer 'Adam' \(did you mean adam\?\): choose from adam, adamax",
    ):
        Settings(optimizer="Adam")


def test_only_some_nets_have_hidden_units_to_choose():
    assert Settings().hidden == (200, 100) and Settings(net="gan-dense").hidden == (256, 256, 256)
    assert Settings(net="conv").hidden is None
    assert (
        Settings(net="conv", filters=(4, 6, 8)).kernels == (5, 3, 3) and Settings().filters is None
    )


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("net", "cubist"),
        ("dataset", "image\x1bnet"),
        ("dataset", ""),
        ("resize", 7),
        ("resize", 257),
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
    with pytest.raises(
        UserError, match=setting.replace("_", " ").replace("dataset", "data set").split()[0]
    ) as error:
        Settings(**{setting: value})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"net": "gan-dense", "unroll": -1}, "unroll must be a whole number from 0"),
        ({"unroll": 5}, "--unroll is for GANs"),
        ({"net": "gan-dense", "dropout": 0.5}, "--dropout is for classifiers"),
        (
            {"net": "gan-conv", "hidden": (3,)},
            "--hidden is for dense, gan-classifier, gan-dense, not for the net gan-conv",
        ),
        ({"net": "conv", "hidden": (10,)}, "--hidden is for dense"),
        ({"net": "gan-dense", "betas": (0.5, 1.0)}, "betas must be two numbers"),
        ({"net": "gan-dense", "label_smoothing": 0.5}, "label smoothing must be"),
        ({"net": "gan-dense", "latent": "cauchy"}, "unknown latent"),
        ({"hidden": (10,), "filters": (8,)}, "--filters is for conv, not for the net dense"),
        (
            {"net": "conv", "filters": (8, 8, 8), "kernels": (5, 3)},
            "--kernels has 2 sizes, --filters 3",
        ),
        ({"net": "conv", "filters": (8,) * 5}, "filters must be one to four whole numbers"),
        (
            {"net": "conv", "kernels": (28, 3)},
            "kernels must be one to four whole numbers from 1 to 27",
        ),
        ({"net": "gan-dense", "early_stopping": 3}, "--early-stopping is for classifiers"),
        ({"generator_loss": "saturating"}, "--generator-loss is for GANs"),
        (
            {"net": "gan-dense", "discriminator_filters": (1, 2, 3)},
            "--discriminator-filters is for gan-conv, not for",
        ),
        (
            {"net": "gan-conv", "discriminator_filters": (1, 2)},
            "discriminator filters must be three whole numbers",
        ),
        (
            {"net": "gan-conv", "activation": "tanh"},
            "--activation is for dense, conv, filter, gan-classifier, gan-dense, not",
        ),
        ({"net": "gan-dense", "latent_size": 0}, "latent size must be a whole number from 1"),
        ({"net": "conv", "dataset": "grid"}, "the data set grid has points, not images"),
        ({"warmup": 10}, "--warmup 10 leaves no epoch of 10"),
        ({"shift": 15}, "shift must be a whole number from 0 to 14"),
        ({"dataset": "ring"}, "points, not images"),
        ({"hiden": [3]}, "unknown setting 'hiden'"),
        ({"self": 1}, "unknown setting 'self'"),
        ({"net": ["dense"]}, "unknown net"),
    ],
)
def test_settings_that_do_not_go_together_or_are_none(settings, message):
    with pytest.raises(UserError, match=message):
        Settings(**settings)


def test_description_names_what_is_not_the_default():
    assert Settings().describe() == "dense 200-100"
    settings = Settings(
        net="conv",
        regularizer_strength=1e-4,
        batch_norm=True,
        activation="tanh",
        dropout=0.2,
        seed=3,
    )
    assert settings.describe() == "conv, tanh, dropout 0.2, batch norm, l2 λ = 0.0001, seed 3"
    assert (
        Settings(optimizer="sgd", learning_rate=0.01, holdout=500).describe()
        == "dense 200-100, sgd, holdout 500"
    )
    gan = Settings(net="gan-dense", hidden=(8,), unroll=5, latent="uniform", steps_per_epoch=10)
    assert gan.describe(1280) == "gan-dense 8, unroll 5, uniform"  # 10 batches are all there are
    assert gan.describe(60_000) == "gan-dense 8, unroll 5, uniform, steps per epoch 10"
