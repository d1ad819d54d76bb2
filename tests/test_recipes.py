"""The recipes: that each is what its exercise asks for, and fits the published figures beside
it.
"""

import csv
import sys

import pytest

import train
from lab import cli
from lab.backend import networks
from lab.experiments.grid import plan_runs
from lab.settings import parse
from tests.conftest import ROOT

RECIPES = sorted((ROOT / "recipes").glob("*.args"))
RUNS = {
    "activations": 15,
    "budget-200": 1,
    "cifar10-batch-norm": 6,
    "cifar10-cnn": 1,
    "conv-vs-dense": 6,
    "cpu-vs-gpu": 20,
    "decay-or-smaller": 21,
    "fashion-classifier": 1,
    "fashion-gan": 1,
    "fashion-gan-rates": 36,
    "fashion-gan-unrolled": 1,
    "fewest-parameters": 42,
    "fewest-parameters-99": 5,
    "fewest-parameters-conv": 1,
    "fewest-parameters-dense": 1,
    "gaussian-ring": 20,
    "gaussian-ring-paper": 6,
    "hidden-units": 21,
    "mnist-gan": 1,
    "mnist-gan-quick": 1,
    "mode-collapse": 20,
    "mode-collapse-same-rates": 10,
    "stacked-mnist": 2,
    "weight-decay": 7,
}


def planned(path, monkeypatch):
    """What `python train.py @FILE` would train."""
    monkeypatch.setattr(sys, "argv", ["train.py", f"@{path}"])
    args = train.parse_args()
    assert args.model_name == path.stem
    return plan_runs(cli.settings_of(args), args.sweep or [], args.repeats or 1)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_plans_its_runs_and_says_what_it_is(path, monkeypatch):
    assert len(planned(path, monkeypatch)) == RUNS[path.stem]
    header, _, _ = path.read_text().partition("\n-")
    assert header.startswith("# Exercise ") and header[11] in "ABCD" and "bout" in header
    assert f"\n# Then: python evaluate.py -m {path.stem}" in header


def test_part_a_searches_for_what_is_asked_for(monkeypatch):
    goals = {}
    for name in ("budget-200", "fewest-parameters-dense", "fewest-parameters-conv"):
        (settings,) = planned(ROOT / "recipes" / f"{name}.args", monkeypatch).values()
        args = train.parse_args()
        assert args.search >= 40 and settings.model_fields_set <= {"seed", "net", "epochs"}
        goals[name] = (settings.net, settings.epochs, args.unit_budget, args.target_accuracy)
    assert goals["budget-200"][::2] == ("dense", 200)
    assert goals["fewest-parameters-dense"] == ("dense", 10, None, 0.97)
    assert goals["fewest-parameters-conv"] == ("conv", 10, None, 0.97)


@pytest.mark.parametrize(
    ("name", "key"), [("hidden-units", "hidden"), ("weight-decay", "regularizer_strength")]
)
def test_each_published_row_is_trained_and_has_the_published_parameters(name, key, monkeypatch):
    several = planned(ROOT / "recipes" / f"{name}.args", monkeypatch).values()
    with open(ROOT / "recipes" / f"{name}.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["dataset"], row["net"]) for row in rows} == {
        ("mnist", "dense")
    }  # no figure is held against another net
    published = {parse(key, row[key]): int(row["parameters"]) for row in rows}
    assert published == {
        getattr(settings, key): networks.build("dense", hidden=settings.hidden).count_params()
        for settings in several
    }


def test_parts_b_and_d_are_what_is_asked_for(monkeypatch):
    one = {path.stem: list(planned(path, monkeypatch).values()) for path in RECIPES}
    (conv,), (dense,), (unrolled,) = (
        one["mnist-gan"],
        one["fashion-gan"],
        one["fashion-gan-unrolled"],
    )
    assert (conv.net, conv.dataset, conv.batch_size, conv.epochs) == ("gan-conv", None, 128, 150)
    assert (conv.usual_steps(60_000), conv.latent, conv.label_smoothing) == (128, "uniform", 0.1)
    assert (dense.net, dense.dataset, dense.epochs, dense.unroll, unrolled.unroll) == (
        "gan-dense",
        "fashion_mnist",
        50,
        0,
        5,
    )
    collapse = {
        (settings.unroll, settings.seed, settings.epochs) for settings in one["mode-collapse"]
    }
    assert collapse == {(unroll, seed, 20) for unroll in (0, 5) for seed in range(10)}
    tuning = {one.seed for one in one["fashion-gan-rates"]}
    assert not tuning & {
        settings.seed for settings in one["mode-collapse"]
    }  # chosen on other seeds than reported
    ring = one["gaussian-ring-paper"][0]
    steps = 100_000 // ring.batch_size * ring.epochs
    rates = [ring.learning_rate, ring.discriminator_learning_rate]
    assert (ring.hidden, ring.batch_size, rates) == (
        (128, 128),
        512,
        [1e-3, 1e-4],
    ) and 24_900 < steps < 25_100


def test_part_c_is_the_published_net_and_its_csv_the_published_epochs(monkeypatch):
    (settings,) = planned(ROOT / "recipes" / "cifar10-cnn.args", monkeypatch).values()
    normalized = {
        one.batch_norm
        for one in planned(ROOT / "recipes" / "cifar10-batch-norm.args", monkeypatch).values()
    }
    assert (settings.net, settings.dataset, settings.batch_size, settings.epochs) == (
        "filter",
        "cifar10",
        32,
        10,
    )
    assert (settings.optimizer, settings.learning_rate, normalized) == ("adam", 1e-3, {False, True})
    with open(ROOT / "recipes" / "cifar10-cnn.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["dataset"], row["net"]) for row in rows} == {
        ("cifar10", "filter")
    }  # no figure is held against another net
    *without, with_norm = [
        (int(row["epoch"]), row["batch_norm"], row["val_accuracy"]) for row in rows
    ]
    assert [row[:2] for row in without] == [(epoch, "false") for epoch in range(1, 11)]
    assert without[-1][2] == "0.6225" and with_norm == (10, "true", "0.6356")
