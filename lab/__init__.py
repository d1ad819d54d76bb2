"""Everything around a network: settings, data, devices, training, runs on disk, evaluation,
figures.
"""
# ruff: noqa: F401, I001

from lab.io import path
from lab.io import environment

environment.settle()
