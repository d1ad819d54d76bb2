"""The device: start TensorFlow quietly, choose CPU or GPU and the number of threads, name what was chosen."""

import contextlib
import gc
import importlib.metadata
import os
import platform
import sys
import tempfile
from pathlib import Path

from lab.errors import UserError
from lab.settings import CONVOLUTIONAL

LEAST_SHARE = 8  # images of a batch to a thread
# XLA's faster settings for small dense nets on a CPU (16% of a step on a machine with AVX-512): matrix products by Eigen
# instead of YNNPACK, and full-width vectors. They are experimental, and XLA ends the process over a flag that it does not
# know, so they are given only to the release that they were measured on.
_XLA_FLAGS = "--xla_cpu_experimental_ynn_fusion_type= --xla_cpu_prefer_vector_width=512"
_XLA_FLAGS_FOR = "2.21."


def start(device="auto", threads=None, inter_op=False):
    """Import TensorFlow without its log lines and set it up. To be called once, before anything else imports it.

    Parameters
    ----------
    device : "auto", "cpu" or "gpu"
    threads : int, or None for one a core
    inter_op : bool
        Of a CPU: each thread works on an operation of its own, not all of them on parts of the same; see `suits_inter_op`.

    Returns
    -------
    str
        The device's name, e.g. "CPU: AMD EPYC, 2 threads".

    Raises
    ------
    UserError
        If a GPU is asked for and there is none.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # errors only
    if importlib.metadata.version("tensorflow").startswith(_XLA_FLAGS_FOR):
        os.environ["XLA_FLAGS"] = f"{_XLA_FLAGS} {os.environ.get('XLA_FLAGS', '')}".strip()  # the user's word comes last
    os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever the user's keras.json says; likewise the two below
    with _quiet():
        import keras
        import tensorflow as tf

        keras.config.set_floatx("float32")
        keras.config.set_image_data_format("channels_last")

        gpus = tf.config.list_physical_devices("GPU")
    tf.get_logger().setLevel("ERROR")  # a process that trains several networks is warned of tracing each
    # TensorFlow's import leaves a million objects that live to the end. To visit them in every collection would take a
    # tenth of a second, more than half an epoch of the dense net, and to collect them at exit a whole one.
    gc.freeze()
    if device == "gpu" and not gpus:
        raise UserError(
            "no GPU found: on Linux with an NVIDIA GPU, install its driver and `pip install tensorflow[and-cuda]`; "
            "or use --device cpu"
        )
    use_gpu = bool(gpus) and device != "cpu"
    tf.config.set_visible_devices(gpus[:1] if use_gpu else [], "GPU")
    count = threads or cores()
    if inter_op and not use_gpu:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(count)
    elif threads:
        tf.config.threading.set_intra_op_parallelism_threads(count)
        tf.config.threading.set_inter_op_parallelism_threads(count)
    if use_gpu:
        tf.config.experimental.set_memory_growth(gpus[0], True)
        # The same seed is to give the same run, which some GPU kernels promise only on request.
        tf.config.experimental.enable_op_determinism()
        return "GPU: " + tf.config.experimental.get_device_details(gpus[0]).get("device_name", "unknown")
    return f"CPU: {_processor()}, {count} thread{'s' if count > 1 else ''}"


def setup_of(config, threads=None):
    """What `start` is to be called with for a run.

    Parameters
    ----------
    config : RunConfig
    threads : int, optional
        Of a run that has no setting of its own.

    Returns
    -------
    device, threads, inter_op
    """
    threads = config.threads or threads
    return config.device, threads, suits_inter_op(config, threads)


def suits_inter_op(config, threads=None):
    """Whether a run is faster with every CPU thread at operations of its own, on a share of each batch (`models.resident`).

    Threads that share every operation wait for each other a hundred times a step, threads with a share of the batch once:
    with two of them, a step of a convolutional net takes 10 to 20% less. Dense nets are compiled with XLA, which knows only
    shared operations; batch normalization needs the whole batch; and a share of a few images would not be worth it.

    Parameters
    ----------
    config : RunConfig
    threads : int, or None for one a core
    """
    count = threads or cores()
    whole = config.net not in CONVOLUTIONAL or config.batch_norm
    return count > 1 and not whole and config.batch_size >= LEAST_SHARE * count


def cores():
    """How many CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def versions():
    """The versions that a run depends on: package -> version."""
    packages = ("tensorflow", "keras", "numpy")
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in packages}


def _processor():
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


@contextlib.contextmanager
def _quiet():
    """Keep from the terminal what C++ code logs to it, which no setting prevents; shown after all if something fails."""
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
