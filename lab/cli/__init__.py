"""The doors: what the three scripts may be asked, and which function does it.

exits.py         exit statuses, one-line errors
parser.py        flags, also from a file
flags.py         flags made from the settings
hints.py         what was meant by a flag that is none
windows.py       saved figures, shown
training.py      what train.py may be asked
evaluation.py    what evaluate.py may be asked

A script imports the last two once its flags are parsed: with them come NumPy, pandas and
matplotlib.
"""
# ruff: noqa: F401

from lab.cli.exits import end_without, run

try:
    from lab.cli.flags import (
        add_place_flags,
        add_setting_flags,
        parse_like,
        real,
        run_name,
        settings_of,
        whole,
    )
    from lab.cli.parser import Parser
    from lab.cli.windows import check_display, finish, show
except ImportError as error:  # outside of the virtual environment: too early for `run` to say so
    end_without(error)
