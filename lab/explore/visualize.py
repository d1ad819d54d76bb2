"""From flags to what is to be drawn: a data set, or a topic of the theory."""

from pathlib import Path
from typing import NamedTuple

from lab import runs
from lab.data import find
from lab.explore import dataset, theory


class Request(NamedTuple):
    """What is asked of `visualize`: the flags of visualize.py."""

    dataset: str | None = None  # None: MNIST, or its stand-in
    theory: str | None = None  # a topic: that instead
    data_dir: Path | None = None
    results_dir: Path = "results"


def visualize(request):
    """Print the numbers of a data set or a topic, and draw its figures.

    Parameters
    ----------
    request : Request

    Returns
    -------
    list of Path
        The figures.

    Raises
    ------
    UserError
        If the data set cannot be had, or nothing can be written.
    """
    if request.theory:
        folder = _free(request, "theory")
        return runs.save_figures({f"{request.theory}.png": theory.draw(request.theory)}, folder)
    name, arrays = find(request.dataset, request.data_dir)
    folder = _free(request, f"datasets/{name}")
    dataset.print_table(name, arrays)
    return runs.save_figures(dataset.draw(name, arrays), folder)


def _free(request, name):
    folder = runs.folder_of(request.results_dir, name)
    runs.check_free(folder, overwrite=True)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
