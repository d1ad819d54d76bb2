"""No variable or file of the user's decides what a command gives or how it ends, but for those
that are documented.
"""

import contextlib
import io
import json
import os
import pty
import shutil
import subprocess
import sys
import termios

import pytest
from PIL import Image

from lab import cli, console
from lab.console import say
from lab.io import environment
from tests.conftest import ROOT, assert_refused, call, script

pytestmark = pytest.mark.processes

SMALL = ("-m", "x", "--hidden", "8", "--epochs", "3", "--batch-size", "64")
RC = (
    "text.usetex: True\nsavefig.dpi: 20\nfont.size: 40\nsvg.fonttype: path\nfigure.facecolor: red\n"
)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, data_dir):
    """What a run gives where nothing is set: its history and the size of its picture."""
    return outcome(train(tmp_path_factory.mktemp("undisturbed"), data_dir))


def train(folder, data_dir, python=(), cwd=ROOT, **variables):
    flags = [*SMALL, "--data-dir", data_dir, "--results-dir", folder]
    command = [sys.executable, *python, ROOT / "train.py", *map(str, flags)]
    done = subprocess.run(
        command, cwd=cwd, env=os.environ | variables, capture_output=True, text=True, timeout=300
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return folder / "x"


def outcome(folder):
    history = json.loads((folder / "history.json").read_text())
    with Image.open(folder / "learning_curve.png") as picture:
        return [
            history[name] for name in ("status", "loss", "accuracy", "val_loss", "val_accuracy")
        ], picture.size


def test_variables_of_libraries_change_nothing(undisturbed, data_dir, tmp_path):
    variables = {
        "KERAS_MAX_EPOCHS": "1",
        "KERAS_MAX_STEPS_PER_EPOCH": "1",
        "MPLBACKEND": "nonsense",
        "XLA_FLAGS": "--nonsense",
    }
    variables |= {
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "TF_XLA_FLAGS": "--tf_xla_auto_jit=2",
        "NPY_DISABLE_CPU_FEATURES": "SSE",
    }
    variables |= {
        "PYTHONWARNINGS": "error",
        "COLUMNS": "²",
        "LINES": "0",
        "PLOTLY_RENDERER": "nonsense",
        "PYTHONSAFEPATH": "1",
    }
    variables |= {"SOURCE_DATE_EPOCH": "", "NUMPY_MADVISE_HUGEPAGE": "x", "HDF5_DRIVER": "nonsense"}
    variables |= {
        "AUTOGRAPH_VERBOSITY": "x",
        "OPENBLAS_CORETYPE": "Prescott",
        "MKL_CBWR": "COMPATIBLE",
    }
    assert outcome(train(tmp_path, data_dir, **variables)) == undisturbed


@pytest.mark.slow
def test_files_of_libraries_change_nothing(undisturbed, data_dir, tmp_path):
    """Not what matplotlib finds in the current folder and in that of its configuration, nor what
    Keras finds in its own.
    """
    (tmp_path / "matplotlib").mkdir()
    (tmp_path / "keras.json").write_text('{"floatx": "float7", "epsilon": {}, "backend": []}')
    (tmp_path / "matplotlibrc").write_text(RC)
    (tmp_path / "matplotlib" / "matplotlibrc").write_bytes(b"\xff\xfe no text")
    (tmp_path / "matplotlib" / "stylelib").mkdir()
    (tmp_path / "matplotlib" / "stylelib" / "mine.mplstyle").write_bytes(b"# \xfc\n")
    places = {"MPLCONFIGDIR": str(tmp_path / "matplotlib"), "KERAS_HOME": str(tmp_path)}
    assert outcome(train(tmp_path, data_dir, ["-OO"], tmp_path, **places)) == undisturbed


def test_a_user_without_a_home(tmp_path):
    """As one has in a container, whom nobody knows."""
    without = {
        name: value for name, value in os.environ.items() if name not in ("HOME", "KERAS_HOME")
    }
    code = "import pwd, runpy, sys; pwd.getpwuid = {}.__getitem__; sys.argv = sys.argv[1:]; "
    code += f"sys.path[0] = {str(ROOT)!r}; runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [
        sys.executable,
        "-c",
        code,
        ROOT / "train.py",
        "-m",
        "x",
        "--results-dir",
        tmp_path,
        "--dataset",
        "fashion_mnist",
    ]
    done = subprocess.run(command, env=without, capture_output=True, text=True)
    assert_refused(
        done,
        "cannot get fashion_mnist (there is no home folder for the cache: name a folder in "
        "KERAS_HOME)",
    )


@pytest.mark.parametrize("redirected", [">&-", "2>&-", ">&- 2>&- <&-", "2>/dev/full", ">/dev/full"])
def test_streams_that_are_closed_or_full_change_no_status(redirected, tmp_path):
    command = [sys.executable, ROOT / "evaluate.py", "-m", "nowhere", "--results-dir", tmp_path]
    line = " ".join(map(str, command))
    assert subprocess.run(f"{line} {redirected}", shell=True, capture_output=True).returncode == 2
    shown = f"{sys.executable} {ROOT / 'evaluate.py'} -m dense conv --results-dir {tmp_path}"
    for name in ("dense", "conv"):
        subprocess.run(["cp", "-r", ROOT / "tests" / "earlier" / name, tmp_path], check=True)
    done = subprocess.run(f"{shown} {redirected}", shell=True, capture_output=True, text=True)
    assert (
        done.returncode == (2 if redirected == ">/dev/full" else 0)
        and "Traceback" not in done.stderr
    )
    assert (
        redirected != ">/dev/full" or done.stderr == "evaluate.py: error: No space left on device\n"
    )


def test_nothing_that_is_opened_takes_the_place_of_a_closed_stream(tmp_path):
    code = "import lab, sys; f = open('x', 'w'); print('out'); print('err', file=sys.stderr); "
    code += "f.write('mine')"
    subprocess.run(
        f'{sys.executable} -c "{code}" >&- 2>&-',
        shell=True,
        check=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert (tmp_path / "x").read_text() == "mine"


class Console:
    """What an editor has for a terminal: it takes text, and no more."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text


class FlushedConsole(Console):
    def flush(self):
        pass


def run_with(streams, main, monkeypatch):
    """The status with which `cli.run` leaves."""
    monkeypatch.setattr("sys.argv", ["evaluate.py"])
    monkeypatch.setattr("sys.stdout", streams[0])
    monkeypatch.setattr("sys.stderr", streams[1])
    with pytest.raises(SystemExit) as left:
        cli.run(main)
    return left.value.code


@pytest.mark.parametrize("console", [Console, FlushedConsole])
def test_a_stream_that_only_takes_text_or_that_was_closed_will_do(console, monkeypatch):
    def main():
        say("done")
        raise OSError(28, "No space left on device")

    out, err = console(), console()
    assert run_with([out, err], main, monkeypatch) == 2
    assert (out.text, err.text) == ("done\n", "evaluate.py: error: No space left on device\n")
    closed = io.StringIO()
    closed.close()
    assert run_with([closed, closed], main, monkeypatch) == 2


def test_a_current_folder_that_is_gone_is_named(monkeypatch, tmp_path):
    err = Console()
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert run_with([Console(), err], lambda: 0, monkeypatch) == 2
    assert err.text == "evaluate.py: error: the current folder is gone: change to another\n"


def test_packages_of_the_users_own_hide_none_of_ours(tmp_path):
    """As "models", of which there may be one on PYTHONPATH; or all of a folder whose name ends as
    one of packages.
    """
    for name in ("models", "lab"):
        (tmp_path / "my-packages" / name).mkdir(parents=True)
        (tmp_path / "my-packages" / name / "__init__.py").write_text(
            "raise SystemExit('not ours')\n"
        )
    shutil.copytree(ROOT / "tests" / "earlier" / "dense", tmp_path / "dense")
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "my-packages")}
    code = "from lab import cli; import models, random; print(models.__file__, random.__file__)"
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}"]
    found = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout.split()
    assert found == [
        str(ROOT / "models" / "__init__.py"),
        os.path.join(os.path.dirname(os.__file__), "random.py"),
    ]


@pytest.mark.parametrize(
    ("name", "hidden"),
    [("random", ""), ("json", ""), ("queue", ""), ("rich", "rich.py hides the package rich")],
)
def test_a_file_beside_the_scripts_that_is_called_as_a_module(name, hidden, tmp_path):
    for folder in ("lab", "models"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "evaluate.py", tmp_path)
    (tmp_path / f"{name}.py").write_text("x = 1\n")
    command = [sys.executable, tmp_path / "evaluate.py", "-m", "x", "--results-dir", tmp_path]
    assert_refused(
        subprocess.run(command, capture_output=True, text=True), hidden or "there is no run in"
    )


@pytest.mark.parametrize("columns", [1, 12, 80])
def test_a_terminal_of_any_width_will_do(columns, tmp_path):
    mine, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, columns))
    command = [
        sys.executable,
        ROOT / "evaluate.py",
        "-m",
        "dense",
        "conv",
        "--results-dir",
        shutil.copytree(ROOT / "tests" / "earlier", tmp_path / "results"),
    ]
    with subprocess.Popen(
        command, stdin=terminal, stdout=terminal, stderr=subprocess.PIPE, text=True
    ) as process:
        os.close(terminal)
        with contextlib.suppress(OSError):  # so Linux says that it has been closed
            while os.read(mine, 100_000):
                pass
        assert (process.stderr.read(), process.wait()) == ("", 0)
    os.close(mine)


@pytest.mark.parametrize("columns", ["0", "1", "²", "-3", "", "9" * 5000, "4" * 6, "x", "１００"])
def test_a_width_that_is_none_is_as_if_it_were_not_given(columns, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("LINES", columns)
    environment.settle()
    say("word " * 100)
    console.table([{"a": "1", "b": "2"}])
    assert "COLUMNS" not in os.environ and capsys.readouterr().out.startswith("word " * 50)


def test_a_width_is_taken_and_what_is_documented_stays(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "40")
    names = {
        "LAB_DATA_DIR": "/d",
        "KERAS_HOME": "/k",
        "CUDA_VISIBLE_DEVICES": "0",
        "HTTPS_PROXY": "p",
    }
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("KERAS_MAX_EPOCHS", "1")
    environment.settle()
    say("word " * 20)
    assert max(map(len, capsys.readouterr().out.splitlines())) < 40
    assert {
        name: os.environ[name] for name in names
    } == names and "KERAS_MAX_EPOCHS" not in os.environ


def test_a_broken_configuration_of_dask_is_named(data_dir, tmp_path):
    (tmp_path / "broken.yaml").write_text("a: [\n b: {")
    flags = [*SMALL, "--repeats", "2", "--data-dir", data_dir, "--results-dir", tmp_path]
    done = script("train", *flags, env=os.environ | {"DASK_CONFIG": str(tmp_path)})
    assert_refused(done, "Dask's configuration cannot be read (")


def test_git_is_asked_about_this_repository(monkeypatch, tmp_path):
    """Also from within a hook of another one, where git sets which that is."""
    from lab.runs import code

    before = code.checkout.__wrapped__()[0]
    monkeypatch.setenv("GIT_DIR", str(tmp_path))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path))
    assert code.checkout.__wrapped__()[0] == before


@pytest.mark.slow
def test_what_a_notebook_has_set_of_keras_does_not_hold(undisturbed, data_dir, tmp_path):
    """Keras may have been imported before us, by a user who meant something else."""
    code = f"""
import sys
import keras
keras.config.set_max_epochs(1)
keras.config.set_max_steps_per_epoch(1)
keras.config.set_epsilon(0.5)
keras.config.set_floatx("float64")
sys.path.insert(0, {str(ROOT)!r})
import train
from lab import cli
cli.run(train.main)
"""
    flags = [*SMALL, "--data-dir", data_dir, "--results-dir", tmp_path]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, flags)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert outcome(tmp_path / "x") == undisturbed


def test_call_of_a_script_leaves_the_streams_alone():
    before = sys.stdout, sys.stderr
    call("evaluate", "-h")
    assert (sys.stdout, sys.stderr) == before
