#!/usr/bin/env python3
"""Look at a data set: examples, images by class, mean images, a map in two dimensions, its
numbers. Or at the theory.

examples:
  python visualize.py                                 MNIST
  python visualize.py --dataset fashion_mnist --show  also in windows
  python visualize.py --data-dir ~/data               from ~/data/mnist.npz
  python visualize.py --dataset ~/birds               your own pictures
  python visualize.py --theory polynomial             what weight decay does

Everything is written to results/datasets/NAME/, or results/theory/.
"""

import os.path
import sys

sys.path.insert(
    0, os.path.dirname(os.path.realpath(__file__))
)  # also where Python was told not to look there (python -P)

from lab import cli
from lab.settings import THEORY


def parse_args():
    parser = cli.Parser(__doc__)
    cli.add_setting_flags(parser, ("dataset", "resize"))
    parser.add_argument(
        "--theory", choices=THEORY, metavar="TOPIC", help=f"{', '.join(THEORY)}: draw this instead"
    )
    cli.add_place_flags(parser)
    return parser.parse_args()


def main():
    args = parse_args()
    cli.check_display(args.show)
    from lab import explore  # with NumPy and matplotlib, for which -h does not wait

    paths = explore.visualize(
        args.dataset, args.theory, args.data_dir, args.results_dir, args.resize
    )
    cli.finish(paths, args.show)


if __name__ == "__main__":
    cli.run(main)
