"""One function on many arguments, on all cores.

Not by joblib: its processes outlive a parent that was killed, and take seconds to start.
"""

import concurrent.futures
import contextlib
import multiprocessing
import os
import signal
import threading

from lab.io.environment import variable


def in_parallel(function, several, least, advance):
    """The results of a function for some arguments, in their order: a list.

    Parameters
    ----------
    function : function of one argument
        Which another process finds by its name.
    several : list
        Its arguments.
    least : int
        So many of them are worth the start of other processes, which takes half a second.
    advance : function of int
        Called with 1 whenever there is one more result.
    """
    results = map(function, several)
    with contextlib.ExitStack() as stack:
        if len(several) >= least:
            # Other processes are not to find modules in the current folder.
            stack.enter_context(variable("PYTHONSAFEPATH", "1"))
            pool = concurrent.futures.ProcessPoolExecutor(
                mp_context=multiprocessing.get_context("spawn"), initializer=_end_with_parent
            )
            stack.callback(pool.shutdown, cancel_futures=True)
            # A call each would take longer than what is small.
            size = max(1, len(several) // (8 * os.cpu_count()))
            results = pool.map(function, several, chunksize=size)
        counted = []
        for result in results:
            counted.append(result)
            advance(1)
    return counted


def _end_with_parent():
    """Leave Ctrl-C to the process that has started this one, and end when it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def wait():
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
