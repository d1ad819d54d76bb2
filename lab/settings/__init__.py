"""The settings of a run, each in one place: nothing here imports TensorFlow or NumPy, so flags are
checked in no time.
"""
# ruff: noqa: F401

from lab.settings.catalogue import CLASSES, IMAGE_SHAPES, LEAST_SIDE, MOST_CLASSES, MOST_SIDE
from lab.settings.kinds import (
    Real,
    Threads,
    UserError,
    Whole,
    is_own_data,
    is_own_net,
    parse_as,
    text,
)
from lab.settings.names import (
    DATASETS,
    IMAGE_DATASETS,
    NETS,
    POINTS,
    THEORY,
)
from lab.settings.network import arguments_of, idle_parts, with_source
from lab.settings.settings import (
    FLAGS,
    Settings,
    as_flags,
    axis,
    choices,
    default_in_words,
    differing,
    flag_of,
    is_value,
    metavar,
    parse,
    words,
)
from lab.settings.source import convolves
from models import CLASSIFIER, GAN, KINDS, LAYERS, networks_of
