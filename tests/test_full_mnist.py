"""What a student would check first, on the full MNIST; skipped where there is none."""

import json
import resource

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
def test_visualize_is_quick(full_mnist, tmp_path):
    def used():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = used()
    assert script("visualize", "--data-dir", full_mnist, "--results-dir", tmp_path).returncode == 0
    assert used() - before < 4  # of processor time: other work on the machine must not fail the test
