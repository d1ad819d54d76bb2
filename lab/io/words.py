"""Text that anybody may have written, made harmless; and words, of which it may be clear which was
meant.
"""

import difflib
import re
import shlex
import unicodedata

_LONGEST = 100  # letters of a word that anybody would type
# Signs of printed text, as a PDF has them, and those of a keyboard.
_PRINTED = (
    dict.fromkeys("‐‑‒–—―−﹣－", "-")
    | dict.fromkeys("“”„«»", '"')
    | dict.fromkeys("‘’‚", "'")
    | {"\xa0": " "}
)
_TO_KEYBOARD = str.maketrans(_PRINTED)


def in_natural_order(text):
    """A key that sorts run2 before run10."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", text)]


def reason(error):
    """What an exception says, in a line: of the operating system's, without the file's name."""
    return getattr(error, "strerror", None) or first_line(error)


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
    typed = _plain(word)
    if not 1 < len(typed) <= _LONGEST or not _letters(typed):
        return ""
    names = words if isinstance(words, dict) else {one: one for one in words}
    known = {}
    for one, name in names.items():
        if _plain(one).startswith("no-") == typed.startswith("no-"):  # never the opposite
            known.setdefault(_plain(one), name)
    close = difflib.get_close_matches(typed, known, cutoff=0.75)
    ways = (
        lambda one: _letters(one) == _letters(typed),
        lambda one: "".join(part[:1] for part in one.split("-")) == typed,
        lambda one: one.startswith(typed),
        lambda one: sorted(one) == sorted(typed),
        lambda one: one in close and one[0] == typed[0],
    )
    for is_meant in ways:
        meant = {name for one, name in known.items() if is_meant(one)}
        if len(meant) == 1:
            return f" (did you mean {meant.pop()}?)"
    return ""


def _plain(word):
    return word.strip("-").replace("_", "-").lower()


def _letters(word):
    return "".join(filter(str.isalnum, word))


def flag_with(flag, value):
    """A flag, named without its dashes, and its value as one would type them: such that neither a
    dash nor an @ acts.
    """
    return f"--{flag}{'=' if value.startswith(('-', '@')) else ' '}{shlex.quote(value)}"
