"""Data of the user's own: an .npz file, or a folder of pictures."""

import contextlib
import hashlib
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import ImageOps

from lab.console import Bar, say
from lab.data import readers
from lab.data.arrays import Arrays, in_words, with_axes
from lab.data.download import cache
from lab.data.pictures import on_paper, picture_files, users_picture, with_eight_bits
from lab.inputs import first_line, in_natural_order, read, visible
from lab.outputs import atomic
from lab.parallel import in_parallel
from lab.settings import UserError

LEAST_SIDE, MOST_SIDE = 8, 256
MOST_CLASSES, _LONGEST = 1_000, 255  # letters of a name
TESTED = 5  # of so many images of a class one is for testing, where the folder does not say which
_SEVERAL = 2_000  # pictures are read by several processes


def load_own(path):
    """Load data of the user's own.

    Parameters
    ----------
    path : Path
        An .npz file of ``x_train, y_train, x_test, y_test``, and perhaps ``classes``, their names; or a folder with
        ``train/CLASS/*.png`` and ``test/CLASS/*.png``, or with ``CLASS/*.png``, of which a fifth is for testing then: always
        the same, and of each class. JPEG will do as well. Pictures come in the order of their file names.

    Returns
    -------
    Arrays

    Raises
    ------
    UserError
        If they are no images of one shape, grey or colour, from 8 to 256 pixels a side, of two classes or more.
    """
    try:
        if not path.is_dir() and path.suffix != ".npz":
            raise ValueError("neither a folder nor an .npz file")
        parts, classes = _from_folder(path) if path.is_dir() else _from_npz(path)
        parts = with_axes(parts)
        # As runs keep them: what cannot be seen takes more letters then.
        classes = tuple(map(visible, classes or [str(label) for label in range(parts[1].max() + 1)]))
        return Arrays(*_checked(parts, classes), classes, os.path.abspath(path))
    except UserError:
        raise
    except (ValueError, OSError) as error:
        raise UserError(f"{path}: {getattr(error, 'strerror', None) or first_line(error)}") from error


def _checked(parts, classes):
    """The parts of a data set, if they are what a network can learn from; ValueError if not."""
    shape, count = parts[0].shape[1:], len(classes)
    if not all(LEAST_SIDE <= side <= MOST_SIDE for side in shape[:2]) or shape[2] not in (1, 3):
        expected = f"grey or colour images of {LEAST_SIDE} to {MOST_SIDE} pixels a side"
        raise ValueError(f"expected {expected}; found {in_words(shape)}")
    if not 2 <= count <= MOST_CLASSES:
        raise ValueError(f"expected 2 to {MOST_CLASSES:,} classes, found {count}")
    if len({*classes}) < count:
        raise ValueError("expected distinct names of classes; some are equal once invisible characters are written out")
    if max(map(len, classes)) > _LONGEST:
        raise ValueError(f"expected names of classes of at most {_LONGEST} letters")
    missing = np.setdiff1d(np.arange(count), parts[1])
    if missing.size:
        raise ValueError(f"class {classes[missing[0]]} has no image for training: labels have to be 0 to {count - 1}")
    if parts[1].max() >= count:
        raise ValueError(f"label {parts[1].max()} has no name among the {count} in its classes")
    return parts


def _from_npz(path):
    *parts, classes = readers.read_npz(path)
    if classes is None:
        return parts, None
    if getattr(classes, "ndim", None) != 1 or classes.dtype.kind not in "US" or len({*classes.tolist()}) < len(classes):
        raise ValueError(f"expected classes to be different names; found {np.shape(classes)}")
    return parts, [str(name) for name in classes.astype(str)]


class _Picture(NamedTuple):
    """A file of a folder of pictures."""

    path: Path
    label: int
    tested: bool

    @property
    def order(self):
        return in_natural_order(self.path.name), self.label


def _from_folder(path):
    pictures, classes = _listed(path)
    name = f"own-{_hash(pictures)[:32]}.npz"
    labels = [np.array([one.label for one in pictures if one.tested == tested]) for tested in (False, True)]
    with contextlib.suppress(UserError, OSError):  # it is not there, or broken; there is no home
        *parts, _ = readers.read_npz(cache() / name)
        if all(map(np.array_equal, parts[1::2], labels)):
            return parts, classes
    images = _decode(pictures)
    parts = [images[0], labels[0], images[1], labels[1]]
    with contextlib.suppress(OSError):  # a home that is not to be written to: they are decoded again then
        cache().mkdir(parents=True, exist_ok=True)
        with atomic(cache() / name, sync=False) as temporary:
            np.savez(temporary, **dict(zip(readers.NPZ, parts)))
    return parts, classes


def _listed(folder):
    """The pictures of a folder, in order, and the names of their classes."""
    parts = folder / "train", folder / "test"
    train, test = map(_by_class, parts) if any(part.is_dir() for part in parts) else _split(folder)
    for part, name in ((train, "training"), (test, "testing")):
        if not part:
            expected = f"train/CLASS/*.png and test/CLASS/*.png, or CLASS/*.png, at least {TESTED} of a class; or JPEG"
            raise ValueError(f"no pictures for {name}: expected {expected}")
    unknown = [name for name in test if name not in train]
    if unknown:
        raise ValueError(f"class {unknown[0]} has pictures in test/, but none in train/")
    classes = sorted(train, key=in_natural_order)
    pictures = [
        _Picture(path, label, tested)
        for tested, part in ((False, train), (True, test))
        for label, name in enumerate(classes)
        for path in part.get(name, ())
    ]
    return sorted(pictures, key=lambda one: one.order), classes


def _by_class(folder):
    """The pictures in the folders of a folder, by the folder's name."""
    found = {}
    for inner in sorted(folder.iterdir()) if folder.is_dir() else ():
        if inner.is_dir():
            found[inner.name] = picture_files(inner)
            held = [one for one in inner.iterdir() if not one.name.startswith(".")]
            if held and not found[inner.name] and all(one.is_dir() for one in held):
                raise ValueError(f"{inner.name}/ holds folders, where the pictures of a class are expected")
    return {name: paths for name, paths in found.items() if paths}


def _split(folder):
    """The pictures of a folder by class, for training and, a fifth of each class and always the same ones, for testing."""
    train, test = {}, {}
    for name, paths in _by_class(folder).items():
        order = np.random.default_rng(0).permutation(len(paths))
        count = len(paths) // TESTED
        train[name] = [paths[place] for place in order[count:]]
        test |= {name: [paths[place] for place in order[:count]]} if count else {}
    kept, tested = (sum(map(len, part.values())) for part in (train, test))
    if tested:
        say(f"{folder}: {kept + tested:,} pictures; of each class a fifth, {tested:,} in all, is kept for testing.")
    return train, test


def _hash(pictures):
    """SHA-256 over what is in the files, and which part and class they are of."""
    found = hashlib.sha256()
    with Bar("reading pictures", len(pictures)) as bar:
        for one in pictures:
            content = read(one.path, "picture")
            found.update(f"{one.tested} {one.label} {len(content)}\0".encode() + content)
            bar.advance(1)
    return found.hexdigest()


def _decode(pictures):
    """The images of a data set of pictures, for training and for testing."""
    with Bar("decoding pictures", len(pictures)) as bar:
        decoded = in_parallel(_decoded, [one.path for one in pictures], _SEVERAL, bar.advance)
    for one, image in zip(pictures, decoded):
        if image.shape != decoded[0].shape:
            first, other = in_words(decoded[0].shape), in_words(image.shape)
            raise ValueError(f"expected pictures of one shape; {pictures[0].path.name} is {first}, {one.path.name} {other}")
    return [np.stack([image for one, image in zip(pictures, decoded) if one.tested == tested]) for tested in (False, True)]


def _decoded(path):
    """A picture as an array: uint8, shape (height, width, 1 or 3). What is transparent is white."""
    with users_picture(path) as file:
        if not all(LEAST_SIDE <= side <= MOST_SIDE for side in file.size):
            found = "x".join(map(str, file.size))
            raise ValueError(f"expected {LEAST_SIDE} to {MOST_SIDE} pixels a side, found {found}")
        picture = with_eight_bits(ImageOps.exif_transpose(file))
        kind = "L" if picture.mode in ("1", "L", "LA") else "RGB"
        flat = on_paper(picture.convert("RGBA"), "white").convert(kind)
    return np.asarray(flat).reshape(*flat.size[::-1], -1)
