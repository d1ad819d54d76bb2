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


def parse_args():
    parser = cli.Parser(__doc__)
    names = parser.add_mutually_exclusive_group(required=True)
    cli.add_name_flag(
        names,
        "name of the run; several names, or that of repeated runs or a sweep: compare them",
        nargs="+",
    )
    diff = "what differs between two runs or settings, and by how much"
    names.add_argument("--diff", nargs="+", type=cli.run_name, metavar=("A", "B"), help=diff)
    report = (
        "write these runs, or without names all, as one page for a browser: results/report.html"
    )
    names.add_argument("--report", nargs="*", type=cli.run_name, metavar="NAME", help=report)
    images = "predict these pictures instead, or all of a folder (PNG, JPEG, WebP, TIFF, BMP, GIF)"
    parser.add_argument("--images", nargs="+", metavar="FILE|FOLDER", help=images)
    several = parser.add_argument_group(
        "comparison", "from the saved histories: no data and no TensorFlow needed"
    )
    several.add_argument(
        "--published",
        metavar="FILE.csv",
        help="set published figures beside ours (see recipes/*.csv)",
    )
    several.add_argument(
        "--sort",
        metavar="COLUMN",
        help="order the rows by this column of table.csv, the best first",
    )
    several.add_argument(
        "--top",
        type=cli.whole("top"),
        metavar="N",
        help="only the first N rows (default order: by val_accuracy)",
    )
    several.add_argument(
        "--export",
        choices=("latex", "csv", "markdown"),
        help="print the table alone, to paste into a report",
    )
    several.add_argument(
        "--strip",
        type=cli.whole("epoch"),
        nargs="+",
        metavar="EPOCH",
        help="of GANs, draw the samples by epoch instead",
    )
    several.add_argument(
        "--label", metavar="NAME", help="of the comparison's folder, or of the page"
    )
    gan = parser.add_argument_group(
        "GANs", "with either of these, several are evaluated before they are compared"
    )
    labels = "label the samples with this run's classifier, of the same data or of other digits"
    gan.add_argument("--classifier", metavar="RUN", type=cli.run_name, help=labels)
    gan.add_argument(
        "--samples",
        type=cli.whole("samples"),
        metavar="N",
        help="how many (default: 3000; points: 2500; stacked_mnist: 25600)",
    )
    own = "the network of your own that was trained, where it has layers of its own; it is run"
    parser.add_argument("--net", metavar="FILE.py:FUNCTION", help=own)
    cli.add_setting_flags(parser, ("device", "threads"))
    cli.add_place_flags(parser)
    return parser.parse_args()


def main():
    args = parse_args()
    cli.check_display(args.show)
    from lab import evaluation  # with NumPy and matplotlib, for which -h does not wait

    paths = evaluation.evaluate(cli.chosen(evaluation.Request, args))
    if paths:
        cli.finish(paths, args.show)


if __name__ == "__main__":
    cli.run(main)
