#!/usr/bin/env python3
"""How fast a sweep is beside training its runs one after the other with stock Keras.

example:
  python benchmarks/sweep.py --data-dir ~/data --rounds 3

In each round: the usual Keras script (as in benchmarks/training.py, the 200-100 net), then the
whole of `train.py @recipes/hidden-units.args`, 21 nets of 10 epochs each, then the Keras script
again. The ratio is 21 times the mean of the two stock processes to the sweep, within each round;
the last line shows the median over the rounds.
"""

import statistics
import sys
import tempfile

from common import ROOT, parser, run_quietly, seconds_of
from training import measure

RUNS, EPOCHS = 21, 10


def main():
    flags = parser(__doc__)
    flags.add_argument("--data-dir", required=True, metavar="DIR", help="folder with mnist.npz")
    flags.add_argument("--rounds", type=int, default=3, help="(default: 3)")
    # What `measure` reads.
    flags.set_defaults(
        epochs=EPOCHS, decay=0.0, dropout=0.0, batch_norm=False, peers=sys.executable
    )
    args = flags.parse_args()
    ratios = []
    for _ in range(args.rounds):
        before = measure("stock", "dense", args)["process"]
        sweep = time_sweep(args.data_dir)
        after = measure("stock", "dense", args)["process"]
        ratios.append(RUNS * (before + after) / 2 / sweep)
        seconds = f"stock {before:.1f} s and {after:.1f} s, sweep of {RUNS} {sweep:.1f} s"
        print(f"{seconds}: {ratios[-1]:.2f} times", flush=True)
    median = statistics.median(ratios)
    print(f"median of {args.rounds}: {median:.2f} times faster than {RUNS} stock processes")


def time_sweep(data_dir):
    """Seconds of the whole process."""
    with tempfile.TemporaryDirectory() as folder:
        recipe = f"@{ROOT / 'recipes' / 'hidden-units.args'}"
        flags = [recipe, "--data-dir", data_dir, "--results-dir", folder]
        return seconds_of(run_quietly, "train.py", *flags)


if __name__ == "__main__":
    main()
