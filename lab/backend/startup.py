"""Import TensorFlow and Keras quietly and fast.

None of what is done to this end is public: `sys.modules` says for a moment that packages are not
there, flags of XLA are experimental, and Keras keeps its folder in a private variable.
"""

import contextlib
import gc
import importlib.metadata
import os
import sys
import tempfile

from lab.io.environment import keras_home, variable

# What Keras imports if it is installed, to take its data or to offer its kind of models; the lab
# needs nothing of it.
_LEFT_OUT = ("sklearn", "pandas", "matplotlib.pyplot")
# XLA's faster settings for small dense nets on a CPU (16% of a step on a machine with AVX-512):
# matrix products by Eigen instead of YNNPACK, and full-width vectors. They are experimental, and
# XLA ends the process over a flag that it does not know, so they are given only to the release
# that they were measured on.
_XLA_FLAGS = "--xla_cpu_experimental_ynn_fusion_type= --xla_cpu_prefer_vector_width=512"
_XLA_FLAGS_FOR = "2.21."


def import_tensorflow():
    """Import TensorFlow and Keras, and give the GPUs that TensorFlow sees; again at no cost."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"  # errors only
    if importlib.metadata.version("tensorflow").startswith(_XLA_FLAGS_FOR):
        os.environ["XLA_FLAGS"] = _XLA_FLAGS
    with _quiet(), _lean_import():
        with _no_keras_json():
            import keras  # noqa: F401
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
    # Else a process that trains several networks is warned of tracing each.
    tf.get_logger().setLevel("ERROR")
    # TensorFlow's import leaves a million objects that live to the end. To visit them in every
    # collection would take a tenth of a second, more than half an epoch of the dense net, and to
    # collect them at exit a whole one.
    gc.freeze()
    return gpus


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
