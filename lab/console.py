"""What the user sees while a script works: lines, tables, a bar. Nobody else in lab/ prints."""

import datetime
import itertools
import os
import shlex
import textwrap

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TaskProgressColumn
from rich.table import Column, Table
from rich.text import Text

from lab.io.words import flag_with, visible

_COMMAND = "python "
_WIDE = 1000  # columns, for what goes into a file or to another program: as wide as it needs to be
_LEAST = 12  # columns for words
_LONGEST = 1e9  # seconds that anybody would wait


def say(text="", file=None):
    """Print at once, on standard output if nothing else is said, in lines that the terminal or
    $COLUMNS has room for.

    A line that is a command stays one: it is to be pasted.
    """
    width = _console().width
    for line in visible(text).split("\n"):
        if not line.startswith(_COMMAND):
            line = textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False)
        print(line, file=file, flush=True)


def paste(text):
    """Print what is to be pasted elsewhere, as it is."""
    print(visible(text), flush=True)


def command(script, name, flags="", *, results_dir, data_dir=None):
    """A command of ours to paste into a shell: of a script, about a run, with some flags as text,
    and with the folders that are not the default ones.
    """
    named = (
        flag_with("model-name", name) if name.startswith(("-", "@")) else f"-m {shlex.quote(name)}"
    )
    folders = {
        "results-dir": results_dir if str(results_dir) != "results" else None,
        "data-dir": data_dir,
    }
    given = [flag_with(flag, str(folder)) for flag, folder in folders.items() if folder]
    return " ".join(filter(None, [f"{_COMMAND}{script}", named, flags, *given]))


def p_value(p):
    """A probability of chance as text: "p = 0.04"."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def _console():
    console = Console()
    return console if console.is_terminal or "COLUMNS" in os.environ else Console(width=_WIDE)


def table(rows, title=None, left=()):
    """Print a table, in parts below each other if it is too wide for the terminal or $COLUMNS: no
    column is left out.

    Parameters
    ----------
    rows : list of dict of str to str
        Column to cell. An empty row draws a line.
    title : str, optional
    left : sequence of str
        Columns besides the first that are set flush left, as words are, and wrapped if need be;
        numbers stand flush right. Those that a table begins with stand in each of its parts.
    """
    console = _console()
    rows = [{visible(column): visible(cell) for column, cell in row.items()} for row in rows]
    columns = list(next(filter(None, rows)))
    words = {columns[0], *left}
    keys = list(itertools.takewhile(words.__contains__, columns))
    # With the border and the spaces beside each.
    widths = {
        column: max(len(column), *(len(row[column]) for row in rows if row)) + 3
        for column in columns
    }
    room = console.width - 1
    natural = dict(widths)
    others = [column for column in columns[len(keys) :] if column in words]
    for_keys = console.width // 2 if columns[len(keys) :] else room
    widths |= _shrunk({column: widths[column] for column in keys}, for_keys)
    widths |= _shrunk({column: widths[column] for column in others}, console.width // 3)
    parts = [[*keys]]
    for column in columns[len(keys) :]:
        wide = sum(widths[name] for name in [*parts[-1], column]) > room
        if wide and len(parts[-1]) > len(keys):
            parts.append([*keys])
        parts[-1].append(column)
    for number, part in enumerate(parts):
        spare = room - sum(widths[column] for column in part)
        for column in (column for column in part if column in others):
            more = max(0, min(spare, natural[column] - widths[column]))
            widths[column] += more
            spare -= more
        drawn = Table(
            title=None if number or not title else Text(visible(title)), title_justify="left"
        )
        for column in part:
            flush = "left" if column in words else "right"
            drawn.add_column(
                Text(column), justify=flush, overflow="fold", max_width=widths[column] - 3
            )
        for row in rows:
            if row:
                drawn.add_row(*(Text(row[column]) for column in part))
            else:
                drawn.add_section()
        console.print(drawn)


def _shrunk(widths, room):
    """Widths of columns of words, the widest of them less until they have room; they are wrapped
    then.
    """
    while sum(widths.values()) > room and max(widths.values()) > _LEAST:
        widths[max(widths, key=widths.get)] -= 1
    return widths


def duration(seconds):
    """Seconds as text: "0:01:10"."""
    return str(datetime.timedelta(seconds=int(min(seconds, _LONGEST))))


class Bar:
    """A bar with the share done, the time that has passed and the time left, where there is a
    terminal to draw it on.

    Lines appear above it; others may stand below it, for as long as they hold.

    Parameters
    ----------
    description : str
    total : int, optional
        Steps; unknown if it is left out.
    """

    def __init__(self, description, total=None):
        console = Console()
        times = _Times(table_column=Column(no_wrap=True))  # over several lines, all would jump
        columns = "{task.description}", BarColumn(), TaskProgressColumn(), times
        self.drawn = console.is_terminal
        self._progress = _WithLines(
            *columns, console=console, disable=not self.drawn, transient=True, refresh_per_second=4
        )
        self._task = self._progress.add_task(description, total=total)

    def __enter__(self):
        self._progress.start()
        return self

    def __exit__(self, *error):
        self._progress.stop()

    def advance(self, steps=0, description=None, total=None):
        """Go so many steps further, under another description or to another total perhaps."""
        self._progress.update(self._task, advance=steps, description=description, total=total)

    def show(self, completed, description, left, lines):
        """Show how many steps are done in all, the seconds left, None if they are unknown, and
        lines below the bar.
        """
        self._progress.lines = lines
        self._progress.update(self._task, completed=completed, description=description, left=left)

    def restart(self, total):
        """Begin anew, with a total number of steps."""
        self._progress.reset(self._task, total=total)

    def say(self, line):
        """Print a line above the bar."""
        self._progress.console.print(
            visible(line), highlight=False, markup=False, soft_wrap=not self.drawn
        )

    def explain(self, why):
        """Say what takes so long: beside the bar or, where there is none, in a line."""
        if self.drawn:
            self.advance(description=why)
        else:
            self.say(f"{why} ...")


class _WithLines(Progress):
    """With lines below the bar, each cut off where the terminal ends."""

    lines = ()

    def get_renderables(self):
        yield from super().get_renderables()
        yield from (Text(visible(line), no_wrap=True, overflow="ellipsis") for line in self.lines)


class _Times(ProgressColumn):
    """The time that has passed and, as soon as it can be told, the time left."""

    def render(self, task):
        left = task.fields.get("left", task.time_remaining)
        return Text(
            duration(task.elapsed or 0) + ("" if left is None else f", {duration(left)} left")
        )
