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

_GIT_SEARCH = (
    "GIT_CEILING_DIRECTORIES",
    "GIT_DISCOVERY_ACROSS_FILESYSTEM",
)  # where it looks for the repository


def versions():
    """The versions that a run depends on: package -> version."""
    packages = ("tensorflow", "keras", "numpy")
    return {"python": platform.python_version()} | {
        name: importlib.metadata.version(name) for name in packages
    }


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
        for path in _git("ls-files", "--others", "--exclude-standard", "-z", *_NEW).split(b"\0")[
            :-1
        ]:
            patch += _git("diff", "--no-index", *_PLAIN, "/dev/null", path)
    except (OSError, subprocess.SubprocessError):
        return None, b""
    return commit + "-dirty" * bool(patch), patch


@functools.cache
def code_hash():
    """A hash of the code that runs depend on, as it lies on this machine."""
    found = hashlib.sha256()
    for folder in ("lab", "models"):
        for path in sorted(Path(ROOT, folder).rglob("*.py")):
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
