#!/usr/bin/env python3
"""What a search costs over training the same runs plainly.

example:
  python benchmarks/search.py --data-dir ~/data --rounds 3

In each round: a search of 12 dense nets of 200 hidden units, 10 epochs each, none stopped early;
then a sweep of the same 12 runs. Both begin with the start of the workers. The ratio is that of
the search's seconds to the sweep's, within each round; the last line shows the median over the
rounds.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from lab import runs
from lab.experiments import search, sweep
from lab.settings import Settings

TRIALS, EPOCHS = 12, 10


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", required=True, metavar="DIR", help="folder with mnist.npz")
    parser.add_argument("--rounds", type=int, default=3, help="(default: 3)")
    args = parser.parse_args()
    search.KEPT = 100.0
    ratios = []
    for seed in range(args.rounds):
        searched, swept = time_both(seed, args.data_dir)
        ratios.append(searched / swept)
        print(
            f"search of {TRIALS} {searched:.1f} s, sweep of the same {swept:.1f} s: {ratios[-1]:.3f} times",
            flush=True,
        )
    print(f"median of {args.rounds}: {statistics.median(ratios):.3f} times")


def time_both(seed, data_dir):
    """Seconds of a search, and of a sweep of the same runs."""
    planned, data = sweep.load_data({"": Settings(epochs=EPOCHS, seed=seed)}, data_dir)
    settings = search.with_holdout(planned[""], data)
    with tempfile.TemporaryDirectory() as folder:
        outputs = [runs.Output(Path(folder, name), name) for name in ("search", "sweep")]
        begin = time.perf_counter()
        search.search(
            settings, search.Goal(unit_budget=200), TRIALS, outputs[0], (data, sweep.Machines())
        )
        middle = time.perf_counter()
        same = {
            f"trial={number}": runs.load(outputs[0].folder / f"trial={number}").settings
            for number in range(TRIALS)
        }
        sweep.train_missing(same, data, outputs[1], sweep.Machines())
        return middle - begin, time.perf_counter() - middle


if __name__ == "__main__":
    main()
