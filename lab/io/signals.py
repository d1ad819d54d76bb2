"""Ctrl-C, and SIGTERM, which SLURM and containers send before the end: both stop what is under
way.
"""

import contextlib
import os
import signal
import sys
import threading


class Terminated(KeyboardInterrupt):
    """What SIGTERM raises: wherever Ctrl-C is taken, so is it."""


def _terminate(number, frame):
    raise Terminated


def take_sigterm(handler=_terminate):
    """Let SIGTERM raise `Terminated`, or go to another handler; gives back the one that it went to.

    Nothing but the main thread may: in another, as of an editor's console, SIGTERM stays what it
    is.
    """
    if handler is None or threading.current_thread() is not threading.main_thread():
        return None
    sys.unraisablehook = _raise_again
    return signal.signal(signal.SIGTERM, handler)


def _raise_again(unraisable):
    """Send a signal anew whose exception Python has swallowed, as it does in the callback of a
    weak reference.
    """
    if not issubclass(unraisable.exc_type, KeyboardInterrupt):
        return sys.__unraisablehook__(unraisable)
    number = signal.SIGTERM if issubclass(unraisable.exc_type, Terminated) else signal.SIGINT
    again = threading.Timer(0.05, os.kill, (os.getpid(), number))  # not from within the callback
    again.daemon = True
    again.start()


def interrupt_of(number):
    """The exception that a signal stands for."""
    return Terminated if number == signal.SIGTERM else KeyboardInterrupt


@contextlib.contextmanager
def ignored():
    """For the seconds in which Ctrl-C would leave processes or tracebacks behind."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
