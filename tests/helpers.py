"""What several files of tests share: fabricated runs, and what runs have left."""

import csv
import json
import subprocess
import sys

import keras
import numpy as np

from lab import comparison, runs
from lab.comparison import charts
from lab.runs import write_json
from lab.settings import Settings
from tests.conftest import ROOT

NUMBERS = ("loss", "accuracy", "val_loss", "val_accuracy")


def fake_run(
    folder,
    last=0.9,
    *,
    status="complete",
    device="CPU: X, 1 thread",
    sha256="a",
    name="mnist",
    compiled=True,
    **settings,
):
    """A run of four epochs whose validation accuracy rises from 0.5 to ``last``."""
    settings = Settings(**{"dataset": name} | settings)
    folder.mkdir(parents=True)
    dataset = {"name": name, "sha256": sha256, "train": 60000, "validation": 10000}
    parameters = 1000 * sum(settings.hidden or (7,))
    write_json(
        folder / "config.json",
        {"settings": settings.to_json(), "parameters": parameters, "dataset": dataset},
    )
    rising = np.linspace(0.5, last, 4)
    history = {
        "status": status,
        "device": device,
        "compiled": compiled,
        "total_seconds": 3.0,
        "saved_epoch": 4,
        "loss": list(1.1 - rising),
        "accuracy": list(rising + 0.01),
        "val_loss": list(1 - rising),
        "val_accuracy": list(rising),
        "epoch_seconds": [1.5, 0.25, 0.2, 0.3],
    }
    write_json(folder / "history.json", history)


def collect(folder, *names):
    return comparison.collect(folder, runs.named(folder, names))


def change_history(folder, **changes):
    history = json.loads((folder / "history.json").read_text())
    write_json(folder / "history.json", history | changes)
    return history


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def read(folder, file="history.json"):
    return json.loads((folder / file).read_text())


def complete(folder):
    """The runs below a folder that are complete, each with the bytes of its files."""
    found = {}
    for path in folder.rglob("history.json"):
        if read(path.parent)["status"] == "complete":
            name = path.parent.relative_to(folder).as_posix()
            found[name] = {
                file.name: file.read_bytes()
                for file in path.parent.iterdir()
                if file.name != "learning_curve.png"
            }
    return found


def outcome(folder):
    """What a run gave that depends neither on the time it took nor on when it was broken off."""
    history = {name: read(folder)[name] for name in NUMBERS}
    config = {name: value for name, value in read(folder, "config.json").items() if name != "parts"}
    # Resumed with the same code, packages and device, if it was.
    assert not runs.load(folder).breaks
    model = keras.saving.load_model(folder / "model.keras")
    weights = [
        np.asarray(variable).tobytes() for variable in model.variables + model.optimizer.variables
    ]
    return history, config, model.get_config(), weights


def start(*flags, **options):
    command = [sys.executable, str(ROOT / "train.py"), *map(str, flags)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def imported_by(name, *flags):
    """What a script printed, and the packages that it imported."""
    script = str(ROOT / f"{name}.py")
    command = [sys.executable, "-X", "importtime", script, *map(str, flags)]
    done = subprocess.run(command, capture_output=True, text=True)
    return done, {line.split("|")[-1].strip().split(".")[0] for line in done.stderr.splitlines()}


def wait_for_runs(process, count):
    """Read the sweep's output until so many runs are done."""
    while count:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        count -= line.startswith("[")


def trend(groups):
    """The axes and the series of a trend over groups of runs."""
    numbers = charts.trend_of(groups)
    return numbers["axes"], numbers["series"]
