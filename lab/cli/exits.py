"""How a script ends: its exit status, and its error in one line.

Exit status: 0 done; 2 the user can mend it; 130 interrupted, 143 by SIGTERM; 1 a bug, or some runs
of a sweep failed.
"""

import contextlib
import os
import sys
from pathlib import Path

from lab.io import environment, signals
from lab.io.words import first_line, visible


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


def complain(error):
    """Print an error in one line; the exit status 2."""
    with contextlib.suppress(OSError, ValueError):  # nobody can be told, but by the status
        line = visible(f"{_program()}: error: {error}").replace("\n", " ")
        print(line, file=sys.stderr, flush=True)
    return 2


def end_without(error):
    """Leave the process since a package could not be imported."""
    sys.exit(complain(_not_imported(error)))


def _program():
    return sys.argv[0].rpartition("/")[2]


def _not_imported(error):
    """Why a package could not be imported: it is not there, it is broken, or something of the
    user's has its name.
    """
    name = (error.name or "").partition(".")[0]
    found = getattr(sys.modules.get(name), "__file__", None)
    if found and Path(found).parent in (Path(__file__).parents[2], Path.cwd()):
        return f"{found} hides the package {name}: rename it"
    if not isinstance(error, ModuleNotFoundError):
        return (
            f"a package cannot be imported ({first_line(error)}): run `pip install -r "
            "requirements.txt`"
        )
    return (
        f"the package {error.name} is not installed: run `source .venv/bin/activate`, or "
        "`pip install -r requirements.txt`"
    )


def _status_of(main):
    from lab.settings import UserError  # with Pydantic, which may be missing

    try:
        os.getcwd()
    except OSError:
        return complain("the current folder is gone: change to another")
    try:
        return main() or 0
    except UserError as error:
        return complain(error)
    except ExceptionGroup as several:  # of UserError
        return max(complain(error) for error in several.exceptions)
    except ImportError as error:
        if (error.name or "").partition(".")[0] in ("", "lab", "models"):
            raise
        return complain(_not_imported(error))
    except BrokenPipeError:  # whoever read our output, `head` perhaps, has read enough
        return 1
    except OSError as error:  # a full disk, a missing permission
        words = error.filename2 or error.filename, error.strerror or error
        return complain(": ".join(str(word) for word in words if word))
    except KeyboardInterrupt as interrupt:
        with contextlib.suppress(OSError):
            print(f"\n{_program()}: interrupted", file=sys.stderr, flush=True)
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
