"""What a student would check first, on the full MNIST; skipped where there is none."""

import json

import pytest

from tests.conftest import call, script


def test_the_dense_net_learns_mnist(full_mnist, tmp_path):
    done = call("train", "-m", "dense", "--data-dir", full_mnist, "--results-dir", tmp_path)
    assert done.returncode == 0, done.stderr
    history = json.loads((tmp_path / "dense" / "history.json").read_text())
    assert len(history["loss"]) == 10
    assert history["val_accuracy"][-1] >= 0.975
    config = json.loads((tmp_path / "dense" / "config.json").read_text())
    assert (config["parameters"], config["dataset"]["train"]) == (178_110, 60_000)


@pytest.mark.processes
def test_the_full_mnist_is_looked_at(full_mnist, tmp_path):
    done = script("visualize", "--data-dir", full_mnist, "--results-dir", tmp_path)
    assert (
        done.returncode == 0
        and "(60000, 28, 28, 1)" in done.stdout
        and "(10000, 28, 28, 1)" in done.stdout
    )
