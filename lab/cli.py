"""What the three scripts share: flags, exit statuses, one-line errors.

Exit status: 0 done; 2 the user can mend it; 130 interrupted; 1 a bug.
"""

import argparse
import importlib.util
import os
import shlex
import sys

from lab import settings as config
from lab.errors import UserError


class Parser(argparse.ArgumentParser):
    """A parser that complains in one line, shows every default, and takes flags from a file as ``@FILE``."""

    def __init__(self, doc):
        super().__init__(
            description=doc.partition("\n\n")[0],
            epilog=doc.partition("\n\n")[2],
            formatter_class=_Formatter,
            fromfile_prefix_chars="@",
            allow_abbrev=False,
        )

    def convert_arg_line_to_args(self, line):
        return shlex.split(line, comments=True)

    def parse_args(self, *args, **more):
        try:
            return super().parse_args(*args, **more)
        except (ValueError, RecursionError) as error:
            self.error(f"cannot read the flags from the @FILE: {error}")

    def error(self, message):
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


class _Formatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    def _get_help_string(self, action):
        # Nothing that a reader could type: such a flag's help says what happens without it.
        if action.default is None or action.nargs == 0:
            return action.help
        return super()._get_help_string(action)


def run(main):
    """Call ``main`` and leave the process with the status of what came of it."""
    prog = sys.argv[0].rpartition("/")[2]
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # where a terminal has no λ or ±
    try:
        status = main() or 0
    except UserError as error:
        status = _complain(prog, error)
    except ModuleNotFoundError as error:
        if error.name.partition(".")[0] in ("lab", "models"):
            raise
        status = _complain(prog, f"the package {error.name} is not installed: run `pip install -r requirements.txt`")
    except BrokenPipeError:  # whoever read our output, `head` perhaps, has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    except OSError as error:  # a full disk, a missing permission
        status = _complain(prog, f"{error.filename or ''}: {error.strerror or error}".removeprefix(": "))
    except KeyboardInterrupt:
        print(f"\n{prog}: interrupted", file=sys.stderr)
        status = 130
    sys.exit(status)


def _complain(prog, error):
    print(f"{prog}: error: {' '.join(str(error).split())}", file=sys.stderr)
    return 2


def add_name_flag(parser, help, nargs=None):
    parser.add_argument("-m", "--model-name", required=True, metavar="NAME", nargs=nargs, help=help)


def add_place_flags(parser):
    """Where to read and write, and what to show: the same for every script."""
    group = parser.add_argument_group("places")
    group.add_argument("--data-dir", metavar="DIR", help="folder with NAME.npz files (default: $LAB_DATA_DIR)")
    group.add_argument("--results-dir", metavar="DIR", default="results", help="folder that everything is written to")
    group.add_argument("--show", action="store_true", help="also show the figures in windows")
    return group


def add_device_flags(parser):
    group = parser.add_argument_group("device")
    group.add_argument("--device", metavar="|".join(config.DEVICES), default="auto", help="auto: the GPU if there is one")
    group.add_argument("--threads", type=int, metavar="N", help="CPU threads (default: one a core)")
    return group


def check_tensorboard(wanted):
    if wanted and importlib.util.find_spec("tensorboard") is None:
        raise UserError("--tensorboard needs one more package: run `pip install tensorboard`")


def setting(name):
    """A type for a flag: a setting's value from its text."""

    def value(text):
        try:
            return config.parse_setting(name, text)
        except UserError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return value
