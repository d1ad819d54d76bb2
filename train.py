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


def parse_args(args=None):
    parser = cli.Parser(__doc__)
    add = parser.add_argument
    add(
        "-m",
        "--model-name",
        required=True,
        metavar="NAME",
        type=cli.run_name,
        help="name of the run, and of the folder it is written to",
    )
    add(
        "--like",
        metavar="RUN",
        type=cli.run_name,
        help="a run, also one of a sweep: its settings are the defaults of the flags",
    )
    cli.add_setting_flags(parser)
    add = parser.adder(
        parser.add_argument_group(
            "many runs",
            "to results/NAME/FLAG=VALUE/seed=N/; what is there already is not done again",
        )
    )
    add(
        "--repeats",
        type=cli.whole("repeats"),
        metavar="N",
        help="train N times, with the seeds SEED to SEED + N - 1; the best trials of a search "
        "(default: 5)",
    )
    add(
        "--sweep",
        nargs="+",
        action="append",
        metavar=("FLAG", "VALUE"),
        help="train with each of these values of a flag, named without its dashes; given again, "
        "with each combination",
    )
    add(
        "--search",
        type=cli.whole("trials"),
        metavar="TRIALS",
        help="find the best settings: try so many, repeat the best, test it",
    )
    add(
        "--unit-budget",
        type=cli.whole("unit budget"),
        metavar="N",
        help="what to search for: the best accuracy of a dense net with N hidden units in all",
    )
    add(
        "--target-accuracy",
        type=cli.real("target accuracy"),
        metavar="A",
        help="or the fewest parameters with this accuracy, between 0 and 1",
    )
    add(
        "--workers",
        type=cli.whole("workers"),
        metavar="N",
        help="processes on this machine (default: one a core, of one thread)",
    )
    add(
        "--scheduler", metavar="ADDRESS", help="train on a running Dask cluster, as tcp://HOST:8786"
    )
    add = cli.add_place_flags(parser)
    add(
        "--overwrite",
        action="store_true",
        help="replace an older run of this name, when the first epoch of the new one has ended",
    )
    add("--tensorboard", action="store_true", help="also write a log for TensorBoard")
    given = parser.parse_args(args)
    if given.like is None:
        return given
    return cli.parse_like(parser, given)


def main():
    args = parse_args()
    settings = cli.settings_of(args)
    cli.check_display(args.show)
    from lab.cli import training  # with NumPy and matplotlib, for which -h does not wait

    status, paths = training.train(settings, args)
    if args.show:
        cli.show(paths)
    return status


if __name__ == "__main__":
    cli.run(main)
