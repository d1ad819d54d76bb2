"""The device: choose CPU or GPU and how threads share the work, and name what was chosen."""

import contextlib
import os
import platform
import time
from pathlib import Path
from typing import NamedTuple

from lab.backend.startup import import_tensorflow
from lab.console import say
from lab.settings import UserError, convolves

LEAST_SHARE = 8  # images of a batch to a thread


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
        choose_backend()
        running = _set_up(setup, import_tensorflow())
        _running = _running or running
    from lab.backend.networks import reset_keras  # with Keras

    reset_keras()
    return _running


def choose_backend():
    """Make TensorFlow Keras's backend, here and in all processes that this one starts; say so if
    the user chose another.
    """
    chosen = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if chosen != "tensorflow":
        say(f"Note: KERAS_BACKEND={chosen} is ignored: the lab trains on TensorFlow.")
    os.environ["KERAS_BACKEND"] = "tensorflow"


def _set_up(setup, gpus):
    """Let TensorFlow use the first of these GPUs, or the CPU, if it does not yet run; raises as
    `start`.
    """
    import tensorflow as tf

    if setup.device == "gpu" and not gpus:
        raise UserError(
            "no GPU found: on Linux with an NVIDIA GPU, install its driver and "
            "`pip install 'tensorflow[and-cuda]'`; or use --device cpu"
        )
    gpus = [] if setup.device == "cpu" else gpus[:1]
    threads = setup.threads or cores()
    shares = threads if setup.inter_op and not gpus else 1
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        name = f"GPU: {details.get('device_name', 'unknown')}"
    else:
        name = f"CPU: {_processor()}, {threads} thread{'s' if threads > 1 else ''}"
    running = Running(setup, name, shares)
    if _running:
        if running[1:] != _running[1:]:
            raise UserError(
                "TensorFlow already runs in this process, with another --device or --threads"
            )
        return running
    tf.config.set_visible_devices(gpus, "GPU")
    if shares > 1 or setup.threads:
        tf.config.threading.set_intra_op_parallelism_threads(1 if shares > 1 else threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
        # The same seed is to give the same run, which some GPU kernels promise only on request.
        tf.config.experimental.enable_op_determinism()
    return running


def _processor():
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


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
    if settings.is_own_net:  # of which there are no layers yet: TensorFlow has to be started first
        # Batch normalization needs the whole batch, and cannot be taken out of a network of the
        # user's own.
        apart = convolves(settings.source)
    else:
        apart = settings.network.convolves or settings.precision == "bfloat16"
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
