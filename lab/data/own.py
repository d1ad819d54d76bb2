"""Data of the user's own: an .npz file, or a folder of pictures."""

import contextlib
import functools
import hashlib
import os
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lab.console import Bar, say
from lab.data import readers
from lab.data.arrays import (
    LEAST_SIDE,
    MOST_CLASSES,
    MOST_SIDE,
    Arrays,
    fingerprint,
    in_words,
    with_axes,
)
from lab.data.download import cache
from lab.data.pictures import (
    IN_WORDS,
    contents,
    deepest_value,
    divisor_for,
    is_picture,
    users_picture,
    whole_picture,
)
from lab.io.files import MOST_BYTES, atomic, read
from lab.io.parallel import in_parallel
from lab.io.words import first_line, in_a_line, in_natural_order, visible
from lab.settings import UserError

_LONGEST = 255  # letters of a name
TESTED = 5  # of so many images of a class one is for testing, where the folder does not say which
_SEVERAL = 2_000  # pictures are read by several processes
_NAMED = 20  # endings of files that are left out, or classes in a warning
_TO_RESIZE = "--resize 28 makes squares of 28 pixels of all pictures"
# Copies of decoded folders in the cache: how many are kept; all their names, those of earlier
# versions and of half-written files among them; and how pictures become arrays: another way,
# another copy.
_COPIES = 8
_COPY = re.compile(r"\.?own-([0-9a-f]{8}-)?[0-9a-f]{32}(\.\d+)?\.npz")
_WAY = "transparent is white; 16 bits are scaled as one set"


def load_own(path, side=None):
    """Load data of the user's own.

    Parameters
    ----------
    path : Path
        An .npz file of ``x_train, y_train, x_test, y_test``, and perhaps ``classes``, their names;
        or a folder with ``train/CLASS/*.png`` and ``test/CLASS/*.png``, or with ``CLASS/*.png``,
        of which a fifth is for testing then: always the same, and of each class. Any of
        `pictures.FORMATS` will do. Pictures come in the order of their file names.
    side : int, optional
        Pixels, to whose square the pictures of a folder are cropped and resized.

    Returns
    -------
    Arrays

    Raises
    ------
    UserError
        If they are no images of one shape, grey or colour, from 8 to 256 pixels a side, of two
        classes or more.
    """
    try:
        if path.is_dir():
            parts, classes, *more = _from_folder(path, side)
        elif path.suffix.lower() != ".npz":
            raise ValueError("neither a folder nor an .npz file")
        elif side:
            raise ValueError(
                "--resize is for folders of pictures: an .npz file has to hold images of the size that you want"
            )
        else:
            parts, classes, *more = _from_npz(path)
        parts = with_axes(parts)
        # As runs keep them: what cannot be seen takes more letters then.
        classes = (
            [str(label) for label in range(parts[1].max() + 1)] if classes is None else classes
        )
        classes = tuple(map(in_a_line, classes))
        _check_classes(parts, classes)
        _warn_of_blank(path, parts, classes)
        return Arrays(*parts, classes, os.path.abspath(path), *more)
    except UserError:
        raise
    except (ValueError, OSError) as error:
        where = getattr(error, "filename", None) or path
        raise UserError(
            f"{where}: {getattr(error, 'strerror', None) or first_line(error)}"
        ) from error


def _check_classes(parts, classes):
    """Raise ValueError if a network cannot learn classes of these names from these parts."""
    count = len(classes)
    if not 2 <= count <= MOST_CLASSES:
        raise ValueError(f"expected 2 to {MOST_CLASSES:,} classes, found {count}")
    if len({*classes}) < count:
        raise ValueError(
            "expected distinct names of classes; some are equal once invisible characters are written out"
        )
    if max(map(len, classes)) > _LONGEST:
        raise ValueError(f"expected names of classes of at most {_LONGEST} letters")
    missing = np.setdiff1d(np.arange(count), parts[1])
    if missing.size:
        raise ValueError(
            f"class {classes[missing[0]]} has no image for training: labels have to be 0 to {count - 1}"
        )
    if parts[1].max() >= count:
        raise ValueError(f"label {parts[1].max()} has no name among the {count} in its classes")


def _warn_of_blank(path, parts, classes):
    """Say so if all training images, or all of a class, are equal: they teach nothing."""
    images, labels = parts[:2]
    of_class = [images[labels == label] for label in range(len(classes))]
    blank = [
        name
        for name, several in zip(classes, of_class)
        if len(several) > 1 and (several == several[0]).all()
    ]
    if len(blank) == len(classes) and (images == images[0]).all():
        say(f"Warning: {path}: all {len(images):,} training images are equal.")
    elif blank:
        more = f" and {len(blank) - _NAMED} more" if len(blank) > _NAMED else ""
        say(
            f"Warning: {path}: all training images of a class are equal: {', '.join(blank[:_NAMED])}{more}."
        )


def _from_npz(path):
    *parts, classes = readers.read_npz(path)
    if classes is None:
        return parts, None
    if (
        classes.ndim != 1
        or classes.dtype.kind not in "US"
        or not 0 < len({*classes.tolist()}) == len(classes)
    ):
        expected = "expected classes to be different names, an array of text of shape (classes,)"
        raise ValueError(f"{expected}; found {classes.dtype}, {classes.shape}")
    if classes.dtype.kind == "S":
        try:
            classes = np.char.decode(classes, "utf-8")
        except UnicodeDecodeError as error:
            advice = "save them as text, numpy.array(NAMES, str)"
            raise ValueError(f"the names in classes are bytes, but not UTF-8: {advice}") from error
    return parts, classes.tolist()


class _Picture(NamedTuple):
    """A file of a folder of pictures."""

    path: Path
    label: int
    tested: bool

    @property
    def order(self):
        return in_natural_order(self.path.name), self.label


def _from_folder(path, side):
    """The parts of a data set from a folder, their classes, the divisor of 16 bits, and what is
    left out.
    """
    pictures, classes, ignored = _listed(path)
    if not 2 <= len(classes) <= MOST_CLASSES:
        raise ValueError(f"expected 2 to {MOST_CLASSES:,} classes, found {len(classes)}")
    labels = [
        np.array([one.label for one in pictures if one.tested == tested])
        for tested in (False, True)
    ]
    of_folder = hashlib.sha256(
        f"{os.path.abspath(path)}\0{side}".encode(errors="surrogateescape")
    ).hexdigest()
    copy = f"own-{of_folder[:8]}-{_hash(pictures, side)[:32]}.npz"
    with contextlib.suppress(ValueError, OSError):  # it is not there, or broken; there is no home
        *parts, about = readers.read_npz(cache() / copy, "about")
        divisor, sha256 = about.tolist()
        if all(map(np.array_equal, parts[1::2], labels)) and fingerprint(Arrays(*parts)) == sha256:
            os.utime(cache() / copy)
            return parts, classes, int(divisor) or None, ignored
    images, divisor = _decode(path, pictures, side)
    parts = [images[0], labels[0], images[1], labels[1]]
    if sum(part.nbytes for part in parts) < MOST_BYTES["arrays"]:
        with contextlib.suppress(
            OSError
        ):  # a home that is not to be written to: they are decoded again then
            _keep(cache() / copy, parts, divisor)
    return parts, classes, divisor, ignored


def _keep(copy, parts, divisor):
    """Write a copy of a decoded folder into the cache.

    Copies of what the folder held before go, and the oldest of all. Other processes may do the
    same.
    """
    copy.parent.mkdir(parents=True, exist_ok=True)
    about = [str(divisor or 0), fingerprint(Arrays(*parts))]
    with atomic(copy, sync=False) as temporary:
        np.savez(temporary, about=about, **dict(zip(readers.NPZ, parts)))
    used = []
    for path in copy.parent.iterdir():
        if _COPY.fullmatch(path.name):
            with contextlib.suppress(OSError):  # another process has removed it
                used.append((path.lstat().st_mtime, path))
    of_folder = copy.name[: -len("-.npz") - 32]
    for position, (_, path) in enumerate(sorted(used, reverse=True)):
        if path != copy and (position >= _COPIES or path.name.startswith(of_folder)):
            with contextlib.suppress(OSError):
                path.unlink()


def _listed(folder):
    """The pictures of a folder, in order; the names of their classes; counts of other files, by
    ending.
    """
    parts, others = (folder / "train", folder / "test"), []
    if any(part.is_dir() for part in parts):
        train, test = (_by_class(part, others) if part.is_dir() else {} for part in parts)
        others += [path for path in contents(folder) if path not in parts]
    else:
        train, test = _split(folder, others)
    for part, name in ((train, "training"), (test, "testing")):
        if not part:
            expected = f"train/CLASS/*.png and test/CLASS/*.png, or CLASS/*.png, at least {TESTED} of a class"
            raise ValueError(f"no pictures for {name}: expected {expected} ({IN_WORDS})")
    unknown = [name for name in test if name not in train]
    if unknown:
        raise ValueError(f"class {unknown[0]} has pictures in test/, but none in train/")
    if untested := sorted(train.keys() - test.keys()):
        more = f" and {len(untested) - _NAMED} more" if len(untested) > _NAMED else ""
        say(f"{folder}: no picture for testing of {in_a_line(', '.join(untested[:_NAMED]))}{more}.")
    classes = sorted(train, key=lambda name: (in_natural_order(name), name))
    pictures = [
        _Picture(path, label, tested)
        for tested, part in ((False, train), (True, test))
        for label, name in enumerate(classes)
        for path in part.get(name, ())
    ]
    return sorted(pictures, key=lambda one: one.order), classes, _counted(folder, others)


def _counted(folder, others):
    """How many files are left out, by the ending of their names, the most frequent first; says so."""
    endings = ["folder" if path.is_dir() else path.suffix.lower() or "no ending" for path in others]
    counts = {visible(ending): count for ending, count in Counter(endings).most_common(_NAMED)}
    rest = len(others) - sum(counts.values())
    counts |= {"others": rest} if rest else {}
    if counts:
        told = ", ".join(f"{count:,} {ending}" for ending, count in counts.items())
        say(f"{folder}: left out, as no pictures in folders of classes ({IN_WORDS}): {told}.")
    return counts


def _by_class(folder, others):
    """The pictures in the folders of a folder, by the folder's name; what else lies there is added
    to a list.
    """
    found = {}
    for inner in contents(folder):
        held = contents(inner) if inner.is_dir() else []
        pictures = [path for path in held if is_picture(path)]
        if inner.is_dir() and not pictures:
            if held and all(path.is_dir() for path in held):
                raise ValueError(
                    f"{inner.name}/ holds folders, where the pictures of a class are expected"
                )
            expected = f"expected {IN_WORDS} files; or remove the folder"
            raise UserError(f"{inner}: no picture in this folder of a class: {expected}")
        found |= {inner.name: pictures} if pictures else {}
        others += [path for path in held if not is_picture(path)] if pictures else [inner]
    return found


def _split(folder, others):
    """The pictures of a folder by class, for training and, a fifth of each class and always the
    same ones, for testing.
    """
    train, test = {}, {}
    for name, paths in _by_class(folder, others).items():
        order = np.random.default_rng(0).permutation(len(paths))
        count = len(paths) // TESTED
        train[name] = [paths[place] for place in order[count:]]
        test |= {name: [paths[place] for place in order[:count]]} if count else {}
    kept, tested = (sum(map(len, part.values())) for part in (train, test))
    if tested:
        say(
            f"{folder}: {kept + tested:,} pictures; of each class a fifth, {tested:,} in all, is kept for testing."
        )
    return train, test


def _hash(pictures, side):
    """SHA-256 over what is in the files, which part and class they are of, and how they are read."""
    found = hashlib.sha256(f"{_WAY}; {side}".encode())
    with Bar("reading pictures", len(pictures)) as bar:
        for one in pictures:
            try:
                content = read(one.path, "picture")
            except (ValueError, OSError) as error:
                raise UserError(
                    f"{one.path}: {getattr(error, 'strerror', None) or error}"
                ) from error
            found.update(f"{one.tested} {one.label} {len(content)}\0".encode() + content)
            bar.advance(1)
    return found.hexdigest()


def _decode(folder, pictures, side):
    """The images of a folder, for training and for testing, and the divisor of those of 16 bits."""
    paths = [one.path for one in pictures]
    with Bar("looking at pictures", len(pictures)) as bar:
        looks = in_parallel(
            functools.partial(_look, resized=bool(side)), paths, _SEVERAL, bar.advance
        )
    colour = sum(look.colour for look in looks)
    if 0 < colour < len(looks):
        say(
            f"{folder}: {colour:,} of {len(looks):,} pictures are in colour: the grey ones are read as colour, too."
        )
    trained_on = [look.deepest for one, look in zip(pictures, looks) if not one.tested]
    deepest = max((value for value in trained_on if value is not None), default=None)
    divisor = None if deepest is None else divisor_for(deepest)
    one_image = functools.partial(
        whole_picture, channels=3 if colour else 1, side=side, divisor=divisor
    )
    with Bar("decoding pictures", len(pictures)) as bar:
        decoded = in_parallel(one_image, paths, _SEVERAL, bar.advance)
    for path, image in zip(paths, decoded):
        if image.shape != decoded[0].shape:
            pairs = (paths[0], decoded[0]), (path, image)
            first, other = (
                f"{path.relative_to(folder)} is {in_words(image.shape)}" for path, image in pairs
            )
            raise ValueError(f"expected pictures of one shape; {first}, {other}: {_TO_RESIZE}")
    images = [[], []]
    for one, image in zip(pictures, decoded):
        images[one.tested].append(image)
    return [np.stack(part) for part in images], divisor


class _Look(NamedTuple):
    """What has to be known of all pictures before one of them becomes an image."""

    colour: bool
    deepest: int | None  # value, as of `deepest_value`


def _look(path, resized):
    """The _Look of a picture, by its header where that tells; UserError if a data set cannot have
    it.
    """
    with users_picture(path) as file:
        if not resized and not all(LEAST_SIDE <= side <= MOST_SIDE for side in file.size):
            found = "x".join(map(str, file.size))
            expected = f"expected {LEAST_SIDE} to {MOST_SIDE} pixels a side"
            raise ValueError(f"{expected}, found {found}: {_TO_RESIZE}")
        grey = file.mode in ("1", "L", "LA") or file.mode.startswith("I")
        return _Look(not grey, deepest_value(file))
