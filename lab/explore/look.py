"""From flags to what is to be drawn: a data set, or a topic of the theory."""

from lab import runs
from lab.data import find
from lab.explore import dataset, theory
from lab.settings import CLASSES, POINTS, UserError


def visualize(name, topic, data_dir, results_dir, resize=None):
    """Print the numbers of a data set or a topic, and draw its figures.

    Parameters
    ----------
    name : str or None
        Of a data set; None: MNIST, or its stand-in.
    topic : str or None
        Of the theory: that instead.
    data_dir, results_dir : path
    resize : int, optional
        As of `Settings`.

    Returns
    -------
    list of Path
        The figures.

    Raises
    ------
    UserError
        If the data set cannot be had, or nothing can be written.
    """
    if topic:
        place = runs.Beside.THEORY
    elif name in POINTS:
        raise UserError(f"the data set {name} has points, not images, to look at")
    else:
        name, arrays = find(name, data_dir, resize)
        place = f"{runs.Beside.DATASETS}/{runs.plain_name(name)}"
        if arrays.path and runs.plain_name(name) in CLASSES:
            place += "-own"
    folder = runs.folder_of(results_dir, place)
    runs.make_free(folder)
    if topic:
        return runs.save_figures({f"{topic}.png": theory.draw_theory(topic)}, folder)
    dataset.print_table(name, arrays)
    return runs.save_figures(dataset.draw_dataset(name, arrays), folder)
