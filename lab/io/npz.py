"""Archives of NumPy arrays that anybody may have written. Nothing is ever unpickled."""

import contextlib
import math

import numpy as np

from lab.io.files import check_zip, opened


@contextlib.contextmanager
def npz_in(path, kind, most):
    """The arrays of an .npz file, read one by one as they are asked for: what `numpy.load` gives.

    Parameters
    ----------
    path : path
    kind : str
        As of `files.opened`.
    most : int
        Bytes of all arrays, unpacked.

    Raises
    ------
    ValueError
        If the file is none, or an array is larger than that or shorter than its header says. A
        broken archive fails in many other ways, too.
    """
    with opened(path, kind) as packed:
        check_zip(packed)
        with np.load(packed, allow_pickle=False) as file:
            members = file.zip.infolist()
            if sum(member.file_size for member in members) > most:
                raise ValueError("larger unpacked than its arrays can be")
            for member in members:  # NumPy would allocate what a header promises
                shape, dtype = header(file.zip, member)
                if math.prod(shape) * dtype.itemsize > member.file_size and not dtype.hasobject:
                    raise ValueError(f"{member.filename} is shorter than its header says")
            yield file


def header(archive, member):
    """Shape and type of an array in an .npz file, without reading it."""
    with archive.open(member) as file:
        if np.lib.format.read_magic(file) != (1, 0):  # whose header has 64 KB at most
            raise ValueError(f"{member.filename} is no plain array")
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    return shape, dtype
