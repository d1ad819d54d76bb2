"""What the three scripts share: flags, made from the settings; exit statuses; one-line errors; windows.

Exit status: 0 done; 2 the user can mend it; 130 interrupted, 143 by SIGTERM; 1 a bug, or some runs of a sweep failed.
"""

import argparse
import importlib.util
import itertools
import os
import shlex
import sys

from lab import signals
from lab.inputs import read, suggestion, visible

_NOT_INSTALLED = "the package {} is not installed: run `source .venv/bin/activate`, or `pip install -r requirements.txt`"


_MOST_FILES = 20  # @FILEs of a command, which may name others, or each other


def _complain(prog, error):
    print(f"{prog}: error: {visible(' '.join(str(error).split()))}", file=sys.stderr)
    return 2


try:
    from lab.console import say
    from lab.settings import FLAGS, GANS, Settings, UserError, as_flags, flag_of, metavar, parse, text
except ModuleNotFoundError as missing:  # outside of the virtual environment: too early for `run` to say so
    sys.exit(_complain(sys.argv[0].rpartition("/")[2], _NOT_INSTALLED.format(missing.name)))


class Parser(argparse.ArgumentParser):
    """A parser that complains in one line, shows every default, and takes flags from a file as ``@FILE``."""

    def __init__(self, doc):
        description, _, epilog = doc.partition("\n\n")
        options = {"formatter_class": _Formatter, "allow_abbrev": False}
        super().__init__(description=description, epilog=epilog, **options)
        self.given, self.unknown = [], []

    def parse_args(self, args=None):
        try:
            self.given = [*_expanded(sys.argv[1:] if args is None else args, [])]
        except UserError as error:
            self.error(error)
        args, self.unknown = self.parse_known_args(self.given)
        if self.unknown:
            self.error(f"unrecognized arguments: {' '.join(map(self._with_suggestion, self.unknown))}")
        return args

    def _with_suggestion(self, arg):
        return arg + suggestion(arg.partition("=")[0], self._option_string_actions) if arg.startswith("-") else arg

    def error(self, message):
        forgotten = next(filter(self._looks_like_flags, self.given), None)
        advice = f"; for flags from a file, write @{forgotten}" if forgotten else ""
        self.exit(_complain(self.prog, f"{message}{advice} (see {self.prog} --help)"))

    def _looks_like_flags(self, arg):
        return arg.endswith(".args") or (arg in self.unknown and os.path.isfile(arg))


def _expanded(args, files):
    """Flags, and in place of each @FILE those that it holds; ``files`` were read before."""
    for arg in args:
        if not arg.startswith("@"):
            yield arg
            continue
        files.append(arg)
        try:
            text = os.fsdecode(read(arg[1:], "flags"))
            if "\0" in text or len(files) > _MOST_FILES:
                raise ValueError("no text, or it names itself")
            lines = [shlex.split(line, comments=True) for line in text.splitlines()]
        except (ValueError, OSError) as error:
            fault = getattr(error, "strerror", None) or error
            raise UserError(f"cannot read the flags from the @FILE {arg[1:]}: {fault}") from error
        for line in lines:
            yield from _expanded(line, files)


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
    before = signals.take_sigterm()
    try:
        status = main() or 0
    except UserError as error:
        status = _complain(prog, error)
    except ExceptionGroup as several:  # of UserError
        status = max(_complain(prog, error) for error in several.exceptions)
    except ModuleNotFoundError as error:
        if error.name.partition(".")[0] in ("lab", "models"):
            raise
        status = _complain(prog, _NOT_INSTALLED.format(error.name))
    except BrokenPipeError:  # whoever read our output, `head` perhaps, has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    except OSError as error:  # a full disk, a missing permission
        status = _complain(prog, f"{error.filename2 or error.filename or ''}: {error.strerror or error}".removeprefix(": "))
    except KeyboardInterrupt as interrupt:
        print(f"\n{prog}: interrupted", file=sys.stderr)
        status = 143 if isinstance(interrupt, signals.Terminated) else 130
    signals.take_sigterm(before)
    sys.exit(status)


def add_name_flag(parser, help, **more):
    parser.add_argument("-m", "--model-name", metavar="NAME", help=help, **more)


def add_place_flags(parser):
    """Where to read and write, and what to show: the same for every script."""
    group = parser.add_argument_group("places")
    group.add_argument("--data-dir", metavar="DIR", help="folder with NAME.npz files (default: $LAB_DATA_DIR)")
    group.add_argument("--results-dir", metavar="DIR", default="results", help="folder that everything is written to")
    group.add_argument("--show", action="store_true", help="also show the figures in windows")
    return group


def add_setting_flags(parser, names=tuple(FLAGS)):
    """A flag for each of these settings, in the groups that their fields name."""
    about = {"GANs": f"for --net {', '.join(GANS)}; both networks are trained with Adam"}
    for group, several in itertools.groupby(names, key=lambda name: FLAGS[name].group):
        place = parser.add_argument_group(group, about.get(group))
        for name in several:
            _add_setting_flag(place, name)


def _add_setting_flag(place, name):
    # No default here: what is not given is nothing that was asked for. `Settings` fills it in.
    flag, field = FLAGS[name], Settings.model_fields[name]
    told = field.default is not None and not field.default_factory and field.annotation is not bool
    help = flag.help + (f" (default: {text(field.default)})" if told else "")
    if name == "net":
        place = place.add_mutually_exclusive_group()
        common = {"dest": name, "action": "store_const"}
        place.add_argument("-d", "--dense", const="dense", help="the dense net (default)", **common)
        place.add_argument("-c", "--conv", const="conv", help="the convolutional net", **common)
    kind = {"type": _type(name), "metavar": metavar(name)}
    if field.annotation is bool:
        kind = {"action": argparse.BooleanOptionalAction}
    short = [flag.short] if flag.short else []
    place.add_argument(*short, f"--{flag_of(name)}", help=help, **kind)


def _type(name):
    """A type for a flag: a setting's value from its text."""

    def value(text):
        try:
            return parse(name, text)
        except UserError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return value


def chosen(kind, args):
    """What of the flags a door takes: an instance of its NamedTuple."""
    return kind(**{name: getattr(args, name) for name in kind._fields})


def settings_of(args):
    """The settings that flags give; UserError where they do not go together."""
    return Settings(**{name: getattr(args, name) for name in FLAGS if getattr(args, name) is not None})


def parse_like(parser, given):
    """The flags parsed anew, with the settings that the run of ``--like`` was given for their defaults.

    Parameters
    ----------
    parser : Parser
    given : dict
        As `Settings.unusual` gives it.

    Raises
    ------
    UserError
        If these do not go together with the flags.
    """
    parser.set_defaults(**given)
    args = parser.parse_args()
    try:
        settings_of(args)
    except UserError as error:
        raise UserError(f"{error}; --like {args.like} stands for {as_flags(given)}") from error
    return args


def check_tensorboard(wanted):
    """Raise UserError if TensorBoard's log is wanted and the package that writes it is missing."""
    if wanted and importlib.util.find_spec("tensorboard") is None:
        raise UserError("--tensorboard needs one more package: run `pip install tensorboard`")


def check_display(wanted):
    """Raise UserError if figures are to be shown and there is no display."""
    if wanted:
        import lab.figures  # noqa: F401, I001 (before matplotlib, which it lets start from within a notebook)
        from matplotlib import pyplot

        if pyplot.get_backend().lower() in ("agg", "cairo", "pdf", "pgf", "ps", "svg", "template"):
            raise UserError("--show: there is no display to show figures on; without it they are saved all the same")


def finish(paths, show_them):
    """Say what was written; show the pictures if asked to, or the page."""
    say(f"{paths[0].parent}: {', '.join(path.name for path in paths)}")
    if show_them:
        import webbrowser

        for page in (path for path in paths if path.suffix == ".html"):
            webbrowser.open(page.resolve().as_uri())
        show([path for path in paths if path.suffix == ".png"])


def show(paths):
    """Show saved pictures in windows and wait until they are closed."""
    from matplotlib import pyplot

    for path in paths:
        picture = pyplot.imread(path)
        height, width = picture.shape[:2]
        figure = pyplot.figure(str(path), figsize=(width / 100, height / 100), dpi=100)
        axis = figure.add_axes((0, 0, 1, 1))
        axis.set_axis_off()
        axis.imshow(picture)
    pyplot.show()
