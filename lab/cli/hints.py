"""What was meant by flags that cannot be: what an error adds to its message, or nothing where it is
not clear.
"""

import itertools
import os
import re
from pathlib import Path

from lab.io.words import as_typed, suggestion
from lab.settings import FLAGS, choices, flag_of, is_value, metavar, words

_SCRIPTS = ("train.py", "evaluate.py", "visualize.py")


def of_argument(arg, parser):
    """What was meant by an argument that is none, in brackets.

    Parameters
    ----------
    arg : str
    parser : Parser
        With the arguments that were given.
    """
    typed = as_typed(arg)
    if typed.startswith("-"):
        return of_flag(typed.partition("=")[0], parser)
    # A value too many: the first or the second one behind a flag.
    given = ["", *parser.given]
    for before, flag, *values in (given[index:] for index in range(len(parser.given))):
        if values[:1] != [arg]:
            continue
        for name in (flag, before):
            if name in parser.flags and parser.flags[name].nargs == 0:
                return f" ({name} takes no value)"
        if before in parser.flags and flag not in parser.flags:
            more = itertools.takewhile(lambda value: not value.startswith("-"), values)
            return _of_values(before, [flag, *more], parser)
    return ""


def _of_values(flag, values, parser):
    """What was meant by several values of a flag that takes one."""
    name = parser.flags[flag].dest
    values = [value.strip(",") for value in values if value.strip(",")]
    if name == "model_name" and not re.search("[/=:.]", "".join(values)):
        return f" (a name has no spaces: {flag} {'_'.join(values)})"
    if name not in FLAGS or not all(is_value(name, value) for value in values):
        return ""
    if "," in metavar(name):
        return f" ({flag} takes its values with commas between them: {flag} {','.join(values)})"
    if name == "seed":
        return f" (several seeds: --repeats {len(values)})"
    if "--sweep" not in parser.flags:
        return f" ({flag} takes one value)"
    each = f"--sweep {flag_of(name)} {' '.join(values)}"
    return f" ({flag} takes one value; to train with each: {each})"


def of_flag(word, parser):
    """What was meant by a word that begins with a dash and is no flag, in brackets.

    Parameters
    ----------
    word : str
        With its dashes, as of the keyboard.
    parser : Parser
    """
    if word in parser.flags:  # of which a printed dash was given
        return f" (did you mean {word}?)"
    value = word.lstrip("-")
    known = {flag: flag for flag in parser.flags}
    starts = any(flag.startswith(word) for flag in known)
    for name, setting in FLAGS.items():
        flag = f"--{flag_of(name)}"
        if flag in parser.flags:
            if value in choices(name) and not starts:  # --gpu
                return f" (did you mean {flag} {value}?)"
            known |= {words(name): flag, setting.axis or flag: flag}
    if hint := suggestion(word, known):
        return hint
    for script in _SCRIPTS:
        if script != parser.prog and _has_flag(script, word):
            return f" (a flag of {script})"
    return ""


def _has_flag(script, flag):
    if script == "train.py" and flag.lstrip("-") in map(flag_of, FLAGS):
        return True
    return f'"{flag}"' in Path(__file__).parents[2].joinpath(script).read_text("utf-8")


def of_message(message, parser):
    """What an error of argparse is to say beside its message."""
    given = parser.given
    for arg in given:
        if arg.endswith(".args") or (arg in parser.unknown and os.path.isfile(arg)):
            return f"; for flags from a file, write @{arg}"
    behind = dict(zip(given, [*given[1:], "-"]))
    cut = re.search(r"got '(([^']+),)'", message)
    if cut and cut[1] in given:
        if behind[cut[1]].startswith("-"):
            return f" (without the comma: {cut[2]})"
        return f" (without a space: {cut[1]}{behind[cut[1]]})"
    if "required" in message:
        dashed = [arg for arg in given if arg.startswith("-")]
        names = {arg: arg.partition("=")[0] for arg in dashed}
        unknown = [
            arg + of_flag(name, parser) for arg, name in names.items() if name not in parser.flags
        ]
        return f"; unrecognized: {' '.join(unknown)}" if unknown else ""
    if choice := re.search(r"invalid choice: '(.+)' \(choose from (.+)\)", message):
        return suggestion(choice[1], re.findall(r"[\w-]+", choice[2]))
    # Its name is of the form "argument -r/--regularizer-strength: expected ...".
    flags = message.partition(":")[0].removeprefix("argument ").split("/")
    value = next((behind[flag] for flag in flags if flag in behind), "")
    if not value.startswith("-") or value in ("-", "--") or "expected" not in message:
        return ""
    if value.partition("=")[0] not in parser.flags:
        return f"; a value that begins with a dash is written as {flags[-1]}={value}"
    if flags == ["--sweep"]:
        return f"; name it without its dashes, as in --sweep {value.lstrip('-')} A B"
    return ""
