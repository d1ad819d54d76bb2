#!/usr/bin/env python3
"""Train a network on images and save the run: settings, history, model and learning curve.

examples:
  python train.py -m first                              the dense net on MNIST, 10 epochs
  python train.py -m conv -c --device gpu               the convolutional net, on a GPU
  python train.py -m cifar --net filter --dataset cifar10 --batch-size 32
  python train.py -m decay -r 1e-4 --hidden 100,50      weight decay, other hidden layers
  python train.py -m five --repeats 5                   five seeds, for error bars
  python train.py -m rates --sweep learning-rate 1e-4 1e-3 1e-2 --repeats 3
  python train.py -m gan --net gan-dense --dataset fashion_mnist --unroll 5
  python train.py @recipes/hidden-units.args            an exercise: flags from a file

Everything is written to results/NAME/.
"""

from dataclasses import fields

from lab import cli
from lab import settings as config
from lab.errors import UserError


def parse_args():
    parser = cli.Parser(__doc__)
    cli.add_name_flag(parser, "name of the run, and of the folder it is written to")
    net = parser.add_argument_group("network")
    which = net.add_mutually_exclusive_group()
    which.add_argument("-d", "--dense", dest="net", action="store_const", const="dense", help="the dense net (default)")
    which.add_argument("-c", "--conv", dest="net", action="store_const", const="conv", help="the convolutional net")
    which.add_argument("--net", metavar="NAME", help=f"any net: {', '.join(config.NETS)}")
    hidden = "units of each hidden layer of a dense net (default of a GAN and its classifier: 256,256,256; else: 200,100)"
    net.add_argument("--hidden", type=cli.setting("hidden"), metavar="N,N", help=hidden)
    net.add_argument("--activation", metavar="NAME", help=", ".join(config.ACTIVATIONS))
    net.add_argument("--dropout", type=float, metavar="SHARE", help="share of hidden units dropped")
    net.add_argument("--batch-norm", action="store_true", help="batch normalization before each hidden activation")
    decay = parser.add_argument_group("weight decay")
    decay.add_argument("-r", "--regularizer-strength", type=float, metavar="LAMBDA", help="its strength, on every kernel")
    decay.add_argument("--regularizer", metavar="l1|l2", help="lambda * sum(|w|) or lambda * sum(w^2)")
    fit = parser.add_argument_group("training")
    fit.add_argument("--optimizer", metavar="NAME", help=", ".join(config.OPTIMIZERS))
    fit.add_argument("--learning-rate", type=float, metavar="RATE", help="(default: the optimizer's own; see also GANs)")
    fit.add_argument("--batch-size", type=int, metavar="N", help="images to a step")
    fit.add_argument("--epochs", type=int, metavar="N", help="passes over the data, or parts of it")
    fit.add_argument(
        "--early-stopping",
        type=int,
        metavar="PATIENCE",
        help="stop after so many epochs without a better validation loss, and keep the best epoch's weights (default: never)",
    )
    fit.add_argument("--seed", type=int, metavar="N", help="of weights, order of images, dropout and latent vectors")
    gan = parser.add_argument_group("GANs", f"for --net {', '.join(config.GANS)}; both networks are trained with Adam")
    gan.add_argument("--unroll", type=int, metavar="K", help="discriminator updates the generator looks ahead, at most 100")
    gan.add_argument(
        "--latent", metavar="|".join(config.LATENTS), help="latent numbers (default: uniform for gan-conv, else normal)"
    )
    gan.add_argument(
        "--label-smoothing", type=float, metavar="S", help="labels 1 - S and S (default: 0.1 for gan-conv, else 0)"
    )
    betas = {"type": cli.setting("betas"), "metavar": "B1,B2"}
    gan.add_argument("--betas", help="Adam's, of the generator (default: 0.5,0.999)", **betas)
    gan.add_argument("--discriminator-betas", help="(default: as the generator's)", **betas)
    rates = "--learning-rate is the generator's (defaults: gan-conv 1e-3, generator 5e-4; gan-dense 1e-4, generator 1e-3)"
    gan.add_argument("--discriminator-learning-rate", type=float, metavar="RATE", help=rates)
    steps = "(default: a pass over the data; gan-conv: at most 128)"
    gan.add_argument("--steps-per-epoch", type=int, metavar="N", help=steps)
    gan.add_argument("--sample-every", type=int, metavar="N", help="epochs between two pictures of samples (default: 1)")
    data = parser.add_argument_group("data")
    data.add_argument("--dataset", metavar="NAME", help=f"{', '.join(config.DATASETS)} (default: mnist)")
    data.add_argument("--holdout", type=int, metavar="N", help="validate on N training images, not on the test images")
    device = cli.add_device_flags(parser)
    device.add_argument("--precision", metavar="|".join(config.PRECISIONS), help="to compute in")
    many = parser.add_argument_group("many runs", "to results/NAME/FLAG=VALUE/seed=N/; what is there already is not done again")
    many.add_argument("--repeats", type=int, metavar="N", help="train N times, with the seeds SEED to SEED + N - 1")
    many.add_argument(
        "--sweep",
        nargs="+",
        action="append",
        metavar=("FLAG", "VALUE"),
        help="train with each of these values of a flag, named without its dashes; given again, with each combination",
    )
    many.add_argument("--workers", type=int, metavar="N", help="processes on this machine (default: one a core, of one thread)")
    many.add_argument("--scheduler", metavar="ADDRESS", help="train on a running Dask cluster, as tcp://HOST:8786")
    places = cli.add_place_flags(parser)
    places.add_argument(
        "--overwrite", action="store_true", help="replace an older run of this name, which is removed when training begins"
    )
    places.add_argument("--tensorboard", action="store_true", help="also write a log for TensorBoard")
    parser.set_defaults(**{field.name: field.default for field in fields(config.RunConfig)})
    return parser.parse_args()


def settings_of(args):
    return config.RunConfig(**{field.name: getattr(args, field.name) for field in fields(config.RunConfig)})


def main():
    args = parse_args()
    settings = settings_of(args)
    cli.check_tensorboard(args.tensorboard)
    from lab.figures import base as figures
    from lab.runs import folders as runs

    figures.check_display(args.show)
    folder = runs.folder_of(args.results_dir, args.model_name)
    if args.sweep or args.repeats is not None:
        return train_many(args, settings, folder)
    if args.workers is not None or args.scheduler is not None:
        raise UserError("--workers and --scheduler are for many runs: add --repeats or --sweep")
    return train_one(args, settings, folder)


def train_one(args, settings, folder):
    from lab.backend import devices
    from lab.data import load as datasets
    from lab.figures import base as figures
    from lab.runs import folders as runs

    runs.check_free(folder, args.overwrite)
    dataset, arrays = datasets.find_for(settings, args.data_dir)
    device = devices.start(*devices.setup_of(settings))
    from lab.training import run as training

    history = training.train(settings, dataset, arrays, folder, device, overwrite=args.overwrite, tensorboard=args.tensorboard)
    print(training.summary(history, folder))
    if args.show:
        figures.show([folder / "learning_curve.png"])


def train_many(args, settings, folder):
    from lab.comparison import compare as comparison
    from lab.experiments import sweep as sweeps
    from lab.figures import base as figures

    planned = sweeps.grid(settings, args.sweep or [], 1 if args.repeats is None else args.repeats)
    data = sweeps.load_data(planned.values(), args.data_dir)
    given = {name: getattr(args, name) for name in ("scheduler", "workers", "overwrite", "tensorboard")}
    failed = sweeps.train(folder, planned, data, **given)
    status = sweeps.report_failures(failed, len(planned))
    if len(failed) < len(planned):
        paths = comparison.report_sweep(args.results_dir, folder)
        place = "" if args.results_dir == "results" else f" --results-dir {args.results_dir}"
        print(f"{folder}: for figures and tables of all of it, python evaluate.py -m {args.model_name}{place}")
        if args.show:
            figures.show(paths)
    return status


if __name__ == "__main__":
    cli.run(main)
