"""Many runs side by side, from their JSON files and, of GANs, their pictures: no TensorFlow, no
data.
"""
# ruff: noqa: F401

from lab.comparison.compared import View, compare
from lab.comparison.difference import show_difference
from lab.comparison.frame import CLASSIFIERS, GANS, by_kind, collect
from lab.comparison.output import compare_runs, export, label_of, report_sweep
from lab.comparison.strip import draw_strip
