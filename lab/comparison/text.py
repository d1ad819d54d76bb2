"""A table as text that can be pasted elsewhere, in which nothing that a cell holds acts as markup
or as a formula.
"""

import re

_IN_LATEX = {
    "\\": r"\textbackslash{}",
    "±": r"$\pm$",
    "λ": r"$\lambda$",
    "≤": r"$\leq$",
    "~": r"\textasciitilde{}",
    "^": r"\^{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    **{sign: f"${sign}$" for sign in "<>|"},
    # After the end of a row they would be its options.
    **{sign: f"{{{sign}}}" for sign in "[]*"},
}
# An underscore within a word, and a sign "less than" before a number, mean nothing in Markdown.
_OF_MARKDOWN = re.compile(r"[\\|`*\[\]&~]|<(?=[A-Za-z/!?])|(?<!\w)_|_(?!\w)")
_FORMULA = re.compile(r"[=+\-@\t\r\n]")  # how a cell begins that a spreadsheet runs
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)


def in_markdown(text):
    """Text as Markdown that shows it as it is."""
    return _OF_MARKDOWN.sub(r"\\\g<0>", text)


def as_markdown(rows):
    """A table of Markdown.

    Parameters
    ----------
    rows : list of dict of str to str
        Column to cell.

    Returns
    -------
    str
    """
    columns, *lines = _cells(rows, in_markdown)
    widths = [max(map(len, cells)) for cells in zip(columns, *lines)]
    lines = [columns, ["-" * width for width in widths], *lines]
    return "\n".join("| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines)


def as_latex(rows):
    """A table of LaTeX, as `as_markdown`; it needs no package."""
    columns, *lines = [" & ".join(line) + r" \\" for line in _cells(rows, _in_latex)]
    of_words = {"run", "setting", next(iter(rows[0]))}
    kinds = "".join("l" if name in of_words else "r" for name in rows[0])
    head = [rf"\begin{{tabular}}{{{kinds}}}", r"\hline", columns, r"\hline"]
    return "\n".join([*head, *lines, r"\hline", r"\end{tabular}"])


def _in_latex(cell):
    # Two hyphens would be a dash.
    return re.sub("-(?=-)", "-{}", cell.translate(str.maketrans(_IN_LATEX)))


def _cells(rows, escape):
    """The names of the columns, and the cells of each row, each in a line and escaped."""
    lines = [[*rows[0]], *([*row.values()] for row in rows)]
    return [[escape(" ".join(cell.splitlines())) for cell in line] for line in lines]


def as_csv(rows):
    """Comma-separated values, as `as_markdown`; cells may be numbers."""
    import pandas  # which takes half a second

    frame = pandas.DataFrame(rows, dtype=object).map(_harmless).rename(columns=_harmless)
    return frame.to_csv(index=False, lineterminator="\n").rstrip("\n")


def _harmless(cell):
    """A cell that no spreadsheet takes for a formula: ``'`` stands before what would be one."""
    is_formula = isinstance(cell, str) and _FORMULA.match(cell) and not _NUMBER.fullmatch(cell)
    return f"'{cell}" if is_formula else cell


def as_written(cell):
    """A cell of a file of ours, without the ``'`` that made it harmless."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell[1:]) else cell
