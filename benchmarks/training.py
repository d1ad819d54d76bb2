#!/usr/bin/env python3
"""How fast we train, beside stock Keras and eager PyTorch (where it is installed).

examples:
  python benchmarks/training.py --data-dir ~/data                   dense and conv on MNIST, 3 rounds of 10 epochs
  python benchmarks/training.py --data-dir ~/data --nets dense --rounds 5 --json dense.json
  python benchmarks/training.py --data-dir ~/data --nets filter --epochs 3     CIFAR-10, batch 32; also ours in bfloat16
  python benchmarks/training.py --data-dir ~/data --nets own --epochs 3        the network of docs/own.md, on MNIST

The contestants train in turn, each in a process of its own: `train.py`; the usual Keras script with `model.fit` on float
arrays, which saves its model and draws its learning curve too; and a plain PyTorch loop. Of each: the median of the epochs
after the first, validation included; the milliseconds a step of the fastest of them, validation included too (the fastest,
since stock Keras comes to a stop of many seconds towards the end of some epochs); the seconds of the whole process; its peak
memory; the last validation accuracy. The ratios are taken within each round; the table shows the median over the rounds.
"""

import argparse
import importlib.util
import json
import math
import os
import re
import runpy
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
DATASETS = {"dense": "mnist", "conv": "mnist", "filter": "cifar10", "own": "mnist"}
BATCH_SIZES = {"dense": 128, "conv": 128, "filter": 32, "own": 128}
IMAGES = {"mnist": 60_000, "cifar10": 50_000}


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", required=True, metavar="DIR", help="folder with mnist.npz, cifar10.npz")
    parser.add_argument("--nets", nargs="+", choices=DATASETS, default=["dense", "conv"], help="(default: dense conv)")
    parser.add_argument("--epochs", type=int, default=10, help="(default: 10)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each contestant trains (default: 3)")
    parser.add_argument("--json", metavar="FILE", help="also write every figure to this file")
    parser.add_argument("--contestant", choices=CONTESTANTS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.epochs < 2 or args.rounds < 1:
        parser.error("at least 2 epochs and 1 round are needed")
    return args


def main():
    args = parse_args()
    if args.contestant:
        CONTESTANTS[args.contestant](args)
        return
    results = {}
    for net in args.nets:
        there = {"bfloat16": net == "filter", "pytorch": net != "own" and importlib.util.find_spec("torch")}
        names = [name for name in CONTESTANTS if there.get(name, True)]
        rounds = [{name: measure(name, net, args) for name in names} for _ in range(args.rounds)]
        results[net] = summarize(rounds)
        print_table(net, results[net])
    if args.json:
        Path(args.json).write_text(json.dumps(results, indent=2) + "\n")


def measure(name, net, args):
    """Let one contestant train in a process of its own.

    Returns
    -------
    dict of float
        "epoch" and "process" in seconds, "step" in milliseconds, "memory" in MB, "accuracy".
    """
    with tempfile.TemporaryDirectory() as folder:
        common = ["--data-dir", args.data_dir, "--epochs", str(args.epochs)]
        command = [str(Path(__file__)), *common, "--nets", net, "--contestant", name, "--folder", folder]
        if name in OURS:
            ours = f"{own_network(folder)}:residual" if net == "own" else net
            command = [str(ROOT / "train.py"), *common, "-m", "run", "--net", ours, "--results-dir", folder]
            command += ["--dataset", DATASETS[net], "--batch-size", str(BATCH_SIZES[net]), "--precision", OURS[name]]
        begin = time.perf_counter()
        # The log goes to a file: a pipe that nobody empties would stop the contestant.
        with open(Path(folder, "log"), "w+") as log:
            process = subprocess.Popen([sys.executable, *command], stdout=log, stderr=log)
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - begin
            if status:
                log.seek(0)
                sys.exit(f"{name} failed:\n{log.read()}")
        history = json.loads(Path(folder, "run", "history.json").read_text())
    later = history["epoch_seconds"][1:]
    outcome = {
        "epoch": statistics.median(later),
        "step": 1e3 * min(later) / math.ceil(IMAGES[DATASETS[net]] / BATCH_SIZES[net]),
        "process": seconds,
        "memory": usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3),
        "accuracy": history["val_accuracy"][-1],
    }
    shown = "  ".join(f"{key} {value:.4g}" for key, value in outcome.items())
    print(f"{net:5} {name:8} {shown}", file=sys.stderr, flush=True)
    return outcome


def own_network(folder):
    """The network of docs/own.md, in a file of a folder."""
    path = Path(folder, "residual.py")
    path.write_text(re.search(r"```python\n(.*?)```", (ROOT / "docs" / "own.md").read_text(), re.DOTALL)[1])
    return path


def summarize(rounds):
    """Median over the rounds of each figure, and of its ratio to ours in the same round."""
    summary = {}
    for name in rounds[0]:
        figures = {key: [one[name][key] for one in rounds] for key in rounds[0][name]}
        ratios = {
            f"{key}_ratio": [one[name][key] / one["ours"][key] for one in rounds]
            for key in ("epoch", "step", "process", "memory")
        }
        summary[name] = {key: statistics.median(values) for key, values in (figures | ratios).items()} | {"rounds": figures}
    return summary


def print_table(net, summary):
    print(f"\n{net}: {DATASETS[net]}, batch {BATCH_SIZES[net]}; (x): times ours, median over rounds")
    print(f"{'':10}{'s an epoch':>18}{'ms a step':>18}{'s the process':>18}{'MB at the peak':>18}{'validation accuracy':>22}")
    for name, figures in summary.items():
        cells = "".join(
            f"{figures[key]:>10{form}} ({figures[key + '_ratio']:4.2f})"
            for key, form in (("epoch", ".3f"), ("step", ".2f"), ("process", ".1f"), ("memory", ".0f"))
        )
        print(f"{name:10}{cells}{figures['accuracy']:>22.4f}", flush=True)


def stock(args):
    """The usual Keras script."""
    import keras
    import matplotlib
    import numpy as np
    from keras import layers

    matplotlib.use("agg")
    from matplotlib import pyplot

    net = args.nets[0]
    with np.load(Path(args.data_dir, f"{DATASETS[net]}.npz")) as data:
        images, validation_images = (data[name].astype("float32") / 255 for name in ("x_train", "x_test"))
        labels, validation_labels = (keras.utils.to_categorical(data[name], 10) for name in ("y_train", "y_test"))
    keras.utils.set_random_seed(0)
    if net == "dense":
        images, validation_images = images.reshape(-1, 784), validation_images.reshape(-1, 784)
        hidden = [keras.Input((784,)), layers.Dense(200, activation="relu"), layers.Dense(100, activation="relu")]
    elif net == "filter":
        hidden = [
            keras.Input((32, 32, 3)),
            layers.Conv2D(64, 11, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(128, 3, activation="relu"),
            layers.Conv2D(128, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
        ]
    elif net == "own":
        images, validation_images = images[..., None], validation_images[..., None]
        logits = runpy.run_path(str(own_network(args.folder)))["residual"]((28, 28, 1), 10)
        hidden = [keras.Input((28, 28, 1)), logits]
    else:
        images, validation_images = images[..., None], validation_images[..., None]
        hidden = [
            keras.Input((28, 28, 1)),
            layers.Conv2D(20, 5, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(10, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
        ]
    last = layers.Softmax() if net == "own" else layers.Dense(10, activation="softmax")
    model = keras.Sequential([*hidden, last])
    model.summary()
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    seconds = []
    stopwatch = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: seconds.append(-time.perf_counter()),
        on_epoch_end=lambda epoch, logs: seconds.append(seconds.pop() + time.perf_counter()),
    )
    history = model.fit(
        images,
        labels,
        batch_size=BATCH_SIZES[net],
        epochs=args.epochs,
        validation_data=(validation_images, validation_labels),
        callbacks=[stopwatch],
        verbose=2,
    ).history
    folder = report(args, seconds, history["val_accuracy"])
    model.save(folder / "model.keras")
    figure, axes = pyplot.subplots(2)
    for axis, name in zip(axes, ("accuracy", "loss")):
        axis.plot(history[name])
        axis.plot(history[f"val_{name}"])
    figure.savefig(folder / "curve.png")


def pytorch(args):
    """A plain eager PyTorch loop."""
    import numpy as np
    import torch
    from torch import nn

    net = args.nets[0]
    with np.load(Path(args.data_dir, f"{DATASETS[net]}.npz")) as data:
        images, validation_images = (torch.tensor(data[name]).float() / 255 for name in ("x_train", "x_test"))
        labels, validation_labels = (torch.tensor(data[name]).long().flatten() for name in ("y_train", "y_test"))
    if net == "filter":
        images, validation_images = (part.permute(0, 3, 1, 2).contiguous() for part in (images, validation_images))
    else:
        images, validation_images = images[:, None], validation_images[:, None]
    torch.manual_seed(0)
    if net == "dense":
        stack = [nn.Flatten(), nn.Linear(784, 200), nn.ReLU(), nn.Linear(200, 100), nn.ReLU(), nn.Linear(100, 10)]
    elif net == "filter":
        stack = [nn.Conv2d(3, 64, 11), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(64, 128, 3), nn.ReLU()]
        stack += [nn.Conv2d(128, 128, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10)]
    else:
        stack = [nn.Conv2d(1, 20, 5, padding="same"), nn.ReLU(), nn.MaxPool2d(2)]
        stack += [nn.Conv2d(20, 10, 3, padding="same"), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(490, 10)]
    model = nn.Sequential(*stack)
    optimizer = torch.optim.Adam(model.parameters())
    loss_function = nn.CrossEntropyLoss()
    seconds, accuracies = [], []
    for _ in range(args.epochs):
        begin = time.perf_counter()
        for rows in torch.randperm(len(images)).split(BATCH_SIZES[net]):
            optimizer.zero_grad()
            loss_function(model(images[rows]), labels[rows]).backward()
            optimizer.step()
        with torch.no_grad():
            predicted = torch.cat([model(part).argmax(dim=1) for part in validation_images.split(1000)])
        accuracies.append((predicted == validation_labels).float().mean().item())
        seconds.append(time.perf_counter() - begin)
    report(args, seconds, accuracies)


def report(args, seconds, accuracies):
    """Write what `measure` reads, as train.py does."""
    folder = Path(args.folder, "run")
    folder.mkdir()
    (folder / "history.json").write_text(json.dumps({"epoch_seconds": seconds, "val_accuracy": accuracies}))
    return folder


OURS = {"ours": "float32", "bfloat16": "bfloat16"}  # `train.py` and its --precision
CONTESTANTS = {"stock": stock, "ours": None, "bfloat16": None, "pytorch": pytorch}

if __name__ == "__main__":
    main()
