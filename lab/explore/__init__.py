"""A data set's first look, and the theory behind the exercises: the door of visualize.py."""
# ruff: noqa: F401

from lab.explore.look import visualize
