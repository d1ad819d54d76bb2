"""Data sets from the internet, into Keras's own cache, checked against their SHA-256."""

import hashlib
import os
from pathlib import Path

from lab.console import Bar

_KERAS_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
# name -> (folder in the cache, {file: (URL, SHA-256)}), the files as Keras calls them.
SOURCES = {
    "mnist": (
        ".",
        {"mnist.npz": (_KERAS_URL, "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1")},
    ),
    "fashion_mnist": (
        "fashion-mnist",
        {
            "train-images-idx3-ubyte.gz": (
                _KERAS_URL,
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            ),
            "train-labels-idx1-ubyte.gz": (
                _KERAS_URL,
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            ),
            "t10k-images-idx3-ubyte.gz": (
                _KERAS_URL,
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            ),
            "t10k-labels-idx1-ubyte.gz": (
                _KERAS_URL,
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            ),
        },
    ),
    "cifar10": (
        ".",
        {
            "cifar-10-binary.tar.gz": (
                "https://www.cs.toronto.edu/~kriz/",
                "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            )
        },
    ),
}
# Seconds to connect, and to wait for the next bytes: offline machines should learn soon that they are.
_TIMEOUT = (5, 30)


class Unreachable(Exception):
    """The internet, or the file's place on it, does not answer."""


def fetch(name):
    """The paths of a data set's files in Keras's cache, downloaded where they are not there or not the right ones.

    Parameters
    ----------
    name : str
        A data set that is published somewhere.

    Raises
    ------
    Unreachable
    """
    return [_fetch(name, file) for file in SOURCES[name][1]]


def _cache():
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras", "datasets")


def _fetch(name, file):
    """The path of a data set's file in Keras's cache, downloaded if it is not there or not the right one."""
    folder, (url, sha256) = _cache() / SOURCES[name][0], SOURCES[name][1][file]
    path = folder / file
    if path.exists() and _sha256(path) == sha256:
        return path
    import pooch  # here, since it brings the whole of `requests`, and downloads are rare
    from filelock import FileLock

    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f".{file}.lock").touch()
    except OSError as error:
        raise Unreachable(f"cannot write to {folder}") from error
    with Bar(f"downloading {file}") as bar, FileLock(folder / f".{file}.lock"):
        download = pooch.HTTPDownloader(progressbar=_PoochBar(bar), timeout=_TIMEOUT)
        pooch.get_logger().setLevel("ERROR")
        try:
            return Path(pooch.retrieve(url + file, f"sha256:{sha256}", file, folder, downloader=download))
        except OSError as error:  # what `requests` raises is one
            raise Unreachable(f"no answer from {url.split('/')[2]}") from error
        except ValueError as error:  # pooch's word for a wrong hash; the file is not kept
            raise Unreachable(f"{url}{file} is not the file it should be") from error


def _sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _PoochBar:
    """Our bar in the shape that pooch asks for."""

    def __init__(self, bar):
        self.bar, self._total = bar, 0

    @property
    def total(self):
        return self._total

    @total.setter
    def total(self, size):
        self._total = size
        self.bar.restart(size)

    def update(self, count):
        self.bar.advance(count)

    def reset(self):
        self.bar.restart(self._total)

    def close(self):
        pass
