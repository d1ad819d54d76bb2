"""Fixtures. TensorFlow is started here, once, as the scripts start it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]

# No test may depend on the internet or on what a user has in Keras's cache: requests are sent to a port that nobody serves.
OFFLINE = {"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
os.environ.update(OFFLINE)

from lab.backend import devices
from lab.data import load as datasets  # noqa: E402

# The full data sets, where there are any: for the tests that need them.
FULL_DATA = Path(os.environ.pop("LAB_DATA_DIR", ROOT.parent / "shared" / "data"))
DEVICE = devices.start("cpu")


@pytest.fixture(autouse=True)
def _empty_cache(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path_factory.mktemp("keras")))


@pytest.fixture(scope="session")
def mnist5k():
    return datasets.load("mnist5k")


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory, mnist5k):
    """A data folder with a small MNIST: 640 training and 200 validation images."""
    folder = tmp_path_factory.mktemp("data")
    small = [mnist5k.train_images[:640, ..., 0], mnist5k.train_labels[:640]]
    small += [mnist5k.validation_images[:200, ..., 0], mnist5k.validation_labels[:200]]
    write_npz(folder / "mnist.npz", *small)
    return folder


@pytest.fixture
def full_mnist():
    """The folder with the full MNIST; the test is skipped where there is none."""
    if not (FULL_DATA / "mnist.npz").exists():
        pytest.skip("no full MNIST: name its folder in LAB_DATA_DIR")
    return FULL_DATA


def write_npz(path, x_train, y_train, x_test, y_test):
    arrays = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
    np.savez(path, **{name: np.asarray(array) for name, array in arrays.items()})


def script(name, *flags, cwd=None, **options):
    """Run one of the three scripts as a user would."""
    command = [sys.executable, str(ROOT / f"{name}.py"), *map(str, flags)]
    return subprocess.run(command, cwd=cwd or ROOT, capture_output=True, text=True, timeout=300, **options)
