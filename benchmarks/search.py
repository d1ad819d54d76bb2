#!/usr/bin/env python3
"""What a search costs over training the same runs plainly.

example:
  python benchmarks/search.py --data-dir ~/data --rounds 3

In each round: a search of 12 dense nets of 200 hidden units, 10 epochs each, none stopped early;
then a sweep of the same 12 runs. Both begin with the start of the workers. The ratio is that of
the search's seconds to the sweep's, within each round; the last line shows the median over the
rounds.
"""

import statistics
import tempfile
from pathlib import Path

from common import parser, seconds_of

from lab import runs
from lab.experiments import cluster, search, study, sweep
from lab.settings import Settings

TRIALS, EPOCHS = 12, 10


def main():
    flags = parser(__doc__)
    flags.add_argument("--data-dir", required=True, metavar="DIR", help="folder with mnist.npz")
    flags.add_argument("--rounds", type=int, default=3, help="(default: 3)")
    args = flags.parse_args()
    study.KEPT = 100.0
    ratios = []
    for seed in range(args.rounds):
        searched, swept = time_both(seed, args.data_dir)
        ratios.append(searched / swept)
        both = f"search of {TRIALS} {searched:.1f} s, sweep of the same {swept:.1f} s"
        print(f"{both}: {ratios[-1]:.3f} times", flush=True)
    print(f"median of {args.rounds}: {statistics.median(ratios):.3f} times")


def time_both(seed, data_dir):
    """Seconds of a search, and of a sweep of the same runs."""
    planned, data = sweep.load_data({"": Settings(epochs=EPOCHS, seed=seed)}, data_dir)
    plan = study.plan_search(planned[""], data, study.Goal(unit_budget=200), TRIALS, repeats=1)
    with tempfile.TemporaryDirectory() as folder:
        outputs = [runs.Output(Path(folder, name), name) for name in ("search", "sweep")]
        searched = seconds_of(on_new_machines, search.train_trials, plan, outputs[0], data)
        same = {
            f"trial={number}": runs.load(outputs[0].folder / f"trial={number}").settings
            for number in range(TRIALS)
        }
        return searched, seconds_of(on_new_machines, sweep.train_missing, same, outputs[1], data)


def on_new_machines(train, planned, output, data):
    """Train a search or a sweep by workers that are started for it."""
    with cluster.machines() as machines:
        if train is search.train_trials:
            train(planned, output, (data, machines))
        else:
            train(planned, data, output, machines)


if __name__ == "__main__":
    main()
