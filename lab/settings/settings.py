"""One class, one field a setting.

A field carries its type with its bounds, its default, and a `Flag`: its help, the group of flags
that it stands in, the networks that it is for. The flags of train.py, what ``--sweep`` may vary,
the way from text, JSON in and out, tables and the titles of figures follow from the fields.
"""

import functools
import hashlib
from typing import Annotated, Any, Literal, NamedTuple, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lab.io.files import MEGABYTE
from lab.io.words import flag_with
from lab.settings import kinds, names
from lab.settings.kinds import (
    Betas,
    Count,
    CountOrZero,
    Rate,
    Share,
    Smoothing,
    Strength,
    Threads,
    Units,
    Unrolled,
    UserError,
)
from lab.settings.source import check_named
from models import CLASSIFIER, GAN, KINDS, NETWORKS, Rule, network_of, networks_of, takers_of


class Flag(NamedTuple):
    """What a setting has beside its type, bounds and default."""

    name: str  # of the setting
    group: str  # of flags in the help
    help: str  # to which the default is added
    title: str = "{words} {value}"  # what a figure's title says of it, where it is not the default
    words: str | None = None  # what messages call it, where that is not its name
    axis: str | None = None  # what the axis of a figure calls it, where that is another word
    short: str | None = None  # its short flag
    metavar: str | None = None  # what the help calls its value, where its type does not say
    unset: str | None = None  # in the words of the help, what happens where it has no value
    general: Any = None  # default where networks have others: a value, or a `Rule`

    def is_for(self, net):
        """Whether a network may have it; one of the user's own, what any classifier may."""
        takers = takers_of(self.name)
        of_classifiers = not {*takers}.isdisjoint(networks_of(CLASSIFIER))
        return net in takers or (kinds.is_own_net(net) and of_classifiers)


def _field(default, **flag):
    """A field with a default that is the same for every network."""
    return Field(default=default, json_schema_extra={"flag": flag})


def _of_network(name, general=None, **flag):
    """A field whose default is that of the network, of its kind, or else the general one, which may
    be a `Rule`.
    """

    def default(above):
        found = network_of(above["net"]).default(name, general)
        return found.of(above) if isinstance(found, Rule) else found

    flag |= {"general": general}
    return Field(default_factory=default, json_schema_extra={"flag": flag})


_NET = f"any net: {', '.join(NETWORKS)}; or a function of your own, FILE.py:FUNCTION (docs/own.md)"
_DATASETS = f"{', '.join(names.DATASETS)}, or your own: FILE.npz or FOLDER (docs/own.md)"
_RESIZE = (
    "crop the pictures of your own folder to squares around their middle, and scale these to N by "
    "N pixels"
)
_PRECISION = (
    "to compute in; in bfloat16 convolutional nets train faster on many processors, small dense "
    "ones do not"
)
_STOPPING = (
    "stop after so many epochs without a better validation loss, and keep the best epoch's weights"
)
_OPTIMIZERS_OWN = Rule("the optimizer's own", lambda above: names.OPTIMIZERS[above["optimizer"]])
_LONGEST_EPOCHS = "; ".join(
    f"{net}: at most {network.most_steps}"
    for net, network in NETWORKS.items()
    if network.most_steps
)


class Settings(BaseModel):
    """Every setting that can change the outcome of a run: checked, and resolved when it is made.

    A default that depends on other settings is filled in, so that two runs are of equal settings
    if they were trained alike, however they were typed. None is left for what has no value (no
    early stopping, hidden layers of a net whose layers are fixed, what is for GANs in the settings
    of a classifier); for ``threads``, one a core of whichever machine; and, until
    `lab.data.resolve` has seen the data, for the data set's name and a GAN's steps per epoch.

    Raises
    ------
    UserError
        If a value is not allowed, or is for another kind of network.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    net: kinds.Net = _field("dense", group="network", help=_NET, title="")
    hidden: Units | None = _of_network(
        "hidden",
        group="network",
        help="units of each hidden layer of a dense net",
        title="",
        words="hidden units",
    )
    filters: kinds.Filters | None = _of_network(
        "filters", group="network", help="filters of each layer of the conv net, one to four"
    )
    kernels: kinds.Kernels | None = _of_network(
        "kernels", group="network", help="side of each layer's filters"
    )
    head: Literal[*names.HEADS] | None = _of_network(
        "head",
        group="network",
        help="what becomes of the last filters' images: flatten, or average each",
    )
    activation: Literal[*names.ACTIVATIONS] = _field(
        "relu", group="network", help=", ".join(names.ACTIVATIONS), title="{value}"
    )
    dropout: Share = _field(0.0, group="network", help="share of hidden units dropped")
    batch_norm: bool = _field(
        False,
        group="network",
        help="batch normalization before each hidden activation",
        title="batch norm",
    )
    regularizer_strength: Strength = _field(
        0.0,
        group="weight decay",
        help="its strength, on every kernel",
        title="{given.regularizer} λ = {value}",
        axis="weight decay λ",
        short="-r",
    )
    regularizer: Literal[*names.REGULARIZERS] = _field(
        "l2",
        group="weight decay",
        help="lambda * sum(|w|) or lambda * sum(w^2)",
        title="",
        metavar="l1|l2",
    )
    optimizer: Literal[*names.OPTIMIZERS] = _field(
        "adam", group="training", help=", ".join(names.OPTIMIZERS), title="{value}"
    )
    learning_rate: Rate = _of_network(
        "learning_rate", _OPTIMIZERS_OWN, group="training", help="of a GAN, its generator's"
    )
    schedule: Literal[*names.SCHEDULES] = _field(
        "constant",
        group="training",
        help="of the learning rate: constant, or falling to 0 as a cosine",
        title="{value} schedule",
    )
    warmup: CountOrZero = _field(
        0,
        group="training",
        help="epochs in which the learning rate rises from 0",
        metavar="EPOCHS",
    )
    batch_size: Count = _field(128, group="training", help="images to a step")
    epochs: Count = _field(
        10, group="training", help="passes over the data, or parts of it", title=""
    )
    early_stopping: Count | None = _field(
        None, group="training", help=_STOPPING, metavar="PATIENCE", unset="never"
    )
    label_smoothing: Smoothing = _of_network(
        "label_smoothing",
        0.0,
        group="training",
        help="share of a label given to all classes; of a GAN: labels 1 - S and S",
    )
    shift: kinds.Pixels = _field(
        0, group="training", help="move each training image by up to so many pixels, at random"
    )
    seed: CountOrZero = _field(
        0,
        group="training",
        help="of weights, order of images, dropout, shifts and latent vectors",
    )
    unroll: Unrolled = _field(
        0, group="GANs", help="discriminator updates the generator looks ahead, at most 100"
    )
    latent: Literal[*names.LATENTS] | None = _of_network(
        "latent", group="GANs", help="distribution of the latent numbers", title="{value}"
    )
    latent_size: Count | None = _of_network(
        "latent_size", group="GANs", help="of the latent vectors"
    )
    generator_loss: Literal[*names.GENERATOR_LOSSES] | None = _of_network(
        "generator_loss",
        group="GANs",
        help="-log D, or saturating: minus the discriminator's, flat where the generator loses",
        title="{value} loss",
        metavar="NAME",
    )
    initializer: Literal[*names.INITIALIZERS] | None = _of_network(
        "initializer",
        group="GANs",
        help="of the kernels: glorot_uniform or orthogonal",
        title="{value}",
        metavar="NAME",
    )
    discriminator_filters: kinds.ThreeFilters | None = _of_network(
        "discriminator_filters", group="GANs", help="of each layer of the conv discriminator"
    )
    betas: Betas | None = _of_network("betas", group="GANs", help="Adam's, of the generator")
    discriminator_betas: Betas | None = _of_network(
        "discriminator_betas", group="GANs", help="Adam's, of the discriminator"
    )
    discriminator_learning_rate: Rate | None = _of_network(
        "discriminator_learning_rate",
        group="GANs",
        help="the discriminator's; --learning-rate is the generator's",
    )
    steps_per_epoch: Count | None = _field(
        None,
        group="GANs",
        help="batches to an epoch",
        unset=f"a pass over the data; {_LONGEST_EPOCHS}",
    )
    sample_every: Count | None = _of_network(
        "sample_every", group="GANs", help="epochs between two pictures of samples", title=""
    )
    dataset: kinds.Dataset | None = _field(
        None,
        group="data",
        help=_DATASETS,
        title="",
        words="data set",
        unset=names.DATASETS[0],
    )
    holdout: CountOrZero = _field(
        0,
        group="data",
        help="validate on N training images, not on the test images",
        axis="held-out images",
    )
    resize: kinds.ImageSide | None = _field(
        None, group="data", help=_RESIZE, axis="pixels a side", unset="as they are"
    )
    device: Literal[*names.DEVICES] = _field(
        "auto", group="device", help="auto: the GPU if there is one", title=""
    )
    threads: Threads | None = _field(
        None,
        group="device",
        help="CPU threads",
        title="",
        axis="CPU threads",
        unset="one a core",
    )
    precision: Literal[*names.PRECISIONS] = _field(
        "float32", group="device", help=_PRECISION, title="{value}"
    )
    # No flag: what is in the file of a network of the user's own, once it was read
    # (`network.with_source`).
    source: Annotated[str, Field(max_length=MEGABYTE)] | None = None

    def __init__(self, /, **given):
        # What is None gets its default, which is None again where there is nothing to be had.
        unknown = next((name for name in given if name not in type(self).model_fields), None)
        if unknown is not None:
            raise UserError(f"unknown setting {unknown!r}")
        try:
            super().__init__(
                **{
                    name: value
                    for name, value in given.items()
                    if value is not None or name not in _RESOLVED
                }
            )
        except ValidationError as error:
            raise UserError(_in_words(error, given)) from error

    @model_validator(mode="after")
    def _check_kind(self):
        """Raise UserError for settings of another kind of network."""
        for name, flag in FLAGS.items():
            if not flag.is_for(self.net) and getattr(self, name) != self.default(name):
                raise UserError(
                    f"--{flag_of(name)} is for {_takers_in_words(name)}, not for the net {self.net}"
                )
        if self.filters and len(self.kernels) != len(self.filters):
            sizes = f"--kernels has {len(self.kernels)} sizes, --filters {len(self.filters)}"
            raise UserError(f"{sizes}: give one to a layer")
        if self.warmup >= self.epochs:
            left = f"--warmup {self.warmup} leaves no epoch of {self.epochs}"
            raise UserError(f"{left}: warm up for fewer, or train for more")
        if self.dataset in names.POINTS and not self.network.takes_points:
            able = " or ".join(net for net, row in NETWORKS.items() if row.takes_points)
            about = f"the data set {self.dataset} has points, not images"
            raise UserError(f"{about}: it is for the net {able}, not for {self.net}")
        return self

    @property
    def network(self):
        """The network's row in `models.NETWORKS`."""
        return network_of(self.net)

    @property
    def kind(self):
        """`models.CLASSIFIER` or `models.GAN`."""
        return self.network.kind

    @property
    def is_own_net(self):
        return kinds.is_own_net(self.net)

    @property
    def source_hash(self):
        """A short hash of the source of a network of the user's own; None of any other."""
        return self.source and hashlib.sha256(self.source.encode()).hexdigest()[:8]

    @property
    def data(self):
        """What tells a run's data from those of other runs: the data set's name, and the size that
        its pictures get.
        """
        return f"{self.dataset} {self.resize}" if self.resize else self.dataset

    def default(self, name):
        """What a setting is where it is not given, in the company of these."""
        return Settings.model_fields[name].get_default(
            call_default_factory=True, validated_data=dict(self)
        )

    def replace(self, **changes):
        """The same settings but for some; what was never given gets its default anew, as another
        optimizer its own rate.
        """
        return type(self)(**{name: getattr(self, name) for name in self.model_fields_set} | changes)

    def to_json(self):
        """The settings as a dict that JSON can hold, and of which ``Settings(**dict)`` makes the
        same ones.
        """
        return self.model_dump(mode="json", exclude=None if self.source else {"source"})

    def describe(self, examples=None):
        """What distinguishes the run, for a figure's title: the net, and every setting that is not
        the default.

        Parameters
        ----------
        examples : int, optional
            Training examples, in which steps per epoch that are a whole pass are no distinction.
        """
        parts = [self.net + (" " + "-".join(map(str, self.hidden)) if self.hidden else "")]
        for name, value in self.unusual(examples).items():
            parts.append(
                FLAGS[name].title.format(words=words(name), value=kinds.text(value), given=self)
            )
        return ", ".join(filter(None, parts))

    def unusual(self, examples=None):
        """Every setting that is not its default in the company of the others, by name:
        ``Settings(**unusual)`` are the same.

        Parameters
        ----------
        examples : int, optional
            As of `describe`.
        """
        usual = {name: self.default(name) for name in FLAGS} | {
            "steps_per_epoch": self.usual_steps(examples)
        }
        return {
            name: getattr(self, name)
            for name in FLAGS
            if getattr(self, name) not in (usual[name], None)
        }

    def usual_steps(self, examples):
        """Steps per epoch of a GAN that has no setting of its own, with so many training examples;
        None of a classifier.
        """
        if "steps_per_epoch" not in self.kind.settings or examples is None:
            return None
        return min(examples // self.batch_size, self.network.most_steps or examples)


# The settings' flags, by name.
FLAGS = {
    name: Flag(name, **field.json_schema_extra["flag"])
    for name, field in Settings.model_fields.items()
    if field.json_schema_extra
}
# Those that may be given as None; None for any other is a fault.
_RESOLVED = {
    name
    for name, field in Settings.model_fields.items()
    if field.default_factory or field.default is None
}


def words(name):
    """What messages and axes call a setting."""
    return FLAGS[name].words or name.replace("_", " ")


def default_in_words(name):
    """What the help says of a setting's default: "20,10", or "0.0; gan-conv: 0.1"."""
    flag, field = FLAGS[name], Settings.model_fields[name]
    general = flag.general if field.default_factory else field.default
    by_default = {} if general is None else {_in_help(general): []}
    for net, network in NETWORKS.items():
        default = network.default(name, general)
        if default is not None and default is not general:
            by_default.setdefault(_in_help(default), []).append(net)
    if not by_default:
        return flag.unset
    if len(by_default) == 1:
        return next(iter(by_default))
    parts = [f"{', '.join(nets)}: {words}" if nets else words for words, nets in by_default.items()]
    return "; ".join(parts)


def _in_help(default):
    return default.words if isinstance(default, Rule) else kinds.text(default)


def _takers_in_words(name):
    """The networks that a setting is for: "classifiers", "GANs (gan-conv, gan-dense)" or names."""
    takers = takers_of(name)
    for kind in KINDS:
        if takers == networks_of(kind):
            return f"{kind.plural} ({', '.join(takers)})" if kind is GAN else kind.plural
    return ", ".join(takers)


def flag_of(name):
    """A setting's name as a flag has it, without its dashes."""
    return name.replace("_", "-")


def as_flags(values):
    """Settings as one would type them: "--hidden 50,25 --batch-norm".

    Parameters
    ----------
    values : dict
        By the setting's name, as `Settings.unusual` gives them.
    """
    given = [
        f"--{flag_of(name)}" if value is True else flag_with(flag_of(name), kinds.text(value))
        for name, value in values.items()
    ]
    return " ".join(given)


def parse(name, given):
    """The value of a setting from its text on a command line or in a table.

    Parameters
    ----------
    name : str
        A field of `Settings`.
    given : str
        "200,100", "1e-4", "true", "tanh", ...

    Raises
    ------
    UserError
        If the text is no value of that type and within its bounds.
    """
    if name == "net":
        check_named(given)
    return kinds.parse_as(_kind(name), words(name), given)


def is_value(name, given):
    """Whether a text is a value of a setting, as of `parse`."""
    try:
        parse(name, given)
    except UserError:
        return False
    return True


def metavar(name):
    """What the help calls a setting's value; empty of a flag that takes none."""
    return FLAGS[name].metavar or kinds.in_words(_kind(name)).metavar


def choices(name):
    """The names that a setting may be, if it is one of some names."""
    return kinds.choices(_kind(name))


def axis(name):
    """What the axis of a figure says of a setting that is a number, and whether it may be
    logarithmic; None of another.
    """
    kind = _kind(name)
    if kinds.plain(kind) not in (int, float):
        return None
    return FLAGS[name].axis or words(name), kind != Share


def differing(several):
    """The settings that are not the same in all of some runs, the source of their networks among
    them.

    Parameters
    ----------
    several : iterable of Settings

    Returns
    -------
    list of str
    """
    several = list(several)
    return [
        name
        for name in Settings.model_fields
        if len({getattr(settings, name) for settings in several}) > 1
    ]


@functools.cache
def _kind(name):
    """A setting's type with its bounds, without its "or None"."""
    return kinds.required(get_type_hints(Settings, include_extras=True)[name])


def _in_words(error, given):
    """What was wrong with some settings, in one line."""
    for fault in error.errors():
        if isinstance(fault.get("ctx", {}).get("error"), UserError):
            return str(fault["ctx"]["error"])
        name = fault["loc"][0]
        if name not in FLAGS:
            return f"{name}: {fault['msg']}"
        if (
            fault["type"] != "default_factory_not_called"
        ):  # for want of another setting, whose fault comes first
            return kinds.refusal(_kind(name), words(name), given[name])
