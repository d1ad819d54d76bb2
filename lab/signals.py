"""Ctrl-C and SIGTERM, which SLURM and containers send before the end: both stop what is under way."""

import contextlib
import signal


class Terminated(KeyboardInterrupt):
    """What SIGTERM raises: wherever Ctrl-C is taken, so is it."""


def _terminate(number, frame):
    raise Terminated


def take_sigterm(handler=_terminate):
    """Let SIGTERM raise `Terminated`, or go to another handler; gives back the one that it went to."""
    return signal.signal(signal.SIGTERM, handler)


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
