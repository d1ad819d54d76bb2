"""What building, training or evaluating a network raises, in a line for the user."""

import contextlib

import tensorflow as tf

from lab.backend.own_networks import user_code
from lab.settings import UserError


@contextlib.contextmanager
def in_words(own=None):
    """Within this context, what a network raises becomes a UserError: if memory does not suffice,
    and of the user's own code whatever it be.

    Parameters
    ----------
    own : Settings, optional
        Of a network of the user's own whose code runs here.
    """
    no_memory = tf.errors.ResourceExhaustedError, MemoryError
    passing = UserError, OSError, *no_memory
    try:
        with user_code(own.net, passing=passing) if own else contextlib.nullcontext():
            yield
    except no_memory as error:
        raise UserError(
            "not enough memory for this network: use fewer hidden units or a smaller batch"
        ) from error
