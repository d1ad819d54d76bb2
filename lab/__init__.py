"""Everything around a network: settings, data, devices, training, runs on disk, evaluation,
figures.
"""

import os.path
import sys

# This project's folder comes behind Python's own, where a file beside the scripts, as random.py,
# hides no module of Python's; and before all others, of which one may have "models", too.
_ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
_PYTHON = os.path.dirname(os.__file__)


def _rank(path):
    zipped = f"{os.path.basename(_PYTHON).replace('.', '')}.zip"  # python311.zip
    of_python = path == _PYTHON or os.path.basename(path) in ("lib-dynload", zipped)
    return 0 if of_python else 1 if path == _ROOT else 2


if sys.path[:1] == [_ROOT]:
    sys.path = sorted(dict.fromkeys(sys.path), key=_rank)

from lab.io import environment  # noqa: E402

environment.settle()
