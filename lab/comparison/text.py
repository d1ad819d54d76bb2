"""A table as text that can be pasted elsewhere."""

import csv
import io

_IN_LATEX = {"\\": r"\textbackslash{}", "±": r"$\pm$", "λ": r"$\lambda$", "≤": r"$\leq$", "~": r"\textasciitilde{}"}
_IN_LATEX |= {sign: f"\\{sign}" for sign in "&%$#_{}"} | {"^": r"\^{}", "<": "$<$", ">": "$>$"}
_IN_LATEX = str.maketrans(_IN_LATEX)


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
    columns = list(rows[0])
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in columns}
    lines = [{name: name for name in columns}, {name: "-" * widths[name] for name in columns}, *rows]
    return "\n".join("| " + " | ".join(line[name].ljust(widths[name]) for name in columns) + " |" for line in lines)


def as_latex(rows):
    """A table of LaTeX, as `as_markdown`; it needs no package."""
    columns = list(rows[0])
    cells = [[cell.translate(_IN_LATEX) for cell in line] for line in (columns, *(row.values() for row in rows))]
    lines = [" & ".join(line) + r" \\" for line in cells]
    head = rf"\begin{{tabular}}{{{''.join('l' if name in ('run', columns[0], 'setting') else 'r' for name in columns)}}}"
    return "\n".join([head, r"\hline", lines[0], r"\hline", *lines[1:], r"\hline", r"\end{tabular}"])


def as_csv(rows):
    """Comma-separated values, as `as_markdown`; cells may be numbers."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().rstrip("\n")
