"""What we use of Keras and TensorFlow that their documentation does not promise, and what for.

The rest of it: the layers within a model (`introspection`), layers whose `call` is replaced
(`quick`), and how TensorFlow is imported (`startup`). `tests/test_backend.py` has a test for each,
which says what broke when a release changes it.
"""

import contextlib
import sys

import keras
from keras.src.utils.naming import reset_uids
from tensorflow.python.framework import ops

_GRADIENTS = ops.gradient_registry._registry  # by name, those of one's own too
_traced = []  # names of gradients that `forget_gradients` is to forget


def name_layers_anew():
    """Let Keras name layers as in a new process, so that they are named alike in every run.

    The public `clear_session` would do that, too, but have TensorFlow make its kernels anew, which
    takes a megabyte a run that is never freed.
    """
    reset_uids()


def train_on_one_device(optimizer):
    """Let an optimizer apply its gradients as they are.

    There is nothing to add up over devices, and what Keras does for it, TensorFlow keeps for good,
    and the graph with it.
    """
    optimizer._all_reduce_sum_gradients = list


@contextlib.contextmanager
def own_gradient():
    """Within this context a `tf.custom_gradient` is traced that `forget_gradients` forgets."""
    known = set(_GRADIENTS)
    yield
    _traced.extend(set(_GRADIENTS) - known)


def forget_gradients():
    """To be called once the gradients of what was traced are taken.

    TensorFlow never frees the function of a custom gradient, and all of its graph with it: 15 MB
    for each model that is compiled.
    """
    while _traced:
        _GRADIENTS.pop(_traced.pop(), None)


@contextlib.contextmanager
def weights_later():
    """Within this context networks are built whose weights take memory only at its end, and none if
    anything is raised: a run's settings may ask for more than there is.
    """
    with keras.StatelessScope():
        try:
            yield
        except BaseException:
            keras.utils.clear_session(free_memory=False)  # forgets them
            raise


@contextlib.contextmanager
def unknown_module(name):
    """Within this context, nothing is known of a module of this name, nor of what was registered
    for Keras.
    """
    registered = keras.saving.get_custom_objects()
    known, module = dict(registered), sys.modules[name]
    registered.clear()
    sys.modules[name] = None
    try:
        yield
    finally:
        registered.update(known)
        sys.modules[name] = module


def train_writer(board):
    """The writer of a `keras.callbacks.TensorBoard` for the curves of training.

    TensorBoard follows one file of a folder only, so that pictures have to go into the same one.
    """
    return board._train_writer
