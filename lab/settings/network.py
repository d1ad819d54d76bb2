"""Networks of the user's own, ``--net FILE.py:FUNCTION``: what their functions take of a run's
settings.
"""

import ast
from pathlib import Path

from lab.io.words import first_line
from lab.settings.kinds import UserError
from lab.settings.settings import FLAGS, flag_of
from lab.settings.source import arguments_in, read_source

_GIVEN = {"input_shape", "classes"}  # to every function
# Settings that only the network itself can heed.
_PARTS = [
    name
    for name, flag in FLAGS.items()
    if flag.group in ("network", "weight decay") and name != "net"
]


def with_source(settings):
    """The settings of a run with the source of its network, if that is one of the user's own.

    The network is then called "FILE.py:FUNCTION", without the folders; and what its function has
    for a default of one of our settings is the setting's default.

    Raises
    ------
    UserError
        If there is no such function, or it does not take what it has to.
    """
    if not settings.is_own_net or settings.source is not None:
        return settings
    path, _, function = settings.net.rpartition(":")
    source = read_source(path)
    try:
        defaults = arguments_in(source, function)
    except (ValueError, RecursionError) as error:
        raise UserError(f"--net {settings.net}: {first_line(error)}") from error
    found = settings.replace(net=f"{Path(path).name}:{function}", source=source)
    _check(found, defaults)
    free = [
        name
        for name in defaults
        if name in FLAGS and defaults[name] and name not in settings.model_fields_set
    ]
    values = {name: _value(defaults[name], name, found.net) for name in free}
    try:
        return found.replace(**values)
    except UserError as error:
        raise UserError(f"the defaults of {found.net}: {error}") from error


def idle_parts(settings):
    """The settings of a network's layers that a function of the user's own takes no argument for:
    a set of names.
    """
    taken = arguments_of(settings)
    return set() if "**" in taken else {*_PARTS} - taken


def arguments_of(settings):
    """The arguments of the function of a network of the user's own, and ``"**"`` if it takes any:
    a set of names.
    """
    return set(arguments_in(settings.source, settings.net.rpartition(":")[2]))


def _check(settings, defaults):
    """Raise UserError if a function does not take what it has to, or cannot get what it takes."""
    net = settings.net
    if "**" not in defaults and not set(defaults) >= _GIVEN:
        raise UserError(
            f"{net} must take input_shape and classes, got {', '.join(defaults) or 'nothing'}"
        )
    for name in sorted(idle_parts(settings) & settings.model_fields_set):
        raise UserError(f"--{flag_of(name)} has no effect: {net} takes no argument {name}")
    for name, default in defaults.items():
        if default or name in _GIVEN | {"**"}:
            continue
        if name not in FLAGS:
            raise UserError(f"{net} takes {name}, which is no setting of a run: give it a default")
        if name in _PARTS and getattr(settings, name) is None:
            raise UserError(f"{net} takes {name}: add --{flag_of(name)}, or give it a default")


def _value(default, name, net):
    try:
        return ast.literal_eval(default)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        raise UserError(
            f"{net}: write the default of {name} as a plain value, not as {default}"
        ) from error
