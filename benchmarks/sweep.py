#!/usr/bin/env python3
"""How fast a sweep is beside training its runs one after the other with stock Keras.

example:
  python benchmarks/sweep.py --data-dir ~/data --rounds 3

In each round: the usual Keras script (as in benchmarks/training.py, the 200-100 net), then the
whole of `train.py @recipes/hidden-units.args`, 21 nets of 10 epochs each, then the Keras script
again. The ratio is 21 times the mean of the two stock processes to the sweep, within each round;
the last line shows the median over the rounds.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time

from training import ROOT, measure

RUNS, EPOCHS = 21, 10


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", required=True, metavar="DIR", help="folder with mnist.npz")
    parser.add_argument("--rounds", type=int, default=3, help="(default: 3)")
    parser.set_defaults(
        epochs=EPOCHS, decay=0.0, dropout=0.0, batch_norm=False, peers=sys.executable
    )  # what `measure` asks
    args = parser.parse_args()
    ratios = []
    for _ in range(args.rounds):
        before = measure("stock", "dense", args)["process"]
        sweep = time_sweep(args.data_dir)
        after = measure("stock", "dense", args)["process"]
        ratios.append(RUNS * (before + after) / 2 / sweep)
        print(
            f"stock {before:.1f} s and {after:.1f} s, sweep of {RUNS} {sweep:.1f} s: {ratios[-1]:.2f} times",
            flush=True,
        )
    print(
        f"median of {args.rounds}: {statistics.median(ratios):.2f} times faster than {RUNS} stock processes"
    )


def time_sweep(data_dir):
    """Seconds of the whole process."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            str(ROOT / "train.py"),
            f"@{ROOT / 'recipes' / 'hidden-units.args'}",
        ]
        command += ["--data-dir", data_dir, "--results-dir", folder]
        begin = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - begin


if __name__ == "__main__":
    main()
