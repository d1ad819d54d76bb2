"""Arrays in: data sets by name, and a user's own pictures."""
# ruff: noqa: F401

from lab.data.arrays import Arrays, fingerprint, hold_out
from lab.data.gaussians import GAUSSIANS
from lab.data.handwriting import Box
from lab.data.lookup import find, fit_batch, for_run, load_dataset, resolve, say_batches
from lab.data.pictures import decode_picture, read_pictures
from lab.data.stacked import DIGITS, joined_labels
from lab.settings import CLASSES, IMAGE_SHAPES
