"""What building, training or evaluating a network raises, in a line for the user."""

import contextlib

import tensorflow as tf

from lab.backend import own_networks
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
    passing = UserError, OSError, MemoryError, tf.errors.ResourceExhaustedError
    try:
        with own_networks.user_code(own.net, passing=passing) if own else contextlib.nullcontext():
            yield
    except own_networks.NetworkError as error:
        raise UserError(str(error)) from error
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        raise UserError(
            "not enough memory for this network: use fewer hidden units or a smaller batch"
        ) from error
