"""The benchmarks run and write what they measured."""

import json
import subprocess
import sys
import venv

import pytest

from benchmarks import size
from tests.conftest import ROOT

SNIPPET = '''"""A module.

Of two lines."""

# A comment.
def double(values):  # another one
    """What counts not."""
    words = """a string
    of two lines"""
    return [2 * value for value in values], words
'''


def benchmark(name, *flags):
    """Run a benchmark as a user would."""
    command = [sys.executable, ROOT / "benchmarks" / f"{name}.py", *flags]
    return subprocess.run(map(str, command), capture_output=True, text=True, timeout=300)


def python_without_packages(folder):
    venv.create(folder / "bare", symlinks=True)
    return folder / "bare" / "bin" / "python"


@pytest.mark.processes
@pytest.mark.slow
def test_training_benchmark(data_dir, tmp_path):
    flags = ["--nets", "dense", "--epochs", 2, "--rounds", 1, "--json", tmp_path / "figures.json"]
    flags += ["--contestants", "stock", "jax", "ours", "products"]
    peers = python_without_packages(tmp_path)
    done = benchmark("training", "--data-dir", data_dir, *flags, "--peers", peers)
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())["dense"]
    assert figures["ours"]["epoch_ratio"] == 1
    assert figures["products"]["epoch"] > 0  # of all of MNIST, not of the few images here
    assert "jax is skipped" in done.stderr and "jax" not in figures
    for name in ("stock", "ours"):
        assert figures[name]["epoch"] > 0 and figures[name]["memory"] > 100
        assert f"{figures[name]['process_ratio']:.2f}" in done.stdout


@pytest.mark.processes
@pytest.mark.slow
def test_writes_benchmark(data_dir, tmp_path):
    flags = ["--data-dir", data_dir, "--results-dir", tmp_path, "--kinds", "dense", "ring"]
    done = benchmark("writes", *flags)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["run", "dense", "ring", "the"]
    assert not list(tmp_path.iterdir())


def test_size_counts_tokens_but_no_comments_and_no_docstrings():
    # def double ( values ) : | words = """...""" | return [ 2 * value for value in values ] , words
    assert size.size_of(SNIPPET) == size.Size(tokens=6 + 3 + 12, lines=4, wide=0)
    assert size.size_of(f"a = '{'b' * 100}'\n") == size.Size(tokens=3, lines=1, wide=1)


@pytest.mark.processes
def test_size_of_this_checkout():
    done = benchmark("size", ROOT)
    assert done.returncode == 0, done.stderr
    rooms = [line.split()[0] for line in done.stdout.splitlines()[1:-1]]
    assert {"lab/data", "lab/cli", "models", "scripts", "tests"} <= set(rooms)
    assert rooms[-3:] == ["product", "tests", "benchmarks"]
    product = [line for line in done.stdout.splitlines() if line.startswith("product ")]
    assert int(product[0].split()[1].replace(",", "")) > 10_000
    assert int(done.stdout.split()[-1]) > 0
