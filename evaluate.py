#!/usr/bin/env python3
"""Evaluate a trained run: loss and accuracy, mistakes, filters; of a GAN, samples and their
classes. Or compare runs.

examples:
  python evaluate.py -m first               on the data that it was trained on
  python evaluate.py -m first --images A.png photos/        your own pictures
  python evaluate.py -m first second 'decay-*'              compare several runs
  python evaluate.py -m hidden-units --published recipes/hidden-units.csv
  python evaluate.py -m rates --sort val_loss --top 10 --export latex
  python evaluate.py --diff first second    what differs, and whether it matters
  python evaluate.py --report               all runs as one page, for a browser
  python evaluate.py -m gan --classifier fashion-classifier mode collapse
  python evaluate.py -m gan gan-unrolled --strip 0 10 50    samples over time

A run's evaluation is written to results/NAME/, a comparison to
results/comparisons/LABEL/, the page to results/report.html.
"""

import os.path
import sys

sys.path.insert(
    0, os.path.dirname(os.path.realpath(__file__))
)  # also where Python was told not to look there (python -P)

from lab import cli


def parse_args(args=None):
    parser = cli.Parser(__doc__)
    add = parser.adder(parser.add_mutually_exclusive_group(required=True))
    add(
        "-m",
        "--model-name",
        nargs="+",
        metavar="NAME",
        type=cli.run_name,
        help="name of the run; several names, or that of repeated runs or a sweep: compare them",
    )
    add(
        "--diff",
        nargs="+",
        type=cli.run_name,
        metavar=("A", "B"),
        help="what differs between two runs or settings, and by how much",
    )
    add(
        "--report",
        nargs="*",
        type=cli.run_name,
        metavar="NAME",
        help="write these runs, or without names all, as one page for a browser: "
        "results/report.html",
    )
    parser.add_argument(
        "--images",
        nargs="+",
        metavar="FILE|FOLDER",
        help="predict these pictures instead, or all of a folder (PNG, JPEG, WebP, TIFF, BMP, GIF)",
    )
    add = parser.adder(
        parser.add_argument_group(
            "comparison", "from the saved histories: no data and no TensorFlow needed"
        )
    )
    add(
        "--published",
        metavar="FILE.csv",
        help="set published figures beside ours (see recipes/*.csv)",
    )
    add(
        "--sort",
        metavar="COLUMN",
        help="order the rows by this column of table.csv, the best first",
    )
    add(
        "--top",
        type=cli.whole("top"),
        metavar="N",
        help="only the first N rows (default order: by val_accuracy)",
    )
    add(
        "--export",
        choices=("latex", "csv", "markdown"),
        help="print the table alone, to paste into a report",
    )
    add(
        "--strip",
        type=cli.whole("epoch"),
        nargs="+",
        metavar="EPOCH",
        help="of GANs, draw the samples by epoch instead",
    )
    add("--label", metavar="NAME", help="of the comparison's folder, or of the page")
    add = parser.adder(
        parser.add_argument_group(
            "GANs", "with either of these, several are evaluated before they are compared"
        )
    )
    add(
        "--classifier",
        metavar="RUN",
        type=cli.run_name,
        help="label the samples with this run's classifier, of the same data or of other digits",
    )
    add(
        "--samples",
        type=cli.whole("samples"),
        metavar="N",
        help="how many (default: 3000; points: 2500; stacked_mnist: 25600)",
    )
    parser.add_argument(
        "--net",
        metavar="FILE.py:FUNCTION",
        help="the network of your own that was trained, where it has layers of its own; it is run",
    )
    cli.add_setting_flags(parser, ("device", "threads"))
    cli.add_place_flags(parser)
    return parser.parse_args(args)


def main():
    args = parse_args()
    cli.check_display(args.show)
    from lab.cli import evaluation  # with NumPy and matplotlib, for which -h does not wait

    paths = evaluation.evaluate(args)
    if paths:
        cli.finish(paths, args.show)


if __name__ == "__main__":
    cli.run(main)
