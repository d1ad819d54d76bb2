"""The types of settings: their bounds, what they expect in words, the way from text and back."""

import contextlib
import functools
import re
from typing import Annotated, Literal, NamedTuple, get_args, get_origin

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError

from lab.io.words import as_typed, suggestion, visible
from lab.settings import names
from lab.settings.catalogue import LEAST_SIDE, MOST_SIDE

_MOST = 2**31 - 1
_FLOAT32 = 3e38  # no number that float32 cannot hold
_MOST_TEXT = 2_000  # letters of a message
_MOST_TYPED = 200  # of a value that somebody has mistyped
_THOUSANDS = re.compile(r"\d{1,3}([.,' ]\d{3})+")
_EXPONENT = r"[eE][-+]?\d+"
_NUMBER = re.compile(rf"[-+]?\d+(?:\.\d+)?(?:{_EXPONENT})?")


class Words(NamedTuple):
    """What the help calls a value of a type, and what a message says that it must be."""

    metavar: str
    expected: str


class Choice(NamedTuple):
    """The names that a value may be, and what else: a file of the user's own."""

    names: tuple[str, ...]
    own: str

    @property
    def metavar(self):
        return f"NAME|{self.own.replace(' or ', '|')}"


def is_own_net(net):
    """Whether a network is a function in a file of the user's own: "FILE.py:FUNCTION"."""
    return net not in names.NETS


def is_own_data(dataset):
    """Whether a data set is a file or a folder of the user's own: "FILE.npz", "FOLDER/" or a word
    that is either.
    """
    return dataset not in names.DATASETS


def _net(given):
    if given not in names.NETS and not (
        given.isprintable() and re.fullmatch(r".+\.py:[A-Za-z_]\w*", given, re.ASCII)
    ):
        raise ValueError
    return given


def _dataset(given):
    """A data set's name, or a path that ends in ".npz", or in "/" for a folder; a word that is
    neither is looked up later.
    """
    if given in names.DATASETS:
        return given
    if not given.isprintable() or not given.strip("./"):
        raise ValueError
    return f"{given}/" if "/" in given and not given.lower().endswith((".npz", "/")) else given


def _whole(metavar, least, most):
    bounds = Field(ge=least, le=most)
    return Annotated[int, bounds, Words(metavar, f"a whole number from {least} to {most}")]


def _number(metavar, expected, **bounds):
    return Annotated[float, Field(**bounds), Words(metavar, expected)]


def _several(kind, metavar, expected, least, most):
    # Not strict: a list, as JSON has it, will do. What is in it is checked as strictly as all else.
    bounds = Field(strict=False, min_length=least, max_length=most)
    return Annotated[tuple[kind, ...], bounds, Words(metavar, expected)]


Whole = Annotated[int, Words("N", "a whole number")]
Real = Annotated[float, Words("X", "a number")]
Count = _whole("N", 1, _MOST)
CountOrZero = _whole("N", 0, _MOST)
Threads = _whole("N", 1, 1024)  # TensorFlow hangs or crashes over absurd numbers
Unrolled = _whole("K", 0, 100)  # each is traced by itself: the graph would take minutes
Pixels = _whole("PIXELS", 0, 14)  # by which an image is moved: not more than half of it
ImageSide = _whole("N", LEAST_SIDE, MOST_SIDE)
Strength = _number("LAMBDA", "a number of at least 0", ge=0, lt=_FLOAT32)
Rate = _number("RATE", "a number above 0", gt=0, lt=_FLOAT32)
Share = _number("SHARE", "a number of at least 0 and below 1", ge=0, lt=1)
Smoothing = _number("S", "a number of at least 0 and below 0.5", ge=0, lt=0.5)
_PATH = Field(max_length=1_000)
Net = Annotated[str, AfterValidator(_net), Choice(names.NETS, "FILE.py:FUNCTION"), _PATH]
Dataset = Annotated[
    str, AfterValidator(_dataset), Choice(names.DATASETS, "FILE.npz or FOLDER"), _PATH
]
# To build thousands of layers takes hours.
Units = _several(Count, "N,N", "at most 100 whole numbers of at least 1, as in 200,100", 1, 100)
# Each layer halves the image: MNIST's has 28 pixels a side.
Filters = _several(Count, "N,N", "one to four whole numbers of at least 1, as in 20,10", 1, 4)
Kernels = _several(
    _whole("N", 1, 27), "N,N", "one to four whole numbers from 1 to 27, as in 5,3", 1, 4
)
# Strides of its layers halve the image as often.
ThreeFilters = _several(Count, "N,N,N", "three whole numbers of at least 1, as in 32,64,128", 3, 3)
Betas = Annotated[
    tuple[Share, Share],
    Field(strict=False),
    Words("B1,B2", "two numbers from 0 to below 1, as in 0.5,0.999"),
]


class UserError(ValueError):
    """Bad flags, files, data or device.

    Its text is one line: what was wrong, what was expected, what to do.
    """

    def __init__(self, text):
        text = visible(text).replace("\n", " ")
        super().__init__(
            text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]}..."
        )  # it may quote what a file holds


def required(kind):
    """A type without its "or None"."""
    return get_args(kind)[0] if type(None) in get_args(kind) else kind


def plain(kind):
    """A type without its bounds."""
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def in_words(kind):
    """The `Words` of a type."""
    if kind is bool:
        return Words("", "true or false")
    if get_origin(kind) is Literal:
        return Words(
            "|".join(get_args(kind)) if len(get_args(kind)) <= 3 else "NAME", "one of them"
        )
    return next(one for one in get_args(kind) if isinstance(one, Words | Choice))


def choices(kind):
    """The names that a value of a type may be; empty of a type of other values."""
    if get_origin(kind) is Literal:
        return get_args(kind)
    return in_words(kind).names if isinstance(in_words(kind), Choice) else ()


def parse_as(kind, name, given):
    """The value of a type from its text; UserError if the text is no such value.

    Parameters
    ----------
    kind : type
        One of the above, a Literal, or bool.
    name : str
        What a message calls it.
    given : str
        "200,100", "1e-4", "true", "tanh", ...
    """
    try:
        return _parsed(kind, given)
    except ValidationError as error:
        raise UserError(refusal(kind, name, given)) from error


def _parsed(kind, given):
    several = get_origin(plain(kind)) is tuple
    if plain(kind) is int and _THOUSANDS.fullmatch(given):  # 1.000, which would be 1
        given = ""
    return _adapter(kind).validate_python(given.split(",") if several else given)


@functools.cache
def _adapter(kind):
    return TypeAdapter(
        kind, config=ConfigDict(allow_inf_nan=False)
    )  # not strict: numbers come as text


def text(value):
    """A setting's value as one would type it: the inverse of `parse`, the same for equal values."""
    if isinstance(value, tuple):
        return ",".join(text(one) for one in value)
    # No plus sign, which the name of a folder may not have: 1e+20 is 1e20.
    if isinstance(value, float):
        return str(value).removesuffix(".0").replace("+", "")
    return str(value).lower() if isinstance(value, bool) else str(value)


def refusal(kind, name, value):
    """What is wrong with a value that is none of its type, in one line."""
    if known := choices(kind):
        own = [] if get_origin(kind) is Literal else [in_words(kind).own]
        hint = suggestion(str(value), known)
        return f"unknown {name} {value!r}{hint}: choose from {', '.join([*known, *own])}"
    return f"{name} must be {in_words(kind).expected}, got {value!r}{_meant(kind, value)}"


def _meant(kind, value):
    """A value that would be one of a type, in brackets: with the keyboard's signs, a decimal
    point, commas between numbers, no unit; nothing where it is not clear.
    """
    if not isinstance(value, str) or len(value) > _MOST_TYPED:
        return ""
    text = as_typed(value).strip()
    several = [text]
    if get_origin(plain(kind)) is tuple:
        numbers = [] if _NUMBER.sub("", text).strip(" ,;/()[]{}") else _NUMBER.findall(text)
        several += [",".join(numbers)] if len(numbers) > 1 else []
    elif plain(kind) is int:
        several += [re.sub(r"[.,' ]", "", text)] if _THOUSANDS.fullmatch(text) else []
        several += re.findall(r"^(\d+) ?[a-z]{2,}$", text)
    elif re.fullmatch(rf"\d*,\d+({_EXPONENT})?", text):
        several.append(text.replace(",", "."))
    for meant in several:
        with contextlib.suppress(ValidationError):
            _parsed(kind, meant)
            return f" (did you mean {meant}?)"
    return ""
