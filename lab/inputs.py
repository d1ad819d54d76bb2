"""What anybody may have written: files, opened only if they are regular and of plausible size;
text, made harmless; words, of which it may be clear which was meant.

A pipe would be waited for without end, and a file may say that it is larger than all memory. Every
reader of a user's files comes through here, and turns ValueError into its own line.
"""

import difflib
import re
import stat
import unicodedata
from pathlib import Path

MEGABYTE = 1_000_000
# The most that a reader takes in. JSON and CSV become up to 150 times as large in memory.
MOST_BYTES = {
    "flags": MEGABYTE,
    "code": MEGABYTE,
    "csv": 2 * MEGABYTE,
    "json": 32 * MEGABYTE,
    "picture": 200 * MEGABYTE,
    "arrays": 1_000 * MEGABYTE,
    "model": 2_000 * MEGABYTE,
    "checkpoint": 8_000 * MEGABYTE,  # whose reader knows how large its own can be
}
_LONGEST = 100  # letters of a word that anybody would type
# Signs of printed text, as a PDF has them, and those of a keyboard.
_PRINTED = (
    dict.fromkeys("‐‑‒–—―−﹣－", "-")
    | dict.fromkeys("“”„«»", '"')
    | dict.fromkeys("‘’‚", "'")
    | {"\xa0": " "}
)
_TO_KEYBOARD = str.maketrans(_PRINTED)
_END, _END64, _DIRECTORY = (
    b"PK\x05\x06",
    b"PK\x06\x07",
    2**16,
)  # of a zip archive: bytes of its list of members


def opened(path, kind):
    """A file, opened to read bytes.

    Parameters
    ----------
    path : path
    kind : str
        A key of `MOST_BYTES`.

    Raises
    ------
    ValueError
        If it is a pipe, a device or a directory, or too large.
    OSError
        If it is not there, or not readable.
    """
    about = Path(path).stat()
    if not stat.S_ISREG(about.st_mode):
        raise ValueError(
            f"a {'directory' if stat.S_ISDIR(about.st_mode) else 'pipe, socket or device'}, not a file"
        )
    if about.st_size > MOST_BYTES[kind]:
        raise ValueError(f"larger than {MOST_BYTES[kind] // MEGABYTE} MB")
    return open(path, "rb")


def read(path, kind):
    """The bytes of a file; raises as `opened`."""
    with opened(path, kind) as file:
        return file.read()


def check_zip(file):
    """Raise ValueError unless an open file ends as a zip archive of few members does.

    ``zipfile`` reads the whole list of members, millions of them perhaps, before one can look at
    any.
    """
    file.seek(max(0, file.seek(0, 2) - 42))
    end = file.read()
    if (
        end[-22:-18] != _END
        or end.startswith(_END64)
        or int.from_bytes(end[-10:-6], "little") > _DIRECTORY
    ):
        raise ValueError("not a zip archive of a few members")
    file.seek(0)


def in_natural_order(text):
    """A key that sorts run2 before run10."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", text)]


def first_line(error):
    """What an exception says, in a line; its kind, where it says nothing."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def visible(text):
    """Text in which nothing acts on a terminal, turns its direction or cannot be stored: all that
    cannot be seen, but for line breaks, stands as Python would write it.
    """
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() or sign == "\n" else ascii(sign)[1:-1] for sign in text
    )


def in_a_line(text):
    """Text as `visible` gives it, line breaks written out, too."""
    return visible(text).replace("\n", r"\n")


def as_typed(text):
    """Text with the signs of a keyboard in place of printed dashes, quotation marks, spaces and
    digits.
    """
    return unicodedata.normalize("NFKC", text.translate(_TO_KEYBOARD))


def suggestion(word, words):
    """What a message about an unknown word adds: " (did you mean X?)", or nothing where it is not
    clear which was meant.

    Parameters
    ----------
    word : str
        Known but for case and signs that are no letters; or the beginning of one word only, its
        initials ("lr"), its letters in another order, or most of it.
    words : iterable of str, or dict
        Those that are known; or by these words, what is to be suggested.
    """
    names = words if isinstance(words, dict) else {one: one for one in words}
    typed, known = _plain(word), {}
    for one, name in names.items():
        if _plain(one).startswith("no-") == typed.startswith("no-"):  # never the opposite
            known.setdefault(_plain(one), name)
    if not 1 < len(typed) <= _LONGEST or not _letters(typed):
        return ""
    meant = (
        [one for one in known if one == typed],
        [one for one in known if _letters(one) == _letters(typed)],
        [one for one in known if "".join(part[:1] for part in one.split("-")) == typed],
        [one for one in known if one.startswith(typed)],
        [one for one in known if sorted(one) == sorted(typed)],
        [one for one in difflib.get_close_matches(typed, known, cutoff=0.75) if one[0] == typed[0]],
    )
    found = [{known[one] for one in several} for several in meant]
    return next((f" (did you mean {one.pop()}?)" for one in found if len(one) == 1), "")


def _plain(word):
    return word.strip("-").replace("_", "-").lower()


def _letters(word):
    return "".join(filter(str.isalnum, word))
