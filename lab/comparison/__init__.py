"""Many runs side by side, from their JSON files and, of GANs, their pictures: no TensorFlow, no
data.
"""
# ruff: noqa: F401

from lab.comparison.compare import (
    Comparison,
    View,
    compare,
    compare_runs,
    export,
    label_of,
    report_sweep,
    warnings_of,
)
from lab.comparison.difference import show_difference
from lab.comparison.groups import CLASSIFIERS, GANS, Group, by_kind, collect
from lab.comparison.naming import with_names
from lab.comparison.strip import draw_strip
