#!/usr/bin/env python3
"""Whether a change of the code has changed a number: the same small runs are trained, evaluated
and compared with fixed seeds, and all that must stay equal is compared with what an earlier commit
gave.

examples:
  git clone . /tmp/base                  the code before the change
  python benchmarks/unchanged.py --repository /tmp/base --save /tmp/base.json
  python benchmarks/unchanged.py --against /tmp/base.json            about 3 minutes on 2 cores
  python benchmarks/unchanged.py --against /tmp/base.json --quick    about 1 minute

Every network is trained, an interrupted run is resumed, a sweep and a search are run. Of each run
it keeps the settings, the history, hashes of the weights and of a GAN's samples, and the names of
the files; of each evaluation and comparison what is printed, `evaluation.json`, the tables, the
exports, and the tables of the page. Seconds, devices and commits in the records are replaced by
fixed ones before the runs are compared, so that no table depends on the time that a run took.

Both commits must be run on the same machine with the same packages. The exit status is 1 if
anything differs. --results-dir keeps all files, to look for the reason.
"""

import difflib
import hashlib
import html.parser
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from common import ROOT, command, numbers, parser
from PIL import Image

# The name of a step -> the flags of train.py, besides COMMON; those that take longest first.
TRAINED = {
    "search": "--epochs 1 --search 6 --unit-budget 40 --repeats 2 --workers 1",
    "sweep": "--epochs 2 --sweep hidden 20 30,10 --repeats 2 --workers 2",
    "dense": "--epochs 2",
    "dense-options": "--epochs 4 --dropout 0.2 --batch-norm -r 1e-4 --regularizer l1 --warmup 1"
    " --schedule cosine --early-stopping 2 --label-smoothing 0.1 --shift 1 --holdout 500"
    " --threads 2",
    "dense-sgd": "--epochs 2 --hidden 30 --optimizer sgd --activation tanh --batch-size 100",
    "conv": "--net conv --epochs 2 --threads 2",
    "conv-bfloat16": "--net conv --epochs 1 --batch-norm --precision bfloat16",
    "filter": "--net filter --epochs 2 --dataset colours.npz --batch-size 32 --threads 2",
    "own": "--net own.py:network --epochs 2",
    "gan-classifier": "--net gan-classifier --epochs 2",
    "gan-dense": "--net gan-dense --epochs 2 --steps-per-epoch 8 --unroll 2",
    "gan-conv": "--net gan-conv --epochs 2 --steps-per-epoch 4 --batch-size 16",
    "ring": "--net gan-dense --epochs 2 --steps-per-epoch 20 --dataset ring --hidden 16,16",
    "resumed": "--epochs 100 --hidden 20 --dropout 0.2 --early-stopping 99",
}
MANY = ("search", "sweep")
COMMON = "--device cpu --threads 1 --dataset mnist5k"  # what a step's own flags replace
ENDED = 1_700_000_000  # the time of the records' files, from which the page has the end of a run
# The name of a step -> the flags of evaluate.py: of runs, and then of what needs evaluated runs.
EVALUATED = {
    "evaluate dense": "-m dense",
    "evaluate conv": "-m conv",
    "evaluate filter": "-m filter",
    "evaluate own": "-m own --net own.py:network",
    "evaluate ring": "-m ring --samples 500",
    "evaluate gans": "-m gan-dense gan-conv --classifier gan-classifier --samples 300 --label gans",
}
COMPARED = {
    "pictures": "-m dense --images picture.png",
    "compare sweep": "-m sweep --label rows",
    "compare runs": "-m dense* conv* sweep filter own --label runs",
    "compare published": "-m sweep dense --published published.csv --label published",
    "compare sorted": "-m sweep dense conv --sort val_loss --top 3 --label sorted",
    "compare search": "-m search/test --label tested",
    "strip": "-m gan-dense gan-conv --strip 0 2 --label strip",
    "export csv": "-m sweep dense --export csv",
    "export latex": "-m sweep dense --export latex",
    "export markdown": "-m sweep dense --export markdown",
    "export csv of GANs": "-m gan-dense gan-conv ring --export csv",
    "diff settings": "--diff sweep/hidden=20 sweep/hidden=30,10",
    "diff runs": "--diff dense dense-options",
    "diff GANs": "--diff gan-dense gan-conv",
    "report": "--report --published published.csv",
}
QUICK = {
    "dense-options",
    "conv",
    "gan-dense",
    "sweep",
    "evaluate conv",
    "compare sweep",
    "diff settings",
}
OWN_NETWORK = '''"""A network with a layer of its own."""
import keras


@keras.saving.register_keras_serializable()
class Scale(keras.layers.Layer):
    def build(self, shape):
        self.scale = self.add_weight(shape=shape[1:], initializer="ones", name="scale")

    def call(self, values):
        return values * self.scale


def network(input_shape, classes, hidden=(16,), dropout=0.1):
    values = inputs = keras.Input(input_shape)
    values = Scale()(keras.layers.Flatten()(values))
    for units in hidden:
        values = keras.layers.Dense(units, activation="relu")(values)
    values = keras.layers.Dropout(dropout)(values)
    return keras.Model(inputs, keras.layers.Dense(classes)(values))
'''
PUBLISHED = """dataset,epochs,hidden,parameters,val_accuracy,val_loss
mnist5k,2,20,15910,0.81,0.85
mnist5k,2,"30,10",23970,0.95,0.2
mnist5k,2,"200,100",178110,0.90,
"""


def parse_args():
    known = parser(__doc__)
    what = known.add_mutually_exclusive_group(required=True)
    what.add_argument("--save", metavar="FILE.json", help="keep the results in this file")
    what.add_argument("--against", metavar="FILE.json", help="compare with what was saved")
    known.add_argument("--quick", action="store_true", help="fewer runs, without a search")
    known.add_argument(
        "--repository", type=Path, default=ROOT, metavar="DIR", help="(default: this one)"
    )
    known.add_argument(
        "--results-dir", metavar="DIR", help="a new folder for all files (default: a temporary one)"
    )
    return known.parse_args()


def main():
    args = parse_args()
    if args.results_dir:
        os.makedirs(args.results_dir)
        found = results_of(args.repository.resolve(), Path(args.results_dir).resolve(), args.quick)
    else:
        with tempfile.TemporaryDirectory() as folder:
            found = results_of(args.repository.resolve(), Path(folder).resolve(), args.quick)
    if args.save:
        Path(args.save).write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
        return print(f"{len(found)} results are saved in {args.save}")
    saved = json.loads(Path(args.against).read_text())
    if args.quick:
        saved = {name: text for name, text in saved.items() if name.split(": ")[0] in QUICK}
    return print_differences(saved, found)


def print_differences(saved, found):
    """Print what differs; return the exit status."""
    names = list(dict.fromkeys([*saved, *found]))
    different = [name for name in names if saved.get(name) != found.get(name)]
    for name in different:
        print(f"differs: {name}")
        before, now = (one.get(name, "(is not there)").splitlines() for one in (saved, found))
        changes = [*difflib.unified_diff(before, now, "before", "now", lineterm="", n=0)]
        for line in changes[:20]:
            print(f"    {line}")
    if different:
        print(f"{len(different)} of {len(names)} results differ")
    else:
        print(f"all {len(names)} results are equal")
    return bool(different)


def results_of(repository, folder, quick):
    """Run all steps in a folder.

    Parameters
    ----------
    repository : Path
        Whose scripts are run.
    folder : Path
        An empty one.
    quick : bool
        Whether to run the steps in QUICK only.

    Returns
    -------
    dict of str to str
        By "STEP: FILE", a text or a hash.
    """
    write_inputs(folder)

    def chosen(steps):
        return {name: flags for name, flags in steps.items() if not quick or name in QUICK}

    def evaluate(name, flags):
        return name, run(repository, folder, "evaluate.py", flags)

    def train(name, flags):
        command = f"-m {name} {COMMON} {flags}"
        if name == "resumed":
            interrupt(repository, folder, command)
        return name, run(repository, folder, "train.py", command)

    found, printed = {}, {}
    # Two at a time: most of them have one thread.
    with ThreadPoolExecutor(2) as pool:
        trained = chosen(TRAINED)
        list(pool.map(train, trained.keys(), trained.values()))
        for file in sorted(folder.glob("results/**/history.json")):
            found |= results_of_run(folder, file.parent)
        for steps in (chosen(EVALUATED), chosen(COMPARED)):
            printed |= pool.map(evaluate, steps.keys(), steps.values())
        # What a command prints when all of its runs are there.
        again = {name: flags for name, flags in trained.items() if name in MANY}
        printed |= pool.map(train, again.keys(), again.values())
    for path in folder.glob("results/*/search.json"):
        found[f"{path.parent.name}: search.json"] = path.read_text()
    found |= {f"{name}: printed": text for name, text in printed.items()}
    for name, flags in (chosen(EVALUATED) | chosen(COMPARED)).items():
        found |= results_of_step(folder, name, flags.split())
    return found


def write_inputs(folder):
    """Write the files that the steps name."""
    (folder / "own.py").write_text(OWN_NETWORK)
    (folder / "published.csv").write_text(PUBLISHED)
    draw = np.random.default_rng(0)
    arrays = {}
    for part, count in (("train", 160), ("test", 60)):
        labels = np.arange(count) % 3
        noise = draw.integers(0, 128, (count, 20, 20, 3))
        arrays[f"x_{part}"] = (noise + 60 * labels[:, None, None, None]).astype("uint8")
        arrays[f"y_{part}"] = labels
    np.savez(folder / "colours.npz", **arrays)
    picture = np.full((60, 40), 255, "uint8")
    picture[10:50, 18:22] = 0  # a one
    Image.fromarray(picture).save(folder / "picture.png")


def start(repository, folder, script, flags):
    """Start a script in a folder: with no data and no cache but those in it, one width of tables,
    one thread for NumPy.
    """
    fixed = {"COLUMNS": "160", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment = os.environ | fixed | {"KERAS_HOME": str(folder / "keras")}
    environment.pop("LAB_DATA_DIR", None)
    return subprocess.Popen(
        command(script, *flags.split(), repository=repository),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=environment,
    )


def run(repository, folder, script, flags):
    """Run a script to its end: what it printed; if it fails, also its exit status and errors."""
    process = start(repository, folder, script, flags)
    printed, errors = process.communicate()
    if process.returncode:
        failure = f"exit status {process.returncode}: {errors}"
        print(f"{script} {flags}: {failure}", file=sys.stderr)
        printed += failure
    return re.sub(r"[\d.]+ MB", "# MB", printed)  # of the page, with its pictures


def interrupt(repository, folder, flags):
    """Train until the third epoch has been printed, and send SIGTERM, which a process in the
    background does not ignore.
    """
    process = start(repository, folder, "train.py", flags)
    for line in process.stdout:
        if line.split()[:2] == ["epoch", "3/100"]:
            process.send_signal(signal.SIGTERM)
    _, errors = process.communicate()
    if process.returncode != 143:
        sys.exit(f"the run was not interrupted: exit status {process.returncode}\n{errors}")


def results_of_run(folder, place):
    """What a run has left, its times replaced: by "STEP: FILE", a text or a hash."""
    config, history = (
        json.loads((place / name).read_text()) for name in ("config.json", "history.json")
    )
    seconds = config["parameters"] / 1e6 + config["settings"]["seed"] / 100
    epochs = len(history["epoch_seconds"])
    history["epoch_seconds"] = [seconds + epoch / 1000 for epoch in range(epochs)]
    history["total_seconds"] = sum(history["epoch_seconds"]) + 1
    history.pop("start_seconds", None)  # only the first run of a process has any
    history.pop("resumed", None)  # after which epoch the signal came
    config.pop("parts", None)
    config["device"] = history["device"] = "CPU: a processor, 1 thread"
    config |= {"commit": "0" * 40, "code": "0" * 64}
    for name, content in (("config.json", config), ("history.json", history)):
        (place / name).write_text(json.dumps(content, indent=2) + "\n")
        os.utime(place / name, (ENDED, ENDED))
    found = {
        "config.json": json.dumps(config, indent=1).replace(str(folder), "FOLDER"),
        "history.json": json.dumps(history, indent=1),
    }
    found["files"] = "\n".join(
        sorted(path.name for path in place.iterdir() if path.name != "code.patch")
    )
    if (place / "model.keras").exists():
        with zipfile.ZipFile(place / "model.keras") as archive:
            # Without addresses in memory, by which Keras tells objects that layers share.
            layers = re.sub(rb'"shared_object_id": \d+', b"", archive.read("config.json"))
        found["architecture"] = hash_of({"layers": layers})
        found["weights"] = hash_of(numbers(place / "model.keras"))
    for path in sorted(place.glob("samples/*.npz")):
        with np.load(path) as samples:
            found[path.name] = hash_of({key: samples[key].tobytes() for key in samples})
    name = str(place.relative_to(folder / "results"))
    step = name.partition("/")[0]
    return {f"{step}: {name}/{file}": content for file, content in found.items()}


def results_of_step(folder, name, flags):
    """What an evaluation or a comparison has left: by "STEP: FILE", a text."""
    results = folder / "results"
    paths = []
    if "--label" in flags:
        label = flags[flags.index("--label") + 1]
        paths += sorted((results / "comparisons" / label).glob("*"))
    if name.startswith("evaluate"):
        runs = [word for word in flags if (results / word / "evaluation.json").exists()]
        paths += [results / one / "evaluation.json" for one in runs]
    if "--images" in flags:
        paths.append(results / flags[1] / "predictions.csv")
    texts = {
        f"{name}: {path.relative_to(results)}": path.read_text()
        for path in paths
        if path.suffix in (".json", ".csv", ".md")
    }
    if "--report" in flags:
        texts[f"{name}: tables"] = tables_of((results / "report.html").read_text())
    return texts | {f"{name}: files": "\n".join(path.name for path in paths)}


def hash_of(content):
    """A hash of a dict of bytes, and of their names."""
    total = hashlib.sha256()
    for name, value in sorted(content.items()):
        total.update(f"{name} {len(value)} ".encode() + value)
    return f"sha256 {total.hexdigest()}"


class Tables(html.parser.HTMLParser):
    """The rows of all tables of a page: a line a row, without what a script or a style holds."""

    def __init__(self):
        super().__init__()
        self.rows, self.inside = [], []

    def handle_starttag(self, tag, attributes):
        if tag in ("table", "script", "style", "svg"):
            self.inside.append(tag)
        if tag == "tr":
            self.rows.append([])

    def handle_endtag(self, tag):
        if self.inside and self.inside[-1] == tag:
            self.inside.pop()

    def handle_data(self, data):
        if self.inside == ["table"] and self.rows and data.strip():
            self.rows[-1].append(" ".join(data.split()))


def tables_of(page):
    """The text of all tables of a page."""
    parser = Tables()
    parser.feed(page)
    return "\n".join(" | ".join(row) for row in parser.rows)


if __name__ == "__main__":
    sys.exit(main())
