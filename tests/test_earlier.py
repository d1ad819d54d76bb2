"""Runs of an earlier version (``tests/earlier``: commit 95ad976) are read, evaluated and compared
as ever; of a version before it, which left open what was not given, each is refused in a line.
"""

import json
import re
import shutil
import sys

import pytest

import train
from lab import cli, comparison, runs
from lab.settings import Settings, UserError
from tests.conftest import ROOT, assert_refused, call


@pytest.fixture
def earlier(tmp_path):
    """The results folder with the runs dense, conv, gans (seeds 0 and 1) and ring."""
    return shutil.copytree(ROOT / "tests" / "earlier", tmp_path / "earlier")


def test_their_settings_are_what_they_were_trained_with(earlier):
    dense, conv, gan = (runs.load(earlier / name) for name in ("dense", "conv", "gans/seed=1"))
    decay = {"hidden": (5,), "regularizer_strength": 1e-3, "epochs": 2}
    assert dense.settings == Settings(**decay, learning_rate=1e-3, dataset="mnist5k")
    assert conv.settings == Settings(net="conv", epochs=1, dataset="mnist5k")
    options = {
        "learning_rate": 1e-3,
        "discriminator_learning_rate": 1e-4,
        "betas": (0.5, 0.999),
        "steps_per_epoch": 7,
    }
    small = {
        "hidden": (8,),
        "batch_size": 512,
        "epochs": 2,
        "dataset": "mnist5k",
        "sample_every": 2,
        "seed": 1,
    }
    assert gan.settings == Settings(net="gan-dense", latent="normal", **options, **small)


def test_what_was_set_of_them_is_what_another_run_is_like(earlier, monkeypatch):
    def like(*flags):
        monkeypatch.setattr(
            sys, "argv", ["train.py", "-m", "x", "--results-dir", str(earlier), *flags]
        )
        return cli.settings_of(train.parse_args())

    dense = Settings(hidden=(5,), regularizer_strength=1e-3, epochs=2, dataset="mnist5k")
    (earlier / "flags.args").write_text("--like dense\n--seed 5\n")
    assert like("--like", "dense") == dense and like(f"@{earlier / 'flags.args'}") == dense.replace(
        seed=5
    )
    sgd = like("--like", "dense", "--optimizer", "sgd", "--hidden", "8", "--dataset", "mnist")
    assert sgd == dense.replace(optimizer="sgd", learning_rate=0.01, hidden=(8,), dataset="mnist")
    assert like("--like", "conv", "-d") == Settings(epochs=1, dataset="mnist5k")
    gan = like("--like", "gans/seed=1", "--batch-size", "256")
    assert gan == runs.load(earlier / "gans/seed=1").settings.replace(
        batch_size=256, steps_per_epoch=None
    )
    assert like("--like", "ring").dataset == "ring"
    config = json.loads((earlier / "dense/config.json").read_text())
    config |= {"settings": dense.to_json() | {"batch_norm": True}, "threads": 1}
    (earlier / "dense/config.json").write_text(json.dumps(config))
    assert like("--like", "dense") == dense.replace(batch_norm=True, threads=1)
    assert like("--like", "dense", "--no-batch-norm") == dense.replace(threads=1)


@pytest.mark.parametrize(
    ("like", "flags", "said"),
    [
        ("nowhere", [], "or train it first"),
        ("../dense", [], "not a run's name"),
        ("gans", [], "holds several runs: name one of them"),
        ("broken", [], "not readable as JSON"),
        (
            "killed",
            [],
            "is in training, or was killed. To resume it: python train.py -m killed --hidden 5",
        ),
        (
            "dense",
            ["-c"],
            "--hidden is for dense, gan-classifier, gan-dense, not for the net conv; --like dense "
            "stands for",
        ),
        (
            "dense",
            ["--net", "gan-dense"],
            "--like dense stands for --hidden 5 --regularizer-strength 0.001 --epochs 2",
        ),
        ("conv", ["--unroll", "5"], "--like conv stands for --net conv"),
    ],
)
def test_what_no_run_can_be_like(like, flags, said, earlier):
    for name, file, content in (("broken", "config.json", "{"), ("killed", "history.json", None)):
        shutil.copytree(earlier / "dense", earlier / name)
        content = content or (earlier / name / file).read_text().replace("complete", "training")
        (earlier / name / file).write_text(content)
    assert_refused(call("train", "-m", "x", "--results-dir", earlier, "--like", like, *flags), said)
    assert not (earlier / "x").exists()


@pytest.mark.parametrize("name", ["dense", "conv"])
def test_a_classifier_is_evaluated_to_the_same_numbers(name, earlier):
    before = json.loads((earlier / name / "evaluation.json").read_text())
    done = call("evaluate", "-m", name, "--results-dir", earlier)
    assert done.returncode == 0 and "Note" not in done.stdout, done.stderr
    after = json.loads((earlier / name / "evaluation.json").read_text())
    assert after["confusion"] == before["confusion"] and after.keys() >= before.keys()
    for part in ("training", "validation"):
        assert after[part] == pytest.approx(before[part], rel=1e-6)
    assert f"Validation accuracy: {before['validation']['accuracy']:.4f}" in done.stdout


def test_gans_are_evaluated_and_compared(earlier):
    done = call("evaluate", "-m", "gans", "--samples", "100", "--results-dir", earlier)
    assert done.returncode == 0 and "2 runs each" in done.stdout, done.stderr
    done = call("evaluate", "-m", "ring", "--samples", "100", "--results-dir", earlier)
    assert done.returncode == 0 and re.search(r"modes covered +│ +0 │ +8 │", done.stdout), (
        done.stderr
    )


def test_classifiers_are_compared(earlier):
    done = call("evaluate", "-m", "dense", "conv", "--results-dir", earlier)
    assert done.returncode == 0, done.stderr
    table = (earlier / "comparisons" / "dense,conv" / "table.md").read_text()
    assert "0.4470" in table and "0.5830" in table and "7,240" in table


def test_they_count_as_repeats_of_runs_of_today_that_were_trained_alike_and_of_no_others(earlier):
    config = earlier / "gans/seed=1/config.json"
    record = json.loads(config.read_text())
    today = runs.load(earlier / "gans/seed=1").settings
    for settings, alike in (
        (today, True),
        (today.replace(discriminator_learning_rate=2e-4), False),
    ):
        config.write_text(json.dumps(record | {"settings": settings.to_json()}))
        folders = runs.named(earlier, ["gans"])
        if alike:
            assert len(comparison.collect(earlier, folders)[0][0].runs) == 2
        else:
            with pytest.raises(
                UserError, match=r"more than their seed \(discriminator_learning_rate\)"
            ):
                comparison.collect(earlier, folders)


# What a version before 95ad976 left open, and where it said what that meant.
OPEN = {
    "dense": {"learning_rate": None, "dataset": None, "label_smoothing": None},
    "conv": {"label_smoothing": None},
    "ring": {"learning_rate": None, "latent": None, "betas": None, "sample_every": None},
}


@pytest.mark.parametrize("name", OPEN)
def test_a_run_of_a_version_before_them_is_to_be_trained_again(name, earlier):
    path = earlier / name / "config.json"
    record = json.loads(path.read_text())
    options = {"gan_options": {"learning_rate": 1e-3}} if name == "ring" else {}
    old = record | options | {"settings": record["settings"] | OPEN[name]}
    path.write_text(json.dumps(old))
    for script, flags in (("evaluate", ["-m", name]), ("train", ["-m", "x", "--like", name])):
        done = call(script, *flags, "--results-dir", earlier)
        assert_refused(done, f"{path}: not what train.py writes")
        assert "earlier version" in done.stderr and "Train the run again" in done.stderr
    assert json.loads(path.read_text()) == old
