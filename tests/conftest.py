"""Fixtures. TensorFlow is started here, once, as the scripts start it."""

import contextlib
import importlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

# Before NumPy: the threads of several workers' matrix products would wait for each other, each at
# full speed.
os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")

import numpy as np
import pytest

from lab import cli, data
from lab.backend import devices

ROOT = Path(__file__).parents[1]
# No test may depend on the internet or on what a user has in Keras's cache: requests are sent to a
# port that nobody serves.
os.environ.pop("COLUMNS", None)  # of the terminal that the tests were started from
os.unsetenv(
    "COLUMNS"
)  # which Python does not know of if the readline library has set it: it is handed on all the same
os.environ.update(HTTPS_PROXY="http://127.0.0.1:9", HTTP_PROXY="http://127.0.0.1:9")
# The full data sets, where there are any: for the tests that need them.
FULL_DATA = Path(os.environ.pop("LAB_DATA_DIR", ROOT.parent / "shared" / "data"))
# What is started here is sent Ctrl-C, which a process in the background ignores, and so do those
# that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
DEVICE = devices.start(devices.Setup("cpu")).name


# The files that take longest come first: of several workers, none is left alone with one of them
# in the end.
LONG = (
    "test_search",
    "test_scripts",
    "test_experiments",
    "test_training",
    "test_backend",
    "test_report",
    "test_evaluation",
)


def pytest_configure(config):
    config.option.loadscopereorder = False  # xdist's own order, by the number of tests in a file


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: LONG.index(item.path.stem) if item.path.stem in LONG else len(LONG))


@pytest.fixture(autouse=True)
def _empty_cache(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path_factory.mktemp("keras")))


@pytest.fixture(scope="session")
def mnist5k():
    return data.load_dataset("mnist5k")


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
    """Run one of the three scripts as a user would, in a process of its own."""
    command = [sys.executable, str(ROOT / f"{name}.py"), *map(str, flags)]
    return subprocess.run(
        command, cwd=cwd or ROOT, capture_output=True, text=True, timeout=300, **options
    )


def call(name, *flags):
    """Run one of the three scripts through its own door, but in this process: the same as
    `script`, in a tenth of the time.

    TensorFlow runs already: no flags that it would have to be started with otherwise.
    """
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
    before, sys.argv = sys.argv, [f"{name}.py", *map(str, flags)]
    try:
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            pytest.raises(SystemExit) as left,
        ):
            cli.run(importlib.import_module(name).main)
    finally:
        sys.argv = before
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode())
    return subprocess.CompletedProcess(sys.argv, left.value.code, *texts)


@contextlib.contextmanager
def dask_parts(folder, *flags, **environment):
    """A Dask scheduler, started in a folder with these flags: its address, a function that starts
    other parts, its process.

    The function takes the part's name ("worker"), its flags, and more of the environment. All that
    is started is killed in the end; what it says goes to the folder's "log".
    """
    address_file, parts = folder / "scheduler.json", []
    with open(folder / "log", "w") as log:

        def start(part, *flags, **more):
            command = [
                sys.executable,
                "-m",
                f"distributed.cli.dask_{part}",
                "--scheduler-file",
                str(address_file),
                *flags,
            ]
            options = {
                "cwd": folder,
                "env": os.environ | environment | more,
                "start_new_session": True,
            }
            parts.append(
                subprocess.Popen(
                    [*command, "--dashboard-address", ":0"], stdout=log, stderr=log, **options
                )
            )
            return parts[-1]

        try:
            scheduler = start("scheduler", "--port", "0", *flags)
            while not (address_file.exists() and address_file.read_text()):
                assert scheduler.poll() is None, (folder / "log").read_text()
                time.sleep(0.05)
            yield json.loads(address_file.read_text())["address"], start, scheduler
        finally:
            for part in parts:
                if part.poll() is None:
                    os.killpg(part.pid, signal.SIGKILL)
                part.wait()


def files_of(folder):
    """The names of a run's files, but for that of changes in the code, of which there may be some
    while it is tested.
    """
    return sorted(path.name for path in folder.iterdir() if path.name != "code.patch")


def assert_refused(done, said):
    """One line that says it, and exit status 2."""
    assert (done.returncode, done.stderr.count("\n")) == (2, 1) and said in done.stderr, done.stderr
