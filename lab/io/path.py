"""Where Python looks for modules: imported first of all, so it imports next to nothing itself."""

import os.path
import sys

# This project's folder comes behind Python's own, where a file beside the scripts, as random.py,
# hides no module of Python's; and before all others, of which one may have "models", too.
_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
_PYTHON = os.path.dirname(os.__file__)

if sys.path[:1] == [_ROOT]:
    _of_python = [path for path in sys.path if path.startswith(_PYTHON) and "-packages" not in path]
    sys.path = [*_of_python, *(path for path in sys.path if path not in _of_python)]
