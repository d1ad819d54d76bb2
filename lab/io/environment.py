"""What surrounds a process: variables, the three standard streams, files of the user's that
libraries look for.

None of them changes a result or a status, but for those that docs/runs.md names.
"""

import contextlib
import importlib.util
import io
import logging
import os
import re
import shutil
import sys
import warnings
from pathlib import Path

# Variables of libraries that we use. They would change how TensorFlow computes, end Keras's epochs
# early, or, being nonsense, end the process while a library is imported.
_OF_LIBRARIES = (
    "AUTOGRAPH_",
    "DNNL_",
    "H5PY_",
    "HDF5_",
    "JAX_",
    "KERAS_",
    "MATPLOTLIB",
    "MKL_",
    "MPLBACKEND",
    "NPY_",
    "NUMPY_",
    "NVIDIA_TF32",
    "ONEDNN_",
    "OPENBLAS_",
    "PANDAS_",
    "PILLOW_",
    "PLOTLY_",
    "PROTOCOL_BUFFERS_",
    "PYDANTIC_",
    "PYTHONWARNINGS",
    "SCIPY_",
    "SKLEARN_",
    "SOURCE_DATE_EPOCH",
    "SQLALCHEMY_",
    "TF2_",
    "TF_",
    "XLA_",
)
# Data sets lie in the first; the user is told that we choose the second; some file systems know no
# locks; and on a shared machine, somebody may have only some of the cores.
_KEPT = (
    "KERAS_HOME",
    "KERAS_BACKEND",
    "HDF5_USE_FILE_LOCKING",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
)
_LEAST_COLUMNS = 20  # of a terminal: else there is no room for a word
_COLUMNS = re.compile("[2-9][0-9]|[1-9][0-9][0-9]|1000")


def settle():
    """Take what libraries would read of the environment out of it, and open standard streams that
    are closed.

    To be called before a library is imported; again at no cost.
    """
    for name in list(os.environ):
        if name.startswith(_OF_LIBRARIES) and name not in _KEPT:
            del os.environ[name]
    os.environ.pop("LINES", None)  # which rich takes for a number unseen, as it does
    if not _COLUMNS.fullmatch(os.environ.get("COLUMNS", "")):
        os.environ.pop("COLUMNS", None)
        if shutil.get_terminal_size().columns < _LEAST_COLUMNS:  # of the terminal itself
            os.environ["COLUMNS"] = str(_LEAST_COLUMNS)
    # That turn warnings into errors, perhaps: most are about libraries that libraries use.
    if sys.warnoptions:
        warnings.simplefilter("ignore")
    _open_streams()


@contextlib.contextmanager
def variable(name, value):
    """Within this context, a variable of the environment has this value."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


def keras_home():
    """Keras's folder, in which data sets are cached: a str; FileNotFoundError for a user without a
    home.
    """
    home = os.path.expanduser(os.environ.get("KERAS_HOME") or "~/.keras")
    if home.startswith("~"):
        raise FileNotFoundError(
            "there is no home folder for the cache: name a folder in KERAS_HOME"
        )
    return home


def _open_streams():
    """Let standard streams that were closed lead nowhere, since a file that is opened next would
    take their place; make whole ones of those that only take text.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest that is free
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None or getattr(stream, "closed", False):
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 (it stays open)
        elif not hasattr(stream, "flush"):
            setattr(sys, name, _Text(stream))


class _Text(io.TextIOBase):
    """A stream that writes to what only takes text, as an editor's console may."""

    def __init__(self, console):
        self.console = console

    def write(self, text):
        self.console.write(text)
        return len(text)


def import_matplotlib():
    """Import matplotlib with its own defaults, whatever a ``matplotlibrc`` of the user's says.

    It looks for that file in the current folder first: so, while it is imported, the current
    folder is where its own one lies.
    """
    # It warns of a home that it cannot write to, among others.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    spec = importlib.util.find_spec("matplotlib")
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # the current folder is gone
            if spec:
                stack.enter_context(contextlib.chdir(Path(spec.origin).parent / "mpl-data"))
        import matplotlib
    # Not `rcdefaults`, which reads the user's styles. The backend stays, where a notebook has
    # imported matplotlib before us.
    for name, value in matplotlib.rcParamsDefault.items():
        if not name.startswith("backend"):
            matplotlib.rcParams[name] = value
