"""The device: start TensorFlow quietly, choose CPU or GPU and the number of threads, name what was
chosen.
"""

import contextlib
import gc
import importlib.metadata
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from lab.console import say
from lab.io.environment import keras_home, variable
from lab.settings import UserError, convolves

# What Keras imports if it is installed, to take its data or to offer its kind of models; the lab
# needs nothing of it.
_LEFT_OUT = ("sklearn", "pandas", "matplotlib.pyplot")
LEAST_SHARE = 8  # images of a batch to a thread
# XLA's faster settings for small dense nets on a CPU (16% of a step on a machine with AVX-512):
# matrix products by Eigen instead of YNNPACK, and full-width vectors. They are experimental, and
# XLA ends the process over a flag that it does not know, so they are given only to the release
# that they were measured on.
_XLA_FLAGS = "--xla_cpu_experimental_ynn_fusion_type= --xla_cpu_prefer_vector_width=512"
_XLA_FLAGS_FOR = "2.21."


class Setup(NamedTuple):
    """What TensorFlow is started with."""

    device: str = "auto"  # or "cpu" or "gpu"
    threads: int | None = None  # None: one a core
    inter_op: bool = False  # on a CPU, each thread at an operation of its own: see `suits_inter_op`


class Running(NamedTuple):
    """What TensorFlow runs with in this process."""

    setup: Setup
    name: str  # of the device, as in "CPU: AMD EPYC, 2 threads"
    shares: int  # threads that work on operations of their own


_running = None
_began = None  # when TensorFlow's start began, until it was told


def start(setup):
    """Import TensorFlow without its log lines and set it up, before anything else imports it; once
    in a process.

    Parameters
    ----------
    setup : Setup

    Returns
    -------
    Running

    Raises
    ------
    UserError
        If a GPU is asked for and there is none, or TensorFlow already runs with another setup.
    """
    global _running, _began
    if _running is None:
        _began = time.perf_counter()
    if _running is None or _running.setup != setup:
        _run_with(setup, _import_tensorflow())
    from lab.backend.networks import reset_keras  # with Keras

    reset_keras()
    return _running


def _run_with(setup, gpus):
    """Set TensorFlow up for the first of these GPUs, or for the CPU; raises as `start`."""
    global _running
    if setup.device == "gpu" and not gpus:
        raise UserError(
            "no GPU found: on Linux with an NVIDIA GPU, install its driver and `pip install 'tensorflow[and-cuda]'`; "
            "or use --device cpu"
        )
    use_gpu = bool(gpus) and setup.device != "cpu"
    count = setup.threads or cores()
    apart = setup.inter_op and not use_gpu
    name = (
        _gpu_name(gpus[0])
        if use_gpu
        else f"CPU: {_processor()}, {count} thread{'s' if count > 1 else ''}"
    )
    running = Running(setup, name, count if apart else 1)
    if _running is None:
        _choose(gpus[:1] if use_gpu else [], count if apart or setup.threads else None, apart)
        _running = running
    elif running[1:] != _running[1:]:
        raise UserError(
            "TensorFlow already runs in this process, with another --device or --threads"
        )


def choose_backend():
    """Make TensorFlow Keras's backend, here and in all processes that this one starts; say so if
    the user chose another.
    """
    chosen = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if chosen != "tensorflow":
        say(f"Note: KERAS_BACKEND={chosen} is ignored: the lab trains on TensorFlow.")
    os.environ["KERAS_BACKEND"] = "tensorflow"


def _import_tensorflow():
    """The GPUs that TensorFlow sees, once it is imported."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"  # errors only
    if importlib.metadata.version("tensorflow").startswith(_XLA_FLAGS_FOR):
        os.environ["XLA_FLAGS"] = _XLA_FLAGS
    choose_backend()
    with _quiet(), _lean_import():
        with _no_keras_json():
            import keras  # noqa: F401
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
    tf.get_logger().setLevel(
        "ERROR"
    )  # a process that trains several networks is warned of tracing each
    # TensorFlow's import leaves a million objects that live to the end. To visit them in every
    # collection would take a tenth of a second, more than half an epoch of the dense net, and to
    # collect them at exit a whole one.
    gc.freeze()
    return gpus


def _choose(gpus, threads, inter_op):
    """Let TensorFlow use these GPUs, or so many CPU threads."""
    import tensorflow as tf

    tf.config.set_visible_devices(gpus, "GPU")
    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(1 if inter_op else threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    if gpus:
        tf.config.experimental.set_memory_growth(gpus[0], True)
        # The same seed is to give the same run, which some GPU kernels promise only on request.
        tf.config.experimental.enable_op_determinism()


def seconds_since_start():
    """Seconds since TensorFlow's start began in this process, told once, to the run that waited
    for it; then None.
    """
    global _began
    began, _began = _began, None
    return began and time.perf_counter() - began


def running():
    """What TensorFlow runs with in this process: a Running; None if it was not started."""
    return _running


def has_gpu():
    """Whether TensorFlow, once it runs, computes on a GPU."""
    import tensorflow as tf

    return bool(tf.config.list_logical_devices("GPU"))


def setup_of(settings, threads=None):
    """What `start` is to be called with for a run.

    Parameters
    ----------
    settings : Settings
    threads : int, optional
        Of a run that has no setting of its own.

    Returns
    -------
    Setup
    """
    threads = settings.threads or threads
    return Setup(settings.device, threads, suits_inter_op(settings, threads or cores()))


def suits_inter_op(settings, threads):
    """Whether a run is faster with each of so many CPU threads at operations of its own, on a
    share of each batch.

    Threads that share every operation wait for each other a hundred times a step, threads with a
    share of the batch once: with two of them, a step of a convolutional net takes 10 to 20% less.
    Dense nets are compiled with XLA, which knows only shared operations, but for those in
    bfloat16; and a share of a few images would not be worth it.
    """
    convolutional = settings.network.convolves
    if settings.is_own_net:  # of which there are no layers yet: TensorFlow has to be started first
        # Batch normalization needs the whole batch, and cannot be taken out of a network of the
        # user's own.
        convolutional = convolves(settings.source)
    apart = convolutional or (settings.precision == "bfloat16" and not settings.is_own_net)
    return threads > 1 and apart and settings.batch_size >= LEAST_SHARE * threads


def shares_of(settings):
    """Into how many shares a run's batches are cut on the device in use: one for each thread that
    works by itself.
    """
    count = _running.shares
    return count if suits_inter_op(settings, count) else 1


def cores():
    """How many CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _gpu_name(gpu):
    import tensorflow as tf

    return "GPU: " + tf.config.experimental.get_device_details(gpu).get("device_name", "unknown")


def _processor():
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


@contextlib.contextmanager
def _lean_import():
    """Within this context an import takes 60% of its time: what Keras imports only because it is
    there, is not, for now, and the many new objects are not searched for garbage again and again.
    """
    left_out = {name: None for name in _LEFT_OUT if name not in sys.modules}
    sys.modules.update(left_out)  # to import them is an ImportError, on which Keras does without
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
        for name in left_out:
            sys.modules.pop(name, None)


@contextlib.contextmanager
def _no_keras_json():
    """Within this context Keras is imported without a keras.json, which may say anything, or be
    none.
    """
    with tempfile.TemporaryDirectory() as empty, variable("KERAS_HOME", empty):
        yield
    from keras.src.backend import config

    with contextlib.suppress(OSError):  # a user without a home
        # Where a network of the user's own keeps what it downloads: Keras knows no public way to
        # change it.
        config._KERAS_DIR = keras_home()


@contextlib.contextmanager
def _quiet():
    """Keep from the terminal what C++ code logs to it, which no setting prevents; shown after all
    if something fails.
    """
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            yield
        except Exception:
            log.seek(0)
            os.write(terminal, log.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
