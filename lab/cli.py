"""What the three scripts share: flags, made from the settings; exit statuses; one-line errors;
windows.

Exit status: 0 done; 2 the user can mend it; 130 interrupted, 143 by SIGTERM; 1 a bug, or some runs
of a sweep failed.
"""

import argparse
import codecs
import contextlib
import functools
import importlib.util
import itertools
import os
import re
import shlex
import shutil
import sys
import textwrap
from pathlib import Path

from lab.io import environment, signals
from lab.io.files import read
from lab.io.words import as_typed, first_line, suggestion, visible

_NOT_INSTALLED = "the package {} is not installed: run `source .venv/bin/activate`, or `pip install -r requirements.txt`"


_MOST_FILES = 20  # @FILEs of a command, which may name others, or each other


def _complain(prog, error):
    with contextlib.suppress(OSError, ValueError):  # nobody can be told, but by the status
        print(
            f"{prog}: error: {visible(str(error)).replace(chr(10), ' ')}",
            file=sys.stderr,
            flush=True,
        )
    return 2


def _not_imported(error):
    """Why a package could not be imported: it is not there, it is broken, or something of the
    user's has its name.
    """
    name = (error.name or "").partition(".")[0]
    found = getattr(sys.modules.get(name), "__file__", None)
    if found and Path(found).parent in (Path(__file__).parents[1], Path(os.curdir).absolute()):
        return f"{found} hides the package {name}: rename it"
    if not isinstance(error, ModuleNotFoundError):
        return f"a package cannot be imported ({first_line(error)}): run `pip install -r requirements.txt`"
    return _NOT_INSTALLED.format(error.name)


try:
    from lab.console import say
    from lab.settings import (
        FLAGS,
        Real,
        Settings,
        UserError,
        Whole,
        as_flags,
        choices,
        default_in_words,
        flag_of,
        is_value,
        metavar,
        parse,
        parse_as,
        with_source,
        words,
    )
    from models import GAN, NETWORKS
except ImportError as error:  # outside of the virtual environment: too early for `run` to say so
    sys.exit(_complain(sys.argv[0].rpartition("/")[2], _not_imported(error)))


class Parser(argparse.ArgumentParser):
    """A parser that complains in one line, shows every default, and takes flags from a file as
    ``@FILE``.
    """

    def __init__(self, doc):
        description, _, epilog = (doc or "").partition("\n\n")  # None: by python -OO
        options = {"formatter_class": _Formatter, "allow_abbrev": False}
        width = shutil.get_terminal_size().columns - 2
        super().__init__(description=textwrap.fill(description, width), epilog=epilog, **options)
        self.given, self.unknown = [], []

    def parse_args(self, args=None):
        try:
            self.given = [*_expanded(sys.argv[1:] if args is None else args, [])]
        except UserError as error:
            self.error(str(error))
        for arg in filter(lambda one: one.startswith("-"), self.given):
            flag, _, value = arg.partition("=")
            name = flag[1:]  # -hidden, of which argparse would make -h
            if (len(name) > 1 and f"--{name}" in self.flags) or (
                len(name) > 3 and "--model-name".startswith(f"--{name}")
            ):
                self.error(f"unrecognized arguments: {arg}{self._hint_of_flag(flag)}")
            if value == "--":  # which argparse takes for none
                self.error(f"argument {flag}: expected a value, got '--'")
        args, self.unknown = self.parse_known_args(self.given)
        if self.unknown:
            told = "unrecognized arguments:"
            for arg in self.unknown:
                hint = self._hint(arg)
                told += f" {arg}{'' if hint in told else hint}"
            self.error(told)
        return args

    @property
    def flags(self):
        """Every flag, with its dashes: a dict to its action."""
        return self._option_string_actions

    def _hint(self, arg):
        """What was meant by an argument that is none, in brackets; empty where it is not clear."""
        if as_typed(arg).startswith("-"):
            return self._hint_of_flag(as_typed(arg).partition("=")[0])
        for before, flag, *values in (
            ["", *self.given][index:] for index in range(len(self.given))
        ):
            if [arg] != values[:1]:
                continue
            if flag in self.flags and self.flags[flag].nargs == 0:
                return f" ({flag} takes no value)"
            if before in self.flags and self.flags[before].nargs == 0:
                return f" ({before} takes no value)"
            if before in self.flags and flag not in self.flags:
                return self._hint_of_values(
                    before,
                    [flag, *itertools.takewhile(lambda one: not one.startswith("-"), values)],
                )
        return ""  # a third value, or none of a flag

    def _hint_of_values(self, flag, values):
        """What was meant by several values of a flag that takes one, in brackets."""
        name = self.flags[flag].dest
        values = [value.strip(",") for value in values if value.strip(",")]
        if name == "model_name" and not any(set(value) & set("/=:.") for value in values):
            return f" (a name has no spaces: {flag} {'_'.join(values)})"
        if name not in FLAGS or not all(is_value(name, value) for value in values):
            return ""
        if "," in metavar(name):
            return f" ({flag} takes its values with commas between them: {flag} {','.join(values)})"
        if name == "seed":
            return f" (several seeds: --repeats {len(values)})"
        each = (
            f"; to train with each: --sweep {flag_of(name)} {' '.join(values)}"
            if "--sweep" in self.flags
            else ""
        )
        return f" ({flag} takes one value{each})"

    def _hint_of_flag(self, word):
        """What was meant by a word that begins with a dash and is no flag, in brackets."""
        name = word.lstrip("-")
        ours = [one for one in FLAGS if f"--{flag_of(one)}" in self.flags]
        same = next(
            (flag for flag in self.flags if flag.lstrip("-") == name), None
        )  # of a printed dash, or of one too few
        chosen = next((one for one in ours if name in choices(one)), None)  # --gpu
        other = {words(one): f"--{flag_of(one)}" for one in ours}
        other |= {FLAGS[one].axis: f"--{flag_of(one)}" for one in ours if FLAGS[one].axis}
        if same:
            return f" (did you mean {same}?)"
        if chosen and not any(flag.startswith(word) for flag in self.flags):
            return f" (did you mean --{flag_of(chosen)} {name}?)"
        return suggestion(
            word, {flag: flag for flag in self.flags} | other
        ) or _hint_of_other_scripts(word, self.prog)

    def error(self, message):
        self.exit(
            _complain(self.prog, f"{message}{self._advice(message)} (see {self.prog} --help)")
        )

    def _advice(self, message):
        """What else a message is to say."""
        forgotten = next(filter(self._looks_like_flags, self.given), None)
        if forgotten:
            return f"; for flags from a file, write @{forgotten}"
        cut = re.search(r"got '([^']+,)'", message)
        if cut and cut[1] in self.given:
            behind = [*self.given, "-"][self.given.index(cut[1]) + 1]
            flag = behind.startswith("-")
            return (
                f" (without the comma: {cut[1].rstrip(',')})"
                if flag
                else f" (without a space: {cut[1]}{behind})"
            )
        if message.endswith("required") or message.startswith(
            "the following arguments are required"
        ):
            unknown = [
                arg
                for arg in self.given
                if arg.startswith("-") and arg.partition("=")[0] not in self.flags
            ]
            hints = [f"{arg}{self._hint_of_flag(arg.partition('=')[0])}" for arg in unknown]
            return f"; unrecognized: {' '.join(hints)}" if hints else ""
        if choice := re.search(r"invalid choice: '(.+)' \(choose from (.+)\)", message):
            return suggestion(choice[1], re.findall(r"[\w-]+", choice[2]))
        several = message.partition(":")[0].removeprefix("argument ").split("/")
        behind = [
            value
            for flag, value in zip(self.given, self.given[1:])
            if flag in several and value.startswith("-")
        ]
        if not behind or behind[0] == "--" or "expected" not in message:
            return ""
        if behind[0].partition("=")[0] not in self.flags:
            return f"; a value that begins with a dash is written as {several[-1]}={behind[0]}"
        return (
            f"; name it without its dashes, as in --sweep {behind[0].lstrip('-')} A B"
            if several == ["--sweep"]
            else ""
        )

    def _looks_like_flags(self, arg):
        return arg.endswith(".args") or (arg in self.unknown and os.path.isfile(arg))


def _hint_of_other_scripts(flag, prog):
    """Which of the other scripts has a flag, in brackets; empty if none has."""
    for name in ("train.py", "evaluate.py", "visualize.py"):
        if name != prog and f'"{flag}"' in Path(__file__).parents[1].joinpath(name).read_text(
            "utf-8"
        ):
            return f" (a flag of {name})"
    return " (a flag of train.py)" if flag.lstrip("-") in map(flag_of, FLAGS) else ""


def _expanded(args, files):
    """Flags, and in place of each @FILE those that it holds; ``files`` were read before."""
    for arg in map(_with_home, args):
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


def _with_home(arg):
    """An argument with the home folder for a ~ that a shell leaves: in a file, behind the = of a
    flag.
    """
    flag, equals, value = re.fullmatch(r"(--[\w-]+)?(=)?(.*)", arg, re.DOTALL).groups("")
    return f"{flag}{equals}{os.path.expanduser(value)}"


class _Formatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    def _split_lines(self, text, width):
        return textwrap.wrap(text, width, break_on_hyphens=False)  # names of networks have hyphens

    def _get_help_string(self, action):
        # Nothing that a reader could type: such a flag's help says what happens without it.
        if action.default is None or action.nargs == 0:
            return action.help
        return super()._get_help_string(action)


def run(main):
    """Call ``main`` and leave the process with the status of what came of it."""
    environment.settle()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):  # a notebook's, or an editor's
            stream.reconfigure(errors="replace")  # where a terminal has no λ or ±
    before = signals.take_sigterm()
    try:
        status = _status_of(main)
    finally:
        signals.take_sigterm(before)
        _flush()
    sys.exit(status)


def _status_of(main):
    prog = sys.argv[0].rpartition("/")[2]
    try:
        os.getcwd()
    except OSError:
        return _complain(prog, "the current folder is gone: change to another")
    try:
        return main() or 0
    except UserError as error:
        return _complain(prog, error)
    except ExceptionGroup as several:  # of UserError
        return max(_complain(prog, error) for error in several.exceptions)
    except ImportError as error:
        if (error.name or "").partition(".")[0] in ("", "lab", "models"):
            raise
        return _complain(prog, _not_imported(error))
    except BrokenPipeError:  # whoever read our output, `head` perhaps, has read enough
        return 1
    except OSError as error:  # a full disk, a missing permission
        return _complain(
            prog,
            f"{error.filename2 or error.filename or ''}: {error.strerror or error}".removeprefix(
                ": "
            ),
        )
    except KeyboardInterrupt as interrupt:
        with contextlib.suppress(OSError):
            print(f"\n{prog}: interrupted", file=sys.stderr, flush=True)
        return 143 if isinstance(interrupt, signals.Terminated) else 130


def _flush():
    """Write what is left to standard output and error; where that cannot be done, Python would
    change the status for it.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def run_name(text):
    """The name of a run: without the slash that a shell puts behind a folder's name."""
    return text.rstrip("/") or text


def whole(name):
    """A type for a flag that is no setting: a whole number from its text."""
    return _argument(functools.partial(parse_as, Whole, name))


def real(name):
    """As `whole`: any number."""
    return _argument(functools.partial(parse_as, Real, name))


def _argument(value_of):
    """A type as argparse takes it: of a function that raises UserError."""

    def value(text):
        try:
            return value_of(text)
        except UserError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return value


def add_name_flag(parser, help, **more):
    parser.add_argument("-m", "--model-name", metavar="NAME", type=run_name, help=help, **more)


def add_place_flags(parser):
    """Where to read and write, and what to show: the same for every script."""
    group = parser.add_argument_group("places")
    group.add_argument(
        "--data-dir", metavar="DIR", help="folder with NAME.npz files (default: $LAB_DATA_DIR)"
    )
    group.add_argument(
        "--results-dir",
        metavar="DIR",
        default="results",
        help="folder that everything is written to",
    )
    group.add_argument("--show", action="store_true", help="also show the figures in windows")
    return group


def add_setting_flags(parser, names=tuple(FLAGS)):
    """A flag for each of these settings, in the groups that their fields name."""
    gans = [net for net, network in NETWORKS.items() if network.kind is GAN]
    about = {"GANs": f"for --net {', '.join(gans)}; both networks are trained with Adam"}
    for group, several in itertools.groupby(names, key=lambda name: FLAGS[name].group):
        place = parser.add_argument_group(group, about.get(group))
        for name in several:
            _add_setting_flag(place, name)


def _add_setting_flag(place, name):
    # No default here: what is not given is nothing that was asked for. `Settings` fills it in.
    flag, field = FLAGS[name], Settings.model_fields[name]
    default = None if field.annotation is bool else default_in_words(name)
    help = f"{flag.help} (default: {default})" if default else flag.help
    if name == "net":
        place = place.add_mutually_exclusive_group()
        common = {"dest": name, "action": "store_const"}
        place.add_argument("-d", "--dense", const="dense", help="the dense net (default)", **common)
        place.add_argument("-c", "--conv", const="conv", help="the convolutional net", **common)
    kind = {"type": _argument(functools.partial(parse, name)), "metavar": metavar(name)}
    if field.annotation is bool:
        kind = {"action": argparse.BooleanOptionalAction}
    short = [flag.short] if flag.short else []
    place.add_argument(*short, f"--{flag_of(name)}", help=help, **kind)


def chosen(kind, args):
    """What of the flags a door takes: an instance of its NamedTuple."""
    return kind(**{name: getattr(args, name) for name in kind._fields})


def settings_of(args):
    """The settings that flags give; UserError where they do not go together."""
    return Settings(
        **{name: getattr(args, name) for name in FLAGS if getattr(args, name) is not None}
    )


def parse_like(parser, args, run):
    """The flags parsed anew, with the settings that the run of ``--like`` was given for their
    defaults.

    Parameters
    ----------
    parser : Parser
    args : argparse.Namespace
        The flags, parsed without these defaults.
    run : runs.Run

    Raises
    ------
    UserError
        If these do not go together with the flags, or the run's network is one of the user's own,
        and they do not name it: what a run says is never run.
    """
    given, net = run.again, run.settings.net
    if run.settings.is_own_net:
        if args.net is None:
            own = f"its network is {net}, code that is run only where you name it"
            raise UserError(f"--like {args.like}: {own}: add --net FOLDER/{net}")
        del given["net"]
    parser.set_defaults(**given)
    args = parser.parse_args()
    try:
        settings = settings_of(args)
    except UserError as error:
        raise UserError(f"{error}; --like {args.like} stands for {as_flags(given)}") from error
    if (
        run.settings.is_own_net
        and settings.is_own_net
        and with_source(settings).source != run.settings.source
    ):
        say(f"Note: {args.net} is not what {run.folder} was trained with: its source has changed.")
    return args


def check_tensorboard(wanted):
    """Raise UserError if TensorBoard's log is wanted and the package that writes it is missing."""
    if wanted and importlib.util.find_spec("tensorboard") is None:
        raise UserError("--tensorboard needs one more package: run `pip install tensorboard`")


def check_display(wanted):
    """Raise UserError if figures are to be shown and there is no display."""
    if wanted:
        import lab.figures  # noqa: F401 (before matplotlib, which it lets start from within a notebook)

        try:
            from matplotlib import pyplot
        except Exception as error:  # which reads styles of the user's
            raise UserError(
                f"--show: matplotlib cannot start ({first_line(error)}): look into its configuration"
            ) from error

        if pyplot.get_backend().lower() in ("agg", "cairo", "pdf", "pgf", "ps", "svg", "template"):
            raise UserError(
                "--show: there is no display to show figures on; without it they are saved all the same"
            )


def finish(paths, show_them):
    """Say what was written; show the pictures if asked to, or the page."""
    for folder in dict.fromkeys(path.parent for path in paths):
        say(f"{folder}: {', '.join(path.name for path in paths if path.parent == folder)}")
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
