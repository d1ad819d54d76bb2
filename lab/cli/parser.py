"""A parser of flags: one-line errors that say what was meant, and flags from a file."""

import argparse
import codecs
import functools
import os
import re
import shlex
import shutil
import sys
import textwrap

from lab.cli import hints
from lab.cli.exits import complain
from lab.io.files import read
from lab.settings import UserError

_MOST_FILES = 20  # @FILEs of a command, which may name others, or each other
_LEAST = 11  # columns of a help text
_BESIDE = 26  # characters of a line of the help that are not a flag's own words


class Parser(argparse.ArgumentParser):
    """A parser that complains in one line, and takes flags from a file as ``@FILE``.

    Attributes
    ----------
    flags : dict
        Every flag, with its dashes: to argparse's action.
    given : list of str
        The arguments that were parsed last, those of files in place of their names.
    unknown : list of str
        Those of them that are no flags.
    """

    def __init__(self, doc):
        self.flags, self.given, self.unknown = {}, [], []
        self._columns = shutil.get_terminal_size().columns
        description, _, epilog = (doc or "").partition("\n\n")  # None: by python -OO
        super().__init__(
            description=textwrap.fill(description, self._columns - 2),
            epilog=epilog,
            formatter_class=argparse.RawTextHelpFormatter,
            allow_abbrev=False,
        )

    def add_argument(self, *names, **options):
        return self._add(super().add_argument, *names, **options)

    def adder(self, group):
        """A function like `add_argument`, for a group of this parser."""
        return functools.partial(self._add, group.add_argument)

    def _add(self, add_argument, *names, help, **options):
        width = max(_LEAST, self._columns - _BESIDE)  # as argparse has it
        lines = textwrap.wrap(help, width, break_on_hyphens=False)
        action = add_argument(*names, help="\n".join(lines), **options)
        self.flags.update(dict.fromkeys(action.option_strings, action))
        return action

    def parse_args(self, args=None):
        try:
            self.given = [*_expanded(sys.argv[1:] if args is None else args, [])]
        except UserError as error:
            self.error(str(error))
        for arg in self.given:
            flag, _, value = arg.partition("=")
            if self._lacks_a_dash(flag):
                self.error(f"unrecognized arguments: {arg}{hints.of_flag(flag, self)}")
            if flag.startswith("-") and value == "--":  # which argparse takes for none
                self.error(f"argument {flag}: expected a value, got '--'")
        args, self.unknown = self.parse_known_args(self.given)
        if self.unknown:
            message = "unrecognized arguments:"
            for arg in self.unknown:
                hint = hints.of_argument(arg, self)
                message += f" {arg}{'' if hint in message else hint}"
            self.error(message)
        return args

    def _lacks_a_dash(self, flag):
        """Whether it is one as -hidden or -model, of which argparse would make -h or -m."""
        if not re.fullmatch(r"-\w[\w-]+", flag):
            return False
        starts = len(flag) > 4 and any(name.startswith(f"-{flag}") for name in self.flags)
        return starts or f"-{flag}" in self.flags

    def error(self, message):
        advice = hints.of_message(message, self)
        self.exit(complain(f"{message}{advice} (see {self.prog} --help)"))


def _expanded(args, files):
    """Flags, and in place of each @FILE those that it holds; ``files`` were read before."""
    for arg in args:
        # A shell leaves the ~ of a home folder in a file, and behind the = of a flag.
        flag, value = re.fullmatch(r"(--[\w-]+=)?(.*)", arg, re.DOTALL).groups("")
        arg = flag + os.path.expanduser(value)
        if not arg.startswith("@"):
            yield arg
            continue
        files.append(arg)
        path = os.path.expanduser(arg[1:])
        try:
            content = read(path, "flags")
            if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise ValueError("its text is UTF-16: save it as UTF-8")
            text = os.fsdecode(content.removeprefix(codecs.BOM_UTF8))
            if "\0" in text or len(files) > _MOST_FILES:
                raise ValueError("no text, or it names itself")
            lines = [shlex.split(line, comments=True) for line in text.splitlines()]
        except (ValueError, OSError) as error:
            fault = getattr(error, "strerror", None) or error
            raise UserError(f"cannot read the flags from the @FILE {path}: {fault}") from error
        for line in lines:
            yield from _expanded(line, files)
