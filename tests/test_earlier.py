"""Runs that an earlier version trained (``tests/earlier``) are read, evaluated and compared as ever.

Their config.json holds None for what was not given, and "gan_options" with what that meant.
"""

import json
import shutil

import pytest

from lab import comparison, runs
from lab.settings import Settings, UserError
from tests.conftest import ROOT, call


@pytest.fixture
def earlier(tmp_path):
    """The results folder with the runs dense, conv, gans (seeds 0 and 1) and ring."""
    return shutil.copytree(ROOT / "tests" / "earlier", tmp_path / "earlier")


def test_their_settings_are_what_they_were_trained_with(earlier):
    dense, conv, gan = (runs.load(earlier / name) for name in ("dense", "conv", "gans/seed=1"))
    decay = {"hidden": (5,), "regularizer_strength": 1e-3, "epochs": 2}
    assert dense.settings == Settings(**decay, learning_rate=1e-3, dataset="mnist5k")
    assert conv.settings == Settings(net="conv", epochs=1, dataset="mnist5k")
    options = {"learning_rate": 1e-3, "discriminator_learning_rate": 1e-4, "betas": (0.5, 0.999), "steps_per_epoch": 7}
    small = {"hidden": (8,), "batch_size": 512, "epochs": 2, "dataset": "mnist5k", "sample_every": 2, "seed": 1}
    assert gan.settings == Settings(net="gan-dense", latent="normal", **options, **small)


@pytest.mark.parametrize("name", ["dense", "conv"])
def test_a_classifier_is_evaluated_to_the_same_numbers(name, earlier):
    before = json.loads((earlier / name / "evaluation.json").read_text())
    done = call("evaluate", "-m", name, "--results-dir", earlier)
    assert done.returncode == 0 and "Note" not in done.stdout, done.stderr
    after = json.loads((earlier / name / "evaluation.json").read_text())
    assert after["confusion"] == before["confusion"] and after.keys() == before.keys()
    for part in ("training", "validation"):
        assert after[part] == pytest.approx(before[part], rel=1e-6)
    assert f"Validation accuracy: {before['validation']['accuracy']:.4f}" in done.stdout


def test_gans_are_evaluated_and_compared(earlier):
    done = call("evaluate", "-m", "gans", "--samples", "100", "--results-dir", earlier)
    assert done.returncode == 0 and "2 runs each" in done.stdout, done.stderr
    done = call("evaluate", "-m", "ring", "--samples", "100", "--results-dir", earlier)
    assert done.returncode == 0 and "Modes covered: 0 of 8" in done.stdout, done.stderr


def test_classifiers_are_compared(earlier):
    done = call("evaluate", "-m", "dense", "conv", "--results-dir", earlier)
    assert done.returncode == 0, done.stderr
    table = (earlier / "comparisons" / "dense,conv" / "table.md").read_text()
    assert "0.4470" in table and "0.5830" in table and "7,240" in table


def test_they_count_as_repeats_of_runs_of_today_that_were_trained_alike_and_of_no_others(earlier):
    config = earlier / "gans/seed=1/config.json"
    record = json.loads(config.read_text())
    today = runs.load(earlier / "gans/seed=1").settings
    for settings, alike in ((today, True), (today.replace(discriminator_learning_rate=2e-4), False)):
        config.write_text(json.dumps(record | {"settings": settings.to_json(), "gan_options": {}}))
        folders = runs.named(earlier, ["gans"])
        if alike:
            assert len(comparison.collect(earlier, folders)[0][0].runs) == 2
        else:
            with pytest.raises(UserError, match=r"more than their seed \(discriminator_learning_rate\)"):
                comparison.collect(earlier, folders)
