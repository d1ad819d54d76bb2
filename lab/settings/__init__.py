"""The settings of a run, each in one place: nothing here imports TensorFlow or NumPy, so flags are checked in no time."""
# ruff: noqa: F401

from lab.settings.kinds import Threads, UserError, text
from lab.settings.names import CLASSIFIERS, CONVOLUTIONAL, DATASETS, GANS, IMAGE_DATASETS, NETS, THEORY
from lab.settings.settings import FLAGS, Settings, as_flags, axis, differing, flag_of, metavar, parse, words
