#!/usr/bin/env python3
"""Look at a data set: example images, images by class, mean images, a map in two dimensions, and its numbers.

examples:
  python visualize.py                                   MNIST
  python visualize.py --dataset fashion_mnist --show    another one, with the figures in windows
  python visualize.py --data-dir ~/data                 from ~/data/mnist.npz

Everything is written to results/datasets/NAME/.
"""

from lab import cli, config


def parse_args():
    parser = cli.Parser(__doc__)
    parser.add_argument("--dataset", metavar="NAME", help=f"{', '.join(config.DATASETS)} (default: mnist)")
    cli.add_place_flags(parser)
    return parser.parse_args()


def main():
    args = parse_args()
    dataset = config.RunConfig(dataset=args.dataset).dataset
    from lab import datasets, exploration, figures, runs

    figures.check_display(args.show)
    name, arrays = datasets.find(dataset, args.data_dir)
    folder = runs.folder_of(args.results_dir, f"datasets/{name}")
    runs.check_free(folder, overwrite=True)
    exploration.print_table(name, arrays)
    paths = exploration.draw(name, arrays, folder)
    print(f"{folder}: {', '.join(path.name for path in paths)}")
    if args.show:
        figures.show(paths)


if __name__ == "__main__":
    cli.run(main)
