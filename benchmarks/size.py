#!/usr/bin/env python3
"""How much code there is, by room: tokens, lines, tokens a line, and lines that are too long.

examples:
  python benchmarks/size.py            of this checkout
  python benchmarks/size.py FOLDER     of another one

Names, numbers, strings and operators count as tokens, a string as one (as Python 3.11 splits a
text); comments and docstrings do not count. Lines are those that hold a token. The product is
lab/, models/ and the scripts. Of the page, the lines of its HTML, JavaScript and CSS count.
"""

import argparse
import ast
import io
import tokenize
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

WIDTH = 100  # columns
COUNTED = (tokenize.NAME, tokenize.NUMBER, tokenize.STRING, tokenize.OP)
OTHERS = ("tests", "benchmarks")  # beside the product


class Size(NamedTuple):
    tokens: int
    lines: int
    wide: int  # lines over WIDTH columns


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parents[1])
    folder = parser.parse_args().folder
    by_room = defaultdict(list)
    for path in python_files(folder):
        by_room[room_of(path.relative_to(folder))].append(size_of(path.read_text("utf-8")))
    sizes = {room: total(files) for room, files in by_room.items()}
    rooms = [room for room in sizes if room not in OTHERS]
    print(f"{'':20} {'tokens':>8} {'lines':>7} {'a line':>7} {'too long':>9}")
    for room in sorted(rooms, key=sizes.get, reverse=True):
        show(room, sizes[room])
    show("product", total(sizes[room] for room in rooms))
    for room in OTHERS:
        show(room, sizes.get(room, Size(0, 0, 0)))
    print(f"lines of the page's HTML, JavaScript and CSS: {lines_of_page(folder)}")


def python_files(folder):
    """The Python files of a checkout, sorted."""
    found = list(folder.glob("*.py"))
    for top in ("lab", "models", *OTHERS):
        found += (folder / top).rglob("*.py")
    return sorted(found)


def room_of(path):
    """The room of a file, which is named relative to the checkout."""
    first, *inner = path.parts
    if not inner:
        return "scripts"
    return "/".join(path.parts[:2]) if first == "lab" else first


def size_of(text):
    """The size of a Python module.

    Parameters
    ----------
    text : str

    Returns
    -------
    Size
    """
    documented = docstring_lines(ast.parse(text))
    tokens = [
        token
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type in COUNTED and token.start[0] not in documented
    ]
    lines = set()
    for token in tokens:
        lines.update(range(token.start[0], token.end[0] + 1))
    written = text.splitlines()
    wide = [line for line in lines if len(written[line - 1]) > WIDTH]
    return Size(len(tokens), len(lines), len(wide))


def docstring_lines(module):
    """The numbers of the lines on which docstrings stand: a set."""
    found = set()
    for node in ast.walk(module):
        if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if ast.get_docstring(node, clean=False) is not None:
            docstring = node.body[0]
            found.update(range(docstring.lineno, docstring.end_lineno + 1))
    return found


def total(sizes):
    return Size(*(sum(column) for column in zip(*sizes)))


def show(name, size):
    average = size.tokens / max(1, size.lines)
    print(f"{name:20} {size.tokens:8,} {size.lines:7,} {average:7.1f} {size.wide:9}")


def lines_of_page(folder):
    files = [
        path for path in (folder / "lab").rglob("*") if path.suffix in (".html", ".js", ".css")
    ]
    return sum(len(path.read_text("utf-8").splitlines()) for path in files)


if __name__ == "__main__":
    main()
