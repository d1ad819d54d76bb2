"""What the user sees while a script works: lines, tables, a bar. Nobody else in lab/ prints."""

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

_WIDE = 1000  # columns, for what goes into a file or to another program: as wide as it needs to be


def say(line="", file=None):
    """Print a line at once, on standard output if nothing else is said."""
    print(line, file=file, flush=True)


def table(rows, title=None, left=()):
    """Print a table; of columns that do not fit into the terminal the last are left out, and a line names them.

    Parameters
    ----------
    rows : list of dict of str to str
        Column to cell. An empty row draws a line.
    title : str, optional
    left : sequence of str
        Columns besides the first that are set flush left, as words are; numbers stand flush right.
    """
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDE)
    columns, hidden = _fitting([row for row in rows if row], console.width)
    drawn = Table(title=title or None, title_justify="left")
    for column in columns:
        drawn.add_column(column, justify="left" if column in (columns[0], *left) else "right", no_wrap=True)
    for row in rows:
        if row:
            drawn.add_row(*(Text(row[column]) for column in columns))
        else:
            drawn.add_section()
    console.print(drawn)
    if hidden:
        say(f"This terminal is too narrow for: {', '.join(hidden)}.")


def _fitting(rows, width):
    """The first columns of a table that fit side by side into a terminal, at least two; and the others."""
    columns, shown, end = list(rows[0]), [], 1
    for column in columns:
        end += max(len(column), *(len(row[column]) for row in rows)) + 3
        if end > width and len(shown) >= 2:
            break
        shown.append(column)
    return shown, columns[len(shown) :]


class Bar:
    """A bar with the share done and the time left, where there is a terminal to draw it on; lines appear above it.

    Parameters
    ----------
    description : str
    total : int, optional
        Steps; unknown if it is left out.
    period : float
        Seconds of the past from which the time left is told.
    """

    def __init__(self, description, total=None, period=30.0):
        console = Console()
        columns = "{task.description}", BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
        options = {"transient": True, "refresh_per_second": 4, "speed_estimate_period": period}
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal, **options)
        self._task = self._progress.add_task(description, total=total)

    def __enter__(self):
        self._progress.start()
        return self

    def __exit__(self, *error):
        self._progress.stop()

    def advance(self, steps=0, description=None, total=None):
        """Go so many steps further, under another description or to another total perhaps."""
        self._progress.update(self._task, advance=steps, description=description, total=total)

    def restart(self, total):
        """Begin anew, with a total number of steps."""
        self._progress.reset(self._task, total=total)

    def say(self, line):
        """Print a line above the bar."""
        self._progress.console.print(line, highlight=False, markup=False, soft_wrap=True)
