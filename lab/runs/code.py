"""With what code a run was trained: versions, commit, and what was changed since."""

import functools
import hashlib
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
# New files that a run may depend on: no virtual environment that git was not told to ignore.
_NEW = (":(glob)*.py", "lab/*.py", "models/*.py")
# The same for `git apply`, whatever the user's configuration makes of a difference.
_PLAIN = (
    "--binary",
    "--no-color",
    "--no-ext-diff",
    "--no-textconv",
    "--src-prefix=a/",
    "--dst-prefix=b/",
    "--unified=3",
)

# Where it looks for the repository.
_GIT_SEARCH = "GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_ACROSS_FILESYSTEM"


def versions():
    """The versions that a run depends on: package -> version."""
    found = {"python": platform.python_version()}
    for package in ("tensorflow", "keras", "numpy"):
        found[package] = importlib.metadata.version(package)
    return found


@functools.cache
def checkout():
    """What git knows of this code, when it is first asked for.

    Returns
    -------
    commit : str or None
        "-dirty" behind it where files were changed since; None outside a git checkout.
    patch : bytes
        These changes, as `git apply` takes them; paths start from the project's folder.
    """
    try:
        commit = _git("describe", "--always", "--abbrev=40").decode().strip()
        patch = _git("diff", "HEAD", "--relative", *_PLAIN)
        new = _git("ls-files", "--others", "--exclude-standard", "-z", *_NEW)
        for path in filter(None, new.split(b"\0")):
            patch += _git("diff", "--no-index", *_PLAIN, "/dev/null", path)
    except (OSError, subprocess.SubprocessError):
        return None, b""
    return commit + "-dirty" * bool(patch), patch


@functools.cache
def code_hash():
    """A hash of the code that runs depend on, as it lies on this machine."""
    found = hashlib.sha256()
    for path in sorted([*ROOT.glob("lab/**/*.py"), *ROOT.glob("models/**/*.py")]):
        found.update(f"{path.relative_to(ROOT).as_posix()}\0".encode() + path.read_bytes())
    return found.hexdigest()


def _git(*command):
    # Without the variables that name another repository, as git sets them for its hooks.
    others = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or name in _GIT_SEARCH
    }
    done = subprocess.run(["git", *command], cwd=ROOT, env=others, capture_output=True, timeout=5)
    if done.returncode > 1:  # 1: there are differences
        done.check_returncode()
    return done.stdout
