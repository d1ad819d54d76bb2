"""Networks of the user's own, ``--net FILE.py:FUNCTION``: what their source says, without running it."""

import ast
import functools
from pathlib import Path

from lab.inputs import first_line, read
from lab.settings.kinds import UserError
from lab.settings.settings import FLAGS, flag_of

_GIVEN = {"input_shape", "classes"}  # to every function
# Settings that only the network itself can heed.
_PARTS = [name for name, flag in FLAGS.items() if flag.group in ("network", "weight decay") and name != "net"]


def with_source(settings):
    """The settings of a run with the source of its network, if that is one of the user's own.

    The network is then called "FILE.py:FUNCTION", without the folders; and what its function has for a default of one of our
    settings is the setting's default.

    Raises
    ------
    UserError
        If there is no such function, or it does not take what it has to.
    """
    if not settings.is_own_net or settings.source is not None:
        return settings
    path, _, function = settings.net.rpartition(":")
    try:
        source = read(path, "code").decode("utf-8-sig")
        defaults = _arguments(source, function)
    except FileNotFoundError:
        raise UserError(f"no file {path}: name your network with its folder, as in --net FOLDER/FILE.py:FUNCTION") from None
    except (OSError, ValueError, SyntaxError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or first_line(error)
        raise UserError(f"--net {settings.net}: {path}: {reason}") from error
    found = settings.replace(net=f"{Path(path).name}:{function}", source=source)
    _check(found, defaults)
    free = [name for name in defaults if name in FLAGS and defaults[name] and name not in settings.model_fields_set]
    values = {name: _value(defaults[name], name, found.net) for name in free}
    try:
        return found.replace(**values)
    except UserError as error:
        raise UserError(f"the defaults of {found.net}: {error}") from error


def idle_parts(settings):
    """The settings of a network's layers that a function of the user's own takes no argument for: a set of names."""
    taken = arguments_of(settings)
    return set() if "**" in taken else {*_PARTS} - taken


def arguments_of(settings):
    """The arguments of the function of a network of the user's own, and ``"**"`` if it takes any: a set of names."""
    return set(_arguments(settings.source, settings.net.rpartition(":")[2]))


@functools.lru_cache(maxsize=100)
def names_in(source):
    """Every name that a source uses, of layers among others."""
    nodes = ast.walk(ast.parse(source))
    return {getattr(node, "attr", "") or getattr(node, "id", "") for node in nodes}


@functools.lru_cache(maxsize=100)
def _arguments(source, function):
    """The arguments of a function: dict of name to the default's expression, an empty string for none."""
    defined = {node.name: node.args for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
    if function not in defined:
        raise ValueError(f"it has no function {function}; it has {', '.join(defined) or 'none'}")
    found = defined[function]
    if found.posonlyargs:
        raise ValueError(f"{function} takes arguments by their place only: remove the /")
    arguments = {one.arg: "" for one in (*found.args, *found.kwonlyargs)}
    behind = [one.arg for one in found.args[len(found.args) - len(found.defaults) :]]
    pairs = [*zip(behind, found.defaults), *zip((one.arg for one in found.kwonlyargs), found.kw_defaults)]
    arguments |= {name: ast.unparse(default) for name, default in pairs if default is not None}
    return arguments | ({"**": ""} if found.kwarg else {})


def _check(settings, defaults):
    """Raise UserError if a function does not take what it has to, or cannot get what it takes."""
    net = settings.net
    if "**" not in defaults and not set(defaults) >= _GIVEN:
        raise UserError(f"{net} must take input_shape and classes, got {', '.join(defaults) or 'nothing'}")
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
    except (ValueError, SyntaxError) as error:
        raise UserError(f"{net}: write the default of {name} as a plain value, not as {default}") from error
