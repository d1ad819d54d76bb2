#!/usr/bin/env python3
"""Evaluate a trained run: loss and accuracy, precision and recall by class, its mistakes, its weights.

examples:
  python evaluate.py -m first                           on the data that the run was trained and validated on
  python evaluate.py -m first --images A.png B.jpg      what the net sees in your own pictures

Everything is written to results/NAME/.
"""

import dataclasses

from lab import cli


def parse_args():
    parser = cli.Parser(__doc__)
    cli.add_name_flag(parser, "name of the run")
    parser.add_argument("--images", nargs="+", metavar="FILE", help="predict these PNG or JPEG files instead")
    cli.add_device_flags(parser)
    cli.add_place_flags(parser)
    return parser.parse_args()


def main():
    args = parse_args()
    from lab import datasets, devices, evaluation, figures, runs

    folder = runs.folder_of(args.results_dir, args.model_name)
    config, record = runs.load_trained(folder)
    config = dataclasses.replace(config, device=args.device, threads=args.threads)
    figures.check_display(args.show)
    if args.images:
        pictures = evaluation.load_pictures(args.images, datasets.IMAGE_SHAPES[record["dataset"]["name"]])
    else:
        arrays = evaluation.data_of(config, record, args.data_dir)
    devices.start(config.device, config.threads)
    model = runs.load_model(folder, record)
    if args.images:
        paths = evaluation.predict_pictures(folder, model, args.images, pictures, record)
    else:
        paths = evaluation.evaluate(folder, model, arrays, record)
    print(f"{folder}: {', '.join(path.name for path in paths)}")
    if args.show:
        figures.show([path for path in paths if path.suffix == ".png"])


if __name__ == "__main__":
    cli.run(main)
