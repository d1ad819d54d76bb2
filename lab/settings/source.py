"""What a file with networks of the user's own says: its syntax tree is read, and nothing in it is
run.
"""

import ast
import functools
import re
import warnings
from pathlib import Path

from lab.io.files import read
from lab.io.words import first_line
from lab.settings.kinds import UserError

_NAMED = re.compile(r"(?P<path>.*\.py)(?::.*)?", re.DOTALL)
# Layers of Keras's, and networks of its applications, that convolve: by these names alone.
_CONVOLUTION = re.compile(
    "(Separable|Depthwise)?Conv(olution)?[123]D(Transpose)?|ConvLSTM[123]D|"
    "ConvNeXt(Tiny|Small|Base|Large|XLarge)"
)
_OTHERS = {
    ast.ClassDef: "a class",
    ast.AsyncFunctionDef: "an async function",
    ast.Import: "an import",
}
_OTHERS |= {ast.ImportFrom: "an import", ast.Assign: "a variable", ast.AnnAssign: "a variable"}


def read_source(path):
    """The text of a file of the user's own; UserError unless it is Python's."""
    try:
        text = read(path, "code").decode("utf-8-sig")
        _parsed(text, Path(path).name)
    except FileNotFoundError:
        advice = "name your network with its folder, as in --net FOLDER/FILE.py:FUNCTION"
        raise UserError(f"no file {path}: {advice}") from None
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: not in UTF-8 ({first_line(error)}): save it in that encoding"
        ) from error
    except (RecursionError, MemoryError) as error:
        raise UserError(f"{path}: its expressions are nested too deeply for Python") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise UserError(
            f"{path}: {getattr(error, 'strerror', None) or first_line(error)}"
        ) from error
    return text


def check_named(net):
    """Raise UserError if a network is meant to be one of the user's own, FILE.py:FUNCTION, but no
    function is named.
    """
    named = _NAMED.fullmatch(net)
    if named and not re.fullmatch(r"[A-Za-z_]\w*", net[named.end("path") + 1 :], re.ASCII):
        path = named["path"]
        raise UserError(
            f"{net} names no function: write {path}:FUNCTION; {_functions(read_source(path))}"
        )


@functools.lru_cache(maxsize=100)
def arguments_in(source, function):
    """The arguments of a function: dict of name to the default's expression, an empty string for
    none.

    Raises
    ------
    ValueError
        If there is no such function.
    """
    body = _parsed(source).body
    defined = {node.name: node.args for node in body if isinstance(node, ast.FunctionDef)}
    if function not in defined:
        other = next(
            (
                _OTHERS[type(node)]
                for node in body
                if type(node) in _OTHERS and function in _bound(node)
            ),
            None,
        )
        is_other = f" ({function} is {other})" if other else ""
        raise ValueError(f"it has no function {function}{is_other}; {_functions(source)}")
    found = defined[function]
    if found.posonlyargs:
        raise ValueError(f"{function} takes arguments by their place only: remove the /")
    arguments = {one.arg: "" for one in (*found.args, *found.kwonlyargs)}
    behind = [one.arg for one in found.args[len(found.args) - len(found.defaults) :]]
    pairs = [
        *zip(behind, found.defaults),
        *zip((one.arg for one in found.kwonlyargs), found.kw_defaults),
    ]
    arguments |= {name: ast.unparse(default) for name, default in pairs if default is not None}
    return arguments | ({"**": ""} if found.kwarg else {})


@functools.lru_cache(maxsize=100)
def convolves(source):
    """Whether a source uses layers of Keras's that convolve, and none that normalizes over a
    batch.
    """
    nodes = [
        node
        for node in ast.walk(_parsed(source))
        if isinstance(getattr(node, "ctx", None), ast.Load)
    ]
    used = {getattr(node, "attr", "") or getattr(node, "id", "") for node in nodes}
    return any(map(_CONVOLUTION.fullmatch, used)) and "BatchNormalization" not in used


def _parsed(source, file="<network>"):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the syntax, which Python says when it is run
        return ast.parse(source, file)


def _functions(source):
    names = [node.name for node in _parsed(source).body if isinstance(node, ast.FunctionDef)]
    return f"it has {', '.join(names) or 'none'}"


def _bound(node):
    """The names that a statement binds: of a class or function, an import, or variables."""
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {(one.asname or one.name).partition(".")[0] for one in node.names}
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        return {
            one.id
            for one in ast.walk(node)
            if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)
        }
    return {node.name}
