"""Trainings, one or many: the door of train.py."""
# ruff: noqa: F401

from lab.experiments.train import Request, train
