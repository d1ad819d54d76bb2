#!/usr/bin/env python3
"""Evaluate a trained run: loss and accuracy, mistakes, filters; of a GAN, samples and their classes. Or compare runs.

examples:
  python evaluate.py -m first                           on the data that the run was trained and validated on
  python evaluate.py -m first --images A.png B.jpg      what the net sees in your own pictures
  python evaluate.py -m first second 'decay-*'          tables and learning curves of several runs, repeated runs or sweeps
  python evaluate.py -m hidden-units --published recipes/hidden-units.csv
  python evaluate.py -m fashion-gan --classifier fashion-classifier     mode collapse, of one GAN or of several

A run's evaluation is written to results/NAME/, a comparison to results/comparisons/LABEL/.
"""

import dataclasses

from lab import cli
from lab.errors import UserError
from lab.settings import RunConfig


def parse_args():
    parser = cli.Parser(__doc__)
    cli.add_name_flag(parser, "name of the run; several names, or that of repeated runs or a sweep: compare them", nargs="+")
    parser.add_argument("--images", nargs="+", metavar="FILE", help="predict these PNG or JPEG files instead")
    several = parser.add_argument_group("comparison", "from the saved histories: no data and no TensorFlow needed")
    several.add_argument("--published", metavar="FILE.csv", help="set published figures beside ours (see recipes/*.csv)")
    several.add_argument("--label", metavar="NAME", help="of the comparison's folder (default: made from the names)")
    gan = parser.add_argument_group("GANs", "with either of these, each of several GANs is evaluated before they are compared")
    gan.add_argument("--classifier", metavar="RUN", help="label the samples with this run's classifier, of the same data set")
    gan.add_argument("--samples", type=int, metavar="N", help="how many (default: 3000; of the ring 2500)")
    cli.add_device_flags(parser)
    cli.add_place_flags(parser)
    return parser.parse_args()


def main():
    args = parse_args()
    from lab.figures import base as figures
    from lab.runs import folders as runs

    figures.check_display(args.show)
    folders = runs.named(args.results_dir, args.model_name)
    name = args.model_name[0]
    alone = not runs.is_pattern(name) and folders == [runs.folder_of(args.results_dir, name)]
    several = not alone or args.published or args.label
    of_gans = args.classifier is not None or args.samples is not None
    if several:
        if of_gans:
            evaluate_gans(args, folders)
        paths = compare(args, folders)
    elif of_gans or runs.load_config(folders[0])[0].is_gan:
        paths = evaluate_gans(args, folders)
    else:
        paths = evaluate_one(args, folders[0])
    print(f"{paths[0].parent}: {', '.join(path.name for path in paths)}")
    if args.show:
        figures.show([path for path in paths if path.suffix == ".png"])


def evaluate_one(args, folder):
    from lab.backend import devices
    from lab.data import load as datasets
    from lab.evaluation import classifiers as evaluation
    from lab.runs import folders as runs

    config, record = runs.load_trained(folder)
    config = dataclasses.replace(config, device=args.device, threads=args.threads)
    if args.images:
        pictures = evaluation.load_pictures(args.images, datasets.IMAGE_SHAPES[record["dataset"]["name"]])
    else:
        arrays = evaluation.data_of(config, record, args.data_dir)
    devices.start(config.device, config.threads)
    model = runs.load_model(folder, record)
    if args.images:
        return evaluation.predict_pictures(folder, model, args.images, pictures, record)
    return evaluation.evaluate(folder, model, arrays, record)


def evaluate_gans(args, folders):
    """Evaluate one GAN after the other; what was written for the last."""
    from lab.backend import devices
    from lab.evaluation import classifiers as evaluation
    from lab.evaluation import gans as gan_evaluation
    from lab.runs import folders as runs

    if args.published:
        raise UserError("--published: there are published figures of classifiers only")
    RunConfig(device=args.device, threads=args.threads)
    if len(folders) > 1:  # those without a model are left out of the comparison, too
        folders = [folder for folder in folders if runs.load_history(folder)["status"] in (runs.COMPLETE, runs.INTERRUPTED)]
    trained = {folder: runs.load_trained(folder) for folder in folders}
    classifier = None if args.classifier is None else runs.folder_of(args.results_dir, args.classifier)
    for folder, (config, record) in trained.items():
        gan_evaluation.check(folder, config, record, classifier, args.samples)
    if args.images:
        raise UserError("--images: only classifiers predict pictures")
    arrays = evaluation.data_of_all(trained.values(), args.data_dir)
    devices.start(args.device, args.threads)
    judge = gan_evaluation.load_classifier(args.classifier, classifier) if classifier else None
    for folder, (config, record) in trained.items():
        if len(folders) > 1:
            print(f"\n{folder}")
        networks = runs.load_model(folder, record)
        data = arrays[record["dataset"]["name"], config.holdout]
        paths = gan_evaluation.evaluate(folder, networks, data, config, record, judge, args.samples)
    return paths


def compare(args, folders):
    from lab.comparison import compare as comparison
    from lab.runs import folders as runs

    if args.images:
        raise UserError("--images: name one run that is to predict them")
    groups, notes = comparison.collect(args.results_dir, folders)
    folder = runs.folder_of(args.results_dir, f"comparisons/{args.label or comparison.label_of(args.model_name)}")
    runs.check_free(folder, overwrite=True)
    return comparison.compare(groups, notes, folder, args.published)


if __name__ == "__main__":
    cli.run(main)
