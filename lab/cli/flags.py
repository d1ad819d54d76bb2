"""Flags that several scripts share, most of them made from the settings."""

import argparse
import functools
import itertools

from lab.console import say
from lab.settings import (
    FLAGS,
    GAN,
    Real,
    Settings,
    UserError,
    Whole,
    as_flags,
    default_in_words,
    flag_of,
    metavar,
    networks_of,
    parse,
    parse_as,
    with_source,
)


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


def add_place_flags(parser):
    """Where to read and write, and what to show: the same for every script.

    Returns
    -------
    function
        That adds more flags to their group.
    """
    add = parser.adder(parser.add_argument_group("places"))
    add("--data-dir", metavar="DIR", help="folder with NAME.npz files (default: $LAB_DATA_DIR)")
    add(
        "--results-dir",
        metavar="DIR",
        default="results",
        help="folder that everything is written to (default: results)",
    )
    add("--show", action="store_true", help="also show the figures in windows")
    return add


def add_setting_flags(parser, names=tuple(FLAGS)):
    """A flag for each of these settings, in the groups that their fields name."""
    about = {
        "GANs": f"for --net {', '.join(networks_of(GAN))}; both networks are trained with Adam"
    }
    for title, several in itertools.groupby(names, key=lambda name: FLAGS[name].group):
        group = parser.add_argument_group(title, about.get(title))
        for name in several:
            if name == "net":
                _add_net_flags(parser, group.add_mutually_exclusive_group())
            else:
                _add_setting_flag(parser.adder(group), name)


def _add_net_flags(parser, group):
    add = parser.adder(group)
    common = {"dest": "net", "action": "store_const"}
    add("-d", "--dense", const="dense", help="the dense net (default)", **common)
    add("-c", "--conv", const="conv", help="the convolutional net", **common)
    _add_setting_flag(add, "net")


def _add_setting_flag(add, name):
    # No default here: what is not given is nothing that was asked for. `Settings` fills it in.
    flag, is_switch = FLAGS[name], Settings.model_fields[name].annotation is bool
    default = None if is_switch else default_in_words(name)
    help = f"{flag.help} (default: {default})" if default else flag.help
    kind = {"type": _argument(functools.partial(parse, name)), "metavar": metavar(name)}
    if is_switch:
        kind = {"action": argparse.BooleanOptionalAction}
    names = [flag.short] if flag.short else []
    add(*names, f"--{flag_of(name)}", help=help, **kind)


def settings_of(args):
    """The settings that flags give; UserError where they do not go together."""
    given = {name: getattr(args, name) for name in FLAGS}
    return Settings(**{name: value for name, value in given.items() if value is not None})


def parse_like(parser, args):
    """The flags parsed anew, with the settings that the run of ``--like`` was given for their
    defaults.

    Parameters
    ----------
    parser : Parser
    args : argparse.Namespace
        The flags, parsed without these defaults.

    Raises
    ------
    UserError
        If there is no such run, its settings do not go together with the flags, or its network is
        one of the user's own, and they do not name it: what a run says is never run.
    """
    from lab import runs  # for which -h does not wait

    run = runs.load_ended(runs.existing(args.results_dir, args.like))
    given, net = run.again, run.settings.net
    if run.settings.is_own_net:
        if args.net is None:
            own = f"its network is {net}, code that is run only where you name it"
            raise UserError(f"--like {args.like}: {own}: add --net FOLDER/{net}")
        del given["net"]
    parser.set_defaults(**given)
    args = parser.parse_args(parser.given)
    try:
        settings = settings_of(args)
    except UserError as error:
        raise UserError(f"{error}; --like {args.like} stands for {as_flags(given)}") from error
    if run.settings.is_own_net and settings.is_own_net:
        note_changed_source(args.net, with_source(settings), run)
    return args


def note_changed_source(net, settings, run):
    """Say so if a network of the user's own has changed since a run was trained with it.

    Parameters
    ----------
    net : str
        As the user names it.
    settings : Settings
        With its source.
    run : runs.Run
    """
    if settings.source != run.settings.source:
        say(f"Note: {net} is not what {run.folder} was trained with: its source has changed.")
