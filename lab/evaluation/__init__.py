"""What trained runs can do: the door of evaluate.py."""
# ruff: noqa: F401

from lab.evaluation.evaluate import Request, evaluate
