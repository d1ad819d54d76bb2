"""Data of the user's own: an .npz file, or a folder of pictures."""

import contextlib
import hashlib
import os
import re
from collections import Counter

import numpy as np

from lab.console import Bar, say
from lab.data import readers
from lab.data.arrays import Arrays, fingerprint, has_sides, shape_in_words, with_axes
from lab.data.download import cache
from lab.data.pictures import (
    IN_WORDS,
    contents,
    deep_values,
    divisor_for,
    for_all,
    is_picture,
    users_picture,
    whole_picture,
)
from lab.io.files import MOST_BYTES, atomic, read
from lab.io.words import in_a_line, in_natural_order, reason, visible
from lab.settings import LEAST_SIDE, MOST_CLASSES, MOST_SIDE, UserError

_LONGEST = 255  # letters of a name
TESTED = 5  # of so many images of a class one is for testing, where the folder does not say which
_SEVERAL = 2_000  # pictures are read by several processes
_NAMED = 20  # endings of files that are left out, or classes in a warning
_TO_RESIZE = "--resize 28 makes squares of 28 pixels of all pictures"
# Copies of decoded folders in the cache: how many are kept; all their names, those of earlier
# versions and of half-written files among them; and how pictures become arrays: another way,
# another copy.
COPIES = 8
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
    divisor = ignored = None
    try:
        if path.is_dir():
            pictures, classes, ignored = _pictures_of(path)
            classes = _for_runs(classes)
            parts, divisor = _from_folder(path, pictures, side)
        elif path.suffix.lower() != ".npz":
            raise ValueError("neither a folder nor an .npz file")
        elif side:
            raise ValueError(
                "--resize is for folders of pictures: "
                "an .npz file has to hold images of the size that you want"
            )
        else:
            *parts, names = readers.read_npz(path)
            parts = with_axes(parts)
            known = range(parts[1].max() + 1) if names is None else _class_names(names)
            classes = _for_runs(map(str, known))
        count, highest = len(classes), parts[1].max()
        missing = np.setdiff1d(np.arange(count), parts[1])
        if missing.size:
            raise ValueError(
                f"class {classes[missing[0]]} has no image for training: "
                f"labels have to be 0 to {count - 1}"
            )
        if highest >= count:
            raise ValueError(f"label {highest} has no name among the {count} in its classes")
    except UserError:
        raise
    except (ValueError, OSError) as error:
        where = getattr(error, "filename", None) or path
        raise UserError(f"{where}: {reason(error)}") from error
    _warn_of_blank(path, *parts[:2], classes)
    return Arrays(*parts, classes, os.path.abspath(path), divisor, ignored)


def _for_runs(names):
    """Names of classes as runs keep them, in which what cannot be seen takes more letters;
    ValueError if a run could not keep them.
    """
    classes = tuple(map(in_a_line, names))
    count = len(classes)
    if not 2 <= count <= MOST_CLASSES:
        raise ValueError(f"expected 2 to {MOST_CLASSES:,} classes, found {count}")
    if len({*classes}) < count:
        raise ValueError(
            "expected distinct names of classes; "
            "some are equal once invisible characters are written out"
        )
    if max(map(len, classes)) > _LONGEST:
        raise ValueError(f"expected names of classes of at most {_LONGEST} letters")
    return classes


def _class_names(names):
    """The array of names in an .npz file as a list of str; ValueError if it is none."""
    is_text = names.ndim == 1 and names.dtype.kind in "US"
    if not is_text or not 0 < len({*names.tolist()}) == len(names):
        expected = "expected classes to be different names, an array of text of shape (classes,)"
        raise ValueError(f"{expected}; found {names.dtype}, {names.shape}")
    if names.dtype.kind == "U":
        return names.tolist()
    try:
        return np.char.decode(names, "utf-8").tolist()
    except UnicodeDecodeError as error:
        advice = "save them as text, numpy.array(NAMES, str)"
        raise ValueError(f"the names in classes are bytes, but not UTF-8: {advice}") from error


def _some(names):
    """The first of some names, and how many more there are."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return in_a_line(", ".join(names[:_NAMED])) + more


def _warn_of_blank(path, images, labels, classes):
    """Say so if all training images, or all of a class, are equal: they teach nothing."""
    blank = []
    for label, name in enumerate(classes):
        of_class = images[labels == label]
        if len(of_class) > 1 and (of_class == of_class[0]).all():
            blank.append(name)
    if len(blank) == len(classes) and (images == images[0]).all():
        say(f"Warning: {path}: all {len(images):,} training images are equal.")
    elif blank:
        say(f"Warning: {path}: all training images of a class are equal: {_some(blank)}.")


def _pictures_of(folder):
    """The pictures of a folder, in order, each with its label and whether it is for testing; the
    names of their classes; counts of other files, by ending.
    """
    others, parts = [], [folder / "train", folder / "test"]
    if any(part.is_dir() for part in parts):
        train, test = (_by_class(part, others) if part.is_dir() else {} for part in parts)
        others += [path for path in contents(folder) if path not in parts]
    else:
        train, test = _split(folder, others)
    for part, name in ((train, "training"), (test, "testing")):
        if not part:
            raise ValueError(
                f"no pictures for {name}: expected train/CLASS/*.png and test/CLASS/*.png, "
                f"or CLASS/*.png, at least {TESTED} of a class ({IN_WORDS})"
            )
    if unknown := sorted(test.keys() - train.keys()):
        raise ValueError(f"class {unknown[0]} has pictures in test/, but none in train/")
    if untested := sorted(train.keys() - test.keys()):
        say(f"{folder}: no picture for testing of {_some(untested)}.")
    classes = sorted(train, key=lambda name: (in_natural_order(name), name))
    pictures = []
    for tested, part in ((False, train), (True, test)):
        for label, name in enumerate(classes):
            pictures += [(path, label, tested) for path in part.get(name, [])]
    pictures.sort(key=lambda picture: (in_natural_order(picture[0].name), picture[1]))
    return pictures, classes, _left_out(folder, others)


def _left_out(folder, others):
    """Counts of the files that are left out, by ending, the most frequent first; says so."""
    endings = ["folder" if path.is_dir() else path.suffix.lower() or "no ending" for path in others]
    counts = {visible(ending): count for ending, count in Counter(endings).most_common(_NAMED)}
    if rest := len(others) - sum(counts.values()):
        counts["others"] = rest
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
        if not inner.is_dir():
            others.append(inner)
            continue
        held = contents(inner)
        found[inner.name] = [path for path in held if is_picture(path)]
        others += [path for path in held if not is_picture(path)]
        if not found[inner.name]:
            if held and all(path.is_dir() for path in held):
                wanted = "where the pictures of a class are expected"
                raise ValueError(f"{inner.name}/ holds folders, {wanted}")
            expected = f"expected {IN_WORDS} files; or remove the folder"
            raise UserError(f"{inner}: no picture in this folder of a class: {expected}")
    return found


def _split(folder, others):
    """The pictures of a folder by class, for training and, a fifth of each class and always the
    same ones, for testing.
    """
    train, test = {}, {}
    for name, paths in _by_class(folder, others).items():
        order = np.random.default_rng(0).permutation(len(paths))
        count = len(paths) // TESTED
        train[name] = [paths[index] for index in order[count:]]
        if count:
            test[name] = [paths[index] for index in order[:count]]
    kept, tested = (sum(map(len, part.values())) for part in (train, test))
    if tested:
        fifth = f"of each class a fifth, {tested:,} in all, is kept for testing"
        say(f"{folder}: {kept + tested:,} pictures; {fifth}.")
    return train, test


def _from_folder(folder, pictures, side):
    """The parts of a data set from the pictures of a folder, and the divisor of 16 bits."""
    where = f"{os.path.abspath(folder)}\0{side}".encode(errors="surrogateescape")
    copy = f"own-{hashlib.sha256(where).hexdigest()[:32]}.npz"
    content = _hash(pictures, side)
    with contextlib.suppress(ValueError, OSError):  # it is not there, or broken; there is no home
        *parts, about = readers.read_npz(cache() / copy, "about")
        divisor, *hashes = about.tolist()
        if hashes == [content, fingerprint(Arrays(*parts))]:
            os.utime(cache() / copy)
            return parts, int(divisor) or None
    paths, labels, tested = zip(*pictures)
    labels, tested = np.array(labels), np.array(tested)
    images, divisor = _decode(folder, paths, ~tested, side)
    parts = [part[rows] for rows in (~tested, tested) for part in (images, labels)]
    if sum(part.nbytes for part in parts) < MOST_BYTES["arrays"]:
        about = [str(divisor or 0), content, fingerprint(Arrays(*parts))]
        # A home that is not to be written to: they are decoded again then.
        with contextlib.suppress(OSError):
            _keep(cache() / copy, dict(zip(readers.NPZ, parts)), about)
    return parts, divisor


def _keep(copy, parts, about):
    """Write a copy of a decoded folder into the cache, from which the oldest go; other processes
    may do the same.
    """
    copy.parent.mkdir(parents=True, exist_ok=True)
    with atomic(copy, sync=False) as temporary:
        np.savez(temporary, about=about, **parts)
    used = {}
    for path in copy.parent.iterdir():
        if _COPY.fullmatch(path.name):
            with contextlib.suppress(OSError):  # another process has removed it
                used[path] = path.lstat().st_mtime
    for path in sorted(used, key=used.get)[:-COPIES]:
        with contextlib.suppress(OSError):
            path.unlink()


def _hash(pictures, side):
    """SHA-256 over the files' content, their parts and classes, and how they are read."""
    found = hashlib.sha256(f"{_WAY}; {side}".encode())
    with Bar("reading pictures", len(pictures)) as bar:
        for path, label, tested in pictures:
            try:
                content = read(path, "picture")
            except (ValueError, OSError) as error:
                raise UserError(f"{path}: {reason(error)}") from error
            found.update(f"{tested} {label} {len(content)}\0".encode() + content)
            bar.advance(1)
    return found.hexdigest()


def _decode(folder, paths, trained_on, side):
    """The images of pictures, and the divisor of those of 16 bits: of what is trained on."""
    looks = for_all("looking at pictures", _look, paths, _SEVERAL, resized=bool(side))
    is_colour, most = map(np.array, zip(*looks))
    colour, most = is_colour.sum(), most[trained_on].max()
    if 0 < colour < len(paths):
        told = f"{colour:,} of {len(paths):,} pictures are in colour"
        say(f"{folder}: {told}: the grey ones are read as colour, too.")
    divisor = None if most < 0 else divisor_for(most)
    given = {"channels": 3 if colour else 1, "side": side, "divisor": divisor}
    images = for_all("decoding pictures", whole_picture, paths, _SEVERAL, **given)
    for path, image in zip(paths, images):
        if image.shape != images[0].shape:
            first, other = (
                f"{at.relative_to(folder)} is {shape_in_words(found.shape)}"
                for at, found in ((paths[0], images[0]), (path, image))
            )
            raise ValueError(f"expected pictures of one shape; {first}, {other}: {_TO_RESIZE}")
    return np.stack(images), divisor


def _look(path, resized):
    """Whether a picture is in colour, and the largest of its values of 16 bits, -1 of any other:
    what has to be known of all pictures before one becomes an image; UserError if a data set
    cannot have it.
    """
    with users_picture(path) as file:
        if not resized and not has_sides(file.size):
            found = "x".join(map(str, file.size))
            expected = f"expected {LEAST_SIDE} to {MOST_SIDE} pixels a side"
            raise ValueError(f"{expected}, found {found}: {_TO_RESIZE}")
        values = deep_values(file)
        if values is not None:
            return False, int(values.max())
        return file.mode not in ("1", "L", "LA"), -1
