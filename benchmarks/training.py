#!/usr/bin/env python3
"""How fast we train, beside stock Keras, beside the fastest that users of Keras, JAX and PyTorch
could write, and beside the limit: the time that the network's matrix products and convolutions
take alone.

examples:
  python benchmarks/training.py --data-dir ~/data         dense and conv on MNIST, 3 rounds of
                                                          10 epochs
  python benchmarks/training.py --data-dir ~/data --nets dense --rounds 5 --peers
  ~/peers/bin/python --json dense.json
  python benchmarks/training.py --data-dir ~/data --nets filter --epochs 3     CIFAR-10, batch 32
  python benchmarks/training.py --data-dir ~/data --nets filter --epochs 3 --batch-norm
  python benchmarks/training.py --data-dir ~/data --nets dense --dropout 0.2 --contestants jax ours
  python benchmarks/training.py --data-dir ~/data --nets own --epochs 3        the network of
                                                                               docs/own.md, MNIST

The contestants train in turn, each in a process of its own: `train.py`; and the scripts of
benchmarks/peers.py, those of JAX and PyTorch by the Python of --peers, in whose environment these
packages are. Of each: the median of the epochs after the first, validation included; the
milliseconds a step of the fastest of them, validation included too (the fastest, since stock Keras
comes to a stop of many seconds towards the end of some epochs); the seconds of the whole process;
its peak memory; the last validation accuracy. The ratios are taken within each round; the table
shows the median over the rounds.
"""

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import ROOT, command, parser
from peers import BATCH_SIZES, DATASETS, IMAGES, PEERS, own_network

OURS = {  # `train.py`, with these flags
    "ours": [],
    "ours-decay": ["-r", "1e-4"],
    "ours-dropout": ["--dropout", "0.2"],
    "ours-bf16": ["--precision", "bfloat16"],
}
PRODUCTS = {"products": "float32", "products-bf16": "bfloat16"}
CONTESTANTS = [*PEERS, *OURS, *PRODUCTS]
# Those that take several times as long as the others: only where they are asked for.
HOPELESS = {"keras-xla", "keras-jax", "keras-jax-32", "jax", "pytorch-compiled"}
# A figure -> its heading and how it is written.
KEYS = {
    "epoch": ("s an epoch", ".3f"),
    "step": ("ms a step", ".2f"),
    "process": ("s the process", ".1f"),
    "memory": ("MB at the peak", ".0f"),
}


def parse_args():
    flags = parser(__doc__)
    flags.add_argument(
        "--data-dir", required=True, metavar="DIR", help="folder with mnist.npz, cifar10.npz"
    )
    flags.add_argument(
        "--nets",
        nargs="+",
        choices=DATASETS,
        default=["dense", "conv"],
        help="(default: dense conv)",
    )
    flags.add_argument(
        "--contestants", nargs="+", choices=CONTESTANTS, help="(default: all that are not hopeless)"
    )
    flags.add_argument(
        "--peers",
        default=sys.executable,
        metavar="PYTHON",
        help="with JAX and PyTorch (default: this one)",
    )
    flags.add_argument("--epochs", type=int, default=10, help="(default: 10)")
    flags.add_argument(
        "--rounds", type=int, default=3, help="how often each contestant trains (default: 3)"
    )
    flags.add_argument("--decay", type=float, default=0.0, help="strength of the weight decay")
    flags.add_argument("--dropout", type=float, default=0.0)
    flags.add_argument("--batch-norm", action="store_true")
    flags.add_argument("--json", metavar="FILE", help="also write every figure to this file")
    args = flags.parse_args()
    if args.epochs < 2 or args.rounds < 1:
        flags.error("at least 2 epochs and 1 round are needed")
    return args


def main():
    args = parse_args()
    results = {}
    for net in args.nets:
        names = [
            name for name in args.contestants or CONTESTANTS if args.contestants or suits(name, net)
        ]
        names = [name for name in names if is_there(name, args.peers)]
        rounds = [{name: measure(name, net, args) for name in names} for _ in range(args.rounds)]
        results[net] = summarize(rounds)
        print_table(net, results[net])
    if args.json:
        Path(args.json).write_text(json.dumps(results, indent=2) + "\n")


def suits(name, net):
    """Whether a contestant trains a net if none is asked for."""
    if net == "own":
        return name in ("stock", "keras-graph", "ours")
    return net == "dense" or name not in HOPELESS


def is_there(name, peers):
    """Whether the environment of a contestant has its package; if not, it is named."""
    package = PEERS[name][0] if name in PEERS else "tensorflow"
    check = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({package!r}) is None)"
    found = subprocess.run([python_of(package, peers), "-c", check]).returncode == 0
    if not found:
        print(f"{name} is skipped: {python_of(package, peers)} has no {package}", file=sys.stderr)
    return found


def python_of(package, peers):
    return sys.executable if package == "tensorflow" else peers


def measure(name, net, args):
    """Let one contestant train in a process of its own.

    Returns
    -------
    dict of float
        "epoch" and "process" in seconds, "step" in milliseconds, "memory" in MB, "accuracy"; of
        products alone, "epoch" and "step".
    """
    steps = math.ceil(IMAGES[DATASETS[net]] / BATCH_SIZES[net])
    if name in PRODUCTS:
        alone = command("benchmarks/products.py", net, PRODUCTS[name])
        epoch = float(subprocess.run(alone, check=True, capture_output=True, text=True).stdout)
        return shown(net, name, {"epoch": epoch, "step": 1e3 * epoch / steps})
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        # The log goes to a file: a pipe that nobody empties would stop the contestant.
        with open(Path(folder, "log"), "w+") as log:
            process = subprocess.Popen(command_of(name, net, args, folder), stdout=log, stderr=log)
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - begin
            if status:
                log.seek(0)
                sys.exit(f"{name} failed:\n{log.read()}")
        history = json.loads(Path(folder, "run", "history.json").read_text())
    later = history["epoch_seconds"][1:]
    outcome = {
        "epoch": statistics.median(later),
        "step": 1e3 * min(later) / steps,
        "process": seconds,
        "memory": usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3),
        "accuracy": history["val_accuracy"][-1],
    }
    return shown(net, name, outcome)


def command_of(name, net, args, folder):
    """What trains a net and leaves its history in a folder."""
    options = {"decay": args.decay, "dropout": args.dropout, "batch_norm": args.batch_norm}
    if name in PEERS:
        package, _ = PEERS[name]
        script = [python_of(package, args.peers), ROOT / "benchmarks" / "peers.py"]
        given = [name, net, args.data_dir, folder, args.epochs, json.dumps(options)]
        return [str(word) for word in script + given]
    ours = f"{own_network(folder)}:residual" if net == "own" else net
    flags = ["-m", "run", "--net", ours, "--results-dir", folder, "--data-dir", args.data_dir]
    flags += ["--dataset", DATASETS[net], "--batch-size", BATCH_SIZES[net]]
    flags += ["--epochs", args.epochs]
    if args.batch_norm:
        flags.append("--batch-norm")
    if net != "own":
        flags += ["--dropout", args.dropout, "-r", args.decay]
    return command("train.py", *flags, *OURS[name])


def shown(net, name, outcome):
    told = "  ".join(f"{key} {value:.4g}" for key, value in outcome.items())
    print(f"{net:6} {name:16} {told}", file=sys.stderr, flush=True)
    return outcome


def summarize(rounds):
    """Median over the rounds of each figure, and of its ratio to ours in the same round, if we
    take part.
    """
    summary = {}
    for name in rounds[0]:
        figures = {key: [one[name][key] for one in rounds] for key in rounds[0][name]}
        ratios = {
            f"{key}_ratio": [one[name][key] / one["ours"][key] for one in rounds]
            for key in KEYS
            if key in figures and "ours" in rounds[0]
        }
        summary[name] = {
            key: statistics.median(values) for key, values in (figures | ratios).items()
        }
        summary[name] |= {"rounds": figures, "ratios": ratios}
    return summary


def print_table(net, summary):
    about = f"{DATASETS[net]}, batch {BATCH_SIZES[net]}"
    print(f"\n{net}: {about}; (x): times ours, median over rounds")
    headings = [f"{heading:>18}" for heading, _ in KEYS.values()]
    print(f"{'':16}{''.join(headings)}{'validation accuracy':>22}")
    for name, figures in summary.items():
        cells = [cell_of(figures, key, digits) for key, (_, digits) in KEYS.items()]
        accuracy = figures.get("accuracy", math.nan)
        print(f"{name:16}{''.join(cells)}{accuracy:>22.4f}", flush=True)
    peers = [name for name in summary if name in PEERS]
    if peers and "ours" in summary:
        fastest = min(peers, key=lambda name: summary[name]["epoch"])
        ratios = ", ".join(f"{ratio:.2f}" for ratio in summary[fastest]["ratios"]["epoch_ratio"])
        print(f"the strongest peer is {fastest}; its epochs took {ratios} times ours", flush=True)


def cell_of(figures, key, digits):
    """A figure, and its ratio to ours."""
    if key not in figures:
        return f"{'-':>18}"
    ratio = figures.get(f"{key}_ratio", math.nan)
    return f"{figures[key]:>10{digits}} ({ratio:5.2f})"


if __name__ == "__main__":
    main()
