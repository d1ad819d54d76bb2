#!/usr/bin/env python3
"""Look at a data set: examples, images by class, mean images, a map in two dimensions, its numbers. Or at the theory.

examples:
  python visualize.py                                   MNIST
  python visualize.py --dataset fashion_mnist --show    another one, with the figures in windows
  python visualize.py --data-dir ~/data                 from ~/data/mnist.npz
  python visualize.py --theory polynomial               what weight decay does; also: softmax, discriminator

Everything is written to results/datasets/NAME/, or results/theory/.
"""

from lab import cli
from lab import settings as config
from lab.errors import UserError


def parse_args():
    parser = cli.Parser(__doc__)
    parser.add_argument("--dataset", metavar="NAME", help=f"{', '.join(config.IMAGE_DATASETS)} (default: mnist)")
    parser.add_argument(
        "--theory", choices=config.THEORY, metavar="TOPIC", help=f"{', '.join(config.THEORY)}: draw this instead"
    )
    cli.add_place_flags(parser)
    return parser.parse_args()


def main():
    args = parse_args()
    if args.dataset not in (None, *config.IMAGE_DATASETS):
        raise UserError(f"unknown dataset {args.dataset!r}: choose from {', '.join(config.IMAGE_DATASETS)}")
    from lab.figures import base as figures

    figures.check_display(args.show)
    paths = show_theory(args) if args.theory else show_dataset(args)
    print(f"{paths[0].parent}: {', '.join(path.name for path in paths)}")
    if args.show:
        figures.show(paths)


def show_dataset(args):
    from lab.data import load as datasets
    from lab.explore import dataset as exploration
    from lab.runs import folders as runs

    name, arrays = datasets.find(args.dataset, args.data_dir)
    folder = runs.folder_of(args.results_dir, f"datasets/{name}")
    runs.check_free(folder, overwrite=True)
    exploration.print_table(name, arrays)
    return exploration.draw(name, arrays, folder)


def show_theory(args):
    from lab.explore import theory
    from lab.runs import folders as runs

    folder = runs.folder_of(args.results_dir, "theory")
    runs.check_free(folder, overwrite=True)
    return theory.draw(args.theory, folder)


if __name__ == "__main__":
    cli.run(main)
