#!/usr/bin/env python3
"""Train a network on images and save the run: settings, history, model and learning curve.

examples:
  python train.py -m first                  the dense net on MNIST, 10 epochs
  python train.py -m conv -c --device gpu   the convolutional net, on a GPU
  python train.py -m cifar --net filter --dataset cifar10 --batch-size 32
  python train.py -m decay -r 1e-4 --hidden 100,50          weight decay
  python train.py -m five --repeats 5       five seeds, for error bars
  python train.py -m rates --sweep learning-rate 1e-4 1e-3 --repeats 3
  python train.py -m gan --net gan-dense --dataset fashion_mnist --unroll 5
  python train.py -m longer --like decay --epochs 20        as "decay", but ...
  python train.py -m best --search 40 --unit-budget 200 --epochs 30
  python train.py @recipes/hidden-units.args                flags from a file

Everything is written to results/NAME/. The same command again resumes a run
that was broken off.
"""

import os.path
import sys

sys.path.insert(
    0, os.path.dirname(os.path.realpath(__file__))
)  # also where Python was told not to look there (python -P)

from lab import cli


def parse_args():
    parser = cli.Parser(__doc__)
    cli.add_name_flag(parser, "name of the run, and of the folder it is written to", required=True)
    parser.add_argument(
        "--like",
        metavar="RUN",
        type=cli.run_name,
        help="a run, also one of a sweep: its settings are the defaults of the flags",
    )
    cli.add_setting_flags(parser)
    many = parser.add_argument_group(
        "many runs", "to results/NAME/FLAG=VALUE/seed=N/; what is there already is not done again"
    )
    repeats = "train N times, with the seeds SEED to SEED + N - 1; the best trials of a search (default: 5)"
    many.add_argument("--repeats", type=cli.whole("repeats"), metavar="N", help=repeats)
    sweep = "train with each of these values of a flag, named without its dashes; given again, with each combination"
    many.add_argument("--sweep", nargs="+", action="append", metavar=("FLAG", "VALUE"), help=sweep)
    many.add_argument(
        "--search",
        type=cli.whole("trials"),
        metavar="TRIALS",
        help="find the best settings: try so many, repeat the best, test it",
    )
    budget = "what to search for: the best accuracy of a dense net with N hidden units in all"
    many.add_argument("--unit-budget", type=cli.whole("unit budget"), metavar="N", help=budget)
    target = "or the fewest parameters with this accuracy, between 0 and 1"
    many.add_argument(
        "--target-accuracy", type=cli.real("target accuracy"), metavar="A", help=target
    )
    many.add_argument(
        "--workers",
        type=cli.whole("workers"),
        metavar="N",
        help="processes on this machine (default: one a core, of one thread)",
    )
    many.add_argument(
        "--scheduler", metavar="ADDRESS", help="train on a running Dask cluster, as tcp://HOST:8786"
    )
    places = cli.add_place_flags(parser)
    overwrite = "replace an older run of this name, when the first epoch of the new one has ended"
    places.add_argument("--overwrite", action="store_true", help=overwrite)
    places.add_argument(
        "--tensorboard", action="store_true", help="also write a log for TensorBoard"
    )
    args = parser.parse_args()
    if args.like is None:
        return args
    from lab import runs  # for which -h does not wait

    return cli.parse_like(parser, args, runs.load_ended(runs.existing(args.results_dir, args.like)))


def main():
    args = parse_args()
    settings = cli.settings_of(args)
    cli.check_tensorboard(args.tensorboard)
    cli.check_display(args.show)
    from lab import experiments  # with NumPy and matplotlib, for which -h does not wait

    status, paths = experiments.train(settings, cli.chosen(experiments.Request, args))
    if args.show:
        cli.show(paths)
    return status


if __name__ == "__main__":
    cli.run(main)
