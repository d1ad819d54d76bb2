"""What several benchmarks share.

Whoever imports it can import the lab, wherever the benchmark is started.
"""

import argparse
import io
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import h5py

ROOT = Path(__file__).parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))


def parser(description):
    """A parser of flags whose help is a module's docstring, with its line breaks."""
    return argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def command(script, *flags, repository=ROOT):
    """The command that runs "train.py" or another script: a list of str."""
    return [sys.executable, str(Path(repository) / script), *map(str, flags)]


def run_quietly(script, *flags):
    """Run a script to its end, without what it prints; CalledProcessError if it fails."""
    subprocess.run(command(script, *flags), check=True, stdout=subprocess.DEVNULL)


def seconds_of(function, *args, **options):
    """Call a function: the seconds that it took."""
    begin = time.perf_counter()
    function(*args, **options)
    return time.perf_counter() - begin


def numbers(path):
    """Every number of a saved model, of its weights and its optimizer.

    Parameters
    ----------
    path : Path
        Of a .keras file.

    Returns
    -------
    dict of str to bytes
        By the array's path within the file.
    """
    found = {}

    def add(name, node):
        if isinstance(node, h5py.Dataset):
            found[name] = node[()].tobytes()

    with zipfile.ZipFile(path) as archive:
        weights = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(weights) as file:
        file.visititems(add)
    return found
