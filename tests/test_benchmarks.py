"""The benchmarks run and write what they measured."""

import json
import subprocess
import sys
import venv

import pytest

from tests.conftest import ROOT

pytestmark = [pytest.mark.processes, pytest.mark.slow]


def python_without_packages(folder):
    venv.create(folder / "bare", symlinks=True)
    return folder / "bare" / "bin" / "python"


def test_training_benchmark(data_dir, tmp_path):
    command = [
        sys.executable,
        str(ROOT / "benchmarks" / "training.py"),
        "--data-dir",
        str(data_dir),
        "--nets",
        "dense",
    ]
    command += ["--epochs", "2", "--rounds", "1", "--json", str(tmp_path / "figures.json")]
    command += [
        "--contestants",
        "stock",
        "jax",
        "ours",
        "products",
        "--peers",
        str(python_without_packages(tmp_path)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())["dense"]
    assert figures["ours"]["epoch_ratio"] == 1
    assert figures["products"]["epoch"] > 0  # of all of MNIST, not of the few images here
    assert "jax is skipped" in done.stderr and "jax" not in figures
    for name in ("stock", "ours"):
        assert figures[name]["epoch"] > 0 and figures[name]["memory"] > 100
        assert f"{figures[name]['process_ratio']:.2f}" in done.stdout


def test_writes_benchmark(data_dir, tmp_path):
    command = [
        sys.executable,
        str(ROOT / "benchmarks" / "writes.py"),
        "--data-dir",
        str(data_dir),
        "--kinds",
        "dense",
        "ring",
    ]
    done = subprocess.run(
        [*command, "--results-dir", tmp_path], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["run", "dense", "ring", "the"]
    assert not list(tmp_path.iterdir())
