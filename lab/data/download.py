"""Data sets from the internet, into Keras's own cache, checked against their SHA-256."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

from lab.console import Bar
from lab.data import readers
from lab.io.environment import keras_home
from lab.io.files import opened
from lab.settings import UserError


class Source(NamedTuple):
    """Where a data set is published."""

    url: str
    folder: str  # in Keras's cache
    files: dict  # as Keras calls them -> SHA-256
    reader: Callable  # of their paths: gives the arrays, in the order of `Arrays`


_KERAS_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
_CIFAR_URL = "https://www.cs.toronto.edu/~kriz/"
_MNIST = {"mnist.npz": "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"}
_FASHION_MNIST = {
    "train-images-idx3-ubyte.gz": (
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"
    ),
    "train-labels-idx1-ubyte.gz": (
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"
    ),
    "t10k-images-idx3-ubyte.gz": (
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"
    ),
    "t10k-labels-idx1-ubyte.gz": (
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"
    ),
}
_CIFAR10 = {
    "cifar-10-binary.tar.gz": "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
}
SOURCES = {
    "mnist": Source(_KERAS_URL, ".", _MNIST, readers.read_npz),
    "fashion_mnist": Source(_KERAS_URL, "fashion-mnist", _FASHION_MNIST, readers.read_idx),
    "cifar10": Source(_CIFAR_URL, ".", _CIFAR10, readers.read_cifar10),
}
# Seconds to connect, and to wait for the next bytes: offline machines should learn soon that they
# are.
_TIMEOUT = (5, 30)


class Unreachable(Exception):
    """The internet, or the file's place on it, does not answer."""


def fetch(source):
    """The paths of a data set's files in Keras's cache, downloaded where they are not there or not
    the right ones.

    Parameters
    ----------
    source : Source

    Raises
    ------
    Unreachable
    """
    try:
        folder = cache() / source.folder
    except OSError as error:
        raise Unreachable(error) from error
    return [
        _fetch(folder / file, source.url + file, sha256) for file, sha256 in source.files.items()
    ]


def cache():
    """Keras's own folder of data sets; OSError for a user without a home."""
    return Path(keras_home(), "datasets")


def _fetch(path, url, sha256):
    try:
        with opened(path, "arrays") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == sha256:
                return path
    except FileNotFoundError:
        pass
    except ValueError as error:
        raise UserError(f"{path}: {error}; remove it") from error
    import pooch  # here, since it brings the whole of `requests`, and downloads are rare
    from filelock import FileLock

    lock = path.with_name(f".{path.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.touch()
    except OSError as error:
        raise Unreachable(f"cannot write to {path.parent}") from error
    with Bar(f"downloading {path.name}") as bar, FileLock(lock):
        # In the shape that pooch asks for; it sets the total.
        progress = SimpleNamespace(total=None, close=lambda: None)
        progress.update = lambda count: bar.advance(count, total=progress.total)
        progress.reset = lambda: bar.restart(progress.total)
        downloader = pooch.HTTPDownloader(progressbar=progress, timeout=_TIMEOUT)
        pooch.get_logger().setLevel("ERROR")
        try:
            pooch.retrieve(url, f"sha256:{sha256}", path.name, path.parent, downloader=downloader)
        except OSError as error:  # what `requests` raises is one
            raise Unreachable(f"no answer from {url.split('/')[2]}") from error
        except ValueError as error:  # pooch's word for a wrong hash; the file is not kept
            raise Unreachable(f"{url} is not the file it should be") from error
    return path
