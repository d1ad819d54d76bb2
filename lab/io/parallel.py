"""One function on many arguments, on all cores."""

import concurrent.futures
import multiprocessing
import os
import signal
import threading

from lab.io.environment import variable


def in_parallel(function, several, least, advance):
    """The results of a function for some arguments, in their order.

    Parameters
    ----------
    function : function of one argument
        Which another process finds by its name.
    several : list
        Its arguments.
    least : int
        So many of them are worth the start of other processes, which takes half a second.
    advance : function of int
        Called with the number of results that came since it was called last.
    """
    if len(several) < least:
        results = []
        for one in several:
            results.append(function(one))
            advance(1)
        return results
    pool = concurrent.futures.ProcessPoolExecutor(
        mp_context=multiprocessing.get_context("spawn"), initializer=_end_with_parent
    )
    size = max(
        1, len(several) // (8 * os.cpu_count())
    )  # a call each would take longer than what is small
    with variable(
        "PYTHONSAFEPATH", "1"
    ):  # other processes are not to find modules in the current folder
        try:
            ended = [
                pool.submit(_each, function, several[place : place + size])
                for place in range(0, len(several), size)
            ]
            for future in concurrent.futures.as_completed(ended):
                advance(len(future.result()))
            return [result for future in ended for result in future.result()]
        finally:
            pool.shutdown(cancel_futures=True)


def _each(function, several):
    return [function(one) for one in several]


def _end_with_parent():
    """Leave Ctrl-C to the process that has started this one, and end when it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def wait():
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
